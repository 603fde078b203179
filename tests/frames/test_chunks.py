"""Chunks decoded by ourselves are what the library reads, whole and in part, and damage is found."""

from __future__ import annotations

import threading

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfx_label.errors import FrameReadError
from sfx_label.frames.chunks import codec_of
from sfx_label.frames.open import open_frames
from sfx_label.frames.records import FrameStatus

CODECS = {
    "none": {},
    "gzip": {"compression": "gzip"},
    "gzip-shuffle": {"compression": "gzip", "shuffle": True},
    "bitshuffle-lz4": dict(hdf5plugin.Bitshuffle()),
    "bitshuffle-zstd": dict(hdf5plugin.Bitshuffle(cname="zstd")),
    "bitshuffle-only": dict(hdf5plugin.Bitshuffle(cname="none")),
    "bitshuffle-blocks": dict(hdf5plugin.Bitshuffle(nelems=64)),
    "zstd-shuffle": {"shuffle": True, **dict(hdf5plugin.Zstd())},
    "lz4": dict(hdf5plugin.LZ4()),
    "blosc": dict(hdf5plugin.Blosc()),
    "blosc2": dict(hdf5plugin.Blosc2()),
    "fletcher": {"compression": "gzip", "fletcher32": True},
    "lzf": {"compression": "lzf"},
}


def write(path, frames, chunks, **options):
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data/data", data=frames, chunks=chunks, **options)
    return path


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("dtype", ["u1", "<u2", ">u2", "i4", "f4", "f8"])
def test_every_codec_and_width_as_the_library_reads_it(tmp_path, files, codec, dtype):
    frames = files.make_frames(3, (200, 130), dtype).astype(dtype)
    path = write(tmp_path / "r.h5", frames, (1, 200, 130), **CODECS[codec])
    run = open_frames(path)
    for i in range(3):
        assert np.array_equal(run[i], frames[i]) and run[i].dtype == run.dtype and run.dtype.isnative
        for size in (1, 17, 100, 150):
            rows = slice((200 - size) // 2, (200 - size) // 2 + size)
            columns = slice((130 - min(size, 130)) // 2, (130 - min(size, 130)) // 2 + min(size, 130))
            assert np.array_equal(run.crop(i, size), frames[i][rows, columns])
    assert run[0].flags.writeable and run.crop(0, 10).flags.writeable


@pytest.mark.parametrize("chunks", [(1, 64, 33), (2, 200, 130), (3, 50, 130), (1, 7, 130)])
@pytest.mark.parametrize("codec", ["gzip", "bitshuffle-lz4", "none"])
def test_tiles_and_chunks_of_several_frames(tmp_path, files, chunks, codec):
    frames = files.make_frames(5, (200, 130))
    run = open_frames(write(tmp_path / "r.h5", frames, chunks, **CODECS[codec]))
    for i in (0, 1, 4, 2, 3):
        assert np.array_equal(run[i], frames[i]) and np.array_equal(run.crop(i, 90), frames[i, 55:145, 20:110])
    run[0][:] = 0
    assert np.array_equal(run[0], frames[0]), "what is handed out is the caller's own"


def test_a_tile_that_was_never_written(tmp_path, files):
    frame = files.make_frames(1, (200, 130))
    with h5py.File(tmp_path / "r.h5", "w") as file:
        data = file.create_dataset("entry/data/data", (1, 200, 130), "i4", chunks=(1, 100, 130), compression="gzip")
        data[0, :100] = frame[0, :100]
    read = open_frames(tmp_path / "r.h5").read(0)
    assert read.status is FrameStatus.MISSING and "50.0 %" in read.message
    assert np.array_equal(read.data[:100], frame[0, :100])


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 300), st.integers(1, 60), st.sampled_from([0, 8, 64]), st.data())
def test_part_of_a_bitshuffled_chunk_is_the_slice_of_the_whole(tmp_path_factory, rows, columns, block, data):
    low = data.draw(st.integers(0, rows - 1))
    high = data.draw(st.integers(low + 1, rows))
    frame = np.random.default_rng(rows).integers(0, 50, (1, rows, columns)).astype("u2")
    path = tmp_path_factory.mktemp("part") / "r.h5"
    with h5py.File(path, "w") as file:
        made = file.create_dataset("d", data=frame, chunks=frame.shape, **hdf5plugin.Bitshuffle(nelems=block))
        codec = codec_of(made.id.get_create_plist(), made.chunks, made.dtype)
        stored = made.id.read_direct_chunk((0, 0, 0))[1]
    part = codec.decode_part(stored, [slice(0, 1), slice(low, high), slice(columns // 3, columns)], "r.h5")
    assert np.array_equal(part, frame[:, low:high, columns // 3 :])


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=400), st.integers(0, 3))
def test_damaged_chunks_raise_and_ask_for_no_memory(tmp_path_factory, noise, kind):
    chunk = (1, 40, 48)
    codec = _codec(tmp_path_factory, kind)
    # a chunk that claims an exabyte
    for stored in (noise, (2**60).to_bytes(8, "big") + noise, (40 * 48 * 2).to_bytes(8, "big") + noise):
        try:
            assert codec.decode(stored, "r.h5").shape == chunk
        except FrameReadError as error:
            assert "damaged" in str(error)
        try:
            codec.decode_part(stored, [slice(0, 1), slice(3, 9), slice(0, 48)], "r.h5")
        except FrameReadError:
            continue


def _codec(factory, kind, made={}):  # noqa: B006  one file per codec for all examples
    if kind not in made:
        options = [CODECS[name] for name in ("gzip", "gzip-shuffle", "bitshuffle-lz4", "bitshuffle-zstd")][kind]
        with h5py.File(factory.mktemp("codec") / "r.h5", "w") as file:
            data = file.create_dataset("d", (1, 40, 48), "u2", chunks=(1, 40, 48), **options)
            made[kind] = codec_of(data.id.get_create_plist(), data.chunks, data.dtype)
    return made[kind]


def test_stream_is_in_order_with_bad_frames_marked(tmp_path, files):
    frames = files.make_frames(30)
    path = write(tmp_path / "r.h5", frames, (1, *files.SHAPE), **CODECS["bitshuffle-lz4"])
    with h5py.File(path, "r") as file:
        place = file["entry/data/data"].id.get_chunk_info(7)
    content = bytearray(path.read_bytes())
    content[place.byte_offset : place.byte_offset + place.size] = bytes(place.size)
    path.write_bytes(content)
    run = open_frames(path)
    for threads in (1, 3, None):
        seen = list(run.stream(threads=threads, crop=20))
        assert [index for index, _ in seen] == list(range(30))
        assert [index for index, read in seen if not read.ok] == [7]
        assert all(np.array_equal(read.data, frames[i, 10:30, 14:34]) for i, read in seen if read.ok)
    assert list(run[[]].stream()) == []


def test_stream_that_is_left_half_way_leaves_no_thread(tmp_path, files):
    run = open_frames(write(tmp_path / "r.h5", files.make_frames(30), (1, *files.SHAPE)))
    stream = run.stream(threads=3)
    next(stream)
    stream.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("frames")]
