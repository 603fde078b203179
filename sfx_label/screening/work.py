"""One part of a screening: read, preprocess, predict, write a row for every frame.

A worker is given text and numbers only: the screening folder and the id of a part. What it needs beyond that (the
model, the open run) it loads once and keeps. While the model works on one batch, threads read and preprocess the next:
HDF5 reads one frame at a time whatever the number of threads, but the kernels run beside it.
"""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FrameReadError, SfxLabelError
from sfx_label.screening.commit import commit_file
from sfx_label.screening.manifest import Manifest, ModelRecord, Part, cached_manifest, count_generations
from sfx_label.screening.model import MODEL_FOLDER, load_model
from sfx_label.screening.table import HIT_OR_MAYBE, MISS, SCHEMA, TIME_SCHEMA, UNUSABLE, to_parquet

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.preprocess.contrast import Preprocessing

__all__ = ["PartReport", "StopFlag", "Stopped", "batch_size", "close_runs", "screen_part"]

# a frame with a missing module or without a good pixel would be screened as a black one; it gets a row, no probability
PREDICTED = ("ok", "saturated", "not_finite")
BATCH_BYTES = 32 * 2**20
SMALLEST_BATCH, LARGEST_BATCH = 8, 128


class StopFlag(Protocol):
    """Anything that can be asked whether to stop, such as a :class:`threading.Event`."""

    def is_set(self) -> bool:
        """Return whether to stop."""
        ...


class Stopped(SfxLabelError):
    """The user asked to stop; nothing of the part was committed, and it is done again next time."""


@dataclass(frozen=True, slots=True)
class PartReport:
    """What became of one part. Times are seconds of work, added over the threads."""

    part: str
    run: int
    n_frames: int
    n_hits: int
    n_unusable: int
    committed: bool
    read_seconds: float
    preprocess_seconds: float
    model_seconds: float
    commit_seconds: float
    wall_seconds: float


@dataclass(slots=True)
class _Row:
    """One frame on its way through."""

    position: int
    status: str = "ok"
    message: str | None = None
    values: NDArray[np.float32] | None = None
    spot_count: int | None = None
    read_seconds: float = 0.0
    preprocess_seconds: float = 0.0
    model_seconds: float = 0.0
    probability: float | None = None


class _OpenRuns:
    """The runs that this process has open, most recently used last."""

    def __init__(self, most: int = 4) -> None:
        self._most = most
        self._runs: OrderedDict[tuple[str, int], tuple[int, Frames]] = OrderedDict()

    def get(self, manifest: Manifest, number: int) -> Frames:
        place = (str(manifest.folder), number)
        generations, frames = self._runs.pop(place, (0, None))
        if frames is None or generations != manifest.generations:
            if frames is not None:
                # HDF5 shows a file as it was when this process first opened it, until every handle is closed
                frames.close()
            frames = manifest.runs[number].open()
        self._runs[place] = (manifest.generations, frames)
        while len(self._runs) > self._most:
            self._runs.popitem(last=False)[1][1].close()
        return frames

    def close(self) -> None:
        while self._runs:
            self._runs.popitem()[1][1].close()


_OPEN_RUNS = _OpenRuns()


def close_runs() -> None:
    """Close the files that this process keeps open between parts."""
    _OPEN_RUNS.close()


def screen_part(folder: str, part_id: str, threads: int = 1, stop: StopFlag | None = None) -> PartReport:
    """Screen one part and commit its rows, exactly once.

    Parameters
    ----------
    folder
        Screening folder, with the manifest and the model in it.
    part_id
        Which part of the manifest.
    threads
        Threads that read and preprocess.
    stop
        Asked between batches.

    Raises
    ------
    FrameReadError
        If the run cannot be opened, or is no longer the run that was planned.
    Stopped
        If ``stop`` was set.
    """
    began, generations = perf_counter(), count_generations(folder)
    manifest = cached_manifest(folder, generations)
    part = manifest.part(part_id)
    bundle = load_model(os.path.join(folder, MODEL_FOLDER), manifest.model.digest)
    frames = _OPEN_RUNS.get(manifest, part.run)
    _check_run(manifest, part, frames)
    source, rows = _Frames(frames, bundle.preprocessing, manifest.model.spots), list[_Row]()
    for batch in source.batches(part, threads):
        if stop is not None and stop.is_set():
            raise Stopped("Screening was stopped. Start it again with the same folder to go on.")
        rows += _predicted(bundle, source, batch)
    return _commit(manifest, part, frames, rows, began)


def batch_size(shape: tuple[int, ...]) -> int:
    """Return frames per batch for inputs of one shape: some 32 MB of them, 8 to 128 frames.

    It depends on nothing else, so that every engine predicts the same batches and gives the same numbers to the bit.
    """
    row_bytes = 4 * int(np.prod(shape))
    return max(SMALLEST_BATCH, min(LARGEST_BATCH, BATCH_BYTES // max(row_bytes, 1)))


def _check_run(manifest: Manifest, part: Part, frames: Frames) -> None:
    if len(frames) < part.stop or frames.keys[part.start].fingerprint != part.fingerprint:
        run = manifest.runs[part.run]
        raise FrameReadError(
            f"{run.path} is not the run that was planned: frames {part.start} to {part.stop} are gone or were replaced "
            f"(it has {len(frames)} frames now). Screen the new data into another folder."
        )


@dataclass(frozen=True)
class _Frames:
    """The frames of a part on their way to the model."""

    frames: Frames
    preprocessing: Preprocessing
    spots: bool

    @property
    def shape(self) -> tuple[int, ...]:
        return self.preprocessing.output_shape(tuple(self.frames.shape[1:]))

    @property
    def crop(self) -> int | None:
        """Side of what has to be read: spots are counted on the whole frame."""
        return None if self.spots else self.preprocessing.crop

    def batches(self, part: Part, threads: int) -> Iterator[list[_Row]]:
        """Yield batches of rows; with threads, the next batch is made while the caller works on this one."""
        size = batch_size(self.shape)
        batches = [range(low, min(low + size, part.stop)) for low in range(part.start, part.stop, size)]
        if threads <= 1:
            for batch in batches:
                yield [self.row(position) for position in batch]
            return
        pool = ThreadPoolExecutor(threads, thread_name_prefix="sfx-label-screen")
        try:
            ahead = [pool.submit(self.row, position) for position in batches[0]]
            for following in [*batches[1:], range(0)]:
                current, ahead = ahead, [pool.submit(self.row, position) for position in following]
                yield [future.result() for future in current]
        finally:
            pool.shutdown(cancel_futures=True)

    def row(self, position: int) -> _Row:
        """Read and preprocess one frame."""
        began = perf_counter()
        frame = self.frames.read(position, self.crop)
        row = _Row(position, str(frame.status), frame.message or None, read_seconds=perf_counter() - began)
        if frame.data is None or row.status not in PREDICTED:
            return row
        began = perf_counter()
        try:
            row.values = self.preprocessing.apply(frame.data, self.frames.mask)
            row.spot_count = self._spot_count(row.values, frame.data)
        except FrameReadError as error:
            row.status, row.message, row.values = "unreadable", str(error), None
        row.preprocess_seconds = perf_counter() - began
        return row

    def _spot_count(self, values: NDArray[np.float32], data: NDArray[Any]) -> int | None:
        if self.preprocessing.output == "spots":
            return int(values[0])
        if not self.spots:
            return None
        from sfx_label.preprocess.spots import find_spots

        return len(find_spots(data, self.frames.mask))


def _predicted(bundle: ModelBundle, source: _Frames, batch: list[_Row]) -> list[_Row]:
    began = perf_counter()
    _predict(bundle, batch, source.shape)
    seconds = (perf_counter() - began) / len(batch)
    for row in batch:
        row.model_seconds, row.values = seconds, None
    return batch


def _predict(bundle: ModelBundle, batch: list[_Row], shape: tuple[int, ...]) -> None:
    from sfx_label.models.cache import storage_dtype

    inputs = np.zeros((len(batch), *shape), storage_dtype(bundle.preprocessing))
    usable = np.array([row.values is not None and row.values.shape == shape for row in batch])
    for number in np.flatnonzero(usable):
        inputs[number] = batch[number].values
    if not usable.any():
        return
    probabilities = np.asarray(bundle.predict(inputs), dtype=np.float64)
    for number in np.flatnonzero(usable & np.isfinite(probabilities)):
        batch[number].probability = float(probabilities[number])


def _commit(manifest: Manifest, part: Part, frames: Frames, rows: list[_Row], began: float) -> PartReport:
    columns = _columns(manifest.model, part, frames, rows)
    labels = columns["label"]
    hits, unusable = labels.count(HIT_OR_MAYBE), labels.count(UNUSABLE)
    counts = {"n_frames": len(rows), "n_hits": hits, "n_unusable": unusable}
    started = perf_counter()
    footer = {"part": json.dumps({**asdict(part), **counts}), "model": manifest.model.digest}
    committed = commit_file(manifest.folder, part.file_name, to_parquet(columns, SCHEMA, footer))
    seconds = {
        "read_seconds": sum(row.read_seconds for row in rows),
        "preprocess_seconds": sum(row.preprocess_seconds for row in rows),
        "model_seconds": sum(row.model_seconds for row in rows),
        "commit_seconds": perf_counter() - started,
        "wall_seconds": perf_counter() - began,
    }
    if committed:
        times = to_parquet(_times(part, rows), TIME_SCHEMA, {"seconds": json.dumps(seconds)})
        commit_file(manifest.folder, f"times-{part.id}.parquet", times)
    return PartReport(part.id, part.run, len(rows), hits, unusable, committed, **seconds)


def _columns(model: ModelRecord, part: Part, frames: Frames, rows: list[_Row]) -> dict[str, list[Any]]:
    keys = [frames.keys[row.position] for row in rows]
    return {
        "path": [key.path for key in keys],
        "dataset": [key.dataset for key in keys],
        "index": [key.index for key in keys],
        "event": [key.event for key in keys],
        "fingerprint": [key.fingerprint for key in keys],
        "run": [part.run] * len(rows),
        "position": [row.position for row in rows],
        "probability": [row.probability for row in rows],
        "spot_count": [row.spot_count for row in rows],
        "status": [row.status for row in rows],
        "message": [row.message for row in rows],
        "label": [_label(row.probability, model.threshold) for row in rows],
    }


def _label(probability: float | None, threshold: float) -> str:
    if probability is None:
        return UNUSABLE
    return HIT_OR_MAYBE if probability >= threshold else MISS


def _times(part: Part, rows: list[_Row]) -> Mapping[str, list[Any]]:
    names = ("read_seconds", "preprocess_seconds", "model_seconds")
    return {
        "run": [part.run] * len(rows),
        "position": [row.position for row in rows],
        **{name: [getattr(row, name) for row in rows] for name in names},
    }
