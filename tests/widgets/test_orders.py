"""Orders are permutations, or what the user listed, and nothing outside the run."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from sfx_label.errors import SfxLabelError
from sfx_label.widgets.orders import positions_of


def test_named_orders_hold_every_frame_once() -> None:
    assert positions_of("file", 5).tolist() == [0, 1, 2, 3, 4]
    shuffled = positions_of("random", 50, seed=3)
    assert sorted(shuffled.tolist()) == list(range(50))
    assert shuffled.tolist() == positions_of("random", 50, seed=3).tolist()
    assert shuffled.tolist() != positions_of("random", 50, seed=4).tolist()


def test_own_orders_may_be_lists_masks_generators_and_endless() -> None:
    assert positions_of([3, 1, 3], 5).tolist() == [3, 1]
    assert positions_of(np.array([True, False, True]), 3).tolist() == [0, 2]
    assert positions_of((i for i in (4, 2)), 5).tolist() == [4, 2]
    assert positions_of(itertools.cycle([2, 0]), 3).tolist() == [2, 0]
    assert positions_of([], 3).tolist() == []


@pytest.mark.parametrize("order", [[0, 5], [-1], "backwards", np.array([True])])
def test_what_does_not_fit_the_run_is_refused_with_its_value(order: object) -> None:
    with pytest.raises(SfxLabelError, match=r"Received|unknown order"):
        positions_of(order, 3)  # type: ignore[arg-type]
