"""Finished tables: the planned rows with what came out of their cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from sfx_label.results import comparison
from sfx_label.results.comparison import compare
from sfx_label.results.differences import Difference
from sfx_label.results.evaluation import Evaluation
from sfx_label.results.grid import Grid, Lines
from sfx_label.results.published import published_cell
from sfx_label.results.study.plan import PlannedRow, PlannedTable
from sfx_label.results.study.recipes import Cell
from sfx_label.results.study.store import Outcome
from sfx_label.results.tables import balanced_lines, maybe_lines, recall_lines

__all__ = ["StudyRow", "StudyTable", "finish_table"]

Lookup = Callable[[Cell], Outcome | None]

_NOTES = (
    "Recall of Hit-or-Maybe / recall of Miss in %, 95 % Wilson intervals in brackets, n = frames tested; then Maybe "
    "alone and balanced accuracy.",
    "± = standard deviation over seeds. Δ = balanced accuracy against the spot count of the same table and labels: "
    "↑ better, ↓ worse, ≈ inside the 95 % interval.",
)


@dataclass(frozen=True, eq=False)
class StudyRow:
    """One row of a finished table.

    Parameters
    ----------
    planned
        What it was to be.
    outcomes
        For each column one outcome a seed; those not finished are left out.
    """

    planned: PlannedRow
    outcomes: Mapping[str, tuple[Outcome, ...]]

    @property
    def name(self) -> str:
        """In the table."""
        return self.planned.name

    def evaluations(self, column: str) -> tuple[Evaluation, ...]:
        """Return the evaluations of a column, one a seed that could be done."""
        return tuple(o.evaluation for o in self.outcomes.get(column, ()) if o.evaluation is not None)

    def cell(self, column: str) -> comparison.Cell | None:
        """Return mean and spread over seeds, or ``None`` if no seed could be done."""
        evaluations = self.evaluations(column)
        return comparison.Cell(evaluations) if evaluations else None

    def failure(self, column: str) -> str:
        """Return why a column could not be done, if so."""
        return next((o.failure for o in self.outcomes.get(column, ()) if o.failure), "")


@dataclass(frozen=True, eq=False)
class StudyTable:
    """One finished table of the study."""

    planned: PlannedTable
    rows: tuple[StudyRow, ...]

    @property
    def title(self) -> str:
        """Number and title."""
        return f"Table {self.planned.number}. {self.planned.title}"

    def row(self, name: str) -> StudyRow | None:
        """Return a row by name."""
        return next((row for row in self.rows if row.name == name), None)

    def difference(self, row: StudyRow, column: str, measure: str = "balanced_accuracy") -> Difference | None:
        """Return by how much a row is above its spot count in one column.

        Parameters
        ----------
        row, column
            Which cell.
        measure
            As in :func:`~sfx_label.results.comparison.compare`.
        """
        reference = self.row(row.planned.reference) if row.planned.reference else None
        this, other = row.cell(column), reference.cell(column) if reference else None
        return compare(this, other, measure) if this and other else None

    def grid(self) -> Grid:
        """Return the table in the paper's layout, published cells beside ours."""
        columns: tuple[Lines, ...] = (("trained",), ("labels",), *((column,) for column in self.planned.columns))
        rows = tuple(
            ((row.name,), _labels(row), *(self._lines(row, column) for column in self.planned.columns))
            for row in self.rows
        )
        notes = (*((self.planned.note,) if self.planned.note else ()), *_NOTES)
        return Grid(self.title, columns, rows, notes)

    def _lines(self, row: StudyRow, column: str) -> Lines:
        if column not in row.planned.cells:
            return ("-",)
        cell, key = row.cell(column), row.planned.published.get(column)
        printed = published_cell(*key) if key else None
        paper = (f"paper: {printed}",) if printed else ()
        if cell is None:
            return (f"not possible: {row.failure(column)}" if row.failure(column) else "not finished", *paper)
        maybe, balanced = maybe_lines(cell), balanced_lines(cell, self.difference(row, column))
        return (*recall_lines(cell), f"Maybe {' '.join(maybe)}", f"balanced {' '.join(balanced)}", *paper)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, JSON-ready."""
        return {
            "number": self.planned.number,
            "title": self.planned.title,
            "columns": list(self.planned.columns),
            "rows": [self._row_dict(row) for row in self.rows],
        }

    def _row_dict(self, row: StudyRow) -> dict[str, Any]:
        cells = {column: self._cell_dict(row, column) for column in row.planned.cells}
        return {"name": row.name, "method": row.planned.method, "cells": cells}

    def _cell_dict(self, row: StudyRow, column: str) -> dict[str, Any]:
        cell, key = row.cell(column), row.planned.published.get(column)
        printed, difference = published_cell(*key) if key else None, self.difference(row, column)
        return {
            "figures": cell.to_dict() if cell else None,
            "failure": row.failure(column),
            "difference": difference.to_dict() if difference else None,
            "published": {"hit_or_maybe": printed.hit_or_maybe, "miss": printed.miss} if printed else None,
        }


def _labels(row: StudyRow) -> Lines:
    cells = [row.cell(column) for column in row.planned.cells]
    return tuple(dict.fromkeys(str(cell.budget) for cell in cells if cell))


def finish_table(planned: PlannedTable, lookup: Lookup) -> StudyTable:
    """Return a table with the outcomes that are there.

    Parameters
    ----------
    planned
        The plan.
    lookup
        From cell to outcome; ``None`` for cells that are not finished.
    """
    rows = []
    for row in planned.rows:
        outcomes = {
            column: tuple(outcome for outcome in map(lookup, cells) if outcome is not None)
            for column, cells in row.cells.items()
        }
        rows.append(StudyRow(row, outcomes))
    return StudyTable(planned, tuple(rows))
