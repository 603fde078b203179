from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.selection import (
    FIRST_PICKS,
    audit_sample,
    cover_order,
    disagreement_order,
    leave_out,
    mixed_order,
    mixed_picks,
    random_order,
    strata_order,
    uncertain_order,
)

SEEDS = st.integers(0, 2**31)
COUNTS = st.lists(st.integers(-1, 400), max_size=80)
SCORES = st.lists(st.floats(0, 1) | st.just(float("nan")), max_size=80)


def _is_order(order: np.ndarray, n: int) -> bool:
    return order.dtype == np.int64 and sorted(order.tolist()) == list(range(n))


@given(st.integers(0, 200), SEEDS)
def test_random_order_holds_every_frame_once_and_repeats(n: int, seed: int) -> None:
    assert _is_order(random_order(n, seed), n)
    assert np.array_equal(random_order(n, seed), random_order(n, seed))


@given(COUNTS, SEEDS)
def test_strata_order_holds_every_frame_once_unreadable_last(counts: list[int], seed: int) -> None:
    order = strata_order(counts, seed)
    assert _is_order(order, len(counts))
    read = np.array(counts, int)[order] >= 0
    assert not (~read[:-1] & read[1:]).any()


def test_strata_take_turns() -> None:
    counts = np.array([0] * 900 + [2] * 60 + [6] * 20 + [15] * 15 + [200] * 5)
    first = counts[strata_order(counts, seed=1)[:25]]
    assert [
        int(np.sum((first >= low) & (first < high))) for low, high in [(0, 1), (1, 4), (4, 10), (10, 30), (30, 999)]
    ] == [5] * 5


@given(SCORES, st.floats(0.01, 0.99), SEEDS)
def test_uncertain_order_is_by_distance_in_log_odds_and_nan_last(
    scores: list[float], threshold: float, seed: int
) -> None:
    order = uncertain_order(scores, threshold, seed)
    assert _is_order(order, len(scores))
    odds = [
        abs(np.log(np.clip(s, 1e-9, 1 - 1e-9) / (1 - np.clip(s, 1e-9, 1 - 1e-9))) - np.log(threshold / (1 - threshold)))
        for s in scores
    ]
    sorted_odds = np.array(odds)[order]
    finite = np.isfinite(sorted_odds)
    assert not (~finite[:-1] & finite[1:]).any()
    assert (np.diff(sorted_odds[finite]) >= -1e-6).all()


def test_uncertain_order_by_hand() -> None:
    assert uncertain_order([0.9, 0.5, float("nan"), 0.6, 0.01]).tolist() == [1, 3, 0, 4, 2]
    assert uncertain_order([0.9, 0.5, 0.85], threshold=0.9).tolist() == [0, 2, 1]


@pytest.mark.parametrize("scores", [[1.2, 0.5], [-0.1], [float("inf")]])
def test_scores_that_are_no_probabilities_are_refused(scores: list[float]) -> None:
    with pytest.raises(AnnotationFormatError, match="probabilities"):
        uncertain_order(scores)
    with pytest.raises(AnnotationFormatError, match="probabilities"):
        disagreement_order([scores, scores])


def test_disagreement_is_not_doubt() -> None:
    # both sure and opposed; both unsure; both sure and alike; one abstains; mildly apart
    first = [0.99, 0.5, 0.99, 0.9, 0.4]
    second = [0.01, 0.5, 0.99, float("nan"), 0.6]
    assert disagreement_order([first, second])[:2].tolist() == [0, 4]
    assert disagreement_order([first, second])[-1] == 3


def test_disagreement_by_hand() -> None:
    # at 0 and 1: entropy of the mean ln 2, mean of the entropies 0; at 0.25 and 0.75: ln 2 - H(0.25) = 0.131
    order = disagreement_order([[0.25, 0.0, 0.3], [0.75, 1.0, 0.3]])
    assert order.tolist() == [1, 0, 2]


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 60), st.integers(1, 4), SEEDS)
def test_cover_order_holds_every_frame_once_and_repeats(n: int, d: int, seed: int) -> None:
    features = np.random.default_rng(seed).normal(size=(n, d)).round(1)
    features[::7] = np.nan
    order = cover_order(features, seed, picks=10)
    assert _is_order(order, n)
    assert np.array_equal(order, cover_order(features, seed, picks=10))
    assert np.isnan(features[order[n - (n + 6) // 7 :]]).all()


def test_cover_finds_every_group_before_random_does() -> None:
    rng = np.random.default_rng(3)
    centres = rng.normal(scale=30, size=(12, 5))
    group = np.repeat(np.arange(12), [1000, 500, 300, 100, 40, 20, 10, 10, 6, 6, 4, 4])
    features = centres[group] + rng.normal(size=(len(group), 5))
    cover, chance = cover_order(features, seed=0, picks=40), random_order(len(group), 0)
    assert len(set(group[cover[:40]])) == 12 > len(set(group[chance[:40]]))


def test_one_wild_frame_does_not_rule_the_cover() -> None:
    features = np.random.default_rng(0).normal(size=(500, 3))
    features[17] = 1e12
    order = cover_order(features, seed=0, picks=20)
    assert len(set(order[:20])) == 20 and np.ptp(features[leave_out(order[:20], [17])], axis=0).min() > 2


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 120), SEEDS, st.booleans(), st.booleans(), st.integers(0, 100))
def test_mixed_picks_hold_every_frame_once(
    n: int, seed: int, with_counts: bool, with_scores: bool, labelled: int
) -> None:
    rng = np.random.default_rng(seed)
    counts = rng.integers(0, 40, n) if with_counts else None
    scores = rng.random(n) if with_scores else None
    picks = mixed_picks(n, seed, counts=counts, scores=scores, labelled=labelled)
    assert _is_order(picks.order, n) and len(picks.origins) == n
    allowed = {"random"} | ({"strata"} if with_counts else set()) | ({"uncertain"} if with_scores else set())
    assert set(picks.origins) <= allowed
    assert np.array_equal(picks.order, mixed_order(n, seed, counts=counts, scores=scores, labelled=labelled))


def test_the_schedule_begins_without_the_model_and_then_mixes() -> None:
    rng = np.random.default_rng(0)
    features, scores = rng.normal(size=(400, 2)), rng.random(400)
    origins = mixed_picks(400, features=features, scores=scores).origins
    assert origins[:4] == ("random", "cover", "random", "cover")
    assert "uncertain" not in origins[:FIRST_PICKS] and origins[FIRST_PICKS:][:100].count("uncertain") == 40
    assert mixed_picks(400, features=features, scores=scores, labelled=FIRST_PICKS).origins[0] == "uncertain"


def test_every_rule_takes_its_own_best_frames_first() -> None:
    scores = np.linspace(0, 1, 101)
    picks = mixed_picks(101, scores=scores, labelled=FIRST_PICKS)
    doubtful = [position for position, origin in zip(picks.order, picks.origins, strict=True) if origin == "uncertain"]
    assert set(doubtful[:3]) <= {48, 49, 50, 51, 52} and abs(doubtful[10] - 50) < 12


@given(st.integers(0, 300), st.integers(0, 300), SEEDS)
def test_audit_samples_nest_and_are_fenced_off(n: int, count: int, seed: int) -> None:
    sample = audit_sample(n, count, seed)
    assert len(sample) == min(n, count) and len(set(sample.tolist())) == len(sample)
    assert set(sample.tolist()) <= set(audit_sample(n, count + 10, seed).tolist())
    queue = leave_out(random_order(n, seed), sample)
    assert not set(queue.tolist()) & set(sample.tolist()) and len(queue) + len(sample) == n


def test_audit_and_random_order_of_one_seed_are_independent() -> None:
    overlap = [len(set(audit_sample(1000, 100, s)) & set(random_order(1000, s)[:100])) for s in range(50)]
    assert 8 < np.mean(overlap) < 12


def test_every_frame_is_as_likely_to_be_audited() -> None:
    drawn = np.bincount(np.concatenate([audit_sample(50, 10, seed) for seed in range(2000)]), minlength=50)
    assert drawn.min() > 320 and drawn.max() < 480  # 400 +- 18 expected


def test_a_growing_run_keeps_most_of_its_audit() -> None:
    before, after = audit_sample(1000, 100, 4), audit_sample(1100, 110, 4)
    assert len(set(before) & set(after)) > 90
