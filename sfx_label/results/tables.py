"""The recall table in the paper's form, with what the paper leaves out: intervals, n, Maybe alone, the label budget."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from sfx_label.errors import AnnotationFormatError
from sfx_label.results.comparison import Cell, compare
from sfx_label.results.differences import Difference
from sfx_label.results.evaluation import CLASSES, Evaluation
from sfx_label.results.grid import Grid, Lines

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["BASELINE", "RecallTable", "Row", "recall_table"]

BASELINE = "spot-count"  # the method that every other one is held against

Results: TypeAlias = Evaluation | Sequence[Evaluation] | Mapping[str, Evaluation | Sequence[Evaluation]]

_NOTES = (
    "Recall of Hit-or-Maybe / recall of Miss, in %; 95 % Wilson intervals in brackets; n = frames tested.",
    "labels = training + validation (+ audit) labels of the tested run. ± = standard deviation over seeds.",
)
_AGAINST = (
    "Δ = balanced accuracy against {name}: ↑ better, ↓ worse, ≈ inside the 95 % interval (frame by frame where the "
    "test frames are the same)."
)


@dataclass(frozen=True)
class Row:
    """One method: a :class:`~sfx_label.results.comparison.Cell` for each run that it was tested on."""

    name: str
    cells: Mapping[str, Cell]

    @property
    def is_baseline(self) -> bool:
        """Whether this is the fitted spot count."""
        methods = {e.method for cell in self.cells.values() for e in cell.evaluations}
        return methods == {BASELINE} or (methods == {""} and self.name == BASELINE)


@dataclass(frozen=True)
class RecallTable:
    """Methods in rows, runs in columns. Made by :func:`recall_table`; prints as text and shows as HTML in a notebook.

    Parameters
    ----------
    rows
        In the order shown.
    reference
        Name of the row that the others are held against; ``None`` for no comparison.
    """

    rows: tuple[Row, ...]
    reference: str | None = None

    @property
    def runs(self) -> tuple[str, ...]:
        """The runs, in the order in which they came."""
        return tuple(dict.fromkeys(run for row in self.rows for run in row.cells))

    def difference(self, name: str, run: str) -> Difference | None:
        """Return by how much a row's balanced accuracy is above the reference's on one run.

        Parameters
        ----------
        name, run
            Row and column.
        """
        by_name = {row.name: row.cells for row in self.rows}
        if self.reference is None or name == self.reference:
            return None
        this, other = by_name[name].get(run), by_name[self.reference].get(run)
        return compare(this, other) if this and other else None

    def grid(self) -> Grid:
        """Return the table as text cells."""
        heads = [head for run in self.runs for head in _heads(run)]
        columns = (("method",), ("labels",), ("seeds",), *heads)
        notes = _NOTES if self.reference is None else (*_NOTES, _AGAINST.format(name=self.reference))
        return Grid("", columns, tuple(self._row_cells(row) for row in self.rows), notes)

    def _row_cells(self, row: Row) -> tuple[Lines, ...]:
        budgets = tuple(dict.fromkeys(str(cell.budget) for cell in row.cells.values()))
        seeds = max(len(cell.evaluations) for cell in row.cells.values())
        shown = [part for run in self.runs for part in self._run_cells(row, run)]
        return ((row.name,), budgets, (str(seeds),), *shown)

    def _run_cells(self, row: Row, run: str) -> tuple[Lines, Lines, Lines]:
        cell = row.cells.get(run)
        if cell is None:
            return ("-",), ("-",), ("-",)
        return recall_lines(cell), maybe_lines(cell), balanced_lines(cell, self.difference(row.name, run))

    def __str__(self) -> str:
        return self.grid().to_text()

    def _repr_html_(self) -> str:
        return self.grid().to_html()

    def to_markdown(self) -> str:
        """Return the table in Markdown."""
        return self.grid().to_markdown()

    def to_latex(self) -> str:
        """Return the table in LaTeX (packages ``booktabs`` and ``makecell``)."""
        return self.grid().to_latex()

    def to_csv(self) -> str:
        """Return all numbers as CSV, one line for each method and run, fractions not percent."""
        from sfx_label.results.grid import harmless_field

        frame = self.to_frame()
        for name in ("method", "run"):
            frame[name] = [harmless_field(value) for value in frame[name]]
        return str(frame.to_csv(index=False, lineterminator="\n"))

    def to_frame(self) -> pd.DataFrame:
        """Return all numbers, one line for each method and run, fractions not percent."""
        import pandas as pd

        return pd.DataFrame([self._record(row, run) for row in self.rows for run in self.runs if run in row.cells])

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, JSON-ready: ``rows[name][run]`` with the difference from the reference."""
        rows: dict[str, Any] = {}
        for row in self.rows:
            rows[row.name] = {}
            for run, cell in row.cells.items():
                against = self.difference(row.name, run)
                rows[row.name][run] = {**cell.to_dict(), "difference": against.to_dict() if against else None}
        return {"reference": self.reference, "runs": list(self.runs), "rows": rows}

    def _record(self, row: Row, run: str) -> dict[str, Any]:
        cell, against = row.cells[run], self.difference(row.name, run)
        record: dict[str, Any] = {"method": row.name, "run": run, "labels": cell.label_budget}
        record |= {"labels_elsewhere": cell.budget.elsewhere}
        record |= {"seeds": len(cell.evaluations), "n": cell.n, "excluded": cell.excluded}
        for name in CLASSES:
            rate = cell.recall[name]
            record |= {name: rate.value, f"{name}_n": rate.n, f"{name}_low": rate.low, f"{name}_high": rate.high}
            record[f"{name}_sd"] = cell.spreads[name].deviation
        for name, one in (("balanced", cell.balanced_accuracy), ("auc", cell.auc)):
            record |= {name: one.value, f"{name}_low": one.low, f"{name}_high": one.high}
        record["balanced_sd"] = cell.spreads["balanced_accuracy"].deviation
        record |= {"difference": against.value if against else math.nan, "mark": against.mark if against else ""}
        return record


def recall_table(results: Mapping[str, Results], *, reference: str | None = None) -> RecallTable:
    """Set methods side by side.

    Parameters
    ----------
    results
        For each row's name one evaluation, a list of them (seeds; grouped by run), or a mapping from run to either.
    reference
        Row that the others are held against. By default the fitted spot count, which also stands first, or no row if
        there is none.

    Raises
    ------
    AnnotationFormatError
        If there is nothing to show, or no row of the name ``reference``.
    """
    rows = [Row(name, _cells(result)) for name, result in results.items()]
    if not rows or not all(row.cells for row in rows):
        raise AnnotationFormatError(
            f"A recall table needs at least one evaluation a row; received {list(results)!r}. Call evaluate() first."
        )
    rows.sort(key=lambda row: not row.is_baseline)  # stable: the others keep their order
    if reference is None and len(rows) > 1 and rows[0].is_baseline:
        reference = rows[0].name
    if reference is not None and reference not in results:
        raise AnnotationFormatError(f"No row {reference!r} to compare with; the rows are {list(results)!r}.")
    return RecallTable(tuple(rows), reference)


def _cells(result: Results) -> dict[str, Cell]:
    if isinstance(result, Mapping):
        return {run: Cell(_as_tuple(value)) for run, value in result.items()}
    evaluations = _as_tuple(result)
    runs = dict.fromkeys(e.run for e in evaluations)
    return {run: Cell(tuple(e for e in evaluations if e.run == run)) for run in runs}


def _as_tuple(value: Evaluation | Sequence[Evaluation]) -> tuple[Evaluation, ...]:
    return (value,) if isinstance(value, Evaluation) else tuple(value)


def _heads(run: str) -> tuple[Lines, Lines, Lines]:
    return (run, "Hit-or-Maybe / Miss"), ("", "Maybe"), ("", "balanced")


def percent(value: float, digits: int = 1) -> str:
    """Return a fraction in percent, ``"n/a"`` where undefined.

    Parameters
    ----------
    value
        Fraction.
    digits
        After the point.
    """
    return "n/a" if math.isnan(value) else f"{100 * value:.{digits}f}"


def recall_lines(cell: Cell) -> Lines:
    """Return the paper's cell: both recalls, below them intervals, spread over seeds, and n.

    Parameters
    ----------
    cell
        One method on one run.
    """
    rates = [cell.recall["hit_or_maybe"], cell.recall["miss"]]
    spreads = [cell.spreads["hit_or_maybe"], cell.spreads["miss"]]
    lines = [" / ".join(percent(rate.value) for rate in rates)]
    lines.append(" / ".join(f"({percent(rate.low)}-{percent(rate.high)})" for rate in rates))
    if len(cell.evaluations) > 1:
        lines.append("± " + " / ".join(percent(one.deviation) for one in spreads))
    return (*lines, f"n = {rates[0].n} / {rates[1].n}")


def maybe_lines(cell: Cell) -> Lines:
    """Return the recall of Maybe alone, its interval, spread over seeds and n.

    Parameters
    ----------
    cell
        One method on one run.
    """
    rate, over = cell.recall["maybe"], cell.spreads["maybe"]
    lines = [percent(rate.value), f"({percent(rate.low)}-{percent(rate.high)})"]
    if len(cell.evaluations) > 1:
        lines.append(f"± {percent(over.deviation)}")
    return (*lines, f"n = {rate.n}") if rate.n else ("n/a", "n = 0")


def balanced_lines(cell: Cell, against: Difference | None = None) -> Lines:
    """Return balanced accuracy, its interval, spread over seeds, and the difference from the reference row.

    Parameters
    ----------
    cell
        One method on one run.
    against
        Difference from the reference, if there is one.
    """
    one, over = cell.balanced_accuracy, cell.spreads["balanced_accuracy"]
    lines = [percent(one.value), f"({percent(one.low)}-{percent(one.high)})"]
    if len(cell.evaluations) > 1:
        lines.append(f"± {percent(over.deviation)}")
    return tuple(lines) if against is None else (*lines, difference_text(against))


def difference_text(difference: Difference) -> str:
    """Return ``"Δ -1.8 (-3.0 to -0.5) ↓"``, in percentage points.

    Parameters
    ----------
    difference
        Of two fractions.
    """
    if math.isnan(difference.value):
        return "Δ n/a"
    ends = (difference.value, difference.low, difference.high)
    value, low, high = (f"{round(100 * number, 1) + 0.0:+.1f}" for number in ends)  # + 0.0 turns -0.0 into 0.0
    return f"Δ {value} ({low} to {high}) {difference.mark}"
