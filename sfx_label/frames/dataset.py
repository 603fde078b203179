"""A data set that passed the gate, read box by box; what no one ever wrote is known as such."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError, UnsafeFileError
from sfx_label.frames.opening import told_plainly
from sfx_label.frames.virtual import Mapping, read_mappings

if TYPE_CHECKING:
    from sfx_label.frames.gate import GatedFile

__all__ = ["GatedDataset", "gate_dataset"]

# far beyond any detector in use: a 16-megapixel frame of 32 bits has 64 MiB
MAX_FRAME_BYTES = 512 * 2**20
MAX_CHUNK_BYTES = 512 * 2**20
MAX_DIMENSIONS = 6
MAX_FRAMES = 10**8
MAX_DEPTH = 4  # virtual data sets of virtual data sets
MAX_PIECES = 4096  # of virtual sources for one read
MAX_CHECKED_SOURCES = 512  # looked at when a run is opened; all are looked at when read
FILTERS = {
    1: "gzip", 2: "shuffle", 3: "fletcher32", 4: "szip", 5: "nbit", 6: "scaleoffset", 307: "bzip2", 32000: "lzf",
    32001: "blosc", 32004: "lz4", 32008: "bitshuffle", 32013: "zfp", 32015: "zstd", 32026: "blosc2",
}  # fmt: skip


# the box that is wanted, its pixels, and which of them exist
Filling = tuple[tuple[range, ...], NDArray[Any], NDArray[np.bool_]]


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

    def __init__(
        self, dataset: h5py.Dataset, owner: GatedFile, name: str, mappings: tuple[Mapping, ...] | None
    ) -> None:
        self._dataset, self._owner, self._name, self._mappings = dataset, owner, name, mappings
        self.shape: tuple[int, ...] = dataset.shape or ()
        self.dtype: np.dtype[Any] = dataset.dtype
        self.chunks: tuple[int, ...] | None = None if mappings is not None else dataset.chunks
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

    def read(
        self, box: tuple[range, ...], depth: int = 0, pieces: Iterator[int] | None = None
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Return the pixels of `box` and which of them exist.

        Parameters
        ----------
        box
            One range of step 1 per dimension, within the shape.
        depth, pieces
            How deep in virtual data sets we are, and the pieces that may still be read.

        Returns
        -------
        tuple
            The pixels, and a bool array of the same shape, False where nothing was ever written or the source is
            absent; ``None`` where all is there.

        Raises
        ------
        FrameReadError
            The bytes are damaged.
        UnsafeFileError
            A source asks for what it must not.
        """
        if self._mappings is not None:
            return self._read_virtual(box, depth, pieces or iter(range(MAX_PIECES)))
        pixels = self._get(tuple(slice(each.start, each.stop) for each in box))
        if self._unwritten(pixels, box):
            return pixels, np.zeros(pixels.shape, bool)
        return pixels, None

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

    def _read_virtual(
        self, box: tuple[range, ...], depth: int, pieces: Iterator[int]
    ) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        if depth >= MAX_DEPTH:
            raise UnsafeFileError(
                f"{self.where}: virtual data sets nested deeper than {MAX_DEPTH}, perhaps in a circle."
            )
        shape = tuple(len(each) for each in box)
        filler = np.nan if self.dtype.kind == "f" else self._dataset.fillvalue
        pixels, exists = np.full(shape, filler, self.dtype), np.zeros(shape, bool)
        for mapping in self._touching(box[0]):
            if not mapping.touches(box):
                continue
            if next(pieces, None) is None:
                raise UnsafeFileError(f"{self.where}: one frame is made of more than {MAX_PIECES} pieces.")
            source = self.source_of(mapping)
            if source is not None:
                self._fill(mapping.completed(source.shape), source, (box, pixels, exists), depth, pieces)
        return pixels, None if exists.all() else exists

    def _touching(self, frames: range) -> list[Mapping]:
        if not self._mappings:
            return []
        near = (self._first[:, 0] < frames.stop) & (self._first[:, 1] >= frames.start)
        return [self._mappings[place] for place in np.flatnonzero(near)]

    def _fill(self, mapping: Mapping, source: GatedDataset, into: Filling, depth: int, pieces: Iterator[int]) -> None:
        """Copy what one source gives into its place; what it does not hold stays marked as absent."""
        wanted, pixels, exists = into
        overlap = mapping.overlap(wanted)
        if overlap is None or len(source.shape) != len(mapping.source):
            return
        target, chosen = overlap
        box = tuple(range(each.start, each.stop) for each in chosen)
        if any(each.stop > length for each, length in zip(box, source.shape, strict=True)):
            return  # the source holds less than the virtual data set was promised
        content, there = source.read(box, depth + 1, pieces)
        steps = tuple(slice(None, None, each.step) for each in chosen)
        shape = exists[target].shape
        pixels[target] = content[steps].reshape(shape)
        exists[target] = True if there is None else there[steps].reshape(shape)

    def never_mapped(self, axis: int) -> tuple[int, ...]:
        """Return the places along `axis` that no piece of a virtual data set fills in any frame."""
        if self._mappings is None:
            return ()
        filled = np.zeros(self.shape[axis], bool)
        for mapping in self._mappings:
            filled[list(mapping.virtual[axis])] = True
        return tuple(int(place) for place in np.flatnonzero(~filled))

    def source_of(self, mapping: Mapping) -> GatedDataset | None:
        """Return the checked source of one piece, ``None`` where it does not exist."""
        file = self._owner.linked(mapping.filename)
        found = file.dataset(mapping.dataset) if hasattr(file, "dataset") else None
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


def gate_dataset(dataset: h5py.Dataset, owner: GatedFile, name: str) -> GatedDataset:
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
        if plist.get_external_count():
            target = os_text(plist.get_external(0)[0])
            raise UnsafeFileError(
                f"{where} keeps its bytes in another file ({target}), which a data file could use to read any file of "
                f"yours. Copy it with `h5repack IN OUT` where you trust it."
            )
        virtual = plist.get_layout() == h5py.h5d.VIRTUAL
        mappings = read_mappings(plist, where) if virtual else None
        _check_filters(plist, where)
        _check_sizes(dataset, where)
        return GatedDataset(dataset, owner, name, mappings)


def os_text(name: bytes | str) -> str:
    """Return a name from a file as text, whatever its bytes."""
    return name.decode("utf-8", "backslashreplace") if isinstance(name, bytes) else name


def _check_filters(plist: h5py.h5p.PropDCID, where: str) -> None:
    for place in range(plist.get_nfilters()):
        code = plist.get_filter(place)[0]
        if code not in FILTERS:
            raise UnsafeFileError(
                f"{where} is compressed by filter {code}, which is not among those allowed "
                f"({', '.join(FILTERS.values())}). Rewrite it with `h5repack -f GZIP=1 IN OUT`."
            )


def _check_sizes(dataset: h5py.Dataset, where: str) -> None:
    dtype, shape = dataset.dtype, dataset.shape
    if dtype.kind not in "iufbS" and h5py.check_string_dtype(dtype) is None:
        raise FileLayoutError(f"{where} holds {dtype}, not numbers. Name another data set.")
    if shape is None:
        raise FileLayoutError(f"{where} is empty. Name another data set.")
    if len(shape) > MAX_DIMENSIONS:
        raise UnsafeFileError(f"{where} has {len(shape)} dimensions, more than the {MAX_DIMENSIONS} allowed.")
    chunk = math.prod(dataset.chunks or (1,)) * dtype.itemsize
    if chunk > MAX_CHUNK_BYTES:
        raise UnsafeFileError(f"{where} is stored in chunks of {chunk} bytes, more than the {MAX_CHUNK_BYTES} allowed.")


def check_frames(dataset: GatedDataset, frame_shape: tuple[int, ...], n_frames: int) -> None:
    """Refuse frames of a size or number that no detector gives.

    Raises
    ------
    UnsafeFileError
        A frame beyond 512 MiB or more than 10^8 frames.
    """
    size = math.prod(frame_shape) * dataset.dtype.itemsize
    if size > MAX_FRAME_BYTES or n_frames > MAX_FRAMES:
        raise UnsafeFileError(
            f"{dataset.where} declares {n_frames} frames of {size} bytes; at most {MAX_FRAMES} frames of "
            f"{MAX_FRAME_BYTES} bytes are read. Name another data set."
        )
