"""From expected photons to the numbers in the file.

Simplified: one separable point spread for the whole face (core and halo are normal distributions); saturation without
blooming; hot pixels keep their value through the run. Signal and photon noise share the blur, as in a taper-coupled
CCD, so neighbouring pixels are correlated and the variance per count is the gain times the sum of the squared taps.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.simulate.geometry import Geometry
from sfx_label.simulate.kernels import LOG_FACTORIAL, blur, digitise, photon_counts
from sfx_label.simulate.settings import DetectorSetting

__all__ = ["Camera", "blur_taps", "panel_starts"]

NORMAL_TABLE = np.array([NormalDist().inv_cdf((i + 0.5) / 4096) for i in range(4096)], np.float32)


def blur_taps(point_spread_px: float, halo: float) -> NDArray[np.float32]:
    """Give the symmetric taps (sum 1) along one axis: a core, and a halo that carries about ``halo`` of the signal."""
    if point_spread_px <= 0.0:
        return np.ones(1, np.float32)
    wide = max(1.5, 3.0 * point_spread_px)
    reach = int(np.ceil(2.5 * wide)) if halo > 0 else max(1, int(np.ceil(3.5 * point_spread_px)))
    steps = np.arange(-reach, reach + 1)
    core = np.exp(-0.5 * (steps / point_spread_px) ** 2)
    outer = np.exp(-0.5 * (steps / wide) ** 2)
    side = 1.0 - np.sqrt(1.0 - halo)
    taps = (1.0 - side) * core / core.sum() + side * outer / outer.sum()
    return np.asarray(taps, np.float32)


def panel_starts(length: int, panel: int, gap: int) -> list[int]:
    """Give where panels start along one axis of ``length`` pixels."""
    return list(range(0, length, panel + gap))


@dataclass(frozen=True)
class Camera:
    """A detector with its own flat field, hot and dead pixels.

    Parameters
    ----------
    gain_map
        (H, W) counts per photon.
    taps
        Blur along one axis.
    blind
        (H, W) bool, True where no photon is seen (hole, gaps, dead pixels), or ``None``.
    hot_at, hot_counts
        Flat positions and added counts of the hot pixels.
    fixed_at, fixed_values
        Flat positions and values of pixels that read a constant.
    limits
        Lowest and highest number that the file's type and the electronics allow.
    """

    setting: DetectorSetting
    gain_map: NDArray[np.float32]
    taps: NDArray[np.float32]
    blind: NDArray[np.bool_]
    hot_at: NDArray[np.int64]
    hot_counts: NDArray[np.float32]
    fixed_at: NDArray[np.int64]
    fixed_values: NDArray[np.float32]
    limits: tuple[float, float]

    @classmethod
    def build(
        cls, setting: DetectorSetting, geometry: Geometry, dtype: np.dtype[Any], rng: np.random.Generator
    ) -> Camera:
        """Make the camera of one run, for frames that are stored as ``dtype``."""
        shape = geometry.shape
        flat = 1.0 + setting.flat_field * rng.standard_normal(shape, dtype=np.float32)
        size = shape[0] * shape[1]
        hot_at = rng.choice(size, round(setting.hot_pixels * size), replace=False)
        hot_counts = np.exp(rng.normal(2.9, 0.7, hot_at.size)) * max(setting.gain, 0.3)
        dead = rng.choice(size, round(setting.dead_pixels * size), replace=False)
        hole, gaps = _hole(setting, geometry), _gaps(setting, shape)
        values = np.full(shape, np.nan, np.float32)
        if setting.hole_value != "offset":
            values[hole] = setting.hole_value
        values.ravel()[dead] = 0.0
        values[gaps] = setting.gap_value
        fixed = np.flatnonzero(~np.isnan(values))
        blind = hole | gaps
        blind.ravel()[dead] = True
        return cls(
            setting=setting,
            gain_map=(setting.gain * flat).astype(np.float32),
            taps=blur_taps(setting.point_spread_px, setting.halo),
            blind=blind,
            hot_at=hot_at.astype(np.int64),
            hot_counts=hot_counts.astype(np.float32),
            fixed_at=fixed,
            fixed_values=values.ravel()[fixed],
            limits=_limits(setting, dtype),
        )

    @property
    def blur_variance(self) -> float:
        """Variance of the core of the blur along one axis, px^2 (the halo lowers a peak but hardly widens it)."""
        return self.setting.point_spread_px**2

    def noise(self, photons: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give the deviation (counts) of one pixel and of a 3x3 sum where ``photons`` (n,) a pixel are expected."""
        taps = self.taps.astype(np.float64)
        one = float((taps**2).sum()) ** 2
        nine = float((np.convolve(taps, np.ones(3)) ** 2).sum()) ** 2
        electronic = self.setting.read_noise**2 + 1.0 / 12.0
        variance = self.setting.gain**2 * np.maximum(photons, 0.0)
        return np.sqrt(variance * one + electronic), np.sqrt(variance * nine + 9.0 * electronic)

    def expose(
        self,
        expected: NDArray[np.float32],
        zingers: tuple[NDArray[np.int64], NDArray[np.float64]],
        state: NDArray[np.uint64],
    ) -> None:
        """Turn expected photons (H, W) into counts, in place; ``zingers`` are flat positions and added counts."""
        photon_counts(expected, state, LOG_FACTORIAL)
        if self.taps.size > 1:
            blur(expected, self.taps, np.empty_like(expected))
        flat = expected.ravel()
        gain = self.gain_map.ravel()
        np.add.at(flat, self.hot_at, self.hot_counts / gain[self.hot_at])
        np.add.at(flat, zingers[0], (zingers[1] / gain[zingers[0]]).astype(np.float32))
        setting = self.setting
        digitise(expected, self.gain_map, setting.offset, setting.read_noise, NORMAL_TABLE, self.limits, state)
        flat[self.fixed_at] = self.fixed_values


def _hole(setting: DetectorSetting, geometry: Geometry) -> NDArray[np.bool_]:
    y, x = np.ogrid[: geometry.shape[0], : geometry.shape[1]]
    centre = geometry.centre
    return np.asarray((x - centre[0]) ** 2 + (y - centre[1]) ** 2 < setting.hole_radius_px**2)


def _gaps(setting: DetectorSetting, shape: tuple[int, int]) -> NDArray[np.bool_]:
    gaps = np.zeros(shape, bool)
    if setting.panels is None:
        return gaps
    for axis in (0, 1):
        for start in panel_starts(shape[axis], setting.panels[axis], setting.gap_px[axis]):
            where = [slice(None), slice(None)]
            where[axis] = slice(start + setting.panels[axis], start + setting.panels[axis] + setting.gap_px[axis])
            gaps[tuple(where)] = True
    return gaps


def _limits(setting: DetectorSetting, dtype: np.dtype[Any]) -> tuple[float, float]:
    if dtype.kind == "f":
        return -3.0e38, setting.saturation
    kind = np.iinfo(dtype)
    return float(kind.min), float(min(setting.saturation, kind.max))
