"""The one training loop: epochs, schedule, early stopping, best weights, checkpoints, stop and resume."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError
from sfx_label.models.checkpoint import TrainingState, describe_job, load_state, save_state
from sfx_label.models.devices import Device
from sfx_label.models.method import Job
from sfx_label.models.optimisers import SCHEDULES, make_optimiser

__all__ = ["LOOP_OPTIONS", "LoopResult", "Objective", "run_loop"]

LOOP_OPTIONS: Mapping[str, Any] = {
    "epochs": 60,
    "batch_size": 32,
    "learning_rate": 1e-3,
    "schedule": "cosine",
    "optimizer": "adam",
    "weight_decay": 0.0,
    "patience": 15,
    "monitor": "val_loss",
    "checkpoint": None,
    "resume": False,
    "precision": "auto",
    "jit_compile": False,
}
Batch = Mapping[str, NDArray[Any]]


class Objective(Protocol):
    """What a method gives to the loop."""

    steps: int

    def trainable_variables(self) -> list[Any]:
        """Return the Keras variables that are trained."""

    def batches(self, epoch: int) -> Iterator[Batch]:
        """Yield the batches of an epoch; the same ones for the same epoch."""

    def begin_epoch(self, epoch: int) -> None:
        """Seed what is random inside the network."""

    def begin_step(self, share: float) -> None:
        """Set what changes with the share of the training that is done, 0 to 1."""

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return the curves of a batch as tensors, means over its frames; ``"loss"`` is minimised."""

    def validate(self) -> dict[str, float]:
        """Return the validation curves of the present weights; empty without validation frames."""

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return all weights by name."""

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""


@dataclass
class LoopResult:
    """What the loop leaves behind; the objective holds the best weights.

    Parameters
    ----------
    history
        One entry per epoch.
    ended
        ``"finished"``, ``"early stopping"`` or ``"stopped"``.
    best_epoch
        Epoch whose weights were kept, from 1.
    input_share
        Share of the time spent on making batches.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    ended: str = "finished"
    best_epoch: int = 0
    input_share: float = 0.0


def run_loop(method: str, job: Job, objective: Objective, device: Device, strategy: Any = None) -> LoopResult:
    """Train an objective.

    Parameters
    ----------
    method
        Name of the method, for the checkpoint.
    job
        Options (those of ``LOOP_OPTIONS`` at least), hooks, seed.
    objective
        What to train; afterwards it holds the best weights, or the last ones where nothing is monitored.
    device
        Where to compute.
    strategy
        A ``tf.distribute`` strategy; None for one device. The batch is cut into equal parts, one per replica.

    Raises
    ------
    TrainingError
        If the loss is not a number, or training was stopped before its first epoch was done.
    """
    loop = _Loop(method, job, objective, strategy)
    with loop.strategy.scope() if strategy is not None else device.scope():
        return loop.run()


class _Loop:
    def __init__(self, method: str, job: Job, objective: Objective, strategy: Any) -> None:
        import tensorflow as tf

        self.job, self.options, self.objective = job, job.options, objective
        self.strategy = strategy or tf.distribute.get_strategy()
        self.folder = None if self.options["checkpoint"] is None else Path(self.options["checkpoint"])
        self.identity = describe_job(method, job) if self.folder else {}
        self.result = LoopResult()
        self.best: tuple[float, int] = (math.inf, 0)
        self.best_state: dict[str, NDArray[Any]] = {}
        self.seconds_input = self.seconds_total = 0.0
        _check_options(self.options)

    def run(self) -> LoopResult:
        self.optimizer = make_optimiser(self.options)
        self.optimizer.build(self.objective.trainable_variables())
        self.step = _compiled_step(self.objective, self.optimizer, self.strategy, self.options["jit_compile"])
        done = self._restore()
        for epoch in range(done + 1, self.options["epochs"] + 1):
            if self._waited_enough():
                self.result.ended = "early stopping"
                break
            curves = self._train_epoch(epoch)
            if curves is None:
                self.result.ended = "stopped"
                break
            self._finish_epoch(epoch, {**curves, **self.objective.validate()})
        return self._keep_best()

    def _train_epoch(self, epoch: int) -> dict[str, float] | None:
        """Return the mean curves of an epoch, None if somebody asked to stop."""
        rate = self._learning_rate(epoch)
        self.optimizer.learning_rate.assign(rate)
        self.objective.begin_epoch(epoch)
        batches, sums, number = self.objective.batches(epoch), dict[str, float](), 0
        started = time.perf_counter()
        while True:
            before = time.perf_counter()
            batch = next(batches, None)
            self.seconds_input += time.perf_counter() - before
            if batch is None:
                break
            if self.job.stopped:
                return None
            done = (epoch - 1) * self.objective.steps + number
            self.objective.begin_step(done / (self.options["epochs"] * self.objective.steps))
            curves = {name: float(value) for name, value in self.step(batch).items()}
            number += 1
            self._check_loss(curves["loss"], epoch, number)
            sums = {name: sums.get(name, 0.0) + value for name, value in curves.items()}
        self.seconds_total += time.perf_counter() - started
        return {**{name: value / number for name, value in sums.items()}, "learning_rate": rate}

    def _learning_rate(self, epoch: int) -> float:
        share = (epoch - 1) / max(1, self.options["epochs"])
        return float(self.options["learning_rate"] * SCHEDULES[self.options["schedule"]](share))

    def _check_loss(self, loss: float, epoch: int, number: int) -> None:
        if not math.isfinite(loss):
            raise TrainingError(
                f"The loss is {loss} in epoch {epoch}, batch {number}: training diverged. Lower learning_rate (now"
                f" {self.options['learning_rate']:g}), use precision='float32', or look for extreme values in the"
                " inputs."
            )

    def _finish_epoch(self, epoch: int, logs: dict[str, float]) -> None:
        self.result.history.append(logs)
        value = logs.get(self.options["monitor"])
        if value is None or value < self.best[0]:
            self.best = (math.inf if value is None else value, epoch)
            self.best_state = self.objective.get_state()
        if self.folder is not None:
            save_state(self.folder, self._state(epoch), self.identity)
        if self.job.on_epoch is not None:
            self.job.on_epoch(epoch, dict(logs))
        if self.job.progress is not None:
            self.job.progress(epoch, self.options["epochs"])

    def _waited_enough(self) -> bool:
        patience = self.options["patience"]
        return patience is not None and len(self.result.history) - self.best[1] >= patience

    def _keep_best(self) -> LoopResult:
        if not self.best_state:
            raise TrainingError(
                "Training was stopped before its first epoch was done, so there is no model yet; start it again."
            )
        self.objective.set_state(self.best_state)
        self.result.best_epoch = self.best[1]
        self.result.input_share = self.seconds_input / max(self.seconds_total, 1e-9)
        return self.result

    def _state(self, epoch: int) -> TrainingState:
        arrays = {f"now/{name}": value for name, value in self.objective.get_state().items()}
        arrays.update({f"best/{name}": value for name, value in self.best_state.items()})
        for number, variable in enumerate(self.optimizer.variables):
            arrays[f"optimizer/{number}"] = np.array(variable.numpy())
        best = (self.best[0] if math.isfinite(self.best[0]) else 1e300, self.best[1])
        return TrainingState(arrays, epoch, best, self.result.history)

    def _restore(self) -> int:
        """Take over a checkpoint of this training, if asked to; return the epochs done."""
        state = load_state(self.folder, self.identity) if self.folder and self.options["resume"] else None
        if state is None:
            return 0
        self.objective.set_state(_under("now/", state.arrays))
        self.best_state = _under("best/", state.arrays)
        for number, variable in enumerate(self.optimizer.variables):
            variable.assign(state.arrays[f"optimizer/{number}"])
        self.best, self.result.history = state.best, state.history
        return state.epoch


def _under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}


def _check_options(options: Mapping[str, Any]) -> None:
    if options["schedule"] not in SCHEDULES:
        raise TrainingError(f"schedule is one of {', '.join(SCHEDULES)}. Received {options['schedule']!r}.")
    if options["resume"] and options["checkpoint"] is None:
        raise TrainingError("resume=True needs checkpoint=FOLDER, the folder of the training that was stopped.")
    for name in ("epochs", "batch_size"):
        if not isinstance(options[name], int) or options[name] < 1:
            raise TrainingError(f"{name} is a whole number from 1. Received {options[name]!r}.")


def _compiled_step(objective: Objective, optimizer: Any, strategy: Any, jit_compile: bool) -> Callable[[Batch], Any]:
    """Compile one step: losses, gradients, update. With several replicas each takes its part of the batch.

    Keras sums the gradients of the replicas, so each replica's loss is its mean divided by their number: the sum is
    then the gradient of the mean over the whole batch.
    """
    import tensorflow as tf

    replicas = strategy.num_replicas_in_sync
    variables = objective.trainable_variables()

    def step_of_replica(batch: Mapping[str, Any]) -> Any:
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([getattr(variable, "value", variable) for variable in variables])
            losses = objective.losses(batch)
            scaled = optimizer.scale_loss(losses["loss"] / replicas)
        optimizer.apply(tape.gradient(scaled, [variable.value for variable in variables]), variables)
        return losses

    @tf.function(jit_compile=jit_compile, autograph=False)
    def step(batch: Mapping[str, Any]) -> Any:
        if replicas == 1:
            return step_of_replica(batch)
        return strategy.run(step_of_replica, args=(batch,))

    def distribute(batch: Batch) -> Any:
        def part(context: Any) -> Any:
            number = context.replica_id_in_sync_group
            return {name: tf.constant(values[number::replicas]) for name, values in batch.items()}

        return strategy.experimental_distribute_values_from_function(part)

    def one(batch: Batch) -> Any:
        return step({name: tf.constant(values) for name, values in batch.items()})

    def several(batch: Batch) -> Any:
        losses = step(distribute(batch))
        return {name: strategy.reduce(tf.distribute.ReduceOp.MEAN, value, axis=None) for name, value in losses.items()}

    return one if replicas == 1 else several
