"""What a model costs: training time, peak memory while training, and how many frames it predicts a second."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.dataset import Dataset

__all__ = ["measure_prediction", "with_costs"]

Result = TypeVar("Result")
WARM = 32  # frames predicted before the clock starts: the first call compiles
TIMED = 256  # prepared inputs that are timed
TIMED_FRAMES = 64  # frames read, preprocessed and predicted


def with_costs(work: Callable[[], Result]) -> tuple[Result, dict[str, float | None]]:
    """Do something and return its result with wall time and peak memory.

    Parameters
    ----------
    work
        What to do.

    Notes
    -----
    The peak is that of the whole process (Linux resets its high-water mark on request); ``None`` where the system does
    not tell. Memory on a GPU is not in it.
    """
    countable = _reset_peak()
    started = time.perf_counter()
    result = work()
    seconds = time.perf_counter() - started
    return result, {"train_seconds": seconds, "peak_megabytes": _peak_megabytes() if countable else None}


def measure_prediction(bundle: ModelBundle, data: Dataset, frames: Frames) -> dict[str, float | None]:
    """Return predictions a second from prepared inputs, and frames a second from the file.

    Parameters
    ----------
    bundle
        The model.
    data
        Prepared inputs.
    frames
        The run itself: read, preprocess and predict.
    """
    bundle.predict(data[:WARM])
    some = data[:TIMED]
    return {
        "predict_per_second": _rate(lambda: bundle.predict(some), len(some)),
        "frames_per_second": _rate(lambda: bundle.predict(frames[:TIMED_FRAMES]), min(TIMED_FRAMES, len(frames))),
    }


def _rate(work: Callable[[], object], n: int) -> float:
    started = time.perf_counter()
    work()
    return n / max(time.perf_counter() - started, 1e-9)


def _reset_peak() -> bool:
    """Ask Linux to start the high-water mark anew (``proc(5)``, clear_refs); elsewhere this cannot be done."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _peak_megabytes() -> float | None:
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found.group(1)) / 1024 if found else None
