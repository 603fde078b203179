"""One training in the queue of the training process: its state, its curves, its result."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sfx_label.errors import SfxLabelError, TrainingError
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.worker_process import Event, Request

__all__ = ["Listener", "TaskState", "TrainingTask", "apply_event"]

logger = logging.getLogger(__name__)

TaskState = Literal["waiting", "running", "done", "stopped", "failed"]
Listener = Callable[["TrainingTask", Event], None]


@dataclass(eq=False)
class TrainingTask:
    """One training in the queue; made by `TrainingWorker.submit`.

    Parameters
    ----------
    request
        What is trained.
    listener
        Called in the worker's pump thread with each event, at most a few times a second per training epoch.
    """

    request: Request
    listener: Listener | None = None
    state: TaskState = "waiting"
    epoch: int = 0
    total_epochs: int = 0
    history: list[Mapping[str, float]] = field(default_factory=list)
    error: str = ""
    bundle: ModelBundle | None = None
    _finished: threading.Event = field(default_factory=threading.Event, repr=False)
    _stop: Callable[[TrainingTask], None] | None = field(default=None, repr=False)

    @property
    def finished(self) -> bool:
        """Whether it has ended, for better or worse."""
        return self._finished.is_set()

    def stop(self) -> None:
        """Ask to end within one batch; the best weights so far come back as the result."""
        if self._stop is not None:
            self._stop(self)

    def tell(self, event: Event) -> None:
        """Call the listener; what it raises is logged, so that a faulty panel cannot hold the training up."""
        if self.listener is not None:
            try:
                self.listener(self, event)
            except Exception:
                logger.exception("the listener of a %s training failed", self.request.method)

    def finish(self) -> None:
        """Let everyone who waits for the result go on."""
        self._finished.set()

    def result(self, timeout: float | None = None) -> ModelBundle:
        """Wait for the bundle.

        Parameters
        ----------
        timeout
            Seconds to wait; None waits as long as it takes.

        Raises
        ------
        TrainingError
            If training failed, was stopped before its first epoch was done, or is not done in time.
        """
        if not self._finished.wait(timeout):
            raise TrainingError(
                f"The training of {self.request.method!r} is not done after {timeout} s; wait longer or stop it."
            )
        if self.bundle is None:
            raise TrainingError(self.error)
        return self.bundle


def apply_event(task: TrainingTask, event: Event) -> bool:
    """Bring a task up to date; tell whether it has ended."""
    try:
        _apply(task, event)
    except SfxLabelError as error:
        task.error, task.state = str(error), "failed"
        return True
    return event.kind in ("done", "failed", "stopped")


def _apply(task: TrainingTask, event: Event) -> None:
    if event.kind == "running":
        task.state = "running"
    elif event.kind == "epoch":
        task.epoch = int(event.data["epoch"])
        task.history.append(event.data["logs"])
    elif event.kind == "progress":
        task.total_epochs = int(event.data["total"])
    elif event.kind == "done":
        task.bundle = ModelBundle.load(event.data["folder"])
        task.state = "stopped" if task.bundle.provenance.get("ended") == "stopped" else "done"
    elif event.kind in ("failed", "stopped"):
        task.error, task.state = str(event.data["message"]), "failed" if event.kind == "failed" else "stopped"
