"""Speed of the kernels on this machine, as ratios against plain numpy and against reading memory, in one run."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.preprocess.contrast import Preprocessing

__all__ = ["measure_kernels", "plain_rwd"]

SIDE = 724
FRAMES = 32  # 34 MB: more than most caches hold


def plain_rwd(frame: NDArray[Any], window: int = 5) -> NDArray[np.float64]:
    """Return the row-wise decomposition by plain scipy in float64: GCN, LCN with the global floor, max minus min.

    Parameters
    ----------
    frame
        (rows, columns).
    window
        Odd side of the LCN window, px.
    """
    from scipy.ndimage import uniform_filter

    x = frame.astype(np.float64)
    x = (x - x.mean()) / x.std(ddof=1)
    mean = uniform_filter(x, window)
    deviation = np.sqrt(np.maximum(uniform_filter(x * x, window) - mean**2, 0.0))
    edge = window // 2
    z = ((x - mean) / np.maximum(deviation, 1.0))[edge:-edge, edge:-edge]
    return np.asarray(z.max(axis=1) - z.min(axis=1))


def measure_kernels(*, quick: bool = False) -> dict[str, Any]:
    """Time LCN + RWD, spots and features on simulated counts in memory.

    Parameters
    ----------
    quick
        Fewer repeats.

    Returns
    -------
    dict
        ``lcn_rwd_vs_numpy`` and ``lcn_rwd_vs_numpy_two_threads`` (how many times quicker than `plain_rwd` on one
        thread), ``lcn_rwd_share_of_read_limit`` (of the rate at which one thread reads such frames from memory),
        ``features_extra`` (extra time of spots and features over RWD, as a share), frames a second of each, and the
        largest difference from `plain_rwd`.
    """
    rng = np.random.default_rng(0)
    frames = rng.poisson(30.0, (FRAMES, SIDE, SIDE)).astype(np.int16)
    rwd, spots, features = Preprocessing.paper("rwd"), Preprocessing.spots(), Preprocessing.features()
    repeats = 3 if quick else 9
    rates = {
        "numpy": FRAMES / _best(lambda: [plain_rwd(frame) for frame in frames], max(1, repeats // 3)),
        "lcn_rwd": FRAMES / _best(lambda: [rwd.apply(frame) for frame in frames], repeats),
        "lcn_rwd_two_threads": FRAMES / _best(lambda: _in_threads(rwd, frames), repeats),
        "spots": FRAMES / _best(lambda: [spots.apply(frame) for frame in frames], repeats),
        "features": FRAMES / _best(lambda: [features.apply(frame) for frame in frames], repeats),
        "read": FRAMES / _best(lambda: [frame.sum(dtype=np.int64) for frame in frames], repeats),
        "copy": FRAMES / _best(frames.copy, repeats),
    }
    worst = max(float(np.abs(rwd.apply(frame) - plain_rwd(frame)).max()) for frame in frames)
    return {
        "lcn_rwd_vs_numpy": rates["lcn_rwd"] / rates["numpy"],
        "lcn_rwd_vs_numpy_two_threads": rates["lcn_rwd_two_threads"] / rates["numpy"],
        "lcn_rwd_share_of_read_limit": rates["lcn_rwd"] / max(rates["read"], rates["copy"]),
        "features_extra": rates["lcn_rwd"] / rates["features"] - 1.0,
        "frames_per_second": rates,
        "largest_difference": worst,
        "frame": [SIDE, SIDE],
        "cores": os.cpu_count(),
    }


def _in_threads(preprocessing: Preprocessing, frames: NDArray[Any]) -> list[NDArray[np.float32]]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(preprocessing.apply, frames))


def _best(work: Callable[[], object], repeats: int) -> float:
    work()  # compiled and warm
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)
