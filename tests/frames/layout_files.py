"""Small real files in the layout of each facility; one writer a layout."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

SHAPE = (40, 48)  # above the smallest side of a guessed frame, unequal so that swapped axes show


def make_frames(n: int, shape: tuple[int, ...] = SHAPE, dtype: str = "i4", seed: int = 0) -> NDArray:
    """Frames of small positive counts; frame i holds i + 1 at its first pixel, so a wrong order shows."""
    frames = np.random.default_rng(seed).poisson(20, (n, *shape)).astype(dtype) + 1
    frames.reshape(n, -1)[:, 0] = np.arange(1, n + 1)
    return frames


def write_idh5(
    path: Path,
    chunks: Mapping[str, NDArray] | None = None,
    areas: tuple[int, ...] = (0, 0, 40, 48),
    version: object = b"idh5_v1.0",
    trusted: tuple[int, int] = (0, 1000),
) -> Path:
    """CXIDB 76: /metadata and /data/<chunk>/{images,distance,wavelength,timestamp}."""
    chunks = {"chunk_0": make_frames(5)} if chunks is None else chunks
    with h5py.File(path, "w") as file:
        for name, value in {
            "idh5_version": version, "ACTIVE_AREAS": np.array(areas), "BEAM_CENTER_X": 4.8, "BEAM_CENTER_Y": 4.0,
            "PIXEL_SIZE": 0.2, "SIZE1": 40, "SIZE2": 48, "MIN_TRUSTED_VALUE": trusted[0], "SATURATED_VALUE": trusted[1],
        }.items():  # fmt: skip
            file[f"metadata/{name}"] = value
        for number, (chunk, images) in enumerate(chunks.items()):
            n = len(images)
            file.create_dataset(f"data/{chunk}/images", data=images, chunks=(1, *images.shape[1:]), compression="gzip")
            file[f"data/{chunk}/distance"] = np.full(n, 100.0 + number)
            file[f"data/{chunk}/wavelength"] = 1.0 + number + 0.01 * np.arange(n)
            file[f"data/{chunk}/timestamp"] = np.array([b"2016-01-01T00:00Z00.000"] * n)
    return path


def write_cxi(path: Path, frames: NDArray | None = None, mask: NDArray | None = None, soft: bool = True) -> Path:
    """Cheetah, OM, LUTE: the data in instrument_1/detector_1, data_1 a soft link to it."""
    frames = make_frames(4) if frames is None else frames
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 140
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector.create_dataset("data", data=frames, chunks=(1, *frames.shape[1:]))
        if mask is not None:
            detector["mask"] = mask
        if soft:
            file["entry_1/data_1"] = h5py.SoftLink("/entry_1/instrument_1/detector_1")
        else:
            file["entry_1/data_1/data"] = frames
        file["LCLS/photon_energy_eV"] = 12398.419843320026 / (1.0 + np.arange(len(frames)))
        file["LCLS/detector_1/EncoderValue"] = np.full(len(frames), -420.0)
    return path


def write_cheetah_single(path: Path) -> Path:
    """Cheetah 2009-14: one frame a file, /data/data a soft link to /data/rawdata0."""
    with h5py.File(path, "w") as file:
        file["data/rawdata0"] = make_frames(1)[0]
        file["data/data"] = h5py.SoftLink("/data/rawdata0")
        mask = np.zeros(SHAPE, "u2")
        mask[3, 4], mask[5, 6] = 8, 32  # dead; in a peak mask, which is good
        file["data/pixelmask0"] = mask
        file["LCLS/photon_energy_eV"] = 12398.419843320026 / 1.5
    return path


def write_eiger(folder: Path, files: int = 3, per_file: int = 4, dtype: str = "u2", prefix: str = "run") -> Path:
    """Eiger: a master with external links to data files, bitshuffle-LZ4, pixel mask, mask codes."""
    images = make_frames(files * per_file, dtype=dtype)
    top = int(np.iinfo(dtype).max)
    images[:, 7, 7], images[:, 8, 8] = top, top - 1
    for number in range(files):
        with h5py.File(folder / f"{prefix}_data_{number + 1:06d}.h5", "w") as file:
            part = images[number * per_file : (number + 1) * per_file]
            file.create_dataset("entry/data/data", data=part, chunks=(1, *SHAPE), **hdf5plugin.Bitshuffle())
    master = folder / f"{prefix}_master.h5"
    with h5py.File(master, "w") as file:
        for number in range(files):
            name = f"{prefix}_data_{number + 1:06d}.h5"
            file[f"entry/data/data_{number + 1:06d}"] = h5py.ExternalLink(name, "entry/data/data")
        write_nxmx_metadata(file)
    return master


def write_nxmx_metadata(file: h5py.File, description: str = "Dectris Eiger 9M") -> None:
    """The names of NXmx, in metres."""
    detector, beam = "entry/instrument/detector", "entry/instrument/beam"
    file[f"{detector}/description"] = description
    file[f"{detector}/beam_center_x"], file[f"{detector}/beam_center_y"] = 24.5, 20.25
    for name, value in (("x_pixel_size", 75e-6), ("y_pixel_size", 75e-6), ("detector_distance", 0.134)):
        file[f"{detector}/{name}"] = value
        file[f"{detector}/{name}"].attrs["units"] = np.bytes_("m")
    mask = np.zeros(SHAPE, "u4")
    mask[0, :] = 1
    file[f"{detector}/pixel_mask"] = mask
    file[f"{detector}/saturation_value"] = 60000
    file[f"{beam}/incident_wavelength"] = 0.98
    file[f"{beam}/incident_wavelength"].attrs["units"] = "angstrom"


def write_nxmx_virtual(folder: Path) -> Path:
    """Jungfraujoch: /entry/data/data is a virtual data set over the data files, which are also linked."""
    master = write_eiger(folder, prefix="jfj")
    layout = h5py.VirtualLayout((12, *SHAPE), "u2")
    for number in range(3):
        source = h5py.VirtualSource(f"jfj_data_{number + 1:06d}.h5", "entry/data/data", (4, *SHAPE))
        layout[number * 4 : number * 4 + 4] = source
    with h5py.File(master, "r+") as file:
        file.create_virtual_dataset("entry/data/data", layout, fillvalue=0)
    return master


def write_lute(folder: Path) -> Path:
    """LUTE: a master whose data are a virtual data set over per-rank CXI files, fill value -1."""
    layout = h5py.VirtualLayout((6, *SHAPE), "i4")
    frames = make_frames(6)
    for rank in range(2):
        write_cxi(folder / f"rank{rank}.cxi", frames[rank * 3 : rank * 3 + 3], soft=False)
        layout[rank * 3 : rank * 3 + 3] = h5py.VirtualSource(f"rank{rank}.cxi", "entry_1/data_1/data", (3, *SHAPE))
    master = folder / "lute.cxi"
    with h5py.File(master, "w") as file:
        file.create_virtual_dataset("entry_1/data_1/data", layout, fillvalue=-1)
    return master


PANELS = (16, 32, 40)


def write_euxfel_virtual(folder: Path, modules: tuple[int, ...] = tuple(range(16)), n: int = 5) -> Path:
    """extra-data-make-virtual-cxi of corrected data: (n, 16, ss, fs) floats, one source file a module."""
    frames = make_frames(n, PANELS, "f4")
    layout = h5py.VirtualLayout(frames.shape, "f4")
    masks = h5py.VirtualLayout(frames.shape, "u4")
    for module in modules:
        name = f"CORR-R0012-AGIPD{module:02d}-S00000.h5"
        with h5py.File(folder / name, "w") as file:
            file["image/data"] = frames[:, module]
            bad = np.zeros((n, *PANELS[1:]), "u4")
            bad[:, 2, 3] = 1 << 3
            file["image/mask"] = bad
        shape = (n, *PANELS[1:])
        layout[:, module] = h5py.VirtualSource(str(folder / name), "image/data", shape)
        masks[:, module] = h5py.VirtualSource(str(folder / name), "image/mask", shape)
    path = folder / "virtual.cxi"
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        detector = file.create_group("entry_1/instrument_1/detector_1")
        detector.create_virtual_dataset("data", layout, fillvalue=np.nan)
        detector.create_virtual_dataset("mask", masks, fillvalue=0xFFFFFFFF)
        file["entry_1/data_1"] = h5py.SoftLink("/entry_1/instrument_1/detector_1")
        file["entry_1/trainId"], file["entry_1/pulseId"] = np.arange(n, dtype="u8"), np.arange(n, dtype="u8")
    return path


def write_agipd_raw(path: Path) -> Path:
    """Raw AGIPD: five dimensions, gain beside signal."""
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 150
        file.create_dataset("entry_1/data_1/data", (6, 16, 2, 512, 128), "u2", chunks=(1, 1, 2, 512, 128))
        file["entry_1/trainId"] = np.arange(6, dtype="u8")
    return path


def write_sacla(path: Path) -> Path:
    """SACLA: one group tag-<id> a frame, stacked MPCCD tiles."""
    with h5py.File(path, "w") as file:
        for number, frame in enumerate(make_frames(3, dtype="f4")):
            file[f"tag-20{number}/data"] = frame
            file[f"tag-20{number}/photon_energy_ev"] = 12398.419843320026 / (1.0 + number)
        file["metadata/distance_in_mm"] = 51.5
        file["metadata/detector"] = "MPCCD"
        mask = np.zeros(SHAPE, "u1")
        mask[1, 2] = 1
        file["metadata/pixelmask"] = mask
    return path


def write_pal(path: Path) -> Path:
    """PAL-XFEL: group R<run>, 65535 marks a bad pixel."""
    frames = make_frames(3, dtype="u2")
    frames[:, 4, 5] = 65535
    with h5py.File(path, "w") as file:
        file["R0042/scan_dat/raymx_data"] = frames
        file["R0042/scan_dat/photon_wavelength"] = np.array([1.1, 1.2, 1.3])
        file["R0042/scan_dat/raymx_header"] = np.zeros(3)
        file["R0042/scan_dat/N"] = np.arange(3)
        file["R0042/header/detector_0_distance"] = 102.0
    return path


def write_swissfel(folder: Path) -> Path:
    """SwissFEL: /data/<detector>/data, and a mask file beside it in which 1 is good."""
    path = folder / "run_0001.h5"
    with h5py.File(path, "w") as file:
        file["data/JF06T08V02/data"] = make_frames(3, dtype="f4")
    mask = np.ones(SHAPE, "u1")
    mask[2, 3] = 0
    with h5py.File(folder / "JF06T08V02.mask.h5", "w") as file:
        file["mask"] = mask
    return path


def _single(writer: Callable[[Path], Path], name: str) -> Callable[[Path], Path]:
    return lambda folder: writer(folder / name)


# layout -> (writer into a folder, expected format, number of frames, event of the second or only frame)
LAYOUTS: dict[str, tuple[Callable[[Path], Path], str, int, str]] = {
    "idh5": (_single(write_idh5, "r0001.h5"), "idh5_v1.0", 5, "chunk_0//1"),
    "cxi": (_single(write_cxi, "cheetah.cxi"), "CXI", 4, "//1"),
    "cheetah-single": (_single(write_cheetah_single, "single.h5"), "Cheetah", 1, "//"),
    "lute": (write_lute, "CXI", 6, "//1"),
    "eiger": (write_eiger, "NXmx", 12, "data_000001//1"),
    "nxmx-virtual": (write_nxmx_virtual, "NXmx", 12, "//1"),
    "euxfel-virtual": (write_euxfel_virtual, "EuXFEL CXI", 5, "//1"),
    "sacla": (_single(write_sacla, "run1.h5"), "SACLA", 3, "tag-201//"),
    "pal": (_single(write_pal, "pal.h5"), "PAL-XFEL", 3, "R0042//1"),
    "swissfel": (write_swissfel, "SwissFEL", 3, "//1"),
}
