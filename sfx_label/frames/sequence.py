"""`Frames`: a run as a lazy, immutable sequence of arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.frames.keys import KeyBook, Keys
from sfx_label.frames.masks import judge
from sfx_label.frames.records import FrameKey, FrameRead, FrameStatus, RunMetadata
from sfx_label.frames.source import FrameSource
from sfx_label.frames.stream import read_ahead

__all__ = ["FrameKey", "FrameRead", "FrameStatus", "Frames", "Keys", "RunMetadata"]


class Frames(Sequence[NDArray[Any]]):
    """Frames of a run; made by `open_frames`, and read one at a time when indexed.

    ``frames[3]`` is the (rows, columns) array in the file's dtype. ``frames[:200]``, ``frames[good]`` (bool) and
    ``frames[[5, 2, 9]]`` are new `Frames` over the same run; nothing is read or copied. Safe to share between threads,
    to fork and to pickle.

    Parameters
    ----------
    source
        Reads the frames.
    positions
        Places in the run, ``None`` for all.
    reopen
        Opens the same run anew, for `refresh`.
    book
        The run's keys, shared by its selections.
    """

    def __init__(
        self,
        source: FrameSource,
        positions: NDArray[np.int64] | None = None,
        reopen: Callable[[], Frames] | None = None,
        book: KeyBook | None = None,
    ) -> None:
        self._source, self._reopen, self._whole = source, reopen, positions is None
        self._book = book or KeyBook(source)
        self._positions = np.arange(source.layout.n_frames, dtype=np.int64) if positions is None else positions
        self._positions.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        return Frames, (self._source, None if self._whole else self._positions, self._reopen)

    def __repr__(self) -> str:
        n, rows, columns = self.shape
        return f"<Frames {self.name}: {n} frames of {rows} x {columns} {self.dtype}, {self.format}>"

    # the sequence -----------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> NDArray[Any]: ...
    @overload
    def __getitem__(self, index: slice | ArrayLike) -> Frames: ...
    def __getitem__(self, index: Any) -> NDArray[Any] | Frames:
        """Return one frame as an array, or a selection as new `Frames`.

        Raises
        ------
        FrameReadError
            The frame is damaged, absent or lacks a part; its neighbours stay usable.
        IndexError
            There is no such frame.
        """
        if isinstance(index, int | np.integer) and not isinstance(index, bool):
            return self._pixels(self._position(int(index)), None)
        chosen = index if isinstance(index, slice) else self._selection(index)
        return Frames(self._source, self._positions[chosen].copy(), self._reopen, self._book)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[index] for index in range(len(self)))

    def _selection(self, index: Any) -> NDArray[Any]:
        chosen = np.asarray(index)
        if chosen.size == 0:
            return np.zeros(0, np.int64)
        if chosen.ndim != 1 or chosen.dtype.kind not in "iub":
            raise IndexError(
                f"frames are chosen by a number, slice, bool or index array; received {type(index).__name__}"
            )
        if chosen.dtype.kind == "b" and len(chosen) != len(self):
            raise IndexError(f"a bool selection of {len(self)} frames needs as many values; received {len(chosen)}")
        return chosen

    def _position(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"frame {index} of {self.name}: there are {len(self)} frames, numbered from 0")
        return int(self._positions[index])

    # one frame --------------------------------------------------------------------------------------------------

    def crop(self, index: int, size: int | None) -> NDArray[Any]:
        """Return the central `size` x `size` pixels of a frame, reading no more of the file than needed.

        Parameters
        ----------
        index
            Place in this sequence.
        size
            Side in pixels; a frame with a shorter side is taken whole along it, ``None`` takes the whole frame.

        Raises
        ------
        FrameReadError
            The frame is damaged, absent or lacks a part.
        """
        return self._pixels(self._position(index), size)

    def _pixels(self, position: int, size: int | None) -> NDArray[Any]:
        pixels, exists = self._source.pixels(position, size)
        if exists is not None:
            raise FrameReadError(f"{self._book.key(position)}: {_absence(exists)}")
        return pixels

    def read(self, index: int, crop: int | None = None) -> FrameRead:
        """Return a frame with its state; a bad frame raises nothing.

        Parameters
        ----------
        index
            Place in this sequence.
        crop
            Side of the central crop in pixels, ``None`` for the whole frame.
        """
        position = self._position(index)
        try:
            pixels, exists = self._source.pixels(position, crop)
            if exists is not None:
                return FrameRead(pixels if exists.any() else None, FrameStatus.MISSING, _absence(exists))
            mask = self._source.file_mask(position)
            return FrameRead(pixels, *judge(pixels, _cut(mask, pixels.shape), self._source.layout))
        except SfxLabelError as error:
            absent = bool(self._source.place(position)[0].absent)
            return FrameRead(None, FrameStatus.MISSING if absent else FrameStatus.UNREADABLE, str(error))

    def stream(self, threads: int | None = None, crop: int | None = None) -> Iterator[tuple[int, FrameRead]]:
        """Yield (place, `FrameRead`) for all frames in order, the next ones being read ahead by a few threads.

        Parameters
        ----------
        threads
            How many threads read and decompress, ``None`` for one per processor.
        crop
            Side of the central crop in pixels, ``None`` for whole frames.
        """
        return read_ahead(self, threads, crop)

    def frame_mask(self, index: int) -> NDArray[np.bool_]:
        """Return the good pixels of one frame: the run's mask, the frame's own, and the trusted range.

        Parameters
        ----------
        index
            Place in this sequence.

        Returns
        -------
        ndarray
            (rows, columns), True where the detector is good, the value lies in ``trusted_min <= v < saturated_value``,
            is finite, and is no code for a gap or masked pixel.

        Raises
        ------
        FrameReadError
            The frame cannot be read.
        """
        position = self._position(index)
        return self._source.frame_mask(position, *self._source.pixels(position))

    def frame_metadata(self, index: int) -> RunMetadata:
        """Return the run's metadata with this frame's own distance and wavelength where the file keeps them."""
        return self._source.metadata(self._position(index))

    # the run ----------------------------------------------------------------------------------------------------

    @property
    def keys(self) -> Keys:
        """The frames' keys, made when asked for."""
        return Keys(self._book, self._positions)

    @property
    def positions(self) -> NDArray[np.int64]:
        """(n,) places of these frames in the whole run, counted from 0."""
        return self._positions

    @property
    def mask(self) -> NDArray[np.bool_] | None:
        """(rows, columns) mask of the run, True = good, or ``None``; the trusted range is in `frame_mask`."""
        return self._source.run_mask()

    @property
    def metadata(self) -> RunMetadata:
        """What holds for the whole run."""
        return self._source.layout.metadata

    @property
    def shape(self) -> tuple[int, int, int]:
        """(frames, rows, columns)."""
        return (len(self), *self._source.layout.frame_shape)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The file's dtype, in this machine's byte order."""
        return np.dtype(self._source.layout.dtype).newbyteorder("=")

    @property
    def path(self) -> str:
        """The run's first file."""
        return self._source.layout.segments[0].path if self._source.layout.segments else ""

    @property
    def paths(self) -> tuple[str, ...]:
        """All files of the run as the user named them."""
        return tuple(dict.fromkeys(segment.path for segment in self._source.layout.segments))

    @property
    def name(self) -> str:
        """Base name of the run's first file."""
        return os.path.basename(self.path)

    @property
    def format(self) -> str:
        """Name of the file layout."""
        return self._source.layout.format

    @property
    def notes(self) -> tuple[str, ...]:
        """What is worth knowing of the run, such as data files that are not there."""
        return self._source.layout.notes

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of the run: its file's fingerprint, or for several files a hash over their names."""
        return self._book.run_fingerprint()

    def index_of(self, key: FrameKey) -> int:
        """Return the place of `key` in this sequence.

        Raises
        ------
        KeyError
            The frame is not among these.
        """
        position = self._book.position_of(key)
        places = np.flatnonzero(self._positions == position) if position is not None else np.zeros(0, np.int64)
        if not len(places):
            raise KeyError(f"frame {key} ({key.fingerprint}) is not among the {len(self)} frames of {self.name}")
        return int(places[0])

    # life -------------------------------------------------------------------------------------------------------

    def refresh(self) -> Frames:
        """Look at the files again and return the run as it is now; a selection keeps its positions."""
        if self._reopen is None:
            return self
        self._source.release()  # the library would answer from what it has cached of a file that is still open
        fresh = self._reopen()
        return fresh if self._whole else Frames(fresh._source, self._positions, self._reopen, fresh._book)

    def close(self) -> None:
        """Close the run's files, also for its selections."""
        self._source.close()

    def __enter__(self) -> Frames:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _absence(exists: NDArray[np.bool_]) -> str:
    if not exists.any():
        return "never written, or its source file is absent. Put the file where it was, or wait for it and refresh()."
    share = 100 * (1 - exists.mean())
    return f"{share:.1f} % of the frame was never written or its source is absent; its place is empty, not dark."


def _cut(mask: NDArray[np.bool_] | None, shape: tuple[int, ...]) -> NDArray[np.bool_] | None:
    """Cut the centre of `shape` out of a whole-frame mask."""
    if mask is None or mask.shape == shape:
        return mask
    top, left = ((whole - part) // 2 for whole, part in zip(mask.shape, shape, strict=True))
    return mask[top : top + shape[0], left : left + shape[1]]
