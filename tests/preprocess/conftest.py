"""Frames that the kernels meet, and a slow float64 reference written from the formulas."""

from __future__ import annotations

from collections.abc import Callable

import h5py
import hdf5plugin  # noqa: F401  registers the filters of the real files
import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view


def slow_lcn(frame, window, floor, mask=None):
    """GCN and LCN as the paper writes them, window by window, in float64."""
    x = np.asarray(frame, np.float64)
    good = np.isfinite(x) if mask is None else mask & np.isfinite(x)
    mean, deviation = x[good].mean(), x[good].std(ddof=1)
    x = np.where(good, x - mean, 0) / (deviation if deviation > 0 else 1)
    pixels, usable = sliding_window_view(x, (window, window)), sliding_window_view(good, (window, window))
    n = np.maximum(usable.sum((2, 3)), 1)
    m = np.where(usable, pixels, 0).sum((2, 3)) / n
    s = np.sqrt(np.where(usable, (pixels - m[:, :, None, None]) ** 2, 0).sum((2, 3)) / n)
    half = window // 2
    centre, inside = x[half : x.shape[0] - half, half : x.shape[1] - half], good[half:-half, half:-half]
    least = 1.0 if floor == "global" else s[inside].mean()
    z = np.where(inside, centre - m, 0) / np.maximum(np.maximum(s, least), 1e-12)
    return z


@pytest.fixture(scope="session")
def reference() -> Callable:
    return slow_lcn


@pytest.fixture(scope="session")
def odd_frames() -> dict[str, np.ndarray]:
    """Frames by name: types, ranges and accidents."""
    random = np.random.default_rng(11)
    quiet = random.poisson(30, (64, 83))
    bright = quiet.copy()
    bright[20:23, 30:33] = 60000
    saturated = quiet.copy()
    saturated[10:14, 40] = 65535
    with_nan = quiet.astype(np.float32)
    with_nan[5:9, 60:70], with_nan[40, 3] = np.nan, np.inf
    return {
        "int16": quiet.astype(np.int16),
        "uint8": quiet.astype(np.uint8),
        "negative int32": (quiet - 500).astype(np.int32),
        "uint32 on a pedestal of 4e9": (quiet + 4_000_000_000).astype(np.uint32),
        "big-endian": quiet.astype(">i4"),
        "uint16 of a wide range": bright.astype(np.uint16),
        "saturated": saturated.astype(np.uint16),
        "float32": (bright * 0.21).astype(np.float32),
        "float64 on a pedestal of 1e8": quiet + 1e8,
        "with NaN and infinity": with_nan,
        "half precision": quiet.astype(np.float16),
    }


def read_frames(path, dataset):
    with h5py.File(path) as file:
        return file[dataset][:]


@pytest.fixture(scope="session")
def rayonix(shared_data) -> np.ndarray:
    return read_frames(shared_data / "real" / "rayonix_mx340_mfx_hit.h5", "data/chunk_0000/images")[0]


@pytest.fixture(scope="session")
def thaumatin(shared_data) -> np.ndarray:
    return read_frames(shared_data / "real" / "thaumatin_pilatus_10stills.h5", "entry/data/data")


@pytest.fixture(scope="session")
def twins(shared_data) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Frames, and whether each is a hit or a maybe, of the three twins."""
    result = {}
    for name in ("TWIN83", "TWIN84", "TWIN19"):
        lines = (shared_data / "twins" / f"{name}.expert_annotation.txt").read_text(encoding="utf-8").split("\n")
        positive = np.array([not line.endswith("MISS") for line in lines if line.strip()])
        result[name] = read_frames(shared_data / "twins" / f"{name}.h5", "data/chunk0000/images"), positive
    return result
