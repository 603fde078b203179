"""`screen` and `export`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from sfx_label.cli.command import Command, Result
from sfx_label.cli.frames import add_opening
from sfx_label.cli.models import load_bundle
from sfx_label.cli.terminal import Terminal, columns

ENGINES = ("serial", "threads", "processes", "dask")
FORMATS = ("crystfel", "dials", "cxi", "vds", "facility", "csv", "parquet")
LABELS = ("hit_or_maybe", "miss", "unusable")


def _screen_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("bundle", metavar="BUNDLE", help="folder of a trained model, or zero-label")
    add("runs", nargs="+", metavar="RUN", help="files, folders or patterns")
    add("--out", required=True, metavar="DIR", help="where the parts go; the same folder goes on")
    add("--engine", choices=ENGINES, default="serial", help="default: serial")
    add("--workers", type=int, help="threads or processes (default: one a core)")
    add("--scheduler", metavar="ADDR", help="an own Dask scheduler: tls://... or on this machine")
    add("--slurm", metavar="KEY=VALUE", nargs="*", help="workers through SLURM: queue=... walltime=...")
    add("--partition", metavar="i/N", help="only the i-th of N shares, from 0 (SLURM arrays)")
    add("--follow", action="store_true", help="go on while the runs grow")
    add("--spots", action="store_true", help="count the spots too, where the model itself does not")
    add("--audit", type=int, default=200, metavar="N", help="rejected frames to set aside for labelling")
    add("--seed", type=int, default=0, help="seed of the audit sample (default 0)")
    add_opening(parser)


def partition(text: str | None) -> tuple[int, int] | None:
    """Read ``"3/16"`` as ``(3, 16)``; `ValueError` if it is not a share counted from 0."""
    if text is None:
        return None
    share, _, total = text.partition("/")
    if not (share.isdigit() and total.isdigit() and int(share) < int(total)):
        raise ValueError(f"--partition wants i/N with i from 0 to N-1, received {text!r}")
    return int(share), int(total)


def slurm_settings(pairs: list[str] | None) -> dict[str, str] | None:
    """Read ``["queue=short"]`` as ``{"queue": "short"}``; `ValueError` if a pair has no ``=``."""
    if pairs is None:
        return None
    wrong = [pair for pair in pairs if "=" not in pair]
    if wrong:
        raise ValueError(f"--slurm wants KEY=VALUE, received {wrong[0]!r}")
    return dict(pair.split("=", 1) for pair in pairs)


def _screen(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.models.zero_label import adapt_to_runs
    from sfx_label.screening.run import screen

    bundle = adapt_to_runs(load_bundle(options.bundle), options.runs, seed=options.seed)
    with terminal.progress(f"screen {len(options.runs)} runs") as progress:
        done = screen(
            bundle,
            options.runs,
            options.out,
            engine=options.engine,
            workers=options.workers,
            scheduler=options.scheduler,
            slurm=slurm_settings(options.slurm),
            partition=partition(options.partition),
            follow=options.follow,
            spots=options.spots,
            audit=options.audit,
            seed=options.seed,
            mask=options.mask,
            roots=options.root,
            announce=terminal.say,
            progress=progress,
        )
    result = done.to_dict()
    shown = ("n_frames", "n_hits", "n_unusable", "hit_rate", "frames_per_second", "complete", "failures")
    terminal.say(columns([(name, str(result[name])) for name in shown if name in result]))
    return result


def _export_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("folder", metavar="DIR", help="folder of a screening")
    add("--format", choices=FORMATS, required=True, help="what the next program reads")
    add("--out", required=True, metavar="FILE", help="file to write")
    add("--threshold", type=float, help="keep frames of at least this probability (default: the model's)")
    add("--top", type=int, metavar="N", help="keep only the N most probable")
    add("--class", dest="label", choices=LABELS, default=LABELS[0], help="default: hit_or_maybe")


def _export(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.screening.export import export

    limits = {"threshold": options.threshold, "top": options.top, "label": options.label}
    result = export(options.folder, options.format, options.out, **limits).to_dict()
    terminal.say(columns([(name, str(value)) for name, value in result.items()]))
    return result


COMMANDS = (
    Command(
        "screen",
        "classify every frame of whole runs",
        _screen_arguments,
        _screen,
        "sfx-label screen ln84-rwd runs/*.h5 --out night1",
    ),
    Command(
        "export",
        "hand the hits to the next program",
        _export_arguments,
        _export,
        "sfx-label export night1 --format crystfel --out hits.lst",
    ),
)
