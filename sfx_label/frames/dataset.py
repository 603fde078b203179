"""A data set that passed the gate, read box by box; what no one ever wrote is known as such."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any, Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import UnsafeFileError
from sfx_label.frames.chunks import Codec, codec_of
from sfx_label.frames.limits import check_filters, check_sizes, check_storage
from sfx_label.frames.opening import Absent, told_plainly
from sfx_label.frames.virtual import Finish, Overlap, Piece, Pixels, compose, read_mappings

__all__ = ["GatedDataset", "gate_dataset"]

MAX_DEPTH = 4  # virtual data sets of virtual data sets
MAX_PIECES = 4096  # of virtual sources for one read
MAX_CHECKED_SOURCES = 512  # looked at when a run is opened; all are looked at when read
MAX_CHUNKS = 256  # decoded by ourselves for one read; beyond it the library is as good
MAX_KEPT_BYTES = 128 * 2**20  # of a decoded chunk of several frames, kept for the next frame


class Owner(Protocol):
    """What a data set needs of the gated file that holds it: a name for messages, and the way to its sources."""

    path: str

    def linked(self, name: str) -> Owner | Absent:
        """Return the file that this one points to by `name`."""

    def dataset(self, name: str) -> GatedDataset | Absent:
        """Return the checked data set at `name`."""


class GatedDataset:
    """A checked data set.

    Parameters
    ----------
    dataset
        The data set.
    owner
        The file that holds it.
    name
        Its name, for messages.
    mappings
        The pieces of a virtual data set, ``None`` for a stored one.
    """

    def __init__(self, dataset: h5py.Dataset, owner: Owner, name: str, mappings: tuple[Piece, ...] | None) -> None:
        self._dataset, self._owner, self._name, self._mappings = dataset, owner, name, mappings
        self.shape: tuple[int, ...] = dataset.shape or ()
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunks: tuple[int, ...] | None = None if mappings is not None else dataset.chunks
        plist = dataset.id.get_create_plist()
        self._codec = None if mappings is not None else codec_of(plist, self.chunks, self.dtype)
        self._kept: tuple[tuple[int, ...], NDArray[Any]] | None = None
        if mappings:
            self._first = np.array([[each.virtual[0].start, each.virtual[0][-1]] for each in mappings])

    @property
    def where(self) -> str:
        """File and data set, for messages."""
        return f"{self._owner.path}:{self._name}"

    @property
    def is_virtual(self) -> bool:
        """Whether it is made of other data sets."""
        return self._mappings is not None

    def small(self, index: int | None, limit: int) -> NDArray[Any]:
        """Return the whole content, or the entry at `index` of the first axis, if no larger than `limit` bytes.

        Raises
        ------
        UnsafeFileError
            It is larger.
        FrameReadError
            It is damaged.
        """
        shape = self.shape if index is None else self.shape[1:]
        if math.prod(shape) * self.dtype.itemsize > limit:
            raise UnsafeFileError(
                f"{self.where} has shape {self.shape}, more than the {limit} bytes allowed for metadata."
            )
        if self._mappings is not None:
            first = range(index, index + 1) if index is not None else range(self.shape[0])
            box = self.read((first, *(range(length) for length in self.shape[1:])))[0]
            return box[0] if index is not None else box
        return np.asarray(self._get(() if index is None else index))

    def read(self, box: tuple[range, ...]) -> Pixels:
        """Return the pixels of `box` and which of them exist; see `fetch`."""
        return self.fetch(box)()

    def fetch(self, box: tuple[range, ...], depth: int = 0, pieces: Iterator[int] | None = None) -> Finish:
        """Read the stored bytes of `box` now, and return what decodes them: that needs no lock and no library.

        Parameters
        ----------
        box
            One range of step 1 per dimension, within the shape.
        depth, pieces
            How deep in virtual data sets we are, and the pieces that may still be read.

        Returns
        -------
        callable
            Gives the pixels, and a bool array of the same shape, False where nothing was ever written or the source is
            absent; ``None`` where all is there.

        Raises
        ------
        FrameReadError
            The bytes are damaged (also by the callable).
        UnsafeFileError
            A source asks for what it must not.
        """
        if self._mappings is not None:
            return self._fetch_virtual(box, depth, pieces or iter(range(MAX_PIECES)))
        finish = None if self._codec is None else self._fetch_chunks(self._codec, box)
        if finish is not None:
            return finish
        pixels = self._get(tuple(slice(each.start, each.stop) for each in box))
        exists = np.zeros(pixels.shape, bool) if self._unwritten(pixels, box) else None
        return lambda: (pixels, exists)

    def _fetch_chunks(self, codec: Codec, box: tuple[range, ...]) -> Finish | None:
        """Read the chunks that `box` touches; ``None`` where the library had better do it."""
        grid = [range(each.start // size * size, each.stop, size) for each, size in zip(box, codec.chunk, strict=True)]
        if math.prod(map(len, grid)) > MAX_CHUNKS:
            return None
        stored: dict[tuple[int, ...], bytes | NDArray[Any] | None] = {}
        for corner in itertools.product(*grid):
            chunk = self._stored_chunk(corner)
            if chunk is False:
                return None
            stored[corner] = chunk
        return partial(self._decode, codec, box, stored)

    def _stored_chunk(self, corner: tuple[int, ...]) -> Any:
        """Return a chunk as bytes, as pixels if kept, ``None`` if never written, False if only the library can."""
        if self._kept is not None and self._kept[0] == corner:
            return self._kept[1]
        with told_plainly(self._owner.path, self._name):
            try:
                skipped, content = self._dataset.id.read_direct_chunk(corner)
            except RuntimeError as error:
                if "not allocated" not in str(error):
                    raise
                return None
        return content if skipped == 0 else False

    def _decode(self, codec: Codec, box: tuple[range, ...], stored: Mapping[tuple[int, ...], Any]) -> Pixels:
        pixels = np.empty([len(each) for each in box], self.dtype)
        exists = None
        for corner, content in stored.items():
            inside, target = codec.meeting(corner, box)
            if content is None:
                exists = np.ones(pixels.shape, bool) if exists is None else exists
                exists[target], pixels[target] = False, self._filler
            else:
                decoded = self._decoded(codec, corner, content, inside)
                if len(stored) == 1 and decoded.shape == pixels.shape:
                    return decoded, None
                pixels[target] = decoded
        return pixels, exists

    def _decoded(
        self, codec: Codec, corner: tuple[int, ...], content: bytes | NDArray[Any], inside: tuple[slice, ...]
    ) -> NDArray[Any]:
        """Return the part `inside` of one chunk; a chunk of several frames is kept whole for the next frame."""
        where = f"{self.where} chunk {corner}"
        if not isinstance(content, bytes):
            return content[inside].copy()
        if codec.chunk[0] > 1 and math.prod(codec.chunk) * self.dtype.itemsize <= MAX_KEPT_BYTES:
            whole = codec.decode(content, where)
            self._kept = (corner, whole)
            return whole[inside].copy()
        return codec.decode_part(content, inside, where)

    def _get(self, selection: Any) -> NDArray[Any]:
        with told_plainly(self._owner.path, self._name):
            return np.asarray(self._dataset[selection])

    def _unwritten(self, pixels: NDArray[Any], box: tuple[range, ...]) -> bool:
        """Tell a frame that was never written from a black one; asked only where every pixel has the fill value."""
        with told_plainly(self._owner.path, self._name):
            if pixels.size == 0 or not _all_equal(pixels, self._dataset.fillvalue):
                return False
            if self.chunks is None:
                plist = self._dataset.id.get_create_plist()
                return bool(plist.get_layout() == h5py.h5d.CONTIGUOUS and self._dataset.id.get_offset() is None)
            corner = tuple(each.start // size * size for each, size in zip(box, self.chunks, strict=True))
            return self._dataset.id.get_chunk_info_by_coord(corner).byte_offset is None

    @property
    def _filler(self) -> Any:
        return np.nan if self.dtype.kind == "f" else self._dataset.fillvalue

    def _fetch_virtual(self, box: tuple[range, ...], depth: int, pieces: Iterator[int]) -> Finish:
        if depth >= MAX_DEPTH:
            raise UnsafeFileError(
                f"{self.where}: virtual data sets nested deeper than {MAX_DEPTH}, perhaps in a circle."
            )
        parts: list[tuple[Overlap, Finish]] = []
        for piece in self._touching(box):
            if next(pieces, None) is None:
                raise UnsafeFileError(f"{self.where}: one frame is made of more than {MAX_PIECES} pieces.")
            source = self.source_of(piece)
            if source is None:
                continue
            overlap = piece.completed(source.shape).overlap(box)
            if overlap is not None and source.holds(overlap[1]):
                wanted = tuple(range(each.start, each.stop) for each in overlap[1])
                parts.append((overlap, source.fetch(wanted, depth + 1, pieces)))
        empty = np.full(tuple(map(len, box)), self._filler, self.dtype)
        return partial(compose, empty, parts)

    def holds(self, wanted: tuple[slice, ...]) -> bool:
        """Return whether the data set reaches as far as `wanted`; a source may hold less than it was promised to."""
        return len(wanted) == len(self.shape) and all(
            each.stop <= length for each, length in zip(wanted, self.shape, strict=True)
        )

    def _touching(self, box: tuple[range, ...]) -> list[Piece]:
        if not self._mappings:
            return []
        near = (self._first[:, 0] < box[0].stop) & (self._first[:, 1] >= box[0].start)
        return [self._mappings[place] for place in np.flatnonzero(near) if self._mappings[place].touches(box)]

    def never_mapped(self, axis: int) -> tuple[int, ...]:
        """Return the places along `axis` that no piece of a virtual data set fills in any frame."""
        if self._mappings is None:
            return ()
        filled = np.zeros(self.shape[axis], bool)
        for mapping in self._mappings:
            filled[list(mapping.virtual[axis])] = True
        return tuple(int(place) for place in np.flatnonzero(~filled))

    def source_of(self, mapping: Piece) -> GatedDataset | None:
        """Return the checked source of one piece, ``None`` where it does not exist."""
        file = self._owner.linked(mapping.filename)
        found = None if isinstance(file, Absent) else file.dataset(mapping.dataset)
        return found if isinstance(found, GatedDataset) else None

    def check_sources(self, depth: int = 0) -> list[str]:
        """Look at the sources of a virtual data set, so that an unsafe one is refused when the run is opened.

        Returns
        -------
        list
            The sources that do not exist.
        """
        if depth >= MAX_DEPTH:
            raise UnsafeFileError(
                f"{self.where}: virtual data sets nested deeper than {MAX_DEPTH}, perhaps in a circle."
            )
        absent = []
        distinct = {(each.filename, each.dataset): each for each in self._mappings or ()}
        for mapping in list(distinct.values())[:MAX_CHECKED_SOURCES]:
            source = self.source_of(mapping)
            if source is None:
                absent.append(f"{mapping.filename}:{mapping.dataset}")
            else:
                absent += source.check_sources(depth + 1)
        return absent


def _all_equal(pixels: NDArray[Any], value: Any) -> bool:
    if pixels.dtype.kind == "f" and np.isnan(value):
        return bool(np.isnan(pixels.flat[0]) and np.isnan(pixels).all())
    return bool(pixels.flat[0] == value and pixels.flat[-1] == value and (pixels == value).all())


def gate_dataset(dataset: h5py.Dataset, owner: Owner, name: str) -> GatedDataset:
    """Check a data set and return it.

    Raises
    ------
    UnsafeFileError
        External storage, an unknown filter, or a size that no detector has.
    FileLayoutError
        A dtype that holds no pixels, or a virtual data set of a kind that is not read.
    """
    where = f"{owner.path}:{name}"
    with told_plainly(owner.path, name):
        plist = dataset.id.get_create_plist()  # before the shape: the library may open sources to tell a shape
        check_storage(plist, where)
        mappings = read_mappings(plist, where) if plist.get_layout() == h5py.h5d.VIRTUAL else None
        check_filters(plist, where)
        check_sizes(dataset.dtype, dataset.shape, dataset.chunks, where)
        return GatedDataset(dataset, owner, name, mappings)
