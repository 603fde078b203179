"""Rows of arrays and memory maps: chosen, viewed and checked without reading more than is needed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import TrainingError

__all__ = ["RowView", "finite_rows", "iterate_blocks", "row_numbers", "take_rows"]


@dataclass(frozen=True, eq=False)
class RowView:
    """Some rows of a memory map, read only when indexed.

    Parameters
    ----------
    base
        The memory map, shape ``(N, ...)``.
    rows
        Row numbers of the view, shape ``(n,)``.
    """

    base: NDArray[Any]
    rows: NDArray[np.intp]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape ``(n, ...)``."""
        return (len(self.rows), *self.base.shape[1:])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Number type of the memory map."""
        return self.base.dtype

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.base.ndim

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: Any) -> NDArray[Any]:
        return np.asarray(self.base[self.rows[index]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.base[self.rows], dtype=dtype)


def finite_rows(X: NDArray[Any] | RowView, block: int = 64) -> NDArray[np.bool_]:
    """Tell which rows of ``X`` hold only finite numbers, reading a block at a time; shape ``(n,)``."""
    flags = [
        np.isfinite(np.asarray(X[start : start + block])).reshape(min(block, len(X) - start), -1).all(axis=1)
        for start in range(0, len(X), block)
    ]
    return np.concatenate(flags) if flags else np.zeros(0, dtype=bool)


def iterate_blocks(n: int, block: int) -> Iterator[slice]:
    """Yield slices that cover ``range(n)`` in steps of ``block``."""
    for start in range(0, n, block):
        yield slice(start, min(start + block, n))


def row_numbers(rows: slice | ArrayLike, n: int) -> NDArray[np.intp]:
    """Return the row numbers that a slice, a boolean or an index array stands for."""
    if isinstance(rows, slice):
        return np.arange(n)[rows]
    index = np.asarray(rows)
    if index.dtype == bool:
        if index.shape != (n,):
            raise TrainingError(f"A boolean selection needs one value per frame ({n}). Received shape {index.shape}.")
        return np.flatnonzero(index)
    return np.arange(n)[np.atleast_1d(index).astype(np.intp)]


def take_rows(X: NDArray[Any] | RowView, index: NDArray[np.intp]) -> NDArray[Any] | RowView:
    """Select rows without copying a memory map: as a slice where they are neighbours, as a view of rows elsewhere."""
    if len(index) and np.array_equal(index, np.arange(index[0], index[0] + len(index))):
        return X[int(index[0]) : int(index[0]) + len(index)]
    if isinstance(X, RowView):
        return RowView(X.base, X.rows[index])
    if isinstance(X, np.memmap):
        return RowView(X, index)
    return X[index]
