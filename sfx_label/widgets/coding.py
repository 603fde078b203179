"""Pixels as they travel to the page: one or two bytes each, with a linear scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.preprocess.pixels import native, usable_pixels

__all__ = ["CodedPlane", "encode", "pooled"]

_BAD = 65535
_CLIP = 65534
_MOST = 65533
_STEPS_PER_DEVIATION = 16
_SAMPLE = 65536
_NONE = -1
_NORMAL_QUARTILE = 1.349  # interquartile range of a normal distribution, in deviations


@dataclass(frozen=True, slots=True)
class CodedPlane:
    """Pixel values as codes: ``value = offset + scale * code``.

    Parameters
    ----------
    codes
        (rows, columns), uint8 or uint16.
    scale, offset
        The line from codes to values.
    bad_code
        Code of pixels without a value; -1 if there are none.
    clip_code
        Code of pixels above the coded range; -1 if there are none.
    exact
        Whether the values that the codes give are the stored ones, rounded nowhere.
    """

    codes: NDArray[np.uint8] | NDArray[np.uint16]
    scale: float = 1.0
    offset: float = 0.0
    bad_code: int = _NONE
    clip_code: int = _NONE
    exact: bool = True

    def values(self) -> NDArray[np.float64]:
        """Return the values that the page will show, (rows, columns); NaN where there is none, inf above the range."""
        values = self.offset + self.scale * self.codes.astype(np.float64)
        values[self.codes == self.bad_code] = np.nan
        values[self.codes == self.clip_code] = np.inf
        return values


def encode(pixels: NDArray[Any], limits: tuple[float, float] | None = None) -> CodedPlane:
    """Code a picture in at most two bytes a pixel.

    Counts of up to 65,533 above the lowest one keep their exact value. Where the range is wider, the steps stay fine
    enough for the noise and what lies above the range gets a code of its own.

    Parameters
    ----------
    pixels
        (rows, columns) of any integer or float type.
    limits
        Lowest and highest value that a float picture can have, where that is known.

    Returns
    -------
    CodedPlane
        Same shape.
    """
    pixels = native(pixels)
    if pixels.dtype in (np.uint8, np.uint16):
        return CodedPlane(np.ascontiguousarray(pixels))
    if limits is not None:
        return _coded(pixels, np.isfinite(pixels), limits[0], (limits[1] - limits[0]) / _MOST, whole=False)
    usable = usable_pixels(pixels)
    good = np.ones(pixels.shape, bool) if usable is None else usable
    if not good.any():
        return CodedPlane(np.full(pixels.shape, _BAD, np.uint16), bad_code=_BAD)
    return _coded(pixels, good, *_line(pixels, good))


def _line(pixels: NDArray[Any], good: NDArray[np.bool_]) -> tuple[float, float, bool]:
    """Offset, scale and whether the scale keeps every value whole."""
    values = pixels[good]
    low, high = float(values.min()), float(values.max())
    sample = values[:: max(1, len(values) // _SAMPLE)].astype(np.float64)
    if pixels.dtype.kind != "f" or bool(np.all(sample == np.rint(sample))):
        start = low if high - low <= _MOST else max(low, float(np.percentile(sample, 0.1)) - 1000)
        return start, 1.0, pixels.dtype.kind != "f" or bool(np.all(values == np.rint(values)))
    quarter, three_quarters = np.percentile(sample, (25, 75))
    step = (three_quarters - quarter) / _NORMAL_QUARTILE / _STEPS_PER_DEVIATION
    whole_range = (high - low) / _MOST
    if step <= 0 or whole_range <= step:
        return low, whole_range or 1.0, False
    return max(low, float(np.percentile(sample, 0.1)) - 256 * step * _STEPS_PER_DEVIATION), float(step), False


def _coded(pixels: NDArray[Any], good: NDArray[np.bool_], offset: float, scale: float, whole: bool) -> CodedPlane:
    steps = np.rint((np.where(good, pixels, 0).astype(np.float64) - offset) / scale)
    above, below = good & (steps > _MOST), good & (steps < 0)
    codes = np.clip(steps, 0, _MOST).astype(np.uint16)
    codes[above] = _CLIP
    codes[~good] = _BAD
    bad_code, clip_code = (_NONE if good.all() else _BAD), (_CLIP if above.any() else _NONE)
    return CodedPlane(codes, scale, offset, bad_code, clip_code, exact=whole and not below.any())


def pooled(plane: CodedPlane, step: int, mask: NDArray[np.bool_] | None = None) -> CodedPlane:
    """Shrink a plane: of each `step` x `step` pixels the highest good one, so that no spot is averaged away.

    Parameters
    ----------
    plane
        (rows, columns).
    step
        Side of the squares in px; those at the right and lower edge may be smaller.
    mask
        True where a pixel may be used, same shape.

    Returns
    -------
    CodedPlane
        (ceil(rows / step), ceil(columns / step)), uint16.
    """
    good = plane.codes != plane.bad_code if plane.bad_code >= 0 else np.ones(plane.codes.shape, bool)
    good = good if mask is None else good & mask
    # 0 stands for "nothing good", so that one maximum does both
    raised = np.where(good, plane.codes.astype(np.uint32) + 1, 0).astype(np.uint32)
    height, width = raised.shape
    padded = np.pad(raised, ((0, -height % step), (0, -width % step)))
    rows = padded.reshape(-1, step, padded.shape[1]).max(axis=1)
    highest = rows.reshape(rows.shape[0], -1, step).max(axis=2)
    empty = highest == 0
    # a plane of 65,536 values has no code to spare: there the highest value gives way
    codes = np.where(empty, _BAD, np.minimum(highest - 1, _BAD - 1 if empty.any() else _BAD)).astype(np.uint16)
    return CodedPlane(codes, plane.scale, plane.offset, _BAD if empty.any() else _NONE, plane.clip_code, exact=False)
