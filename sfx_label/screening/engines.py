"""Who does the parts: this process, its threads, several processes, or Dask.

An engine is a function that takes a :class:`Job` and yields the outcome of each part as it comes: a
:class:`~sfx_label.screening.work.PartReport`, or a :class:`PartFailure` when a part could not be done. Closing the
generator stops the workers. None of them has to be trusted with the results: committing is
:mod:`sfx_label.screening.commit`'s business, so a worker may die or repeat a part at any time.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sfx_label.errors import SfxLabelError
from sfx_label.screening.work import PartReport, StopFlag, screen_part

__all__ = ["ENGINES", "Engine", "Job", "Outcome", "PartFailure", "engine_named"]


@dataclass(frozen=True, slots=True)
class PartFailure:
    """A part that could not be done, and why. It stays pending: starting again tries it again."""

    part: str
    message: str


@dataclass(frozen=True)
class Job:
    """Parts of one screening folder, and with how many workers and threads each to do them.

    ``options`` are the engine's own (scheduler address, SLURM settings).
    """

    folder: str
    parts: tuple[str, ...]
    workers: int | None = None
    threads: int | None = None
    stop: StopFlag | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def stopped(self) -> bool:
        """Whether the user asked to stop."""
        return self.stop is not None and self.stop.is_set()


Outcome = PartReport | PartFailure
Engine = Callable[[Job], Iterator[Outcome]]


def usable_cores() -> int:
    """Return how many cores this process may use (as SLURM or a container allots them)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_serial(job: Job) -> Iterator[Outcome]:
    """Do the parts one after the other in this process, on one thread unless ``job.threads`` says more."""
    yield from _in_this_process(job, job.threads or 1)


def run_threads(job: Job) -> Iterator[Outcome]:
    """Do the parts one after the other in this process; threads read and preprocess ahead of the model."""
    yield from _in_this_process(job, job.workers or job.threads or usable_cores())


def _in_this_process(job: Job, threads: int) -> Iterator[Outcome]:
    for part in job.parts:
        if job.stopped:
            return
        yield attempt(job.folder, part, threads, job.stop)


def attempt(folder: str, part: str, threads: int, stop: StopFlag | None = None) -> Outcome:
    """Screen one part; what goes wrong with its data or model is returned, not raised."""
    try:
        return screen_part(folder, part, threads, stop)
    except (SfxLabelError, OSError) as error:
        return PartFailure(part, f"{type(error).__name__}: {error}")


def claim_gpu(slot: int) -> None:
    """Let this process see one of the machine's GPUs, before TensorFlow is imported: one process per GPU.

    Parameters
    ----------
    slot
        Number of the process on this machine; the GPUs are dealt in turn.
    """
    allowed = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = allowed.split(",") if allowed else [path[6:] for path in _gpu_files()]
    if len(devices) > 1:
        os.environ["CUDA_VISIBLE_DEVICES"] = devices[slot % len(devices)]


def _gpu_files() -> list[str]:
    names = os.listdir("/dev") if os.path.isdir("/dev") else []
    return sorted(name for name in names if name.startswith("nvidia") and name[6:].isdigit())


def run_processes(job: Job) -> Iterator[Outcome]:
    """Do the parts in several processes of this machine; see :mod:`sfx_label.screening.engines_processes`."""
    from sfx_label.screening.engines_processes import run_in_processes

    yield from run_in_processes(job)


def run_dask(job: Job) -> Iterator[Outcome]:
    """Do the parts on a Dask cluster; see :mod:`sfx_label.screening.engines_dask`."""
    from sfx_label.screening.engines_dask import run_on_dask

    yield from run_on_dask(job)


ENGINES: dict[str, Engine] = {
    "serial": run_serial,
    "threads": run_threads,
    "processes": run_processes,
    "dask": run_dask,
}


def engine_named(name: str) -> Engine:
    """Return the engine of this name.

    Raises
    ------
    SfxLabelError
        If there is none.
    """
    if name not in ENGINES:
        raise SfxLabelError(f"Unknown engine {name!r}; choose one of {', '.join(ENGINES)}.")
    return ENGINES[name]
