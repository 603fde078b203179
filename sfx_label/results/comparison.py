"""Methods over runs and seeds: mean, spread, interval, and differences on the same frames."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.results.differences import Difference, paired_difference, unpaired_difference
from sfx_label.results.evaluation import CLASSES, Evaluation, LabelBudget
from sfx_label.results.intervals import Interval, Rate, Spread, balanced, spread, wilson

__all__ = ["Cell", "compare"]


@dataclass(frozen=True, eq=False)
class Cell:
    """One method on one run: an evaluation a seed.

    A rate is the mean over seeds; its interval is that of the frames of one seed, since repeating a training does not
    add frames. The spread over seeds stands beside it.

    Parameters
    ----------
    evaluations
        One for each seed, at least one.
    """

    evaluations: tuple[Evaluation, ...]

    def __post_init__(self) -> None:
        if not self.evaluations:
            raise AnnotationFormatError("A cell of a recall table needs at least one evaluation; received none.")

    @cached_property
    def recall(self) -> dict[str, Rate]:
        """Mean recall by class, with the interval of the frames."""
        return {name: self._mean_rate([e.recall[name] for e in self.evaluations]) for name in CLASSES}

    @cached_property
    def precision(self) -> Rate:
        """Mean precision, with the interval of the frames."""
        return self._mean_rate([e.precision for e in self.evaluations])

    @cached_property
    def balanced_accuracy(self) -> Interval:
        """Mean of the two recalls, with the interval of the frames."""
        return balanced(self.recall["hit_or_maybe"], self.recall["miss"])

    @cached_property
    def auc(self) -> Interval:
        """Mean area under the curve; the ends are the means of the ends."""
        areas = [e.auc for e in self.evaluations]
        return Interval(*(float(np.mean([getattr(a, end) for a in areas])) for end in ("value", "low", "high")))

    @cached_property
    def spreads(self) -> dict[str, Spread]:
        """Spread over seeds of each recall and of balanced accuracy."""
        over = {name: spread([e.recall[name].value for e in self.evaluations]) for name in CLASSES}
        return {**over, "balanced_accuracy": spread([e.balanced_accuracy.value for e in self.evaluations])}

    @property
    def n(self) -> int:
        """Frames tested; the mean over seeds where splits differ."""
        return round(float(np.mean([len(e) for e in self.evaluations])))

    @property
    def budget(self) -> LabelBudget:
        """Labels used; the largest over seeds."""
        return max((e.budget for e in self.evaluations), key=lambda budget: (budget.total, budget.elsewhere))

    @property
    def label_budget(self) -> int:
        """Labels given to the training: training, validation and audit together; the largest over seeds."""
        return self.budget.total

    @property
    def excluded(self) -> int:
        """Frames left out because the model had seen them; the largest over seeds."""
        return max(e.excluded for e in self.evaluations)

    def to_dict(self) -> dict[str, Any]:
        """Return all figures, JSON-ready."""
        return {
            "seeds": len(self.evaluations),
            "n": self.n,
            "recall": {name: rate.to_dict() for name, rate in self.recall.items()},
            "precision": self.precision.to_dict(),
            "balanced_accuracy": self.balanced_accuracy.to_dict(),
            "auc": self.auc.to_dict(),
            "spread": {name: one.to_dict() for name, one in self.spreads.items()},
            "label_budget": self.label_budget,
            "label_budget_parts": self.budget.to_dict(),
            "excluded": self.excluded,
        }

    @staticmethod
    def _mean_rate(rates: Sequence[Rate]) -> Rate:
        defined = [rate for rate in rates if rate.n]
        if not defined:
            return wilson(0, 0)
        n = round(float(np.mean([rate.n for rate in defined])))
        return wilson(min(n, float(np.mean([rate.value for rate in defined])) * n), n)


def compare(this: Cell, other: Cell, measure: str = "balanced_accuracy") -> Difference:
    """Return by how much ``this`` is above ``other``, and whether that exceeds its interval.

    Parameters
    ----------
    this, other
        Two methods on one run. Where both were tested on the same frames, seed by seed, they are compared frame by
        frame, which resolves much smaller differences than two separate intervals do.
    measure
        ``"balanced_accuracy"``, or a class of :data:`~sfx_label.results.evaluation.CLASSES`.

    Raises
    ------
    AnnotationFormatError
        If there is no such measure.
    """
    if measure != "balanced_accuracy" and measure not in CLASSES:
        raise AnnotationFormatError(f"No measure {measure!r}; choose balanced_accuracy or one of {', '.join(CLASSES)}.")
    noise = _seed_variance(this, measure) + _seed_variance(other, measure)
    pairs = _pairs(this, other)
    if pairs:
        members = ["hit_or_maybe", "miss"] if measure == "balanced_accuracy" else [measure]
        return paired_difference([_frame_differences(pairs, name) for name in members], seed_variance=noise)
    ends = [_interval(cell, measure) for cell in (this, other)]
    return unpaired_difference(ends[0], ends[1], seed_variance=noise)


def _interval(cell: Cell, measure: str) -> Interval:
    if measure == "balanced_accuracy":
        return cell.balanced_accuracy
    rate = cell.recall[measure]
    return Interval(rate.value, rate.low, rate.high)


def _seed_variance(cell: Cell, measure: str) -> float:
    one = cell.spreads[measure]
    return 0.0 if math.isnan(one.deviation) else one.deviation**2 / one.n


def _pairs(this: Cell, other: Cell) -> list[tuple[Evaluation, Evaluation]]:
    """Match seed by seed; a method without seeds (one evaluation) stands against every seed of the other."""
    longest = max(len(this.evaluations), len(other.evaluations))
    sides = [c.evaluations * longest if len(c.evaluations) == 1 else c.evaluations for c in (this, other)]
    pairs = list(zip(*sides, strict=False)) if len(sides[0]) == len(sides[1]) else []
    return pairs if pairs and all(a.keys and a.keys == b.keys for a, b in pairs) else []


def _frame_differences(pairs: Sequence[tuple[Evaluation, Evaluation]], name: str) -> NDArray[np.float64]:
    """Return one difference a frame of the class: the mean over the seeds in which the frame was tested."""
    total: dict[Any, float] = {}
    count: dict[Any, int] = {}
    for a, b in pairs:
        gain = a.correct.astype(float) - b.correct
        for position in np.flatnonzero(a.members[name]):
            key = a.keys[position]
            total[key] = total.get(key, 0.0) + float(gain[position])
            count[key] = count.get(key, 0) + 1
    return np.array([total[key] / count[key] for key in total], dtype=np.float64)
