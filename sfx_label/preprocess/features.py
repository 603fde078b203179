"""Physics-aware numbers of a frame: they name what an annotator looks at, and carry no units of a detector.

All come from one pass over the frame (`survey_frame`) and a look at each found spot. Heights are in deviations of the
local background, lengths in fractions of the frame's half diagonal, so gain, pedestal, number type and size of the
frame drop out. Counts and heights enter as logarithms: between 4 and 9 spots lies as much as between 40 and 90.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from sfx_label.preprocess.spots import SpotList, SpotSettings, spots_and_survey
from sfx_label.preprocess.survey import Survey

__all__ = ["FEATURE_NAMES", "SPOT_FEATURE_NAMES", "frame_features", "spot_features"]

WEAKEST = 5.0  # deviations; the ladder starts below the count's own cut, down to where noise begins
SNR_LADDER = (5.0, 6.0, 8.0, 10.0, 14.0, 20.0, 40.0, 80.0)
RANKS = (1, 2, 3, 4, 5, 7, 10, 15, 20, 30, 50)
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
TILE_QUANTILES = (0.25, 0.5, 0.75, 0.9, 1.0)
RINGS = 24  # bins of radius; a powder or ice ring puts its spots into one
STRONGEST = 300  # spots whose places are looked at
FEWEST_IN_NET = 8  # spots; with fewer, regularity is not measurable
GRID = 256  # cells a side over the spots
FEWEST_WAVES = 6  # across the spots; longer ones show where the spots are, not how they repeat

_SIZES = ("spot_size_median", "spot_size_spread")
_PLACES = ("radius_median", "radius_spread", "share_on_one_ring", "share_in_one_row", "share_in_one_column")
SPOT_FEATURE_NAMES: tuple[str, ...] = (
    "spot_count",
    *(f"log_count_snr_{cut:g}" for cut in SNR_LADDER),
    *(f"log_snr_rank_{rank}" for rank in RANKS),
    *_SIZES,
    *_PLACES,
    "distance_regularity",
)
FEATURE_NAMES: tuple[str, ...] = (
    *SPOT_FEATURE_NAMES,
    *(f"{name}_q{100 * share:g}" for name, share in product(("rows", "columns"), QUANTILES)),
    *(f"tiles_q{100 * share:g}" for share in TILE_QUANTILES),
)


def spot_features(frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Measure the spots of a frame.

    Parameters
    ----------
    frame
        Raw numbers, (rows, columns).
    mask
        True where a pixel may be used.

    Returns
    -------
    NDArray
        In the order of `SPOT_FEATURE_NAMES`; the first is the count of `find_spots` with its defaults.
    """
    spots, _ = _faint_spots(frame, mask, profiles=False)
    return _of_spots(spots, frame.shape)


def frame_features(frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Measure a whole frame: its spots, the ranges of its rows and columns after LCN, and its brightest tiles.

    Parameters
    ----------
    frame
        Raw numbers, (rows, columns).
    mask
        True where a pixel may be used.

    Returns
    -------
    NDArray
        In the order of `FEATURE_NAMES`.
    """
    spots, survey = _faint_spots(frame, mask, profiles=True)
    rows, columns = (np.quantile(np.log1p(values), QUANTILES) for values in (survey.rows, survey.columns))
    tiles = np.quantile(np.log1p(survey.tiles), TILE_QUANTILES)
    return np.concatenate([_of_spots(spots, frame.shape), rows, columns, tiles]).astype(np.float32)


def _faint_spots(frame: NDArray[Any], mask: NDArray[np.bool_] | None, profiles: bool) -> tuple[SpotList, Survey]:
    return spots_and_survey(frame, mask, replace(SpotSettings(), snr=WEAKEST), profiles=profiles)


def _of_spots(spots: SpotList, shape: tuple[int, ...]) -> NDArray[np.float32]:
    counted = np.count_nonzero(spots.snr >= SpotSettings().snr)
    ladder = [np.log1p(np.count_nonzero(spots.snr >= cut)) for cut in SNR_LADDER]
    ranked = [np.log1p(spots.snr[rank - 1]) if len(spots) >= rank else 0.0 for rank in RANKS]
    parts = [counted, *ladder, *ranked, *_sizes(spots), *_places(spots, shape), _regularity(spots)]
    return np.array(parts, np.float32)


def _sizes(spots: SpotList) -> tuple[float, float]:
    """Median and spread of the logarithm of the number of pixels."""
    if len(spots) == 0:
        return 0.0, 0.0
    sizes = np.log1p(spots.n_pixels)
    return float(np.median(sizes)), float(sizes.std())


def _places(spots: SpotList, shape: tuple[int, ...]) -> tuple[float, ...]:
    """Spread over the frame, and the shares that lie at one radius, in one row and in one column (within 2 px).

    Shares are those beyond what the first spot alone would give, so a single spot has none.
    """
    if len(spots) < 2:
        return (0.0,) * len(_PLACES)
    half = 0.5 * float(np.hypot(shape[0], shape[1]))
    radius = np.hypot(spots.x - shape[1] / 2, spots.y - shape[0] / 2) / half
    rings = np.bincount(np.minimum((radius * RINGS).astype(int), RINGS - 1))
    most = (rings.max(), _most_within(spots.y, 2.0), _most_within(spots.x, 2.0))
    return float(np.median(radius)), float(radius.std()), *((count - 1) / (len(spots) - 1) for count in most)


def _most_within(values: NDArray[np.float64], reach: float) -> int:
    """Largest number of values in an interval of length ``reach``."""
    ordered = np.sort(values)
    return int((np.searchsorted(ordered, ordered + reach, side="right") - np.arange(ordered.size)).max())


def _regularity(spots: SpotList) -> float:
    """Strength of the best period in the places of the spots.

    Spots of one crystal lie on a net, so their spot-to-spot distances repeat; those of noise, hot pixels and rings do
    not. The mean over all pairs of ``cos(2 pi k . (r1 - r2))`` is the power of the places at the wave vector ``k``. All
    wave vectors are looked at, from a few waves across the spots up to the finest that the grid holds. Divided by the
    number of spots it is about 1 for random places and the number of spots for a perfect net.
    """
    x, y = spots.x[:STRONGEST], spots.y[:STRONGEST]
    if x.size < FEWEST_IN_NET:
        return 0.0
    span = max(np.ptp(x), np.ptp(y), 1.0) * (1 + 1e-9)
    grid = np.zeros((GRID, GRID), np.float32)
    np.add.at(grid, tuple(((values - values.min()) / span * GRID).astype(int) for values in (y, x)), 1.0)
    waves = np.abs(fft.rfft2(grid)) ** 2 / x.size
    waves[: FEWEST_WAVES + 1, : FEWEST_WAVES + 1] = 0.0
    waves[-FEWEST_WAVES:, : FEWEST_WAVES + 1] = 0.0
    return float(np.log1p(waves.max()))
