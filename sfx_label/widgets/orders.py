"""In which order frames come before the eye."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.labels.selection import random_order

__all__ = ["ORDERS", "positions_of"]

ORDERS = ("file", "random")


def positions_of(order: str | Iterable[int] | ArrayLike, n_frames: int, seed: int = 0) -> NDArray[np.int64]:
    """Turn an order into frame numbers.

    Parameters
    ----------
    order
        ``"file"``, ``"random"``, a bool array of the run's length, or any iterable of frame numbers, which may be
        endless: each frame is taken once, the first time it comes.
    n_frames
        Length of the run.
    seed
        Of the random order; the same seed gives the same order, so that a session can be taken up again.

    Returns
    -------
    NDArray
        (n,) frame numbers, each once.

    Raises
    ------
    SfxLabelError
        If the order is not known, or a number lies outside the run.
    """
    if isinstance(order, str):
        return _named(order, n_frames, seed)
    if isinstance(order, np.ndarray) and order.dtype == bool:
        if len(order) != n_frames:
            raise SfxLabelError(f"a bool order needs one value a frame: {n_frames}. Received {len(order)}.")
        return np.flatnonzero(order).astype(np.int64)
    # an endless iterable is read no further than it can bring anything new
    numbers = np.fromiter((int(number) for number in islice(iter(order), 10 * n_frames + 10)), np.int64)  # type: ignore[arg-type]
    outside = numbers[(numbers < 0) | (numbers >= n_frames)]
    if len(outside):
        raise SfxLabelError(
            f"the run has frames 0 to {n_frames - 1}. Received {outside[0]} in the order. Leave it out."
        )
    first = np.unique(numbers, return_index=True)[1]
    return numbers[np.sort(first)]


def _named(order: str, n_frames: int, seed: int) -> NDArray[np.int64]:
    if order == "file":
        return np.arange(n_frames, dtype=np.int64)
    if order == "random":
        return random_order(n_frames, seed)
    raise SfxLabelError(f"unknown order {order!r}. Choose from {', '.join(ORDERS)}, or give frame numbers.")
