"""The feature vector: stable names, no units, the same defaults for every detector."""

from __future__ import annotations

import numpy as np
import pytest

from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.preprocess.features import FEATURE_NAMES, SPOT_FEATURE_NAMES, frame_features, spot_features
from sfx_label.preprocess.spots import count_spots, find_spots


def crystal(shape, period=37, photons=900.0):
    """A square net of spots, turned by 20 degrees, on a background of 40 photons."""
    y, x = np.indices(shape)
    turned = np.deg2rad(20)
    u = (np.cos(turned) * x + np.sin(turned) * y) % period - period / 2
    v = (np.cos(turned) * y - np.sin(turned) * x) % period - period / 2
    return 40 + photons / (2 * np.pi) * np.exp(-(u**2 + v**2) / 2)


@pytest.mark.parametrize("size", [724, 1765, 2527])
@pytest.mark.parametrize("masked", [False, True])
def test_one_set_of_defaults_serves_every_detector(size, masked):
    """Gain 0.2 to 15, whole numbers and floats, small and large frames, with and without a mask: the same answer."""
    random = np.random.default_rng(size)
    shape = (size, size)
    hit, miss = random.poisson(crystal(shape)), random.poisson(40, shape)
    mask = None
    if masked:
        mask = np.ones(shape, bool)
        mask[size // 2 - 30 : size // 2 + 30, size // 2 - 30 : size // 2 + 30] = False
        mask[:, 195:205] = False
    expected = len(find_spots(hit, mask))
    assert expected > 0.8 * (size / 37) ** 2 * (0.95 if masked else 1)
    for gain, dtype in ((1, np.int16), (15, np.int32), (15, np.int16), (0.2, np.float32), (15, np.float64)):
        found = len(find_spots((hit * gain).astype(dtype), mask))
        assert abs(found - expected) <= 1 + 0.01 * expected
        assert len(find_spots((miss * gain).astype(dtype), mask)) == 0
    assert abs(len(find_spots(np.rint(hit * 0.2).astype(np.uint16), mask)) - expected) <= 0.1 * expected


def test_names_order_and_count(twins):
    frames, _ = twins["TWIN83"]
    recipe = Preprocessing.features()
    features = recipe.apply_many(frames[:6])
    assert recipe.feature_names(frames.shape[1:]) == FEATURE_NAMES
    assert FEATURE_NAMES[: len(SPOT_FEATURE_NAMES)] == SPOT_FEATURE_NAMES
    assert SPOT_FEATURE_NAMES[0] == "spot_count"
    assert np.array_equal(features[:, 0], count_spots(frames[:6]))
    assert np.array_equal(Preprocessing.spots().apply_many(frames[:6]), features[:, : len(SPOT_FEATURE_NAMES)])


def test_gain_and_pedestal_drop_out(twins):
    frames, _ = twins["TWIN19"]
    for frame in frames[:4]:
        plain = frame_features(frame)
        assert np.allclose(frame_features(frame.astype(np.float32) * 3.7 + 500), plain, rtol=0.02, atol=0.02)


def test_a_net_is_regular_and_scattered_spots_are_not():
    random = np.random.default_rng(1)
    net = random.poisson(crystal((500, 500))).astype(np.int16)
    scattered = random.poisson(40, (500, 500)).astype(np.float64)
    y, x = np.indices((500, 500))
    for p, r in random.uniform(20, 480, (len(find_spots(net)), 2)):
        scattered += 150 * np.exp(-((y - p) ** 2 + (x - r) ** 2) / 2)
    place = FEATURE_NAMES.index("distance_regularity")
    assert frame_features(net)[place] > frame_features(scattered.astype(np.int16))[place] + 1


def test_spots_on_a_ring_and_in_a_row():
    random = np.random.default_rng(1)
    y, x = np.indices((400, 400))

    def with_spots(places):
        frame = random.poisson(40, (400, 400)).astype(np.float64)
        for p, r in places:
            frame += 200 * np.exp(-((y - p) ** 2 + (x - r) ** 2) / 2)
        return dict(zip(SPOT_FEATURE_NAMES, spot_features(frame), strict=True))

    angles = np.arange(12) * np.pi / 6 + 0.2
    ring = with_spots(np.column_stack([200 + 120 * np.sin(angles), 200 + 120 * np.cos(angles)]))
    row = with_spots([(150, 30 + 30 * k) for k in range(12)])
    assert ring["spot_count"] == row["spot_count"] == 12
    assert ring["share_on_one_ring"] > 0.9 > row["share_on_one_ring"]
    assert row["share_in_one_row"] == 1 > ring["share_in_one_row"]
    assert row["share_in_one_column"] < 0.2


@pytest.mark.parametrize("value", [0, 7])
def test_empty_frames_give_finite_features(value):
    for frame in (np.full((100, 90), value, np.int16), np.full((100, 90), value, np.float32)):
        features = frame_features(frame)
        assert np.isfinite(features).all()
        assert features[0] == 0
    lost = np.full((100, 90), np.nan, np.float32)
    assert np.isfinite(frame_features(lost)).all()
