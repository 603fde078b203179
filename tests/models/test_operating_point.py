"""Thresholds against counts made by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfx_label.errors import TrainingError
from sfx_label.models.operating_point import balanced_accuracy, choose_threshold, cut_curve


def test_curve_by_hand() -> None:
    scores = np.array([0.1, 0.4, 0.4, 0.9])
    positive = np.array([False, True, False, True])
    cuts, recall, rejected = cut_curve(scores, positive)
    np.testing.assert_allclose(cuts, [0.1, 0.25, 0.65])
    np.testing.assert_allclose(recall, [1, 1, 0.5])
    np.testing.assert_allclose(rejected, [0, 0.5, 1])


def test_best_cut_lies_midway_and_middle_of_ties() -> None:
    point = choose_threshold(np.array([1.0, 2.0, 5.0, 7.0]), np.array([False, False, True, True]))
    assert point.threshold == 3.5
    assert (point.recall_positive, point.recall_miss) == (1.0, 1.0)
    # cuts 1.5, 2.5 and 3.5 are equally good here: the middle one is taken
    tied = choose_threshold(np.array([1.0, 2.0, 2.0, 3.0, 3.0, 4.0]), np.array([False, True, False, True, False, True]))
    curve = cut_curve(np.array([1.0, 2.0, 2.0, 3.0, 3.0, 4.0]), np.array([False, True, False, True, False, True]))
    np.testing.assert_allclose((curve[1] + curve[2])[1:], 4 / 3)
    assert tied.threshold == 2.5


def test_target_recall_takes_the_highest_cut_that_reaches_it() -> None:
    scores = np.arange(10.0)
    positive = np.array([False] * 2 + [True] * 8)
    assert choose_threshold(scores, positive, target_recall=0.75).threshold == 3.5
    assert choose_threshold(scores, positive, target_recall=1.0).threshold == 1.5
    assert "0.75" in choose_threshold(scores, positive, target_recall=0.75).rule


@pytest.mark.parametrize("recall", [0, 1.5, -1])
def test_target_recall_out_of_range(recall: float) -> None:
    with pytest.raises(TrainingError, match="target_recall"):
        choose_threshold(np.arange(4.0), np.array([False, True] * 2), target_recall=recall)


def test_one_class_is_refused() -> None:
    with pytest.raises(TrainingError, match="0 and 3"):
        choose_threshold(np.arange(3.0), np.zeros(3, dtype=bool))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), min_size=2, max_size=40))
def test_no_other_cut_is_better(pairs: list[tuple[int, bool]]) -> None:
    scores = np.array([score for score, _ in pairs], dtype=float)
    positive = np.array([hit for _, hit in pairs])
    if positive.all() or not positive.any():
        return
    point = choose_threshold(scores, positive)
    reached = balanced_accuracy(scores, positive, point.threshold)
    assert reached == pytest.approx(0.5 * (point.recall_positive + point.recall_miss))
    assert all(balanced_accuracy(scores, positive, cut) <= reached + 1e-9 for cut in np.arange(-1, 22, 0.5))
