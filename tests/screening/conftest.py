"""Small real HDF5 runs whose hits are known, and a model trained on one of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from sfx_label.frames.open import open_frames
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.dataset import build_dataset
from sfx_label.models.training import train
from sfx_label.preprocess.contrast import Preprocessing

SIDE = 96
HIT_SPOTS = 12


def draw_frames(
    n: int, seed: int, hit_rate: float = 0.2, side: int = SIDE
) -> tuple[NDArray[np.uint16], NDArray[np.bool_]]:
    """Poisson background of 10 counts; hits carry twelve spots of 3 x 3 pixels, misses none."""
    rng = np.random.default_rng(seed)
    frames = rng.poisson(10, (n, side, side)).astype(np.uint16)
    hits = rng.random(n) < hit_rate
    for number in np.flatnonzero(hits):
        for y, x in rng.integers(10, side - 10, (HIT_SPOTS, 2)):
            frames[number, y - 1 : y + 2, x - 1 : x + 2] += 150
    return frames, hits


def write_cxi_run(path: Path, frames: NDArray[np.uint16], chunk: int = 1) -> Path:
    with h5py.File(path, "w") as file:
        file["cxi_version"] = 140
        file.create_dataset("entry_1/data_1/data", data=frames, chunks=(chunk, *frames.shape[1:]))
        file["LCLS/photon_energy_eV"] = np.full(len(frames), 9500.0)
    return path


def write_idh5_run(path: Path, chunks: dict[str, NDArray[np.uint16]]) -> Path:
    """CXIDB-76 layout: several groups of images, taken in the order of their names."""
    side = next(iter(chunks.values())).shape[-1]
    with h5py.File(path, "w") as file:
        metadata = file.create_group("metadata")
        for name, value in (
            ("idh5_version", b"v1.0"),
            ("BEAM_CENTER_X", side / 2 * 0.177),
            ("BEAM_CENTER_Y", side / 2 * 0.177),
            ("PIXEL_SIZE", 0.177),
            ("SIZE1", side),
            ("SIZE2", side),
            ("MIN_TRUSTED_VALUE", 0),
            ("SATURATED_VALUE", 65535),
        ):
            metadata[name] = value
        for number, (name, images) in enumerate(chunks.items()):
            file[f"data/{name}/images"] = images
            file[f"data/{name}/distance"] = 100.0 + number
            file[f"data/{name}/wavelength"] = 1.3
    return path


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="session")
def cxi_run(folder: Path) -> tuple[Path, NDArray[np.bool_]]:
    frames, hits = draw_frames(300, seed=1)
    return write_cxi_run(folder / "r0001.cxi", frames), hits


@pytest.fixture(scope="session")
def second_run(folder: Path) -> tuple[Path, NDArray[np.bool_]]:
    frames, hits = draw_frames(150, seed=2)
    return write_cxi_run(folder / "r0002.cxi", frames), hits


@pytest.fixture(scope="session")
def bundle(cxi_run: tuple[Path, NDArray[np.bool_]]) -> ModelBundle:
    path, hits = cxi_run
    with open_frames(path) as frames:
        data = build_dataset(frames, np.where(hits, 2, 0).astype(np.int8), Preprocessing.spots())
    return train("spot-count", data[:100], data[100:150])


@pytest.fixture(scope="session")
def bundle_folder(bundle: ModelBundle, folder: Path) -> Path:
    return bundle.save(folder / "bundle")


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., Path]:
    def make(name: str = "run.cxi", n: int = 40, seed: int = 5, **options: int) -> Path:
        frames, _ = draw_frames(n, seed)
        return write_cxi_run(tmp_path / name, frames, **options)

    return make


@pytest.fixture(scope="session")
def draw() -> Callable[..., tuple[NDArray[np.uint16], NDArray[np.bool_]]]:
    return draw_frames


@pytest.fixture(scope="session")
def write_cxi() -> Callable[..., Path]:
    return write_cxi_run


@pytest.fixture(scope="session")
def write_idh5() -> Callable[..., Path]:
    return write_idh5_run
