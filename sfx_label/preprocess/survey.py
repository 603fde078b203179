"""One pass over a frame for everything that stands out: seeds of spots, row and column ranges, tile maxima.

Each pixel is held against the square around it, in deviations of that square: local contrast normalisation with a wide
window and hardly any floor, so that the local noise sets the scale. Near the frame's edge the nearest whole square
serves. A spot raises the deviation of its own square, so heights saturate at ``sqrt(window^2 - 1)``; that is enough to
tell where to look, and `judge_seeds` looks closely.
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
    slide_narrow,
    slide_wide,
    window_sums,
)
from sfx_label.preprocess.local_contrast import row_extremes, signed_root

__all__ = ["Survey", "survey_frame"]

MOST_SEEDS = 2**17  # a frame with more is no picture of spots
FEWEST_PIXELS = 50  # good pixels in a square; with fewer, nothing is known about the pixel inside
TILES = 8  # a side


@dataclass(frozen=True, slots=True)
class Survey:
    """What one pass found; heights are in deviations of the square around each pixel.

    Parameters
    ----------
    seeds
        Row and column of the local maxima above the seed height, (n, 2).
    rows, columns
        Highest minus lowest pixel of each row and of each column.
    tiles
        Highest pixel of each of `TILES` x `TILES` tiles.
    """

    seeds: NDArray[np.int32]
    rows: NDArray[np.float64]
    columns: NDArray[np.float64]
    tiles: NDArray[np.float64]


# --- scores of a row: the signed square of the height ----------------------------------------------------------------


@compiled
def _widen(columns: Any, window: int, totals: Any, sums: Any) -> None:
    """Sum the window around each column; the outermost columns take the nearest whole window."""
    half = window // 2
    window_sums(columns, window, totals, sums[half : columns.size - half])
    sums[:half] = sums[half]
    sums[columns.size - half :] = sums[columns.size - half - 1]


@compiled
def _score_integers(pixels: Any, count: Any, least: Any, sums: Any, squares: Any, scores: Any) -> None:
    for j in range(scores.size):
        total = sums[j]
        above = float32(int32(count * int32(pixels[j]) - total))
        spread = float32(uint32(int32(count * squares[j]) - int32(total * total)))
        scores[j] = above * abs(above) / max(spread, least)


@compiled
def _score_numbers(pixels: Any, offset: float, count: float, least: float, sums: Any, squares: Any, scores: Any
                   ) -> None:  # fmt: skip
    for j in range(scores.size):
        above = count * (pixels[j] - offset) - sums[j]
        scores[j] = above * abs(above) / max(count * squares[j] - sums[j] * sums[j], least)


@compiled
def _score_good(pixels: Any, good: Any, offset: float, least: float, counts: Any, sums: Any, squares: Any, scores: Any
                ) -> None:  # fmt: skip
    for j in range(scores.size):
        count = float(counts[j])
        above = count * (pixels[j] - offset) - sums[j] if good[j] and counts[j] >= FEWEST_PIXELS else 0.0
        spread = max(count * squares[j] - sums[j] * sums[j], least * max(count * count, 1.0))
        scores[j] = above * abs(above) / spread


# --- what is taken from a row of scores ------------------------------------------------------------------------------


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
def _take_seeds(frame: Any, good: Any, masked: bool, row: int, scores: Any, height: float, seeds: Any, n: int) -> int:
    for j in range(scores.size):
        if scores[j] > height and n < seeds.shape[0] and _is_summit(frame, good, masked, row, j):
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
def _take_row(frame: Any, good: Any, masked: bool, row: int, scores: Any, bits: Any, height: float, found: Any, n: int
              ) -> int:  # fmt: skip
    """Take the seeds of a row of scores, and its part of the ranges and of the tile maxima."""
    seeds, ranges, lows, tops = found
    high, low = row_extremes(scores, bits[0], bits[1])
    _raise_to(tops[row * TILES // frame.shape[0]], scores)
    if ranges.size > 0:
        ranges[row] = signed_root(high) - signed_root(low)
        _lower_to(lows, scores)
    return _take_seeds(frame, good, masked, row, scores, height, seeds, n) if high > height else n


@compiled
def _rows_served(bottom: int, window: int, height: int) -> tuple[int, int]:
    """Tell which rows take the squares that end at row ``bottom``: the middle one, and at the ends the rows beyond."""
    middle = bottom - window // 2
    return (0 if bottom == window - 1 else middle), (height if bottom == height - 1 else middle + 1)


# --- over the frame ---------------------------------------------------------------------------------------------------


@compiled
def _survey_narrow(frame: Any, window: int, least: float, height: float, found: Any) -> int:
    """Survey integers of a narrow range, all of them good."""
    (rows, width), count, n = frame.shape, int32(window * window), 0
    columns, squares, totals = np.zeros(width, np.int32), np.zeros(width, np.int32), np.zeros(width + 1, np.int32)
    sums, square_sums, scores = np.empty(width, np.int32), np.empty(width, np.int32), np.empty(width, np.float32)
    bits, least_spread = (scores.view(np.int32), scores.view(np.uint32)), float32(least * count * count)
    for i in range(rows):
        if i < window:
            add_narrow(frame[i], 1, columns, squares)
        else:
            slide_narrow(frame[i], frame[i - window], columns, squares)
        if i < window - 1:
            continue
        _widen(columns, window, totals, sums)
        _widen(squares, window, totals, square_sums)
        first, stop = _rows_served(i, window, rows)
        for row in range(first, stop):
            _score_integers(frame[row], count, least_spread, sums, square_sums, scores)
            n = _take_row(frame, EMPTY_MASK, False, row, scores, bits, height, found, n)
    return n


@compiled
def _survey_wide(frame: Any, window: int, offset: float, least: float, height: float, found: Any) -> int:
    """Survey numbers of any range, all of them good."""
    (rows, width), count, n = frame.shape, 1.0 * window * window, 0
    columns, squares, totals = np.zeros(width), np.zeros(width), np.zeros(width + 1)
    sums, square_sums, scores = np.empty(width), np.empty(width), np.empty(width, np.float32)
    bits = (scores.view(np.int32), scores.view(np.uint32))
    for i in range(rows):
        if i < window:
            add_wide(frame[i], 1, offset, columns, squares)
        else:
            slide_wide(frame[i], frame[i - window], offset, columns, squares)
        if i < window - 1:
            continue
        _widen(columns, window, totals, sums)
        _widen(squares, window, totals, square_sums)
        first, stop = _rows_served(i, window, rows)
        for row in range(first, stop):
            _score_numbers(frame[row], offset, count, least * count * count, sums, square_sums, scores)
            n = _take_row(frame, EMPTY_MASK, False, row, scores, bits, height, found, n)
    return n


@compiled
def _survey_good(frame: Any, good: Any, window: int, offset: float, least: float, height: float, found: Any) -> int:
    """Survey the good pixels of a frame."""
    (rows, width), n = frame.shape, 0
    columns, squares, totals = np.zeros(width), np.zeros(width), np.zeros(width + 1)
    counts, count_totals, count_sums = (
        np.zeros(width, np.int32),
        np.zeros(width + 1, np.int32),
        np.zeros(width, np.int32),
    )
    sums, square_sums, scores = np.empty(width), np.empty(width), np.empty(width, np.float32)
    bits = (scores.view(np.int32), scores.view(np.uint32))
    for i in range(rows):
        add_good(frame[i], good[i], 1, offset, columns, squares, counts)
        if i >= window:
            add_good(frame[i - window], good[i - window], -1, offset, columns, squares, counts)
        if i < window - 1:
            continue
        _widen(columns, window, totals, sums)
        _widen(squares, window, totals, square_sums)
        _widen(counts, window, count_totals, count_sums)
        first, stop = _rows_served(i, window, rows)
        for row in range(first, stop):
            _score_good(frame[row], good[row], offset, least, count_sums, sums, square_sums, scores)
            n = _take_row(frame, good, True, row, scores, bits, height, found, n)
    return n


def survey_frame(
    frame: NDArray[Any],
    good: NDArray[np.bool_] | None,
    window: int,
    height: float,
    least: float,
    profiles: bool = False,
) -> Survey:
    """Survey a frame once.

    Parameters
    ----------
    frame
        C-contiguous raw numbers in native byte order, (rows, columns), at least `window` px each way.
    good
        C-contiguous, True where a pixel may be used; None for all.
    window
        Odd side of the square in px.
    height
        Least height of a seed, in deviations.
    least
        Least variance of a square, so that a flat piece of the frame does not make molehills mountains; in squared
        units of the frame.
    profiles
        Work out `Survey.rows` and `Survey.columns`; they are empty otherwise.
    """
    rows, width = frame.shape
    seeds, tops = np.empty((MOST_SEEDS, 2), np.int32), np.zeros((TILES, width), np.float32)
    ranges, lows = np.empty(rows if profiles else 0), np.zeros(width, np.float32)
    found, box = (seeds, ranges, lows, tops), ((0, 0), frame.shape)
    if good is None and frame.dtype.kind in "iu" and fits_narrow(frame, EMPTY_MASK, False, *box, window * window):
        n = _survey_narrow(frame, window, least, height**2, found)
    elif good is None:
        offset, _ = frame_moments(frame, EMPTY_MASK, False, False, *box)
        n = _survey_wide(frame, window, offset, least, height**2, found)
    else:
        offset, _ = frame_moments(frame, good, True, False, *box)
        n = _survey_good(frame, good, window, offset, least, height**2, found)
    starts = np.arange(TILES) * width // TILES
    columns = np.sqrt(tops.max(axis=0)) + np.sqrt(-lows) if profiles else np.empty(0)
    return Survey(seeds[:n], ranges, columns.astype(np.float64), np.sqrt(np.maximum.reduceat(tops, starts, axis=1)))
