"""Files that ask for what a data file has no business asking for are refused, and nothing of their target shows."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import h5py
import numpy as np
import pytest

from sfx_label.errors import FileLayoutError, FrameReadError, SfxLabelError, UnsafeFileError
from sfx_label.frames.open import describe, open_frames
from sfx_label.frames.records import FrameStatus

pytestmark = pytest.mark.security
SHAPE = (40, 48)
SECRET = b"SENTINEL" * 240  # as many bytes as one frame of uint8


@pytest.fixture
def vault(tmp_path):
    """A run folder, and beside it (outside the data roots) a file whose content must never show."""
    run, outside = tmp_path / "run", tmp_path / "outside"
    run.mkdir()
    outside.mkdir()
    (outside / "secret.bin").write_bytes(SECRET)
    with h5py.File(outside / "secret.h5", "w") as file:
        file["data"] = np.frombuffer(SECRET, "u1").reshape(1, *SHAPE)
    return run, outside


def external_storage(path, target, name="entry/data/data"):
    with h5py.File(path, "a") as file:
        file.create_dataset(name, (1, *SHAPE), "u1", external=[(str(target), 0, len(SECRET))])
    return path


def virtual(path, source, name, target="entry/data/data"):
    layout = h5py.VirtualLayout((1, *SHAPE), "u1")
    layout[:] = h5py.VirtualSource(str(source), name, (1, *SHAPE))
    with h5py.File(path, "a") as file:
        file.create_virtual_dataset(target, layout)
    return path


def linked(path, filename, target, name="entry/data/data"):
    with h5py.File(path, "a") as file:
        file[name] = h5py.ExternalLink(str(filename), target)
    return path


def _storage(run, outside):
    return external_storage(run / "a.h5", outside / "secret.bin")


def _storage_inside_the_run(run, outside):
    (run / "raw.bin").write_bytes(SECRET)
    return external_storage(run / "a.h5", "raw.bin")


def _link_to_storage(run, outside):
    external_storage(run / "b.h5", outside / "secret.bin", "x")
    return linked(run / "a.h5", "b.h5", "/x")


def _link_out(run, outside):
    return linked(run / "a.h5", "../outside/secret.h5", "/data")


def _absolute_link_out(run, outside):
    return linked(run / "a.h5", outside / "secret.h5", "/data")


def _chained_links(run, outside):
    linked(run / "c.h5", outside / "secret.h5", "/data", "x")
    linked(run / "b.h5", "c.h5", "/x", "x")
    return linked(run / "a.h5", "b.h5", "/x")


def _linked_group(run, outside):
    with h5py.File(outside / "group.h5", "w") as file:
        file["data/data"] = np.frombuffer(SECRET, "u1").reshape(1, *SHAPE)
    return linked(run / "a.h5", outside / "group.h5", "/data", "entry/data")


def _symlink_out(run, outside):
    os.symlink(outside / "secret.h5", run / "inner.h5")
    return linked(run / "a.h5", "inner.h5", "/data")


def _virtual_out(run, outside):
    return virtual(run / "a.h5", outside / "secret.h5", "data")


def _virtual_on_storage(run, outside):
    external_storage(run / "b.h5", outside / "secret.bin", "x")
    return virtual(run / "a.h5", run / "b.h5", "x")


def _virtual_on_itself(run, outside):
    external_storage(run / "a.h5", outside / "secret.bin", "hidden/x")
    return virtual(run / "a.h5", ".", "hidden/x")


def _virtual_through_linked_group(run, outside):
    with h5py.File(outside / "group.h5", "w") as file:
        file["g/data"] = np.frombuffer(SECRET, "u1").reshape(1, *SHAPE)
    linked(run / "b.h5", outside / "group.h5", "/g", "g")
    return virtual(run / "a.h5", run / "b.h5", "g/data")


def _nested_virtual(run, outside):
    virtual(run / "c.h5", outside / "secret.h5", "data", "x")
    virtual(run / "b.h5", run / "c.h5", "x", "x")
    return virtual(run / "a.h5", run / "b.h5", "x")


def _virtual_by_soft_link(run, outside):
    with h5py.File(run / "b.h5", "w") as file:
        file["out"] = h5py.ExternalLink(str(outside / "secret.h5"), "/data")
        file["soft"] = h5py.SoftLink("/out")
    return virtual(run / "a.h5", run / "b.h5", "soft")


def _device(run, outside):
    return linked(run / "a.h5", "/dev/zero", "/data")


HOSTILE = [
    _storage, _storage_inside_the_run, _link_to_storage, _link_out, _absolute_link_out, _chained_links, _linked_group,
    _symlink_out, _virtual_out, _virtual_on_storage, _virtual_on_itself, _virtual_through_linked_group, _nested_virtual,
    _virtual_by_soft_link, _device,
]  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE, ids=lambda make: make.__name__.strip("_"))
def test_a_way_out_of_the_run_is_refused_when_opened(vault, make):
    path = make(*vault)
    with pytest.raises(UnsafeFileError) as caught:
        open_frames(path)
    assert "SENTINEL" not in str(caught.value)
    with pytest.raises(UnsafeFileError):
        open_frames(f"{path}:/entry/data/data")


@pytest.mark.parametrize("make", [_link_out, _virtual_out, _chained_links], ids=lambda make: make.__name__.strip("_"))
def test_the_same_files_open_when_the_user_declares_the_folder(vault, make):
    frames = open_frames(make(*vault), roots=[vault[1]])
    assert frames[0].tobytes() == SECRET


def test_a_way_out_that_appears_after_opening_is_refused_when_read(vault):
    run, outside = vault
    with h5py.File(run / "b.h5", "w") as file:
        file["x"] = np.ones((1, *SHAPE), "u1")
    frames = open_frames(virtual(run / "a.h5", run / "b.h5", "x"))
    (run / "b.h5").unlink()
    external_storage(run / "b.h5", outside / "secret.bin", "x")
    read = frames.read(0)
    assert read.status is FrameStatus.UNREADABLE and read.data is None
    with pytest.raises(UnsafeFileError):
        frames[0]


@pytest.mark.parametrize("where", ["mask", "metadata", "wavelength"])
def test_masks_and_metadata_pass_the_same_gate(vault, files, where):
    run, outside = vault
    path = files.write_idh5(run / "a.h5")
    name = {"mask": "metadata/ACTIVE_AREAS", "metadata": "metadata/PIXEL_SIZE", "wavelength": "data/chunk_0/wavelength"}
    with h5py.File(path, "a") as file:
        del file[name[where]]
    external_storage(path, outside / "secret.bin", name[where])
    with pytest.raises(UnsafeFileError):
        open_frames(path)


def test_soft_link_loops_and_link_circles_end(vault):
    run, _ = vault
    with h5py.File(run / "loop.h5", "w") as file:
        file["entry/data/data"] = h5py.SoftLink("/entry/data/other")
        file["entry/data/other"] = h5py.SoftLink("/entry/data/data")
    linked(run / "one.h5", "two.h5", "/entry/data/data")
    linked(run / "two.h5", "one.h5", "/entry/data/data")
    for name in ("loop.h5", "one.h5"):
        with pytest.raises(UnsafeFileError, match="circle"):
            open_frames(run / name)


def test_groups_that_hold_themselves_end(vault, files):
    with h5py.File(vault[0] / "a.h5", "w") as file:
        group = file.create_group("g")
        group["again"] = group
        group["root"] = file["/"]
        group["frames"] = files.make_frames(2)
    with pytest.raises(FileLayoutError):  # the same frames under many names: asked for, not guessed
        open_frames(vault[0] / "a.h5")
    assert len(open_frames(vault[0] / "a.h5", dataset="/g/frames")) == 2


def test_virtual_circle_ends(vault):
    run, _ = vault
    virtual(run / "a.h5", run / "b.h5", "entry/data/data")
    virtual(run / "b.h5", run / "a.h5", "entry/data/data")
    with pytest.raises(UnsafeFileError, match="circle"):
        open_frames(run / "a.h5")


def growing_virtual(path, source, source_frames):
    """A virtual data set of unlimited length, as the library has it expand by itself."""
    endless = (h5py.h5s.UNLIMITED, *SHAPE)
    space = h5py.h5s.create_simple((1, *SHAPE), endless)
    space.select_hyperslab((0, 0, 0), (h5py.h5s.UNLIMITED, 1, 1), (1, *SHAPE), (1, *SHAPE))
    inner = h5py.h5s.create_simple((1, *SHAPE), endless)
    inner.select_hyperslab((0, 0, 0), (source_frames, 1, 1), (1, *SHAPE), (1, *SHAPE))
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    plist.set_layout(h5py.h5d.VIRTUAL)
    plist.set_virtual(space, str(source).encode(), b"x", inner)
    with h5py.File(path, "w", libver="latest") as file:
        group = file.create_group("entry/data")
        h5py.h5d.create(group.id, b"data", h5py.h5t.STD_U8LE, h5py.h5s.create_simple((1, *SHAPE), endless), plist)
    return path


def test_pattern_sources_are_refused(vault):
    with pytest.raises(UnsafeFileError, match="pattern"):
        open_frames(growing_virtual(vault[0] / "a.h5", vault[1] / "b_%b.h5", 1))


def test_virtual_sets_of_unlimited_length_are_refused_with_advice(vault):
    with pytest.raises(FileLayoutError, match="unlimited"):
        open_frames(growing_virtual(vault[0] / "a.h5", vault[1] / "secret.h5", h5py.h5s.UNLIMITED))


def test_pipe_folder_and_device_are_no_data_files(vault):
    run, _ = vault
    os.mkfifo(run / "pipe.h5")
    for path in (run / "pipe.h5", "/dev/zero"):
        with pytest.raises(UnsafeFileError, match="regular"):
            open_frames(path)


BOMBS = {
    "frame": {"shape": (1, 2**20, 2**20), "dtype": "u1", "chunks": (1, 64, 64)},
    "count": {"shape": (10**9, 1920, 1920), "dtype": "i4", "chunks": (1, 1920, 1920)},
    "chunk": {"shape": (1024, 1024, 1024), "dtype": "u1", "chunks": (1024, 1024, 1024), "compression": "gzip"},
    "dimensions": {"shape": (1,) * 20 + (40, 48), "dtype": "u1"},
}


def _limit_memory():
    resource.setrlimit(resource.RLIMIT_AS, (2 * 2**30, 2 * 2**30))


@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_are_refused_within_two_gigabytes(vault, bomb):
    path = vault[0] / "bomb.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data/data", **BOMBS[bomb])
    assert path.stat().st_size < 100_000
    script = (
        "import sys\nfrom sfx_label.frames.open import open_frames\nfrom sfx_label.errors import SfxLabelError\n"
        "try:\n    open_frames(sys.argv[1])\nexcept SfxLabelError as error:\n    print('refused', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(path)], capture_output=True, text=True, preexec_fn=_limit_memory,
        env={**os.environ, "PYTHONPATH": os.getcwd(), "OPENBLAS_NUM_THREADS": "1"}, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("refused"), done.stderr


def test_unknown_filter_is_refused_by_number(vault):
    with h5py.File(vault[0] / "a.h5", "w") as file:
        plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
        plist.set_chunk((1, *SHAPE))
        plist.set_filter(32999, h5py.h5z.FLAG_OPTIONAL, ())
        space = h5py.h5s.create_simple((2, *SHAPE))
        h5py.h5d.create(file.create_group("entry/data").id, b"data", h5py.h5t.STD_U8LE, space, plist)
    with pytest.raises(UnsafeFileError, match="filter 32999"):
        open_frames(vault[0] / "a.h5")


def test_things_that_are_no_numbers_are_no_frames(vault):
    with h5py.File(vault[0] / "a.h5", "w") as file:
        file.create_dataset("entry/data/data", (3, *SHAPE), np.dtype([("a", "i4"), ("b", "f8")]))
    with pytest.raises(FileLayoutError, match="not numbers"):
        open_frames(vault[0] / "a.h5")


def test_names_with_markup_stay_text(vault, files):
    name = "<img src=x onerror=alert(1)>"
    with h5py.File(vault[0] / "a.h5", "w") as file:
        file[f"{name}/frames"] = files.make_frames(2)
    frames = open_frames(vault[0] / "a.h5")
    assert name in frames.keys[0].dataset and len(describe(frames)) > 5


def test_real_layouts_pass_the_gate_and_nothing_is_written(facility_run):
    path, _, count, _ = facility_run
    before = {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()}
    for each in path.parent.iterdir():
        each.chmod(0o444)
    with open_frames(path) as frames:
        assert all(frames.read(i).ok for i in range(count))
        describe(frames)
    assert {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in path.parent.iterdir()} == before


def test_file_of_a_newer_library_says_so(tmp_path, files):
    path = files.write_idh5(tmp_path / "new.h5")
    with h5py.File(path, "r") as file:
        address = h5py.h5o.get_info(file["data/chunk_0/images"].id).addr
    content = bytearray(path.read_bytes())
    # the layout message of a version 1 object header is number 8; its first byte is the version
    place = address + 16
    while content[place] != 8:
        place += 8 + int.from_bytes(content[place + 2 : place + 4], "little")
    content[place + 8] = 9
    path.write_bytes(content)
    with pytest.raises(FileLayoutError, match="newer HDF5"):
        open_frames(path)


def test_no_file_and_no_hdf5(tmp_path):
    with pytest.raises(FrameReadError, match="Check the path"):
        open_frames(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("not hdf5 " * 100)
    with pytest.raises(SfxLabelError, match="not an HDF5 file"):
        open_frames(tmp_path / "text.h5")
