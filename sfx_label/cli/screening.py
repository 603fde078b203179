"""`screen` and `export`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from sfx_label.cli.command import Command, Result
from sfx_label.cli.models import load_bundle
from sfx_label.cli.terminal import Terminal, columns

FORMATS = ("crystfel", "dials", "cxi", "vds", "euxfel", "csv", "parquet")


def _screen_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("bundle", metavar="BUNDLE", help="folder of a trained model, or zero-label")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="files, folders or patterns")
    parser.add_argument("--out", required=True, metavar="DIR", help="where the parts go; the same folder resumes")
    parser.add_argument("--engine", choices=("serial", "threads", "dask"), default="threads", help="default: threads")
    parser.add_argument("--workers", type=int, help="threads or worker processes (default: all cores)")
    parser.add_argument("--scheduler", metavar="ADDR", help="an own Dask scheduler: tls://... or on this machine")
    parser.add_argument("--slurm", metavar="KEY=VALUE", nargs="*", help="start workers through SLURM: queue=... walltime=...")
    parser.add_argument("--partition", metavar="i/N", help="do only the i-th of N shares, counted from 0 (SLURM arrays)")
    parser.add_argument("--follow", action="store_true", help="wait for new frames until interrupted")
    parser.add_argument("--audit", type=int, default=200, metavar="N", help="rejected frames to keep aside for labelling")
    parser.add_argument("--seed", type=int, default=0, help="seed of the audit sample (default 0)")


def partition(text: str | None) -> tuple[int, int] | None:
    """Read ``"3/16"`` as ``(3, 16)``; `ValueError` if it is not a share counted from 0."""
    if text is None:
        return None
    share, _, total = text.partition("/")
    if not (share.isdigit() and total.isdigit() and int(share) < int(total)):
        raise ValueError(f"--partition wants i/N with i from 0 to N-1, received {text!r}")
    return int(share), int(total)


def _screen(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.screening.run import screen

    bundle = load_bundle(options.bundle)
    with terminal.progress(f"screen {len(options.runs)} runs") as progress:
        done = screen(
            bundle,
            options.runs,
            options.out,
            engine=options.engine,
            workers=options.workers,
            scheduler=options.scheduler,
            slurm=dict(item.split("=", 1) for item in options.slurm) if options.slurm is not None else None,
            partition=partition(options.partition),
            follow=options.follow,
            audit=options.audit,
            seed=options.seed,
            progress=progress,
        )
    terminal.say(str(done))
    return done.to_dict()


def _export_arguments(parser: ArgumentParser) -> None:
    parser.add_argument("folder", metavar="DIR", help="folder of a screening")
    parser.add_argument("--format", choices=FORMATS, required=True, help="what the next program reads")
    parser.add_argument("--out", required=True, metavar="FILE", help="file to write")
    parser.add_argument("--threshold", type=float, help="keep frames of at least this probability (default: the model's)")
    parser.add_argument("--top", type=int, metavar="N", help="keep only the N most probable")
    parser.add_argument("--class", dest="chosen", choices=("hit", "miss", "all"), default="hit", help="default: hit")


def _export(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.screening.export import export

    report = export(
        options.folder, options.out, format=options.format, threshold=options.threshold, top=options.top, which=options.chosen
    )
    result = report.to_dict()
    terminal.say(columns([(name, str(value)) for name, value in result.items()]))
    return result


COMMANDS = (
    Command("screen", "classify every frame of whole runs", _screen_arguments, _screen, "sfx-label screen ln84-rwd runs/*.h5 --out night1"),
    Command("export", "hand the hits to the next program", _export_arguments, _export, "sfx-label export night1 --format crystfel --out hits.lst"),
)
