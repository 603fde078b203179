"""The command line: thin faces over the same functions that notebooks call."""

from sfx_label.cli.main import build_parser, main

__all__ = ["build_parser", "main"]
