"""The spot finder on real frames, on independent simulations, and on frames made to mislead it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.preprocess.noise import estimate_noise
from sfx_label.preprocess.spots import SpotSettings, count_spots, find_spots


def spots_at(shape, places, photons, spread=0.9):
    y, x = np.indices(shape)
    shapes = [np.exp(-((y - p) ** 2 + (x - r) ** 2) / (2 * spread**2)) for p, r in places]
    return sum(photons * spot / (2 * np.pi * spread**2) for spot in shapes)


@pytest.fixture(scope="module")
def places():
    return [(30.3, 40.2), (31.0, 120.6), (80.0, 77.5), (120.4, 30.9), (125.8, 150.1), (60.0, 170.0)]


# --- real frames -----------------------------------------------------------------------------------------------------


def test_rayonix_still(rayonix):
    """DIALS finds 57 here; the beam hole (rim at 40 px) and the tape's shadow lend themselves to false ones."""
    spots = find_spots(rayonix)
    assert 45 <= len(spots) <= 75
    radius = np.hypot(spots.x - 960, spots.y - 960)
    assert radius.min() > 50
    assert radius.max() < 400  # the crystal stops diffracting well inside the frame
    assert not ((spots.x > 220) & (spots.x < 500) & (spots.y > 1330) & (spots.y < 1410)).any()


def test_thaumatin_stills(thaumatin):
    counts = count_spots(thaumatin)
    assert (counts[1:7] > 300).all()
    assert counts[0] > 100
    assert 22 <= counts[7] <= 42  # DIALS: 31
    assert (counts[8:] == 0).all()


@pytest.mark.parametrize("rotation", [1, 2, 3])
def test_turning_the_frame_turns_the_spots(rayonix, rotation):
    part = rayonix[600:1300, 600:1300]
    assert abs(len(find_spots(np.rot90(part, rotation))) - len(find_spots(part))) <= 2


# --- independent simulations -----------------------------------------------------------------------------------------


def test_plain_count_separates_hits_from_misses_on_the_twins(twins):
    for frames, positive in twins.values():
        assert roc_auc_score(positive, count_spots(frames)) >= 0.998


@pytest.mark.parametrize("gain", [0.2, 15.0])
@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_gain_and_type_hardly_move_the_count(twins, gain, dtype):
    frames, _ = twins["TWIN84"]
    for frame in frames[[1, 2, 3, 4]]:
        plain, scaled = len(find_spots(frame)), len(find_spots((frame * gain).astype(dtype)))
        if dtype is np.float32 or gain > 1:
            assert scaled == plain
        else:
            assert abs(scaled - plain) <= 2 + 0.15 * plain  # whole numbers of 0.2 ADU lose digits of a noise of 3 ADU


# --- few photons -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0, 1e-3, 0.01, 0.1, 0.5, 2, 10, 200])
@pytest.mark.parametrize("gain", [1, 15, 0.2])
def test_photon_noise_has_no_spots(rate, gain):
    photons = np.random.default_rng(int(rate * 1000)).poisson(rate, (600, 700))
    frame = (photons * gain).astype(np.float32) if gain == 0.2 else (photons * gain).astype(np.int32)
    assert len(find_spots(frame)) == 0


@pytest.mark.parametrize("rate", [0, 0.01, 0.1])
def test_spots_on_an_empty_background_are_found(places, rate):
    random = np.random.default_rng(3)
    frame = random.poisson(rate + spots_at((160, 200), places, 60.0)).astype(np.int32)
    assert len(find_spots(frame)) == len(places)


@pytest.mark.parametrize("rate", [0.3, 3, 50])
@pytest.mark.parametrize("gain", [0.3, 1, 20])
def test_photon_size_is_read_from_the_noise(rate, gain):
    frame = np.random.default_rng(2).poisson(rate, (700, 700)) * gain + 100
    assert estimate_noise(frame, None).photon == pytest.approx(gain, rel=0.35)


def test_normal_noise_has_no_photon():
    frame = np.random.default_rng(2).normal(100, 5, (700, 700))
    noise = estimate_noise(frame, None)
    assert noise.photon < 0.5
    assert noise.variance == pytest.approx(25, rel=0.05)


# --- frames made to mislead ------------------------------------------------------------------------------------------


@pytest.fixture
def background():
    return np.random.default_rng(8).poisson(100, (300, 320)).astype(np.int32)


def test_edges_holes_lines_and_rings_are_no_spots(background):
    y, x = np.indices(background.shape)
    step = background.copy()
    step[:, 160:] += 400
    hole = background.copy()
    hole[np.hypot(y - 150, x - 160) < 40] = 0
    line = background.copy()
    line[100], line[:, 77] = line[100] + 150, line[:, 77] + 150
    ring = background + (300 * np.exp(-((np.hypot(y - 150, x - 160) - 90) ** 2) / 4)).astype(np.int32)
    gaps = background.copy()
    gaps[:, 100:110], gaps[200:217] = 0, 0
    for frame in (step, hole, line, ring, gaps):
        assert len(find_spots(frame)) == 0


def test_hot_pixels_and_cosmic_rays_are_no_spots(background):
    frame = background.copy()
    frame[50, 60] = 60_000
    frame[90, 90], frame[91, 91] = 4000, 2500
    assert len(find_spots(frame)) == 0


def test_gaps_codes_and_nan_are_left_out(background, places):
    frame = (background + spots_at(background.shape, places, 5000.0)).astype(np.int32)
    expected = len(find_spots(frame))
    assert expected == len(places)
    coded = frame.copy()
    coded[200:217], coded[:, 250:257] = -1, -2
    hot = coded.copy()
    hot[280, 20:22] = 2**31 - 1
    lost = np.where(coded < 0, np.nan, coded).astype(np.float32)
    top = np.where(coded < 0, 65535, coded).astype(np.uint16)
    for bad in (coded, hot, lost, top):
        assert len(find_spots(bad)) == expected


def test_mask_and_guard_border(background, places):
    frame = (background + spots_at(background.shape, places, 5000.0)).astype(np.int32)
    good = np.ones(frame.shape, bool)
    good[78:83, 75:81] = False
    good[120, 34] = False  # beside a spot, outside its guard of 2 px
    good[60, 172] = False  # within the guard of another
    assert len(find_spots(frame, good)) == len(places) - 2


def test_pedestal_with_negative_values_is_kept(background, places):
    frame = (background + spots_at(background.shape, places, 5000.0) - 100).astype(np.int16)
    assert (frame < 0).sum() > 1000
    assert len(find_spots(frame)) == len(places)


def test_saturated_spots_stay_spots(background, places):
    frame = np.minimum(background + spots_at(background.shape, places, 900_000.0), 65535).astype(np.uint16)
    assert (frame == 65535).sum() >= len(places)
    assert len(find_spots(frame)) == len(places)


def test_neighbours_do_not_hide_each_other(background):
    grid = [(y, x) for y in range(40, 260, 16) for x in range(40, 280, 16)]
    frame = (background + spots_at(background.shape, grid, 900.0)).astype(np.int32)
    assert len(find_spots(frame)) >= 0.95 * len(grid)


# --- the list --------------------------------------------------------------------------------------------------------


def test_positions_intensities_and_order(background, places):
    frame = background.astype(np.float64)
    for k, place in enumerate(places):
        frame += spots_at(background.shape, [place], 4000.0 * (k + 1))
    spots = find_spots(frame)
    assert len(spots) == len(places)
    assert (np.diff(spots.snr) <= 0).all()
    for k, (y, x) in enumerate(places):
        nearest = np.argmin(np.hypot(spots.x - x, spots.y - y))
        assert np.hypot(spots.x[nearest] - x, spots.y[nearest] - y) < 0.2
        assert spots.intensity[nearest] == pytest.approx(4000 * (k + 1), rel=0.1)
        assert spots.n_pixels[nearest] >= 9
    assert list(spots.to_frame().columns) == ["x", "y", "intensity", "snr", "n_pixels"]


def test_resolution_by_hand(background, places):
    """At a radius equal to the distance, 2 theta is 45 degrees: d = 1 / (2 sin 22.5 degrees) = 1.3066 Angstrom."""
    frame = (background + spots_at(background.shape, [(150.0, 260.0)], 9000.0)).astype(np.int32)
    metadata = SimpleNamespace(
        beam_center_px=(160.0, 150.0), pixel_size_mm=0.1, distance_mm=10.0, wavelength_angstrom=1.0
    )
    spots = find_spots(frame, metadata=metadata)
    assert spots.resolution_angstrom == pytest.approx([1.3066], abs=5e-3)
    metadata.distance_mm = None
    assert find_spots(frame, metadata=metadata).resolution_angstrom is None


def test_counting_tells_progress_and_marks_unreadable_frames(background):
    class Frames(list):
        def __getitem__(self, index):
            if index == 1:
                raise FrameReadError("frame 1 is truncated")
            return super().__getitem__(index)

    told = []
    counts = count_spots(Frames([background] * 3), threads=2, progress=lambda done, total: told.append(done))
    assert counts.tolist() == [0, -1, 0]
    assert told == [1, 2, 3]


def test_impossible_requests_are_refused(background):
    with pytest.raises(SfxLabelError, match="odd"):
        SpotSettings(window=14)
    with pytest.raises(FrameReadError, match="15 px"):
        find_spots(background[:10])
    with pytest.raises(FrameReadError, match="mask"):
        find_spots(background, np.ones((4, 4), bool))
