"""Central crop, global and local contrast normalisation, and `Preprocessing`, which travels with every model.

`Preprocessing` is the one recipe from a raw frame to what a model sees. It is frozen and hashable, so it can be saved
in a bundle, compared, and used as a key of a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Self, cast

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.preprocess.each import as_sequence, each_frame
from sfx_label.preprocess.features import FEATURE_NAMES, SPOT_FEATURE_NAMES, frame_features, spot_features
from sfx_label.preprocess.local_contrast import EMPTY_PICTURE, FLOOR_GLOBAL, FLOOR_MEAN_DEVIATION, normalise
from sfx_label.preprocess.pixels import native, usable_pixels

__all__ = ["Preprocessing", "central_crop", "gcn", "lcn"]

Floor = Literal["global", "mean-std"]
Output = Literal["rwd", "lcn", "spots", "features"]

_FLOORS = {"global": FLOOR_GLOBAL, "mean-std": FLOOR_MEAN_DEVIATION}
_OUTPUTS = ("rwd", "lcn", "spots", "features")
PAPER_CROP = 724  # px; the paper's central crop of the 1920 x 1920 frames
PAPER_WINDOW = 5  # px; torch7 image.lcn with a flat 5 x 5 kernel
DEFAULT_WINDOW = 15  # px; see `Preprocessing.default`
SMALLEST_WINDOW, LARGEST_WINDOW = 3, 41  # px


def central_crop(frame: NDArray[Any], size: int | None) -> NDArray[Any]:
    """Cut the central square out of a frame, as a view.

    Parameters
    ----------
    frame
        (rows, columns).
    size
        Side in px; None, or a side longer than the frame's, keeps that side whole.
    """
    (top, left), (height, width) = _crop_box(frame.shape, size)
    return frame[top : top + height, left : left + width]


def gcn(frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
    """Normalise the contrast of a whole frame: subtract its mean, divide by its standard deviation.

    Parameters
    ----------
    frame
        Raw counts, (rows, columns).
    mask
        True where a pixel may be used; the others become 0, as do pixels that are not finite.

    Returns
    -------
    NDArray
        Same shape; zeros for a constant frame.

    Notes
    -----
    Source: formula (1) of the paper, with the n - 1 deviation of torch.
    """
    good = np.isfinite(frame) if mask is None else np.isfinite(frame) & mask
    values = np.where(good, frame, 0).astype(np.float64)
    mean = values.sum() / max(good.sum(), 1)
    centred = np.where(good, values - mean, 0.0)
    deviation = np.sqrt((centred**2).sum() / max(good.sum() - 1, 1))
    return (centred / deviation if deviation > 0 else np.zeros_like(centred)).astype(np.float32)


def lcn(
    frame: NDArray[Any], window: int = PAPER_WINDOW, floor: Floor = "global", mask: NDArray[np.bool_] | None = None
) -> NDArray[np.float32]:
    """Normalise the contrast in a window around each pixel.

    ``z = (x - m) / max(s, floor)`` with the mean ``m`` and the deviation ``s`` of the window. The result is the same
    for raw counts and for counts after `gcn`: both moves, the shift and the scale, cancel.

    Parameters
    ----------
    frame
        Raw counts or the result of `gcn`, (rows, columns).
    window
        Odd side of the window in px, 3 to 41; the paper has 5.
    floor
        Least deviation that is divided by: ``"global"`` is one deviation of the whole frame (torch7 ``image.lcn``, as
        in the paper), ``"mean-std"`` the mean of the window deviations (Jarrett 2009).
    mask
        True where a pixel may be used, same shape as `frame`. Window statistics are taken over usable pixels only and
        other pixels get z = 0. With a mask, gaps and mask codes are not usable either (`usable_pixels`); pixels that
        are not finite never are.

    Returns
    -------
    NDArray
        (rows - window + 1, columns - window + 1); ``|z| <= sqrt(window^2 - 1)``; zeros for a constant frame.
    """
    return Preprocessing.lcn(crop=None, window=window, floor=floor, masked=mask is not None).apply(frame, mask)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The recipe from a raw frame to the input of a model.

    Parameters
    ----------
    output
        ``"rwd"`` one number a row; ``"lcn"`` the normalised picture; ``"spots"`` numbers of the found spots, the count
        first; ``"features"`` the physics-aware vector of `FEATURE_NAMES`.
    crop
        Side of the central crop in px; None for the whole frame. A smaller frame is used whole.
    window
        Odd side of the LCN window in px, 3 to 41.
    floor
        Least local deviation: ``"global"`` (the paper) or ``"mean-std"``; see `lcn`.
    masked
        Leave out pixels under the run's mask and pixels whose value cannot be a count. Pixels that are not finite are
        left out whatever this says, so the result is always finite.
    """

    output: Output = "rwd"
    crop: int | None = PAPER_CROP
    window: int = PAPER_WINDOW
    floor: Floor = "global"
    masked: bool = False

    def __post_init__(self) -> None:
        if self.output not in _OUTPUTS:
            raise SfxLabelError(f"unknown output of Preprocessing: {self.output!r}; choose from {', '.join(_OUTPUTS)}")
        if self.floor not in _FLOORS:
            raise SfxLabelError(f"unknown floor of Preprocessing: {self.floor!r}; choose from {', '.join(_FLOORS)}")
        if self.window % 2 == 0 or not SMALLEST_WINDOW <= self.window <= LARGEST_WINDOW:
            raise SfxLabelError(f"the LCN window must be odd and 3 to 41 px, received {self.window!r}; the paper has 5")
        if self.crop is not None and self.crop < self.window:
            raise SfxLabelError(f"the crop must hold the window of {self.window} px, received {self.crop!r}")

    @classmethod
    def paper(cls, output: Output = "rwd") -> Self:
        """As in the paper: central 724 px, 5 x 5 window, floor of one global deviation, no mask."""
        return cls(output)

    @classmethod
    def default(cls, output: Output = "rwd") -> Self:
        """Take what measured best on independent simulations: central 724 px, 15 x 15 window, one global deviation.

        Spots and features come from the whole frame and under the run's mask.

        Notes
        -----
        Measured by ``benchmarks/default_preprocessing.py`` on three nanoBragg twins of the paper's sets of 100 frames
        (sorted RWD, logistic regression, 60 labels, 12 splits; mean area under the curve / balanced accuracy), on the
        frames as they are and with their noise doubled:

        ========================  ===============  =============
        floor, window             as they are      noise doubled
        ========================  ===============  =============
        global, 5 (the paper)     .996 / .946      .975 / .917
        global, 9                 .998 / .976      .992 / .948
        global, 15 (the default)  .997 / .974      .994 / .957
        global, 21                .997 / .967      .995 / .955
        mean-std, 5               .938 / .847      .936 / .847
        mean-std, 15              .996 / .965      .980 / .936
        ========================  ===============  =============

        Without any label the other floor is better: the 90th percentile of its RWD alone has areas of .992 to 1.000
        with a window of 15, that of the paper's .65 to .97.
        """
        if output in ("spots", "features"):
            return cls(output, crop=None, masked=True)
        return cls(output, window=DEFAULT_WINDOW)

    @classmethod
    def rwd(cls, **settings: Any) -> Self:
        """Row-wise decomposition; keywords are the fields."""
        return cls("rwd", **settings)

    @classmethod
    def lcn(cls, **settings: Any) -> Self:
        """Contrast-normalised picture; keywords are the fields."""
        return cls("lcn", **settings)

    @classmethod
    def spots(cls, **settings: Any) -> Self:
        """Numbers of the found spots, from the whole frame and under the run's mask unless said otherwise."""
        return cls("spots", **{"crop": None, "masked": True, **settings})

    @classmethod
    def features(cls, **settings: Any) -> Self:
        """Physics-aware feature vector, from the whole frame and under the run's mask unless said otherwise."""
        return cls("features", **{"crop": None, "masked": True, **settings})

    def apply(self, frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.float32]:
        """Preprocess one frame.

        Parameters
        ----------
        frame
            Raw numbers of any integer or float type, (rows, columns).
        mask
            True where a pixel may be used; used only if `masked`. Shape of the frame, or of its central crop.

        Returns
        -------
        NDArray
            Shape `output_shape`; always finite.

        Raises
        ------
        FrameReadError
            If the frame is not a picture, is smaller than the window, or does not have the shape of the mask.
        """
        frame = native(frame)
        self._check(frame, mask)
        if self.output in ("spots", "features"):
            cropped = central_crop(frame, self.crop)
            inner = central_crop(mask, self.crop) if mask is not None and self.masked else None
            measure = spot_features if self.output == "spots" else frame_features
            return measure(cropped, inner)
        return self._contrast(frame, mask)

    def apply_many(
        self, frames: Iterable[NDArray[Any]], mask: NDArray[np.bool_] | None = None, threads: int | None = None,
        progress: Callable[[int, int], None] | None = None, out: NDArray[Any] | None = None,
    ) -> NDArray[np.float32]:  # fmt: skip
        """Preprocess frames and stack the results; a frame that cannot be read gives NaN.

        Parameters
        ----------
        frames
            `Frames`, a stack, or any iterable of frames of one shape. Of `Frames`, only the crop is read, and the
            run's own mask serves if `mask` is None.
        mask
            As in `apply`.
        threads
            Number of threads; None for one a core.
        progress
            Called as ``progress(done, total)``.
        out
            Array to fill, (n, ...); a memory map, say. None makes one.

        Returns
        -------
        NDArray
            (n, *output_shape).
        """
        source = as_sequence(frames)
        if mask is None and self.masked:
            mask = getattr(source, "mask", None)
        total = len(source)

        def row(index: int) -> NDArray[np.float32] | None:
            try:
                return self.apply(self._read(source, index), mask)
            except FrameReadError:
                return None

        result = out
        for index, values in enumerate(each_frame(row, total, threads, progress)):
            if result is None and values is not None:
                result = np.full((total, *values.shape), np.nan, np.float32)
            if result is not None:
                result[index] = np.nan if values is None else values
        return np.full((total, 0), np.nan, np.float32) if result is None else cast("NDArray[np.float32]", result)

    def output_shape(self, frame_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of what `apply` gives for a frame of (rows, columns)."""
        if self.output == "spots":
            return (len(SPOT_FEATURE_NAMES),)
        if self.output == "features":
            return (len(FEATURE_NAMES),)
        _, (height, width) = _crop_box(frame_shape[-2:], self.crop)
        shape = (height - self.window + 1, width - self.window + 1)
        return shape if self.output == "lcn" else shape[:1]

    def feature_names(self, frame_shape: tuple[int, ...]) -> tuple[str, ...]:
        """Name each number that `apply` gives for a frame of (rows, columns), in C order."""
        if self.output == "spots":
            return SPOT_FEATURE_NAMES
        if self.output == "features":
            return FEATURE_NAMES
        shape = self.output_shape(frame_shape)
        return tuple(f"{self.output}_" + "_".join(map(str, index)) for index in np.ndindex(*shape))

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make a recipe from what `to_dict` gave.

        Raises
        ------
        SfxLabelError
            If a name is not a field, or a value is out of range.
        """
        unknown = sorted(set(values) - {field.name for field in fields(cls)})
        if unknown:
            raise SfxLabelError(f"unknown preprocessing setting {unknown[0]!r}; was it saved by a newer sfx-label?")
        return cls(**values)

    def _read(self, source: Any, index: int) -> NDArray[Any]:
        if self.crop is not None and hasattr(source, "crop"):
            return cast("NDArray[Any]", source.crop(index, self.crop))
        return cast("NDArray[Any]", source[index])

    def _check(self, frame: NDArray[Any], mask: NDArray[np.bool_] | None) -> None:
        if frame.ndim != 2:
            raise FrameReadError(f"a frame must be (rows, columns), received shape {frame.shape}; select one frame")
        box = _crop_box(frame.shape, self.crop)[1]
        if min(box) < self.window:
            raise FrameReadError(f"a frame of {frame.shape} px is smaller than the window of {self.window} px")
        if mask is not None and self.masked and central_crop(mask, self.crop).shape != box:
            raise FrameReadError(f"the mask {mask.shape} does not fit the frame {frame.shape}; give the run's own mask")

    def _contrast(self, frame: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
        origin, shape = _crop_box(frame.shape, self.crop)
        good = self._good(central_crop(frame, self.crop), mask)
        if good is not None or not frame.flags.c_contiguous:
            frame, origin = np.ascontiguousarray(central_crop(frame, self.crop)), (0, 0)
        across = (shape[0] - self.window + 1, shape[1] - self.window + 1)
        picture = np.empty(across, np.float32) if self.output == "lcn" else EMPTY_PICTURE
        ranges = normalise(frame, good, (origin, shape), self.window, _FLOORS[self.floor], picture)
        return picture if self.output == "lcn" else ranges.astype(np.float32)

    def _good(self, cropped: NDArray[Any], mask: NDArray[np.bool_] | None) -> NDArray[np.bool_] | None:
        """Pixels of the crop that may be used; None for all."""
        if self.masked:
            return usable_pixels(cropped, central_crop(mask, self.crop) if mask is not None else None)
        return usable_pixels(cropped) if cropped.dtype.kind == "f" else None


def _crop_box(shape: tuple[int, ...], size: int | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """First row and column, and number of rows and columns, of the central crop."""
    height, width = (length if size is None else min(length, size) for length in shape[-2:])
    return ((shape[-2] - height) // 2, (shape[-1] - width) // 2), (height, width)
