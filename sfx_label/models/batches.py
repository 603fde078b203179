"""Training batches: classes in balance, frames turned and flipped, and the same again for the same seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError
from sfx_label.models.prepare import central, prepare
from sfx_label.models.rows import RowView

__all__ = ["AUGMENTATIONS", "Inputs", "balanced_order", "choose_augmentations", "plain_order"]

AUGMENTATIONS = {1: ("flip", "roll"), 2: ("flip", "rotate")}
BLOCK = 32  # frames that are prepared at a time


def choose_augmentations(wanted: bool | Sequence[str], rank: int) -> tuple[str, ...]:
    """Return the augmentations by name; True takes all that fit.

    Raises
    ------
    TrainingError
        If one does not fit inputs of this rank.
    """
    if isinstance(wanted, bool):
        return AUGMENTATIONS[rank] if wanted else ()
    names = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    unknown = [name for name in names if name not in AUGMENTATIONS[rank]]
    if unknown:
        fitting = ", ".join(AUGMENTATIONS[rank])
        raise TrainingError(f"augment is True, False or names out of {fitting} for these inputs. Received {unknown}.")
    return names


class Inputs:
    """Rows of a data set as the network takes them.

    Rows are prepared once and kept, where that makes them smaller or they are vectors; full pictures are prepared
    batch by batch, so that a memory-mapped cache is never read as a whole.

    Parameters
    ----------
    X
        Inputs as preprocessing gives them, ``(n, ...)``.
    steps
        Steps of `prepare`; with a first step ``"crop:N"`` training takes a random N x N part in place of the central.
    augment
        Names out of `AUGMENTATIONS`.
    """

    def __init__(self, X: NDArray[Any] | RowView, steps: tuple[str, ...], augment: tuple[str, ...] = ()) -> None:
        self._crop = int(steps[0].removeprefix("crop:")) if steps and steps[0].startswith("crop:") else None
        self._steps = steps[1:] if self._crop else steps
        self._augment = augment
        self._raw = X
        keep = self._crop is None and (X.ndim == 2 or bool(self._steps))
        self._kept = _prepared(X, self._steps) if keep else None
        self._mean, self._scale = np.float32(0), np.float32(1)

    def __len__(self) -> int:
        return len(self._raw)

    def constants(self) -> tuple[float, float]:
        """Return mean and deviation of all values of vectors; pictures are already of mean 0 and deviation 1."""
        if self._raw.ndim != 2 or self._kept is None:
            return 0.0, 1.0
        return float(self._kept.mean(dtype=np.float64)), float(self._kept.std(dtype=np.float64)) or 1.0

    def standardise(self, mean: float, scale: float) -> None:
        """Subtract and divide by these constants from now on."""
        self._mean, self._scale = np.float32(mean), np.float32(scale)

    def rows(self, index: NDArray[np.intp], rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Return rows for the network, augmented if a generator is given; float32 ``(len(index), ...)``."""
        if self._kept is not None:
            values = self._kept[index]
        else:
            values = prepare(self._cropped(np.asarray(self._raw[index]), rng), self._steps)
        if rng is not None and self._augment:
            values = _augmented(values, self._augment, rng)
        if self._mean != 0 or self._scale != 1:
            values = (values - self._mean) / self._scale
        return np.ascontiguousarray(values, dtype=np.float32)

    def _cropped(self, X: NDArray[Any], rng: np.random.Generator | None) -> NDArray[Any]:
        if self._crop is None:
            return X
        if rng is None:
            return central(X, self._crop)
        room = [max(0, length - self._crop) for length in X.shape[1:]]
        corners = rng.integers(0, np.array(room) + 1, size=(len(X), 2))
        side = self._crop
        return np.stack([x[top : top + side, left : left + side] for x, (top, left) in zip(X, corners, strict=True)])


def plain_order(n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return every row once, in random order."""
    return rng.permutation(n)


def balanced_order(classes: NDArray[Any], n: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """Return ``n`` rows in which the classes take turns; rare classes are repeated, each time in a new order."""
    streams = [_endless(np.flatnonzero(classes == value), rng) for value in np.unique(classes)]
    turns = [np.fromiter((next(stream) for _ in range(-(-n // len(streams)))), dtype=np.intp) for stream in streams]
    return np.stack(turns, axis=1).ravel()[:n]


def _endless(rows: NDArray[np.intp], rng: np.random.Generator) -> Iterator[np.intp]:
    while True:
        yield from rng.permutation(rows)


def _prepared(X: NDArray[Any] | RowView, steps: tuple[str, ...]) -> NDArray[np.float32]:
    parts = [prepare(np.asarray(X[start : start + BLOCK]), steps) for start in range(0, len(X), BLOCK)]
    return np.concatenate(parts) if parts else np.zeros(X.shape, dtype=np.float32)


def _augmented(X: NDArray[Any], names: tuple[str, ...], rng: np.random.Generator) -> NDArray[Any]:
    """Flip and turn each picture, or flip and roll each vector, by its own draw; Bragg spots have no preferred way."""
    flips = rng.integers(0, 2, len(X)) if "flip" in names else np.zeros(len(X), dtype=int)
    out = np.where(flips.reshape(-1, *(1,) * (X.ndim - 1)) == 1, X[:, ::-1], X)
    if "roll" in names:
        shifts = rng.integers(0, X.shape[1], len(X))
        out = np.take_along_axis(out, (np.arange(X.shape[1]) + shifts[:, None]) % X.shape[1], axis=1)
    if "rotate" in names:
        step = 1 if X.shape[1] == X.shape[2] else 2  # a picture that is not square is only turned by 180 degrees
        out = np.stack([np.rot90(x, step * turn) for x, turn in zip(out, rng.integers(0, 4, len(X)), strict=True)])
    return out
