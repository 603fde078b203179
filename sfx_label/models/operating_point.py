"""Where to cut: the threshold that turns a score into Hit-or-Maybe or Miss, chosen on labelled frames."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError

__all__ = ["OperatingPoint", "balanced_accuracy", "choose_threshold"]


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold and what it did on the frames that it was chosen on.

    Parameters
    ----------
    threshold
        A frame is positive if its score is at least this.
    recall_positive, recall_miss
        Recalls on the frames of the choice, so optimistic.
    rule
        How it was chosen.
    """

    threshold: float
    recall_positive: float
    recall_miss: float
    rule: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and texts."""
        return {
            "threshold": self.threshold,
            "recall_hit_or_maybe": self.recall_positive,
            "recall_miss": self.recall_miss,
            "rule": self.rule,
        }


def balanced_accuracy(scores: NDArray[Any], positive: NDArray[np.bool_], threshold: float) -> float:
    """Return the mean of the recalls of Hit-or-Maybe and of Miss at a threshold."""
    kept = scores >= threshold
    return 0.5 * (float(np.mean(kept[positive])) + float(np.mean(~kept[~positive])))


def choose_threshold(
    scores: NDArray[Any],
    positive: NDArray[np.bool_],
    *,
    target_recall: float | None = None,
    rule_of: str = "validation",
) -> OperatingPoint:
    """Choose the operating point.

    Parameters
    ----------
    scores
        One score per frame, shape ``(n,)``; higher is more like a hit.
    positive
        True for Hit or Maybe, shape ``(n,)``.
    target_recall
        None takes the best balanced accuracy, where several cuts are equally good the middle one of them; a number in
        (0, 1] takes the highest threshold that still reaches this recall of Hit-or-Maybe.
    rule_of
        What the frames are, for the record.

    Raises
    ------
    TrainingError
        If a class is missing or the target recall is not in (0, 1].
    """
    if not positive.any() or positive.all():
        raise TrainingError(
            f"An operating point needs Hit-or-Maybe and Miss frames. Received {int(positive.sum())} and"
            f" {int((~positive).sum())} in {rule_of}; label more frames."
        )
    cuts, recall, rejected = cut_curve(scores, positive)
    if target_recall is None:
        best = _middle_best(recall + rejected)
        rule = f"best balanced accuracy on {rule_of}"
    else:
        if not 0 < target_recall <= 1:
            raise TrainingError(f"target_recall lies in (0, 1], for example 0.98. Received {target_recall!r}.")
        best = int(np.flatnonzero(recall >= target_recall - 1e-12)[-1])
        rule = f"recall of Hit-or-Maybe of {target_recall:g} on {rule_of}"
    return OperatingPoint(float(cuts[best]), float(recall[best]), float(rejected[best]), rule)


def cut_curve(
    scores: NDArray[Any], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Return every distinct cut, rising, with the recalls of Hit-or-Maybe and of Miss at it.

    The first cut keeps every frame; each other lies midway between two neighbouring scores, so that small changes of
    the scores, as between devices, move no frame across it.
    """
    order = np.argsort(scores, kind="stable")
    values, hits = np.asarray(scores, dtype=np.float64)[order], positive[order]
    steps = np.flatnonzero(np.diff(values) > 0) + 1
    below = np.concatenate([[0], steps])
    hits_below = np.concatenate([[0], np.cumsum(hits)])[below]
    cuts = np.concatenate([[values[0]], 0.5 * (values[steps - 1] + values[steps])])
    n_hits, n_misses = int(hits.sum()), int((~hits).sum())
    return cuts, 1 - hits_below / n_hits, (below - hits_below) / n_misses


def _middle_best(quality: NDArray[np.float64]) -> int:
    best = np.flatnonzero(quality >= quality.max() - 1e-12)
    return int(best[(len(best) - 1) // 2])
