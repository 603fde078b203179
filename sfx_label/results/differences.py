"""Is one method better than another? Differences with intervals, on the same frames or on different ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfx_label.results.intervals import CONFIDENCE, Interval, deviate, json_number

__all__ = ["Difference", "paired_difference", "unpaired_difference"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two fractions with its interval, and whether both were measured on the same frames."""

    value: float
    low: float
    high: float
    paired: bool

    @property
    def resolved(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low > 0 or self.high < 0

    @property
    def mark(self) -> str:
        """``"↑"`` better, ``"↓"`` worse, ``"≈"`` where zero lies inside the interval."""
        if not self.resolved:
            return "≈"
        return "↑" if self.value > 0 else "↓"

    def to_dict(self) -> dict[str, float | bool | None]:
        """Return value, low, high, paired and resolved."""
        numbers = {"value": self.value, "low": self.low, "high": self.high}
        return {
            **{name: json_number(number) for name, number in numbers.items()},
            "paired": self.paired,
            "resolved": self.resolved,
        }


def paired_difference(
    differences: Sequence[NDArray[np.float64]], *, seed_variance: float = 0.0, confidence: float = CONFIDENCE
) -> Difference:
    """Return the mean over classes of a difference that was measured frame by frame on the same frames.

    Parameters
    ----------
    differences
        For each class (n_class,): this method right (1) or wrong (0) minus the other, in [-1, 1]; means over seeds
        are fractions.
    seed_variance
        Variance of the mean difference between repeated trainings, added to that of the frames.
    confidence
        Share of repeated experiments whose interval holds the truth.

    Notes
    -----
    Agresti and Min (2005), Stat. Med. 24, 729: Wald's interval after adding half a frame to each cell of the 2 x 2
    table of right and wrong, so that two methods without a single disagreement still get an interval with a width.
    """
    values, variances = [], []
    for part in differences:
        n = len(part) + 2
        mean = float(part.sum()) / n
        values.append(float(part.mean()) if len(part) else math.nan)
        variances.append((float((part**2).sum()) + 1) / n**2 - mean**2 / n)
    half = deviate(confidence) * math.sqrt(sum(variances) / len(variances) ** 2 + seed_variance)
    value = sum(values) / len(values)
    return Difference(value, value - half, value + half, paired=True)


def unpaired_difference(this: Interval, other: Interval, *, seed_variance: float = 0.0) -> Difference:
    """Return the difference of two figures that were measured on different frames.

    Parameters
    ----------
    this, other
        The figures with their intervals.
    seed_variance
        Variance of the difference between repeated trainings.

    Notes
    -----
    Newcombe (1998), Stat. Med. 17, 873, method 10: distances of the ends add in quadrature.
    """
    value, extra = this.value - other.value, deviate(CONFIDENCE) * math.sqrt(seed_variance)
    down = math.hypot(this.value - this.low, other.high - other.value, extra)
    up = math.hypot(this.high - this.value, other.value - other.low, extra)
    return Difference(value, value - down, value + up, paired=False)
