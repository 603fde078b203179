"""LCN and RWD against a slow float64 reference, and the properties that hold for any frame."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sfx_label.errors import FrameReadError
from sfx_label.preprocess.contrast import Preprocessing, central_crop, gcn, lcn
from sfx_label.preprocess.rwd import row_wise_decomposition

NAMES = (
    "int16", "uint8", "negative int32", "uint32 on a pedestal of 4e9", "big-endian", "uint16 of a wide range",
    "saturated", "float32", "float64 on a pedestal of 1e8", "with NaN and infinity", "half precision",
)  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("window", [3, 5, 9, 15, 41])
def test_kernels_agree_with_the_formulas(odd_frames, reference, name, window):
    frame = odd_frames[name]
    mask = np.random.default_rng(window).random(frame.shape) > 0.15
    for floor in ("global", "mean-std"):
        for used in (None, mask):
            expected = reference(frame, window, floor, used)
            found = lcn(frame, window, floor, used)
            assert np.abs(found - expected).max() < 1e-5
            decomposed = Preprocessing("rwd", None, window, floor, used is not None).apply(frame, used)
            # a row range goes over usable pixels; z of the others is 0 and lies between its extremes
            half = window // 2
            good = np.isfinite(frame.astype(float)) if used is None else used & np.isfinite(frame.astype(float))
            ranges = row_wise_decomposition(expected, good[half:-half, half:-half])
            assert np.abs(decomposed - ranges).max() < 1e-5


def test_hand_computed_window():
    """One 3 x 3 window, 9 in the middle of zeros: mean 1, deviation sqrt(8); global deviation 3 (n - 1), so z = 8/3."""
    frame = np.zeros((3, 3), np.int16)
    frame[1, 1] = 9
    assert lcn(frame, 3, "global")[0, 0] == pytest.approx(8 / 3, abs=1e-6)
    assert lcn(frame, 3, "mean-std")[0, 0] == pytest.approx(8 / np.sqrt(8), abs=1e-6)


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.int32, np.float32, np.float64])
@pytest.mark.parametrize("floor", ["global", "mean-std"])
@pytest.mark.parametrize("value", [0, 7, 30000])
def test_constant_frame_gives_finite_zeros(dtype, floor, value):
    frame = np.full((30, 33), value, dtype)
    assert not lcn(frame, 5, floor).any()
    assert not Preprocessing("rwd", None, 5, floor).apply(frame).any()
    assert not gcn(frame).any()


@settings(max_examples=60, deadline=None)
@given(
    frame=arrays.arrays(np.int32, (17, 19), elements=st.integers(-(2**20), 2**20)),
    window=st.sampled_from([3, 5, 9, 15]),
    floor=st.sampled_from(["global", "mean-std"]),
    masked=st.booleans(),
)
def test_z_is_bounded(frame, window, floor, masked):
    """The centre is in its own deviation, so |z| <= sqrt(window^2 - 1): sqrt(24) for the paper's window."""
    mask = np.random.default_rng(0).random(frame.shape) > 0.3 if masked else None
    z = lcn(frame, window, floor, mask)
    assert np.isfinite(z).all()
    assert np.abs(z).max() <= np.sqrt(window**2 - 1) * (1 + 1e-5)


@settings(max_examples=40, deadline=None)
@given(
    frame=arrays.arrays(np.float32, (13, 16), elements=st.floats(width=32, allow_nan=True, allow_infinity=True)),
    floor=st.sampled_from(["global", "mean-std"]),
)
def test_any_float_gives_a_finite_result(frame, floor):
    assert np.isfinite(Preprocessing("rwd", None, 5, floor).apply(frame)).all()


def test_gain_and_pedestal_drop_out(odd_frames):
    frame = odd_frames["int16"]
    for floor in ("global", "mean-std"):
        plain = lcn(frame, 9, floor)
        assert np.allclose(lcn(frame.astype(np.int32) * 15 + 100_000, 9, floor), plain, atol=1e-5)
        assert np.allclose(lcn(gcn(frame), 9, floor), plain, atol=1e-4)


def test_pixels_that_are_not_finite_are_as_masked(odd_frames):
    frame = odd_frames["with NaN and infinity"]
    good = np.isfinite(frame)
    assert np.array_equal(lcn(frame), lcn(np.where(good, frame, 12345).astype(np.float32), mask=good))


def test_frame_without_a_good_pixel():
    frame = np.full((20, 20), np.nan, np.float32)
    assert not lcn(frame).any()
    assert not lcn(np.ones((20, 20), np.int16), mask=np.zeros((20, 20), bool)).any()


def test_gcn_uses_the_deviation_of_torch():
    frame = np.array([[1, 2], [3, 4]])
    assert np.allclose(gcn(frame), (frame - 2.5) / np.sqrt(5 / 3))
    assert gcn(frame, np.array([[True, True], [True, False]]))[1, 1] == 0


def test_central_crop_is_symmetric_and_keeps_small_frames():
    frame = np.arange(1920 * 1920).reshape(1920, 1920)
    assert central_crop(frame, 724)[0, 0] == frame[598, 598]
    assert central_crop(frame, 724).shape == (724, 724)
    assert central_crop(frame[:100, :50], 724).shape == (100, 50)


def test_crop_is_cut_before_contrast_is_normalised(odd_frames):
    frame = np.random.default_rng(4).poisson(20, (90, 120)).astype(np.uint16)
    recipe = Preprocessing("rwd", crop=60)
    assert np.array_equal(recipe.apply(frame), Preprocessing("rwd", None).apply(central_crop(frame, 60).copy()))
    assert np.array_equal(recipe.apply(np.asfortranarray(frame)), recipe.apply(frame))


def test_row_wise_decomposition_by_hand():
    z = np.array([[1.0, -2.0, 0.5], [3.0, 3.0, 3.0], [np.nan, 1.0, -1.0]])
    assert row_wise_decomposition(z).tolist() == [3.0, 0.0, 2.0]
    mask = np.array([[True, False, True], [False, False, False], [True, True, True]])
    assert row_wise_decomposition(z, mask).tolist() == [0.5, 0.0, 2.0]


def test_bad_frames_are_refused_by_name():
    with pytest.raises(FrameReadError, match=r"\(4, 4\)"):
        lcn(np.ones((4, 4)), 5)
    with pytest.raises(FrameReadError, match="select one frame"):
        lcn(np.ones((2, 9, 9)), 5)
    with pytest.raises(FrameReadError, match="mask"):
        lcn(np.ones((9, 9)), 5, mask=np.ones((8, 8), bool))
