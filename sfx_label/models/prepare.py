"""Named numpy steps between preprocessing and the first layer; a bundle lists those of its network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import BundleError

__all__ = ["STEPS", "prepare", "prepared_shape"]

SMALLEST_SPREAD = 1e-3  # of a row range in LCN units; only a constant frame has less


def scale_by_frame(X: NDArray[Any]) -> NDArray[Any]:
    """Subtract the median of each vector and divide by its interquartile range.

    Needs no labels. Between runs whose noise differs a model's ranking holds better than its threshold; this brings
    the vectors of both to one scale.
    """
    low, middle, high = np.quantile(X, [0.25, 0.5, 0.75], axis=1, keepdims=True)
    return np.asarray((X - middle) / np.maximum(high - low, SMALLEST_SPREAD), dtype=X.dtype)


def tile_maximum(side: int) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """Return a step that keeps the maximum of each ``side`` x ``side`` tile: spots stay, pictures shrink."""

    def shrink(X: NDArray[Any]) -> NDArray[Any]:
        n, height, width = X.shape
        rows, columns = height // side, width // side
        tiles = X[:, : rows * side, : columns * side].reshape(n, rows, side, columns, side)
        # first along rows of memory, which is four times as fast as both axes at once
        return np.asarray(tiles.max(axis=2).max(axis=-1))

    return shrink


# name -> (rank that it applies to, step, divisor of the sides)
STEPS: dict[str, tuple[int, Callable[[NDArray[Any]], NDArray[Any]], int]] = {
    "sort": (1, lambda X: np.sort(X, axis=1), 1),
    "asinh": (1, np.arcsinh, 1),
    "frame-scale": (1, scale_by_frame, 1),
    "max2": (2, tile_maximum(2), 2),
    "max4": (2, tile_maximum(4), 4),
}


def prepared_shape(shape: Sequence[int], steps: Sequence[str]) -> tuple[int, ...]:
    """Return the shape of one input after the steps.

    Raises
    ------
    BundleError
        If a step is unknown, or made for inputs of another rank.
    """
    sides = tuple(shape)
    for step in steps:
        if step.startswith("crop:") and len(sides) == 2:
            sides = (min(_crop_side(step), sides[0]), min(_crop_side(step), sides[1]))
            continue
        if step not in STEPS or STEPS[step][0] != len(sides):
            fitting = [name for name, entry in STEPS.items() if entry[0] == len(sides)]
            raise BundleError(f"Steps for inputs of shape {sides} are {', '.join(fitting)}. Received {step!r:.60}.")
        sides = tuple(side // STEPS[step][2] for side in sides)
    if min(sides, default=0) < 1:
        raise BundleError(f"Nothing is left of inputs of shape {tuple(shape)} after {list(steps)}; leave a step out.")
    return sides


def prepare(X: NDArray[Any], steps: Sequence[str]) -> NDArray[np.float32]:
    """Apply the steps to inputs ``(n, ...)``; pictures are rounded to half precision first, as the cache keeps them."""
    values = np.asarray(X)
    if values.ndim == 3:
        values = values.astype(np.float16, copy=False)
    for step in steps:
        values = central(values, _crop_side(step)) if step.startswith("crop:") else STEPS[step][1](values)
    return np.asarray(values, dtype=np.float32)


def central(X: NDArray[Any], side: int) -> NDArray[Any]:
    """Return the central square of pictures ``(n, rows, columns)``."""
    top, left = (max(0, (length - side) // 2) for length in X.shape[1:])
    return X[:, top : top + side, left : left + side]


def _crop_side(step: str) -> int:
    text = step.removeprefix("crop:")
    if not text.isdecimal() or not 1 <= int(text) <= 8192:
        raise BundleError(f"A crop step reads like 'crop:704'. Received {step!r:.60}.")
    return int(text)
