from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import UNLABELLED, Label, label_from_spot_count, labels_from_spot_counts, to_binary


@pytest.mark.parametrize(
    ("count", "label"),
    [(0, Label.MISS), (3, Label.MISS), (4, Label.MAYBE), (9, Label.MAYBE), (10, Label.HIT), (3000, Label.HIT)],
)
def test_spot_rule_at_its_borders(count: int, label: Label) -> None:
    assert label_from_spot_count(count) is label


def test_labels_are_ordered() -> None:
    assert Label.MISS < Label.MAYBE < Label.HIT


@pytest.mark.parametrize("spelling", ["hit", "HIT", " Hit ", "h", "H", 2, "2", np.int8(2), Label.HIT])
def test_every_spelling_of_hit(spelling: object) -> None:
    assert Label.parse(spelling) is Label.HIT


@pytest.mark.parametrize("nonsense", ["", "hits", 3, -1, None, "miss; DROP TABLE", 2.5, True, b"hit"])
def test_what_is_no_label_is_refused_with_the_value(nonsense: object) -> None:
    if nonsense is True:  # bool is an int in Python: True reads as 1
        assert Label.parse(nonsense) is Label.MAYBE
        return
    with pytest.raises(AnnotationFormatError, match="Received"):
        Label.parse(nonsense)


def test_negative_count_is_refused_for_one_frame_and_unlabelled_for_many() -> None:
    with pytest.raises(AnnotationFormatError, match="-1"):
        label_from_spot_count(-1)
    assert labels_from_spot_counts([-1, 3, 4, 9, 10]).tolist() == [UNLABELLED, 0, 1, 1, 2]


@given(st.lists(st.integers(0, 10_000)))
def test_many_counts_follow_the_rule_for_one(counts: list[int]) -> None:
    assert labels_from_spot_counts(counts).tolist() == [label_from_spot_count(count) for count in counts]


def test_maybe_counts_as_positive() -> None:
    assert to_binary([Label.MISS, Label.MAYBE, Label.HIT]).tolist() == [False, True, True]


def test_unlabelled_frames_are_not_silently_negative() -> None:
    with pytest.raises(AnnotationFormatError, match="1 of 3 frames have no label, the first at position 1"):
        to_binary(np.array([0, UNLABELLED, 2]))
