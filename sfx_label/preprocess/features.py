"""Physics-aware numbers of a frame: they name what an annotator looks at, and carry no units of a detector."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.preprocess.spots import SpotList, find_spots

__all__ = ["FEATURE_NAMES", "SPOT_FEATURE_NAMES", "frame_features", "spot_features"]

SNR_LADDER = (5.0, 6.0, 7.0, 8.0, 10.0, 14.0, 20.0, 40.0)
RANKS = (1, 2, 3, 4, 6, 8, 10, 15, 20, 30)
SPOT_FEATURE_NAMES: tuple[str, ...] = (
    "spot_count",
    *(f"log_count_snr_{cut:g}" for cut in SNR_LADDER),
    *(f"log_snr_rank_{rank}" for rank in RANKS),
)
FEATURE_NAMES: tuple[str, ...] = SPOT_FEATURE_NAMES


def spot_features(frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Numbers of the found spots, in the order of `SPOT_FEATURE_NAMES`; the first is the count."""
    return _of_spots(find_spots(frame, mask))


def frame_features(frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """All numbers of a frame, in the order of `FEATURE_NAMES`."""
    return spot_features(frame, mask)


def _of_spots(spots: SpotList) -> NDArray[np.float32]:
    counts = [np.log1p(np.count_nonzero(spots.snr > cut)) for cut in SNR_LADDER]
    ranked = [np.log1p(spots.snr[rank - 1]) if len(spots) >= rank else 0.0 for rank in RANKS]
    return np.array([len(spots), *counts, *ranked], np.float32)
