from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, binomtest
from sklearn.metrics import roc_auc_score

from sfx_label.errors import SfxLabelError
from sfx_label.results.intervals import area_under_curve, balanced, bootstrap_balanced, exact, spread, wilson


def test_wilson_by_hand() -> None:
    # 63 of 65 positives of LN83's last 400 frames (the paper's 96.92 %): centre (p + z^2/2n)/(1 + z^2/n), z^2 = 3.8415
    z2 = 3.841459
    centre = (63 / 65 + z2 / 130) / (1 + z2 / 65)
    half = math.sqrt(z2) * math.sqrt((63 / 65) * (2 / 65) / 65 + z2 / (4 * 65**2)) / (1 + z2 / 65)
    rate = wilson(63, 65)
    assert rate.value == pytest.approx(0.969231, abs=1e-6)
    assert (rate.low, rate.high) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert (rate.low, rate.high) == pytest.approx((0.8946, 0.9915), abs=1e-4)


@given(st.integers(1, 2000), st.data())
def test_wilson_and_exact_agree_with_scipy(n: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(0, n))
    for rate, method in ((wilson(k, n), "wilson"), (exact(k, n), "exact")):
        theirs = binomtest(k, n).proportion_ci(0.95, method=method)
        assert (rate.low, rate.high) == pytest.approx((theirs.low, theirs.high), abs=1e-9)
        assert 0 <= rate.low <= rate.value <= rate.high <= 1
        assert rate.count == k


def test_exact_covers_at_least_what_it_promises() -> None:
    n = 40
    for truth in (0.02, 0.1, 0.5):
        covered = sum(binom.pmf(k, n, truth) for k in range(n + 1) if exact(k, n).low <= truth <= exact(k, n).high)
        assert covered >= 0.95


def test_no_frames_give_nan_not_zero() -> None:
    for rate in (wilson(0, 0), exact(0, 0)):
        assert math.isnan(rate.value) and rate.n == 0
        assert rate.to_dict() == {"value": None, "n": 0, "low": None, "high": None}
        assert rate.percent() == "n/a"


@pytest.mark.parametrize(("k", "n"), [(5, 4), (-1, 4), (0, -1)])
def test_impossible_counts_are_refused(k: int, n: int) -> None:
    with pytest.raises(SfxLabelError, match=f"k = {k}, n = {n}"):
        wilson(k, n)
    with pytest.raises(SfxLabelError):
        exact(k, n)


def test_balanced_interval_by_hand() -> None:
    positive, negative = wilson(63, 65), wilson(333, 335)
    both = balanced(positive, negative)
    assert both.value == pytest.approx((63 / 65 + 333 / 335) / 2)
    down = math.sqrt((positive.value - positive.low) ** 2 + (negative.value - negative.low) ** 2) / 2
    assert both.low == pytest.approx(both.value - down)


def test_balanced_interval_agrees_with_the_bootstrap_away_from_the_edge() -> None:
    positive = np.arange(2000) < 800
    correct = np.ones(2000, dtype=bool)
    correct[:120] = False  # 85 % of the positives
    correct[800:1000] = False  # 83.3 % of the negatives
    drawn = bootstrap_balanced(correct, positive, seed=1)
    closed = balanced(wilson(680, 800), wilson(1000, 1200))
    assert drawn.value == pytest.approx(closed.value)
    assert (drawn.low, drawn.high) == pytest.approx((closed.low, closed.high), abs=0.003)
    assert drawn == bootstrap_balanced(correct, positive, seed=1)


def test_perfect_recall_keeps_an_interval_where_the_bootstrap_has_none() -> None:
    positive = np.arange(40) < 20
    drawn = bootstrap_balanced(np.ones(40, dtype=bool), positive)
    assert drawn.low == drawn.high == 1.0
    assert balanced(wilson(20, 20), wilson(20, 20)).low < 0.95


@given(st.lists(st.tuples(st.integers(0, 6), st.booleans()), min_size=2, max_size=60))
def test_area_equals_sklearn_also_with_ties(frames: list[tuple[int, bool]]) -> None:
    scores, positive = [s for s, _ in frames], [p for _, p in frames]
    area = area_under_curve(scores, positive)
    if len(set(positive)) < 2:
        assert math.isnan(area.value)
    else:
        assert area.value == pytest.approx(roc_auc_score(positive, scores))
        assert 0 <= area.low <= area.value <= area.high <= 1


def test_area_of_one_still_has_a_lower_end() -> None:
    area = area_under_curve([1, 2, 3, 4, 5, 6], [False, False, False, True, True, True])
    assert area.value == area.high == pytest.approx(1.0)
    assert 0.3 < area.low < 0.9


def test_area_interval_covers_the_truth() -> None:
    # normal scores, one standard deviation apart: the true area is Phi(1/sqrt(2)) = 0.7602
    rng = np.random.default_rng(5)
    positive = np.arange(90) < 30
    inside = 0
    for _ in range(300):
        area = area_under_curve(rng.normal(size=90) + positive, positive)
        inside += area.low <= 0.7602 <= area.high
    assert 0.92 <= inside / 300 <= 0.99


def test_spread_by_hand() -> None:
    over = spread([0.90, 0.94, 0.98, math.nan])
    assert (over.mean, over.deviation, over.low, over.high, over.n) == pytest.approx((0.94, 0.04, 0.90, 0.98, 3))
    assert math.isnan(spread([0.9]).deviation)
    assert spread([]).to_dict()["mean"] is None
