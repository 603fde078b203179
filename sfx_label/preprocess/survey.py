"""One pass over a frame for everything that stands out: seeds of spots, row and column ranges, tile maxima.

Each pixel is held against the annulus around it (a 15 x 15 square without its central 5 x 5, so that a spot does not
raise its own background), in deviations of that annulus. Near the frame's edge the nearest whole annulus serves. The
same sums of the whole square give the locally normalised picture, whose ranges by row and by column come at little
extra cost.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    sums_along,
)
from sfx_label.preprocess.local_contrast import row_extremes, signed_root

__all__ = ["Survey", "survey_frame"]

MOST_SEEDS = 2**17  # a frame with more is no picture of spots
FEWEST_PIXELS = 50  # good pixels in an annulus; with fewer, nothing is known about the pixel inside
TILES = 8  # a side
_TINY = 1e-30


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass found.

    Parameters
    ----------
    seeds
        Row and column of the local maxima above the seed height, (n, 2).
    rows, columns
        Range of z over each row and each column, z normalised over the whole window.
    tiles
        Largest height above the annulus, in its deviations, in each of `TILES` x `TILES` tiles.
    """

    seeds: NDArray[np.int32]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    tiles: NDArray[np.float64]


@compiled
def _annulus(wide: Any, narrow: Any, result: Any) -> None:
    """Take the annulus around each column; the outermost columns take the nearest whole one."""
    edge = (result.size - wide.size) // 2
    inner, middle = result[edge : edge + wide.size], narrow[(narrow.size - wide.size) // 2 :]
    for j in range(wide.size):
        inner[j] = wide[j] - middle[j]
    result[:edge] = inner[0]
    result[edge + wide.size :] = inner[wide.size - 1]


@compiled
def _score_integers(pixels: Any, count: Any, extra: float, sums: Any, squares: Any, scores: Any) -> None:
    """Signed square of (x - mean) / deviation, from 32-bit sums of ``count`` pixels each."""
    least = float32(extra * count * count)
    for j in range(scores.size):
        total = sums[j]
        above = float32(int32(count * int32(pixels[j]) - total))
        scores[j] = above * abs(above) / (float32(uint32(int32(count * squares[j]) - int32(total * total))) + least)


@compiled
def _score_counted(pixels: Any, good: Any, offset: float, extra: float, counts: Any, sums: Any, squares: Any,
                   scores: Any) -> None:  # fmt: skip
    """Signed square of (x - mean) / deviation, from sums of ``counts`` good pixels."""
    for j in range(scores.size):
        count = float(counts[j])
        above = count * (pixels[j] - offset) - sums[j] if good[j] and counts[j] >= FEWEST_PIXELS else 0.0
        spread = max(count * squares[j] - sums[j] * sums[j], 0.0) + extra * count * count + _TINY
        scores[j] = above * abs(above) / spread


@compiled
def _is_summit(frame: Any, good: Any, masked: bool, i: int, j: int) -> bool:
    """Tell whether no usable neighbour is higher; of equal neighbours the first in reading order is the summit."""
    for p in range(max(i - 1, 0), min(i + 2, frame.shape[0])):
        for r in range(max(j - 1, 0), min(j + 2, frame.shape[1])):
            if (p == i and r == j) or (masked and not good[p, r]):
                continue
            if frame[p, r] > frame[i, j] or (frame[p, r] == frame[i, j] and (p < i or (p == i and r < j))):
                return False
    return True


@compiled
def _take_seeds(frame: Any, good: Any, masked: bool, row: int, scores: Any, least: float, seeds: Any, n: int) -> int:
    for j in range(scores.size):
        if scores[j] > least and n < seeds.shape[0] and _is_summit(frame, good, masked, row, j):
            seeds[n, 0], seeds[n, 1] = row, j
            n += 1
    return n


@compiled
def _raise_to(highest: Any, scores: Any) -> None:
    for j in range(scores.size):
        highest[j] = max(highest[j], scores[j])


@compiled
def _lower_to(lowest: Any, scores: Any) -> None:
    for j in range(scores.size):
        lowest[j] = min(lowest[j], scores[j])


@compiled
def _read_row(frame: Any, good: Any, masked: bool, scores: Any, bits: Any, row: int, least: float, seeds: Any, n: int,
              tops: Any) -> int:  # fmt: skip
    """Take the seeds of a row of scores, and its part of the tile maxima."""
    _raise_to(tops[row * TILES // frame.shape[0]], scores)
    high, _ = row_extremes(scores, bits[0], bits[1])
    return _take_seeds(frame, good, masked, row, scores, least, seeds, n) if high > least else n


@compiled
def _rows_served(centre: int, half: int, height: int) -> tuple[int, int]:
    """Tell which rows take the annuli around row ``centre``: itself, and at the ends the rows beyond."""
    return (0 if centre == half else centre), (height if centre == height - 1 - half else centre + 1)


@compiled
def _profile(local: Any, bits: Any, highs: Any, lows: Any) -> float:
    """Range of z of one row, and its part of the extremes of each column."""
    _raise_to(highs, local)
    _lower_to(lows, local)
    high, low = row_extremes(local, bits[0], bits[1])
    return signed_root(high) - signed_root(low)  # type: ignore[no-any-return]


@compiled
def _survey_narrow(frame: Any, window: int, hole: int, extra: float, floor: float, least: float, seeds: Any, rows: Any,
                   extremes: Any, tops: Any) -> int:  # fmt: skip
    """Survey integers of a narrow range, all of them good."""
    (height, width), half, lag, n = frame.shape, window // 2, window // 2 - hole // 2, 0
    square, count = int32(window * window), int32(window * window - hole * hole)
    outer, inner, totals = np.zeros((2, width), np.int32), np.zeros((2, width), np.int32), np.zeros(width + 1, np.int32)
    wide, narrow = np.empty((2, width - window + 1), np.int32), np.empty((2, width - hole + 1), np.int32)
    ring, scores, local = (
        np.empty((2, width), np.int32),
        np.empty(width, np.float32),
        np.empty(wide.shape[1], np.float32),
    )
    bits, local_bits = (scores.view(np.int32), scores.view(np.uint32)), (local.view(np.int32), local.view(np.uint32))
    for i in range(height):
        for sign, row, sums in (
            (1, i, outer),
            (-1, i - window, outer),
            (1, i - lag, inner),
            (-1, i - lag - hole, inner),
        ):
            if row >= 0:
                add_narrow(frame[row], sign, sums[0], sums[1])
        if i < window - 1:
            continue
        for k in range(2):
            sums_along(outer[k], window, totals, wide[k])
            sums_along(inner[k], hole, totals, narrow[k])
            _annulus(wide[k], narrow[k], ring[k])
        first, stop = _rows_served(i - half, half, height)
        for row in range(first, stop):
            _score_integers(frame[row], count, extra, ring[0], ring[1], scores)
            n = _read_row(frame, EMPTY_MASK, False, scores, bits, row, least, seeds, n, tops)
        if rows.size > 0:
            _score_integers(frame[i - half][half : width - half], square, floor, wide[0], wide[1], local)
            rows[i - window + 1] = _profile(local, local_bits, extremes[0], extremes[1])
    return n


@compiled
def _add_row(frame: Any, good: Any, masked: bool, row: int, sign: int, offset: float, sums: Any, counts: Any) -> None:
    if row < 0:
        return
    if masked:
        add_good(frame[row], good[row], sign, offset, sums[0], sums[1], counts)
    else:
        add_wide(frame[row], sign, offset, sums[0], sums[1])


@compiled
def _survey_counted(frame: Any, good: Any, masked: bool, window: int, hole: int, offset: float, extra: float,
                    floor: float, least: float, seeds: Any, rows: Any, extremes: Any, tops: Any) -> int:  # fmt: skip
    """Survey numbers of any range, all of them or the good ones."""
    (height, width), half, lag, n = frame.shape, window // 2, window // 2 - hole // 2, 0
    outer, inner, totals = np.zeros((2, width)), np.zeros((2, width)), np.zeros(width + 1)
    wide, narrow, ring = np.empty((2, width - window + 1)), np.empty((2, width - hole + 1)), np.empty((2, width))
    counts, count_totals = np.zeros((2, width), np.int32), np.zeros(width + 1, np.int32)
    wide_count, narrow_count = np.full(wide.shape[1], window**2, np.int32), np.empty(narrow.shape[1], np.int32)
    ring_count, all_good = np.full(width, window**2 - hole**2, np.int32), np.ones(width, np.bool_)
    scores, local = np.empty(width, np.float32), np.empty(wide.shape[1], np.float32)
    bits, local_bits = (scores.view(np.int32), scores.view(np.uint32)), (local.view(np.int32), local.view(np.uint32))
    for i in range(height):
        _add_row(frame, good, masked, i, 1, offset, outer, counts[0])
        _add_row(frame, good, masked, i - window, -1, offset, outer, counts[0])
        _add_row(frame, good, masked, i - lag, 1, offset, inner, counts[1])
        _add_row(frame, good, masked, i - lag - hole, -1, offset, inner, counts[1])
        if i < window - 1:
            continue
        for k in range(2):
            sums_along(outer[k], window, totals, wide[k])
            sums_along(inner[k], hole, totals, narrow[k])
            _annulus(wide[k], narrow[k], ring[k])
        if masked:
            sums_along(counts[0], window, count_totals, wide_count)
            sums_along(counts[1], hole, count_totals, narrow_count)
            _annulus(wide_count, narrow_count, ring_count)
        first, stop = _rows_served(i - half, half, height)
        for row in range(first, stop):
            row_good = good[row] if masked else all_good
            _score_counted(frame[row], row_good, offset, extra, ring_count, ring[0], ring[1], scores)
            n = _read_row(frame, good, masked, scores, bits, row, least, seeds, n, tops)
        if rows.size > 0:
            inside, pixels = (good[i - half] if masked else all_good)[half:], frame[i - half][half:]
            _score_counted(pixels, inside, offset, floor, wide_count, wide[0], wide[1], local)
            rows[i - window + 1] = _profile(local, local_bits, extremes[0], extremes[1])
    return n


def survey_frame(
    frame: NDArray[Any], good: NDArray[np.bool_] | None, window: int, hole: int, height: float,
    noise: tuple[float, float], profiles: bool = False,
) -> Survey:  # fmt: skip
    """Survey a frame once.

    Parameters
    ----------
    frame
        C-contiguous raw numbers in native byte order, (rows, columns), at least `window` px each way.
    good
        C-contiguous, True where a pixel may be used; None for all.
    window, hole
        Odd sides of the square and of the part left out, in px.
    height
        Least height of a seed, in deviations of its annulus.
    noise
        Variance added to that of the annulus, so that a flat piece of the frame does not make molehills mountains, and
        to that of the window in the profiles; in squared units of the frame.
    profiles
        Work out `Survey.rows` and `Survey.columns`; they are empty otherwise.
    """
    rows, across = max(frame.shape[0] - window + 1, 0), max(frame.shape[1] - window + 1, 0)
    seeds, tops = np.empty((MOST_SEEDS, 2), np.int32), np.zeros((TILES, frame.shape[1]), np.float32)
    ranges, extremes = np.empty(rows if profiles else 0), np.zeros((2, across), np.float32)
    box, collected = ((0, 0), frame.shape), (height**2, seeds, ranges, extremes, tops)
    if good is None and frame.dtype.kind in "iu" and fits_narrow(frame, EMPTY_MASK, False, *box, window * window):
        n = _survey_narrow(frame, window, hole, *noise, *collected)
    else:
        usable, masked = (EMPTY_MASK, False) if good is None else (good, True)
        offset, _ = frame_moments(frame, usable, masked, False, *box)
        n = _survey_counted(frame, usable, masked, window, hole, offset, *noise, *collected)
    starts = np.arange(TILES) * frame.shape[1] // TILES
    columns = np.sqrt(extremes[0]) + np.sqrt(-extremes[1]) if profiles else np.empty(0)
    return Survey(seeds[:n], ranges, columns.astype(np.float64), np.sqrt(np.maximum.reduceat(tops, starts, axis=1)))
