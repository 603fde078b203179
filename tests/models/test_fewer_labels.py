"""Hybrid never forgets the spot count, and zero-label knows a run by its own counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sfx_label import ModelBundle, Preprocessing, build_dataset, evaluate, open_frames, train
from sfx_label.labels.source import read_labels
from sfx_label.models.dataset import Dataset
from sfx_label.models.methods.hybrid import PRIOR_LABELS, fit_count
from sfx_label.models.methods.spot_count import fit_cut_off
from sfx_label.models.zero_label import (
    HIGHEST,
    LOWEST,
    TYPICAL,
    adapt_to_run,
    adapt_to_runs,
    expected_cut_off,
    load_zero_label,
)
from sfx_label.preprocess.features import FEATURE_NAMES
from sfx_label.simulate import simulate_run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "ln84.h5"
    simulate_run(path, "LN84", 160, 5)
    return path


@pytest.fixture(scope="module")
def data(run: Path) -> Dataset:
    with open_frames(run) as frames:
        labels = read_labels(frames, run.with_suffix(".expert_annotation.txt"))
        return build_dataset(frames, labels, Preprocessing.features())


def test_expected_cut_off_by_hand() -> None:
    counts = np.r_[np.zeros(90), np.full(10, 31.0)]  # 95th percentile 31: 32 ** 0.4 - 1 = 3
    assert expected_cut_off(counts) == pytest.approx(3.0)
    assert expected_cut_off(counts[:5]) == TYPICAL
    assert expected_cut_off(np.zeros(50)) == LOWEST
    assert expected_cut_off(np.full(50, 1000.0)) == HIGHEST
    assert expected_cut_off([np.nan, *counts, -1]) == pytest.approx(3.0, abs=0.1)


def test_hybrid_lies_between_fitted_and_expected_cut_off() -> None:
    counts = np.r_[np.zeros(20), np.full(10, 40.0)]
    positive = counts > 0
    X = np.zeros((30, len(FEATURE_NAMES)), np.float32)
    X[:, 0] = counts
    _, weights, threshold = fit_count(X, positive, None)
    fitted, expected = np.log1p(fit_cut_off(counts, positive).threshold), np.log1p(expected_cut_off(counts))
    wanted = (30 * fitted + PRIOR_LABELS * expected) / (30 + PRIOR_LABELS)
    logit = (wanted - weights["mean"][0]) / weights["scale"][0] * weights["coefficients"][0] + weights["intercept"]
    assert threshold == pytest.approx(1 / (1 + np.exp(-logit)))


def test_hybrid_trains_saves_and_beats_chance(data: Dataset, tmp_path: Path) -> None:
    parts = data.split(train=40, validation=0, seed=0)
    bundle = train("hybrid", parts.train, seed=0)
    again = ModelBundle.load(bundle.save(tmp_path / "hybrid"))
    np.testing.assert_array_equal(again.predict(parts.test), bundle.predict(parts.test))
    assert evaluate(again, parts.test).balanced_accuracy.value > 0.9
    assert bundle.provenance["model"] == "spot count"  # 40 labels are too few for more


def test_zero_label_needs_no_label(run: Path, data: Dataset) -> None:
    bundle = adapt_to_run(load_zero_label(), data)
    found = evaluate(bundle, data)
    assert found.balanced_accuracy.value > 0.9
    assert found.label_budget == 0
    drawn = adapt_to_runs(load_zero_label(), [run], frames=100)
    assert abs(drawn.provenance["operating_point"]["cut_off"] - bundle.provenance["operating_point"]["cut_off"]) < 1.5


def test_other_models_are_not_adapted(data: Dataset) -> None:
    bundle = train("hybrid", data.split(train=40, validation=0, seed=0).train)
    assert adapt_to_run(bundle, data) is bundle
