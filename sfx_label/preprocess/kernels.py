"""Window sums that slide over a frame: contrast normalisation and row-wise decomposition in one pass.

A window slides down the frame as two rows of column sums (of the pixels and of their squares); along the row, sums of
``window`` neighbours are put together from sums of 1, 2, 4, ... neighbours. So a pixel is read twice (as it enters and
as it leaves), no frame-sized array is made, and the cost hardly depends on the window.

With ``n`` pixels in a window, ``S1`` and ``S2`` the sums of pixels and of squares,

    z = (x - mean) / deviation = (n x - S1) / sqrt(n S2 - S1^2),

and its square with the sign kept, ``q = sign(z) z^2``, grows as ``z`` does; so the largest and smallest ``z`` of a row
need one division a pixel and no root. Global contrast normalisation drops out: it is one shift and one scale, and
both leave ``z`` as it is as long as the floor is scaled too.
"""

# ruff: noqa: PLR0917  compiled functions take their arguments by position

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["FLOOR_GLOBAL", "FLOOR_MEAN_DEVIATION", "contrast", "frame_statistics", "row_extremes"]

FLOOR_GLOBAL = 0
FLOOR_MEAN_DEVIATION = 1

_FAST = {"nnan", "nsz", "contract", "reassoc"}
_TINY = 1e-300  # keeps 0 / 0 of a constant frame at 0


def _kernel(function: Any) -> Any:
    """Compile once, keep on disk, and let go of the interpreter lock."""
    return njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")(function)


@_kernel
def frame_statistics(frame: Any, good: Any, masked: bool, origin: Any, shape: Any) -> tuple[float, float, int]:
    """Mean, deviation (n - 1) and number of the good pixels of a crop, in two numerically safe passes."""
    total, count = 0.0, 0
    for i in range(shape[0]):
        row = frame[origin[0] + i]
        for j in range(origin[1], origin[1] + shape[1]):
            if not masked or good[origin[0] + i, j]:
                total += row[j]
                count += 1
    if count == 0:
        return 0.0, 0.0, 0
    mean = total / count
    squares = 0.0
    for i in range(shape[0]):
        row = frame[origin[0] + i]
        for j in range(origin[1], origin[1] + shape[1]):
            if not masked or good[origin[0] + i, j]:
                squares += (row[j] - mean) ** 2
    return mean, np.sqrt(squares / max(count - 1, 1)), count


@_kernel
def _enter_row(pixels: Any, offset: float, sums: Any, squares: Any) -> None:
    for j in range(pixels.size):
        value = pixels[j] - offset
        sums[j] += value
        squares[j] += value * value


@_kernel
def _leave_row(pixels: Any, offset: float, sums: Any, squares: Any) -> None:
    for j in range(pixels.size):
        value = pixels[j] - offset
        sums[j] -= value
        squares[j] -= value * value


@_kernel
def _enter_good(pixels: Any, good: Any, offset: float, sums: Any, squares: Any, counts: Any) -> None:
    for j in range(pixels.size):
        value = pixels[j] - offset if good[j] else 0.0
        sums[j] += value
        squares[j] += value * value
        counts[j] += good[j]


@_kernel
def _leave_good(pixels: Any, good: Any, offset: float, sums: Any, squares: Any, counts: Any) -> None:
    for j in range(pixels.size):
        value = pixels[j] - offset if good[j] else 0.0
        sums[j] -= value
        squares[j] -= value * value
        counts[j] -= good[j]


@_kernel
def _add_shifted(target: Any, source: Any, shift: int, size: int) -> None:
    for j in range(size):
        target[j] += source[j + shift]


@_kernel
def _pair_up(target: Any, source: Any, shift: int, size: int) -> None:
    for j in range(size):
        target[j] = source[j] + source[j + shift]


@_kernel
def along_row(columns: Any, window: int, total: Any, spare: Any) -> None:
    """Add up ``window`` neighbours: ``total[j] = columns[j] + ... + columns[j + window - 1]``.

    ``spare`` holds two rows of ``columns.size``: the sums of 1, 2, 4, ... neighbours replace each other there.
    """
    width = columns.size - window + 1
    total[:width] = 0.0
    powers, size, shift, turn = columns, 1, 0, 0
    while True:
        if window & size:
            _add_shifted(total, powers, shift, width)
            shift += size
        if 2 * size > window:
            return
        _pair_up(spare[turn], powers, size, columns.size - 2 * size + 1)
        powers, size, turn = spare[turn], 2 * size, 1 - turn


@_kernel
def _moments(pixels: Any, offset: float, count: float, sums: Any, squares: Any, size: int) -> None:
    """Turn window sums into the numerator and the squared denominator of z, in place."""
    for j in range(size):
        total = sums[j]
        sums[j] = count * (pixels[j] - offset) - total
        squares[j] = max(count * squares[j] - total * total, 0.0)


@_kernel
def _moments_good(pixels: Any, good: Any, offset: float, counts: Any, sums: Any, squares: Any, size: int) -> None:
    for j in range(size):
        total, count = sums[j], counts[j]
        sums[j] = count * (pixels[j] - offset) - total if good[j] else 0.0
        squares[j] = max(count * squares[j] - total * total, 0.0)


@_kernel
def _sum_of_deviations(squares: Any, counts: Any, good: Any, size: int) -> float:
    total = 0.0
    for j in range(size):
        if good[j]:
            total += np.sqrt(squares[j]) / max(counts[j], 1.0)
    return total


@_kernel
def _signed_squares(numerator: Any, squares: Any, counts: Any, floor: float, size: int) -> None:
    for j in range(size):
        least = counts[j] * floor
        numerator[j] = numerator[j] * abs(numerator[j]) / max(squares[j], least * least + _TINY)


@_kernel
def row_extremes(values: Any, size: int) -> tuple[float, float]:
    """Largest and smallest of a row, by halving: the form of the reduction that becomes vector code."""
    high, low = values[0], values[0]
    for j in range(1, size):
        high = max(high, values[j])
        low = min(low, values[j])
    return high, low


@_kernel
def _signed_root(value: float) -> float:
    return float(np.sqrt(value) if value > 0 else -np.sqrt(-value))


@_kernel
def _good_extremes(values: Any, good: Any, size: int) -> tuple[float, float]:
    high, low = -np.inf, np.inf
    for j in range(size):
        if good[j]:
            high = max(high, values[j])
            low = min(low, values[j])
    return (high, low) if high >= low else (0.0, 0.0)


@_kernel
def _sweep(
    frame: Any, good: Any, masked: bool, origin: Any, shape: Any, window: int, offset: float, floor: float,
    measure_floor: bool, ranges: Any, picture: Any,
) -> float:  # fmt: skip
    """Slide once over the crop: sum of the window deviations, or ranges (and picture) of z."""
    top, left, height, width = origin[0], origin[1], shape[0], shape[1]
    across, half = width - window + 1, window // 2
    sums, squares, counts = np.zeros(width), np.zeros(width), np.zeros(width)
    window_sums, window_squares, window_counts = np.empty(width), np.empty(width), np.full(width, 1.0 * window * window)
    spare, all_good = np.empty((2, width)), np.ones(width, np.bool_)
    deviations = 0.0
    for i in range(height):
        pixels = frame[top + i][left : left + width]
        row_good = good[top + i][left : left + width] if masked else all_good
        if masked:
            _enter_good(pixels, row_good, offset, sums, squares, counts)
        else:
            _enter_row(pixels, offset, sums, squares)
        if i < window - 1:
            continue
        first = top + i - window + 1
        along_row(sums, window, window_sums, spare)
        along_row(squares, window, window_squares, spare)
        centre = frame[first + half][left + half : left + width]
        centre_good = good[first + half][left + half : left + width] if masked else all_good
        if masked:
            along_row(counts, window, window_counts, spare)
            _moments_good(centre, centre_good, offset, window_counts, window_sums, window_squares, across)
        else:
            _moments(centre, offset, 1.0 * window * window, window_sums, window_squares, across)
        if measure_floor:
            deviations += _sum_of_deviations(window_squares, window_counts, centre_good, across)
        else:
            _signed_squares(window_sums, window_squares, window_counts, floor, across)
            high, low = _good_extremes(window_sums, centre_good, across)
            ranges[i - window + 1] = _signed_root(high) - _signed_root(low)
            if picture.shape[0] > 0:
                for j in range(across):
                    picture[i - window + 1, j] = _signed_root(window_sums[j])
        leaving = frame[first][left : left + width]
        if masked:
            _leave_good(leaving, good[first][left : left + width], offset, sums, squares, counts)
        else:
            _leave_row(leaving, offset, sums, squares)
    return deviations


@_kernel
def _count_good(good: Any, origin: Any, shape: Any) -> int:
    count = 0
    for i in range(origin[0], origin[0] + shape[0]):
        for j in range(origin[1], origin[1] + shape[1]):
            count += good[i, j]
    return count


@_kernel
def contrast(
    frame: Any, good: Any, masked: bool, origin: Any, shape: Any, window: int, floor_kind: int, ranges: Any,
    picture: Any,
) -> None:  # fmt: skip
    """Row-wise ranges of z, and z itself where ``picture`` is not empty.

    Parameters
    ----------
    frame
        C-contiguous numbers, (rows, columns).
    good
        C-contiguous bools of the same shape; ignored, and may be empty, unless ``masked``.
    masked
        Take window statistics over good pixels only.
    origin, shape
        First row and column, and number of rows and columns, of the crop in pixels.
    window
        Odd side of the window in pixels, not above the sides of the crop.
    floor_kind
        ``FLOOR_GLOBAL`` (one deviation of the whole crop) or ``FLOOR_MEAN_DEVIATION`` (mean of the window deviations).
    ranges
        Receives max z - min z of each of the ``shape[0] - window + 1`` rows.
    picture
        Receives z, ``(shape[0] - window + 1, shape[1] - window + 1)``; an empty array if not wanted.
    """
    mean, deviation, _ = frame_statistics(frame, good, masked, origin, shape)
    floor = deviation
    if floor_kind == FLOOR_MEAN_DEVIATION:
        inner_origin = (origin[0] + window // 2, origin[1] + window // 2)
        inner_shape = (shape[0] - window + 1, shape[1] - window + 1)
        count = _count_good(good, inner_origin, inner_shape) if masked else inner_shape[0] * inner_shape[1]
        total = _sweep(frame, good, masked, origin, shape, window, mean, 0.0, True, ranges, picture)
        floor = total / max(count, 1)
    _sweep(frame, good, masked, origin, shape, window, mean, floor, False, ranges, picture)


EMPTY_PICTURE: NDArray[np.float32] = np.empty((0, 0), np.float32)
EMPTY_MASK: NDArray[np.bool_] = np.empty((0, 0), np.bool_)
