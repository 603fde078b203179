"""Data sets: lengths, selections, splits that share no frame, and building one from a real run."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfx_label.errors import LeakError, TrainingError
from sfx_label.frames.open import open_frames
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.scheme import UNLABELLED
from sfx_label.models.dataset import Dataset, build_dataset
from sfx_label.models.rows import RowView
from sfx_label.preprocess.contrast import Preprocessing


def numbered(n: int) -> Dataset:
    keys = tuple(FrameKey("f" * 16, "/d", i) for i in range(n))
    y = np.arange(n) % 3
    return Dataset(np.arange(n, dtype=np.float32)[:, None], y, keys, Preprocessing.rwd(), "run", (724, 724))


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 60), st.integers(0, 30), st.integers(0, 30), st.integers(0, 5), st.integers(1, 7))
def test_split_shares_no_frame_and_loses_none(n: int, train: int, validation: int, seed: int, together: int) -> None:
    data = numbered(n)
    if train + validation > n:
        with pytest.raises(TrainingError, match="Cannot take"):
            data.split(train=train, validation=validation, seed=seed)
        return
    parts = data.split(train=train, validation=validation, seed=seed, keep_together=together)
    assert [len(part) for part in parts] == [train, validation, n - train - validation]
    keys = [key for part in parts for key in part.keys]
    assert len(set(keys)) == n
    for part in parts:
        assert [key.index for key in part.keys] == part.X[:, 0].astype(int).tolist()
        assert (part.y == part.X[:, 0] % 3).all()


def test_split_in_file_order_is_the_papers() -> None:
    parts = numbered(20).split(train=5, validation=4, order="file")
    assert [key.index for key in parts.train.keys] == list(range(5))
    assert [key.index for key in parts.validation.keys] == list(range(5, 9))
    assert [key.index for key in parts.test.keys] == list(range(9, 20))


def test_same_seed_same_split_and_other_seed_other_split() -> None:
    data = numbered(40)
    assert data.split(train=10, seed=3).train.keys == data.split(train=10, seed=3).train.keys
    assert data.split(train=10, seed=3).train.keys != data.split(train=10, seed=4).train.keys


def test_neighbours_stay_together() -> None:
    train = numbered(40).split(train=20, seed=1, keep_together=5).train
    blocks = {key.index // 5 for key in train.keys}
    assert len(blocks) == 4


def test_unknown_order_is_named() -> None:
    with pytest.raises(TrainingError, match="'sideways'"):
        numbered(5).split(train=1, order="sideways")  # type: ignore[arg-type]


def test_lengths_must_agree() -> None:
    data = numbered(4)
    with pytest.raises(TrainingError, match="one length"):
        Dataset(data.X, data.y[:3], data.keys, data.preprocessing)


def test_a_frame_twice_is_a_leak() -> None:
    data = numbered(4)
    with pytest.raises(LeakError, match="twice"):
        Dataset(data.X, data.y, (*data.keys[:3], data.keys[0]), data.preprocessing)
    with pytest.raises(LeakError, match="twice"):
        data.join(numbered(2))


def test_labels_outside_the_scheme_are_refused() -> None:
    data = numbered(3)
    with pytest.raises(TrainingError, match="7"):
        Dataset(data.X, np.array([0, 7, 1]), data.keys, data.preprocessing)


def test_positive_is_hit_or_maybe_and_refuses_unlabelled() -> None:
    data = numbered(6)
    assert data.positive.tolist() == [False, True, True, False, True, True]
    with pytest.raises(TrainingError, match="6 of 6"):
        _ = data.without_labels().positive


def test_join_refuses_other_preprocessing() -> None:
    other = Dataset(
        np.ones((1, 1)), np.array([0]), (FrameKey("a" * 16, "/d", 0),), Preprocessing.rwd(window=9), "other"
    )
    with pytest.raises(TrainingError, match="one Preprocessing"):
        numbered(3).join(other)


def test_selection_of_a_memory_map_copies_nothing(tmp_path) -> None:
    values = np.lib.format.open_memmap(tmp_path / "x.npy", mode="w+", dtype=np.float16, shape=(10, 4, 4))
    values[:] = np.arange(10)[:, None, None]
    keys = tuple(FrameKey("f" * 16, "/d", i) for i in range(10))
    data = Dataset(values, np.zeros(10), keys, Preprocessing.lcn())
    assert isinstance(data[2:5].X, np.memmap)
    scattered = data[[8, 1, 5]]
    assert isinstance(scattered.X, RowView)
    assert np.asarray(scattered.X)[:, 0, 0].tolist() == [8, 1, 5]
    assert np.asarray(scattered[[2, 0]].X)[:, 0, 0].tolist() == [5, 8]
    assert scattered.X.shape == (3, 4, 4)
    assert scattered.X[1:].shape == (2, 4, 4)


def test_build_from_a_real_run_leaves_unlabelled_frames_out(shared_data) -> None:
    with open_frames(shared_data / "twins" / "TWIN84.h5") as frames:
        labels = np.full(100, UNLABELLED)
        labels[[3, 10, 40]] = [2, 0, 1]
        seen: list[tuple[int, int]] = []
        data = build_dataset(frames, labels, Preprocessing.rwd(), progress=lambda *done: seen.append(done))
        assert data.X.shape == (3, 720)
        assert data.y.tolist() == [2, 0, 1]
        assert data.keys == tuple(frames.keys[i] for i in (3, 10, 40))
        assert data.dropped == {"unlabelled": 97, "unreadable": 0}
        assert seen[-1] == (3, 3)
        np.testing.assert_array_equal(data.X[1], Preprocessing.rwd().apply(frames[10]))


def test_build_without_labels_takes_all_frames(shared_data) -> None:
    with open_frames(shared_data / "twins" / "TWIN84.h5") as frames:
        data = build_dataset(frames[:4], None, Preprocessing.spots())
        assert (data.y == UNLABELLED).all()
        assert len(data) == 4


def test_build_without_any_label_says_what_to_do(shared_data) -> None:
    with open_frames(shared_data / "twins" / "TWIN84.h5") as frames:
        with pytest.raises(TrainingError, match="import or add labels"):
            build_dataset(frames, np.full(100, UNLABELLED), Preprocessing.rwd())
        with pytest.raises(TrainingError, match="99 labels"):
            build_dataset(frames, np.zeros(99), Preprocessing.rwd())
