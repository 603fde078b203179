"""Pixels reach the page with the value they have in the file."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sfx_label.widgets.coding import encode, pooled

INTEGERS = [np.uint8, np.int8, np.uint16, np.int16, np.uint32, np.int32]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_short_counts_travel_untouched(dtype: type) -> None:
    pixels = np.array([[0, 1], [np.iinfo(dtype).max, 7]], dtype)
    coded = encode(pixels)
    assert coded.codes.dtype == dtype
    assert coded.exact and coded.bad_code == coded.clip_code == -1
    np.testing.assert_array_equal(coded.codes, pixels)


@given(arrays.arrays(st.sampled_from(INTEGERS), (5, 4), elements={"min_value": 0, "max_value": 100}))
def test_counts_of_a_narrow_range_are_exact(pixels: np.ndarray) -> None:
    coded = encode(pixels)
    assert coded.exact
    np.testing.assert_array_equal(coded.values(), pixels)


def test_a_pedestal_below_zero_is_exact() -> None:
    pixels = np.arange(-300, 300, dtype=np.int32).reshape(20, 30)
    np.testing.assert_array_equal(encode(pixels).values(), pixels)


def test_gaps_have_no_value_and_hot_pixels_are_above_the_range() -> None:
    pixels = np.random.default_rng(1).poisson(10, (100, 100)).astype(np.int32)
    pixels[0, 0], pixels[0, 1], pixels[5, 5] = -1, -2, 5_000_000
    values = encode(pixels).values()
    assert np.isnan(values[0, 0]) and np.isnan(values[0, 1])
    assert values[5, 5] == np.inf
    np.testing.assert_array_equal(values[1:, 6:], pixels[1:, 6:])


def test_float_noise_is_kept_to_a_sixteenth_of_itself_whatever_shines_beside_it() -> None:
    pixels = np.random.default_rng(2).normal(0.5, 0.1, (200, 200)).astype(np.float32)
    pixels[3, 3], pixels[4, 4] = 1e6, np.nan
    coded = encode(pixels)
    values = coded.values()
    assert not coded.exact
    assert np.isnan(values[4, 4]) and values[3, 3] == np.inf
    rest = np.isfinite(values)
    assert np.abs(values[rest] - pixels[rest]).max() < 0.1 / 16
    assert rest.sum() == pixels.size - 2


def test_float_counts_are_exact() -> None:
    pixels = np.random.default_rng(3).poisson(4, (50, 50)).astype(np.float32)
    coded = encode(pixels)
    assert coded.exact
    np.testing.assert_array_equal(coded.values(), pixels)


@pytest.mark.parametrize("value", [0.0, -3.25, 1e-30, np.nan, np.inf])
def test_constant_and_empty_pictures_are_coded(value: float) -> None:
    values = encode(np.full((3, 3), value, np.float32)).values()
    np.testing.assert_allclose(values, np.full((3, 3), value if np.isfinite(value) else np.nan), atol=1e-6)


def test_known_limits_span_the_codes() -> None:
    limit = np.sqrt(24)
    pixels = np.array([[-limit, 0, limit]], np.float32)
    values = encode(pixels, (-limit, limit)).values()
    np.testing.assert_allclose(values, pixels, atol=2 * limit / 65533)


def test_shrinking_keeps_the_highest_good_pixel() -> None:
    pixels = np.zeros((5, 7), np.uint16)
    pixels[0, 0], pixels[4, 6], pixels[2, 2] = 9, 50, 1000
    mask = np.ones((5, 7), bool)
    mask[2, 2] = False
    small = pooled(encode(pixels), 3, mask)
    assert small.codes.tolist() == [[9, 0, 0], [0, 0, 50]]


def test_shrinking_says_where_nothing_is_good() -> None:
    small = pooled(encode(np.full((4, 4), 65535, np.uint16)), 2, np.tri(4, dtype=bool) & False)
    assert small.bad_code == 65535
    assert np.isnan(small.values()).all()
    full = pooled(encode(np.full((2, 2), 65535, np.uint16)), 2)
    assert full.bad_code == -1 and full.codes.tolist() == [[65535]]
