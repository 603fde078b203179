"""Which numbers of a frame can be counts, and which are gaps, codes or broken pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.preprocess.kernels import compiled

__all__ = ["native", "usable_pixels"]

MANY_NEGATIVES = 8  # a pedestal that was subtracted leaves many different negative numbers; mask codes are few
CODED_SHARE = 1e-3  # of the pixels at the top of a 16-bit range: more is a gap between modules, fewer are saturated


def native(frame: NDArray[Any]) -> NDArray[Any]:
    """Give numbers in the byte order of this machine and in a type that the kernels know.

    Integers and floats keep their type (half precision becomes single, bool becomes uint8).
    """
    if frame.dtype.kind == "f" and frame.dtype.itemsize < 4:
        return frame.astype(np.float32)
    if frame.dtype.kind == "b":
        return frame.astype(np.uint8)
    return frame if frame.dtype.isnative else frame.astype(frame.dtype.newbyteorder("="))


def usable_pixels(frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.bool_] | None:
    """Find the pixels whose number can be a measured count.

    Left out are pixels under the mask, pixels that are not finite, and in integer frames mask codes: few different
    negative numbers (-1 and -2 in Pilatus gaps; a frame with many different ones has a pedestal subtracted, and keeps
    them), and the ends of the number range. The top of a 16-bit range may be saturation in the middle of a strong
    spot, and is left out only if it covers as much of the frame as gaps do.

    Parameters
    ----------
    frame
        (rows, columns), in native byte order.
    mask
        True where a pixel may be used, same shape.

    Returns
    -------
    NDArray or None
        True where a pixel may be used, C-contiguous; None if that is everywhere.
    """
    good = np.isfinite(frame) if frame.dtype.kind == "f" else _countable(frame)
    if mask is not None:
        good = mask.astype(bool) if good is None else good & mask
    return None if good is None or bool(good.all()) else np.ascontiguousarray(good)


def _countable(frame: NDArray[Any]) -> NDArray[np.bool_] | None:
    limits, lowest, highest = np.iinfo(frame.dtype), int(frame.min()), int(frame.max())
    good: NDArray[np.bool_] | None = None
    if lowest < 0:
        many = _has_many_negatives(frame, np.zeros(MANY_NEGATIVES, np.int64))
        good = frame > limits.min if many else frame >= 0
    if highest == limits.max:
        full = frame == limits.max
        if frame.dtype.itemsize > 2 or full.mean() > CODED_SHARE:
            good = ~full if good is None else good & ~full
    return good


@compiled
def _has_many_negatives(frame: Any, seen: Any) -> bool:
    """Tell whether a frame holds more different negative numbers than `seen` has room for."""
    n = 0
    for i in range(frame.shape[0]):
        for j in range(frame.shape[1]):
            if frame[i, j] < 0:
                known = False
                for k in range(n):
                    known = known or seen[k] == frame[i, j]
                if not known and n == seen.size:
                    return True
                if not known:
                    seen[n] = frame[i, j]
                    n += 1
    return False
