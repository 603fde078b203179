"""The same work on each frame of a run, on several threads, in order, with a bounded number of frames in hand."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from typing import Any, TypeVar

__all__ = ["as_sequence", "each_frame"]

Result = TypeVar("Result")
AHEAD = 4  # frames per thread


def as_sequence(frames: Iterable[Any]) -> Any:
    """Give something with a length and an index; an iterator is read into a list."""
    return frames if hasattr(frames, "__len__") and hasattr(frames, "__getitem__") else list(frames)


def each_frame(
    work: Callable[[int], Result], total: int, threads: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Result]:  # fmt: skip
    """Yield ``work(0), work(1), ...`` in order.

    Parameters
    ----------
    work
        Called with the index of a frame, on any thread.
    total
        Number of frames.
    threads
        Number of threads; None for one a core.
    progress
        Called as ``progress(done, total)``.
    """
    threads = threads or cpu_count() or 1
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for index in range(total):
                waiting.append(pool.submit(work, index))
                if len(waiting) == AHEAD * threads:
                    yield _next(waiting, index + 1, total, progress)
            while waiting:
                yield _next(waiting, total, total, progress)
        finally:
            for future in waiting:
                future.cancel()


def _next(
    waiting: deque[Future[Result]], submitted: int, total: int, progress: Callable[[int, int], None] | None
) -> Result:
    result = waiting.popleft().result()
    if progress is not None:
        progress(submitted - len(waiting), total)
    return result
