"""From names of files to a trained model: what a command, a panel and a training process have in common.

Everything here is named by paths and numbers, so a job can be written down, sent to another process and done again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sfx_label.errors import TrainingError
from sfx_label.frames.open import open_frames
from sfx_label.labels.source import read_labels
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.dataset import Dataset, Parts, build_dataset
from sfx_label.models.method import EpochHook, StopFlag
from sfx_label.models.training import METHODS, train
from sfx_label.preprocess.contrast import Preprocessing

if TYPE_CHECKING:
    from sfx_label.models.cache import Progress

__all__ = ["LabelledRun", "Order", "Preset", "Recipe", "Trained", "load_sample", "preprocessing_for"]

Preset = Literal["default", "paper"]
Order = Literal["file", "random"]
MOST_LABELS = 200  # of each part, as in the paper's small splits
VALIDATION_SHARE = 4  # of a source run, one frame in four decides when to stop


def preprocessing_for(
    method: str, preset: Preset = "default", *, base: ModelBundle | None = None, **changes: Any
) -> Preprocessing:
    """Return the preprocessing that a method learns from.

    Parameters
    ----------
    method
        Name in ``METHODS``.
    preset
        ``"default"`` is what measured best; ``"paper"`` is the paper's own (section 3.1.1).
    base
        A model to start from; its preprocessing is taken as it is, since its features mean nothing on other input.
    changes
        Fields of `Preprocessing` to replace, such as ``window=9``.

    Raises
    ------
    TrainingError
        If there is no such method.
    """
    if method not in METHODS:
        raise TrainingError(f"Methods are {', '.join(METHODS)}. Received {method!r}.")
    if base is not None:
        return base.preprocessing
    make: Callable[[Any], Preprocessing] = Preprocessing.paper if preset == "paper" else Preprocessing.default
    return replace(make(METHODS[method].takes[0]), **changes)


@dataclass(frozen=True)
class LabelledRun:
    """A run and where its labels lie, by name.

    Parameters
    ----------
    path
        As `open_frames` takes it.
    labels
        Label store or annotation file.
    annotator
        Whose labels of a store; None merges the annotators.
    mask, roots
        As `open_frames` takes them.
    """

    path: str
    labels: str
    annotator: str | None = None
    mask: str | None = None
    roots: tuple[str, ...] = ()

    def load(
        self, preprocessing: Preprocessing, *, cache: str | None = None, progress: Progress | None = None
    ) -> Dataset:
        """Open the run, read its labels and preprocess the labelled frames; see `build_dataset` for errors."""
        with open_frames(self.path, mask=self.mask, roots=self.roots) as frames:
            labels = read_labels(frames, self.labels, annotator=self.annotator)
            return build_dataset(frames, labels, preprocessing, cache=cache, progress=progress)


def load_sample(
    path: str,
    labels: str | None,
    preprocessing: Preprocessing,
    *,
    n: int,
    seed: int = 0,
    mask: str | None = None,
    roots: Sequence[str] = (),
    progress: Progress | None = None,
) -> Dataset:
    """Load frames of a run drawn at random, with their labels where there are any.

    Parameters
    ----------
    path, mask, roots
        As `open_frames` takes them.
    labels
        Label store or annotation file, or None.
    preprocessing
        How a frame becomes an input.
    n
        How many frames; all of a shorter run.
    seed
        Of the draw.
    progress
        Called as ``progress(done, total)``.
    """
    with open_frames(path, mask=mask, roots=roots) as frames:
        found = read_labels(frames, labels) if labels else None
        chosen = np.sort(np.random.default_rng(seed).permutation(len(frames))[:n])
        return build_dataset(frames[chosen], None if found is None else found[chosen], preprocessing, progress=progress)


@dataclass(frozen=True)
class Trained:
    """A new model, and the labelled frames that it has not seen."""

    bundle: ModelBundle
    test: Dataset


@dataclass(frozen=True)
class Recipe:
    """A training, written down.

    Parameters
    ----------
    method
        Name in ``METHODS``.
    run
        The labelled run; for domain adaptation the target, whose labels are then only a test.
    source
        Labelled run to learn from, for domain adaptation.
    base
        Folder of a model to start from, for transfer.
    n_train, n_validation
        Frames of each part; None takes at most 200 each and leaves as many for the test.
    order
        ``"file"`` as in the paper, or ``"random"``.
    preset
        See `preprocessing_for`.
    seed, device
        See `train`.
    options
        Of the method.
    cache
        Folder that keeps preprocessed frames.
    """

    method: str
    run: LabelledRun
    source: LabelledRun | None = None
    base: str | None = None
    n_train: int | None = None
    n_validation: int | None = None
    order: Order = "file"
    preset: Preset = "default"
    seed: int = 0
    device: str = "auto"
    options: Mapping[str, Any] = field(default_factory=dict)
    cache: str | None = None

    def follow(
        self,
        *,
        reading: Progress | None = None,
        training: Progress | None = None,
        on_epoch: EpochHook | None = None,
        stop: StopFlag | None = None,
    ) -> Trained:
        """Read, split and train.

        Parameters
        ----------
        reading, training
            ``progress(done, total)`` of the two long steps.
        on_epoch, stop
            See `train`.

        Raises
        ------
        TrainingError
            If method, options, labels or sizes do not fit one another.
        """
        base = ModelBundle.load(self.base) if self.base else None
        preprocessing = preprocessing_for(self.method, self.preset, base=base)
        data = self.run.load(preprocessing, cache=self.cache, progress=reading)
        extra = dict(self.options)
        if base is not None:
            extra["base"] = base
        if self.source is None:
            parts = self._split(data)
        else:
            parts = self._source_parts(self.source.load(preprocessing, cache=self.cache, progress=reading), data)
            extra["target"] = data.without_labels()
        bundle = train(
            self.method, parts.train, parts.validation, seed=self.seed, device=self.device, on_epoch=on_epoch,
            stop=stop, progress=training, **extra,
        )  # fmt: skip
        return Trained(bundle, parts.test)

    def _split(self, data: Dataset) -> Parts:
        n = len(data)
        n_train = self.n_train if self.n_train is not None else min(MOST_LABELS, n // 2)
        fair = min(n_train, MOST_LABELS, (n - n_train) // 2)
        n_validation = self.n_validation if self.n_validation is not None else fair
        return data.split(train=n_train, validation=n_validation, order=self.order, seed=self.seed)

    def _source_parts(self, source: Dataset, target: Dataset) -> Parts:
        n_validation = len(source) // VALIDATION_SHARE if self.n_validation is None else self.n_validation
        n_train = len(source) - n_validation if self.n_train is None else self.n_train
        parts = source.split(train=n_train, validation=n_validation, order=self.order, seed=self.seed)
        return Parts(parts.train, parts.validation, target)
