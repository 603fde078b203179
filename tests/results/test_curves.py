from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_curve

from sfx_label.errors import AnnotationFormatError
from sfx_label.results.curves import mean_curve, operating_meaning, recall_curve, reliability, threshold_for_recall
from sfx_label.results.evaluation import evaluate_scores

Y = [2, 0, 1, 0, 2, 0]
SCORES = [0.9, 0.8, 0.7, 0.7, 0.3, 0.1]


def test_curve_by_hand() -> None:
    curve = recall_curve(evaluate_scores(Y, SCORES, 0.5))
    assert curve.thresholds.tolist() == [np.inf, 0.9, 0.8, 0.7, 0.3, 0.1]
    assert curve.recall.tolist() == pytest.approx([0, 1 / 3, 1 / 3, 2 / 3, 1, 1])
    assert curve.misses_kept.tolist() == pytest.approx([0, 0, 1 / 3, 2 / 3, 2 / 3, 1])
    assert curve.maybe_recall.tolist() == [0, 0, 0, 1, 1, 1]
    assert curve.frames_kept.tolist() == pytest.approx([0, 1 / 6, 2 / 6, 4 / 6, 5 / 6, 1])
    assert curve.precision[1:].tolist() == pytest.approx([1, 1 / 2, 2 / 4, 3 / 5, 3 / 6])
    json.dumps(curve.to_dict(), allow_nan=False)


@given(st.lists(st.tuples(st.sampled_from([0, 1, 2]), st.integers(0, 9)), min_size=2, max_size=50))
def test_every_point_is_what_an_evaluation_at_that_threshold_says(frames: list[tuple[int, int]]) -> None:
    y, scores = [label for label, _ in frames], [float(score) for _, score in frames]
    evaluation = evaluate_scores(y, scores, 0.0)
    curve = recall_curve(evaluation)
    for at, threshold in enumerate(curve.thresholds):
        there = evaluation.at_threshold(threshold)
        assert there.kept_share.value == pytest.approx(curve.frames_kept[at])
        assert there.recall["hit_or_maybe"].value == pytest.approx(curve.recall[at], nan_ok=True)
        assert 1 - there.recall["miss"].value == pytest.approx(curve.misses_kept[at], nan_ok=True)


def test_curve_agrees_with_sklearn() -> None:
    rng = np.random.default_rng(3)
    y = rng.choice([0, 1, 2], 300)
    scores = np.round(rng.normal(size=300) + y, 1)
    curve = recall_curve(evaluate_scores(y, scores, 0))
    false_positive, true_positive, _ = roc_curve(y > 0, scores, drop_intermediate=False)
    assert curve.misses_kept == pytest.approx(false_positive)
    assert curve.recall == pytest.approx(true_positive)
    precision, _, _ = precision_recall_curve(y > 0, scores)
    assert curve.precision[1:][::-1] == pytest.approx(precision[:-1])


def test_band_holds_the_curve() -> None:
    curve = recall_curve(evaluate_scores(Y, SCORES, 0.5))
    low, high = curve.band
    assert (low <= curve.recall).all() and (curve.recall <= high).all()
    assert (high - low)[1:-1].min() > 0.3  # three positives say little


def test_a_usual_hit_rate_keeps_recall_and_lowers_precision() -> None:
    curve = recall_curve(evaluate_scores(Y, SCORES, 0.5))
    kept, precision = curve.at_hit_rate(0.05)
    at = 3  # recall 2/3 at 2/3 of the misses
    assert kept[at] == pytest.approx(2 / 3)
    assert precision[at] == pytest.approx(0.05)
    assert curve.at_hit_rate(0.5)[1][at] == pytest.approx(curve.precision[at])


def test_threshold_for_a_target_recall() -> None:
    evaluation = evaluate_scores(Y, SCORES, 0.5)
    assert threshold_for_recall(evaluation, 0.6) == 0.7
    assert threshold_for_recall(evaluation, 2 / 3) == 0.7
    assert threshold_for_recall(evaluation, 1.0) == 0.3
    assert evaluation.at_threshold(threshold_for_recall(evaluation, 1.0)).recall["hit_or_maybe"].value == 1
    with pytest.raises(AnnotationFormatError, match=r"98"):
        threshold_for_recall(evaluation, 98)
    with pytest.raises(AnnotationFormatError, match="Hit or Maybe"):
        threshold_for_recall(evaluate_scores([0, 0], [0.1, 0.2], 0.5), 0.9)


def test_meaning_of_an_operating_point_in_words() -> None:
    y = [2] * 100 + [0] * 900
    scores = [0.9] * 98 + [0.1] * 2 + [0.9] * 22 + [0.1] * 878
    meaning = operating_meaning(evaluate_scores(y, scores, 0.5))
    assert str(meaning) == "At this threshold you keep 12 % of frames and lose 2.0 (0.2-7.0) % of hits."


def test_mean_over_seeds() -> None:
    good = evaluate_scores([2, 2, 0, 0], [0.9, 0.8, 0.2, 0.1], 0.5)
    bad = evaluate_scores([2, 2, 0, 0], [0.1, 0.8, 0.2, 0.9], 0.5)
    curve = mean_curve([good, bad])
    assert curve.misses_kept[0] == 0 and curve.mean[0] == pytest.approx((1 + 0) / 2)
    assert curve.low[0] == 0 and curve.high[0] == 1
    assert curve.mean[-1] == 1
    middle = np.searchsorted(curve.misses_kept, 0.5)
    assert curve.mean[middle] == pytest.approx((1 + 0.5) / 2)


def test_reliability_of_a_true_and_of_an_overconfident_forecast() -> None:
    rng = np.random.default_rng(0)
    truth = rng.random(4000)
    y = np.where(rng.random(4000) < truth, 2, 0)
    honest = reliability(evaluate_scores(y, truth, 0.5))
    assert len(honest.observed) == 10 and sum(rate.n for rate in honest.observed) == 4000
    assert honest.error < 0.03
    # frames said to be sure at 0 and 1 are on average a quarter off
    sure = reliability(evaluate_scores(y, np.where(truth > 0.5, 1.0, 0.0), 0.5))
    assert len(sure.observed) == 2 and sure.error == pytest.approx(0.25, abs=0.02)
    with pytest.raises(AnnotationFormatError, match="probabilities"):
        reliability(evaluate_scores(y, 10 * truth, 5))
