"""Local contrast normalisation and row-wise decomposition in one pass over a frame of raw numbers.

With ``n`` pixels in a window, and ``S1`` and ``S2`` the sums of pixels and of squares,

    z = (x - mean) / deviation = (n x - S1) / sqrt(n S2 - S1^2),

and its square with the sign kept, ``q = z |z|``, grows as ``z`` does: so the largest and the smallest ``z`` of a row
need one division a pixel and no root. Global contrast normalisation is a shift and a scale, and drops out exactly as
long as the floor is scaled too: it changes neither the numerator over the root nor the floor over the root.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba import float32, int32, uint32
from numpy.typing import NDArray

from sfx_label.preprocess.kernels import (
    EMPTY_MASK,
    add_good,
    add_narrow,
    add_wide,
    compiled,
    fits_narrow,
    frame_moments,
    slide_narrow,
    slide_wide,
    sums_along,
)

__all__ = ["EMPTY_PICTURE", "FLOOR_GLOBAL", "FLOOR_MEAN_DEVIATION", "normalise", "row_extremes", "signed_root"]

FLOOR_GLOBAL = 0
FLOOR_MEAN_DEVIATION = 1
EMPTY_PICTURE: NDArray[np.float32] = np.empty((0, 0), np.float32)
_TINY = 1e-30  # keeps 0 / 0 of a constant frame at 0


@compiled
def _score_narrow(pixels: Any, count: Any, floor: Any, sums: Any, squares: Any, scores: Any) -> None:
    """Turn sums of all ``count`` pixels into ``q = z |z|``; ``floor`` is that of ``n S2 - S1^2``."""
    for j in range(scores.size):
        total = sums[j]
        above = float32(int32(count * int32(pixels[j]) - total))
        spread = float32(uint32(int32(count * squares[j]) - int32(total * total)))
        scores[j] = above * abs(above) / max(spread, floor)


@compiled
def _score_wide(pixels: Any, offset: float, count: float, floor: float, sums: Any, squares: Any, scores: Any) -> None:
    for j in range(scores.size):
        above = count * (pixels[j] - offset) - sums[j]
        scores[j] = above * abs(above) / max(count * squares[j] - sums[j] * sums[j], floor)


@compiled
def _score_good(pixels: Any, good: Any, offset: float, deviation: float, counts: Any, sums: Any, squares: Any,
                scores: Any) -> None:  # fmt: skip
    """As above, for sums of the good pixels only, whose number differs; ``deviation`` is the floor of s."""
    for j in range(scores.size):
        count = float(counts[j])
        above = count * (pixels[j] - offset) - sums[j] if good[j] else 0.0
        least = count * deviation
        spread = max(count * squares[j] - float(sums[j]) * sums[j], least * least + _TINY)
        scores[j] = above * abs(above) / spread


@compiled
def _spread_narrow(count: Any, sums: Any, squares: Any) -> Any:
    """Sum of ``sqrt(n S2 - S1^2)`` of a row."""
    result = float32(0)
    for j in range(sums.size):
        result += np.sqrt(float32(uint32(int32(count * squares[j]) - int32(sums[j] * sums[j]))))
    return result


@compiled
def _spread_wide(count: float, sums: Any, squares: Any) -> float:
    result = 0.0
    for j in range(sums.size):
        result += np.sqrt(max(count * squares[j] - sums[j] * sums[j], 0.0))
    return result


@compiled
def _deviation_good(good: Any, counts: Any, sums: Any, squares: Any) -> float:
    result = 0.0
    for j in range(sums.size):
        if good[j]:
            count = float(counts[j])
            result += np.sqrt(max(count * squares[j] - float(sums[j]) * sums[j], 0.0)) / count
    return result


# --- over the frame ---------------------------------------------------------------------------------------------------


@compiled
def signed_root(value: float) -> float:
    """From ``z |z|`` to ``z``."""
    return np.sqrt(value) if value > 0 else -np.sqrt(-value)  # type: ignore[no-any-return]


@compiled
def row_extremes(scores: Any, as_signed: Any, as_unsigned: Any) -> tuple[float, float]:
    """Largest and smallest float32 of a row, found as integers, because only those reductions become vector code.

    The bits of positive floats grow with the float when read as signed integers, those of negative floats with its
    size when read as unsigned ones. A row without a number of each sign is searched plainly.
    """
    high, low = int32(-(2**31)), uint32(0)
    for j in range(as_signed.size):
        high = max(high, as_signed[j])
    for j in range(as_unsigned.size):
        low = max(low, as_unsigned[j])
    if high < 0 or low <= 2**31:
        most, least = scores[0], scores[0]
        for j in range(scores.size):
            most, least = max(most, scores[j]), min(least, scores[j])
        return most, least
    bits = np.empty(2, np.uint32)
    bits[0], bits[1] = uint32(high), low
    values = bits.view(np.float32)
    return values[0], values[1]


@compiled
def _good_extremes(scores: Any, good: Any) -> tuple[float, float]:
    low = np.finfo(np.float64).max
    high = -low
    for j in range(scores.size):
        if good[j]:
            high, low = max(high, scores[j]), min(low, scores[j])
    return (high, low) if high >= low else (0.0, 0.0)


@compiled
def _write_picture(scores: Any, row: Any) -> None:
    for j in range(scores.size):
        row[j] = signed_root(scores[j])


@compiled
def _sweep_narrow(frame: Any, origin: Any, shape: Any, window: int, floor: float, measure: bool, ranges: Any,
                  picture: Any) -> float:  # fmt: skip
    """Slide once over integers: mean window deviation, or ranges (and picture) of z."""
    (top, left), (height, width), half, count = origin, shape, window // 2, int32(window * window)
    columns, squares = np.zeros(width, np.int32), np.zeros(width, np.int32)
    totals, across = np.zeros(width + 1, np.int32), width - window + 1
    window_total, window_square = np.empty(across, np.int32), np.empty(across, np.int32)
    scores = np.empty(across, np.float32)
    as_signed, as_unsigned = scores.view(np.int32), scores.view(np.uint32)
    least, spread = float32((count * floor) ** 2 + _TINY), 0.0
    for i in range(top, top + height):
        pixels = frame[i][left : left + width]
        if i < top + window:
            add_narrow(pixels, 1, columns, squares)
        else:
            slide_narrow(pixels, frame[i - window][left : left + width], columns, squares)
        row = i - top - window + 1
        if row < 0:
            continue
        sums_along(columns, window, totals, window_total)
        sums_along(squares, window, totals, window_square)
        if measure:
            spread += _spread_narrow(count, window_total, window_square)
            continue
        _score_narrow(frame[i - half][left + half : left + width], count, least, window_total, window_square, scores)
        high, low = row_extremes(scores, as_signed, as_unsigned)
        ranges[row] = signed_root(high) - signed_root(low)
        if picture.shape[0] > 0:
            _write_picture(scores, picture[row])
    return float(spread / count / across / max(height - window + 1, 1))


@compiled
def _sweep_wide(frame: Any, origin: Any, shape: Any, window: int, offset: float, floor: float, measure: bool,
                ranges: Any, picture: Any) -> float:  # fmt: skip
    """Slide once over numbers of any range, in float64."""
    (top, left), (height, width), half, count = origin, shape, window // 2, 1.0 * window * window
    columns, squares, totals, across = np.zeros(width), np.zeros(width), np.zeros(width + 1), width - window + 1
    window_total, window_square, scores = np.empty(across), np.empty(across), np.empty(across, np.float32)
    as_signed, as_unsigned = scores.view(np.int32), scores.view(np.uint32)
    least, spread = (count * floor) ** 2 + _TINY, 0.0
    for i in range(top, top + height):
        pixels = frame[i][left : left + width]
        if i < top + window:
            add_wide(pixels, 1, offset, columns, squares)
        else:
            slide_wide(pixels, frame[i - window][left : left + width], offset, columns, squares)
        row = i - top - window + 1
        if row < 0:
            continue
        sums_along(columns, window, totals, window_total)
        sums_along(squares, window, totals, window_square)
        if measure:
            spread += _spread_wide(count, window_total, window_square)
            continue
        centre = frame[i - half][left + half : left + width]
        _score_wide(centre, offset, count, least, window_total, window_square, scores)
        high, low = row_extremes(scores, as_signed, as_unsigned)
        ranges[row] = signed_root(high) - signed_root(low)
        if picture.shape[0] > 0:
            _write_picture(scores, picture[row])
    return float(spread / count / across / max(height - window + 1, 1))


@compiled
def _sweep_good(frame: Any, good: Any, origin: Any, shape: Any, window: int, offset: float, floor: float,
                measure: bool, ranges: Any, picture: Any) -> float:  # fmt: skip
    """Slide once over the good pixels only."""
    (top, left), (height, width), half = origin, shape, window // 2
    columns, squares, counts = np.zeros(width), np.zeros(width), np.zeros(width, np.int32)
    totals, count_totals, across = np.zeros(width + 1), np.zeros(width + 1, np.int32), width - window + 1
    window_total, window_square, window_count = np.empty(across), np.empty(across), np.empty(across, np.int32)
    scores, deviations, centres = np.empty(across, np.float32), 0.0, 0
    for i in range(top, top + height):
        add_good(frame[i][left : left + width], good[i][left : left + width], 1, offset, columns, squares, counts)
        row = i - top - window + 1
        if row < 0:
            continue
        sums_along(columns, window, totals, window_total)
        sums_along(squares, window, totals, window_square)
        sums_along(counts, window, count_totals, window_count)
        centre_good = good[i - half][left + half : left + half + across]
        if measure:
            deviations += _deviation_good(centre_good, window_count, window_total, window_square)
            centres += centre_good.sum()
        else:
            centre = frame[i - half][left + half : left + width]
            _score_good(centre, centre_good, offset, floor, window_count, window_total, window_square, scores)
            high, low = _good_extremes(scores, centre_good)
            ranges[row] = signed_root(high) - signed_root(low)
            if picture.shape[0] > 0:
                _write_picture(scores, picture[row])
        leaving = i - window + 1
        add_good(frame[leaving][left : left + width], good[leaving][left : left + width], -1, offset, columns, squares,
                 counts)  # fmt: skip
    return deviations / max(centres, 1)


Sweep = Callable[[float, bool], float]


def _sweep_over(frame: NDArray[Any], good: NDArray[np.bool_] | None, box: Any, window: int, offset: float,
                ranges: NDArray[np.float64], picture: NDArray[np.float32]) -> Sweep:  # fmt: skip
    """Choose the quickest exact sums: ``sweep(floor, measure)``."""
    if good is not None:
        return lambda floor, measure: float(
            _sweep_good(frame, good, *box, window, offset, floor, measure, ranges, picture)
        )
    if frame.dtype.kind in "iu" and fits_narrow(frame, EMPTY_MASK, False, *box, window * window):
        return lambda floor, measure: float(_sweep_narrow(frame, *box, window, floor, measure, ranges, picture))
    return lambda floor, measure: float(_sweep_wide(frame, *box, window, offset, floor, measure, ranges, picture))


def normalise(
    frame: NDArray[Any], good: NDArray[np.bool_] | None, box: tuple[tuple[int, int], tuple[int, int]], window: int,
    floor_kind: int, picture: NDArray[np.float32] = EMPTY_PICTURE,
) -> NDArray[np.float64]:  # fmt: skip
    """Normalise the contrast of a crop, and give the range of z of each row.

    Parameters
    ----------
    frame
        C-contiguous raw numbers in native byte order, (rows, columns).
    good
        C-contiguous, True where a pixel may be used; None for all.
    box
        First row and column, and number of rows and columns, of the crop in px.
    window
        Odd side of the window in px, not above the sides of the crop.
    floor_kind
        `FLOOR_GLOBAL` (one deviation of the whole crop) or `FLOOR_MEAN_DEVIATION` (mean of the window deviations).
    picture
        Receives z, (rows - window + 1, columns - window + 1); empty if it is not wanted.

    Returns
    -------
    NDArray
        max z - min z of each of the rows - window + 1 rows.
    """
    short = frame.dtype.kind in "iu" and frame.dtype.itemsize <= 2
    offset, deviation = frame_moments(frame, EMPTY_MASK if good is None else good, good is not None, short, *box)
    ranges = np.empty(box[1][0] - window + 1)
    sweep = _sweep_over(frame, good, box, window, offset, ranges, picture)
    sweep(deviation if floor_kind == FLOOR_GLOBAL else sweep(0.0, True), False)
    return ranges
