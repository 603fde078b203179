"""A printed table: cells of one or more lines, shown as text, Markdown, HTML, LaTeX or CSV, whatever they contain.

Names come from files and from people. Each renderer makes them harmless in its own language.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

__all__ = ["Grid", "Lines", "harmless_field", "one_line"]

Lines = tuple[str, ...]

_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "≈": r"$\approx$",
    "↑": r"$\uparrow$",
    "↓": r"$\downarrow$",
    "±": r"$\pm$",
    "→": r"$\rightarrow$",
    "≥": r"$\geq$",
    "<": r"$<$",
    ">": r"$>$",
    **{mark: "\\" + mark for mark in "&%$#_{}"},
}


@dataclass(frozen=True)
class Grid:
    """A table of text.

    Parameters
    ----------
    title
        One line above the table; may be empty.
    columns
        The lines of each column's head.
    rows
        The lines of each cell, as many cells as there are columns.
    notes
        Sentences below the table.
    """

    title: str
    columns: tuple[Lines, ...]
    rows: tuple[tuple[Lines, ...], ...]
    notes: Lines = ()

    def to_text(self) -> str:
        """Return the table for a terminal: columns aligned, one blank line between rows of several lines."""
        table = [[[one_line(line) for line in cell] for cell in row] for row in (self.columns, *self.rows)]
        widths = [max(len(line) for row in table for line in (row[at] or [""])) for at in range(len(self.columns))]
        tall = any(len(cell) > 1 for row in table[1:] for cell in row)
        blocks = [_block(row, widths) for row in table]
        rule = "  ".join("-" * width for width in widths)
        body = ("\n\n" if tall else "\n").join(blocks[1:])
        notes = "\n".join(one_line(note) for note in self.notes)
        return "\n".join(part for part in (one_line(self.title), blocks[0], rule, body, notes and f"\n{notes}") if part)

    def to_markdown(self) -> str:
        """Return a Markdown table; lines of a cell are parted by ``<br>``."""
        rows = [[_markdown_cell(cell) for cell in row] for row in (self.columns, *self.rows)]
        rows.insert(1, ["---"] * len(self.columns))
        table = "\n".join("| " + " | ".join(row) + " |" for row in rows)
        title = f"**{_markdown(self.title)}**" if self.title else ""
        return "\n\n".join(part for part in (title, table, "  \n".join(_markdown(note) for note in self.notes)) if part)

    def to_html(self) -> str:
        """Return an HTML table in which every text is escaped."""
        head = "".join(f"<th>{_html_cell(cell)}</th>" for cell in self.columns)
        body = "".join("<tr>" + "".join(f"<td>{_html_cell(cell)}</td>" for cell in row) + "</tr>" for row in self.rows)
        caption = f"<caption>{escape(self.title)}</caption>" if self.title else ""
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.notes)
        table = f"<table>{caption}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
        return f'<div class="sfx-label-table">{table}{notes}</div>'

    def to_latex(self) -> str:
        """Return a ``tabular`` for a manuscript (packages ``booktabs`` and ``makecell``)."""
        rows = [" & ".join(_latex_cell(cell) for cell in row) + r" \\" for row in (self.columns, *self.rows)]
        rule = [r"\midrule"]
        lines = [rf"\begin{{tabular}}{{{'l' * len(self.columns)}}}", r"\toprule", rows[0], *rule, *rows[1:]]
        notes = [f"% {one_line(note)}" for note in self.notes]
        return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", *notes])

    def to_csv(self) -> str:
        """Return the cells as CSV, lines joined by a blank; a field that a spreadsheet would execute is quoted."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerows([harmless_field(" ".join(cell)) for cell in row] for row in (self.columns, *self.rows))
        return out.getvalue()


def one_line(text: str) -> str:
    """Return the text without line breaks, terminal escapes and other control characters.

    Parameters
    ----------
    text
        Any text, such as a file name.
    """
    return "".join(mark if mark.isprintable() else "\N{REPLACEMENT CHARACTER}" for mark in text)


def harmless_field(text: str) -> str:
    """Return the text so that no spreadsheet takes it for a formula.

    Parameters
    ----------
    text
        One field of a CSV file made for people.
    """
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _block(row: Sequence[Sequence[str]], widths: Sequence[int]) -> str:
    height = max(len(cell) for cell in row)
    lines = [
        "  ".join((cell[at] if at < len(cell) else "").ljust(width) for cell, width in zip(row, widths, strict=True))
        for at in range(height)
    ]
    return "\n".join(line.rstrip() for line in lines)


def _markdown(text: str) -> str:
    safe = escape(one_line(text), quote=False)
    return "".join("\\" + mark if mark in "\\|*_`[]" else mark for mark in safe)


def _markdown_cell(cell: Lines) -> str:
    return "<br>".join(_markdown(line) for line in cell)


def _html_cell(cell: Lines) -> str:
    return "<br>".join(escape(line) for line in cell)


def _latex_cell(cell: Lines) -> str:
    lines = ["".join(_LATEX.get(mark, mark) for mark in one_line(line)) for line in cell]
    return lines[0] if len(lines) == 1 else r"\makecell[l]{" + r" \\ ".join(lines) + "}" if lines else ""
