"""The noise of a frame, estimated from the frame itself, so that no gain, pedestal or unit has to be known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.preprocess.kernels import EMPTY_MASK, compiled

__all__ = ["Noise", "estimate_noise"]

SIDE = 15  # px; blocks as large as the spot finder's window
BLOCKS = 600
SAMPLE = 4096  # pixels
DISCRETE = 0.05  # share of pixels of one and the same value from which the noise is that of countable photons
SPARSE = 0.5  # share from which the background is mostly empty
QUIETEST = 0.04  # least variance as a part of the typical one: a deviation of one fifth


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one frame, in its own units.

    Parameters
    ----------
    variance
        Median variance of small blocks.
    photon
        What one photon adds, where the numbers are so small that photons can be told apart; 0 otherwise.
    """

    variance: float
    photon: float

    @property
    def least_variance(self) -> float:
        """Least variance that a background is believed to have."""
        return max(QUIETEST * self.variance, 1e-30)


@compiled
def _blocks(frame: Any, good: Any, masked: bool, step: int) -> Any:
    """Mean and variance of blocks of SIDE x SIDE pixels, a block each `step` px, that are mostly good."""
    rows, columns = (frame.shape[0] - SIDE) // step + 1, (frame.shape[1] - SIDE) // step + 1
    result, n = np.empty((2, max(rows * columns, 0))), 0
    for top in range(0, rows * step, step):
        for left in range(0, columns * step, step):
            total, squares, count, offset = 0.0, 0.0, 0, 0.0
            for i in range(top, top + SIDE):
                for j in range(left, left + SIDE):
                    if masked and not good[i, j]:
                        continue
                    if count == 0:
                        offset = float(frame[i, j])
                    value = frame[i, j] - offset
                    total, squares, count = total + value, squares + value * value, count + 1
            if 4 * count >= 3 * SIDE * SIDE:
                result[0, n] = offset + total / count
                result[1, n] = max(squares / count - (total / count) ** 2, 0.0)
                n += 1
    return result[:, :n]


def estimate_noise(frame: NDArray[Any], good: NDArray[np.bool_] | None) -> Noise:
    """Estimate the noise of a frame.

    The photon is variance over mean above the lowest value (Poisson statistics), taken over the median of blocks, and
    only where many pixels share one value; in a mostly empty frame it is the smallest step between values.

    Parameters
    ----------
    frame
        C-contiguous raw numbers, (rows, columns).
    good
        True where a pixel may be used; None for all.
    """
    step = max(SIDE, int(np.sqrt(frame.size / BLOCKS)))
    means, variances = _blocks(frame, EMPTY_MASK if good is None else good, good is not None, step)
    sample = _sample(frame, good)
    if sample.size == 0:
        return Noise(0.0, 0.0)
    values, counts = np.unique(sample, return_counts=True)
    share = counts.max() / sample.size
    variance = float(np.median(variances)) if variances.size else float(sample.var())
    if share < DISCRETE:
        return Noise(variance, 0.0)
    if share > SPARSE:
        return Noise(variance, _smallest_step(frame, good, values))
    level = float(np.median(means) if means.size else sample.mean()) - float(values[0])
    return Noise(variance, variance / level if level > 0 else 0.0)


def _sample(frame: NDArray[Any], good: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    step = max(1, int(np.sqrt(frame.size / SAMPLE)))
    sparse = frame[step // 2 :: step, step // 2 :: step]
    chosen = sparse.ravel() if good is None else sparse[good[step // 2 :: step, step // 2 :: step]]
    return np.asarray(chosen, np.float64)


def _smallest_step(frame: NDArray[Any], good: NDArray[np.bool_] | None, values: NDArray[np.float64]) -> float:
    """Smallest difference between neighbouring values; of the whole frame if the sample has but one."""
    if values.size < 2:
        values = np.unique(frame if good is None else frame[good]).astype(np.float64)
    return float(np.diff(values).min()) if values.size > 1 else 0.0
