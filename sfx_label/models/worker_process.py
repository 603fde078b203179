"""What runs inside the training process: it takes requests, trains, and reports by plain events."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import traceback
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.models.rows import RowView

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event as StopEvent

    from sfx_label.models.dataset import Dataset

__all__ = ["Event", "MappedRows", "Request", "pack_dataset", "serve", "unpack_dataset"]


@dataclass(frozen=True)
class Event:
    """Something that happened in the training process.

    Parameters
    ----------
    kind
        ``"ready"``, ``"running"``, ``"epoch"``, ``"progress"``, ``"done"``, ``"failed"`` or ``"stopped"``.
    task
        Id of the training.
    data
        What belongs to it: epoch and logs, done and total, folder of the bundle, or message.
    """

    kind: str
    task: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Request:
    """A training to be done.

    Parameters
    ----------
    id
        Id of the training.
    method, seed, device, options
        As `train` takes them.
    train, validation
        Data sets, packed.
    out
        Folder for the bundle.
    """

    id: str
    method: str
    train: Dataset
    validation: Dataset | None
    seed: int
    device: str
    options: Mapping[str, Any]
    out: str


@dataclass(frozen=True)
class MappedRows:
    """Where a memory map lies, in place of its content: 2000 LCN frames take 2 GB.

    Parameters
    ----------
    path, offset, dtype, shape
        Of the memory map.
    rows
        Rows in use, None for all.
    """

    path: str
    offset: int
    dtype: str
    shape: tuple[int, ...]
    rows: NDArray[np.intp] | None = None

    def __len__(self) -> int:
        return self.shape[0] if self.rows is None else len(self.rows)

    def open(self) -> NDArray[Any] | RowView:
        """Map the file again."""
        base = np.memmap(self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape)
        return base if self.rows is None else RowView(base, self.rows)


def pack_dataset(data: Dataset) -> Dataset:
    """Return the data set as it travels to another process: memory maps by name."""
    X, rows = (data.X.base, data.X.rows) if isinstance(data.X, RowView) else (data.X, None)
    if not isinstance(X, np.memmap) or X.filename is None or not X.flags["C_CONTIGUOUS"]:
        return data
    packed = MappedRows(str(X.filename), _offset_of(X), X.dtype.str, X.shape, rows)
    return replace(data, X=packed)  # type: ignore[arg-type]


def unpack_dataset(data: Dataset) -> Dataset:
    """Return the data set with its memory map opened again."""
    return replace(data, X=data.X.open()) if isinstance(data.X, MappedRows) else data


def serve(requests: Queue[Request | None], events: Queue[Event], stop: StopEvent, settings: Mapping[str, Any]) -> None:
    """Train what is asked for until None comes or the parent process ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # interrupting a cell must not end a training
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.nice(int(settings["nice"]))
    _load_tensorflow(int(settings["threads"]))
    events.put(Event("ready"))
    while True:
        request = requests.get()
        if request is None:
            return
        events.put(Event("running", request.id))
        events.put(_train(request, events, stop))


def _train(request: Request, events: Queue[Event], stop: StopEvent) -> Event:
    from sfx_label.models.training import train

    def on_epoch(epoch: int, logs: Mapping[str, float]) -> None:
        events.put(Event("epoch", request.id, {"epoch": epoch, "logs": dict(logs)}))

    def progress(done: int, total: int) -> None:
        events.put(Event("progress", request.id, {"done": done, "total": total}))

    try:
        bundle = train(
            request.method,
            unpack_dataset(request.train),
            None if request.validation is None else unpack_dataset(request.validation),
            seed=request.seed,
            on_epoch=on_epoch,
            stop=stop,
            progress=progress,
            device=request.device,
            **{name: _unpacked(value) for name, value in request.options.items()},
        )
        return Event("done", request.id, {"folder": str(bundle.save(request.out))})
    except SfxLabelError as error:
        return Event("stopped" if stop.is_set() else "failed", request.id, {"message": str(error)})
    except Exception as error:
        # the process must outlive whatever goes wrong in one training; the whole trace goes to the caller
        message = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        return Event("failed", request.id, {"message": message})


def _unpacked(value: Any) -> Any:
    return unpack_dataset(value) if hasattr(value, "keys") and hasattr(value, "X") else value


def _offset_of(part: np.memmap[Any, Any]) -> int:
    """Return where in its file a part of a memory map starts; slices keep the offset of the whole."""
    whole: Any = part
    while isinstance(whole.base, np.memmap):
        whole = whole.base
    start = part.__array_interface__["data"][0] - whole.__array_interface__["data"][0]
    return int(whole.offset + start)


def _load_tensorflow(threads: int) -> None:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.function(lambda x: x + 1)(tf.constant(0.0))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
