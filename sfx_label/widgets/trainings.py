"""A training of a project, from labels on the disk to a line in the list of models. No widgets here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sfx_label.errors import TrainingError
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.dataset import Dataset, Parts
from sfx_label.models.method import StopFlag
from sfx_label.models.recipe import Order, preprocessing_for
from sfx_label.models.tasks import Listener
from sfx_label.models.training import METHODS
from sfx_label.models.worker import TrainingWorker
from sfx_label.results.evaluate import evaluate
from sfx_label.results.registry import ModelEntry
from sfx_label.widgets.project import Project

__all__ = ["Training", "follow"]

STOP_SECONDS = 0.2
Reading = Callable[[int, int], None]


@dataclass(frozen=True)
class Training:
    """What is to be trained.

    Parameters
    ----------
    method
        Name in ``METHODS``.
    run
        Run of the project; for domain adaptation the target, whose labels are then only a test.
    n_train, n_validation
        Labelled frames of each part.
    order
        How they are drawn.
    seed
        Of the draw and the training.
    source
        Run to learn from, for domain adaptation; else empty.
    base
        Number of the model to start from, for transfer; else 0.
    """

    method: str
    run: str
    n_train: int
    n_validation: int
    order: Order = "random"
    seed: int = 0
    source: str = ""
    base: int = 0

    @classmethod
    def from_recipe(cls, recipe: Mapping[str, Any]) -> Training:
        """Read what `to_recipe` wrote."""
        return cls(**{one.name: recipe[one.name] for one in fields(cls) if one.name in recipe})

    def to_recipe(self) -> dict[str, Any]:
        """Return it, JSON-ready."""
        return asdict(self)

    @property
    def adapts(self) -> bool:
        """Whether it learns from one run for another."""
        return "target" in METHODS[self.method].needs

    @property
    def starts_from_model(self) -> bool:
        """Whether it starts from a model."""
        return "base" in METHODS[self.method].needs

    @property
    def budget(self) -> str:
        """What it costs in labels, in a sentence."""
        total = self.n_train + self.n_validation
        parts = f"{self.n_train} train + {self.n_validation} validation"
        if self.adapts:
            return f"Label budget: none of this run; {total} of the source ({parts})."
        return f"Label budget: {total} ({parts}); all other labelled frames are the test."

    def code(self, project: Project) -> str:
        """Return the same training as a script."""
        extra = "base=base" if self.starts_from_model else "target=data.without_labels()" if self.adapts else ""
        learn = "source" if self.adapts else "data"
        lines = [
            "from sfx_label import LabelStore, ModelBundle, build_dataset, evaluate, open_frames, train",
            "from sfx_label.models.recipe import preprocessing_for",
            f"store = LabelStore.open({str(project.store.path)!r})",
        ]
        if self.starts_from_model:
            lines.append(f"base = ModelBundle.load({_folder(project, self.base)!r})")
        given = ", base=base" if self.starts_from_model else ""
        lines.append(f"preprocessing = preprocessing_for({self.method!r}{given})")
        lines.append(f"data = build_dataset(open_frames({project.resolve(self.run)!r}), store, preprocessing)")
        if self.adapts:
            lines.append(f"source = build_dataset(open_frames({project.resolve(self.source)!r}), store, preprocessing)")
        split = f"train={self.n_train}, validation={self.n_validation}, order={self.order!r}, seed={self.seed}"
        test = "data" if self.adapts else "parts.test"
        lines += [
            f"parts = {learn}.split({split})",
            f"bundle = train({', '.join(filter(None, [repr(self.method), 'parts.train', 'parts.validation', f'seed={self.seed}', extra]))})",  # noqa: E501
            f"evaluate(bundle, {test})",
        ]
        return "\n".join(lines)


def _folder(project: Project, number: int) -> str:
    return project.registry[number].bundle if number else ""


def follow(
    project: Project,
    worker: TrainingWorker,
    training: Training,
    *,
    reading: Reading | None = None,
    listener: Listener | None = None,
    stop: StopFlag | None = None,
) -> ModelEntry:
    """Read, train in the worker, test on the labelled frames that are left, and enter the model in the list.

    Parameters
    ----------
    project, worker, training
        What is trained, and where.
    reading
        Called as ``progress(done, total)`` while frames are prepared.
    listener
        Called with each event of the training.
    stop
        Set it to end early; the best weights so far are kept.

    Raises
    ------
    TrainingError
        If labels, sizes or options do not fit one another, or it was stopped before its first epoch was done.
    """
    started = time.monotonic()
    parts, options, n_available = _prepare(project, training, _stoppable(reading, stop))
    folder = project.new_bundle_folder(training.method)
    task = worker.submit(
        training.method, parts.train, parts.validation, seed=training.seed, out=folder, listener=listener, **options
    )
    while not task.finished:
        if stop is not None and stop.is_set():
            task.stop()
        time.sleep(STOP_SECONDS)
    bundle = task.result()
    run = project.frames(training.run).name
    return project.registry.add(
        name=f"{training.method} on {run}",
        method=training.method,
        run=training.run,
        bundle=folder,
        recipe={**training.to_recipe(), "n_available": n_available},
        result=evaluate(bundle, parts.test).to_dict() if len(parts.test) else {},
        n_labels=len(parts.train) + len(parts.validation),
        seconds=round(time.monotonic() - started, 1),
    )


def _prepare(project: Project, training: Training, reading: Reading) -> tuple[Parts, dict[str, Any], int]:
    base = ModelBundle.load(_folder(project, training.base)) if training.starts_from_model and training.base else None
    preprocessing = preprocessing_for(training.method, base=base)
    cache = str(project.path.with_suffix(".cache"))
    data = project.labelled(training.run).load(preprocessing, cache=cache, progress=reading)
    options: dict[str, Any] = {} if base is None else {"base": base}
    if not training.adapts:
        return _split(data, training), options, len(data)
    if not training.source:
        raise TrainingError(f"Method {training.method!r} learns from another run. Choose its source.")
    source = project.labelled(training.source).load(preprocessing, cache=cache, progress=reading)
    parts = _split(source, training)
    return Parts(parts.train, parts.validation, data), {**options, "target": data.without_labels()}, len(data)


def _split(data: Dataset, training: Training) -> Parts:
    return data.split(
        train=training.n_train, validation=training.n_validation, order=training.order, seed=training.seed
    )


def _stoppable(reading: Reading | None, stop: StopFlag | None) -> Reading:
    def progress(done: int, total: int) -> None:
        if stop is not None and stop.is_set():
            raise TrainingError(f"Stopped after {done} of {total} frames were prepared; nothing was trained.")
        if reading is not None:
            reading(done, total)

    return progress
