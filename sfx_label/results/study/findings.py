"""What the numbers say, in sentences that a script fills: who wins where, and what is not resolved.

The paper's three claims are examined, not assumed: few labels are too few for a 2D CNN but enough after transfer,
adapting to a target raises its recall, and row-wise decomposition predicts much faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sfx_label.results import comparison
from sfx_label.results.comparison import compare
from sfx_label.results.differences import Difference
from sfx_label.results.study.expense import MethodCosts
from sfx_label.results.study.learning import LearningCurves
from sfx_label.results.study.recipes import Cell
from sfx_label.results.study.results import StudyTable
from sfx_label.results.tables import percent

__all__ = ["findings"]

ADAPTATIONS = ("dann", "mcc")


@dataclass(frozen=True, eq=False)
class Measured:
    """One finished cell of any table: what it was, and mean and spread over seeds."""

    planned: Cell
    result: comparison.Cell


def findings(
    tables: Sequence[StudyTable], curves: LearningCurves | None, costs: Sequence[MethodCosts]
) -> tuple[str, ...]:
    """Return one paragraph for each thing that the study can say.

    Parameters
    ----------
    tables, curves, costs
        What was measured.
    """
    measured = tuple(_measured(tables))
    return (
        *_winners(tables),
        *_against_baseline(tables),
        *_few_labels(measured),
        *_adaptation(measured),
        *_speed(costs),
        *_budgets(curves),
    )


def _measured(tables: Sequence[StudyTable]) -> Iterator[Measured]:
    """Yield each finished cell once, in whichever table it stands first."""
    seen = set()
    for table in tables:
        for row in table.rows:
            for column, planned in row.planned.cells.items():
                result = row.cell(column)
                if result and planned[0] not in seen:
                    seen.add(planned[0])
                    yield Measured(planned[0], result)


def _winners(tables: Sequence[StudyTable]) -> Iterator[str]:
    """Say for each table which row is best in which column, and whether its lead exceeds the interval."""
    for table in tables:
        if table.planned.number != "5":  # its columns hold different runs in each row
            sentences = [sentence for column in table.planned.columns if (sentence := _winner(table, column))]
            if sentences:
                yield f"{table.title}. Best balanced accuracy {'; '.join(sentences)}."


def _winner(table: StudyTable, column: str) -> str:
    found = [(row.name, cell) for row in table.rows if (cell := row.cell(column)) is not None]
    known = [(name, cell) for name, cell in found if not math.isnan(cell.balanced_accuracy.value)]
    ranked = sorted(known, key=lambda entry: -entry[1].balanced_accuracy.value)
    if not ranked:
        return ""
    name, best = ranked[0]
    text = f"on {column}: {name}, {percent(best.balanced_accuracy.value)} %"
    if len(ranked) == 1:
        return text
    lead = compare(best, ranked[1][1])
    resolved = "beyond" if lead.resolved else "within"
    return f"{text} ({100 * lead.value:.1f} points above {ranked[1][0]}, {resolved} the interval of that difference)"


def _against_baseline(tables: Sequence[StudyTable]) -> Iterator[str]:
    """Say for each table how often a method beats the spot count with the same labels."""
    for table in tables:
        groups: dict[str, list[Difference]] = {}
        for row in table.rows:
            for column, planned in row.planned.cells.items():
                difference = table.difference(row, column)
                if difference and not math.isnan(difference.value):
                    groups.setdefault(_kind(planned[0], row.planned.method), []).append(difference)
        for kind, differences in groups.items():
            yield f"{table.title}. {kind} against the fitted spot count: {_tally(differences)}."


def _kind(cell: Cell, method: str) -> str:
    if cell.recipe.target is not None:
        return f"{method} on its {'target' if cell.test.run == cell.recipe.target else 'source'}"
    return method if cell.recipe.run == cell.test.run else f"{method} of another run, unadapted,"


def _tally(differences: Sequence[Difference]) -> str:
    """Return how often the difference is above zero, how often surely so, and its mean."""
    up = [one for one in differences if one.value > 0]
    down = [one for one in differences if one.value <= 0]
    mean = 100 * sum(one.value for one in differences) / len(differences)
    return (
        f"higher in {len(up)} of {len(differences)} cells ({sum(one.resolved for one in up)} beyond the interval), not "
        f"higher in {len(down)} ({sum(one.resolved for one in down)} beyond it), mean difference {mean:+.1f} points"
    )


def _contests(
    measured: Sequence[Measured], this: Callable[[Cell], bool], rival: Callable[[Cell, Cell], bool], measure: str
) -> list[Difference]:
    """Hold each cell of one kind against its rivals, which were tested on the same frames."""
    found = [
        compare(one.result, other.result, measure)
        for one in measured
        if this(one.planned)
        for other in measured
        if other.planned.test == one.planned.test and rival(one.planned, other.planned)
    ]
    return [difference for difference in found if not math.isnan(difference.value)]


def _claim(
    claim: str, measured: Sequence[Measured], this: Callable[[Cell], bool], rival: Callable[[Cell, Cell], bool]
) -> Iterator[str]:
    recall, both = (_contests(measured, this, rival, measure) for measure in ("hit_or_maybe", "balanced_accuracy"))
    if not recall:
        return
    verdict = "holds" if all(one.value > 0 for one in recall) else "does not hold throughout"
    if not any(one.value > 0 for one in recall):
        verdict = "does not hold"
    yield (
        f"{claim} This {verdict} here. Recall of Hit-or-Maybe is {_tally(recall)}. Balanced accuracy, which a moved "
        f"operating point alone hardly raises, is {_tally(both)}."
    )


def _few_labels(measured: Sequence[Measured]) -> Iterator[str]:
    yield from _claim(
        "The paper finds that a 2D CNN with few labels misses many hits and that a fine-tuned base does not.",
        measured,
        lambda cell: cell.recipe.method == "transfer",
        lambda cell, other: (
            (other.recipe.method, other.recipe.run, other.recipe.train) == ("cnn", cell.recipe.run, cell.recipe.train)
        ),
    )


def _adaptation(measured: Sequence[Measured]) -> Iterator[str]:
    for method in ADAPTATIONS:
        yield from _claim(
            f"The paper finds more hits on the target by adaptation ({method}) than by the source-only model.",
            measured,
            lambda cell, method=method: cell.recipe.method == method and cell.test.run == cell.recipe.target,  # type: ignore[misc]
            lambda cell, other: (other.recipe.method, other.recipe.run) == ("cnn", cell.recipe.run),
        )


def _speed(costs: Sequence[MethodCosts]) -> Iterator[str]:
    rates = {one.method: one for one in costs if one.predict_per_second and one.frames_per_second}
    if {"rwd", "cnn"} <= set(rates):
        vectors, frames = rates["rwd"], rates["cnn"]
        prepared = (vectors.predict_per_second or 0.0) / (frames.predict_per_second or math.inf)
        whole = (vectors.frames_per_second or 0.0) / (frames.frames_per_second or math.inf)
        yield (
            f"The paper finds the 1D CNN 88 times as fast as the 2D CNN (11,123 against 126 a second). Here it is "
            f"{prepared:.1f} times as fast from prepared inputs, and {whole:.1f} times when reading and preprocessing "
            f"are counted ({vectors.frames_per_second:,.0f} against {frames.frames_per_second:,.0f} frames/s)."
        )


def _budgets(curves: LearningCurves | None) -> Iterator[str]:
    """Say who wins at each label budget."""
    if curves is None:
        return
    for run in curves.planned.runs:
        parts = []
        for budget in curves.planned.budgets:
            best = curves.winner(budget, run)
            if best:
                lead = "" if best[1] is None else (" (resolved)" if best[1].resolved else " (lead within its interval)")
                parts.append(f"{budget} labels {best[0]}{lead}")
        if parts:
            yield f"Winner by label budget on {run}: {', '.join(parts)}."
