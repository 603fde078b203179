"""Window sums that slide over a frame: what contrast normalisation and spot finding are both made of.

A window slides down the frame as two rows of column sums, of the pixels and of their squares; along the row, the sums
of ``window`` neighbours are differences of running totals. So a pixel is read twice (as it enters and as it leaves),
no frame-sized array is made, and the cost does not depend on the window.

Integers are summed in 32 bits modulo 2^32. With ``n`` pixels in a window, and ``S1`` and ``S2`` the sums of pixels and
of squares, ``n S2 - S1^2`` does not change when all pixels are shifted, and is at most ``(n range / 2)^2``; while that
stays below 2^32 it comes out exact, whatever the sums did on the way. Frames of a wider range, and floats, are summed
in float64 about an offset near the mean.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import float32, int32, njit
from numpy.typing import NDArray

__all__ = [
    "EMPTY_MASK",
    "add_good",
    "add_narrow",
    "add_wide",
    "compiled",
    "fits_narrow",
    "frame_moments",
    "slide_narrow",
    "slide_wide",
    "sums_along",
    "window_sums",
]

EMPTY_MASK: NDArray[np.bool_] = np.empty((0, 0), np.bool_)

_FAST = {"nnan", "ninf", "nsz", "contract", "reassoc"}
_UNROLLED = 5  # px; the paper's window is summed directly, which takes half the time of running totals


def compiled(function: Any) -> Any:
    """Compile once, keep on disk, and let go of the interpreter lock."""
    return njit(nogil=True, cache=True, fastmath=_FAST, error_model="numpy")(function)


# --- one number for the whole crop -----------------------------------------------------------------------------------


@compiled
def _short_moments(pixels: Any, offset: Any) -> Any:
    total, squares = float32(0), float32(0)
    for j in range(pixels.size):
        value = float32(pixels[j]) - offset
        total += value
        squares += value * value
    return total, squares


@compiled
def _long_moments(pixels: Any, offset: float) -> tuple[float, float]:
    total, squares = 0.0, 0.0
    for j in range(pixels.size):
        value = pixels[j] - offset
        total += value
        squares += value * value
    return total, squares


@compiled
def _good_moments(pixels: Any, good: Any, offset: float) -> tuple[float, float, int]:
    total, squares, count = 0.0, 0.0, 0
    for j in range(pixels.size):
        value = pixels[j] - offset if good[j] else 0.0
        total += value
        squares += value * value
        count += good[j]
    return total, squares, count


@compiled
def _rough_level(frame: Any, good: Any, masked: bool, origin: Any, shape: Any) -> float:
    """Mean of every 16th row and column: an offset near enough to lose no digits."""
    total, count = 0.0, 0
    for i in range(origin[0], origin[0] + shape[0], 16):
        for j in range(origin[1], origin[1] + shape[1], 16):
            if not masked or good[i, j]:
                total += frame[i, j]
                count += 1
    return np.floor(total / max(count, 1))  # type: ignore[no-any-return]


@compiled
def frame_moments(frame: Any, good: Any, masked: bool, short: bool, origin: Any, shape: Any) -> Any:
    """Offset near the mean, and deviation (n - 1), of the good pixels of a crop."""
    offset = _rough_level(frame, good, masked, origin, shape)
    total, squares, count = 0.0, 0.0, 0
    stop = origin[1] + shape[1]
    for i in range(origin[0], origin[0] + shape[0]):
        pixels = frame[i][origin[1] : stop]
        if masked:
            first, second, n = _good_moments(pixels, good[i][origin[1] : stop], offset)
            count += n
        elif short:
            first, second = _short_moments(pixels, float32(offset))
            count += pixels.size
        else:
            first, second = _long_moments(pixels, offset)
            count += pixels.size
        total, squares = total + first, squares + second
    if count < 2:
        return offset, 0.0
    return offset, np.sqrt(max(squares - total * total / count, 0.0) / (count - 1))


@compiled
def _row_span(pixels: Any, good: Any, masked: bool, low: int, high: int) -> tuple[int, int]:
    if masked:
        for j in range(pixels.size):
            if good[j]:
                low, high = min(low, pixels[j]), max(high, pixels[j])
        return low, high
    least, most = pixels[0], pixels[0]
    for j in range(pixels.size):
        most = max(most, pixels[j])
    for j in range(pixels.size):
        least = min(least, pixels[j])
    return min(low, least), max(high, most)


@compiled
def fits_narrow(frame: Any, good: Any, masked: bool, origin: Any, shape: Any, count: int) -> bool:
    """Tell whether windows of ``count`` integer pixels can be summed modulo 2^32: ``(count range / 2)^2 < 2^32``."""
    low, high, stop = 2**62, -(2**62), origin[1] + shape[1]
    for i in range(origin[0], origin[0] + shape[0]):
        row_good = good[i][origin[1] : stop] if masked else good[0:0, 0]
        low, high = _row_span(frame[i][origin[1] : stop], row_good, masked, low, high)
        if (high - low) * count >= 2**17:
            return False
    return True


# --- sliding down: column sums ---------------------------------------------------------------------------------------


@compiled
def slide_narrow(entering: Any, leaving: Any, sums: Any, squares: Any) -> None:
    """Let one row of integers enter the column sums and one leave."""
    for j in range(sums.size):
        new, old = int32(entering[j]), int32(leaving[j])
        sums[j] += int32(new - old)
        squares[j] += int32(int32(new - old) * int32(new + old))


@compiled
def slide_wide(entering: Any, leaving: Any, offset: float, sums: Any, squares: Any) -> None:
    """Let one row of numbers, about an offset, enter the column sums and one leave."""
    for j in range(sums.size):
        new, old = entering[j] - offset, leaving[j] - offset
        sums[j] += new - old
        squares[j] += new * new - old * old


@compiled
def add_narrow(pixels: Any, sign: int, sums: Any, squares: Any) -> None:
    """Add (sign 1) or take away (-1) one row of integers."""
    for j in range(sums.size):
        value = int32(pixels[j])
        sums[j] += int32(sign * value)
        squares[j] += int32(sign * int32(value * value))


@compiled
def add_wide(pixels: Any, sign: int, offset: float, sums: Any, squares: Any) -> None:
    """Add (sign 1) or take away (-1) one row of numbers, about an offset."""
    for j in range(sums.size):
        value = pixels[j] - offset
        sums[j] += sign * value
        squares[j] += sign * value * value


@compiled
def add_good(pixels: Any, good: Any, sign: int, offset: float, sums: Any, squares: Any, counts: Any) -> None:
    """Add or take away the good pixels of one row of numbers, about an offset."""
    for j in range(sums.size):
        value = pixels[j] - offset if good[j] else 0.0
        sums[j] += sign * value
        squares[j] += sign * value * value
        counts[j] += int32(sign * good[j])


# --- along the row: window sums --------------------------------------------------------------------------------------


@compiled
def running_total(columns: Any, totals: Any) -> None:
    """Sum up to each column: ``totals[j] = columns[0] + ... + columns[j - 1]``; 32-bit integers wrap."""
    total = totals[0] * 0
    totals[0] = total
    for j in range(columns.size):
        totals[j + 1] = totals[j] + columns[j]


@compiled
def _between(totals: Any, beyond: Any, sums: Any) -> None:
    for j in range(sums.size):
        sums[j] = beyond[j] - totals[j]


@compiled
def window_sums(columns: Any, window: int, totals: Any, sums: Any) -> None:
    """Sum ``window`` neighbouring columns, for each of the ``columns.size - window + 1`` places."""
    running_total(columns, totals)
    _between(totals, totals[window:], sums)


@compiled
def _unrolled_sums(columns: Any, sums: Any) -> None:
    for j in range(sums.size):
        sums[j] = columns[j] + columns[j + 1] + columns[j + 2] + columns[j + 3] + columns[j + 4]


@compiled
def sums_along(columns: Any, window: int, totals: Any, sums: Any) -> None:
    """Window sums by the quicker of the two ways."""
    if window == _UNROLLED:
        _unrolled_sums(columns, sums)
    else:
        window_sums(columns, window, totals, sums)
