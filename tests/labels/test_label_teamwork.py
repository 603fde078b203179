from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfx_label.errors import AnnotationFormatError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.teamwork import (
    adjudication_order,
    look_again_order,
    overlap_sample,
    second_pass_sample,
    share_out,
)

Key = Callable[..., FrameKey]


def test_the_overlap_is_the_same_on_every_machine_and_for_a_part_of_the_run(key: Key) -> None:
    keys = [key(i) for i in range(2000)]
    whole = overlap_sample(keys, 0.2, seed=1)
    assert 330 < len(whole) < 470
    moved = [key(i, path="/elsewhere/x.h5") for i in range(2000)]
    assert np.array_equal(overlap_sample(moved, 0.2, seed=1), whole)
    assert np.array_equal(overlap_sample(keys[:500], 0.2, seed=1), whole[whole < 500])
    assert set(overlap_sample(keys, 0.1, seed=1)) <= set(whole)
    assert len(overlap_sample(keys, 0.0)) == 0 and len(overlap_sample(keys, 1.0)) == 2000


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_is_a_share(key: Key, share: float) -> None:
    with pytest.raises(AnnotationFormatError, match="between 0 and 1"):
        overlap_sample([key(0)], share)


def test_work_is_shared_out_completely_and_only_the_overlap_twice(key: Key) -> None:
    keys = [key(i) for i in range(1500)]
    shares = share_out(keys, ["carl", "anna", "ben"], overlap=0.1, seed=2)
    common = set(overlap_sample(keys, 0.1, seed=2).tolist())
    sets = {name: set(order.tolist()) for name, order in shares.items()}
    assert set.union(*sets.values()) == set(range(1500)) and set.intersection(*sets.values()) == common
    assert all(sets["anna"] & sets[other] == common for other in ("ben", "carl"))
    assert all(len(order) == len(sets[name]) and 480 < len(order) < 720 for name, order in shares.items())
    again = share_out(keys, ["ben", "anna", "carl", "anna"], overlap=0.1, seed=2)
    assert all(np.array_equal(again[name], shares[name]) for name in shares)
    first_half = shares["anna"][: len(shares["anna"]) // 2]
    assert 0.3 < np.isin(first_half, list(common)).sum() / len(common) < 0.7


def test_nobody_to_share_with(key: Key) -> None:
    with pytest.raises(AnnotationFormatError, match="Name them"):
        share_out([key(0)], [])


def test_a_second_pass_draws_evenly_from_the_classes() -> None:
    labels = np.array([0] * 90 + [1] * 4 + [2] * 6 + [-1] * 50)
    drawn = second_pass_sample(labels, 20, seed=3)
    assert len(set(drawn.tolist())) == 20 and np.bincount(labels[drawn]).tolist() == [10, 4, 6]
    assert len(second_pass_sample(labels, 1000)) == 100 and len(second_pass_sample(np.full(5, -1), 3)) == 0


def test_the_gravest_disputes_come_first() -> None:
    votes = {"anna": [2, 2, 0, 1, -1, 2], "ben": [0, 2, 1, 1, 2, 1], "carl": [-1, -1, -1, -1, -1, -1]}
    assert adjudication_order(votes).tolist() == [0, 2, 5]
    assert adjudication_order(votes, scores=[0.9, 0.5, 0.9, 0.5, 0.5, 0.52]).tolist() == [0, 5, 2]
    assert adjudication_order({}).tolist() == []


@given(st.lists(st.tuples(*[st.integers(-1, 2)] * 3), max_size=40))
def test_exactly_the_frames_with_two_different_votes_are_in_dispute(ballots: list[tuple[int, int, int]]) -> None:
    table = np.array(ballots, int).reshape(-1, 3)
    votes = {name: table[:, column] for column, name in enumerate(["a", "b", "c"])}
    expected = {position for position, ballot in enumerate(ballots) if len({vote for vote in ballot if vote >= 0}) > 1}
    order = adjudication_order(votes)
    assert set(order.tolist()) == expected and len(order) == len(expected)


def test_look_again_lists_only_contradictions_the_clearest_first() -> None:
    labels = [2, 2, 0, 0, 1, -1, 2]
    scores = [0.05, 0.9, 0.8, 0.2, 0.4, 0.01, float("nan")]
    assert look_again_order(labels, scores).tolist() == [0, 2, 4]
    assert look_again_order(labels, scores, threshold=0.3).tolist() == [2, 0]
