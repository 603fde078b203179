from __future__ import annotations

import json
import math

import numpy as np
import pytest

from sfx_label.errors import AnnotationFormatError
from sfx_label.results.overlap import mmd, overlap, reduce_features


def clouds(shift: float, n: int = 300, d: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(size=(n, d)) + shift


def test_two_samples_of_one_distribution_overlap() -> None:
    one = overlap(*clouds(0.0))["all"]
    assert one.domain_auc.low < 0.5 < one.domain_auc.high
    assert one.mmd.low < 0.002 and abs(one.mmd.value) < 0.01


def test_far_apart_is_far_apart() -> None:
    one = overlap(*clouds(2.0))["all"]
    assert one.domain_auc.low > 0.99
    assert one.mmd.low > 0.2


def test_domain_auc_of_a_known_shift() -> None:
    # shift s in each of d directions: the best linear score has an area of Phi(s sqrt(d) / sqrt(2))
    source, target = clouds(0.3, n=1000)
    expected = 0.5 * (1 + math.erf(0.3 * math.sqrt(8) / 2))
    assert overlap(source, target)["all"].domain_auc.value == pytest.approx(expected, abs=0.03)


def test_mmd_against_the_double_sum() -> None:
    source, target = clouds(0.7, n=12, d=3)
    both = np.concatenate([source, target])
    distances = np.array([[np.linalg.norm(a - b) for b in both] for a in both])
    width = np.median([distances[i, j] for i in range(24) for j in range(i + 1, 24)])
    kernel = np.exp(-(distances**2) / (2 * width**2))
    within = [
        sum(kernel[i, j] for i in part for j in part if i != j) / (12 * 11) for part in (range(12), range(12, 24))
    ]
    between = sum(kernel[i, j] for i in range(12) for j in range(12, 24)) / 144
    one = mmd(source, target, seed=1)
    assert one.value == pytest.approx(sum(within) - 2 * between)
    assert one.low < one.value < one.high
    assert one == mmd(source, target, seed=1)


def test_mmd_bootstrap_is_not_biased_upwards() -> None:
    values = [mmd(*clouds(0.0, n=60, d=2, seed=seed), seed=seed, draws=200) for seed in range(40)]
    middle = np.mean([(one.low + one.high) / 2 - one.value for one in values])
    assert abs(middle) < 0.01
    assert np.mean([one.low <= 0 <= one.high for one in values]) >= 0.85


def test_classes_are_measured_by_themselves() -> None:
    source, target = clouds(0.0, n=120)
    labels = np.repeat([0, 2, 1], [60, 52, 8])
    target[labels == 2] += 3  # hits differ, misses do not, maybes are too few
    result = overlap(source, target, labels, labels)
    assert result["hit"].domain_auc.value > 0.99
    assert result["miss"].domain_auc.low < 0.5
    assert math.isnan(result["maybe"].domain_auc.value) and result["maybe"].n_source == 8
    assert "n/a" in str(result)
    json.dumps(result.to_dict(), allow_nan=False)


def test_unusable_frames_and_dead_columns_are_left_out() -> None:
    source, target = clouds(0.0, n=50)
    source[3] = np.nan
    source[:, 2] = target[:, 2] = 7.0
    assert overlap(source, target)["all"].n_source == 49


def test_wide_features_are_reduced() -> None:
    values = np.random.default_rng(0).normal(size=(80, 500))
    reduced = reduce_features(values)
    assert reduced.shape == (80, 50)
    assert np.array_equal(reduced, reduce_features(values))


def test_features_of_two_models_are_refused() -> None:
    source, target = clouds(0.0, n=20)
    with pytest.raises(AnnotationFormatError, match="one bundle"):
        overlap(source, target[:, :3])
    with pytest.raises(AnnotationFormatError, match="labels of shape"):
        overlap(source, target, np.zeros(3), np.zeros(20))
