"""What a command may say: lines, a progress bar with time left, a table. Quiet and plain when nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

Progress = Callable[[int, int], None]


class Terminal:
    """Prints for people: colours and moving bars only where standard error is a terminal.

    Parameters
    ----------
    quiet
        Say nothing but errors.
    """

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, text: str = "") -> None:
        """Print one line, or a block of lines, to standard output."""
        if not self.quiet:
            print(text, flush=True)

    @contextmanager
    def progress(self, title: str) -> Iterator[Progress]:
        """Show how far a long step is; the block gets a ``progress(done, total)`` to call."""
        if self.quiet or not sys.stderr.isatty():
            yield lambda done, total: None
            return
        yield from self._bar(title)

    def _bar(self, title: str) -> Iterator[Progress]:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(title, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)


def columns(rows: Sequence[tuple[str, ...]], indent: str = "  ") -> str:
    """Set rows of text in columns.

    Parameters
    ----------
    rows
        Equally long rows.
    indent
        Put before each line.

    Returns
    -------
    str
        One line a row, without trailing spaces.
    """
    if not rows:
        return ""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(f"{indent}{line}".rstrip() for line in lines)
