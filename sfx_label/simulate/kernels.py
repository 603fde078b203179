"""The loops that touch every pixel or every reflection, compiled.

Random numbers come from an own xoshiro256++ generator (Blackman and Vigna 2019), so that a seed gives the same picture
whatever the installed numpy; Poisson counts from Hörmann's PTRS rejection (Insurance: Math. Econ. 12, 39, 1993).
"""

from __future__ import annotations

from collections.abc import Callable
from math import ceil, exp, floor, lgamma, log, sqrt
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = [
    "add_gaussians",
    "blur",
    "digitise",
    "near_ewald_sphere",
    "paint_background",
    "photon_counts",
    "separate",
    "visibility",
]

Compiled = TypeVar("Compiled", bound=Callable[..., Any])


def _compiled(function: Compiled) -> Compiled:
    return cast(Compiled, numba.njit(cache=True, nogil=True)(function))


LOG_FACTORIAL = np.array([lgamma(k + 1.0) for k in range(1024)])


@_compiled
def _next(state: NDArray[np.uint64]) -> np.uint64:
    mixed = state[0] + state[3]
    result: np.uint64 = ((mixed << np.uint64(23)) | (mixed >> np.uint64(41))) + state[0]
    shifted = state[1] << np.uint64(17)
    state[2] ^= state[0]
    state[3] ^= state[1]
    state[1] ^= state[2]
    state[0] ^= state[3]
    state[2] ^= shifted
    state[3] = (state[3] << np.uint64(45)) | (state[3] >> np.uint64(19))
    return result


@_compiled
def _uniform(state: NDArray[np.uint64]) -> float:
    return (float(_next(state) >> np.uint64(11)) + 0.5) * (1.0 / 9007199254740992.0)


@_compiled
def _small_poisson(mean: float, state: NDArray[np.uint64]) -> float:
    left = _uniform(state)
    share = exp(-mean)
    count = 0.0
    while left > share and count < 200.0:
        left -= share
        count += 1.0
        share *= mean / count
    return count


@_compiled
def _large_poisson(mean: float, state: NDArray[np.uint64], log_factorial: NDArray[np.float64]) -> float:
    b = 0.931 + 2.53 * sqrt(mean)
    a = -0.059 + 0.02483 * b
    while True:
        u = _uniform(state) - 0.5
        v = _uniform(state)
        edge = 0.5 - abs(u)
        count = floor((2.0 * a / edge + b) * u + mean + 0.43)
        if edge >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2.0):
            return count
        if count < 0.0 or (edge < 0.013 and v > edge):
            continue
        factorial = log_factorial[int(count)] if count < 1024.0 else lgamma(count + 1.0)
        inverse = 1.1239 + 1.1328 / (b - 3.4)
        if log(v) + log(inverse) - log(a / (edge * edge) + b) <= count * log(mean) - mean - factorial:
            return count


@_compiled
def photon_counts(expected: NDArray[np.float32], state: NDArray[np.uint64], log_factorial: NDArray[np.float64]) -> None:
    """Replace the expected photons of each pixel (H, W) by a Poisson count, in place."""
    rows, columns = expected.shape
    for y in range(rows):
        for x in range(columns):
            mean = float(expected[y, x])
            if not mean > 0.0:  # also true of nan, which no rejection would ever accept
                expected[y, x] = 0.0
            elif mean < 10.0:
                expected[y, x] = _small_poisson(mean, state)
            else:
                expected[y, x] = _large_poisson(mean, state, log_factorial)


@_compiled
def paint_background(
    profile: NDArray[np.float32],
    radius_index: NDArray[np.uint16],
    weight: NDArray[np.float32],
    out: NDArray[np.float32],
) -> None:
    """Fill ``out`` (H, W) with ``profile[radius_index] * weight``."""
    rows, columns = out.shape
    for y in range(rows):
        for x in range(columns):
            out[y, x] = profile[radius_index[y, x]] * weight[y, x]


@_compiled
def blur(image: NDArray[np.float32], taps: NDArray[np.float32], spare: NDArray[np.float32]) -> None:
    """Convolve (H, W) along rows and columns with symmetric ``taps``, in place; the border continues outwards."""
    rows, columns = image.shape
    half = taps.shape[0] // 2
    line = np.zeros(columns + 2 * half, np.float32)
    for y in range(rows):
        line[:half] = image[y, 0]
        line[half : half + columns] = image[y]
        line[half + columns :] = image[y, columns - 1]
        target = spare[y]
        target[:] = np.float32(0.0)
        for t in range(taps.shape[0]):
            weight = taps[t]
            for x in range(columns):
                target[x] += weight * line[x + t]
    for y in range(rows):
        target = image[y]
        target[:] = np.float32(0.0)
        for t in range(taps.shape[0]):
            source = spare[min(max(y + t - half, 0), rows - 1)]
            weight = taps[t]
            for x in range(columns):
                target[x] += weight * source[x]


@_compiled
def digitise(
    image: NDArray[np.float32],
    gain_map: NDArray[np.float32],
    offset: float,
    read_noise: float,
    normal_table: NDArray[np.float32],
    limits: tuple[float, float],
    state: NDArray[np.uint64],
) -> None:
    """Turn blurred photons (H, W) into whole counts, in place: gain, offset, read noise, rounding, limits.

    ``normal_table`` holds the 4096 quantiles of a normal distribution that twelve random bits choose from.
    """
    rows, columns = image.shape
    low, high = np.float32(limits[0]), np.float32(limits[1])
    base, noise = np.float32(offset), np.float32(read_noise)
    twelve_bits = np.uint64(4095)
    for y in range(rows):
        bits = np.uint64(0)
        for x in range(columns):
            if x % 5 == 0:
                bits = _next(state)
            normal = normal_table[np.int64(bits & twelve_bits)]
            bits = bits >> np.uint64(12)
            value = np.rint(image[y, x] * gain_map[y, x] + base + noise * normal)
            image[y, x] = min(max(value, low), high)


@_compiled
def add_gaussians(
    image: NDArray[np.float32],
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    photons: NDArray[np.float64],
    covariance: NDArray[np.float64],
) -> None:
    """Add spots to (H, W): ``photons`` (n,) in a normal distribution of ``covariance`` (n, 3: xx, xy, yy) about (x, y).

    The pixel's integral is replaced by the value at its centre with 1/12 px^2 added to the variance.
    """
    rows, columns = image.shape
    for i in range(x.shape[0]):
        xx, xy, yy = covariance[i, 0] + 1.0 / 12.0, covariance[i, 1], covariance[i, 2] + 1.0 / 12.0
        determinant = xx * yy - xy * xy
        height = photons[i] / (6.283185307179586 * sqrt(determinant))
        reach_x, reach_y = 4.5 * sqrt(xx), 4.5 * sqrt(yy)
        for row in range(max(0, ceil(y[i] - reach_y)), min(rows, floor(y[i] + reach_y) + 1)):
            dy = row - y[i]
            for column in range(max(0, ceil(x[i] - reach_x)), min(columns, floor(x[i] + reach_x) + 1)):
                dx = column - x[i]
                image[row, column] += height * exp(
                    -0.5 * (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / determinant
                )


@_compiled
def visibility(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    photons: NDArray[np.float64],
    covariance: NDArray[np.float64],
    blur_variance: float,
    out: NDArray[np.float64],
) -> None:
    """Write the noise-free highest pixel and 3x3 sum of each spot, after the blur, to ``out`` (n, 2)."""
    for i in range(x.shape[0]):
        wider = blur_variance + 1.0 / 12.0
        xx, xy, yy = covariance[i, 0] + wider, covariance[i, 1], covariance[i, 2] + wider
        determinant = xx * yy - xy * xy
        height = photons[i] / (6.283185307179586 * sqrt(determinant))
        middle_x, middle_y = np.rint(x[i]), np.rint(y[i])
        peak, total = 0.0, 0.0
        for row in range(-1, 2):
            for column in range(-1, 2):
                dx, dy = middle_x + column - x[i], middle_y + row - y[i]
                value = height * exp(-0.5 * (yy * dx * dx - 2.0 * xy * dx * dy + xx * dy * dy) / determinant)
                peak = max(peak, value)
                total += value
        out[i, 0] = peak
        out[i, 1] = total


@_compiled
def _shell(a: float, b: float, c: float) -> tuple[float, float, bool]:
    root = b * b - 4.0 * a * c
    if root <= 0.0:
        return 0.0, 0.0, False
    root = sqrt(root)
    return (-b - root) / (2.0 * a), (-b + root) / (2.0 * a), True


@_compiled
def near_ewald_sphere(
    basis: NDArray[np.float64],
    sphere: tuple[float, float],
    furthest: float,
    limits: NDArray[np.int64],
    out: NDArray[np.int64],
) -> int:
    """List the lattice points near the Ewald sphere.

    For every (h, k) the row of points along l is a straight line, which meets the shell about the sphere in at most two
    pieces, so only points inside the shell are ever visited. ``basis`` (3, 3) holds a*, b*, c* as columns, the beam
    runs along +z, ``sphere`` is radius and half thickness of the shell, ``furthest`` the largest 1/d (all 1/Angstrom),
    ``limits`` (3,) the largest indices; ``out`` (n, 3) receives h, k, l, and the number written is returned.
    """
    wave, tolerance = sphere
    found = 0
    step = basis[0, 2] ** 2 + basis[1, 2] ** 2 + basis[2, 2] ** 2
    for h in range(-limits[0], limits[0] + 1):
        for k in range(-limits[1], limits[1] + 1):
            gx = basis[0, 0] * h + basis[0, 1] * k
            gy = basis[1, 0] * h + basis[1, 1] * k
            gz = basis[2, 0] * h + basis[2, 1] * k + wave
            slope = 2.0 * (gx * basis[0, 2] + gy * basis[1, 2] + gz * basis[2, 2])
            level = gx * gx + gy * gy + gz * gz
            outer_low, outer_high, hit = _shell(step, slope, level - (wave + tolerance) ** 2)
            if not hit:
                continue
            inner_low, inner_high, hollow = _shell(step, slope, level - (wave - tolerance) ** 2)
            ell = ceil(outer_low)
            while ell <= outer_high:
                if hollow and inner_low < ell < inner_high:
                    ell = ceil(inner_high)
                    continue
                x = gx + basis[0, 2] * ell
                y = gy + basis[1, 2] * ell
                z = gz + basis[2, 2] * ell - wave
                if 0.0 < x * x + y * y + z * z <= furthest * furthest and found < out.shape[0]:
                    out[found, 0], out[found, 1], out[found, 2] = h, k, ell
                    found += 1
                ell += 1
    return found


@_compiled
def separate(
    x: NDArray[np.float64],
    y: NDArray[np.float64],
    order: NDArray[np.int64],
    nearest: float,
    at_most: int,
    out: NDArray[np.int64],
) -> int:
    """List spots in ``order`` but for those closer than ``nearest`` px to one listed before; stop after ``at_most``."""
    found = 0
    for candidate in order:
        if found >= at_most:
            break
        free = True
        for i in range(found):
            other = out[i]
            if (x[other] - x[candidate]) ** 2 + (y[other] - y[candidate]) ** 2 < nearest * nearest:
                free = False
                break
        if free:
            out[found] = candidate
            found += 1
    return found
