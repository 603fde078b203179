"""What a training method is: a name, its options with their defaults, and one function from a job to a bundle."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sfx_label.errors import LeakError, TrainingError
from sfx_label.models.dataset import Dataset, same_keys
from sfx_label.models.rows import finite_rows

if TYPE_CHECKING:
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.cache import Progress

__all__ = ["EpochHook", "Job", "Method", "StopFlag"]

EpochHook = Callable[[int, Mapping[str, float]], None]


class StopFlag(Protocol):
    """Anything like `threading.Event` that says whether to stop."""

    def is_set(self) -> bool:
        """Tell whether to stop now."""


@dataclass(frozen=True)
class Job:
    """What `train` hands to a method: checked data, complete options, and hooks.

    Parameters
    ----------
    train
        Labelled training frames (the source, for domain adaptation).
    validation
        Labelled validation frames, or None.
    seed
        Seeds everything that is random.
    options
        The method's options, completed with their defaults.
    device
        ``"auto"``, ``"cpu"`` or ``"gpu:N"``.
    on_epoch
        Called after each epoch as ``on_epoch(epoch, logs)``.
    stop
        Asked before each batch.
    progress
        Called as ``progress(done, total)``, in epochs.
    """

    train: Dataset
    validation: Dataset | None
    seed: int
    options: Mapping[str, Any]
    device: str = "auto"
    on_epoch: EpochHook | None = None
    stop: StopFlag | None = None
    progress: Progress | None = None

    @property
    def stopped(self) -> bool:
        """Whether somebody asked to stop."""
        return self.stop is not None and self.stop.is_set()


@dataclass(frozen=True)
class Method:
    """One way to train, as listed in ``METHODS``.

    Parameters
    ----------
    name
        What users call it.
    summary
        One line for lists.
    fit
        Trains: a job in, a bundle out.
    options
        Names and defaults of the options.
    takes
        Outputs of `Preprocessing` that it can learn from.
    needs
        Options without which it cannot start, with the sentence that says what to pass.
    min_per_class
        Fewest training frames of Hit-or-Maybe, and of Miss, that it starts with.
    """

    name: str
    summary: str
    fit: Callable[[Job], ModelBundle]
    options: Mapping[str, Any]
    takes: tuple[str, ...]
    needs: Mapping[str, str] = field(default_factory=dict)
    min_per_class: int = 2

    def complete_options(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return all options, the defaults replaced by those given.

        Raises
        ------
        TrainingError
            If one is unknown, or one that is needed is missing.
        """
        unknown = sorted(set(given) - set(self.options))
        if unknown:
            known = ", ".join(f"{name}={default!r}" for name, default in self.options.items())
            raise TrainingError(
                f"Method {self.name!r} has no option {', '.join(map(repr, unknown))}. Its options and defaults:"
                f" {known}."
            )
        for name, sentence in self.needs.items():
            if given.get(name) is None:
                raise TrainingError(f"Method {self.name!r} needs {name}=...: {sentence}")
        return {**self.options, **given}

    def check_data(self, train: Dataset, validation: Dataset | None) -> None:
        """Refuse data that this method cannot learn from.

        Raises
        ------
        TrainingError
            If the preprocessing does not fit, training and validation differ, or a class has too few frames.
        LeakError
            If a frame is in training and in validation.
        """
        output = train.preprocessing.output
        if output not in self.takes:
            made = " or ".join(f"Preprocessing.{name}()" for name in self.takes)
            raise TrainingError(
                f"Method {self.name!r} learns from {' or '.join(self.takes)}; build the data with {made}. Received"
                f" {output!r}."
            )
        self._check_classes(train)
        _check_finite(train)
        if validation is not None:
            _check_pair(train, validation)
            _check_finite(validation)

    def _check_classes(self, train: Dataset) -> None:
        positive = train.positive
        counts = {"Hit-or-Maybe": int(positive.sum()), "Miss": int((~positive).sum())}
        for name, count in counts.items():
            if count < self.min_per_class:
                raise TrainingError(
                    f"{train.name!r} has {count} {name} frames among {len(train)} training labels; method {self.name!r}"
                    " needs at least"
                    f" {self.min_per_class} of each class. Label more {name} frames, or take more frames for training."
                )


def _check_finite(data: Dataset) -> None:
    bad = int(np.sum(~finite_rows(data.X)))
    if bad:
        raise TrainingError(
            f"{bad} frames of {data.name!r} hold NaN or infinity; leave them out, as build_dataset does."
        )


def _check_pair(train: Dataset, validation: Dataset) -> None:
    shared = same_keys(train.keys, validation.keys)
    if shared:
        raise LeakError(
            f"{len(shared)} frames are in training and in validation, for example {next(iter(shared))}; use"
            " Dataset.split."
        )
    if validation.preprocessing != train.preprocessing or validation.X.shape[1:] != train.X.shape[1:]:
        raise TrainingError(
            f"Training frames were preprocessed as {train.preprocessing} to {train.X.shape[1:]}, validation frames as"
            f" {validation.preprocessing} to {validation.X.shape[1:]}; build both with one Preprocessing."
        )
    positive = validation.positive
    if len(validation) and (not positive.any() or positive.all()):
        name = "Miss" if np.all(positive) else "Hit-or-Maybe"
        raise TrainingError(
            f"The {len(validation)} validation frames hold no {name}; take more frames, or split with another seed."
        )
