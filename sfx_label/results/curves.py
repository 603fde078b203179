"""Whole curves instead of single points: what each operating point keeps and what it loses.

The paper compares single pairs of recalls, and in half of its source-target pairs the gain of domain adaptation is a
moved operating point (balanced accuracy falls). A curve shows both at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import Label
from sfx_label.results.evaluation import Evaluation
from sfx_label.results.intervals import Rate, exact, wilson

__all__ = [
    "Curve",
    "MeanCurve",
    "OperatingMeaning",
    "Reliability",
    "mean_curve",
    "operating_meaning",
    "recall_curve",
    "reliability",
    "threshold_for_recall",
]

Numbers = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Curve:
    """Every operating point of one evaluation, from keeping nothing to keeping all. Made by :func:`recall_curve`.

    Parameters
    ----------
    thresholds
        (m,) falling; the first keeps no frame.
    positives, maybes, misses
        (m,) Hit-or-Maybe, Maybe and Miss frames kept at each.
    """

    thresholds: Numbers
    positives: Numbers
    maybes: Numbers
    misses: Numbers

    @cached_property
    def recall(self) -> Numbers:
        """(m,) share of Hit-or-Maybe kept."""
        return _share(self.positives, self.positives[-1])

    @cached_property
    def maybe_recall(self) -> Numbers:
        """(m,) share of Maybe kept."""
        return _share(self.maybes, self.maybes[-1])

    @cached_property
    def misses_kept(self) -> Numbers:
        """(m,) share of Miss kept."""
        return _share(self.misses, self.misses[-1])

    @cached_property
    def precision(self) -> Numbers:
        """(m,) share of Hit-or-Maybe among the kept; NaN where nothing is kept."""
        return _share(self.positives, self.positives + self.misses)

    @cached_property
    def frames_kept(self) -> Numbers:
        """(m,) share of all frames kept."""
        return _share(self.positives + self.misses, self.positives[-1] + self.misses[-1])

    @cached_property
    def band(self) -> tuple[Numbers, Numbers]:
        """(m,), (m,) ends of the 95 % Wilson interval of the recall at each operating point."""
        total = int(self.positives[-1])
        rates = [wilson(float(kept), total) for kept in self.positives]
        return np.array([rate.low for rate in rates]), np.array([rate.high for rate in rates])

    def at_hit_rate(self, hit_rate: float) -> tuple[Numbers, Numbers]:
        """Return (m,) shares of frames kept and (m,) precisions in a run with another hit rate.

        The published sets hold 15 to 47 % Hit-or-Maybe, a usual run 1 to 6 %: recalls carry over, precision does not.

        Parameters
        ----------
        hit_rate
            Share of Hit-or-Maybe frames in that run.
        """
        good, bad = hit_rate * self.recall, (1 - hit_rate) * self.misses_kept
        return good + bad, _share(good, good + bad)

    def to_dict(self) -> dict[str, Any]:
        """Return the curve, JSON-ready; the first threshold (nothing kept) is ``None``."""
        names = ("recall", "maybe_recall", "misses_kept", "frames_kept", "precision")
        numbers = {name: [_plain(value) for value in getattr(self, name)] for name in names}
        return {"thresholds": [_plain(value) for value in self.thresholds], **numbers}


@dataclass(frozen=True, eq=False)
class MeanCurve:
    """Recall over a common axis, averaged over seeds.

    Parameters
    ----------
    misses_kept
        (m,) common axis: share of Misses kept.
    mean, low, high
        (m,) mean, smallest and largest recall over seeds.
    """

    misses_kept: Numbers
    mean: Numbers
    low: Numbers
    high: Numbers


@dataclass(frozen=True)
class Reliability:
    """Do probabilities mean what they say? Frames in bins of rising probability.

    Parameters
    ----------
    predicted
        (b,) mean probability of each bin.
    observed
        Share of Hit-or-Maybe in each bin, with its interval.
    error
        Mean distance of the two, weighted by frames (expected calibration error).
    """

    predicted: Numbers
    observed: tuple[Rate, ...]
    error: float


@dataclass(frozen=True)
class OperatingMeaning:
    """What an operating point does to a run.

    Parameters
    ----------
    threshold
        Operating point.
    kept
        Share of all frames kept.
    lost
        Share of Hit-or-Maybe frames discarded, with its exact interval.
    """

    threshold: float
    kept: Rate
    lost: Rate

    def __str__(self) -> str:
        kept = f"{100 * self.kept.value:.0f}"
        return f"At this threshold you keep {kept} % of frames and lose {self.lost.percent()} % of hits."


def _share(part: Numbers, whole: Numbers | float) -> Numbers:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.divide(part, whole), dtype=np.float64)


def _plain(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def recall_curve(evaluation: Evaluation) -> Curve:
    """Return every operating point of an evaluation.

    Parameters
    ----------
    evaluation
        Scores with labels.
    """
    order = np.argsort(-evaluation.scores, kind="stable")
    scores, labels = evaluation.scores[order], evaluation.y[order]
    last_of_tie = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)

    def kept(members: NDArray[np.bool_]) -> Numbers:
        return np.append(0.0, np.cumsum(members, dtype=np.float64)[last_of_tie])

    return Curve(
        thresholds=np.append(np.inf, scores[last_of_tie]),
        positives=kept(labels != Label.MISS),
        maybes=kept(labels == Label.MAYBE),
        misses=kept(labels == Label.MISS),
    )


def mean_curve(evaluations: Sequence[Evaluation], points: int = 201) -> MeanCurve:
    """Return the recall at each share of Misses kept, averaged over seeds.

    Parameters
    ----------
    evaluations
        One for each seed.
    points
        Length of the common axis; it is denser near 0, where runs are screened.
    """
    axis = np.linspace(0, 1, points) ** 2
    rows = np.array([_recall_at(recall_curve(e), axis) for e in evaluations])
    return MeanCurve(axis, rows.mean(axis=0), rows.min(axis=0), rows.max(axis=0))


def _recall_at(curve: Curve, axis: Numbers) -> Numbers:
    """Take the best recall that keeps no more Misses than asked: a step, no point that cannot be chosen."""
    last = np.searchsorted(curve.misses_kept, axis + 1e-12, side="right") - 1
    return curve.recall[last]


def threshold_for_recall(evaluation: Evaluation, recall: float) -> float:
    """Return the highest threshold that keeps at least this share of Hit-or-Maybe.

    Choose it on validation or audit frames: a threshold chosen on the test frames flatters the test.

    Parameters
    ----------
    evaluation
        Scores with labels.
    recall
        Wanted share, in (0, 1].

    Raises
    ------
    AnnotationFormatError
        If the share is out of range or no frame is Hit or Maybe.
    """
    if not 0 < recall <= 1:
        raise AnnotationFormatError(f"A target recall lies in (0, 1]; received {recall!r}. Use 0.98 for 98 %.")
    curve = recall_curve(evaluation)
    if not curve.positives[-1]:
        raise AnnotationFormatError(
            f"None of the {len(evaluation)} labelled frames is Hit or Maybe, so no recall can be aimed at. Label more."
        )
    return float(curve.thresholds[int(np.argmax(curve.recall >= recall - 1e-12))])


def operating_meaning(evaluation: Evaluation) -> OperatingMeaning:
    """Return what the evaluation's operating point keeps and loses.

    Parameters
    ----------
    evaluation
        Scores with labels; use :meth:`Evaluation.at_threshold` to ask about another point.
    """
    found = evaluation.recall["hit_or_maybe"]
    return OperatingMeaning(evaluation.threshold, evaluation.kept_share, exact(found.n - found.count, found.n))


def reliability(evaluation: Evaluation, bins: int = 10) -> Reliability:
    """Return how often frames of a given probability are Hit or Maybe.

    Parameters
    ----------
    evaluation
        Scores with labels; the scores must be probabilities.
    bins
        Bins of equal numbers of frames; frames of equal probability stay together.

    Raises
    ------
    AnnotationFormatError
        If the scores are not probabilities.
    """
    scores = evaluation.scores
    if scores.min() < 0 or scores.max() > 1:
        raise AnnotationFormatError(
            f"Reliability needs probabilities in [0, 1]; received {scores.min():.3g} to {scores.max():.3g}. "
            "A bare spot count has none: train the spot-count method and evaluate its bundle."
        )
    edges = np.unique(np.quantile(scores, np.linspace(0, 1, bins + 1)[1:-1]))
    place = np.searchsorted(edges, scores, side="right")
    members = [place == bin_ for bin_ in range(len(edges) + 1) if (place == bin_).any()]
    predicted = np.array([scores[of].mean() for of in members])
    observed = tuple(wilson(int(evaluation.positive[of].sum()), int(of.sum())) for of in members)
    gaps = [abs(rate.value - mean) * rate.n for rate, mean in zip(observed, predicted, strict=True)]
    return Reliability(predicted, observed, float(sum(gaps) / len(scores)))
