"""Blocks of inputs from arrays, data sets, or frames that are read and preprocessed on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import BundleError
from sfx_label.models.cache import compute_rows
from sfx_label.models.dataset import Dataset
from sfx_label.models.rows import iterate_blocks

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.cache import Progress
    from sfx_label.preprocess.contrast import Preprocessing

__all__ = ["fill_finite", "input_blocks"]


def input_blocks(
    bundle: ModelBundle,
    data: ArrayLike | Dataset | Frames,
    block: int,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Iterator[NDArray[Any]]:
    """Yield inputs of a model in blocks, ``(<= block, ...)``.

    Parameters
    ----------
    bundle
        The model.
    data
        Frames, a data set, or inputs ``(n, ...)``.
    block
        Rows of a block.
    threads
        Threads of the preprocessing.
    progress
        Called as ``progress(done, total)``.

    Raises
    ------
    BundleError
        If the data are not what the model was trained on.
    """
    if hasattr(data, "frame_metadata"):
        yield from _blocks_of_frames(bundle, data, block, threads, progress)
        return
    if isinstance(data, Dataset) and data.preprocessing != bundle.preprocessing:
        raise BundleError(_preprocessing_difference(bundle.preprocessing, data.preprocessing, data.name))
    X = data.X if isinstance(data, Dataset) else np.asarray(data)
    _check_input_shape(bundle, X.shape[1:])
    for rows in iterate_blocks(len(X), block):
        yield np.asarray(X[rows])
        if progress is not None:
            progress(rows.stop, len(X))


def fill_finite(call: Callable[[NDArray[Any]], NDArray[Any]], rows: NDArray[Any], out: NDArray[Any]) -> NDArray[Any]:
    """Call on the rows that hold only numbers and write the results into ``out``, which keeps the rest."""
    usable = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
    if usable.any():
        out[usable] = call(rows if usable.all() else rows[usable])
    return out


def _blocks_of_frames(
    bundle: ModelBundle, frames: Any, block: int, threads: int | None, progress: Progress | None
) -> Iterator[NDArray[Any]]:
    """Preprocess the next block in a thread while the caller predicts this one."""
    _check_input_shape(bundle, bundle.preprocessing.output_shape(frames.shape[1:]))

    def rows_of(part: slice) -> NDArray[Any]:
        return compute_rows(frames[part], bundle.preprocessing, threads=threads)

    parts = list(iterate_blocks(len(frames), block))
    with ThreadPoolExecutor(1, thread_name_prefix="sfx-label-ahead") as pool:
        ahead = [pool.submit(rows_of, part) for part in parts[:1]]
        for number, part in enumerate(parts):
            rows = ahead.pop().result()
            if number + 1 < len(parts):
                ahead.append(pool.submit(rows_of, parts[number + 1]))
            yield rows
            if progress is not None:
                progress(part.stop, len(frames))


def _check_input_shape(bundle: ModelBundle, shape: Sequence[int]) -> None:
    if tuple(shape) != bundle.architecture.input_shape:
        raise BundleError(
            f"This {bundle.method!r} model takes inputs of shape {bundle.architecture.input_shape}, made by"
            f" {bundle.preprocessing} from frames of {bundle.frame_shape} pixels. Received inputs of shape"
            f" {tuple(shape)};"
            " use frames of the same size and the same preprocessing, or train a model for these."
        )


def _preprocessing_difference(own: Preprocessing, other: Preprocessing, name: str) -> str:
    mine, theirs = own.to_dict(), other.to_dict()
    different = sorted(key for key in set(mine) | set(theirs) if mine.get(key) != theirs.get(key))
    values = "; ".join(f"{key}: model {mine.get(key)!r}, data {theirs.get(key)!r}" for key in different)
    return (
        f"Data set {name!r} was preprocessed otherwise than the model's ({values}); build it with bundle.preprocessing."
    )
