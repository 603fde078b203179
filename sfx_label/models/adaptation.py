"""Learning on a labelled source and an unlabelled target together: what `dann` and `mcc` share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import LeakError, TrainingError
from sfx_label.labels.scheme import UNLABELLED
from sfx_label.models.batches import choose_augmentations, plain_order
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.catalogue import picture_plan, vector_plan
from sfx_label.models.dataset import Dataset, same_keys
from sfx_label.models.loop import run_loop
from sfx_label.models.method import Job
from sfx_label.models.networks import Network, compiled_forward, fixed_batch, in_fixed_batches
from sfx_label.models.plan import NetworkPlan
from sfx_label.models.provenance import describe_data, group_keys, now
from sfx_label.models.supervised import (
    NETWORK_OPTIONS,
    VECTOR_OPTIONS,
    Supervised,
    Validation,
    first_network,
    label_losses,
    make_bundle,
    network_inputs,
    resolved,
)

if TYPE_CHECKING:
    from sfx_label.models.batches import Inputs

__all__ = ["ADAPTATION_OPTIONS", "Adapted", "Alignment", "hide_labels", "train_adapted"]

ADAPTATION_OPTIONS: Mapping[str, Any] = {
    **NETWORK_OPTIONS,
    "target": None,
    "epochs": 40,
    "batch_size": 32,
    # the source's validation says nothing about the target, so the last weights are kept, as in the paper
    "monitor": "none",
    "patience": None,
    "architecture": "fig2",
    "downsample": "none",
    "crop": None,
    **VECTOR_OPTIONS,
}
TARGET_NEEDED = "the unlabelled frames of the other run, for example build_dataset(frames, None, preprocessing)."
MAX_CHECKED = 128  # frames of each domain that are looked at after an epoch


class Alignment(Protocol):
    """The part that differs between the methods: what pulls source and target together."""

    def trainable_variables(self) -> list[Any]:
        """Return its own trainable variables."""

    def begin_step(self, share: float) -> None:
        """Move its schedule on."""

    def losses(self, features: Any, logits: Any, n_source: int) -> dict[str, Any]:
        """Return curves as tensors, ``"alignment"`` among them: what is added to the label loss."""

    def validate(self, features: Callable[[], DomainFeatures]) -> dict[str, float]:
        """Return curves of an epoch; ``features()`` computes the features of frames of both domains."""

    def facts(self) -> dict[str, Any]:
        """Return what belongs into the provenance."""

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return its weights by name."""

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take over what `get_state` returned."""


class DomainFeatures(NamedTuple):
    """Features of some frames of the source and of as many of the target, each ``(n, d)``."""

    source: NDArray[np.float32]
    target: NDArray[np.float32]


class Adapted(Supervised):
    """Cross-entropy on the source plus the alignment of source and target.

    Each batch holds as many source as target frames and goes through the base as one, so that batch normalisation
    sees both domains.

    Parameters
    ----------
    network
        Base and label classifier.
    job
        Data, options and seed; ``train`` is the source.
    inputs
        Source frames.
    validation
        Labelled source frames, or None.
    target
        Target frames, without labels.
    alignment
        What pulls the domains together.
    """

    def __init__(
        self,
        network: Network,
        job: Job,
        inputs: Inputs,
        validation: Validation | None,
        *,
        target: Inputs,
        alignment: Alignment,
    ) -> None:
        super().__init__(network, job, inputs, validation)
        self.target, self.alignment = target, alignment
        self.batch_size = max(1, min(job.options["batch_size"] // 2, len(inputs), len(target)))
        self.steps = -(-max(len(inputs), len(target)) // self.batch_size)
        self._checked = self.inputs if validation is None else validation.inputs
        self._n_checked = min(MAX_CHECKED, len(inputs) if validation is None else len(validation.targets), len(target))
        size = fixed_batch(network.plan)
        self._base = compiled_forward(network.base, (size, *network.plan.network_shape))

    def trainable_variables(self) -> list[Any]:
        """Return the variables of base, label classifier and alignment."""
        return [*super().trainable_variables(), *self.alignment.trainable_variables()]

    def batches(self, epoch: int) -> Iterator[Mapping[str, NDArray[Any]]]:
        """Yield source frames with labels and as many target frames."""
        rng = np.random.default_rng([self.job.seed, epoch])
        order = np.resize(plain_order(len(self.target), rng), self.steps * self.batch_size)
        targets = order.reshape(self.steps, self.batch_size)
        for rows, others in zip(self.row_batches(rng), targets, strict=True):
            yield {"x": self.inputs.rows(rows, rng), "y": self.targets[rows], "target": self.target.rows(others, rng)}

    def begin_step(self, share: float) -> None:
        """Move the schedule of the alignment on."""
        self.alignment.begin_step(share)

    def losses(self, batch: Mapping[str, Any]) -> dict[str, Any]:
        """Return label loss, alignment and their sum."""
        import tensorflow as tf

        n_source = batch["x"].shape[0]
        features = self.network.base(tf.concat([batch["x"], batch["target"]], axis=0), training=True)
        logits = self.network.classifier(features, training=True)
        label = label_losses(logits[:n_source], batch["y"])
        aligned = self.alignment.losses(features, logits, n_source)
        total = label["loss"] + aligned.pop("alignment")
        return {"loss": total, "label_loss": label["loss"], "accuracy": label["accuracy"], **aligned}

    def validate(self) -> dict[str, float]:
        """Return the curves of labels (source) and of domains."""
        return {**super().validate(), **self.alignment.validate(self.domain_features)}

    def domain_features(self) -> DomainFeatures:
        """Return the features of some source frames (of the validation, where there is one) and target frames."""
        size, n = fixed_batch(self.network.plan), self._n_checked
        rows = np.linspace(0, len(self.target) - 1, n).astype(np.intp)
        source = in_fixed_batches(self._base, self._checked.rows, n, size)
        return DomainFeatures(source, in_fixed_batches(self._base, lambda i: self.target.rows(rows[i]), n, size))

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the weights of network and alignment."""
        return {**super().get_state(), **{f"alignment/{k}": v for k, v in self.alignment.get_state().items()}}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the weights of network and alignment."""
        super().set_state(state)
        prefix = "alignment/"
        self.alignment.set_state({k.removeprefix(prefix): v for k, v in state.items() if k.startswith(prefix)})


def hide_labels(target: Any) -> Dataset:
    """Return the target without its labels. They are not read: whatever guards them is not touched.

    Raises
    ------
    TrainingError
        If it is not a data set.
    """
    if not all(hasattr(target, name) for name in ("X", "keys", "preprocessing")):
        raise TrainingError(f"target must be a data set: {TARGET_NEEDED} Received {type(target).__name__}.")
    return Dataset(
        X=target.X,
        y=np.full(len(target.keys), UNLABELLED, dtype=np.int8),
        keys=tuple(target.keys),
        preprocessing=target.preprocessing,
        name=target.name,
        frame_shape=target.frame_shape,
    )


def check_target(job: Job, target: Dataset) -> None:
    """Refuse a target that does not go with the source.

    Raises
    ------
    TrainingError
        If preprocessing or input shape differ.
    LeakError
        If frames of the target are in the source or its validation.
    """
    source = job.train
    if target.preprocessing != source.preprocessing or target.X.shape[1:] != source.X.shape[1:]:
        raise TrainingError(
            f"Source frames were preprocessed as {source.preprocessing} to {source.X.shape[1:]}, target frames as"
            f" {target.preprocessing} to {target.X.shape[1:]}; build both with one Preprocessing."
        )
    for part in (source, job.validation):
        shared = set() if part is None else same_keys(part.keys, target.keys)
        if part is not None and shared:
            raise LeakError(
                f"{len(shared)} frames of the target are also in {part.name!r}, for example {next(iter(shared))};"
                " source and target must share none."
            )


def plan_for(job: Job) -> NetworkPlan:
    """Return the network for the kind of input: 2D for LCN frames, 1D for RWD vectors."""
    shape = tuple(int(side) for side in job.train.X.shape[1:])
    options = job.options
    if len(shape) == 1:
        return vector_plan(shape[0], options)
    return picture_plan(shape, options["architecture"], options["downsample"], options["crop"])


def train_adapted(method: str, job: Job, align: Callable[[Network, Job], Alignment]) -> ModelBundle:
    """Train on source and target from scratch.

    Parameters
    ----------
    method
        Name of the method.
    job
        The job as given; the target's labels are hidden before anything else happens.
    align
        Makes the alignment for a network.
    """
    started = now()
    target = hide_labels(job.options["target"])
    check_target(job, target)
    job, device = resolved(replace(job, options={**job.options, "target": target}))
    strategy = job.options["strategy"]
    with device.scope() if strategy is None else strategy.scope():
        network, inputs = first_network(job, plan_for(job))
        augment = choose_augmentations(job.options["augment"], network.plan.rank)
        validation = None if job.validation is None else Validation(job.validation, network)
        others = network_inputs(target, network, augment)
        alignment = align(network, job)
        objective = Adapted(network, job, inputs, validation, target=others, alignment=alignment)
    result = run_loop(method, job, objective, device, strategy)
    facts = {"target": describe_data(target), "unlabelled_keys": group_keys(target.keys), **alignment.facts()}
    return make_bundle(method, job, network, validation, result, started=started, **facts)
