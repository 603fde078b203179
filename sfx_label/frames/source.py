"""Reads the frames of any layout, one at a time, in whatever thread or process it finds itself.

A source holds paths and numbers; files are opened when first needed and once per process. A fork forgets the parent's
handles, a pickle carries none.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.frames.dataset import GatedDataset
from sfx_label.frames.gate import HDF5Shelf
from sfx_label.frames.images import read_image
from sfx_label.frames.layout import MaskPart, PerFrameValue, RunLayout, Segment
from sfx_label.frames.masks import part_mask, value_mask
from sfx_label.frames.opening import Absent
from sfx_label.frames.records import RunMetadata
from sfx_label.frames.virtual import Finish

__all__ = ["FrameSource", "central_box"]

Answer = TypeVar("Answer")
_SOURCES: weakref.WeakSet[FrameSource] = weakref.WeakSet()


def central_box(shape: tuple[int, int], size: int | None) -> tuple[range, range]:
    """Return the rows and columns of the central `size` x `size` box; a side shorter than `size` is taken whole."""
    sides = []
    for length in shape:
        wanted = length if size is None else min(size, length)
        start = (length - wanted) // 2
        sides.append(range(start, start + wanted))
    return sides[0], sides[1]


def native(pixels: NDArray[Any]) -> NDArray[Any]:
    """Return the pixels in this machine's byte order; compiled kernels read no other."""
    return pixels if pixels.dtype.isnative else pixels.astype(pixels.dtype.newbyteorder("="))


class FrameSource:
    """The frames of one run.

    Parameters
    ----------
    layout
        Where they are.
    """

    def __init__(self, layout: RunLayout) -> None:
        self.layout = layout
        self._ends = np.cumsum([segment.n_frames for segment in layout.segments], dtype=np.int64)
        self._closed = False
        self._forget()
        _SOURCES.add(self)

    def __reduce__(self) -> tuple[type[FrameSource], tuple[RunLayout]]:
        return FrameSource, (self.layout,)

    def _forget(self) -> None:
        """Start with no open file and a fresh lock, as in a new process."""
        self._lock = threading.RLock()
        self._shelf = HDF5Shelf(self.layout.roots)
        # files close with the last Frames that reads them, not at some later collection of cycles
        self._finalizer = weakref.finalize(self, self._shelf.close)
        self._finalizer.atexit = False
        self._run_mask: tuple[NDArray[np.bool_] | None] | None = None

    def release(self) -> None:
        """Close every file for now; the next read opens it anew, as it then is."""
        with self._lock:
            self._shelf.close()

    def close(self) -> None:
        """Close every file; reading afterwards is an error."""
        with self._lock:
            self._closed = True
            self._shelf.close()

    def first_of(self, number: int) -> int:
        """Return the place in the run of the first frame of segment `number`."""
        return int(self._ends[number]) - self.layout.segments[number].n_frames

    def place(self, position: int) -> tuple[Segment, int]:
        """Return the segment of the frame at `position` of the run, and the frame's offset in it."""
        number = int(np.searchsorted(self._ends, position, side="right"))
        segment = self.layout.segments[number]
        return segment, position - self.first_of(number)

    def pixels(self, position: int, crop: int | None = None) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        """Return the frame at `position` of the run and which of its pixels exist (``None`` = all).

        Parameters
        ----------
        position
            0-based, in the run.
        crop
            Side of the central crop in pixels, ``None`` for the whole frame.

        Raises
        ------
        FrameReadError
            It is damaged, absent, or of another shape than the run.
        """
        segment, offset = self.place(position)
        if segment.absent:
            raise FrameReadError(f"{segment.path} {segment.event_of(offset)}: {segment.absent}")
        if not segment.dataset:
            image = self._check_shape(native(read_image(segment.path, segment.index_of(offset))), segment)
            rows, columns = central_box(self.layout.frame_shape, crop)
            return image[rows.start : rows.stop, columns.start : columns.stop], None
        return self._stored(segment, segment.index_of(offset), crop)

    def _stored(self, segment: Segment, index: int, crop: int | None) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
        plain = len(self.layout.stored_shape) == 2
        box: tuple[range, ...] = (
            central_box(self.layout.frame_shape, crop) if plain else tuple(map(range, self.layout.stored_shape))
        )

        def fetch(dataset: GatedDataset) -> Finish:
            self._check_dataset(dataset, segment, index)
            return dataset.fetch(box if segment.single else (range(index, index + 1), *box))

        pixels, exists = self._with_dataset(segment.path, segment.dataset, fetch)()  # decoded outside the lock
        shape = tuple(len(each) for each in box)
        pixels, exists = native(pixels).reshape(shape), self._without_absent_panels(exists, shape)
        if plain:
            return pixels, exists
        rows, columns = central_box(self.layout.frame_shape, crop)
        cut = (slice(rows.start, rows.stop), slice(columns.start, columns.stop))
        return self.lay_out(pixels)[cut], None if exists is None else self.lay_out(exists)[cut]

    def _without_absent_panels(
        self, exists: NDArray[np.bool_] | None, shape: tuple[int, ...]
    ) -> NDArray[np.bool_] | None:
        """Forget the panels that the whole run lacks: they are masked, and no fault of this frame."""
        if exists is None:
            return None
        exists = exists.reshape(shape)
        if self.layout.absent_panels and exists.any():
            exists[list(self.layout.absent_panels)] = True
        return None if exists.all() else exists

    def lay_out(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Turn a frame as stored into (rows, columns): panels stacked along the rows, or assembled by the geometry."""
        if self.layout.geometry:
            from sfx_label.frames.assembly import assemble

            return assemble(stored, self.layout.geometry)
        return np.reshape(stored, self.layout.frame_shape)

    def _check_dataset(self, dataset: GatedDataset, segment: Segment, index: int) -> None:
        stored = dataset.shape if segment.single else dataset.shape[1:]
        if stored != self.layout.stored_shape:
            raise FrameReadError(
                f"{dataset.where} has frames of shape {stored}, the run {self.layout.stored_shape}. Open it by itself."
            )
        if not segment.single and index >= dataset.shape[0]:
            raise FrameReadError(
                f"{dataset.where} has {dataset.shape[0]} frames, number {index} is gone. Call refresh()."
            )

    def _check_shape(self, image: NDArray[Any], segment: Segment) -> NDArray[Any]:
        if image.shape != self.layout.frame_shape:
            raise FrameReadError(
                f"{segment.path} has shape {image.shape}, the run has {self.layout.frame_shape}. Open it by itself."
            )
        return image

    def _with_dataset(self, path: str, name: str, use: Callable[[GatedDataset], Answer]) -> Answer:
        """Call `use` on a checked data set while no other thread of this process reads."""
        with self._lock:
            if self._closed:
                raise FrameReadError(f"{path} was closed. Open it again with open_frames.")
            found = self._shelf.file(path).dataset(name)
            if isinstance(found, Absent):
                raise FrameReadError(f"{found.reason}. Put the file where it was, or call refresh().")
            return use(found)

    def metadata(self, position: int) -> RunMetadata:
        """Return the run's metadata with the distance and wavelength of one frame."""
        segment, offset = self.place(position)
        changes: dict[str, Any] = {}
        for name in ("distance_mm", "wavelength_angstrom"):
            value = self._per_frame(segment, getattr(segment, name), segment.index_of(offset))
            if value is not None:
                changes[name] = value
        return replace(self.layout.metadata, **changes)

    def _per_frame(self, segment: Segment, value: PerFrameValue | None, index: int) -> float | None:
        if value is None or segment.absent:
            return None
        try:
            with self._lock:
                number = np.asarray(self._shelf.file(segment.path).value(value.dataset, index)).reshape(-1)
        except SfxLabelError:
            return None  # a damaged number leaves the run's own in place; the frame itself is judged when read
        if not number.size or number.dtype.kind not in "iuf" or not np.isfinite(number[0]):
            return None
        if value.inverse:
            return value.factor / float(number[0]) if number[0] > 0 else None
        return float(number[0]) * value.factor

    @property
    def _has_mask(self) -> bool:
        return bool(self.layout.segments and (self.layout.masks or self.layout.absent_panels))

    def run_mask(self) -> NDArray[np.bool_] | None:
        """Return the (rows, columns) mask of the whole run, True = good, or ``None`` where there is none."""
        with self._lock:
            if self._run_mask is None:
                self._run_mask = (self._combine(self.layout.segments[0], None),) if self._has_mask else (None,)
                if self._run_mask[0] is not None:
                    self._run_mask[0].flags.writeable = False
            return self._run_mask[0]

    def file_mask(self, position: int) -> NDArray[np.bool_] | None:
        """Return what the file's masks say of one frame: the run's mask, and the frame's own where there is one."""
        segment, offset = self.place(position)
        own = [part for part in self.layout.masks if part.per_frame]
        if not own or segment.absent:
            return self.run_mask()
        return self._combine(segment, segment.index_of(offset))

    def frame_mask(self, position: int, pixels: NDArray[Any], exists: NDArray[np.bool_] | None) -> NDArray[np.bool_]:
        """Return the good pixels of one frame: masks, trusted range, codes and what exists."""
        good = value_mask(pixels, self.layout)
        if exists is not None:
            good &= exists
        mask = self.file_mask(position)
        return good if mask is None else good & mask

    def _combine(self, segment: Segment, index: int | None) -> NDArray[np.bool_]:
        def load(part: MaskPart, place: int) -> NDArray[Any]:
            return self._load_mask(part, segment.path, place)

        good = np.ones(self.layout.stored_shape, bool)
        good[list(self.layout.absent_panels)] = False
        for part in self.layout.masks:
            if not (part.kind == "array" and part.array is not None and part.array.shape == self.layout.frame_shape):
                good &= part_mask(part, self.layout.stored_shape, load, index)
        flat = self.lay_out(good)
        for part in self.layout.masks:
            if part.kind == "array" and part.array is not None and part.array.shape == self.layout.frame_shape:
                flat = flat & part.array.astype(bool)
        return flat

    def _load_mask(self, part: MaskPart, owner: str, index: int) -> NDArray[Any]:
        def read(dataset: GatedDataset) -> NDArray[Any]:
            whole = tuple(map(range, dataset.shape))
            return dataset.read((range(index, index + 1), *whole[1:]) if part.per_frame else whole)[0]

        return self._with_dataset(part.path or owner, part.dataset, read)


def _after_fork() -> None:
    for source in list(_SOURCES):
        source._finalizer.detach()
        source._forget()


os.register_at_fork(after_in_child=_after_fork)
