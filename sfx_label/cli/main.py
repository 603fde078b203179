"""`sfx-label`: parse, call one command, say what came of it."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from argparse import _SubParsersAction as SubParsers
from collections.abc import Sequence
from importlib.metadata import version

from sfx_label.cli import frames, labels, models, screening, study, tools
from sfx_label.cli.command import Command, write_json
from sfx_label.cli.terminal import Terminal
from sfx_label.errors import SfxLabelError

COMMANDS: tuple[Command, ...] = (
    *tools.DEMO,
    *frames.COMMANDS,
    *labels.COMMANDS,
    *models.COMMANDS,
    *screening.COMMANDS,
    *study.COMMANDS,
    *tools.COMMANDS,
)
INTERRUPTED = 130


def build_parser() -> ArgumentParser:
    """Return the parser of the whole command line, also used for completion and the reference."""
    parser = ArgumentParser(
        prog="sfx-label",
        description="Label, train and screen serial crystallography frames.",
        epilog="sfx-label COMMAND --help says more; sfx-label demo shows the whole way.",
    )
    parser.add_argument("--version", action="version", version=f"sfx-label {version('sfx-label')}")
    groups: dict[str, SubParsers[ArgumentParser]] = {"": _subcommands(parser)}
    for command in COMMANDS:
        _add(command, groups)
    return parser


def _subcommands(parser: ArgumentParser) -> SubParsers[ArgumentParser]:
    return parser.add_subparsers(metavar="COMMAND", required=True)


def _add(command: Command, groups: dict[str, SubParsers[ArgumentParser]]) -> None:
    group, _, name = command.name.rpartition(" ")
    if group not in groups:
        groups[group] = _subcommands(groups[""].add_parser(group, help=f"{group}: see sfx-label {group} --help"))
    parser = groups[group].add_parser(
        name,
        help=command.help,
        description=command.help,
        epilog=f"example:\n  {command.example}",
        formatter_class=RawDescriptionHelpFormatter,
    )
    command.arguments(parser)
    parser.add_argument("--json", metavar="FILE", help="write the result to FILE as JSON")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    parser.set_defaults(command=command)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments
        Words of the command line; by default those of this process.

    Returns
    -------
    int
        0, or 1 after an error that was printed as one line, or 130 when interrupted.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # TensorFlow talks of its build before the first result
    chosen = build_parser().parse_args(arguments)
    try:
        result = chosen.command.run(chosen, Terminal(chosen.quiet))
        if chosen.json:
            write_json(result, chosen.json)
    except (SfxLabelError, OSError, ValueError, MemoryError) as error:
        if chosen.debug:
            raise
        print(f"sfx-label: error: {_one_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("sfx-label: stopped", file=sys.stderr)
        return INTERRUPTED
    return 0


def _one_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if isinstance(error, SfxLabelError) else f"{type(error).__name__}: {text}"


if __name__ == "__main__":
    sys.exit(main())
