"""`info`, `spots` and `simulate`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from sfx_label.cli.command import Command, Result
from sfx_label.cli.terminal import Terminal, columns


def add_run(parser: ArgumentParser, name: str = "run") -> None:
    """Add the argument that names a run, with the options that help to open it."""
    parser.add_argument(name, metavar=name.upper(), help="file, folder, pattern, or file.h5:/path/to/data")
    add_opening(parser)


def add_opening(parser: ArgumentParser) -> None:
    """Add the options that help to open a run."""
    parser.add_argument(
        "--mask", metavar="FILE", help="mask to use instead of the run's own (.npz, .npy or HDF5; True = good)"
    )
    parser.add_argument(
        "--root", metavar="DIR", action="append", default=[], help="another folder that links in the file may lead to"
    )


def _info(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.frames.open import describe, open_frames

    with open_frames(options.path, mask=options.mask, roots=options.root) as frames:
        result = describe(frames)
    rows = [(name, "unknown" if value is None else str(value)) for name, value in _flat(result)]
    terminal.say(columns(rows))
    return result


def _flat(result: Result, prefix: str = "") -> list[tuple[str, object]]:
    rows: list[tuple[str, object]] = []
    for name, value in result.items():
        rows += _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else [(prefix + name, value)]
    return rows


def _spots_arguments(parser: ArgumentParser) -> None:
    add_run(parser, "path")
    parser.add_argument("--threads", type=int, help="threads to use (default: all cores)")


def _spots(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.frames.open import open_frames
    from sfx_label.preprocess.spots import count_spots

    with (
        open_frames(options.path, mask=options.mask, roots=options.root) as frames,
        terminal.progress("spots") as progress,
    ):
        counts = count_spots(frames, frames.mask, threads=options.threads, progress=progress)
        keys = [str(key) for key in frames.keys]
    terminal.say(columns([("spots", "frame"), *((str(n), key) for n, key in zip(counts, keys, strict=True))]))
    return {"counts": counts, "frames": keys, "unreadable": int((counts < 0).sum())}


def _simulate_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("--setting", required=True, help="LN83, LN84, LO19 or HARD: how the experiment differs")
    parser.add_argument("--frames", type=int, default=2000, help="how many frames (default 2000)")
    parser.add_argument("--seed", type=int, default=0, help="same seed, same bytes (default 0)")
    parser.add_argument("--size", type=int, default=724, help="rows and columns of a frame in pixels (default 724)")
    parser.add_argument("--out", required=True, metavar="FILE", help="run to write, with its annotation file beside it")


def _simulate(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.simulate import simulate_run

    with terminal.progress(f"simulate {options.setting}") as progress:
        run = simulate_run(
            options.out, options.setting, options.frames, options.seed, frame_size=options.size, progress=progress
        )
    terminal.say(f"{options.frames} frames in {run.path}, labels in {run.annotation_path}")
    return {"path": run.path, "annotation_path": run.annotation_path, "n_frames": options.frames, "seed": options.seed}


COMMANDS = (
    Command("info", "say what a run holds", lambda parser: add_run(parser, "path"), _info, "sfx-label info r0095.h5"),
    Command(
        "spots", "count the spots of each frame", _spots_arguments, _spots, "sfx-label spots r0095.h5 --json spots.json"
    ),
    Command(
        "simulate",
        "write a run of simulated stills with known truth",
        _simulate_arguments,
        _simulate,
        "sfx-label simulate --setting LN84 --frames 200 --out ln84.h5",
    ),
)
