"""A mask that the user brings: an array, or a numpy, HDF5 or image file."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError, FrameReadError
from sfx_label.frames.gate import HDF5Shelf
from sfx_label.frames.images import is_image, read_image
from sfx_label.frames.layout import MaskPart, RunLayout
from sfx_label.frames.opening import Absent, check_regular

__all__ = ["read_mask"]


def read_mask(mask: Any, layout: RunLayout) -> MaskPart:
    """Return a user's mask as a part of the run's.

    Parameters
    ----------
    mask
        (rows, columns) array, or the path of a ``.npz`` file (key ``mask``, or its only array), a ``.npy`` file, an
        image, or ``file.h5:/path``. True or non-zero = good.
    layout
        The run that it is for.

    Raises
    ------
    FileLayoutError
        Its shape is not that of the frames, or the file holds no mask.
    FrameReadError
        The file cannot be read.
    """
    is_path = isinstance(mask, str | os.PathLike)
    name = os.fspath(mask) if is_path else "the mask given"
    values = _load(name) if is_path else np.asarray(mask)
    if values.shape not in (layout.frame_shape, layout.stored_shape):
        raise FileLayoutError(
            f"{name} has shape {values.shape} but the frames have {layout.frame_shape}. Give a mask of the frames' "
            f"shape, True where a pixel is good."
        )
    return MaskPart("array", array=values != 0)


def _load(name: str) -> NDArray[Any]:
    path, colon, dataset = name.rpartition(":/")
    if colon and not os.path.exists(name):
        return _load_hdf5(path, f"/{dataset}")
    if is_image(name):
        return read_image(name, 0)
    check_regular(name)
    try:
        loaded = np.load(name, allow_pickle=False)
        if not hasattr(loaded, "files"):
            return np.asarray(loaded)
        with loaded:
            return np.asarray(loaded["mask" if "mask" in loaded.files else _only(name, list(loaded.files))])
    except (OSError, ValueError, EOFError) as error:
        raise FrameReadError(
            f"cannot read {name} as a mask: {error}. Give a .npz, .npy, image or file.h5:/path."
        ) from error


def _only(name: str, keys: list[str]) -> str:
    if len(keys) != 1:
        raise FileLayoutError(
            f"{name} has no array 'mask' but {', '.join(keys) or 'nothing'}. Save it under the key 'mask'."
        )
    return keys[0]


def _load_hdf5(path: str, dataset: str) -> NDArray[Any]:
    shelf = HDF5Shelf()
    try:
        found = shelf.file(path).dataset(dataset)
        if isinstance(found, Absent):
            raise FileLayoutError(f"{found.reason}. Name the data set of the mask.")
        return found.small(None, 512 * 2**20)
    finally:
        shelf.close()
