"""Which numbers of a frame can be counts, and which are gaps, codes or broken pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["native", "usable_pixels"]

MANY_NEGATIVES = 8  # a pedestal that was subtracted leaves many different negative numbers; mask codes are few


def native(frame: NDArray[Any]) -> NDArray[Any]:
    """Give numbers in the byte order of this machine and in a type that the kernels know.

    Integers and floats keep their type (half precision becomes single, bool becomes uint8).
    """
    if frame.dtype.kind == "f" and frame.dtype.itemsize < 4:
        return frame.astype(np.float32)
    if frame.dtype.kind == "b":
        return frame.astype(np.uint8)
    return frame if frame.dtype.isnative else frame.astype(frame.dtype.newbyteorder("="))


def usable_pixels(frame: NDArray[Any], mask: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Find the pixels whose number can be a measured count.

    Left out are pixels under the mask, pixels that are not finite, and, in integer frames, the top and bottom of the
    number range and negative mask codes (few different negative numbers, such as -1 and -2 in Pilatus gaps; a frame
    with many different negative numbers has a pedestal subtracted and keeps them).

    Parameters
    ----------
    frame
        (rows, columns).
    mask
        True where a pixel may be used, same shape.
    """
    if frame.dtype.kind == "f":
        good = np.isfinite(frame)
    else:
        limits = np.iinfo(frame.dtype)
        good = frame < limits.max
        if frame.dtype.kind == "i":
            good &= frame > limits.min
            negative = frame[frame < 0]
            if negative.size and np.unique(negative).size <= MANY_NEGATIVES:
                good &= frame >= 0
    return np.asarray(good if mask is None else good & mask)
