"""Lattice, Ewald sphere, intensities: against brute force and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sfx_label.simulate import SETTINGS
from sfx_label.simulate.crystal import draw_crystal, reciprocal_basis, reflections_on_detector, wilson_intensity
from sfx_label.simulate.geometry import Geometry
from sfx_label.simulate.kernels import near_ewald_sphere
from sfx_label.simulate.settings import BeamSetting, CrystalSetting


def test_reciprocal_basis_of_an_orthorhombic_cell() -> None:
    basis = reciprocal_basis((40.0, 50.0, 80.0, 90.0, 90.0, 90.0))
    np.testing.assert_allclose(basis, np.diag([1 / 40, 1 / 50, 1 / 80]), atol=1e-15)


def test_reciprocal_basis_of_a_monoclinic_cell() -> None:
    # beta = 100 degrees: a* = 1 / (a sin beta), the angle between a* and c* is 80 degrees, b* = 1 / b
    basis = reciprocal_basis((60.0, 70.0, 90.0, 90.0, 100.0, 90.0))
    a_star, b_star, c_star = basis.T
    assert np.linalg.norm(a_star) == pytest.approx(1 / (60.0 * np.sin(np.radians(100.0))))
    assert np.linalg.norm(b_star) == pytest.approx(1 / 70.0)
    assert a_star @ c_star / np.linalg.norm(a_star) / np.linalg.norm(c_star) == pytest.approx(np.cos(np.radians(80.0)))


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 10_000), wavelength=st.floats(0.8, 2.0), tolerance=st.floats(1e-4, 5e-3))
def test_points_near_the_sphere_are_those_of_a_full_search(seed: int, wavelength: float, tolerance: float) -> None:
    setting = CrystalSetting(cell=(31.0, 42.0, 57.0, 80.0, 95.0, 103.0))
    crystal = draw_crystal(setting, np.random.default_rng(seed))
    d_min, limits = 4.0, np.array([9, 12, 16])
    grid = np.stack(np.meshgrid(*(np.arange(-n, n + 1) for n in limits), indexing="ij"), -1).reshape(-1, 3)
    points = grid @ crystal.basis.T
    length = np.linalg.norm(points, axis=1)
    off = np.abs(np.linalg.norm(points + np.array([0, 0, 1 / wavelength]), axis=1) - 1 / wavelength)
    wanted = {tuple(g) for g in grid[(off <= tolerance) & (length > 0) & (length <= 1 / d_min)]}
    out = np.empty((50_000, 3), np.int64)
    found = near_ewald_sphere(crystal.basis, (1 / wavelength, tolerance), 1 / d_min, limits, out)
    listed = [tuple(g) for g in out[:found]]
    assert len(listed) == len(set(listed))
    edge = {tuple(g) for g in grid[(np.abs(off - tolerance) < 1e-12) | (np.abs(length - 1 / d_min) < 1e-12)]}
    assert set(listed) - edge == wanted - edge


def test_radius_of_a_ring_follows_braggs_law() -> None:
    # d = 3.2 A at 1.3 A: theta = asin(1.3 / 6.4) = 11.719 degrees; 150 mm x tan(23.438 degrees) = 65.03 mm = 367.4 px
    geometry = Geometry((724, 724), (361.5, 361.5), 0.177, 150.0, 1.3)
    assert geometry.radius(np.array([3.2]))[0] == pytest.approx(367.4, abs=0.1)
    np.testing.assert_allclose(geometry.reciprocal(geometry.radius(np.array([2.0, 9.0]))), [1 / 2.0, 1 / 9.0])


def test_spots_lie_where_the_ewald_construction_puts_them() -> None:
    setting = SETTINGS["LO19"]
    geometry = Geometry.of(setting, (724, 724))
    crystal = draw_crystal(setting.crystal, np.random.default_rng(3))
    spots = reflections_on_detector(crystal, setting.crystal, setting.beam, geometry)
    x, y = (spots.x - geometry.centre[0]) * 0.177, (spots.y - geometry.centre[1]) * 0.177
    scattered = np.stack([x, y, np.full(len(x), 112.0)], axis=1)
    scattered /= np.linalg.norm(scattered, axis=1)[:, None] * 1.181
    indices = (scattered - np.array([0, 0, 1 / 1.181])) @ np.linalg.inv(crystal.basis).T
    strong = spots.photons > np.quantile(spots.photons, 0.8)
    assert len(spots) > 100
    assert np.abs(indices - np.rint(indices))[strong].max() < 0.15


def test_finite_crystals_and_bandwidth_widen_spots() -> None:
    setting = SETTINGS["LN83"]
    geometry = Geometry.of(setting, (724, 724))
    crystal = draw_crystal(setting.crystal, np.random.default_rng(0))
    narrow = reflections_on_detector(crystal, setting.crystal, BeamSetting(1.305, bandwidth=1e-5), geometry)
    wide = reflections_on_detector(crystal, setting.crystal, BeamSetting(1.305, bandwidth=6e-3), geometry)
    assert len(wide) > 1.3 * len(narrow)
    assert np.median(wide.covariance[:, 0] + wide.covariance[:, 2]) > 2 * np.median(
        narrow.covariance[:, 0] + narrow.covariance[:, 2]
    )


def test_intensities_follow_wilsons_acentric_statistics() -> None:
    grid = np.stack(np.meshgrid(np.arange(1, 40), np.arange(1, 40), np.arange(1, 40)), -1).reshape(-1, 3)
    intensity = wilson_intensity(grid, CrystalSetting(cell=(50.0,) * 3 + (90.0,) * 3, laue="-1"))
    assert intensity.mean() == pytest.approx(1.0, abs=0.02)
    assert (intensity**2).mean() == pytest.approx(2.0, abs=0.1)
    assert np.corrcoef(intensity[:-1], intensity[1:])[0, 1] == pytest.approx(0.0, abs=0.02)


EQUIVALENTS = {
    "-1": [[2, 3, 5], [-2, -3, -5]],
    "2/m": [[2, 3, 5], [-2, 3, -5], [2, -3, 5], [-2, -3, -5]],
    "mmm": [[2, 3, 5], [-2, 3, 5], [2, -3, 5], [2, 3, -5]],
    "4/mmm": [[2, 3, 5], [3, 2, 5], [-3, 2, 5], [2, 3, -5]],
    "6/mmm": [[2, 3, 5], [3, 2, 5], [-5, 2, 5], [3, -5, 5], [-2, -3, -5]],
}


@pytest.mark.parametrize("laue", EQUIVALENTS)
def test_equivalent_reflections_are_equally_strong(laue: str) -> None:
    setting = CrystalSetting(cell=(50.0,) * 3 + (90.0,) * 3, laue=laue)  # type: ignore[arg-type]
    assert np.ptp(wilson_intensity(np.array(EQUIVALENTS[laue]), setting)) == 0.0


def test_lower_symmetry_tells_apart_what_higher_symmetry_does_not() -> None:
    pair = np.array([[2, 3, 5], [-2, 3, 5]])
    assert np.ptp(wilson_intensity(pair, CrystalSetting(cell=(50.0,) * 3 + (90.0,) * 3, laue="2/m"))) > 0.0


@pytest.mark.parametrize(("centring", "share"), [("P", 1.0), ("C", 0.5), ("I", 0.5), ("F", 0.25)])
def test_centring_removes_its_share(centring: str, share: float) -> None:
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20), np.arange(20)), -1).reshape(-1, 3)
    setting = CrystalSetting(cell=(50.0,) * 3 + (90.0,) * 3, centring=centring)  # type: ignore[arg-type]
    assert (wilson_intensity(grid, setting) > 0).mean() == pytest.approx(share)
