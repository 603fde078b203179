"""`study`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace

from sfx_label.cli.command import Command, Result
from sfx_label.cli.terminal import Terminal

TABLES = "1,2,3,4,5,7"
FIGURES = "8,9,10"


def _study_arguments(parser: ArgumentParser) -> None:
    add = parser.add_argument
    add("--runs", nargs="+", required=True, metavar="RUN", help="FILE or NAME=FILE, with labels beside it")
    add("--tables", default=TABLES, help=f"numbers of the paper's tables (default {TABLES})")
    add("--figures", default=FIGURES, help=f"numbers of its figures (default {FIGURES})")
    add("--seeds", type=int, default=1, metavar="N", help="repeat each cell with N seeds (default 1)")
    add("--small", action="store_true", help="reduced runs: half an hour on two cores")
    add("--out", default="study", metavar="DIR", help="folder of the study; finished cells are not done again")
    add("--order", choices=("file", "random"), default="file", help="splits (default: file, as in the paper)")
    add("--preset", choices=("paper", "default"), default="paper", help="preprocessing (default: paper)")
    add("--budgets", default="", metavar="N,N", help="learning curves with these numbers of labels")
    add("--methods", default="rwd", metavar="M,M", help="methods of the learning curves, beside the spot count")
    add("--device", default="auto", help="auto, cpu or gpu:0")


def words(text: str) -> list[str]:
    """Split ``"1,2"`` at its commas."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _study(options: Namespace, terminal: Terminal) -> Result:
    from sfx_label.results.study import run_study

    with terminal.progress("study") as progress:
        study = run_study(
            options.runs,
            tables=words(options.tables),
            figures=words(options.figures),
            seeds=options.seeds,
            small=options.small,
            out=options.out,
            order=options.order,
            preset=options.preset,
            budgets=[int(word) for word in words(options.budgets)],
            methods=words(options.methods),
            device=options.device,
            progress=progress,
            say=terminal.say,
        )
    terminal.say(f"report: {study.report}")
    return study.to_dict()


COMMANDS: tuple[Command, ...] = (
    Command(
        "study",
        "repeat the paper's tables and figures on labelled runs",
        _study_arguments,
        _study,
        "sfx-label study --runs ln83.h5 ln84.h5 lo19.h5 --small --out study",
    ),
)
