"""Scatter without a lattice: liquid, air, carrier, powder rings, and what stands in its way.

Simplified: each part is a smooth function of the radius with empirical form (no molecular structure factors), times
polarisation, solid angle and shadows. The parts vary from pulse to pulse independently of the crystal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.simulate.geometry import Geometry
from sfx_label.simulate.kernels import paint_background
from sfx_label.simulate.settings import BackgroundSetting, Ring, Shadow, SimulationSetting

__all__ = ["CENTRAL_CROP", "Backdrop", "central_slices", "radial_profile"]

CENTRAL_CROP = 724
"""Side in pixels of the central crop in which spots are counted and the level is defined, as in the paper."""

STEPS_PER_PIXEL = 4


def central_slices(shape: tuple[int, int], size: int = CENTRAL_CROP) -> tuple[slice, slice]:
    """Give the rows and columns of the central crop; a smaller frame is used whole."""
    starts = [max(0, (side - size) // 2) for side in shape]
    rows, columns = (slice(start, start + min(size, side)) for start, side in zip(starts, shape, strict=True))
    return rows, columns


def radial_profile(
    setting: BackgroundSetting,
    reciprocal: NDArray[np.float64],
    strengths: NDArray[np.float64],
    extra: tuple[Ring, ...] = (),
) -> NDArray[np.float64]:
    """Give the scatter against 1/d (1/Angstrom), relative; ``strengths`` (4,) scale liquid, rise, air and rings."""
    liquid_at = 1.0 / setting.solvent_spacing
    side = np.where(reciprocal < liquid_at, 0.24, 0.40)
    liquid = np.exp(-0.5 * ((reciprocal / liquid_at - 1.0) / side) ** 2)
    rise = 1.0 / (1.0 + (reciprocal / 0.07) ** 2)
    air = np.exp(-reciprocal / 0.3)
    total = strengths[0] * setting.solvent * liquid
    total += strengths[1] * 2.0 * setting.small_angle * rise + strengths[2] * setting.air * air
    for ring in setting.rings:
        total += strengths[3] * _ring(ring, reciprocal)
    for ring in extra:
        total += _ring(ring, reciprocal)
    return np.asarray(total)


def _ring(ring: Ring, reciprocal: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(ring.weight * np.exp(-0.5 * ((reciprocal * ring.spacing - 1.0) / ring.width) ** 2))


@dataclass(frozen=True)
class Backdrop:
    """What does not change between the pulses of a run: radius of each pixel, its weight, and the radial scale.

    Parameters
    ----------
    radius_index
        (H, W) radius from the beam centre in quarter pixels.
    weight
        (H, W) polarisation x solid angle x shadows; 0 in the beam hole.
    reciprocal
        1/d of each quarter pixel, 1/Angstrom.
    share
        Part of the central crop's weight that lies at each quarter pixel; sums to 1 over an unshadowed crop.
    """

    radius_index: NDArray[np.uint16]
    weight: NDArray[np.float32]
    reciprocal: NDArray[np.float64]
    share: NDArray[np.float64]

    @classmethod
    def build(cls, setting: SimulationSetting, geometry: Geometry) -> Backdrop:
        """Work out the maps of a run.

        Raises
        ------
        SfxLabelError
            The frame holds nothing but the beam hole.
        """
        detector, share_along = setting.detector, setting.beam.polarisation
        y, x = np.indices(geometry.shape, dtype=np.float64)
        x, y = x - geometry.centre[0], y - geometry.centre[1]
        radius = np.hypot(x, y)
        cosine = 1.0 / np.sqrt(1.0 + (radius / geometry.distance_px) ** 2)
        scale = cosine / geometry.distance_px
        weight = share_along * (1 - (x * scale) ** 2) + (1 - share_along) * (1 - (y * scale) ** 2)
        weight *= cosine**3
        for shadow in setting.background.shadows:
            weight *= _transmission(shadow, x * geometry.pixel_mm, y * geometry.pixel_mm)
        if detector.hole_radius_px > 0:
            softness = max(detector.hole_softness_px, 1e-3)
            weight *= 0.5 * (1.0 + np.tanh((radius - detector.hole_radius_px) / softness))
        index = np.rint(radius * STEPS_PER_PIXEL).astype(np.uint16)
        reciprocal = geometry.reciprocal(np.arange(int(index.max()) + 1) / STEPS_PER_PIXEL)
        crop = central_slices(geometry.shape)
        lit = np.count_nonzero(radius[crop] > detector.hole_radius_px)
        if lit == 0:
            raise SfxLabelError(
                f"a frame of {geometry.shape[0]}x{geometry.shape[1]} pixels lies wholly within the beam hole, "
                f"whose radius is {detector.hole_radius_px:g} pixels; ask for larger frames"
            )
        share = np.bincount(index[crop].ravel(), weight[crop].ravel(), minlength=len(reciprocal)) / lit
        return cls(index, weight.astype(np.float32), reciprocal, share)

    def paint(self, profile: NDArray[np.float64], level: float, out: NDArray[np.float32]) -> None:
        """Fill ``out`` (H, W) with ``profile``, its mean over the central crop outside the hole being ``level``."""
        mean = float(self.share @ profile)
        scaled = (profile * (level / max(mean, 1e-12))).astype(np.float32)
        paint_background(scaled, self.radius_index, self.weight, out)


def _transmission(shadow: Shadow, x_mm: NDArray[np.float64], y_mm: NDArray[np.float64]) -> NDArray[np.float64]:
    angle = np.radians(shadow.angle_deg)
    along = x_mm * np.cos(angle) + y_mm * np.sin(angle)
    across = y_mm * np.cos(angle) - x_mm * np.sin(angle)
    covered = np.ones_like(x_mm)
    for position, (low, high) in ((along, shadow.along), (across, shadow.across)):
        for edge, sign in ((low, 1.0), (high, -1.0)):
            if np.isfinite(edge):
                covered *= 0.5 * (1.0 + np.tanh(sign * (position - edge) / shadow.softness_mm))
    return np.asarray(1.0 + (shadow.transmission - 1.0) * covered)
