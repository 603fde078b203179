"""Transfer learning in two steps (paper, section 2.3.1 and Fig. 3): a finished base, a fresh classifier, few labels.

Step 1 trains the classifier on the features of the frozen base, which are computed once and kept. Step 2 unfreezes the
top blocks at a lower rate, on the maps of the frozen blocks below, kept likewise. The statistics of batch normalisation
stay those of the base in both steps: 200 frames are too few to measure them anew.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.loop import LoopResult, run_loop
from sfx_label.models.method import Job, Method
from sfx_label.models.networks import Network, compiled_forward, fixed_batch, in_fixed_batches
from sfx_label.models.plan import NetworkPlan, first_weights
from sfx_label.models.provenance import now
from sfx_label.models.supervised import NETWORK_OPTIONS, Supervised, Validation, make_bundle, network_inputs, resolved

if TYPE_CHECKING:
    from sfx_label.models.dataset import Dataset

__all__ = ["METHOD"]


class KeptRows:
    """Features or maps that were computed once.

    Parameters
    ----------
    values
        One row per frame, float32.
    """

    def __init__(self, values: NDArray[np.float32]) -> None:
        self._values = values

    def rows(self, index: NDArray[np.intp], rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Return rows; they cannot be augmented any more."""
        return self._values[index]


def fit(job: Job) -> ModelBundle:
    """Train a fresh classifier on a finished base, then both together at the top."""
    started = now()
    base: ModelBundle = job.options["base"]
    plan = check_base(base, job.train)
    job, device = resolved(job)
    with device.scope():
        network = Network(plan, fresh_classifier(base, plan, job.seed), precision=job.options["precision"])
        first = frozen_step(job, network, device)
        last = first if first.ended == "stopped" else unfrozen_step(job, network, device, first)
    result = LoopResult(
        [*first.history, *last.history] if last is not first else first.history,
        last.ended,
        last.best_epoch,
        last.input_share,
    )
    validation = None if job.validation is None else Validation(job.validation, network)
    base_facts = {
        "base": {"digest": base.digest, "method": base.method, "train": base.provenance.get("train", {})},
        "base_keys": [*base.provenance.get("training_keys", []), *base.provenance.get("validation_keys", [])],
    }
    return make_bundle(METHOD.name, job, network, validation, result, started=started, **base_facts)


def check_base(base: Any, data: Dataset) -> NetworkPlan:
    """Return the plan of the base, refusing one that was made for other inputs.

    Raises
    ------
    TrainingError
        If it is not a network, or preprocessing or input shape differ; the message says which.
    """
    if not isinstance(base, ModelBundle) or base.architecture.id != "conv":
        what = f"a {base.method!r} model" if isinstance(base, ModelBundle) else type(base).__name__
        raise TrainingError(
            f"base must be a bundle of a network (rwd, cnn, dann, ...). Received {what}; ModelBundle.load reads one."
        )
    mine, theirs = data.preprocessing.to_dict(), base.preprocessing.to_dict()
    different = [
        f"{name}: base {theirs.get(name)!r}, data {mine.get(name)!r}" for name in mine if mine[name] != theirs.get(name)
    ]
    if tuple(data.X.shape[1:]) != base.architecture.input_shape:
        different.append(f"input shape: base {base.architecture.input_shape}, data {tuple(data.X.shape[1:])}")
    if different:
        raise TrainingError(
            f"The base was trained on other inputs ({'; '.join(different)}); build the data with base.preprocessing."
        )
    return NetworkPlan.from_config(base.architecture.config)


def fresh_classifier(base: ModelBundle, plan: NetworkPlan, seed: int) -> dict[str, NDArray[Any]]:
    """Return the base's weights with a classifier drawn anew."""
    fresh = first_weights(plan, seed)
    return {
        name: fresh[name] if name.startswith(("dense", "output")) else values for name, values in base.weights.items()
    }


def frozen_step(job: Job, network: Network, device: Any) -> LoopResult:
    """Step 1: train the classifier on kept features."""
    features = kept(network, network.base, job.train)
    checked = None if job.validation is None else kept(network, network.base, job.validation)
    validation = None if job.validation is None else Validation(job.validation, network, checked, network.classifier)
    variables = network.classifier.trainable_variables
    objective = Supervised(network, job, features, validation, forward=network.classifier, variables=variables)
    total = job.options["epochs"] + job.options["fine_tune_epochs"]
    return run_loop(METHOD.name, part_of(job, "step1", 0, total), objective, device)


def unfrozen_step(job: Job, network: Network, device: Any, first: LoopResult) -> LoopResult:
    """Step 2: train the top blocks with the classifier, and keep the result only where validation is no worse."""
    options, depth = job.options, job.options["unfreeze"]
    if not isinstance(depth, int) or not 0 <= depth <= len(network.blocks):
        raise TrainingError(f"unfreeze is a number of blocks from 0 to {len(network.blocks)}. Received {depth!r}.")
    if depth == 0 or options["fine_tune_epochs"] == 0:
        return first
    lower, upper = network.cut(len(network.blocks) - depth)
    before = network.get_weights()

    def forward(x: Any, training: bool = False) -> Any:
        return network.classifier(upper(x, training=False), training=training)

    maps = kept(network, lower, job.train)
    checked = None if job.validation is None else kept(network, lower, job.validation)
    validation = None if job.validation is None else Validation(job.validation, network, checked, forward)
    variables = [*upper.trainable_variables, *network.classifier.trainable_variables]
    objective = Supervised(network, job, maps, validation, forward=forward, variables=variables)
    tuned = replace(
        job,
        options={
            **options,
            "epochs": options["fine_tune_epochs"],
            "learning_rate": options["learning_rate"] * options["fine_tune_rate"],
        },
    )
    total = options["epochs"] + options["fine_tune_epochs"]
    result = run_loop(METHOD.name, part_of(tuned, "step2", len(first.history), total), objective, device)
    if lowest(first, options["monitor"]) < lowest(result, options["monitor"]):
        network.set_weights(before)
        return replace(result, best_epoch=first.best_epoch)
    return replace(result, best_epoch=len(first.history) + result.best_epoch)


def kept(network: Network, model: Callable[..., Any], data: Dataset) -> KeptRows:
    """Run a frozen part of the network over all frames once."""
    inputs = network_inputs(data, network)
    size = fixed_batch(network.plan)
    call = compiled_forward(model, (size, *network.plan.network_shape))
    return KeptRows(in_fixed_batches(call, inputs.rows, len(data), size))


def lowest(result: LoopResult, monitor: str) -> float:
    """Return the best value of the monitored curve, infinity where there is none."""
    return min((logs[monitor] for logs in result.history if monitor in logs), default=math.inf)


def part_of(job: Job, name: str, done: int, total: int) -> Job:
    """Return the job of one step: its own checkpoint, its epochs counted on from those before."""
    folder = job.options["checkpoint"]
    options = {**job.options, "checkpoint": None if folder is None else str(Path(folder) / name)}
    on_epoch, progress = job.on_epoch, job.progress

    def shifted_epoch(epoch: int, logs: Mapping[str, float]) -> None:
        if on_epoch is not None:
            on_epoch(done + epoch, logs)

    def shifted_progress(epoch: int, of: int) -> None:
        if progress is not None:
            progress(done + epoch, total)

    return replace(job, options=options, on_epoch=shifted_epoch, progress=shifted_progress)


METHOD = Method(
    name="transfer",
    summary="a finished base with a fresh classifier, trained in two steps",
    fit=fit,
    options={
        **{name: value for name, value in NETWORK_OPTIONS.items() if name not in ("augment", "outputs", "strategy")},
        "base": None,
        "epochs": 40,
        "patience": 10,
        "unfreeze": 1,
        "fine_tune_epochs": 20,
        "fine_tune_rate": 0.1,
    },
    takes=("lcn", "rwd"),
    needs={"base": "the bundle whose convolutional base is used again, for example ModelBundle.load('ln84.bundle')."},
)
