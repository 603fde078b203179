"""European XFEL: run folders through EXtra-data, and panels assembled by EXtra-geom."""

from __future__ import annotations

import h5py
import numpy as np
import pytest

from sfx_label.errors import FileLayoutError, UnsafeFileError
from sfx_label.frames.open import open_frames
from sfx_label.frames.records import FrameStatus

extra_data = pytest.importorskip("extra_data", reason="needs the extra `facility`")
extra_geom = pytest.importorskip("extra_geom", reason="needs the extra `facility`")
pytestmark = pytest.mark.filterwarnings("ignore")  # EXtra-data warns of what mock runs lack

AGIPD = (16, 512, 128)
TRAINS, PULSES = 2, 2


def write_run(folder, modules=range(16)):
    """Corrected AGIPD files as at SPB/SFX: INDEX, METADATA and INSTRUMENT, one file a module."""
    folder.mkdir(parents=True, exist_ok=True)
    frames = np.random.default_rng(0).normal(5, 1, (TRAINS * PULSES, *AGIPD)).astype("f4")
    for module in modules:
        source = f"SPB_DET_AGIPD1M-1/DET/{module}CH0:xtdf"
        with h5py.File(folder / f"CORR-R0012-AGIPD{module:02d}-S00000.h5", "w") as file:
            image = file.create_group(f"INSTRUMENT/{source}/image")
            image["data"] = frames[:, module]
            image["mask"] = np.zeros((TRAINS * PULSES, *AGIPD[1:]), "u4")
            image["gain"] = np.zeros((TRAINS * PULSES, *AGIPD[1:]), "u1")
            trains = np.arange(1000, 1000 + TRAINS, dtype="u8")
            image["trainId"] = np.repeat(trains, PULSES)
            image["pulseId"] = np.tile(np.arange(PULSES, dtype="u8"), TRAINS)
            image["cellId"] = np.tile(np.arange(PULSES, dtype="u2"), TRAINS)
            file["INDEX/trainId"] = trains
            file["INDEX/timestamp"] = np.zeros(TRAINS, "u8")
            file["INDEX/flag"] = np.ones(TRAINS, "i4")
            file["INDEX/origin"] = np.full(TRAINS, -1, "i4")
            file[f"INDEX/{source}/image/first"] = np.arange(TRAINS, dtype="u8") * PULSES
            file[f"INDEX/{source}/image/count"] = np.full(TRAINS, PULSES, "u8")
            sources = file.create_group("METADATA/dataSources")
            sources["dataSourceId"] = np.array([f"INSTRUMENT/{source}/image".encode()])
            sources["root"] = np.array([b"INSTRUMENT"])
            sources["deviceId"] = np.array([f"{source}/image".encode()])
            file["METADATA/dataFormatVersion"] = np.array([b"1.2"])
    return frames


@pytest.fixture
def run_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "p003333" / "proc" / "r0012"
    return folder, write_run(folder)


def test_run_folder_opens_with_panels_stacked(run_folder):
    folder, frames = run_folder
    run = open_frames(folder)
    assert run.shape == (4, 16 * 512, 128) and run.format == "EuXFEL CXI"
    assert all(run.read(i).ok for i in range(4))
    assert np.array_equal(run[3].reshape(AGIPD), frames[3])
    assert run.name == "r0012_virtual.cxi" and run.keys[2].event == "//2" and run.mask.all()
    assert open_frames(folder).keys[1] == run.keys[1]


def test_the_virtual_file_itself_needs_the_run_folder_declared(run_folder):
    folder, frames = run_folder
    virtual = open_frames(folder).path
    with pytest.raises(UnsafeFileError, match="roots="):
        open_frames(virtual)
    assert np.array_equal(open_frames(virtual, roots=[folder])[0].reshape(AGIPD), frames[0])


def test_a_module_lost_after_the_fact_is_flagged(run_folder):
    folder, _ = run_folder
    run = open_frames(folder)
    (folder / "CORR-R0012-AGIPD07-S00000.h5").unlink()
    assert run.read(0).status is FrameStatus.MISSING


def test_a_module_that_was_never_there_is_masked(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_run(tmp_path / "r0012", modules=range(15))
    run = open_frames(tmp_path / "r0012")
    assert run.read(0).ok and not run.mask.reshape(AGIPD)[15].any() and run.mask.reshape(AGIPD)[:15].all()


def test_assembled_by_a_geometry(run_folder, tmp_path):
    folder, frames = run_folder
    corners = [(-525, 625), (-550, -10), (520, -160), (542.5, 475)]
    geometry = extra_geom.AGIPD_1MGeometry.from_quad_positions(corners)
    path = tmp_path / "agipd.geom"
    geometry.write_crystfel_geom(str(path), photon_energy=9300, clen=0.1)
    run = open_frames(folder, geometry=path)
    rows, columns = run.shape[1:]
    assert rows > 1000 and columns > 1000 and run.format == "EuXFEL CXI"
    frame = run[1]
    # every pixel of every panel is there once, and the gaps are NaN and masked
    assert np.sort(frame[np.isfinite(frame)]).tolist() == np.sort(frames[1].ravel()).tolist()
    assert np.array_equal(run.mask, np.isfinite(frame)) and run.read(1).ok
    assert run.crop(1, 300).shape == (300, 300)
    top, left = (rows - 300) // 2, (columns - 300) // 2
    assert np.array_equal(run.crop(1, 300), frame[top : top + 300, left : left + 300], equal_nan=True)


def test_a_geometry_needs_panels(tmp_path, files):
    with pytest.raises(FileLayoutError, match="no panels"):
        open_frames(files.write_idh5(tmp_path / "r.h5"), geometry=tmp_path / "x.geom")


def test_a_folder_of_something_else_is_explained(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_run(tmp_path / "r", modules=[])
    (tmp_path / "r" / "RAW-R0001-DA01-S00000.h5").write_bytes(b"")
    with pytest.raises(OSError, match="r"):
        open_frames(tmp_path / "r")
