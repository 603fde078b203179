"""Frames read ahead by a few threads and handed out in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from sfx_label.frames.records import FrameRead

__all__ = ["default_threads", "read_ahead"]

AHEAD_PER_THREAD = 2  # frames under way or waiting per thread: memory stays flat however long the run


class Readable(Protocol):
    """What can be read ahead: `Frames`."""

    def __len__(self) -> int:
        """How many frames there are."""

    def read(self, index: int, crop: int | None = None) -> FrameRead:
        """Return a frame with its state."""


def default_threads() -> int:
    """Return the processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def read_ahead(
    frames: Readable, threads: int | None = None, crop: int | None = None
) -> Iterator[tuple[int, FrameRead]]:
    """Yield (place, frame with its state) for all frames in order, while the next ones are being read.

    Parameters
    ----------
    frames
        The frames.
    threads
        How many threads read and decompress, ``None`` for one per processor; 1 reads in the caller's thread.
    crop
        Side of the central crop in pixels, ``None`` for whole frames.
    """
    count = default_threads() if threads is None else threads
    if count <= 1:
        yield from ((index, frames.read(index, crop)) for index in range(len(frames)))
        return
    waiting: deque[Future[FrameRead]] = deque()
    pool = ThreadPoolExecutor(count, thread_name_prefix="frames")
    try:
        for index in range(len(frames) + count * AHEAD_PER_THREAD):
            if index < len(frames):
                waiting.append(pool.submit(frames.read, index, crop))
            if index >= count * AHEAD_PER_THREAD and waiting:
                yield index - count * AHEAD_PER_THREAD, waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)  # also where the caller stops half way
