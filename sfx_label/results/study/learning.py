"""Learning curves: what each method reaches at each label budget, all labels counted, on the same test frames.

Every label of a budget is counted, whether it trains or validates; frames are drawn at random by the seed, smaller
budgets are part of larger ones, and every budget is tested on the frames that none of them touched. At a budget of 0 a
model comes from another run: trained on it, or adapted from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sfx_label.results import comparison
from sfx_label.results.comparison import compare
from sfx_label.results.differences import Difference
from sfx_label.results.grid import Grid, Lines
from sfx_label.results.intervals import Interval
from sfx_label.results.study.plan import BASELINE, Design
from sfx_label.results.study.recipes import Cell, Recipe, TestFrames
from sfx_label.results.study.store import Outcome
from sfx_label.results.tables import difference_text, percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["LearningCurves", "PlannedCurves", "finish_curves", "plan_curves", "plot_learning"]

MEASURES = {"balanced_accuracy": "balanced accuracy", "maybe": "recall of Maybe"}
NEEDS_NO_TARGET_LABELS = ("dann", "mcc")
FEWEST_TO_VALIDATE = 50  # below, half of the labels hold too few hits to choose anything by
NEEDS_SOURCE = ("transfer", *NEEDS_NO_TARGET_LABELS)
Lookup = Callable[[Cell], Outcome | None]
Key = tuple[str, int, str]


@dataclass(frozen=True)
class PlannedCurves:
    """The cells of all curves: (method, budget, run) -> one cell a seed (and source, at a budget of 0)."""

    methods: tuple[str, ...]
    budgets: tuple[int, ...]
    runs: tuple[str, ...]
    points: Mapping[Key, tuple[Cell, ...]]

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell."""
        return tuple(cell for cells in self.points.values() for cell in cells)


@dataclass(frozen=True, eq=False)
class LearningCurves:
    """What came out."""

    planned: PlannedCurves
    outcomes: Mapping[Key, tuple[Outcome, ...]]

    def cell(self, method: str, budget: int, run: str) -> comparison.Cell | None:
        """Return mean and spread over seeds of one point, or ``None`` if it could not be done."""
        outcomes = self.outcomes.get((method, budget, run), ())
        evaluations = tuple(o.evaluation for o in outcomes if o.evaluation is not None)
        return comparison.Cell(evaluations) if evaluations else None

    def failure(self, method: str, budget: int, run: str) -> str:
        """Return why a point could not be done, if so."""
        return next((o.failure for o in self.outcomes.get((method, budget, run), ()) if o.failure), "")

    def difference(self, method: str, budget: int, run: str) -> Difference | None:
        """Return by how much a method is above the spot count with the same budget."""
        this, other = self.cell(method, budget, run), self.cell(BASELINE, budget, run)
        return compare(this, other) if this and other and method != BASELINE else None

    def winner(self, budget: int, run: str) -> tuple[str, Difference | None] | None:
        """Return the best method of a budget, and by how much it is above the second best.

        Parameters
        ----------
        budget, run
            Which point.
        """
        cells = {method: self.cell(method, budget, run) for method in self.planned.methods}
        ranked = sorted(
            ((cell.balanced_accuracy.value, method, cell) for method, cell in cells.items() if cell),
            key=lambda entry: -entry[0] if not np.isnan(entry[0]) else np.inf,
        )
        if not ranked:
            return None
        return ranked[0][1], compare(ranked[0][2], ranked[1][2]) if len(ranked) > 1 else None

    def grid(self, run: str) -> Grid:
        """Return one run's curves as a table: methods in rows, budgets in columns."""
        columns: tuple[Lines, ...] = (("method",), *((f"{budget} labels",) for budget in self.planned.budgets))
        rows = [
            ((method,), *(self._lines(method, budget, run) for budget in self.planned.budgets))
            for method in self.planned.methods
        ]
        rows.append((("winner",), *(self._winner_lines(budget, run) for budget in self.planned.budgets)))
        notes = (
            "Balanced accuracy in % with its 95 % interval, recall of Maybe, ± standard deviation over seeds, "
            "difference from the spot count with the same labels (≈: inside the 95 % interval), labels in all.",
            f"Networks: half of the labels validate, none below {FEWEST_TO_VALIDATE}. 0 labels: models of other runs, "
            "adapted or as they are.",
        )
        return Grid(f"Learning curves of {run}", columns, tuple(rows), notes)

    def _lines(self, method: str, budget: int, run: str) -> Lines:
        cell = self.cell(method, budget, run)
        if cell is None:
            failure = self.failure(method, budget, run)
            return (f"not possible: {failure}" if failure else "-",)
        over, against = cell.spreads["balanced_accuracy"], self.difference(method, budget, run)
        lines = [cell.balanced_accuracy.percent(), f"Maybe {percent(cell.recall['maybe'].value)}"]
        lines += [f"± {percent(over.deviation)}"] if over.n > 1 else []
        lines += [difference_text(against)] if against else []
        return (*lines, f"labels {cell.budget}")

    def _winner_lines(self, budget: int, run: str) -> Lines:
        best = self.winner(budget, run)
        if best is None:
            return ("-",)
        return (best[0],) if best[1] is None else (best[0], f"above the second {difference_text(best[1])}")

    def to_dict(self) -> dict[str, Any]:
        """Return all points, JSON-ready."""
        points = []
        for method, budget, run in self.planned.points:
            cell, against = self.cell(method, budget, run), self.difference(method, budget, run)
            points.append(
                {
                    "method": method,
                    "budget": budget,
                    "run": run,
                    "figures": cell.to_dict() if cell else None,
                    "difference": against.to_dict() if against else None,
                    "failure": self.failure(method, budget, run),
                }
            )
        return {"methods": list(self.planned.methods), "budgets": list(self.planned.budgets), "points": points}


def plan_curves(design: Design, methods: Sequence[str], budgets: Sequence[int]) -> PlannedCurves:
    """Return the cells of learning curves.

    Parameters
    ----------
    design
        Runs, seeds, settings; its order is not used, since budgets are drawn at random.
    methods
        Names; the spot count is added if it is missing, since every other one is held against it.
    budgets
        Numbers of labels, training and validation together.
    """
    drawn = replace(design, order="random")
    names = tuple(dict.fromkeys((BASELINE, *methods)))
    points: dict[Key, tuple[Cell, ...]] = {}
    for run in design.runs:
        for method in names:
            for budget in sorted(set(budgets)):
                recipes = [recipe for seed in design.seeds for recipe in _recipes(drawn, method, run, budget, seed)]
                if recipes:
                    test = TestFrames(run, max(budgets))
                    points[method, budget, run] = tuple(Cell(recipe, test) for recipe in recipes)
    return PlannedCurves(names, tuple(sorted(set(budgets))), design.runs, points)


def _recipes(design: Design, method: str, run: str, budget: int, seed: int) -> list[Recipe]:
    sources = [source for source in design.runs if source != run]
    if method in NEEDS_NO_TARGET_LABELS:
        return [design.adapted(method, source, run, seed) for source in sources] if budget == 0 else []
    if budget == 0:
        return [design.full(method, source, seed) for source in sources] if method not in NEEDS_SOURCE else []
    validation = budget // 2 if budget >= FEWEST_TO_VALIDATE else 0
    sizes = (budget - validation, validation)
    if method == "transfer":
        return [design.recipe(method, run, seed, sizes, base=design.full("cnn", source, seed)) for source in sources]
    return [design.recipe(method, run, seed, sizes)]


def finish_curves(planned: PlannedCurves, lookup: Lookup) -> LearningCurves:
    """Return the curves with the outcomes that are there.

    Parameters
    ----------
    planned
        The plan.
    lookup
        From cell to outcome; ``None`` for cells that are not finished.
    """
    found = {
        key: tuple(outcome for outcome in map(lookup, cells) if outcome is not None)
        for key, cells in planned.points.items()
    }
    return LearningCurves(planned, found)


def _measure(cell: comparison.Cell, name: str) -> Interval:
    if name == "balanced_accuracy":
        return cell.balanced_accuracy
    rate = cell.recall[name]
    return Interval(rate.value, rate.low, rate.high)


def plot_learning(curves: LearningCurves, run: str, axes: Sequence[Axes] | None = None) -> Sequence[Axes]:
    """Draw balanced accuracy and recall of Maybe against the label budget, with 95 % intervals.

    Parameters
    ----------
    curves
        From a study.
    run
        Which run.
    axes
        Two axes; made if not given.
    """
    from sfx_label.results.plots import new_axes, plain, style

    panels = list(new_axes(1, 2)[1][0]) if axes is None else list(axes)
    for ax, (measure, title) in zip(panels, MEASURES.items(), strict=True):
        for number, method in enumerate(curves.planned.methods):
            found = ((budget, curves.cell(method, budget, run)) for budget in curves.planned.budgets)
            points = [(budget, cell) for budget, cell in found if cell]
            rates = [_measure(cell, measure) for _, cell in points]
            values = np.array([rate.value for rate in rates])
            ends = np.array([[rate.value - rate.low, rate.high - rate.value] for rate in rates]).T
            if points:
                ax.errorbar([b for b, _ in points], values, yerr=ends, label=plain(method), capsize=2, **style(number))
        ax.set_xscale("symlog", linthresh=10)
        ax.set(xlabel="labels in all (training + validation)", ylabel=title, title=plain(run))
        ax.set_xticks(list(curves.planned.budgets), [str(budget) for budget in curves.planned.budgets])
        ax.minorticks_off()
        ax.legend(fontsize="small", loc="lower right")
    return panels
