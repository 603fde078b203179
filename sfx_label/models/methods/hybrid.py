"""The fitted spot count, helped by what is known without labels, and by more features where they prove to pay.

Three parts, none of which can make it forget the spot count:

1. The cut-off fitted to the labels is drawn towards the cut-off that `sfx_label.models.zero_label` expects from the
   run's own counts, as if that were worth `PRIOR_LABELS` labels. With few labels this alone gains one to two points.
2. With `FEWEST` labels or more, a regularised logistic model on heights and row ranges competes with the count.
3. It is taken only where repeated cross-validation over the labels says that it is better by more than the error of
   that difference; else the model is the spot count, exactly.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.models.bundle import ArchitectureChoice, ModelBundle
from sfx_label.models.logistic import TRANSFORMS, LogisticPredictor
from sfx_label.models.method import Job, Method
from sfx_label.models.methods.spot_count import fit_cut_off, fit_slope, probability_at
from sfx_label.models.operating_point import balanced_accuracy, choose_threshold
from sfx_label.models.provenance import describe_training, now
from sfx_label.models.zero_label import expected_cut_off
from sfx_label.preprocess.features import FEATURE_NAMES

__all__ = ["METHOD"]

PRIOR_LABELS = 50.0
FEWEST = 100  # labels
FEWEST_POSITIVE = 15
REGULARISATION = 0.03  # scikit-learn's C for standardised features
FOLDS, REPEATS = 5, 4
TRANSFORM = "log1p"
CHOSEN = ("log_count_snr", "log_snr_rank", "rows_q", "columns_q")
COLUMNS = [number for number, name in enumerate(FEATURE_NAMES) if name.startswith(CHOSEN)]

Model = tuple[list[int], dict[str, NDArray[np.float64]], float]


def fit_count(X: NDArray[Any], positive: NDArray[np.bool_], target_recall: float | None) -> Model:
    """Return the spot count with its cut-off drawn towards the expected one."""
    counts = X[:, 0].astype(np.float64)
    fitted = np.log1p(fit_cut_off(counts, positive, target_recall=target_recall).threshold)
    expected = np.log1p(expected_cut_off(counts))
    trust = len(counts) / (len(counts) + (PRIOR_LABELS if target_recall is None else 0.0))
    weights = fit_slope(counts, positive)
    return [0], weights, probability_at(float(np.expm1(trust * fitted + (1 - trust) * expected)), weights)


def fit_features(X: NDArray[Any], positive: NDArray[np.bool_], target_recall: float | None) -> Model:
    """Return a regularised logistic model on heights of spots and ranges of rows and columns."""
    from sklearn.linear_model import LogisticRegression

    values = TRANSFORMS[TRANSFORM](X[:, COLUMNS].astype(np.float64))
    mean, scale = values.mean(axis=0), values.std(axis=0) + 1e-6
    model = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=2000)
    model.fit((values - mean) / scale, positive)
    weights = {
        "mean": mean,
        "scale": scale,
        "coefficients": model.coef_[0].astype(np.float64),
        "intercept": np.array(float(model.intercept_[0])),
    }
    scores = probability(X, (COLUMNS, weights, 0.5))
    return COLUMNS, weights, choose_threshold(scores, positive, target_recall=target_recall).threshold


def probability(X: NDArray[Any], model: Model) -> NDArray[np.float64]:
    """Return what a model makes of feature vectors, (n,), exactly as its bundle will."""
    columns, weights, _ = model
    return LogisticPredictor({"columns": columns, "transform": TRANSFORM}, weights).probability(X)


def features_pay(X: NDArray[Any], positive: NDArray[np.bool_], seed: int) -> tuple[bool, list[float]]:
    """Say whether the features beat the count by more than the error of the difference, out of fold."""
    from sklearn.model_selection import StratifiedKFold

    if len(X) < FEWEST or min(positive.sum(), (~positive).sum()) < FEWEST_POSITIVE:
        return False, []
    gains = []
    for repeat in range(REPEATS):
        kept = np.zeros((2, len(X)))
        folds = StratifiedKFold(FOLDS, shuffle=True, random_state=seed + repeat)
        for learn, ask in folds.split(X, positive):
            for row, fit_one in enumerate((fit_count, fit_features)):
                model = fit_one(X[learn], positive[learn], None)
                kept[row, ask] = probability(X[ask], model) >= model[2]
        accuracy = [balanced_accuracy(decision, positive, 0.5) for decision in kept]
        gains.append(accuracy[1] - accuracy[0])
    error = float(np.std(gains, ddof=1)) / np.sqrt(REPEATS)
    return bool(np.mean(gains) > max(error, 1e-9)), [float(gain) for gain in gains]


def fit(job: Job) -> ModelBundle:
    """Fit to training and validation labels together."""
    started = now()
    parts = [job.train] if job.validation is None else [job.train, job.validation]
    X = np.concatenate([np.asarray(part.X) for part in parts])
    positive = np.concatenate([part.positive for part in parts])
    recall = job.options["target_recall"]
    richer, gains = features_pay(X, positive, job.seed) if job.options["features"] else (False, [])
    columns, weights, threshold = (fit_features if richer else fit_count)(X, positive, recall)
    point = {"rule": "training and validation", "threshold": threshold, "target_recall": recall}
    extra = {
        "model": "features" if richer else "spot count",
        "gains_out_of_fold": gains,
        "operating_point": point,
        "device": "cpu",
    }
    return ModelBundle(
        method=METHOD.name,
        architecture=ArchitectureChoice(
            "logistic", {"inputs": int(X.shape[1]), "columns": columns, "transform": TRANSFORM}
        ),
        weights=weights,
        preprocessing=job.train.preprocessing,
        frame_shape=job.train.frame_shape,
        threshold=threshold,
        provenance=describe_training(job, started, extra, packages=("scikit-learn",)),
    )


METHOD = Method(
    name="hybrid",
    summary="spot count drawn towards what the run itself suggests, with more features where they pay",
    fit=fit,
    options={"target_recall": None, "features": True},
    takes=("features",),
    min_per_class=1,
)
