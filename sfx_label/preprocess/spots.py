"""Bragg spots of a frame: where they are, how strong, how many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.preprocess.each import as_sequence, each_frame
from sfx_label.preprocess.kernels import EMPTY_MASK
from sfx_label.preprocess.noise import estimate_noise
from sfx_label.preprocess.peaks import judge_seeds
from sfx_label.preprocess.pixels import native, usable_pixels
from sfx_label.preprocess.survey import Survey, survey_frame

if TYPE_CHECKING:
    import pandas as pd

    from sfx_label.frames.sequence import RunMetadata

__all__ = ["SpotList", "SpotSettings", "count_spots", "find_spots"]

UNREADABLE = -1
LARGEST_WINDOW = 41  # px
SEED = 3.5  # deviations of the whole square, to which the spot and its neighbours add


@dataclass(frozen=True, slots=True)
class SpotSettings:
    """What counts as a spot. The defaults serve every detector that was tried; none is in detector units.

    Parameters
    ----------
    window, centre
        Odd sides in px of the square that gives the local background, and of its centre that is left out.
    snr
        Least height of the peak above the local background, in deviations of that background.
    sum_snr
        Least height of the sum of the 3 x 3 pixels about the peak, in deviations of such sums in the background: what
        the point spread of the detector makes of the noise is measured, not assumed.
    halo
        Least height of what is left of that sum without its two highest pixels: a hot pixel or a cosmic ray has none.
    min_pixels, max_pixels
        Number of connected pixels.
    border
        Guard in px around masked pixels and along the frame's edge; no peak is taken there.
    """

    window: int = 15
    centre: int = 5
    snr: float = 7.0
    sum_snr: float = 5.5
    halo: float = 2.0
    min_pixels: int = 2
    max_pixels: int = 150
    border: int = 2

    def __post_init__(self) -> None:
        if self.window % 2 == 0 or self.centre % 2 == 0 or not 0 < self.centre < self.window <= LARGEST_WINDOW:
            raise SfxLabelError(
                f"the spot finder needs odd sides, centre < window <= {LARGEST_WINDOW} px; "
                f"received window {self.window}, centre {self.centre}"
            )


@dataclass(frozen=True, slots=True)
class SpotList:
    """Spots of one frame, the strongest first.

    Parameters
    ----------
    x, y
        Centre in px along the fast and the slow axis, (n,).
    intensity
        Sum above the local background, in the units of the frame, (n,).
    snr
        Height of the peak in deviations of the local background, (n,).
    n_pixels
        Connected pixels, (n,).
    resolution_angstrom
        d spacing of each spot, (n,); None where the geometry is not known.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    intensity: NDArray[np.float64]
    snr: NDArray[np.float64]
    n_pixels: NDArray[np.int64]
    resolution_angstrom: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        return len(self.x)

    def to_frame(self) -> pd.DataFrame:
        """One row a spot."""
        import pandas as pd

        columns = {field.name: getattr(self, field.name) for field in fields(self)}
        return pd.DataFrame({name: values for name, values in columns.items() if values is not None})


def find_spots(
    frame: NDArray[Any], mask: NDArray[np.bool_] | None = None, settings: SpotSettings | None = None,
    metadata: RunMetadata | None = None,
) -> SpotList:  # fmt: skip
    """Find the Bragg spots of one frame.

    Parameters
    ----------
    frame
        Raw numbers, (rows, columns).
    mask
        True where a pixel may be used. Gaps, mask codes and pixels that are not finite are left out in any case.
    settings
        None for the defaults.
    metadata
        Beam centre, distance, pixel size and wavelength, for the resolution.
    """
    spots, _ = spots_and_survey(frame, mask, settings or SpotSettings(), metadata)
    return spots


def spots_and_survey(
    frame: NDArray[Any], mask: NDArray[np.bool_] | None, settings: SpotSettings, metadata: RunMetadata | None = None,
    profiles: bool = False,
) -> tuple[SpotList, Survey]:  # fmt: skip
    """Find the spots, and hand out what else the one pass over the frame found.

    Parameters
    ----------
    frame, mask, settings, metadata
        As in `find_spots`.
    profiles
        As in `survey_frame`.
    """
    frame = np.ascontiguousarray(native(frame))
    if frame.ndim != 2 or min(frame.shape) < settings.window:
        raise FrameReadError(
            f"spots are found in frames of (rows, columns), at least {settings.window} px each way; "
            f"received shape {frame.shape}"
        )
    if mask is not None and mask.shape != frame.shape:
        raise FrameReadError(f"the mask {mask.shape} does not fit the frame {frame.shape}; give the run's own mask")
    good = usable_pixels(frame, mask)
    noise = estimate_noise(frame, good)
    least = max(noise.least_variance, 0.1 * noise.photon**2)
    survey = survey_frame(frame, good, settings.window, SEED, least, profiles)
    sides = (settings.window // 2, settings.centre // 2, settings.border, settings.min_pixels, settings.max_pixels)
    limits = (settings.snr, settings.sum_snr, settings.halo)
    usable = EMPTY_MASK if good is None else good
    rows = judge_seeds(frame, usable, good is not None, survey.seeds, sides, limits, noise.photon, noise.least_variance)
    return _spot_list(rows[np.argsort(-rows[:, 3], kind="stable")], metadata), survey


def _spot_list(rows: NDArray[np.float64], metadata: RunMetadata | None) -> SpotList:
    x, y, intensity, snr, n_pixels = rows.T[:5]
    return SpotList(x, y, intensity, snr, n_pixels.astype(np.int64), resolution_of(x, y, metadata))


def resolution_of(
    x: NDArray[np.float64], y: NDArray[np.float64], metadata: RunMetadata | None
) -> NDArray[np.float64] | None:
    """Resolution in Angstrom at pixel positions, ``d = wavelength / (2 sin theta)``; None where geometry is unknown."""
    if metadata is None or metadata.beam_center_px is None or metadata.pixel_size_mm is None:
        return None
    centre, pixel, distance = metadata.beam_center_px, metadata.pixel_size_mm, metadata.distance_mm
    if distance is None or metadata.wavelength_angstrom is None:
        return None
    radius_mm = np.hypot(x - centre[0], y - centre[1]) * pixel
    with np.errstate(divide="ignore"):
        return np.asarray(metadata.wavelength_angstrom / (2 * np.sin(0.5 * np.arctan2(radius_mm, distance))))


def count_spots(
    frames: Iterable[NDArray[Any]], mask: NDArray[np.bool_] | None = None, settings: SpotSettings | None = None,
    threads: int | None = None, progress: Callable[[int, int], None] | None = None,
) -> NDArray[np.int64]:  # fmt: skip
    """Count the spots of each frame; -1 for a frame that cannot be read.

    Parameters
    ----------
    frames
        `Frames`, a stack, or any iterable of frames.
    mask
        True where a pixel may be used; None takes the mask of `frames`, if it has one.
    settings
        None for the defaults.
    threads
        Number of threads; None for one a core.
    progress
        Called as ``progress(done, total)``.
    """
    source = as_sequence(frames)
    mask = getattr(source, "mask", None) if mask is None else mask

    def count(index: int) -> int:
        try:
            return len(find_spots(source[index], mask, settings))
        except FrameReadError:
            return UNREADABLE

    return np.fromiter(each_frame(count, len(source), threads, progress), np.int64, len(source))
