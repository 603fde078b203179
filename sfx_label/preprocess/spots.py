"""Bragg spots of a frame: where they are, how strong, how many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from os import cpu_count
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from sfx_label.errors import FrameReadError
from sfx_label.preprocess.pixels import native, usable_pixels

if TYPE_CHECKING:
    import pandas as pd

    from sfx_label.frames.sequence import RunMetadata

__all__ = ["SpotList", "SpotSettings", "count_spots", "find_spots"]

UNREADABLE = -1


@dataclass(frozen=True, slots=True)
class SpotSettings:
    """What counts as a spot. The defaults serve every detector that was tried; none is in detector units.

    Parameters
    ----------
    window, centre
        Odd sides in px of the square that gives the local background, and of its centre that is left out.
    snr
        Least height of the peak above the local background, in deviations of that background.
    min_pixels, max_pixels
        Number of connected pixels.
    border
        Guard in px around masked pixels and along the frame's edge; no peak is taken there.
    """

    window: int = 15
    centre: int = 5
    snr: float = 7.0
    min_pixels: int = 2
    max_pixels: int = 200
    border: int = 2


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
    settings = settings or SpotSettings()
    frame = native(frame)
    good = usable_pixels(frame, mask)
    values = np.where(good, frame, 0).astype(np.float64)
    snr, background = _signal_to_noise(values, good, settings)
    labels, n = ndimage.label(snr > settings.snr / 2, np.ones((3, 3)))
    index = np.arange(1, n + 1)
    peaks = ndimage.maximum(snr, labels, index)
    sizes = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    kept = index[(peaks > settings.snr) & (sizes >= settings.min_pixels) & (sizes <= settings.max_pixels)]
    kept = kept[np.argsort(-peaks[kept - 1], kind="stable")]
    above = np.where(labels > 0, values - background, 0)
    centres = np.array(ndimage.center_of_mass(above, labels, kept)).reshape(-1, 2)
    intensity = np.atleast_1d(ndimage.sum(above, labels, kept))
    x, y = centres[:, 1], centres[:, 0]
    return SpotList(x, y, intensity, peaks[kept - 1], sizes[kept - 1], resolution_of(x, y, metadata))


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
    source: Any = frames if hasattr(frames, "__len__") and hasattr(frames, "__getitem__") else list(frames)
    mask = getattr(source, "mask", None) if mask is None else mask

    def count(index: int) -> int:
        try:
            return len(find_spots(source[index], mask, settings))
        except FrameReadError:
            return UNREADABLE

    result = np.empty(len(source), np.int64)
    with ThreadPoolExecutor(threads or cpu_count() or 1) as pool:
        for index, number in enumerate(pool.map(count, range(len(source)))):
            result[index] = number
            if progress is not None:
                progress(index + 1, len(source))
    return result


def _signal_to_noise(
    values: NDArray[np.float64], good: NDArray[np.bool_], settings: SpotSettings
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    def annulus(data: NDArray[Any]) -> NDArray[np.float64]:
        values = data.astype(np.float64)
        wide, narrow = (ndimage.uniform_filter(values, w, mode="constant") for w in (settings.window, settings.centre))
        return np.asarray(wide * settings.window**2 - narrow * settings.centre**2)

    count = np.maximum(annulus(good), 1)
    mean = annulus(values) / count
    variance = np.maximum(annulus(values**2) / count - mean**2, 0)
    noise = np.sqrt(variance + np.median(variance) + 1e-12)
    guarded = ndimage.binary_erosion(good, np.ones((2 * settings.border + 1,) * 2, np.bool_))
    return np.where(guarded, (values - mean) / noise, 0), mean
