"""How sure a number is: intervals of rates, of balanced accuracy and of the area under the curve.

All of them are closed formulas, so the same counts give the same interval everywhere. The frames are what is sampled;
training with another seed adds no frames, and its spread is reported beside the interval, not instead of it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from sfx_label.errors import SfxLabelError

__all__ = [
    "CONFIDENCE",
    "Interval",
    "Rate",
    "Spread",
    "area_under_curve",
    "balanced",
    "bootstrap_balanced",
    "deviate",
    "exact",
    "json_number",
    "spread",
    "wilson",
]

CONFIDENCE = 0.95  # the share that every interval of this wing uses unless told otherwise


@dataclass(frozen=True, slots=True)
class Interval:
    """A value between the ends of its confidence interval; all are fractions, NaN where undefined."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float | None]:
        """Return value, low and high; ``None`` stands for undefined, since JSON has no NaN."""
        return {
            name: json_number(number)
            for name, number in (("value", self.value), ("low", self.low), ("high", self.high))
        }

    def percent(self, digits: int = 1) -> str:
        """Return ``"95.1 (92.2-97.0)"``, or ``"n/a"`` where undefined."""
        if math.isnan(self.value):
            return "n/a"
        value, low, high = (f"{100 * number:.{digits}f}" for number in (self.value, self.low, self.high))
        return f"{value} ({low}-{high})"


@dataclass(frozen=True, slots=True)
class Rate:
    """A share of ``n`` frames with its interval; NaN where ``n`` is 0."""

    value: float
    n: int
    low: float
    high: float

    @property
    def count(self) -> int:
        """The frames counted, i.e. the numerator."""
        return 0 if self.n == 0 else round(self.value * self.n)

    def to_dict(self) -> dict[str, float | int | None]:
        """Return value, n, low and high; ``None`` stands for undefined."""
        return {
            "value": json_number(self.value),
            "n": self.n,
            "low": json_number(self.low),
            "high": json_number(self.high),
        }

    def percent(self, digits: int = 1) -> str:
        """Return ``"95.1 (92.2-97.0)"``, or ``"n/a"`` where there are no frames."""
        return Interval(self.value, self.low, self.high).percent(digits)


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, standard deviation (n - 1; NaN for a single seed), smallest and largest value over ``n`` seeds."""

    mean: float
    deviation: float
    low: float
    high: float
    n: int

    def to_dict(self) -> dict[str, float | int | None]:
        """Return mean, deviation, low, high and n; ``None`` stands for undefined."""
        numbers = {"mean": self.mean, "deviation": self.deviation, "low": self.low, "high": self.high}
        return {**{name: json_number(number) for name, number in numbers.items()}, "n": self.n}


def json_number(number: float) -> float | None:
    """Return the number, or ``None`` for NaN, which JSON does not know."""
    return None if math.isnan(number) else float(number)


def deviate(confidence: float) -> float:
    """Return how many standard errors an interval of this confidence reaches to either side."""
    if not 0 < confidence < 1:
        raise SfxLabelError(f"A confidence lies between 0 and 1; received {confidence!r}. Use 0.95 for 95 %.")
    return NormalDist().inv_cdf(0.5 + confidence / 2)


def _check_counts(k: float, n: int) -> None:
    if n < 0 or not 0 <= k <= n:
        raise SfxLabelError(f"A rate needs 0 <= k <= n; received k = {k}, n = {n}. Check which class was counted.")


def wilson(k: float, n: int, confidence: float = CONFIDENCE) -> Rate:
    """Return ``k / n`` with its Wilson score interval.

    Parameters
    ----------
    k
        Frames counted. A mean over seeds need not be whole.
    n
        Frames in all; 0 gives NaN.
    confidence
        Share of repeated experiments whose interval holds the truth.

    Raises
    ------
    SfxLabelError
        If not ``0 <= k <= n``.

    Notes
    -----
    Wilson (1927), J. Am. Stat. Assoc. 22, 209. Unlike the textbook interval it stays inside [0, 1] and does not shrink
    to nothing at 0 % or 100 %.
    """
    _check_counts(k, n)
    if n == 0:
        return Rate(math.nan, 0, math.nan, math.nan)
    z, share = deviate(confidence), k / n
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / (1 + z * z / n)
    # rounding must not push an end past the value at 0 % and 100 %
    return Rate(share, n, max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half)))


def exact(k: int, n: int, confidence: float = CONFIDENCE) -> Rate:
    """Return ``k / n`` with its exact binomial interval (Clopper and Pearson 1934, Biometrika 26, 404).

    It never covers less than ``confidence``, at the price of being wide: use it for promises, such as the share of hits
    among discarded frames.

    Parameters
    ----------
    k, n
        Frames counted, and frames in all; ``n = 0`` gives NaN.
    confidence
        Share of repeated experiments whose interval holds the truth, at least.

    Raises
    ------
    SfxLabelError
        If not ``0 <= k <= n``.
    """
    from scipy.special import betaincinv

    _check_counts(k, n)
    if n == 0:
        return Rate(math.nan, 0, math.nan, math.nan)
    tail = (1 - confidence) / 2
    low = float(betaincinv(k, n - k + 1, tail)) if k > 0 else 0.0
    high = float(betaincinv(k + 1, n - k, 1 - tail)) if k < n else 1.0
    return Rate(k / n, n, low, high)


def balanced(positive: Rate, negative: Rate) -> Interval:
    """Return the mean of two recalls, with an interval recovered from those of the two.

    Parameters
    ----------
    positive, negative
        Recall of Hit-or-Maybe and of Miss: rates of different frames.

    Notes
    -----
    Zou and Donner (2008), Stat. Med. 27, 1693 (the method of variance estimates recovery): the distances of the ends
    from the values add in quadrature. A bootstrap (:func:`bootstrap_balanced`) agrees with it away from the edges, but
    collapses to no width at all where a recall is 100 %.
    """
    value = (positive.value + negative.value) / 2
    down = math.hypot(positive.value - positive.low, negative.value - negative.low) / 2
    up = math.hypot(positive.high - positive.value, negative.high - negative.value) / 2
    return Interval(value, value - down, value + up)


def bootstrap_balanced(
    correct: ArrayLike, positive: ArrayLike, *, seed: int = 0, draws: int = 2000, confidence: float = CONFIDENCE
) -> Interval:
    """Return balanced accuracy with a percentile bootstrap over frames, drawn within each class.

    Parameters
    ----------
    correct
        (n,) whether each frame was put on the right side; a mean over seeds may be a fraction.
    positive
        (n,) whether each frame is Hit or Maybe.
    seed, draws
        Of the random draws.
    confidence
        Share of the draws inside the interval.
    """
    outcome, is_positive = np.asarray(correct, dtype=float), np.asarray(positive, dtype=bool)
    classes = [outcome[is_positive], outcome[~is_positive]]
    if any(len(part) == 0 for part in classes):
        return Interval(math.nan, math.nan, math.nan)
    rng = np.random.default_rng(seed)
    means = [part[rng.integers(0, len(part), (draws, len(part)))].mean(axis=1) for part in classes]
    low, high = np.quantile((means[0] + means[1]) / 2, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(classes[0].mean() + classes[1].mean()) / 2, float(low), float(high))


def area_under_curve(scores: ArrayLike, positive: ArrayLike, confidence: float = CONFIDENCE) -> Interval:
    """Return the chance that a positive frame outscores a negative one (ties count half), with its interval.

    Parameters
    ----------
    scores
        (n,) larger means more likely Hit or Maybe.
    positive
        (n,) whether each frame is Hit or Maybe.
    confidence
        Share of repeated experiments whose interval holds the truth.

    Notes
    -----
    Interval: Newcombe (2006), Stat. Med. 25, 559, method 5: the area t that differs from the measured one by as many
    standard errors as ``confidence`` asks for, the error being Hanley and McNeil's at t. It keeps a width at 1.
    """
    from scipy.stats import rankdata

    values, is_positive = np.asarray(scores, dtype=float), np.asarray(positive, dtype=bool)
    m, n = int(is_positive.sum()), int((~is_positive).sum())
    if m == 0 or n == 0:
        return Interval(math.nan, math.nan, math.nan)
    area = float((rankdata(values)[is_positive].sum() - m * (m + 1) / 2) / (m * n))
    z, star = deviate(confidence), (m + n) / 2 - 1

    def excess(t: float) -> float:
        variance = t * (1 - t) * (1 + star * (1 - t) / (2 - t) + star * t / (1 + t)) / (m * n)
        return (t - area) ** 2 - z * z * variance

    return Interval(area, _bisect(excess, 0.0, area), _bisect(excess, 1.0, area))


def _bisect(excess: Callable[[float], float], outside: float, inside: float) -> float:
    for _ in range(60):
        middle = (outside + inside) / 2
        if excess(middle) > 0:
            outside = middle
        else:
            inside = middle
    return inside


def spread(values: Sequence[float]) -> Spread:
    """Return mean and spread of one figure over seeds; undefined values are left out.

    Parameters
    ----------
    values
        One figure a seed.
    """
    numbers = np.array([value for value in values if not math.isnan(value)], dtype=float)
    if len(numbers) == 0:
        return Spread(math.nan, math.nan, math.nan, math.nan, 0)
    deviation = float(numbers.std(ddof=1)) if len(numbers) > 1 else math.nan
    return Spread(float(numbers.mean()), deviation, float(numbers.min()), float(numbers.max()), len(numbers))
