"""The frames that a question to the store is about, and where its answers belong among them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from sfx_label.frames.sequence import FrameKey, Frames
from sfx_label.labels.resolve import FrameId, identity_of
from sfx_label.labels.scheme import UNLABELLED

__all__ = ["SomeFrames", "Wanted", "runs_of"]

SomeFrames = Frames | Sequence[FrameKey]
"""A run or part of one, or frame keys."""

_FEW = 100
"""With fewer answers than one frame in this many, each is looked up, which is quicker than a key for every frame."""

# frames are immutable, so what was found for them once holds as long as they live
_RUNS: WeakKeyDictionary[Frames, frozenset[str]] = WeakKeyDictionary()


def runs_of(frames: Frames | None) -> frozenset[str] | None:
    """Return the fingerprints of the files of a run; None for no run."""
    return None if frames is None else _fingerprints(frames)


def _fingerprints(frames: Frames) -> frozenset[str]:
    if frames not in _RUNS:
        one = len(frames.paths) == 1 and len(frames) > 0
        _RUNS[frames] = frozenset([frames.keys[0].fingerprint] if one else (key.fingerprint for key in frames.keys))
    return _RUNS[frames]


class Wanted:
    """Frames by identity; made for one question.

    Parameters
    ----------
    frames
        A run or part of one, or frame keys; n of them.
    """

    def __init__(self, frames: SomeFrames) -> None:
        self._frames = frames
        self.runs = (
            _fingerprints(frames) if isinstance(frames, Frames) else frozenset(key.fingerprint for key in frames)
        )

    def __len__(self) -> int:
        return len(self._frames)

    def places(self, found: Collection[FrameId]) -> Iterator[tuple[int, FrameId]]:
        """Yield position and identity of each frame that is in `found`."""
        frames = self._frames
        if isinstance(frames, Frames) and len(found) * _FEW < len(frames) and _in_file_order(frames):
            yield from _looked_up(frames, found)
            return
        for position, key in enumerate(frames.keys if isinstance(frames, Frames) else frames):
            frame = identity_of(key)
            if frame in found:
                yield position, frame

    def spread(self, labels: Mapping[FrameId, int]) -> NDArray[np.int8]:
        """Lay labels out over the frames, shape (n,); ``UNLABELLED`` where there is none."""
        spread = np.full(len(self), UNLABELLED, np.int8)
        for position, frame in self.places(labels.keys()):
            spread[position] = labels[frame]
        return spread


def _looked_up(frames: Frames, found: Collection[FrameId]) -> Iterator[tuple[int, FrameId]]:
    for frame in found:
        try:
            yield frames.index_of(FrameKey(*frame)), frame
        except KeyError:
            continue


def _in_file_order(frames: Frames) -> bool:
    """Whether no frame is there twice: only then one place is all there is to look up."""
    return bool((np.diff(frames.positions) > 0).all())
