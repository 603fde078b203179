"""From seeds to spots: which summits are compact and stand out of the noise on every side.

Everything here looks at one small square around one seed, so its cost goes with the number of seeds, not of pixels.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from sfx_label.preprocess.kernels import compiled

__all__ = ["COLUMNS", "judge_seeds"]

COLUMNS = ("x", "y", "intensity", "snr", "n_pixels", "sum_snr", "halo")
CLIP = 3.0  # deviations; neighbouring spots and hot pixels do not belong to the background
ROUNDS = 4
FEWEST_PIXELS = 40  # good background pixels around a seed
FEWEST_IN_SECTOR = 8
FEWEST_SUMS = 30
GROWN = 5.0  # deviations; summits from here on take their pixels, so that a lower cut changes no stronger spot
FOOT = 3.0  # deviations above background that a pixel of a spot has at least


@compiled
def _significance(excess: float, variance: float, photon: float) -> float:
    """Height of an excess in deviations, as a normal deviate.

    Where photons are few, a Poisson background of ``b = variance / photon^2`` photons has a long upper tail. The signed
    root of the deviance, ``sqrt(2 (k ln(k / b) - (k - b)))`` for ``k`` photons, turns it into a normal deviate (Wilks);
    for many photons it becomes excess / deviation.
    """
    if excess <= 0:
        return 0.0
    if photon <= 0:
        return excess / np.sqrt(variance)  # type: ignore[no-any-return]
    background = max(variance / photon**2, 0.02)
    photons = background + excess / photon
    return np.sqrt(2 * (photons * np.log(photons / background) - (photons - background)))  # type: ignore[no-any-return]


@compiled
def _clipped(values: Any, n: int, least: float) -> tuple[float, float, float, int]:
    """Mean, variance and half-width of the accepted values, and their number, after clipping at `CLIP` deviations."""
    middle, reach, mean, variance, count = 0.0, np.finfo(np.float64).max, 0.0, 0.0, 0
    for _ in range(ROUNDS):
        before, total, squares, count = count, 0.0, 0.0, 0
        for k in range(n):
            if abs(values[k] - middle) <= reach:
                total += values[k]
                squares += values[k] * values[k]
                count += 1
        if count == before:
            break
        mean = total / count
        variance = max(squares / count - mean * mean, 0.0)
        middle, reach = mean, CLIP * np.sqrt(max(variance, least))
    return mean, variance, reach, count


@compiled
def _take_annulus(frame: Any, good: Any, masked: bool, box: Any, hole: int, values: Any, places: Any) -> int:
    """Copy the good pixels around a seed, relative to it, and where they lie."""
    i, j, half = box
    n = 0
    for p in range(max(i - half, 0), min(i + half + 1, frame.shape[0])):
        for r in range(max(j - half, 0), min(j + half + 1, frame.shape[1])):
            if (abs(p - i) > hole or abs(r - j) > hole) and (not masked or good[p, r]):
                values[n] = float(frame[p, r]) - frame[i, j]
                places[n, 0], places[n, 1] = p - i, r - j
                n += 1
    return n


@compiled
def _highest_side(values: Any, places: Any, n: int, mean: float, reach: float) -> float:
    """Highest of the background's mean above, below, left and right: at an edge, the bright side counts."""
    totals, counts, best = np.zeros(4), np.zeros(4), mean
    for k in range(n):
        if abs(values[k] - mean) <= reach:
            down, right = places[k, 0], places[k, 1]
            side = (0 if down < 0 else 1) if abs(down) >= abs(right) else (2 if right < 0 else 3)
            totals[side] += values[k]
            counts[side] += 1
    for side in range(4):
        if counts[side] >= FEWEST_IN_SECTOR:
            best = max(best, totals[side] / counts[side])
    return best


@compiled
def _highest_arm(values: Any, places: Any, n: int, scratch: Any) -> Any:
    """Higher of the medians of the seed's own row and column: a bright line is no spot."""
    best: Any = -np.finfo(np.float64).max
    for axis in range(2):
        count = 0
        for k in range(n):
            if places[k, axis] == 0:
                scratch[count] = values[k]
                count += 1
        if count >= FEWEST_IN_SECTOR:
            best = max(best, np.median(scratch[:count]))
    return best


@compiled
def _sum_3x3(frame: Any, good: Any, masked: bool, i: int, j: int, level: float) -> tuple[float, bool]:
    total = 0.0
    for p in range(i - 1, i + 2):
        for r in range(j - 1, j + 2):
            if masked and not good[p, r]:
                return 0.0, False
            total += frame[p, r] - level
    return total, True


@compiled
def _noise_of_sums(frame: Any, good: Any, masked: bool, box: Any, hole: int, level: float, least: float, values: Any
                   ) -> tuple[float, float, int]:  # fmt: skip
    """Clipped mean and variance of 3 x 3 sums around a seed: what the detector's point spread makes of the noise."""
    i, j, half = box
    n = 0
    for p in range(max(i - half, 1), min(i + half + 1, frame.shape[0] - 1)):
        for r in range(max(j - half, 1), min(j + half + 1, frame.shape[1] - 1)):
            if abs(p - i) > hole + 1 or abs(r - j) > hole + 1:
                total, whole = _sum_3x3(frame, good, masked, p, r, level)
                if whole:
                    values[n] = total
                    n += 1
    mean, variance, _, count = _clipped(values, n, least)
    return mean, variance, count


@compiled
def _second_highest(frame: Any, i: int, j: int) -> float:
    best: float = -np.finfo(np.float64).max
    for p in range(i - 1, i + 2):
        for r in range(j - 1, j + 2):
            if p != i or r != j:
                best = max(best, float(frame[p, r]))
    return best


@compiled
def _near_border(good: Any, masked: bool, shape: Any, i: int, j: int, border: int) -> bool:
    if i < border or j < border or i >= shape[0] - border or j >= shape[1] - border:
        return True
    return masked and not good[i - border : i + border + 1, j - border : j + border + 1].all()


@compiled
def _grow(frame: Any, good: Any, masked: bool, box: Any, level: float, foot: float, taken: Any, stack: Any, spot: Any
          ) -> bool:  # fmt: skip
    """Take the connected pixels above the foot; False if they reach the rim of the square, so are not compact."""
    i, j, half = box
    stack[0, 0], stack[0, 1], n, compact = i, j, 1, True
    taken[i, j] = True
    spot[:5] = 0.0
    while n > 0:
        n -= 1
        p, r = stack[n, 0], stack[n, 1]
        weight = frame[p, r] - level
        spot[0] += weight * r
        spot[1] += weight * p
        spot[2] += weight
        spot[4] += 1
        for u in range(max(p - 1, 0), min(p + 2, frame.shape[0])):
            for v in range(max(r - 1, 0), min(r + 2, frame.shape[1])):
                if taken[u, v] or (masked and not good[u, v]) or frame[u, v] - level <= foot:
                    continue
                if abs(u - i) > half or abs(v - j) > half:
                    compact = False
                    continue
                taken[u, v] = True
                stack[n, 0], stack[n, 1] = u, v
                n += 1
    spot[0] /= spot[2]
    spot[1] /= spot[2]
    return compact


@compiled
def judge_seeds(frame: Any, good: Any, masked: bool, seeds: Any, settings: Any, limits: Any, photon: float,
                least: float) -> Any:  # fmt: skip
    """Judge seeds, the highest first.

    Parameters
    ----------
    frame, good, masked
        As in `survey_frame`; ``good`` is ignored unless ``masked``.
    seeds
        Row and column, (n, 2).
    settings
        Half of the square and of its centre, border, least and largest number of pixels, all in px.
    limits
        Least height of the peak, of the sum of 3 x 3 pixels, and of what is left of that sum without its two highest
        pixels; in deviations.
    photon
        What one photon adds, where photons can be told apart; 0 otherwise. In units of the frame.
    least
        Least variance of the background, in squared units of the frame.

    Returns
    -------
    NDArray
        One row a spot, columns `COLUMNS`.
    """
    half, hole, border, few, many = settings
    taken, size = np.zeros(frame.shape, np.bool_), (2 * half + 1) ** 2
    values, scratch = np.empty(size), np.empty(size)
    places, stack = np.empty((size, 2), np.int64), np.empty((size, 2), np.int64)
    spots, n = np.empty((seeds.shape[0], 7)), 0
    heights = np.array([float(frame[seeds[k, 0], seeds[k, 1]]) for k in range(seeds.shape[0])])
    floor = max(least, photon * photon)
    for k in np.argsort(-heights, kind="mergesort"):
        i, j = np.int64(seeds[k, 0]), np.int64(seeds[k, 1])
        box, peak = (i, j, half), heights[k]
        if taken[i, j] or _near_border(good, masked, frame.shape, i, j, border):
            continue
        count = _take_annulus(frame, good, masked, box, hole, values, places)
        mean, variance, reach, accepted = _clipped(values, count, floor)
        variance = max(variance, least)
        if accepted < FEWEST_PIXELS or _significance(-mean, variance, photon) < min(limits[0], GROWN):
            continue
        rim = max(_highest_side(values, places, count, mean, reach), _highest_arm(values, places, count, scratch))
        spot, level = spots[n], peak + mean
        compact = _grow(frame, good, masked, box, level, FOOT * np.sqrt(variance), taken, stack, spot)
        spot[3] = _significance(-max(mean, rim), variance, photon)
        if not compact or spot[3] < limits[0] or spot[4] < few or spot[4] > many:
            continue
        middle, spread, sums = _noise_of_sums(frame, good, masked, box, hole, level, 9 * floor, values)
        spread = max(spread, 9 * least) if sums >= FEWEST_SUMS else 9 * variance
        total, whole = _sum_3x3(frame, good, masked, i, j, level)
        spot[5] = _significance(total - middle, spread, photon)
        rest = total - middle - (peak - level) - (_second_highest(frame, i, j) - level)
        spot[6] = rest / np.sqrt(max(spread, floor))
        if whole and spot[5] >= limits[1] and spot[6] >= limits[2]:
            n += 1
    return spots[:n]
