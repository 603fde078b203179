"""Which of several models is best on a run without labels: three scores that need none, and what each would pick."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError

if TYPE_CHECKING:
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.dataset import Dataset

__all__ = ["SelectionReport", "neighbourhood_density", "prediction_entropy", "reverse_validation", "score_models"]

TEMPERATURE = 0.05  # of the neighbourhood density, as published
MAX_FRAMES = 2000  # the density compares all pairs


@dataclass(frozen=True)
class SelectionReport:
    """Scores of models on a run whose labels were not read.

    Parameters
    ----------
    scores
        Model -> score -> value.
    picks
        Score -> model that it would have picked.
    """

    scores: Mapping[str, Mapping[str, float]]
    picks: Mapping[str, str]

    def __str__(self) -> str:
        names = list(next(iter(self.scores.values())))
        lines = ["model".ljust(24) + "".join(name.rjust(24) for name in names)]
        for model, values in self.scores.items():
            cells = (f"{values[name]:.4f}{' *' if self.picks[name] == model else '  '}" for name in names)
            lines.append(model[:23].ljust(24) + "".join(cell.rjust(24) for cell in cells))
        return "\n".join([*lines, "* the model that this score would pick"])


def prediction_entropy(probability: NDArray[Any]) -> float:
    """Return the mean entropy of the predictions in nats, 0 to ln 2; lower is surer (not always righter).

    Parameters
    ----------
    probability
        Of Hit-or-Maybe, shape ``(n,)``.
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), 1e-12, 1 - 1e-12)
    return float(np.mean(-p * np.log(p) - (1 - p) * np.log1p(-p)))


def neighbourhood_density(features: NDArray[Any], temperature: float = TEMPERATURE) -> float:
    """Return the soft neighbourhood density (Saito et al. 2021); higher is better.

    Features of unit length are compared with each other; each frame's similarities, without its own, go through a
    softmax at the temperature; the score is the mean entropy of these distributions, at most ``ln(n - 1)``. Frames of
    one class lie close together where a model has understood a run, so each has many near neighbours.

    Parameters
    ----------
    features
        ``(n, d)``.
    temperature
        Of the softmax.
    """
    unit = np.asarray(features, dtype=np.float64)
    unit = unit / np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-12)
    similarity = unit @ unit.T / temperature
    np.fill_diagonal(similarity, -np.inf)
    weights = np.exp(similarity - similarity.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    return float(np.mean(-np.sum(weights * np.log(np.where(weights > 0, weights, 1.0)), axis=1)))


def reverse_validation(
    target_features: NDArray[Any],
    target_predicted: NDArray[np.bool_],
    source_features: NDArray[Any],
    source_positive: NDArray[np.bool_],
) -> float:
    """Return how well the target's predictions, taken as labels, teach the source's labels; higher is better.

    A logistic regression learns the predicted classes of the target from the model's features and is then tested on
    the labelled source by its balanced accuracy: the reverse classifier of Zhong et al. (2010) and Ganin et al. (2016,
    section 5.1.2), here on the frozen features in place of a second training. 0.5 where all predictions are the same.

    Parameters
    ----------
    target_features, source_features
        ``(n, d)`` and ``(m, d)``.
    target_predicted
        Predicted Hit-or-Maybe, ``(n,)``.
    source_positive
        Labelled Hit-or-Maybe, ``(m,)``.
    """
    if target_predicted.all() or not target_predicted.any():
        return 0.5
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=500))
    named = model.fit(target_features, target_predicted).predict(source_features)
    return 0.5 * (float(np.mean(named[source_positive])) + float(np.mean(~named[~source_positive])))


def score_models(models: Mapping[str, ModelBundle], source: Dataset, target: Dataset) -> SelectionReport:
    """Score models for a target run without reading its labels.

    Parameters
    ----------
    models
        Name -> model; all of one preprocessing.
    source
        Labelled frames of the source that the models were not trained on (its validation or test part).
    target
        Frames of the target; at most 2000, evenly spread, are used.

    Raises
    ------
    TrainingError
        If there is no model.
    """
    if not models:
        raise TrainingError("There is no model to score. Received an empty mapping; pass {name: bundle, ...}.")
    rows = np.linspace(0, len(target.keys) - 1, min(len(target.keys), MAX_FRAMES)).astype(np.intp)
    inputs = np.asarray(target.X[rows])
    scores = {name: _scores_of(model, source, inputs) for name, model in models.items()}
    better = {"prediction entropy": min, "neighbourhood density": max, "reverse validation": max}
    picks = {name: best(scores, key=lambda model: scores[model][name]) for name, best in better.items()}
    return SelectionReport(scores, picks)


def _scores_of(model: ModelBundle, source: Dataset, inputs: NDArray[Any]) -> dict[str, float]:
    probability = model.predict(inputs)
    features = model.embed(inputs)
    return {
        "prediction entropy": prediction_entropy(probability),
        "neighbourhood density": neighbourhood_density(features),
        "reverse validation": reverse_validation(
            features, probability >= model.threshold, model.embed(source), source.positive
        ),
    }
