"""Learning from labelled frames: the objective of `rwd` and `cnn`, and the common way from a network to a bundle."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from sfx_label.models.batches import Inputs, balanced_order, choose_augmentations, plain_order
from sfx_label.models.bundle import ArchitectureChoice, ModelBundle
from sfx_label.models.devices import choose_device, choose_precision
from sfx_label.models.loop import LOOP_OPTIONS, LoopResult, run_loop
from sfx_label.models.networks import Network, compiled_forward, fixed_batch, in_fixed_batches, logits_to_probability
from sfx_label.models.operating_point import OperatingPoint, balanced_accuracy, choose_threshold
from sfx_label.models.plan import NetworkPlan, first_weights
from sfx_label.models.provenance import describe_training

if TYPE_CHECKING:
    from sfx_label.models.dataset import Dataset
    from sfx_label.models.method import Job

__all__ = ["NETWORK_OPTIONS", "VECTOR_OPTIONS", "Supervised", "make_bundle", "resolved", "train_network"]

NETWORK_OPTIONS: Mapping[str, Any] = {
    **LOOP_OPTIONS,
    "balanced": True,
    "augment": True,
    "outputs": 2,
    "target_recall": None,
    "strategy": None,
}


VECTOR_OPTIONS: Mapping[str, Any] = {"sorted": False, "frame_scale": False, "asinh": False, "collapse": "flatten"}


class Supervised:
    """Cross-entropy on labelled frames.

    Parameters
    ----------
    network
        What is trained.
    job
        Data, options and seed.
    inputs
        The training frames, one row each, as `forward` takes them.
    validation
        Frames that are predicted after each epoch, or None.
    forward
        Function ``(x, training)`` to logits; None is the whole network.
    variables
        What is trained; None is everything that can be.
    """

    def __init__(
        self,
        network: Network,
        job: Job,
        inputs: RowSource,
        validation: Validation | None,
        *,
        forward: Callable[..., Any] | None = None,
        variables: list[Any] | None = None,
    ) -> None:
        self.network, self.job, self.inputs, self.validation = network, job, inputs, validation
        self.forward = forward or network
        everything = [*network.base.trainable_variables, *network.classifier.trainable_variables]
        self.variables = everything if variables is None else variables
        self.targets = targets_of(job.train, network.plan.outputs)
        self.batch_size = min(job.options["batch_size"], len(job.train))
        self.steps = -(-len(job.train) // self.batch_size)

    def trainable_variables(self) -> list[Any]:
        """Return what is trained."""
        return self.variables

    def batches(self, epoch: int) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Yield batches of one size, the classes in balance unless switched off."""
        rng = np.random.default_rng([self.job.seed, epoch])
        for rows in self.row_batches(rng):
            yield {"x": self.inputs.rows(rows, rng), "y": self.targets[rows]}

    def row_batches(self, rng: np.random.Generator) -> Iterator[NDArray[np.intp]]:
        """Yield the row numbers of each batch."""
        n = self.steps * self.batch_size
        if self.job.options["balanced"]:
            order = balanced_order(self.targets, n, rng)
        else:
            order = np.resize(plain_order(len(self.targets), rng), n)
        yield from order.reshape(self.steps, self.batch_size)

    def begin_epoch(self, epoch: int) -> None:
        """Seed the dropout."""
        self.network.seed_dropout(self.job.seed, epoch)

    def begin_step(self, share: float) -> None:
        """Nothing changes within this training."""

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return cross-entropy and accuracy."""
        return label_losses(self.forward(batch["x"], training=True), batch["y"])

    def validate(self) -> dict[str, float]:
        """Return the validation curves."""
        return {} if self.validation is None else self.validation.curves()

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the weights of the network."""
        return dict(self.network.get_weights())

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the weights of the network."""
        self.network.set_weights(state)


class Validation:
    """Labelled frames that are predicted after each epoch, with one compiled call.

    Parameters
    ----------
    data
        The labelled frames.
    network
        The network that is trained.
    inputs
        The frames as `forward` takes them; None prepares them for the whole network.
    forward
        Function ``(x, training)`` to logits; None is the whole network.
    """

    def __init__(
        self,
        data: Dataset,
        network: Network,
        inputs: RowSource | None = None,
        forward: Callable[..., Any] | None = None,
    ) -> None:
        self.positive = data.positive
        self.targets = targets_of(data, network.plan.outputs)
        self.inputs = network_inputs(data, network) if inputs is None else inputs
        self.batch_size = fixed_batch(network.plan)
        shape = self.inputs.rows(np.arange(1)).shape[1:]
        self._forward = compiled_forward(forward or network, (self.batch_size, *shape))

    def logits(self) -> NDArray[np.float32]:
        """Return the logits of the present weights, ``(n, outputs)``."""
        return in_fixed_batches(self._forward, self.inputs.rows, len(self.targets), self.batch_size)

    def probability(self) -> NDArray[np.float64]:
        """Return the probability of Hit-or-Maybe with the present weights."""
        return logits_to_probability(self.logits())

    def curves(self) -> dict[str, float]:
        """Return loss (classes weighted equally), recalls at probability 0.5, and AUC."""
        logits = self.logits().astype(np.float64)
        probability = logits_to_probability(logits)
        kept = probability >= 0.5
        return {
            "val_loss": balanced_cross_entropy(logits, self.targets),
            "val_recall_hit_or_maybe": float(np.mean(kept[self.positive])),
            "val_recall_miss": float(np.mean(~kept[~self.positive])),
            "val_balanced_accuracy": balanced_accuracy(probability, self.positive, 0.5),
            "val_auc": area_under_curve(probability, self.positive),
        }


class RowSource(Protocol):
    """Anything that hands out rows as a network takes them, like `Inputs`."""

    def rows(self, index: NDArray[np.intp], rng: np.random.Generator | None = None) -> NDArray[np.float32]:
        """Return the rows of these numbers, augmented where a generator is given."""


def network_inputs(data: Dataset, network: Network, augment: tuple[str, ...] = ()) -> Inputs:
    """Return the frames of a data set as a network takes them."""
    inputs = Inputs(data.X, network.plan.prepare, augment)
    inputs.standardise(*network.constants)
    return inputs


def targets_of(data: Dataset, outputs: int) -> NDArray[np.int32]:
    """Return the class numbers that the network learns: Miss and Hit-or-Maybe, or Miss, Maybe and Hit."""
    positive = data.positive
    return (data.y if outputs == 3 else positive).astype(np.int32)


def label_losses(logits: Any, targets: Any) -> dict[str, Any]:
    """Return mean cross-entropy and accuracy as tensors."""
    import tensorflow as tf

    entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=targets, logits=logits)
    correct = tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == targets, tf.float32)
    return {"loss": tf.reduce_mean(entropy), "accuracy": tf.reduce_mean(correct)}


def balanced_cross_entropy(logits: NDArray[np.float64], targets: NDArray[np.int32]) -> float:
    """Return the mean over the classes of the mean cross-entropy of their frames."""
    entropy = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(targets)), targets]
    return float(np.mean([entropy[targets == value].mean() for value in np.unique(targets)]))


def area_under_curve(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Return the share of pairs of a positive and a negative that the scores order rightly; ties count half."""
    values = np.sort(scores[~positive])
    low, high = (np.searchsorted(values, scores[positive], side=side) for side in ("left", "right"))
    return float(np.mean(low + high) / (2 * len(values)))


def resolved(job: Job) -> tuple[Job, Any]:
    """Return the job with its device and precision settled, and the device."""
    device = choose_device(job.device)
    options = {**job.options, "precision": choose_precision(job.options["precision"], device)}
    return replace(job, options=options, device=device.name), device


def first_network(job: Job, plan: NetworkPlan) -> tuple[Network, Inputs]:
    """Return a network with first weights, and the training frames as it takes them."""
    plan = replace(plan, outputs=job.options["outputs"])
    inputs = Inputs(job.train.X, plan.prepare, choose_augmentations(job.options["augment"], plan.rank))
    mean, scale = inputs.constants()
    weights = {**first_weights(plan, job.seed), "input/mean": np.array(mean), "input/scale": np.array(scale)}
    several = job.options["strategy"] is not None
    network = Network(plan, weights, precision=job.options["precision"], synchronized=several)
    inputs.standardise(*network.constants)
    return network, inputs


def train_network(method: str, job: Job, plan: NetworkPlan, started: str) -> ModelBundle:
    """Train a plan from first weights on the job's labels; what `rwd` and `cnn` share."""
    job, device = resolved(job)
    strategy = job.options["strategy"]
    with device.scope() if strategy is None else strategy.scope():
        network, inputs = first_network(job, plan)
        validation = None if job.validation is None else Validation(job.validation, network)
        objective = Supervised(network, job, inputs, validation)
    result = run_loop(method, job, objective, device, strategy)
    return make_bundle(method, job, network, validation, result, started=started)


def make_bundle(
    method: str,
    job: Job,
    network: Network,
    validation: Validation | None,
    result: LoopResult,
    **extra: Any,
) -> ModelBundle:
    """Choose the operating point and put everything into a bundle."""
    point = operating_point(job, network, validation)
    facts = {
        "best_epoch": result.best_epoch,
        "epochs_done": len(result.history),
        "input_share": round(result.input_share, 4),
        "operating_point": point.to_dict(),
        **extra,
    }
    return ModelBundle(
        method=method,
        architecture=ArchitectureChoice("conv", network.plan.to_config()),
        weights=network.get_weights(),
        preprocessing=job.train.preprocessing,
        frame_shape=job.train.frame_shape,
        threshold=point.threshold,
        provenance=describe_training(
            job, str(facts.pop("started")), facts, packages=("tensorflow", "keras", "safetensors"), ended=result.ended
        ),
        history=tuple(result.history),
    )


def operating_point(job: Job, network: Network, validation: Validation | None) -> OperatingPoint:
    """Choose the threshold on the validation frames.

    Without any it is 0.5, where the balanced batches put it: the probabilities of the training frames themselves
    would be too good to choose on.
    """
    if validation is None:
        train = Validation(job.train, network)
        kept = train.probability() >= 0.5
        recalls = float(np.mean(kept[train.positive])), float(np.mean(~kept[~train.positive]))
        return OperatingPoint(0.5, *recalls, rule="0.5, no validation frames")
    return choose_threshold(
        validation.probability(), validation.positive, target_recall=job.options["target_recall"], rule_of="validation"
    )
