"""`Frames` behaves as an immutable sequence, in threads, forks and spawned workers, and damage stays where it is."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import h5py
import hdf5plugin
import numpy as np
import pytest
from h5py._objects import phil
from hypothesis import given
from hypothesis import strategies as st

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.frames.open import open_frames
from sfx_label.frames.records import FrameKey, FrameStatus
from sfx_label.frames.source import central_box
from sfx_label.frames.virtual import Piece


@pytest.fixture
def run(tmp_path, files):
    frames = files.make_frames(12)
    with open_frames(files.write_idh5(tmp_path / "r.h5", {"a": frames[:5], "b": frames[5:]})) as opened:
        yield opened


def first_pixels(frames):
    return [int(frame.flat[0]) for frame in frames]


def test_selections_are_new_and_nest(run):
    assert first_pixels(run[2:5]) == [3, 4, 5]
    assert first_pixels(run[::-4]) == [12, 8, 4]
    assert first_pixels(run[[5, 1, 1]]) == [6, 2, 2]
    assert first_pixels(run[np.arange(12) % 5 == 0]) == [1, 6, 11]
    part = run[3:][np.array([True] * 4 + [False] * 5)][-2:]
    assert first_pixels(part) == [6, 7] and part.positions.tolist() == [5, 6]
    assert part.index_of(run.keys[6]) == 1 and part.keys[0] == run.keys[5]
    assert len(run) == 12 and run[-1].flat[0] == 12 and len(run[[]]) == 0
    with pytest.raises(ValueError):
        run.positions[0] = 3
    with pytest.raises(KeyError):
        part.index_of(run.keys[0])
    with pytest.raises(IndexError):
        run[12]
    with pytest.raises(IndexError, match="12 frames"):
        run[[True, False]]


def test_crop_is_the_centre_and_a_small_frame_is_whole(run):
    whole = run[3]
    assert np.array_equal(run.crop(3, 10), whole[15:25, 19:29])
    assert np.array_equal(run.crop(3, 44), whole[:, 2:46])
    assert np.array_equal(run.crop(3, None), whole) and np.array_equal(run.read(3, crop=10).data, whole[15:25, 19:29])


def test_keys_survive_moving_and_growing_and_tell_runs_apart(tmp_path, files):
    frames = files.make_frames(6)
    path = files.write_idh5(tmp_path / "r.h5", {"c": frames[:3]})
    key = open_frames(path).keys[1]
    (tmp_path / "moved").mkdir()
    moved = files.write_idh5(tmp_path / "moved" / "r.h5", {"c": frames})
    again = open_frames(moved).keys[1]
    assert key == again and hash(key) == hash(again) and key.path != again.path
    other = files.write_idh5(tmp_path / "moved" / "r.h5", {"c": frames + 1})
    assert open_frames(other).keys[1] != key
    assert len(key.fingerprint) == 16 and int(key.fingerprint, 16) >= 0
    assert str(FrameKey("0" * 16, "/d", 3, "a b.h5", "//3")) == "a b.h5 //3"


def test_keys_do_not_depend_on_compression(tmp_path, files):
    frames = files.make_frames(2)
    for folder, options in (("x", {}), ("y", dict(hdf5plugin.Bitshuffle()))):
        (tmp_path / folder).mkdir()
        with h5py.File(tmp_path / folder / "r.h5", "w") as file:
            file.create_dataset("entry/data/data", data=frames, chunks=(1, *files.SHAPE), **options)
    assert open_frames(tmp_path / "x" / "r.h5").keys[1] == open_frames(tmp_path / "y" / "r.h5").keys[1]


def _sum_of(arguments):
    frames, index = arguments
    return os.getpid(), int(frames[index].sum())


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_workers_get_paths_and_open_for_themselves(run, method):
    expected = [int(frame.sum()) for frame in run]
    assert len(pickle.dumps(run)) < 4000
    context = multiprocessing.get_context(method)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        answers = list(pool.map(_sum_of, [(run, i) for i in range(12)]))
    assert [answer for _, answer in answers] == expected and os.getpid() not in {pid for pid, _ in answers}


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_fork_opens_its_own_handles(run):
    expected = int(run[11].sum())  # the parent's handles are open now
    with run._source._lock, ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        # the parent's lock is held while the child is made: the child must not wait for it
        answers = list(pool.map(_sum_of, [(run, 11)] * 3, timeout=60))
    assert {total for _, total in answers} == {expected}
    assert int(run[11].sum()) == expected


def test_many_threads_read_the_same_run(run):
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda i: int(run[i % 12].flat[0]), range(240)))
    assert read == [i % 12 + 1 for i in range(240)]


def test_closing_leaves_no_open_file(tmp_path, files):
    path = files.write_eiger(tmp_path)
    with open_frames(path) as frames:
        frames[0], frames[11]
        assert any(str(tmp_path) in link for link in _open_files())
    assert not any(str(tmp_path) in link for link in _open_files())
    with pytest.raises(FrameReadError, match="closed"):
        frames[0]


def _open_files():
    links = []
    for number in os.listdir("/proc/self/fd"):
        try:
            links.append(os.readlink(f"/proc/self/fd/{number}"))
        except OSError:
            continue
    return links


def test_the_number_of_open_files_is_bounded(tmp_path, files):
    for number in range(80):
        with h5py.File(tmp_path / f"r{number:03d}.h5", "w") as file:
            file["entry/data/data"] = files.make_frames(1) + number
    frames = open_frames(tmp_path)
    assert [int(frame.flat[0]) for frame in frames] == list(range(1, 81))
    assert sum(str(tmp_path) in link for link in _open_files()) <= 64
    frames.close()


def test_a_million_frames_open_without_being_read(tmp_path):
    path = tmp_path / "long.h5"
    with h5py.File(path, "w") as file:
        file["metadata/idh5_version"] = "idh5_v1.0"
        for chunk in range(10):
            file.create_dataset(f"data/chunk_{chunk}/images", (10**5, 64, 64), "u2", chunks=(1, 64, 64))
            file[f"data/chunk_{chunk}/distance"] = np.zeros(10**5)
    small = tmp_path / "short.h5"
    with h5py.File(small, "w") as file:
        file["metadata/idh5_version"] = "idh5_v1.0"
        for chunk in range(10):
            file.create_dataset(f"data/chunk_{chunk}/images", (10, 64, 64), "u2", chunks=(1, 64, 64))
            file[f"data/chunk_{chunk}/distance"] = np.zeros(10)
    times = {}
    for name in (small, path):
        open_frames(name)
        start = time.perf_counter()
        frames = open_frames(name)
        times[name] = time.perf_counter() - start
    assert len(frames) == 10**6 and frames[::1000].keys[7].event == "chunk_0//7000"
    assert times[path] < 20 * times[small]  # the length costs nothing that is read


def test_unwritten_frames_are_missing_not_black(tmp_path, files):
    frames = files.make_frames(4)
    with h5py.File(tmp_path / "r.h5", "w") as file:
        data = file.create_dataset("entry/data/data", (4, *files.SHAPE), "i4", chunks=(1, *files.SHAPE))
        data[0], data[2] = frames[0], 0
        file.create_dataset("other", (4, *files.SHAPE), "i4")
    run = open_frames(tmp_path / "r.h5")
    assert [run.read(i).status.value for i in range(4)] == ["ok", "missing", "ok", "missing"]
    with pytest.raises(FrameReadError, match="never written"):
        run[3]
    assert not run[2].any()  # a frame written black is black
    contiguous = open_frames(tmp_path / "r.h5", dataset="/other")
    assert contiguous.read(0).status is FrameStatus.MISSING


@pytest.mark.parametrize("compression", ["gzip", "bitshuffle"])
def test_a_corrupt_chunk_costs_one_frame(tmp_path, files, compression):
    options = {"compression": "gzip"} if compression == "gzip" else dict(hdf5plugin.Bitshuffle())
    path = tmp_path / "r.h5"
    with h5py.File(path, "w") as file:
        data = file.create_dataset("entry/data/data", data=files.make_frames(5), chunks=(1, *files.SHAPE), **options)
        place = data.id.get_chunk_info(2)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = os.urandom(place.size)
    path.write_bytes(content)
    run = open_frames(path)
    assert [run.read(i).status.value for i in range(5)] == ["ok", "ok", "unreadable", "ok", "ok"]
    with pytest.raises(FrameReadError, match=r"r\.h5:/entry/data/data.*damaged"):
        run[2]


@pytest.mark.parametrize("layout", ["idh5", "eiger", "cxi", "sacla"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.3, 0.6, 0.9, 0.999])
def test_truncated_files_raise_typed_errors_or_keep_the_rest(tmp_path, files, layout, share):
    writer, _, count, _ = files.LAYOUTS[layout]
    path = writer(tmp_path)
    target = tmp_path / "run_data_000001.h5" if layout == "eiger" else path
    target.write_bytes(target.read_bytes()[: int(share * target.stat().st_size)])
    try:
        run = open_frames(path)
    except SfxLabelError as error:
        assert target.name in str(error)
        return
    assert len(run) <= count
    assert {run.read(i).status for i in range(len(run))} <= set(FrameStatus)


def test_flipped_bytes_never_raise_anything_untyped(tmp_path, files):
    content = files.write_idh5(tmp_path / "good.h5").read_bytes()
    random = np.random.default_rng(1)
    for number in range(60):
        damaged = bytearray(content)
        for place in random.integers(0, len(content), 8):
            damaged[place] = int(random.integers(256))
        path = tmp_path / f"bad{number}.h5"
        path.write_bytes(damaged)
        try:
            with open_frames(path) as frames:
                _ = frames.mask, [frames.read(i).status for i in range(min(len(frames), 10))]
                _ = [frames.frame_metadata(i) for i in range(min(len(frames), 10))]
        except SfxLabelError:
            continue


def test_states_of_frames(tmp_path, files):
    frames = files.make_frames(5)
    frames[1] = 1000  # the trusted range ends at 1000
    frames[2] = -5
    frames[3, :15] = 2000  # strong, not flooded
    run = open_frames(files.write_idh5(tmp_path / "s.h5", {"c": frames}))
    assert [run.read(i).status.value for i in range(5)] == ["ok", "saturated", "masked", "ok", "ok"]
    assert run.read(1).data is not None and np.array_equal(run[2], frames[2])
    floats = files.make_frames(3, dtype="f4")
    floats[1, 5, 5], floats[2] = np.nan, np.inf
    with h5py.File(tmp_path / "f.h5", "w") as file:
        file["entry/data/data"] = floats
    run = open_frames(tmp_path / "f.h5")
    assert [run.read(i).status.value for i in range(3)] == ["ok", "not_finite", "not_finite"]
    mask = np.ones(files.SHAPE, bool)
    mask[5, 5] = False
    assert open_frames(tmp_path / "f.h5", mask=mask).read(1).ok
    assert open_frames(tmp_path / "f.h5", mask=~mask & False).read(0).status is FrameStatus.MASKED


def test_growing_run_is_seen_by_refresh(tmp_path, files):
    frames = files.make_frames(6)
    path = tmp_path / "live.h5"
    with h5py.File(path, "w", libver="latest") as writer:
        data = writer.create_dataset(
            "entry/data/data", (2, *files.SHAPE), "i4", maxshape=(None, *files.SHAPE), chunks=(1, *files.SHAPE)
        )
        data[:] = frames[:2]
        writer.swmr_mode = True
        writer.flush()
        script = (
            "import sys, numpy as np\nfrom sfx_label.frames.open import open_frames\n"
            "run = open_frames(sys.argv[1])\nkey = run.keys[1]\nprint(len(run), run[1].flat[0], flush=True)\ninput()\n"
            "run = run.refresh()\nprint(len(run), run[len(run) - 1].flat[0], run.index_of(key), flush=True)\n"
        )
        with subprocess.Popen(
            [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "PYTHONPATH": os.getcwd()},
        ) as reader:  # fmt: skip
            assert reader.stdout.readline().split() == ["2", "2"]
            data.resize(6, 0)
            data[2:] = frames[2:]
            data.flush()
            reader.stdin.write("\n")
            reader.stdin.flush()
            assert reader.stdout.readline().split() == ["6", "6", "1"]


def test_a_selection_keeps_its_frames_when_refreshed(run):
    assert first_pixels(run[4:6].refresh()) == [5, 6]
    assert len(run.refresh()) == 12


def test_a_file_that_this_process_has_open_otherwise_still_opens(tmp_path, files):
    path = files.write_idh5(tmp_path / "r.h5")
    with h5py.File(path, "r") as other, open_frames(path) as frames:
        assert int(frames[4].flat[0]) == 5 and other["data/chunk_0/images"][4].flat[0] == 5


def test_two_readers_in_threads_of_two_runs(tmp_path, files):
    runs = [
        open_frames(files.write_idh5(tmp_path / f"r{n}.h5", {"c": files.make_frames(8) + 100 * n})) for n in range(2)
    ]
    wrong = []

    def check(number):
        for i in range(80):
            if int(runs[number][i % 8].flat[0]) != i % 8 + 1 + 100 * number:
                wrong.append((number, i))

    threads = [threading.Thread(target=check, args=(number % 2,)) for number in range(4)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong


def test_stored_bytes_are_read_under_the_lock_of_the_library(run):
    """h5py's `read_direct_chunk` takes no lock up to 3.15: two runs in two threads then spoil each other's reads."""
    run[0]  # opens all that is needed, so that what follows is the bare read
    done = threading.Event()

    def read():
        run[1]
        done.set()

    with phil:
        thread = threading.Thread(target=read)
        thread.start()
        assert not done.wait(0.3)
    assert done.wait(30)
    thread.join()


def test_runs_read_and_closed_side_by_side(tmp_path, files):
    names = [files.write_idh5(tmp_path / f"r{n}.h5", {"c": files.make_frames(8) + 100 * n}) for n in range(3)]
    runs, wrong = [open_frames(name) for name in names], []

    def check(number, closing):
        for i in range(150):
            if int(runs[number][i % 8].flat[0]) != i % 8 + 1 + 100 * number:
                wrong.append((number, i))
            if closing:
                runs[number]._source.release()

    threads = [threading.Thread(target=check, args=(number, number > 0)) for number in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@given(st.integers(1, 60), st.integers(1, 60), st.one_of(st.none(), st.integers(1, 80)))
def test_central_box_is_centred(rows, columns, size):
    for length, side in zip((rows, columns), central_box((rows, columns), size), strict=True):
        assert len(side) == (length if size is None else min(size, length))
        assert 0 <= side.start - (length - side.stop) + 1 <= 1


@given(
    st.integers(0, 20), st.integers(1, 5), st.integers(1, 12), st.integers(0, 40), st.integers(0, 20), st.integers(0, 9)
)
def test_mapping_overlap_agrees_with_brute_force(start, step, count, low, length, source_start):
    virtual = range(start, start + step * (count - 1) + 1, step)
    source = range(source_start, source_start + count)
    wanted = range(low, low + length)
    mapping = Piece("f", "d", (virtual, range(4)), (source, range(4)), (0, 1) if count > 1 else (-1, 1))
    overlap = mapping.overlap((wanted, range(1, 3)))
    expected = [(value - low, source[k]) for k, value in enumerate(virtual) if value in wanted]
    if overlap is None:
        assert not expected
        return
    (target, columns), (chosen, source_columns) = overlap
    assert list(zip(range(100)[target], range(200)[chosen], strict=True)) == expected
    assert (columns, source_columns) == (slice(0, 2, 1), slice(1, 3, 1))
