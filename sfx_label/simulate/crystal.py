"""Which Bragg spots a crystal in a random orientation gives on a still, where, how wide and how strong.

Ewald construction: a lattice point G diffracts when k0 + G lies near the sphere of radius 1/wavelength. Simplified: the
shape of each lattice point is one normal distribution (domain size, mosaic spread and bandwidth added in quadrature)
instead of an interference function summed over domains; intensities follow Wilson's acentric statistics (Acta Cryst. 2,
318, 1949) by a hash of the symmetry-reduced indices instead of a protein's structure factors; screw axes remove no
reflections; no absorption by the crystal; the beam divergence counts as mosaic spread.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sfx_label.simulate.geometry import Geometry
from sfx_label.simulate.kernels import near_ewald_sphere
from sfx_label.simulate.settings import BeamSetting, Cell, CrystalSetting

__all__ = ["Crystal", "Reflections", "draw_crystal", "reciprocal_basis", "reflections_on_detector", "wilson_intensity"]

MOST_REFLECTIONS = 60_000
SHELL_IN_SIGMA = 3.5


@dataclass(frozen=True)
class Crystal:
    """One crystal in one pulse.

    Parameters
    ----------
    basis
        (3, 3) a*, b*, c* as columns, 1/Angstrom, in the laboratory frame (beam along +z, rows along +x).
    size_angstrom, mosaicity, b_factor, extent_um
        Domain size in Angstrom, angular spread in radians, fall-off in Angstrom squared, and the width of the
        diffracting volume in micrometres.
    """

    basis: NDArray[np.float64]
    size_angstrom: float
    mosaicity: float
    b_factor: float
    extent_um: float


@dataclass(frozen=True)
class Reflections:
    """Spots of one or more crystals.

    Parameters
    ----------
    x, y
        (n,) positions along the fast and the slow axis, pixels.
    photons
        (n,) photons, relative until they are scaled.
    covariance
        (n, 3) spread on the detector as xx, xy, yy, px^2.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    photons: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def __len__(self) -> int:
        return int(self.x.size)

    def keep(self, chosen: NDArray[np.bool_]) -> Reflections:
        """Give the chosen spots."""
        return Reflections(self.x[chosen], self.y[chosen], self.photons[chosen], self.covariance[chosen])

    @staticmethod
    def join(parts: list[Reflections]) -> Reflections:
        """Put the spots of several crystals together."""
        return Reflections(
            np.concatenate([p.x for p in parts]),
            np.concatenate([p.y for p in parts]),
            np.concatenate([p.photons for p in parts]),
            np.concatenate([p.covariance for p in parts]),
        )


def reciprocal_basis(cell: Cell) -> NDArray[np.float64]:
    """Give a*, b*, c* (columns, 1/Angstrom) of a cell in Angstrom and degrees."""
    a, b, c = cell[:3]
    cos_alpha, cos_beta, cos_gamma = np.cos(np.radians(cell[3:]))
    sin_gamma = np.sqrt(1.0 - cos_gamma**2)
    c_y = (cos_alpha - cos_beta * cos_gamma) / sin_gamma
    direct = np.array(
        [
            [a, b * cos_gamma, c * cos_beta],
            [0.0, b * sin_gamma, c * c_y],
            [0.0, 0.0, c * np.sqrt(1.0 - cos_beta**2 - c_y**2)],
        ]
    )
    return np.linalg.inv(direct).T


def draw_crystal(setting: CrystalSetting, rng: np.random.Generator) -> Crystal:
    """Draw a crystal: orientation even over all rotations, size, mosaicity and B factor from the setting's spreads."""
    q = rng.standard_normal(4)
    w, x, y, z = q / np.linalg.norm(q)
    rotation = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )
    spreads = (setting.size_um, setting.mosaicity_deg, setting.extent_um)
    size_um, mosaic_deg, extent_um = (
        float(median * np.exp(spread * rng.standard_normal())) for median, spread in spreads
    )
    return Crystal(
        basis=rotation @ reciprocal_basis(setting.cell),
        size_angstrom=size_um * 1e4,
        mosaicity=float(np.radians(mosaic_deg)),
        b_factor=float(rng.uniform(*setting.b_factor)),
        extent_um=extent_um,
    )


def reflections_on_detector(
    crystal: Crystal, setting: CrystalSetting, beam: BeamSetting, geometry: Geometry
) -> Reflections:
    """Give every spot of ``crystal`` on the detector, for a pulse of the geometry's wavelength.

    The photons are relative: Wilson intensity x exp(-B / 2 d^2) x polarisation x exp(-e^2 / 2 s^2) / s, where e is the
    distance from the Ewald sphere and s the width of the lattice point along it. The 1/s plays the part that the
    Lorentz factor has for a rotated crystal: a wide point is hit more often and more weakly.
    """
    wave = 1.0 / geometry.wavelength
    indices = _near_sphere(crystal, setting, beam, geometry)
    lattice_points = indices @ crystal.basis.T
    scattered = lattice_points + np.array([0.0, 0.0, wave])
    length = np.linalg.norm(scattered, axis=1)
    direction = scattered / length[:, None]
    squared = np.einsum("ij,ij->i", lattice_points, lattice_points)
    width = _excitation_width(crystal, beam, geometry.wavelength, squared)
    partiality = np.exp(-0.5 * ((length - wave) / width) ** 2) / (width * crystal.size_angstrom)
    fall_off = np.exp(-0.5 * crystal.b_factor * squared)
    photons = wilson_intensity(indices, setting) * fall_off * _polarisation(direction, beam.polarisation) * partiality
    x, y = geometry.project(direction)
    rows, columns = geometry.shape
    inside = (x > -0.5) & (x < columns - 0.5) & (y > -0.5) & (y < rows - 0.5) & (photons > 0.0)
    return Reflections(x, y, photons, _spot_covariance(crystal, beam, geometry, direction)).keep(inside)


def wilson_intensity(indices: NDArray[np.int64], setting: CrystalSetting) -> NDArray[np.float64]:
    """Give |E|^2 of each (h, k, l): exponential, mean 1, equal for equivalents, 0 where the centring removes it."""
    reduced = _symmetry_reduced(indices, setting.laue).astype(np.uint64)
    with np.errstate(over="ignore"):
        mixed = np.full(len(indices), (setting.structure_seed * 0x9E3779B97F4A7C15) % 2**64, np.uint64)
        for column in reduced.T:
            mixed = (mixed ^ column) * np.uint64(0xBF58476D1CE4E5B9)
            mixed ^= mixed >> np.uint64(29)
            mixed *= np.uint64(0x94D049BB133111EB)
            mixed ^= mixed >> np.uint64(32)
    uniform = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2.0**53
    intensity: NDArray[np.float64] = np.where(_allowed(indices, setting.centring), -np.log(uniform), 0.0)
    return intensity


def _symmetry_reduced(indices: NDArray[np.int64], laue: str) -> NDArray[np.int64]:
    h, k, ell = indices.T
    if laue == "mmm":
        return np.abs(indices)
    if laue == "4/mmm":
        return np.stack([np.maximum(abs(h), abs(k)), np.minimum(abs(h), abs(k)), abs(ell)], axis=1)
    if laue == "6/mmm":
        in_plane = np.sort(np.abs(np.stack([h, k, -h - k], axis=1)), axis=1)
        return np.column_stack([in_plane[:, 1:], abs(ell)])
    first = np.stack([h, ell, abs(k)] if laue == "2/m" else [h, ell, k], axis=1)
    lead = np.where(first[:, 0] != 0, first[:, 0], np.where(first[:, 1] != 0, first[:, 1], first[:, 2]))
    sign = np.where(lead < 0, -1, 1)[:, None]
    flipped = first * sign
    return np.column_stack([flipped[:, :2], abs(k)]) if laue == "2/m" else flipped


def _allowed(indices: NDArray[np.int64], centring: str) -> NDArray[np.bool_]:
    h, k, ell = indices.T % 2
    if centring == "C":
        return np.asarray(h == k)
    if centring == "I":
        return np.asarray((h + k + ell) % 2 == 0)
    if centring == "F":
        return np.asarray((h == k) & (k == ell))
    return np.ones(len(indices), bool)


def _near_sphere(crystal: Crystal, setting: CrystalSetting, beam: BeamSetting, geometry: Geometry) -> NDArray[np.int64]:
    d_min = geometry.finest_spacing
    limits = np.floor(np.array(setting.cell[:3]) / d_min).astype(np.int64)
    widest = _excitation_width(crystal, beam, geometry.wavelength, np.array([1.0 / d_min**2]))[0]
    out = np.empty((MOST_REFLECTIONS, 3), np.int64)
    sphere = (1.0 / geometry.wavelength, SHELL_IN_SIGMA * float(widest))
    found = near_ewald_sphere(crystal.basis, sphere, 1.0 / d_min, limits, out)
    return out[:found]


def _excitation_width(
    crystal: Crystal, beam: BeamSetting, wavelength: float, squared: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Width of a lattice point across the Ewald sphere, 1/Angstrom (one standard deviation)."""
    size = 0.4 / crystal.size_angstrom
    mosaic = crystal.mosaicity * np.sqrt(squared)
    band = beam.bandwidth * 0.5 * wavelength * squared
    width: NDArray[np.float64] = np.sqrt(size**2 + mosaic**2 + band**2)
    return width


def _polarisation(direction: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    along = 1.0 - direction[:, 0] ** 2
    across = 1.0 - direction[:, 1] ** 2
    return np.asarray(share * along + (1.0 - share) * across)


def _spot_covariance(
    crystal: Crystal, beam: BeamSetting, geometry: Geometry, direction: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Spread on the detector, px^2: domain size and extent all round, bandwidth along the radius, mosaicity across."""
    distance = geometry.distance_px
    radial = np.hypot(direction[:, 0], direction[:, 1])
    two_theta = np.arctan2(radial, direction[:, 2])
    round_variance = (0.4 * geometry.wavelength / crystal.size_angstrom * distance) ** 2
    round_variance += (crystal.extent_um * 1e-3 / geometry.pixel_mm) ** 2
    stretch = distance / np.cos(two_theta) ** 2 * 2.0 * np.tan(two_theta / 2.0)
    along = round_variance + (beam.bandwidth * stretch) ** 2
    across = round_variance + (crystal.mosaicity * distance * 2.0 * np.sin(two_theta / 2.0)) ** 2
    cosine = np.divide(direction[:, 0], radial, out=np.ones_like(radial), where=radial > 0)
    sine = np.divide(direction[:, 1], radial, out=np.zeros_like(radial), where=radial > 0)
    xx, yy = along * cosine**2 + across * sine**2, along * sine**2 + across * cosine**2
    return np.stack([xx, (along - across) * cosine * sine, yy], axis=1)
