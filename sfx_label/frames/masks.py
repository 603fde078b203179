"""Which pixels can be trusted: for the whole run, and for one frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError
from sfx_label.frames.layout import MaskPart, RunLayout
from sfx_label.frames.records import FrameStatus, RunMetadata

__all__ = ["active_areas_mask", "judge", "mask_codes", "part_mask", "value_mask"]

SATURATED_SHARE = 0.5  # of the good pixels: beyond it the frame is a flood, not a pattern with strong spots
SAMPLE_STEP = 16  # rows looked at first; nearly every frame is found sound by them alone

# bits of a CXI mask that describe a good pixel: in a peak mask, outside a resolution limit, corrected, peak, background
CXI_GOOD_BITS = 0x20 | 0x100 | 0x800 | 0x2000 | 0x4000
CXI_BAD_BITS = 0xFFFFFFFF & ~CXI_GOOD_BITS
CXI_SATURATED_BIT = 0x2  # of one exposure, not of the detector


def active_areas_mask(shape: tuple[int, int], areas: Sequence[tuple[int, int, int, int]]) -> NDArray[np.bool_]:
    """Return True inside the tiles, each shrunk by one pixel on every side.

    Parameters
    ----------
    shape
        (rows, columns).
    areas
        Tiles as slow0, fast0, slow1, fast1 (ends exclusive). One tile or none means no tile mask: all True.
    """
    good = np.ones(shape, bool)
    if len(areas) <= 1:
        return good
    good[:] = False
    for slow0, fast0, slow1, fast1 in areas:
        good[max(slow0 + 1, 0) : max(slow1 - 1, 0), max(fast0 + 1, 0) : max(fast1 - 1, 0)] = True
    return good


PILATUS_HOT = 1046527  # what a PILATUS3 writes for a pixel that it has switched off for being hot


def is_pilatus(shape: Sequence[int]) -> bool:
    """Return whether (rows, columns) is a grid of PILATUS modules: 195 x 487 pixels, 17 and 7 pixels apart."""
    rows, columns = shape[-2:]
    return (rows + 17) % 212 == 0 and (columns + 7) % 494 == 0


def mask_codes(dtype: np.dtype[Any]) -> tuple[int, ...]:
    """Return the pixel values by which photon counters mark gaps and masked pixels.

    The two highest values of unsigned 8, 16 and 32 bits (Eiger), and for signed integers the two highest values and -1
    and -2 (Eiger read as signed, Pilatus).
    """
    if dtype.kind == "u":
        top = int(np.iinfo(dtype).max)
        return (top, top - 1)
    if dtype.kind == "i":
        top = int(np.iinfo(dtype).max)
        return (-1, -2, top, top - 1)
    return ()


def part_mask(
    part: MaskPart, stored_shape: tuple[int, ...], load: Callable[[MaskPart, int], NDArray[Any]], index: int | None
) -> NDArray[np.bool_]:
    """Return one part of the mask in the shape of a stored frame.

    Parameters
    ----------
    part
        The part.
    stored_shape
        Shape of a frame in the file.
    load
        Reads the part's numbers for one index within the data set.
    index
        Index of the frame within its data set, ``None`` for the mask of the run.

    Raises
    ------
    FileLayoutError
        The mask's shape is not the frame's.
    """
    if part.kind == "active_areas":
        rows, columns = int(np.prod(stored_shape[:-1])), stored_shape[-1]
        return active_areas_mask((rows, columns), part.areas).reshape(stored_shape)
    values = part.array if part.kind == "array" and part.array is not None else load(part, index or 0)
    if values.size != int(np.prod(stored_shape)) or values.shape[-1] != stored_shape[-1]:
        raise FileLayoutError(
            f"the mask {part.path}:{part.dataset} has shape {values.shape} but the frames have {stored_shape}. Give a "
            f"mask of the frames' shape, True where a pixel is good."
        )
    values = values.reshape(stored_shape)
    if part.kind == "bad_bits":
        if values.dtype.kind not in "iub":
            return np.asarray(values == 0)
        bits = part.lasting_bits if part.per_frame and index is None else part.bits
        return np.asarray((values.astype(np.uint64) & np.uint64(bits)) == 0)
    return np.asarray(values != 0)


def value_mask(frame: NDArray[Any], layout: RunLayout) -> NDArray[np.bool_]:
    """Return True where a pixel's value is a measurement within the trusted range.

    That is ``trusted_min <= value < saturated_value``, finite, and none of the codes for masked pixels.

    Parameters
    ----------
    frame
        Pixels of any shape.
    layout
        Says what the range and the codes are.
    """
    low, high = layout.metadata.trusted_min, layout.metadata.saturated_value
    good = np.isfinite(frame) if frame.dtype.kind == "f" else np.ones(frame.shape, bool)
    if low is not None:
        good &= frame >= low
    if high is not None:
        good &= frame < high
    for code in layout.codes:
        if (low is None or code >= low) and (high is None or code < high):
            good &= frame != code
    return np.asarray(good)


def judge(frame: NDArray[Any], mask: NDArray[np.bool_] | None, layout: RunLayout) -> tuple[FrameStatus, str]:
    """Return what state the pixels of a frame are in, and a sentence about it.

    Parameters
    ----------
    frame
        (rows, columns) pixels.
    mask
        The frame's good pixels as far as the file's masks say, or ``None`` for all.
    layout
        Says what the trusted range and the codes are.
    """
    if frame.dtype.kind == "f":
        finite = np.isfinite(frame)
        bad = ~finite if mask is None else ~finite & mask
        if bad.any():
            return FrameStatus.NOT_FINITE, f"{int(bad.sum())} pixels are NaN or infinite; use the masked preprocessing"
    sample = (slice(None, None, SAMPLE_STEP),)
    if _good_share(frame[sample], None if mask is None else mask[sample], layout) > SATURATED_SHARE:
        return FrameStatus.OK, ""
    return _judge_all(frame, mask, layout)


def _good_share(frame: NDArray[Any], mask: NDArray[np.bool_] | None, layout: RunLayout) -> float:
    good = value_mask(frame, layout)
    if mask is not None:
        good &= mask
    return float(good.mean()) if good.size else 0.0


def _judge_all(frame: NDArray[Any], mask: NDArray[np.bool_] | None, layout: RunLayout) -> tuple[FrameStatus, str]:
    whole = np.ones(frame.shape, bool) if mask is None else mask
    saturated = _saturated(frame, layout.metadata) & whole
    if whole.any() and saturated.sum() > SATURATED_SHARE * whole.sum():
        share = 100 * saturated.sum() / whole.sum()
        return (
            FrameStatus.SATURATED,
            f"{share:.0f} % of the good pixels are at or above {layout.metadata.saturated_value:g}",
        )
    if not (value_mask(frame, layout) & whole).any():
        return FrameStatus.MASKED, "no pixel is left by the mask and the trusted range"
    return FrameStatus.OK, ""


def _saturated(frame: NDArray[Any], metadata: RunMetadata) -> NDArray[np.bool_]:
    if metadata.saturated_value is None:
        return np.zeros(frame.shape, bool)
    return np.asarray(frame >= metadata.saturated_value)
