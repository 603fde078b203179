"""Row-wise decomposition: a frame becomes one number a row (formula 2 of the paper)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["row_wise_decomposition"]


def row_wise_decomposition(z: NDArray[np.floating], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Decompose a contrast-normalised frame into the range of each of its rows.

    Parameters
    ----------
    z
        Frame after LCN, (rows, columns), in local deviations.
    mask
        True where a pixel may be used, same shape as `z`. Pixels that are not finite are never used.

    Returns
    -------
    NDArray
        ``d_i = max_j z_ij - min_j z_ij``, (rows,); 0 for a row without a usable pixel.

    Notes
    -----
    Source: formula (2) of the paper.
    """
    good = np.isfinite(z) if mask is None else np.isfinite(z) & mask
    high = np.max(z, axis=1, where=good, initial=-np.inf)
    low = np.min(z, axis=1, where=good, initial=np.inf)
    empty = ~good.any(axis=1)
    high[empty], low[empty] = 0.0, 0.0
    return np.asarray(high - low, np.float32)
