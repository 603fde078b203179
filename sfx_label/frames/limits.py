"""What kinds and sizes of HDF5 data are read at all; all is asked before a byte of pixels is read."""

from __future__ import annotations

import math
from typing import Any

import h5py
import numpy as np

from sfx_label.errors import FileLayoutError, UnsafeFileError

__all__ = ["check_filters", "check_frames", "check_sizes", "check_storage"]

# far beyond any detector in use: a 16-megapixel frame of 32 bits has 64 MiB
MAX_FRAME_BYTES = 512 * 2**20
MAX_CHUNK_BYTES = 512 * 2**20
MAX_DIMENSIONS = 6
MAX_FRAMES = 10**8
FILTERS = {
    1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 307: "bzip2", 32000: "lzf",
    32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip


def check_storage(plist: h5py.h5p.PropDCID, where: str) -> None:
    """Refuse external storage, by which a data file could show, and overwrite, any file of the user.

    Raises
    ------
    UnsafeFileError
        The data set keeps its bytes in another file.
    """
    if plist.get_external_count():
        name = plist.get_external(0)[0]
        target = name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name
        raise UnsafeFileError(
            f"{where} keeps its bytes in another file ({target}), which a data file could use to read any file of "
            f"yours. Copy it with `h5repack IN OUT` where you trust it."
        )


def check_filters(plist: h5py.h5p.PropDCID, where: str) -> None:
    """Refuse filters that are not on the list: the library would look for a plugin to load.

    Raises
    ------
    UnsafeFileError
        An unknown filter.
    """
    for place in range(plist.get_nfilters()):
        code = plist.get_filter(place)[0]
        if code not in FILTERS:
            raise UnsafeFileError(
                f"{where} is compressed by filter {code}, which is not among those allowed "
                f"({', '.join(FILTERS.values())}). Rewrite it with `h5repack -f GZIP=1 IN OUT`."
            )


def check_sizes(dtype: np.dtype[Any], shape: tuple[int, ...] | None, chunk: tuple[int, ...] | None, where: str) -> None:
    """Refuse what holds no numbers or text, too many dimensions, and chunks that would fill the memory.

    Raises
    ------
    FileLayoutError
        It holds neither numbers nor text.
    UnsafeFileError
        It is larger than anything a detector gives.
    """
    if dtype.kind not in "iufbS" and h5py.check_string_dtype(dtype) is None:
        raise FileLayoutError(f"{where} holds {dtype}, not numbers. Name another data set.")
    if shape is None:
        raise FileLayoutError(f"{where} is empty. Name another data set.")
    if len(shape) > MAX_DIMENSIONS:
        raise UnsafeFileError(f"{where} has {len(shape)} dimensions, more than the {MAX_DIMENSIONS} allowed.")
    size = math.prod(chunk or (1,)) * dtype.itemsize
    if size > MAX_CHUNK_BYTES:
        raise UnsafeFileError(f"{where} is stored in chunks of {size} bytes, more than the {MAX_CHUNK_BYTES} allowed.")


def check_frames(frame_shape: tuple[int, ...], itemsize: int, n_frames: int, where: str) -> None:
    """Refuse frames of a size or number that no detector gives.

    Raises
    ------
    UnsafeFileError
        A frame beyond 512 MiB or more than 10^8 frames.
    """
    size = math.prod(frame_shape) * itemsize
    if size > MAX_FRAME_BYTES or n_frames > MAX_FRAMES:
        raise UnsafeFileError(
            f"{where} declares {n_frames} frames of {size} bytes; at most {MAX_FRAMES} frames of {MAX_FRAME_BYTES} "
            f"bytes are read. Name another data set."
        )
