"""Where the beam meets the detector: the one place that turns directions into pixels and radii into spacings."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sfx_label.simulate.settings import SimulationSetting

__all__ = ["Geometry"]


@dataclass(frozen=True)
class Geometry:
    """A flat detector square to the beam, which runs along +z; rows run along +x, columns along +y.

    Parameters
    ----------
    shape
        Rows and columns of the frame.
    centre
        Where the beam meets it (fast, slow), pixels.
    pixel_mm, distance_mm
        Side of a pixel, and crystal to detector.
    wavelength
        Angstrom.
    """

    shape: tuple[int, int]
    centre: tuple[float, float]
    pixel_mm: float
    distance_mm: float
    wavelength: float

    @classmethod
    def of(cls, setting: SimulationSetting, shape: tuple[int, int]) -> Geometry:
        """Give the geometry of a setting for frames of ``shape`` about the same beam centre."""
        offset = setting.detector.centre_offset_px
        centre = ((shape[1] - 1) / 2 + offset[0], (shape[0] - 1) / 2 + offset[1])
        return cls(shape, centre, setting.detector.pixel_mm, setting.beam.distance_mm, setting.beam.wavelength)

    def at(self, wavelength: float) -> Geometry:
        """Give the same detector for a pulse of another wavelength."""
        return replace(self, wavelength=wavelength)

    @property
    def distance_px(self) -> float:
        """Crystal to detector in pixels."""
        return self.distance_mm / self.pixel_mm

    @property
    def finest_spacing(self) -> float:
        """Bragg's d at the furthest corner, Angstrom."""
        far_x = max(self.centre[0], self.shape[1] - self.centre[0])
        far_y = max(self.centre[1], self.shape[0] - self.centre[1])
        return float(1.0 / self.reciprocal(np.array(np.hypot(far_x, far_y))))

    def reciprocal(self, radius_px: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give 1/d = 2 sin(theta) / wavelength at a distance from the beam centre, 1/Angstrom."""
        return np.asarray(2.0 * np.sin(np.arctan(radius_px / self.distance_px) / 2.0) / self.wavelength)

    def radius(self, spacing: NDArray[np.float64]) -> NDArray[np.float64]:
        """Give the radius in pixels of powder rings of ``spacing`` (Angstrom)."""
        return np.asarray(np.tan(2.0 * np.arcsin(self.wavelength / 2.0 / spacing)) * self.distance_px)

    def project(self, direction: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Give x and y (n,) in pixels where unit vectors (n, 3) meet the detector; infinite for those that miss it."""
        forward = np.where(direction[:, 2] > 0.05, direction[:, 2], np.nan)
        scale = self.distance_px / forward
        x, y = direction[:, 0] * scale + self.centre[0], direction[:, 1] * scale + self.centre[1]
        return np.nan_to_num(x, nan=np.inf), np.nan_to_num(y, nan=np.inf)
