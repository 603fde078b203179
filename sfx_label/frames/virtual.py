"""Virtual data sets, read by their mappings.

The HDF5 library fills in for a source that is absent and says nothing. Here each mapping is looked up by us, so that a
part of a frame that no source provides is known as such.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError, UnsafeFileError

__all__ = ["Finish", "Overlap", "Piece", "Pixels", "compose", "read_mappings"]

MAX_MAPPINGS = 10**6
UNLIMITED = h5py.h5s.UNLIMITED
Pixels = tuple[NDArray[Any], NDArray[np.bool_] | None]  # and which of them exist, None = all
Finish = Callable[[], Pixels]
Overlap = tuple[tuple[slice, ...], tuple[slice, ...]]  # in the box that is wanted, in the source


@dataclass(frozen=True, slots=True)
class Piece:
    """One rectangle of a virtual data set and the rectangle of the source that fills it.

    Attributes
    ----------
    filename, dataset
        The source; ``.`` is the file itself.
    virtual, source
        One range per dimension on either side; `source` is empty where the whole source is meant, whose shape only the
        source itself tells (`completed`).
    axes
        For each source dimension, the virtual dimension that runs along it; -1 for a fixed index.
    """

    filename: str
    dataset: str
    virtual: tuple[range, ...]
    source: tuple[range, ...]
    axes: tuple[int, ...]

    def completed(self, shape: tuple[int, ...]) -> Piece:
        """Return the mapping for a source of this shape.

        Parameters
        ----------
        shape
            Shape of the source. Where it has fewer frames than promised, the mapping still asks for all of them.

        Raises
        ------
        FileLayoutError
            The source has another shape than the piece.
        """
        if self.source:
            return self
        promised = [len(values) for values in self.virtual if len(values) > 1]
        source = tuple(range(length) for length in shape)
        if shape and len(promised) == len(shape) and promised[1:] == list(shape[1:]):
            source = (range(promised[0]), *source[1:])
        return replace(self, source=source, axes=_axes(self.virtual, source, f"{self.filename}:{self.dataset}"))

    def touches(self, wanted: tuple[range, ...]) -> bool:
        """Return whether the piece has a place in the box `wanted`."""
        return all(len(_inside(has, wants)) for has, wants in zip(self.virtual, wanted, strict=True))

    def overlap(self, wanted: tuple[range, ...]) -> Overlap | None:
        """Return (slices of the wanted box, slices of the source) where the two meet, else ``None``.

        Parameters
        ----------
        wanted
            One range of step 1 per virtual dimension.
        """
        parts = [_inside(has, wants) for has, wants in zip(self.virtual, wanted, strict=True)]
        if any(len(part) == 0 for part in parts):
            return None
        target = tuple(
            _as_slice(has[part.start : part.stop], wants.start)
            for has, wants, part in zip(self.virtual, wanted, parts, strict=True)
        )
        source = tuple(
            _as_slice(runs if axis < 0 else runs[parts[axis].start : parts[axis].stop])
            for runs, axis in zip(self.source, self.axes, strict=True)
        )
        return target, source


def _inside(has: range, wants: range) -> range:
    """Return the places k of `has` whose value lies in `wants`."""
    low = max(0, -((has.start - wants.start) // has.step))
    high = min(len(has), -((has.start - wants.stop) // has.step))
    return range(low, max(low, high))


def _as_slice(values: range, origin: int = 0) -> slice:
    return slice(values.start - origin, values[-1] - origin + 1, values.step)


def read_mappings(plist: h5py.h5p.PropDCID, where: str) -> tuple[Piece, ...]:
    """Return the mappings of a virtual data set without opening any source.

    Parameters
    ----------
    plist
        Its creation properties.
    where
        File and data set, for messages.

    Raises
    ------
    UnsafeFileError
        Too many mappings, or source names that the library would expand by itself (``%b``).
    FileLayoutError
        A selection that is no rectangle, or of unlimited length.
    """
    count = plist.get_virtual_count()
    if count > MAX_MAPPINGS:
        raise UnsafeFileError(f"{where} is made of {count} pieces; at most {MAX_MAPPINGS} are read. Open its sources.")
    return tuple(_mapping(plist, place, where) for place in range(count))


def _mapping(plist: h5py.h5p.PropDCID, place: int, where: str) -> Piece:
    filename, dataset = plist.get_virtual_filename(place), plist.get_virtual_dsetname(place)
    if "%" in filename.replace("%%", "") or "%" in dataset.replace("%%", ""):
        raise UnsafeFileError(
            f"{where} names its sources by a pattern ({filename!r}, {dataset!r}). Make the virtual file again with one "
            f"mapping per source, or open the sources themselves."
        )
    virtual = _ranges(plist.get_virtual_vspace(place), where)
    source = _ranges(plist.get_virtual_srcspace(place), where)
    axes = _axes(virtual, source, where) if source else ()
    return Piece(filename.replace("%%", "%"), dataset.replace("%%", "%"), virtual, source, axes)


def _ranges(space: h5py.h5s.SpaceID, where: str) -> tuple[range, ...]:
    kind = space.get_select_type()
    if kind == h5py.h5s.SEL_ALL:
        return tuple(range(length) for length in space.get_simple_extent_dims())
    if kind != h5py.h5s.SEL_HYPERSLABS or not space.is_regular_hyperslab():
        raise FileLayoutError(f"{where} is a virtual data set of irregular pieces. Open its sources instead.")
    start, stride, count, block = space.get_regular_hyperslab()
    return tuple(_range(*numbers, where) for numbers in zip(start, stride, count, block, strict=True))


def _range(start: int, stride: int, count: int, block: int, where: str) -> range:
    if UNLIMITED in (count, block):
        raise FileLayoutError(
            f"{where} is a virtual data set of unlimited length. Open its sources, or make it again after the run."
        )
    if count == 1 or block == stride:
        return range(start, start + count * block)
    if block == 1:
        return range(start, start + stride * (count - 1) + 1, stride)
    raise FileLayoutError(f"{where} is a virtual data set of interleaved blocks. Open its sources instead.")


def _axes(virtual: tuple[range, ...], source: tuple[range, ...], where: str) -> tuple[int, ...]:
    """Pair the dimensions longer than one: both sides run in C order, so they must agree one by one."""
    running = [axis for axis, values in enumerate(virtual) if len(values) > 1]
    lengths = [len(virtual[axis]) for axis in running]
    if lengths != [len(values) for values in source if len(values) > 1]:
        raise FileLayoutError(f"{where} reshapes its sources, which is not supported. Open the sources instead.")
    places = iter(running)
    return tuple(next(places) if len(values) > 1 else -1 for values in source)


def compose(pixels: NDArray[Any], parts: Iterable[tuple[Overlap, Finish]]) -> Pixels:
    """Put the pieces at their places; what no source gives keeps its value and is marked as absent.

    Parameters
    ----------
    pixels
        Filled with what stands for nothing; written to.
    parts
        Where each piece goes, and what decodes it.
    """
    exists = np.zeros(pixels.shape, bool)
    for (target, wanted), finish in parts:
        content, there = finish()
        steps = tuple(slice(None, None, each.step) for each in wanted)
        room = exists[target].shape
        pixels[target] = content[steps].reshape(room)
        exists[target] = True if there is None else there[steps].reshape(room)
    return pixels, None if exists.all() else exists
