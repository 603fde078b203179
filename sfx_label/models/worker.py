"""Training in a process of its own, so that labelling and other cells stay quick while a network learns.

The process is started once and kept: TensorFlow takes many seconds to import. It runs at a lower priority, leaves one
core free, and ends with the kernel that started it.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
import tempfile
import threading
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfx_label.models.tasks import Listener, TaskState, TrainingTask, apply_event
from sfx_label.models.worker_process import Event, Request, pack_dataset, serve

if TYPE_CHECKING:
    from multiprocessing.context import SpawnProcess
    from multiprocessing.queues import Queue

    from sfx_label.models.dataset import Dataset

__all__ = ["TaskState", "TrainingTask", "TrainingWorker"]

POLL_SECONDS = 0.25
END_SECONDS = 5.0


class TrainingWorker:
    """A training process and its queue.

    Parameters
    ----------
    nice
        How much the process steps back for others (0 to 19).
    threads
        TensorFlow's threads; None leaves one core free.

    Examples
    --------
    >>> worker = TrainingWorker()
    >>> worker.start()                                             # returns at once, TensorFlow loads in the background
    >>> task = worker.submit("rwd", parts.train, parts.validation) # doctest: +SKIP
    >>> bundle = task.result()                                     # doctest: +SKIP
    >>> worker.close()
    """

    def __init__(self, *, nice: int = 10, threads: int | None = None) -> None:
        self._settings = {"nice": nice, "threads": threads or max(1, (os.cpu_count() or 2) - 1)}
        self._context = multiprocessing.get_context("spawn")
        self._lock = threading.RLock()
        self._waiting: deque[TrainingTask] = deque()
        self._running: TrainingTask | None = None
        self._process: SpawnProcess | None = None
        self._pump: threading.Thread | None = None
        self._closing = False
        self._folder = tempfile.TemporaryDirectory(prefix="sfx-label-trainings-")
        self.ready = threading.Event()

    def start(self) -> None:
        """Start the process, if it does not run, and load TensorFlow in it; returns at once."""
        with self._lock:
            if self._process is not None and self._process.is_alive():
                return
            self._requests, self._events = self._context.Queue(), self._context.Queue()
            self._stop_flag = self._context.Event()
            arguments = (self._requests, self._events, self._stop_flag, self._settings)
            self._process = self._context.Process(target=serve, args=arguments, name="sfx-label-training", daemon=True)
            self._closing = False
            self.ready.clear()
            self._process.start()
            self._pump = threading.Thread(
                target=self._pump_events,
                args=(self._process, self._events),
                name="sfx-label-training-events",
                daemon=True,
            )
            self._pump.start()

    def submit(
        self,
        method: str,
        train: Dataset,
        validation: Dataset | None = None,
        *,
        seed: int = 0,
        device: str = "auto",
        out: str | Path | None = None,
        listener: Listener | None = None,
        **options: Any,
    ) -> TrainingTask:
        """Queue a training; it takes what `sfx_label.models.training.train` takes.

        Parameters
        ----------
        out
            Folder where the bundle is saved; None keeps it in memory only.
        listener
            Called with ``(task, event)`` in a thread of the worker.
        """
        number = f"{id(self):x}-{os.urandom(4).hex()}"
        packed = {
            name: pack_dataset(value) if hasattr(value, "keys") and hasattr(value, "X") else value
            for name, value in options.items()
        }
        request = Request(
            id=number,
            method=method,
            train=pack_dataset(train),
            validation=None if validation is None else pack_dataset(validation),
            seed=seed,
            device=device,
            options=packed,
            out=str(out) if out is not None else str(Path(self._folder.name) / number),
        )
        task = TrainingTask(request, listener, _stop=self._stop_task)
        self.start()
        with self._lock:
            self._waiting.append(task)
            self._send_next()
        return task

    @property
    def tasks(self) -> list[TrainingTask]:
        """The running training and those that wait, in order."""
        with self._lock:
            return [*([self._running] if self._running else []), *self._waiting]

    @property
    def pid(self) -> int | None:
        """Process id of the training process, None where it does not run."""
        return self._process.pid if self._process is not None and self._process.is_alive() else None

    def terminate(self) -> None:
        """End the process at once, as the last resort; the running training fails, the waiting ones go on after it."""
        if self._process is not None:
            self._process.terminate()

    def close(self) -> None:
        """Stop everything and end the process."""
        with self._lock:
            self._closing = True
            for task in list(self._waiting):
                self._stop_task(task)
            process, pump = self._process, self._pump
            if process is not None and process.is_alive():
                self._stop_flag.set()
                self._requests.put(None)
        if process is not None:
            process.join(END_SECONDS)
            if process.is_alive():
                process.terminate()
                process.join(END_SECONDS)
        if pump is not None:
            pump.join(END_SECONDS)
        self._folder.cleanup()

    def __enter__(self) -> TrainingWorker:
        self.start()
        return self

    def __exit__(self, *details: object) -> None:
        self.close()

    def _send_next(self) -> None:
        if self._running is None and self._waiting:
            self._running = self._waiting.popleft()
            self._stop_flag.clear()
            self._requests.put(self._running.request)

    def _stop_task(self, task: TrainingTask) -> None:
        with self._lock:
            if task is self._running:
                self._stop_flag.set()
            elif task in self._waiting:
                self._waiting.remove(task)
                task.error = "The training was taken out of the queue before it started."
                self._end(task, "stopped")

    def _pump_events(self, process: SpawnProcess, events: Queue[Event]) -> None:
        """Hand on events until the process ends; a death in the middle of a training is told to its task."""
        while True:
            try:
                self._handle(events.get(timeout=POLL_SECONDS))
            except queue.Empty:
                if not process.is_alive():
                    break
        self._mourn(process.exitcode)

    def _handle(self, event: Event) -> None:
        if event.kind == "ready":
            self.ready.set()
            return
        with self._lock:
            task = self._running
            if task is None or event.task != task.request.id:
                return
            ended = apply_event(task, event)
            if ended:
                self._running = None
                self._send_next()
        task.tell(event)
        if ended:
            task.finish()

    def _mourn(self, exit_code: int | None) -> None:
        with self._lock:
            task, self._running = self._running, None
            if task is not None:
                task.error = (
                    f"The training process ended in the middle of {task.request.method!r} (exit code {exit_code}; -9"
                    " often means that the memory ran out). Labels are safe; start the training again: with"
                    " checkpoint=... and resume=True it goes on."
                )
                self._end(task, "failed")
            again = bool(self._waiting) and not self._closing
        if again:
            self.start()
            with self._lock:
                self._send_next()

    def _end(self, task: TrainingTask, state: TaskState) -> None:
        task.state = state
        task.tell(Event(state, task.request.id, {"message": task.error}))
        task.finish()
