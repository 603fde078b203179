"""Scores without labels, against small cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from sfx_label.errors import TrainingError
from sfx_label.models.selection_scores import (
    neighbourhood_density,
    prediction_entropy,
    reverse_validation,
    score_models,
)
from sfx_label.models.training import train


def test_entropy_by_hand() -> None:
    assert prediction_entropy(np.array([0.5, 0.5])) == pytest.approx(math.log(2))
    assert prediction_entropy(np.array([0.0, 1.0])) == pytest.approx(0.0, abs=1e-9)
    assert prediction_entropy(np.array([0.2])) == pytest.approx(-0.2 * math.log(0.2) - 0.8 * math.log(0.8))


def test_density_by_hand() -> None:
    """All frames alike: each of three others is as near, so the entropy is ln 3. Two far pairs: one neighbour each."""
    assert neighbourhood_density(np.ones((4, 2))) == pytest.approx(math.log(3))
    pairs = np.array([[1.0, 0.0], [2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    expected = -(1 / (1 + 2 * math.exp(-20))) * math.log(1 / (1 + 2 * math.exp(-20)))
    assert neighbourhood_density(pairs) == pytest.approx(expected, abs=1e-6)


def test_reverse_validation_sees_whether_the_classes_line_up() -> None:
    rng = np.random.default_rng(0)
    positive = np.arange(60) % 2 == 0
    features = rng.normal(0, 0.3, (60, 3)) + positive[:, None]
    assert reverse_validation(features, positive, features, positive) > 0.95
    assert reverse_validation(features, ~positive, features, positive) < 0.05
    assert reverse_validation(features, np.ones(60, dtype=bool), features, positive) == 0.5


def test_a_trained_model_is_picked_over_a_blind_one_without_target_labels(vectors) -> None:
    parts = vectors(120).split(train=80, validation=40)
    target = vectors(60, seed=1, fingerprint="b" * 16).without_labels()
    good = train("rwd", parts.train, parts.validation, epochs=30)
    blind = train("rwd", parts.train, parts.validation, epochs=1, learning_rate=1e-9)
    report = score_models({"good": good, "blind": blind}, parts.validation, target)
    assert report.picks["reverse validation"] == "good"
    assert report.picks["prediction entropy"] == "good"
    assert "good" in str(report)
    with pytest.raises(TrainingError, match="no model"):
        score_models({}, parts.validation, target)
