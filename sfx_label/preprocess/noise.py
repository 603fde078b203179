"""The noise of a frame, estimated from the frame itself, so that no gain, pedestal or unit has to be known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.preprocess.kernels import EMPTY_MASK, compiled

__all__ = ["Noise", "estimate_noise"]

SIDE = 7  # px; blocks so small that even in a crowded pattern most hold no spot
BLOCKS = 1500
SAMPLE = 4096  # pixels
SPARSE = 0.5  # share of pixels of one and the same value from which the background is mostly empty
QUIETEST = 0.04  # least variance as a part of the typical one: a deviation of one fifth


@dataclass(frozen=True, slots=True)
class Noise:
    """Noise of one frame, in its own units.

    Parameters
    ----------
    variance
        Median variance of small blocks.
    photon
        What one photon adds, as far as the noise shows its steps; 0 for noise of normal shape.
    """

    variance: float
    photon: float

    @property
    def least_variance(self) -> float:
        """Least variance that a background is believed to have."""
        return max(QUIETEST * self.variance, 1e-30)


@compiled
def _blocks(frame: Any, good: Any, masked: bool, step: int) -> Any:
    """Variance, and third moment over variance, of blocks of SIDE x SIDE mostly good pixels, one each `step` px."""
    rows, columns = (frame.shape[0] - SIDE) // step + 1, (frame.shape[1] - SIDE) // step + 1
    result, n = np.empty((2, max(rows * columns, 0))), 0
    for top in range(0, rows * step, step):
        for left in range(0, columns * step, step):
            total, squares, cubes, count, offset = 0.0, 0.0, 0.0, 0, 0.0
            for i in range(top, top + SIDE):
                for j in range(left, left + SIDE):
                    if masked and not good[i, j]:
                        continue
                    if count == 0:
                        offset = float(frame[i, j])
                    value = frame[i, j] - offset
                    total, squares, cubes, count = total + value, squares + value**2, cubes + value**3, count + 1
            if 4 * count >= 3 * SIDE * SIDE:
                mean, square = total / count, squares / count
                variance = max(square - mean * mean, 0.0)
                third = cubes / count - 3 * mean * square + 2 * mean**3
                result[0, n], result[1, n] = variance, third / variance if variance > 0 else 0.0
                n += 1
    return result[:, :n]


def estimate_noise(frame: NDArray[Any], good: NDArray[np.bool_] | None) -> Noise:
    """Estimate the noise of a frame.

    Photons of Poisson statistics that add ``g`` each have a third central moment of ``g`` times their variance,
    whatever the pedestal; normal noise has none. So the photon is the ratio of the two, as the median over blocks that
    spots and hot pixels cannot move. In a mostly empty frame it is the first step above the most common value.

    Parameters
    ----------
    frame
        C-contiguous raw numbers, (rows, columns).
    good
        True where a pixel may be used; None for all.
    """
    step = max(SIDE, int(np.sqrt(frame.size / BLOCKS)))
    variances, photons = _blocks(frame, EMPTY_MASK if good is None else good, good is not None, step)
    sample = _sample(frame, good)
    if sample.size == 0:
        return Noise(0.0, 0.0)
    variance = float(np.median(variances)) if variances.size else float(sample.var())
    values, counts = np.unique(sample, return_counts=True)
    if counts.max() > SPARSE * sample.size:
        return Noise(variance, _first_step(frame, good, float(values[counts.argmax()])))
    varied = photons[variances > 0]
    return Noise(variance, max(float(np.median(varied)), 0.0) if varied.size else 0.0)


def _sample(frame: NDArray[Any], good: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    step = max(1, int(np.sqrt(frame.size / SAMPLE)))
    sparse = frame[step // 2 :: step, step // 2 :: step]
    chosen = sparse.ravel() if good is None else sparse[good[step // 2 :: step, step // 2 :: step]]
    return np.asarray(chosen, np.float64)


def _first_step(frame: NDArray[Any], good: NDArray[np.bool_] | None, common: float) -> float:
    """Smallest step upwards from the most common value; 0 in a constant frame."""
    above = frame[frame > common] if good is None else frame[good & (frame > common)]
    return float(above.min()) - common if above.size else 0.0
