"""What names a frame for good: the fingerprint of its file, its data set and its index."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from typing import overload

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.frames.images import image_fingerprint
from sfx_label.frames.layout import Segment
from sfx_label.frames.records import FrameKey
from sfx_label.frames.source import FrameSource

__all__ = ["KeyBook", "Keys"]


class KeyBook:
    """Turns places in a run into keys and back; a file's fingerprint is worked out once, when first asked for.

    Parameters
    ----------
    source
        The run.
    """

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._fingerprints: dict[str, str] = {}
        self._numbers: dict[str, list[int]] | None = None

    def key(self, position: int) -> FrameKey:
        """Return the key of the frame at `position` of the run."""
        segment, offset = self._source.place(position)
        index, event = segment.index_of(offset), segment.event_of(offset)
        return FrameKey(self.fingerprint(segment.path), segment.dataset, index, segment.path, event)

    def position_of(self, key: FrameKey) -> int | None:
        """Return the place of a key in the run, ``None`` where it is not of this run."""
        segments = self._source.layout.segments
        name = os.path.basename(key.path)
        numbers = self._by_dataset().get(key.dataset, [])
        for number in sorted(numbers, key=lambda each: os.path.basename(segments[each].path) != name):
            offset = key.index - segments[number].first
            inside = 0 <= offset < segments[number].n_frames
            if inside and self.fingerprint(segments[number].path) == key.fingerprint:
                return self._source.first_of(number) + offset
        return None

    def _by_dataset(self) -> dict[str, list[int]]:
        if self._numbers is None:
            numbers: dict[str, list[int]] = {}
            for number, segment in enumerate(self._source.layout.segments):
                numbers.setdefault(segment.dataset, []).append(number)
            self._numbers = numbers
        return self._numbers

    def fingerprint(self, path: str) -> str:
        """Return 16 hexadecimal digits that name the content of a file of the run wherever it is moved.

        For HDF5, base name, data set, dtype, frame shape and the decoded first frame are hashed: growing, or being
        compressed anew, keeps the fingerprint; a reprocessed run gets another. For images see `image_fingerprint`.
        """
        if path not in self._fingerprints:
            segments = self._source.layout.segments
            number = next(n for n, each in enumerate(segments) if each.path == path and not each.absent)
            segment = segments[number]
            self._fingerprints[path] = (
                self._hash(segment, self._source.first_of(number)) if segment.dataset else image_fingerprint(path)
            )
        return self._fingerprints[path]

    def run_fingerprint(self) -> str:
        """Return the fingerprint of the run: its file's, or for several files a hash of the first and all names."""
        paths = list(dict.fromkeys(segment.path for segment in self._source.layout.segments))
        if not paths:
            return ""
        first = self.fingerprint(paths[0])
        names = "\n".join([first, *map(os.path.basename, paths)])
        return first if len(paths) == 1 else hashlib.sha256(names.encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def _hash(self, segment: Segment, position: int) -> str:
        layout = self._source.layout
        name = (os.path.basename(segment.path), segment.dataset, layout.dtype, layout.stored_shape)
        digest = hashlib.sha256(repr(name).encode("utf-8", "surrogateescape"))
        try:
            digest.update(np.ascontiguousarray(self._source.pixels(position)[0]).tobytes())
        except SfxLabelError as error:
            digest.update(type(error).__name__.encode())
        return digest.hexdigest()[:16]


class Keys(Sequence[FrameKey]):
    """The keys of some frames, made when asked for.

    Parameters
    ----------
    book
        The run's keys.
    positions
        Places in the run.
    """

    def __init__(self, book: KeyBook, positions: NDArray[np.int64]) -> None:
        self._book, self._positions = book, positions

    def __len__(self) -> int:
        return len(self._positions)

    @overload
    def __getitem__(self, index: int) -> FrameKey: ...
    @overload
    def __getitem__(self, index: slice) -> Keys: ...
    def __getitem__(self, index: int | slice) -> FrameKey | Keys:
        if isinstance(index, slice):
            return Keys(self._book, self._positions[index])
        return self._book.key(int(self._positions[index]))
