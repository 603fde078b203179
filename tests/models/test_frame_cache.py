"""The disk cache: the same numbers, computed once, bounded, and safe under two writers."""

from __future__ import annotations

import multiprocessing
import os

import numpy as np
import pytest

from sfx_label.frames.open import open_frames
from sfx_label.models.cache import FrameCache, compute_rows, entry_name
from sfx_label.preprocess.contrast import Preprocessing


@pytest.fixture
def frames(shared_data):
    with open_frames(shared_data / "twins" / "TWIN84.h5") as run:
        yield run[:6]


def test_cached_rows_are_the_computed_ones_and_read_only(frames, tmp_path) -> None:
    recipe = Preprocessing.lcn()
    rows = FrameCache(tmp_path).rows(frames, recipe)
    assert isinstance(rows, np.memmap)
    assert rows.dtype == np.float16
    assert rows.shape == (6, 720, 720)
    np.testing.assert_array_equal(rows, compute_rows(frames, recipe))
    with pytest.raises(ValueError, match="read-only"):
        rows[0] = 0


def test_second_call_reads_the_file(frames, tmp_path) -> None:
    cache = FrameCache(tmp_path)
    cache.rows(frames, Preprocessing.rwd())
    (entry,) = tmp_path.glob("*.npy")
    number = entry.stat().st_ino
    cache.rows(frames, Preprocessing.rwd())
    assert entry.stat().st_ino == number


def test_other_frames_or_settings_are_other_entries(frames, tmp_path) -> None:
    names = {
        entry_name(frames, Preprocessing.rwd()),
        entry_name(frames[:5], Preprocessing.rwd()),
        entry_name(frames[::-1], Preprocessing.rwd()),
        entry_name(frames, Preprocessing.rwd(window=9)),
    }
    assert len(names) == 4


def test_damaged_entry_is_computed_again(frames, tmp_path) -> None:
    cache = FrameCache(tmp_path)
    expected = np.array(cache.rows(frames, Preprocessing.rwd()))
    (entry,) = tmp_path.glob("*.npy")
    for content in (entry.read_bytes()[:500], b"", b"\x93NUMPY rubbish"):
        entry.write_bytes(content)
        np.testing.assert_array_equal(cache.rows(frames, Preprocessing.rwd()), expected)


def test_folder_stays_below_its_limit_and_keeps_the_newest(frames, tmp_path) -> None:
    one = 6 * 720 * 4 + 128
    cache = FrameCache(tmp_path, limit_bytes=2 * one)
    for age, window in enumerate((5, 7, 9, 11)):
        cache.rows(frames, Preprocessing.rwd(window=window))
        for entry in tmp_path.glob("*.npy"):
            status = entry.stat()
            os.utime(entry, (status.st_atime, status.st_mtime - 10))
        assert cache.size_bytes() <= 2 * one
        assert (tmp_path / f"{entry_name(frames, Preprocessing.rwd(window=window))}.npy").exists(), age


def test_failure_leaves_nothing_behind(frames, tmp_path) -> None:
    def interrupted(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FrameCache(tmp_path).rows(frames, Preprocessing.rwd(), progress=interrupted)
    assert list(tmp_path.iterdir()) == []


def _fill(path: str, folder: str, start: object) -> None:
    start.wait()  # type: ignore[attr-defined]
    with open_frames(path) as run:
        for _ in range(3):
            rows = FrameCache(folder).rows(run[:6], Preprocessing.rwd())
            assert np.isfinite(rows).all()


def test_two_writers_give_one_whole_entry(frames, tmp_path) -> None:
    context = multiprocessing.get_context("spawn")
    start = context.Event()
    writers = [context.Process(target=_fill, args=(str(frames.path), str(tmp_path), start)) for _ in range(2)]
    for writer in writers:
        writer.start()
    start.set()
    for writer in writers:
        writer.join(120)
    assert [writer.exitcode for writer in writers] == [0, 0]
    (entry,) = tmp_path.iterdir()
    np.testing.assert_array_equal(np.load(entry), compute_rows(frames, Preprocessing.rwd()))
