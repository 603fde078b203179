"""The baseline that every model is held against: a spot count with its cut-off fitted to a few labels.

On the published annotations one cut-off on the DIALS count, fitted to 200 labels, reaches a balanced accuracy of 97.6,
94.7 and 95.1 % (LN83, LN84, LO19; frames 401 to 2000).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.models.bundle import ArchitectureChoice, ModelBundle
from sfx_label.models.logistic import sigmoid
from sfx_label.models.method import Job, Method
from sfx_label.models.operating_point import OperatingPoint, choose_threshold
from sfx_label.models.provenance import describe_training, now

__all__ = ["METHOD", "fit_cut_off"]

REGULARISATION = 1.0  # variance of the prior on the slope, as scikit-learn's C


def fit_cut_off(
    counts: NDArray[Any], positive: NDArray[np.bool_], *, target_recall: float | None = None
) -> OperatingPoint:
    """Fit the number of spots from which a frame counts as Hit-or-Maybe.

    Parameters
    ----------
    counts
        Spots per frame, shape ``(n,)``.
    positive
        True for Hit or Maybe, shape ``(n,)``.
    target_recall
        As in `choose_threshold`; None takes the best balanced accuracy.

    Returns
    -------
    OperatingPoint
        Its threshold lies between two counts that occur.
    """
    return choose_threshold(counts, positive, target_recall=target_recall, rule_of="training and validation")


def bootstrap_cut_off(
    counts: NDArray[Any], positive: NDArray[np.bool_], *, target_recall: float | None, repeats: int, seed: int
) -> tuple[float, float] | None:
    """Return the 95 % interval of the cut-off over frames drawn again, class by class; None without repeats."""
    if repeats < 1:
        return None
    rng = np.random.default_rng(seed)
    hits, misses = np.flatnonzero(positive), np.flatnonzero(~positive)
    cuts = []
    for _ in range(repeats):
        rows = np.concatenate([rng.choice(hits, len(hits)), rng.choice(misses, len(misses))])
        cuts.append(fit_cut_off(counts[rows], positive[rows], target_recall=target_recall).threshold)
    low, high = np.quantile(cuts, [0.025, 0.975])
    return float(low), float(high)


def fit_slope(counts: NDArray[Any], positive: NDArray[np.bool_]) -> dict[str, NDArray[np.float64]]:
    """Fit ``P(Hit or Maybe | count)`` by regularised, class-balanced logistic regression on ``log(1 + count)``.

    The slope is kept positive: more spots never mean a lower probability.
    """
    from sklearn.linear_model import LogisticRegression

    x = np.log1p(np.maximum(counts, 0.0))
    mean, scale = float(x.mean()), float(x.std()) or 1.0
    model = LogisticRegression(C=REGULARISATION, class_weight="balanced").fit(((x - mean) / scale)[:, None], positive)
    slope = max(float(model.coef_[0, 0]), 1e-3)
    return {
        "mean": np.array([mean]),
        "scale": np.array([scale]),
        "coefficients": np.array([slope]),
        "intercept": np.array(float(model.intercept_[0])),
    }


def fit(job: Job) -> ModelBundle:
    """Fit cut-off and probability on training and validation frames together: both are labels that were paid for."""
    started = now()
    parts = [job.train] if job.validation is None else [job.train, job.validation]
    counts = np.concatenate([np.asarray(part.X, dtype=np.float64)[:, 0] for part in parts])
    positive = np.concatenate([part.positive for part in parts])
    recall = job.options["target_recall"]
    point = fit_cut_off(counts, positive, target_recall=recall)
    interval = bootstrap_cut_off(
        counts, positive, target_recall=recall, repeats=job.options["bootstrap"], seed=job.seed
    )
    weights = fit_slope(counts, positive)
    config = {"inputs": int(job.train.X.shape[1]), "columns": [0], "transform": "log1p"}
    extra = {
        "cut_off": point.threshold,
        "cut_off_interval": None if interval is None else list(interval),
        "operating_point": point.to_dict(),
        "device": "cpu",
    }
    return ModelBundle(
        method=METHOD.name,
        architecture=ArchitectureChoice("logistic", config),
        weights=weights,
        preprocessing=job.train.preprocessing,
        frame_shape=job.train.frame_shape,
        threshold=probability_at(point.threshold, weights),
        provenance=describe_training(job, started, extra, packages=("scikit-learn",)),
    )


def probability_at(count: float, weights: dict[str, NDArray[np.float64]]) -> float:
    """Return the fitted probability at a count, for the threshold of the bundle."""
    x = (np.log1p(max(count, 0.0)) - weights["mean"]) / weights["scale"]
    return float(sigmoid(x * weights["coefficients"] + weights["intercept"])[0])


METHOD = Method(
    name="spot-count",
    summary="number of spots in the frame, its cut-off fitted to the labels",
    fit=fit,
    options={"target_recall": None, "bootstrap": 500},
    takes=("spots",),
    min_per_class=1,
)
