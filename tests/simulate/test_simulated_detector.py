"""Photons to numbers: exact Poisson counts, the blur's share of the noise, scatter at the level asked for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage, stats

from sfx_label.simulate import SETTINGS
from sfx_label.simulate.background import Backdrop, central_slices, radial_profile
from sfx_label.simulate.detector import Camera, blur_taps
from sfx_label.simulate.geometry import Geometry
from sfx_label.simulate.kernels import LOG_FACTORIAL, add_gaussians, blur, photon_counts, visibility
from sfx_label.simulate.settings import DetectorSetting, Ring


def state(seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(1, 2**64 - 1, 4, dtype=np.uint64)


@pytest.mark.parametrize("mean", [0.05, 0.7, 4.0, 9.9, 10.1, 35.0, 400.0, 3000.0])
def test_counts_are_poisson(mean: float) -> None:
    counts = np.full((500, 500), mean, np.float32)
    photon_counts(counts, state(), LOG_FACTORIAL)
    low, high = stats.poisson.ppf([1e-3, 1 - 1e-3], mean)
    edges = np.unique(np.linspace(low, high, 25).round())
    observed = np.histogram(counts, np.concatenate([[-0.5], edges + 0.5, [np.inf]]))[0]
    expected = np.diff(np.concatenate([[0.0], stats.poisson.cdf(edges, mean), [1.0]])) * counts.size
    chi_squared = ((observed - expected) ** 2 / expected).sum()
    assert stats.chi2.sf(chi_squared, len(expected) - 1) > 1e-4


def test_no_photons_where_none_are_expected() -> None:
    counts = np.zeros((20, 20), np.float32)
    photon_counts(counts, state(), LOG_FACTORIAL)
    assert not counts.any()


@pytest.mark.parametrize(("spread", "halo"), [(0.0, 0.0), (0.3, 0.0), (0.55, 0.02), (0.9, 0.06)])
def test_blur_keeps_the_signal_and_agrees_with_a_plain_convolution(spread: float, halo: float) -> None:
    taps = blur_taps(spread, halo)
    assert taps.sum() == pytest.approx(1.0, abs=1e-6)
    assert taps.tolist() == taps[::-1].tolist()
    image = np.random.default_rng(0).random((40, 50)).astype(np.float32)
    wanted = ndimage.convolve1d(ndimage.convolve1d(image, taps, 0, mode="nearest"), taps, 1, mode="nearest")
    blur(image, taps, np.empty_like(image))
    np.testing.assert_allclose(image, wanted, atol=1e-5)


def flat_camera(setting: DetectorSetting, shape: tuple[int, int] = (400, 400)) -> Camera:
    geometry = Geometry(shape, (shape[1] / 2, shape[0] / 2), 0.177, 150.0, 1.3)
    return Camera.build(setting, geometry, np.dtype("int16"), np.random.default_rng(0))


def test_noise_is_what_the_camera_says() -> None:
    setting = DetectorSetting(hole_radius_px=0.0, flat_field=0.0, hot_pixels=0.0, dead_pixels=0.0, gain=3.0)
    camera = flat_camera(setting)
    image = np.full((400, 400), 60.0, np.float32)
    camera.expose(image, (np.array([], np.int64), np.array([])), state())
    one, nine = camera.noise(np.array([60.0]))
    assert image.mean() == pytest.approx(190.0, abs=0.3)
    assert image.std() == pytest.approx(one[0], rel=0.02)
    sums = ndimage.uniform_filter(image, 3)[2:-2, 2:-2] * 9
    assert sums.std() == pytest.approx(nine[0], rel=0.04)


def test_neighbours_share_noise_as_on_the_real_camera() -> None:
    setting = replace(SETTINGS["LN84"].detector, hole_radius_px=0.0, flat_field=0.0)
    image = np.full((400, 400), 300.0, np.float32)
    flat_camera(setting).expose(image, (np.array([], np.int64), np.array([])), state())
    noise = np.clip(image - np.median(image), -80, 80)
    near, next_but_one = ((noise[:, k:] * noise[:, :-k]).mean() / noise.var() for k in (1, 2))
    assert 0.2 < near < 0.5
    assert abs(next_but_one) < 0.08


def test_fixed_pixels_keep_their_value_and_numbers_their_limits() -> None:
    setting = DetectorSetting(panels=(100, 190), gap_px=(10, 20), gap_value=-1.0, hole_value=0.0, saturation=500.0)
    camera = flat_camera(setting)
    image = np.full((400, 400), 1e4, np.float32)
    camera.expose(image, (np.array([0]), np.array([1e6])), state())
    assert image.max() == 500.0
    assert (image[100:110] == -1.0).all()
    assert (image[:, 190:210] == -1.0).all()
    assert image[180, 215] == 0.0
    assert camera.blind[105, 5]


@pytest.mark.parametrize("name", ["LN83", "LN84", "LO19", "HARD"])
def test_background_has_the_level_asked_for(name: str) -> None:
    setting = SETTINGS[name]
    shape = (800, 760)
    backdrop = Backdrop.build(setting, Geometry.of(setting, shape))
    profile = radial_profile(setting.background, backdrop.reciprocal, np.ones(4))
    out = np.empty(shape, np.float32)
    backdrop.paint(profile, 37.0, out)
    y, x = np.indices(shape)
    centre = Geometry.of(setting, shape).centre
    crop = central_slices(shape)
    outside = np.hypot(x - centre[0], y - centre[1])[crop] > setting.detector.hole_radius_px
    assert out[crop].sum() / outside.sum() == pytest.approx(37.0, rel=1e-3)
    assert out[int(centre[1]), int(centre[0])] < 0.01


def test_a_powder_ring_lies_at_its_spacing() -> None:
    setting = SETTINGS["LN83"]
    geometry = Geometry.of(setting, (724, 724))
    backdrop = Backdrop.build(setting, geometry)
    choices: tuple[tuple[Ring, ...], ...] = ((), (Ring(3.67, 0.01, 5.0),))
    plain, ringed = (radial_profile(setting.background, backdrop.reciprocal, np.ones(4), rings) for rings in choices)
    assert np.argmax(ringed - plain) / 4 == pytest.approx(geometry.radius(np.array([3.67]))[0], abs=0.5)


def test_gaussians_keep_their_photons_and_visibility_is_what_is_painted() -> None:
    x, y, photons = np.array([20.3]), np.array([17.8]), np.array([1000.0])
    covariance = np.array([[0.6, 0.2, 0.9]])
    image = np.zeros((40, 40), np.float32)
    add_gaussians(image, x, y, photons, covariance)
    assert image.sum() == pytest.approx(1000.0, rel=0.01)
    out = np.empty((1, 2))
    visibility(x, y, photons, covariance, 0.0, out)
    assert out[0, 0] == pytest.approx(image.max(), rel=1e-5)
    assert out[0, 1] == pytest.approx(image[17:20, 19:22].sum(), rel=1e-5)
