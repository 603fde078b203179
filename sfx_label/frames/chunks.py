"""Chunks decompressed outside the HDF5 library's global lock, so that threads decode side by side.

The library allows one thread at a time, also while it decompresses. Here only the stored bytes are read under its
lock; the filters then run in the caller's thread: the very filter functions that hdf5plugin registers with the library,
called by their public plugin interface (``H5PLget_plugin_info``), and zlib for gzip. What this cannot do is left to the
library.
"""

from __future__ import annotations

import ctypes
import math
import weakref
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FrameReadError

__all__ = ["Codec", "codec_of"]

GZIP, SHUFFLE, BITSHUFFLE = 1, 2, 32008
PLUGINS = {32004: "lz4", BITSHUFFLE: "bshuf", 32015: "zstd", 32001: "blosc", 32026: "blosc2"}
REVERSE = 0x0100  # H5Z_FLAG_REVERSE: decompress
BITSHUFFLE_COMPRESSED = (2, 3)  # its fifth parameter: LZ4, zstd
HEADER = 12  # bytes before the first block of a compressed bitshuffle chunk: length, block length


class _FilterClass(ctypes.Structure):
    """``H5Z_class2_t`` of the HDF5 plugin interface."""

    _fields_ = (
        ("version", ctypes.c_int),
        ("id", ctypes.c_int),
        ("encoder_present", ctypes.c_uint),
        ("decoder_present", ctypes.c_uint),
        ("name", ctypes.c_char_p),
        ("can_apply", ctypes.c_void_p),
        ("set_local", ctypes.c_void_p),
        ("filter", ctypes.c_void_p),
    )


# size_t filter(unsigned flags, size_t cd_nelmts, const unsigned *cd_values, size_t nbytes, size_t *size, void **buf)
_FilterFunction = ctypes.CFUNCTYPE(
    ctypes.c_size_t,
    ctypes.c_uint,
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_uint),
    ctypes.c_size_t,
    ctypes.POINTER(ctypes.c_size_t),
    ctypes.POINTER(ctypes.c_void_p),
)


@lru_cache(maxsize=1)
def _memory() -> Any:
    """Return the C library: a filter frees the buffer that it is given, and hands back one that we must free."""
    library = ctypes.CDLL(None)
    library.malloc.restype, library.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]
    library.free.restype, library.free.argtypes = None, [ctypes.c_void_p]
    return library


@lru_cache(maxsize=16)
def _plugin(code: int) -> Any:
    """Return the filter function of hdf5plugin, ``None`` where this build of it has none."""
    path = hdf5plugin.get_config().registered_filters.get(PLUGINS.get(code, ""))
    if not path:
        return None
    try:
        library = ctypes.CDLL(path)
        library.H5PLget_plugin_info.restype = ctypes.POINTER(_FilterClass)
        described = library.H5PLget_plugin_info().contents
    except (OSError, AttributeError, ValueError):
        return None
    return _FilterFunction(described.filter) if described.id == code and described.filter else None


@dataclass(frozen=True)
class Codec:
    """How the chunks of a data set are stored.

    Attributes
    ----------
    filters
        (filter number, its parameters) in the order in which they were applied.
    chunk
        Shape of a chunk.
    dtype
        Of the pixels.
    """

    filters: tuple[tuple[int, tuple[int, ...]], ...]
    chunk: tuple[int, ...]
    dtype: np.dtype[Any]

    def meeting(self, corner: tuple[int, ...], box: tuple[range, ...]) -> tuple[tuple[slice, ...], tuple[slice, ...]]:
        """Return where the chunk at `corner` and `box` meet, as slices of the chunk and slices of the box."""
        inside, target = [], []
        for start, size, each in zip(corner, self.chunk, box, strict=True):
            low, high = max(start, each.start), min(start + size, each.stop)
            inside.append(slice(low - start, high - start))
            target.append(slice(low - each.start, high - each.start))
        return tuple(inside), tuple(target)

    def decode(self, stored: bytes, where: str) -> NDArray[Any]:
        """Return the pixels of one chunk, in the chunk's shape.

        Parameters
        ----------
        stored
            The chunk's bytes as they are in the file.
        where
            File, data set and chunk, for messages.

        Raises
        ------
        FrameReadError
            The bytes are damaged.
        """
        size = math.prod(self.chunk) * self.dtype.itemsize
        content: Any = stored
        for code, parameters in reversed(self.filters):
            content = _undo(code, parameters, content, size, self.dtype.itemsize)
            if content is None or len(content) < size:
                raise FrameReadError(f"cannot read {where}: its bytes are damaged. The other frames stay usable.")
        return np.frombuffer(content, self.dtype, count=math.prod(self.chunk)).reshape(self.chunk)

    def decode_part(self, stored: bytes, inside: Sequence[slice], where: str) -> NDArray[Any]:
        """Return part of one chunk; of a bitshuffled chunk only the blocks that hold its rows are decompressed.

        Parameters
        ----------
        stored
            The chunk's bytes as they are in the file.
        inside
            The part, one slice per dimension of the chunk.
        where
            File, data set and chunk, for messages.

        Raises
        ------
        FrameReadError
            The bytes are damaged.
        """
        whole = all(each.stop - each.start == size for each, size in zip(inside, self.chunk, strict=True))
        rows = inside[-2] if len(inside) > 1 else slice(0, 1)
        in_blocks = len(self.filters) == 1 and self.filters[0][0] == BITSHUFFLE and math.prod(self.chunk[:-2]) == 1
        if not whole and in_blocks:
            part = self._decode_rows(stored, rows)
            if part is not None:
                return part[..., inside[-1]].copy()
        decoded = self.decode(stored, where)
        return decoded if whole else decoded[tuple(inside)].copy()

    def _decode_rows(self, stored: bytes, rows: slice) -> NDArray[Any] | None:
        """Return whole rows of a bitshuffled chunk, ``None`` where the bytes are not as they should be."""
        width = self.chunk[-1] * self.dtype.itemsize
        total = math.prod(self.chunk) * self.dtype.itemsize
        cut = _cut_blocks(stored, rows.start * width, rows.stop * width, total)
        if cut is None:
            return None
        start, length, stream = cut
        content = _run_plugin(*self.filters[0], stream)
        if content is None or len(content) != length:
            return None
        count = (rows.stop - rows.start) * self.chunk[-1]
        flat = np.frombuffer(content, self.dtype, count, offset=rows.start * width - start)
        return flat.reshape(*(1 for _ in self.chunk[:-2]), rows.stop - rows.start, self.chunk[-1])


def _cut_blocks(stored: bytes, low: int, high: int, total: int) -> tuple[int, int, bytes] | None:
    """Cut the blocks that hold bytes `low` to `high` of the pixels out of a bitshuffled chunk.

    A chunk is the length of its content (8 bytes, big-endian), the length of a block (4), then each block after its own
    compressed length (4).

    Returns
    -------
    tuple
        Where the blocks start in the content, how long they are when decoded, and a chunk of these blocks alone.
    """
    if len(stored) < HEADER or int.from_bytes(stored[:8], "big") != total:
        return None
    block = int.from_bytes(stored[8:HEADER], "big")
    if block <= 0 or high > total // block * block:
        return None  # the last block is shorter than the others
    first, last = low // block, -(-high // block)
    place, begin = HEADER, HEADER
    for number in range(last):
        if number == first:
            begin = place
        if place + 4 > len(stored):
            return None
        place += 4 + int.from_bytes(stored[place : place + 4], "big")
    if place > len(stored):
        return None
    length = (last - first) * block
    return first * block, length, length.to_bytes(8, "big") + stored[8:HEADER] + stored[begin:place]


def _undo(code: int, parameters: tuple[int, ...], content: Any, size: int, itemsize: int) -> Any:
    """Undo one filter; ``None`` where the bytes are damaged."""
    if code == GZIP:
        try:
            return bytearray(zlib.decompressobj().decompress(content, size))  # a frame can be written to
        except zlib.error:
            return None
    if code == SHUFFLE:
        return _unshuffle(np.frombuffer(content, np.uint8, size).reshape(itemsize, -1))
    if code == BITSHUFFLE and (len(content) < HEADER or int.from_bytes(content[:8], "big") != size):
        return None  # the filter would allocate whatever length the chunk claims
    return _run_plugin(code, parameters, content)


def _unshuffle(planes: NDArray[np.uint8]) -> Any:
    """Put the bytes of each pixel together again; row k of `planes` holds the k-th byte of every pixel."""
    if planes.shape[0] == 1:
        return planes.reshape(-1).copy().data
    out = np.empty(planes.T.shape, np.uint8)
    for place, plane in enumerate(planes):
        out[:, place] = plane
    return out.reshape(-1).data


def _run_plugin(code: int, parameters: Sequence[int], content: Any) -> Any:
    memory, run = _memory(), _plugin(code)
    length = len(content)
    buffer = ctypes.c_void_p(memory.malloc(length))
    if not buffer:
        raise MemoryError(f"no memory for a chunk of {length} bytes")
    try:
        source = content if isinstance(content, bytes) else np.frombuffer(content, np.uint8).ctypes.data
        ctypes.memmove(buffer, source, length)
        allocated = ctypes.c_size_t(length)
        values = (ctypes.c_uint * max(1, len(parameters)))(*parameters)
        written = run(REVERSE, len(parameters), values, length, ctypes.byref(allocated), ctypes.byref(buffer))
    except BaseException:
        memory.free(buffer)
        raise
    if not written or not buffer.value:
        memory.free(buffer)
        return None
    block = (ctypes.c_ubyte * written).from_address(buffer.value)
    weakref.finalize(block, memory.free, buffer.value)  # the frame keeps the filter's own buffer: no copy
    return block


def codec_of(plist: h5py.h5p.PropDCID, chunk: tuple[int, ...] | None, dtype: np.dtype[Any]) -> Codec | None:
    """Return how to decode a data set outside the library, ``None`` where that is left to the library.

    Parameters
    ----------
    plist
        The data set's creation properties.
    chunk
        Shape of its chunks, ``None`` where it has none.
    dtype
        Of its pixels.
    """
    filters = tuple((plist.get_filter(place)[0], plist.get_filter(place)[2]) for place in range(plist.get_nfilters()))
    if chunk is None or not filters or dtype.kind not in "iuf":
        return None
    return Codec(filters, chunk, dtype) if all(_is_known(*each) for each in filters) else None


def _is_known(code: int, parameters: tuple[int, ...]) -> bool:
    if code == BITSHUFFLE and (len(parameters) < 5 or parameters[4] not in BITSHUFFLE_COMPRESSED):
        return False  # bits put in order but not compressed: such chunks have no header
    return code in (GZIP, SHUFFLE) or (code in PLUGINS and _plugin(code) is not None)
