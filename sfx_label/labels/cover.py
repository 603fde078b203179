"""Frames that cover the variety of a run: one typical frame of each kind before the second of any."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["LARGEST_COVER", "cover_order"]

LARGEST_COVER = 500
"""Clusters at most; beyond this many picks a random order covers as well, and clustering gets slow."""


def cover_order(features: ArrayLike, seed: int = 0, picks: int = LARGEST_COVER) -> NDArray[np.int64]:
    """Cover the variety of the run: one typical frame of each of many clusters, then the rest at random.

    The clusters are ordered farthest first, so that any beginning of the order covers as much as it can; the frame
    nearest to the centre of a cluster is taken, as the outermost would be an outlier.

    Parameters
    ----------
    features
        Shape (n, d). Frames with a feature that is not finite come last.
    seed
        Same seed, same order.
    picks
        Number of clusters, at most `LARGEST_COVER`.
    """
    from sklearn.cluster import MiniBatchKMeans

    table = np.asarray(features, np.float64)
    shuffled = np.random.default_rng(seed).permutation(len(table)).astype(np.int64)
    usable = np.flatnonzero(np.isfinite(table).all(axis=1))
    scaled = _robust_scale(table[usable])
    k = min(picks, LARGEST_COVER, len(np.unique(scaled, axis=0)))
    if k < 1:
        return shuffled
    batch = max(1024, 4 * k)
    clusters = MiniBatchKMeans(k, random_state=seed, n_init=1, batch_size=batch, max_iter=20).fit(scaled)
    typical = usable[_nearest_each(scaled, clusters.cluster_centers_)]
    first = typical[_farthest_first(scaled[np.searchsorted(usable, typical)])]
    rest = shuffled[~np.isin(shuffled, first)]
    good = np.isin(rest, usable)
    return np.concatenate([first, rest[good], rest[~good]])


def _robust_scale(table: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre on the median and scale by the middle 90 %, clipped, so that no outlier rules the distances."""
    if not len(table):
        return table
    low, middle, high = np.quantile(table, [0.05, 0.5, 0.95], axis=0)
    spread = np.where(high > low, high - low, 1)
    return np.asarray(np.clip((table - middle) / spread, -3, 3))


def _nearest_each(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.int64]:
    from sklearn.metrics import pairwise_distances_argmin

    return np.unique(pairwise_distances_argmin(centres, points)).astype(np.int64)


def _farthest_first(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Order points so that each is the farthest from those before it (Gonzalez 1985), from the most central one on."""
    order = [int(np.argmin(((points - points.mean(axis=0)) ** 2).sum(axis=1)))]
    distance = np.full(len(points), np.inf)
    for _ in range(len(points) - 1):
        distance = np.minimum(distance, ((points - points[order[-1]]) ** 2).sum(axis=1))
        distance[order] = -1
        order.append(int(np.argmax(distance)))
    return np.array(order, np.int64)
