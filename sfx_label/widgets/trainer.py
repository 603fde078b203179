"""The training panel: choose, start, watch the curves, stop; and the list of what was trained."""

from __future__ import annotations

import time
from typing import Any

import bqplot
import ipywidgets as widgets

from sfx_label.models.tasks import TrainingTask
from sfx_label.models.training import METHODS
from sfx_label.models.worker import TrainingWorker
from sfx_label.models.worker_process import Event
from sfx_label.widgets.page import WIDE, Choice, Desk, Panel, model_choice, run_choice
from sfx_label.widgets.trainings import Training, follow

__all__ = ["ModelList", "TrainingPanel"]

FIELDS = ("method", "n_train", "n_validation", "seed", "order")
COLOURS = {"loss": "#0072B2", "val_loss": "#D55E00"}  # Okabe and Ito: told apart by the colour-blind
MOST_LABELS = 200


class TrainingPanel(Panel):
    """Train a model on the labels of a run.

    Parameters
    ----------
    desk
        What all panels look at.
    worker
        The training process.

    Examples
    --------
    >>> panel.method.value = "rwd"  # doctest: +SKIP
    >>> panel.start.click(); panel.wait()  # doctest: +SKIP
    """

    def __init__(self, desk: Desk, worker: TrainingWorker) -> None:
        super().__init__(desk)
        self.worker = worker
        self._make_fields()
        self._make_curves()
        self.list = ModelList(desk, self)
        fields = widgets.VBox(
            [self.method, self.summary, self.run, self.source, self.base, self.n_train, self.n_validation, self.order,
             self.seed, self.budget, widgets.HBox([self.start, self.stop]), self.progress, self.left],
            layout={"width": "26em", "flex": "0 0 auto"},
        )  # fmt: skip
        right = widgets.VBox([self.figure, self.code_title, self.code], layout={"flex": "1 1 0", "min_width": "20em"})
        self.children = (widgets.HBox([fields, right]), self.message, self.list)
        self._restore(desk.project.view.get("training", {}))
        for field in (self.method, self.n_train, self.n_validation, self.seed, self.order, self.source, self.base):
            field.observe(self._changed, "value")
        desk.observe(self._changed, ["run", "runs", "models", "labels"])
        self._changed()

    def _make_fields(self) -> None:
        line = {"width": "auto"}
        self.method = widgets.Dropdown(description="Method", options=tuple(METHODS), layout=line)
        self.summary = widgets.Label()
        self.run = run_choice(self.desk)
        self.source = Choice(description="Source run", layout=line)
        self.base = Choice(description="Base model", layout=line)
        self.n_train = widgets.BoundedIntText(description="Train", value=MOST_LABELS, min=1, max=10**6, layout=line)
        self.n_validation = widgets.BoundedIntText(
            description="Validation", value=MOST_LABELS, min=0, max=10**6, layout=line
        )
        self.order = widgets.Dropdown(description="Drawn", options=("random", "file"), layout=line)
        self.seed = widgets.BoundedIntText(description="Seed", value=0, min=0, max=2**31 - 1, layout=line)
        self.budget = widgets.Textarea(disabled=True, rows=3, layout=line)
        self.start = widgets.Button(description="Start", icon="play", button_style="primary")
        self.stop = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.progress = widgets.FloatProgress(min=0, max=1, layout=line)
        self.left = widgets.Label()
        self.code_title = widgets.Label("The same as code, to copy:")
        self.code = widgets.Textarea(disabled=True, rows=10, layout={"width": WIDE})
        self.start.on_click(self.guarded(self._start))
        self.stop.on_click(self.guarded(self.stopping.set))

    def _make_curves(self) -> None:
        x, y = bqplot.LinearScale(min=1), bqplot.LinearScale()
        self.curves = {
            name: bqplot.Lines(x=[], y=[], scales={"x": x, "y": y}, colors=[colour], labels=[name], display_legend=True)
            for name, colour in COLOURS.items()
        }
        axes = [
            bqplot.Axis(scale=x, label="epoch", tick_format="d"),
            bqplot.Axis(scale=y, label="loss", orientation="vertical"),
        ]
        self.figure = bqplot.Figure(
            marks=list(self.curves.values()), axes=axes, title="Training and validation loss",
            legend_location="top-right", fig_margin={"top": 40, "bottom": 40, "left": 60, "right": 20},
            layout={"width": WIDE, "height": "320px"},
        )  # fmt: skip

    @property
    def training(self) -> Training:
        """What the fields say."""
        return Training(
            self.method.value, self.desk.need_run(), self.n_train.value, self.n_validation.value, self.order.value,
            self.seed.value, self.source.value or "", self.base.value or 0,
        )  # fmt: skip

    def choose(self, training: Training) -> None:
        """Set the fields to a training that was done before."""
        if training.run in self.desk.runs:
            self.desk.run = training.run
        self._restore({name: getattr(training, name) for name in FIELDS})
        self.source.value = training.source if training.source in self.desk.runs else self.source.value
        known = [number for _, number in self.desk.models]
        self.base.value = training.base if training.base in known else self.base.value

    def _restore(self, state: Any) -> None:
        for name in FIELDS:
            if name in state:
                with self.telling():
                    getattr(self, name).value = state[name]

    def _changed(self, _: Any = None) -> None:
        with self.telling():
            self.source.offer([run for run in self.desk.runs if run != self.desk.run])
            self.base.offer(self.desk.models)
            self.summary.value = METHODS[self.method.value].summary
            training = self.training
            self.source.layout.display = None if training.adapts else "none"
            self.base.layout.display = None if training.starts_from_model else "none"
            self.budget.value = f"{training.budget} {self._labelled()}"
            self.code.value = training.code(self.desk.project)
            self.desk.project.view["training"] = {name: getattr(self, name).value for name in FIELDS}

    def _labelled(self) -> str:
        project = self.desk.project
        labels = project.store.labels_for(project.frames(self.desk.need_run()))
        return f"{int((labels >= 0).sum())} of {len(labels)} frames are labelled."

    def _start(self) -> None:
        training = self.training
        self.work(lambda: self._train(training))

    def _train(self, training: Training) -> None:
        self.start.disabled, self.stop.disabled = True, False
        self.progress.value, self.left.value = 0.0, "Preparing frames"
        for curve in self.curves.values():
            curve.x, curve.y = [], []
        self._began = time.monotonic()
        try:
            entry = follow(
                self.desk.project, self.worker, training, reading=self._reading, listener=self._listen,
                stop=self.stopping,
            )  # fmt: skip
            self.progress.value, self.left.value = 1.0, f"Done in {entry.seconds:.0f} s: {entry.name}, no. {entry.id}"
            self.desk.refresh()
            self.desk.model = entry.id
        except BaseException:
            self.left.value = "Not trained"
            raise
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _reading(self, done: int, total: int) -> None:
        self.progress.value, self.left.value = done / max(1, total), f"Preparing frames: {done} of {total}"
        self._began = time.monotonic()

    def _listen(self, task: TrainingTask, event: Event) -> None:
        """Follow the training; called in a thread of the worker."""
        if event.kind == "running":
            self.progress.value, self.left.value, self._began = 0.0, "Training", time.monotonic()
        elif event.kind == "epoch":
            for name, curve in self.curves.items():
                points = [(at + 1, logs[name]) for at, logs in enumerate(task.history) if name in logs]
                curve.x, curve.y = [x for x, _ in points], [y for _, y in points]
        elif event.kind == "progress":
            done, total = int(event.data["done"]), max(1, int(event.data["total"]))
            self.progress.value = done / total
            seconds = (time.monotonic() - self._began) / max(1, done) * (total - done)
            self.left.value = f"{done} of {total}, at most {seconds:.0f} s left"


class ModelList(Panel):
    """The models of the project: choose, rename, note, remove, train again.

    Parameters
    ----------
    desk
        What all panels look at.
    trainer
        Panel that trains again.
    """

    def __init__(self, desk: Desk, trainer: TrainingPanel) -> None:
        super().__init__(desk)
        self.trainer = trainer
        self.model = model_choice(desk)
        self.name = widgets.Text(description="Name", layout={"width": "auto"})
        self.note = widgets.Textarea(description="Note", rows=2, layout={"width": "auto"})
        self.facts = widgets.Textarea(description="Facts", disabled=True, rows=5, layout={"width": "auto"})
        self.save = widgets.Button(description="Save name and note", icon="check")
        self.remove = widgets.Button(description="Remove from list", icon="trash")
        self.again = widgets.Button(description="Train again", icon="refresh")
        self.save.on_click(self.guarded(self._save))
        self.remove.on_click(self.guarded(self._remove))
        self.again.on_click(self.guarded(self._again))
        buttons = widgets.HBox([self.save, self.again, self.remove])
        self.children = (self.model, self.name, self.note, self.facts, buttons, self.message)
        desk.observe(self._show, ["model", "models", "labels"])
        self._show()

    def _show(self, _: Any = None) -> None:
        for button in (self.save, self.remove, self.again):
            button.disabled = not self.desk.model
        if not self.desk.model:
            self.name.value = self.note.value = ""
            self.facts.value = "No model yet."
            return
        with self.telling():
            entry = self.desk.entry()
            self.name.value, self.note.value = entry.name, entry.note
            self.facts.value = self.desk.project.facts(entry)

    def _save(self) -> None:
        registry, number = self.desk.project.registry, self.desk.entry().id
        registry.rename(number, self.name.value)
        registry.annotate(number, self.note.value)
        self.desk.refresh()

    def _remove(self) -> None:
        self.desk.project.registry.remove(self.desk.entry().id)
        self.desk.refresh()

    def _again(self) -> None:
        self.trainer.choose(Training.from_recipe(self.desk.entry().recipe))
        self.trainer.start.click()
