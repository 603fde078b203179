"""How visible each spot is, and how bright a crystal must be for a wanted number of them to be visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfx_label.simulate.background import central_slices
from sfx_label.simulate.crystal import Reflections
from sfx_label.simulate.detector import Camera
from sfx_label.simulate.kernels import separate, visibility
from sfx_label.simulate.settings import MixSetting

__all__ = ["Visibility", "measure_visibility", "scale_for"]

NEAREST_PX = 3.0
"""Two spots closer than this are seen as one."""
UNLIT = 0.05
"""Where the backdrop lets through less than this, a spot cannot be seen."""


@dataclass(frozen=True)
class Visibility:
    """What an eye could see of each spot at the brightness given.

    Parameters
    ----------
    ratio
        (n,) noise-free peak or 3x3 sum over what the setting asks for, the smaller of the two; visible from 1 on.
    peak
        (n,) noise-free highest pixel, counts.
    central
        (n,) bool, in the central crop.
    """

    spots: Reflections
    ratio: NDArray[np.float64]
    peak: NDArray[np.float64]
    central: NDArray[np.bool_]

    def seen(self, *, central: bool, scale: float = 1.0, at_most: int = 100_000) -> NDArray[np.int64]:
        """List the visible spots, the clearest first, of the central crop or of the whole frame."""
        threshold = max(1.0 / scale, 1e-12)
        candidates = np.flatnonzero((self.ratio >= threshold) & (self.central | (not central)))
        order = candidates[np.argsort(-self.ratio[candidates], kind="stable")]
        out = np.empty(order.size, np.int64)
        return out[: separate(self.spots.x, self.spots.y, order, NEAREST_PX, at_most, out)]


def measure_visibility(
    spots: Reflections, background: NDArray[np.float32], lit: NDArray[np.float32], camera: Camera, mix: MixSetting
) -> Visibility:
    """Hold each spot against the noise of the expected ``background`` (H, W, photons) under it.

    ``lit`` (H, W) is what the backdrop lets through; spots in the hole, in a gap or on a dead pixel cannot be seen.
    """
    column, row = np.rint(spots.x).astype(np.int64), np.rint(spots.y).astype(np.int64)
    shape = background.shape
    inside = (column > 0) & (column < shape[1] - 1) & (row > 0) & (row < shape[0] - 1)
    column, row = np.clip(column, 0, shape[1] - 1), np.clip(row, 0, shape[0] - 1)
    heights = np.empty((len(spots), 2))
    visibility(spots.x, spots.y, spots.photons, spots.covariance, camera.blur_variance, heights)
    heights *= camera.setting.gain
    one, nine = camera.noise(background[row, column].astype(np.float64))
    ratio = np.minimum(heights[:, 0] / (mix.visible_peak * one), heights[:, 1] / (mix.visible_sum * nine))
    rows, columns = central_slices((shape[0], shape[1]))
    central = (row >= rows.start) & (row < rows.stop) & (column >= columns.start) & (column < columns.stop)
    seen = inside & ~camera.blind[row, column] & (lit[row, column] > UNLIT)
    return Visibility(spots, np.where(seen, ratio, 0.0), heights[:, 0], central)


def scale_for(visible: Visibility, wanted: int, rng: np.random.Generator) -> float | None:
    """Give the factor that makes exactly ``wanted`` spots of the central crop visible; ``None`` where it has too few.

    The threshold then lies half-way (in the logarithm) between the last visible and the first hidden spot.
    """
    best = np.where(visible.central, visible.ratio, 0.0)
    if best.size == 0 or best.max() <= 0.0:
        return None
    listed = visible.seen(central=True, scale=np.inf, at_most=wanted + 1)
    if listed.size <= wanted:
        return None
    hidden = float(visible.ratio[listed[wanted]])
    if wanted == 0:
        return float(rng.uniform(0.3, 0.95)) / hidden
    return 1.0 / float(np.sqrt(hidden * visible.ratio[listed[wanted - 1]]))
