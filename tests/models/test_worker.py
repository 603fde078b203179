"""The training process: results, queue, stop, errors, death."""

from __future__ import annotations

import os
import signal
import time

import numpy as np
import pytest

from sfx_label.errors import TrainingError
from sfx_label.models.dataset import Dataset
from sfx_label.models.rows import RowView
from sfx_label.models.training import train
from sfx_label.models.worker import TrainingWorker
from sfx_label.models.worker_process import MappedRows, pack_dataset, unpack_dataset

WAIT = 180


@pytest.fixture(scope="module")
def worker():
    with TrainingWorker() as made:
        yield made


def wait_for(condition, seconds: float = WAIT) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "waited in vain"
        time.sleep(0.02)


def test_result_is_that_of_a_training_here(worker, vectors) -> None:
    parts = vectors(60).split(train=40, validation=20)
    events = []
    task = worker.submit(
        "rwd", parts.train, parts.validation, epochs=3, seed=4, listener=lambda _, e: events.append(e.kind)
    )
    bundle = task.result(WAIT)
    here = train("rwd", parts.train, parts.validation, epochs=3, seed=4)
    np.testing.assert_allclose(bundle.predict(parts.validation), here.predict(parts.validation), atol=1e-5)
    assert (task.state, task.epoch, task.total_epochs) == ("done", 3, 3)
    assert len(task.history) == 3
    assert events == ["running", *["epoch", "progress"] * 3, "done"]
    assert os.getpriority(os.PRIO_PROCESS, worker.pid) >= 10


def test_stop_ends_it_and_the_best_weights_come_back(worker, vectors) -> None:
    parts = vectors(60).split(train=40, validation=20)
    task = worker.submit("rwd", parts.train, parts.validation, epochs=100_000, patience=None)
    waiting = worker.submit("rwd", parts.train, parts.validation, epochs=2)
    dropped = worker.submit("rwd", parts.train, parts.validation, epochs=2)
    wait_for(lambda: task.epoch >= 2)
    assert worker.tasks == [task, waiting, dropped]
    dropped.stop()
    assert (dropped.state, dropped.finished) == ("stopped", True)
    with pytest.raises(TrainingError, match="out of the queue"):
        dropped.result(0)
    task.stop()
    assert task.result(WAIT).provenance["ended"] == "stopped"
    assert task.state == "stopped"
    assert len(waiting.result(WAIT).history) == 2


def test_stop_before_the_first_epoch_is_no_failure(worker, vectors) -> None:
    running = worker.submit("rwd", vectors(40), epochs=1)
    task = worker.submit("rwd", vectors(40), epochs=100_000, listener=lambda task, event: task.stop())
    assert running.result(WAIT).method == "rwd"
    with pytest.raises(TrainingError, match="before its first epoch"):
        task.result(WAIT)
    assert task.state == "stopped"


def test_a_faulty_listener_does_not_hold_the_training_up(worker, vectors) -> None:
    def faulty(task, event) -> None:
        raise RuntimeError("no such widget")

    assert worker.submit("rwd", vectors(40), epochs=1, listener=faulty).result(WAIT).method == "rwd"


def test_error_comes_back_in_plain_words_and_the_process_lives_on(worker, vectors) -> None:
    with pytest.raises(TrainingError, match="no option 'epocs'"):
        worker.submit("rwd", vectors(40), epocs=2).result(WAIT)
    assert worker.submit("rwd", vectors(40), epochs=1).result(WAIT).method == "rwd"


def test_bundle_and_target_travel(worker, vectors, tmp_path) -> None:
    parts = vectors(60).split(train=40, validation=20)
    base = train("rwd", parts.train, parts.validation, epochs=1)
    other = vectors(40, seed=2, fingerprint="b" * 16)
    moved = worker.submit("transfer", other, base=base, epochs=1, out=tmp_path / "moved.bundle").result(WAIT)
    assert moved.provenance["base"]["digest"] == base.digest
    assert (tmp_path / "moved.bundle" / "bundle.json").exists()
    adapted = worker.submit("mcc", parts.train, parts.validation, target=other, epochs=1).result(WAIT)
    assert adapted.provenance["target"]["n"] == 40


def test_interrupting_a_cell_does_not_end_a_training(worker, vectors) -> None:
    wait_for(worker.ready.is_set)
    os.kill(worker.pid, signal.SIGINT)
    assert worker.submit("rwd", vectors(40), epochs=1).result(WAIT).method == "rwd"


def test_death_of_the_process_is_told_and_the_queue_goes_on(worker, vectors) -> None:
    parts = vectors(60).split(train=40, validation=20)
    task = worker.submit("rwd", parts.train, parts.validation, epochs=100_000, patience=None)
    after = worker.submit("rwd", parts.train, parts.validation, epochs=1)
    wait_for(lambda: task.epoch >= 1)
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(TrainingError, match="exit code -9"):
        task.result(WAIT)
    assert task.state == "failed"
    assert after.result(WAIT).method == "rwd"


def test_memory_maps_travel_by_name(tmp_path, vectors) -> None:
    data = vectors(12)
    np.save(tmp_path / "x.npy", data.X)
    mapped = Dataset(np.load(tmp_path / "x.npy", mmap_mode="r"), data.y, data.keys, data.preprocessing)
    for part in (mapped, mapped[3:9], mapped[[7, 2, 11]], mapped[3:9][[4, 1]]):
        packed = pack_dataset(part)
        assert isinstance(packed.X, MappedRows)
        opened = unpack_dataset(packed)
        assert isinstance(opened.X, np.memmap | RowView)
        np.testing.assert_array_equal(np.asarray(opened.X), np.asarray(part.X))
    assert pack_dataset(data) is data


def test_process_ends_with_close(vectors) -> None:
    worker = TrainingWorker()
    worker.start()
    pid = worker.pid
    task = worker.submit("rwd", vectors(40), epochs=100_000)
    worker.close()
    assert worker.pid is None
    assert task.finished
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
