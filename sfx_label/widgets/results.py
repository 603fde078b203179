"""The results panel: models side by side, the operating point, and the frames behind each number."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import ipywidgets as widgets

from sfx_label.errors import SfxLabelError
from sfx_label.labels.scheme import Label
from sfx_label.results.curves import operating_meaning
from sfx_label.results.evaluate import Evaluation, evaluate
from sfx_label.results.tables import RecallTable, recall_table
from sfx_label.widgets.page import WIDE, Choice, Desk, Panel, show_table

__all__ = ["ResultsPanel"]

FORMATS: dict[str, Callable[[RecallTable], str]] = {
    "Markdown": RecallTable.to_markdown,
    "CSV": RecallTable.to_csv,
    "LaTeX": RecallTable.to_latex,
}
SIDES = {False: "discarded", True: "kept"}


class ResultsPanel(Panel):
    """Test models on the labelled frames that they have not seen.

    Parameters
    ----------
    desk
        What all panels look at.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.evaluations: dict[tuple[int, str], Evaluation] = {}
        self.result: RecallTable | None = None
        self.positions: list[int] = []
        self._make_table()
        self._make_point()
        chooser = widgets.HBox([self.models, self.runs, widgets.VBox([self.compare, self.progress])])
        text = widgets.VBox([self.format, self.text])
        cells = widgets.GridBox(
            [self.cells[label, kept] for label in reversed(Label) for kept in SIDES],
            layout={"grid_template_columns": "repeat(2, 16em)"},
        )
        point = widgets.VBox([self.shown, self.threshold, self.sentence, self.keep])
        frames = widgets.VBox([self.cells_title, cells, widgets.HBox([self.frames, self.look])])
        self.children = (chooser, self.message, self.table, point, frames, text)
        desk.observe(self._offer, ["models", "runs"])
        self._offer()

    def _make_table(self) -> None:
        self.models = widgets.SelectMultiple(description="Models", rows=5, layout={"width": "26em"})
        self.runs = widgets.SelectMultiple(description="Runs", rows=5, layout={"width": "26em"})
        self.compare = widgets.Button(description="Compare", icon="table", button_style="primary")
        self.progress = widgets.Label()
        self.table = widgets.Output(layout={"overflow": "auto"})
        self.format = widgets.ToggleButtons(options=tuple(FORMATS))
        self.text = widgets.Textarea(disabled=True, rows=6, layout={"width": WIDE})
        self.compare.on_click(self.guarded(lambda: self.work(self._compare)))
        self.format.observe(self._write, "value")

    def _make_point(self) -> None:
        self.shown = Choice(description="Look at", layout={"width": "40em"})
        self.threshold = widgets.FloatSlider(
            description="Threshold", min=0, max=1, step=0.001, readout_format=".3f", layout={"width": "40em"}
        )
        self.sentence = widgets.Label()
        self.keep = widgets.Button(
            description="Save this threshold in the model", icon="save", disabled=True, layout={"width": "18em"}
        )
        self.cells_title = widgets.Label("Frames by label and outcome; press one to list them, most surprising first:")
        self.cells = {
            (label, kept): widgets.Button(disabled=True, layout={"width": "auto"}) for label in Label for kept in SIDES
        }
        self.frames = widgets.Textarea(disabled=True, rows=3, layout={"width": "40em"})
        self.look = widgets.Button(description="Open in the labeller", icon="eye", disabled=True)
        self.shown.observe(self._show, "value")
        self.threshold.observe(self._moved, "value")
        self.keep.on_click(self.guarded(self._keep))
        self.look.on_click(self.guarded(self._open))
        for (label, kept), button in self.cells.items():
            button.on_click(self.guarded(partial(self.select, label, kept)))
            button.description = f"{label.title}, {SIDES[kept]}"

    @property
    def evaluation(self) -> Evaluation | None:
        """The evaluation looked at, at the threshold of the slider."""
        one = self.evaluations.get(self.shown.value)
        return None if one is None else one.at_threshold(self.threshold.value)

    def select(self, label: Label, kept: bool) -> None:
        """List the frames with this label and outcome."""
        one = self.evaluation
        if one is None:
            raise SfxLabelError("There is nothing to list yet. Choose models and runs, and press Compare.")
        frames = self.desk.project.frames(self.shown.value[1])
        self.positions = [frames.index_of(one.keys[at]) for at in one.where(label, kept)]
        self.frames.value = ", ".join(map(str, self.positions)) or "none"
        self.look.disabled = not self.positions

    def _offer(self, _: Any = None) -> None:
        for field, options in ((self.models, self.desk.models), (self.runs, self.desk.runs)):
            had, new = set(field.value), [one[1] if isinstance(one, tuple) else one for one in options]
            known = {value for _, value in field._options_full}
            field.options = options
            field.value = [value for value in new if value in had or value not in known]

    def _compare(self) -> None:
        if not self.models.value or not self.runs.value:
            raise SfxLabelError("Choose at least one model and one run that has labels.")
        found: dict[str, dict[str, Evaluation]] = {}
        self.evaluations = {}
        for number in self.models.value:
            entry = self.desk.entry(number)
            name = f"{entry.name} (no. {number})"
            for run in self.runs.value:
                one = self.evaluations[number, run] = self._evaluate(number, run)
                found.setdefault(name, {})[run] = one
        self.progress.value = ""
        self.result = recall_table(found)
        show_table(self.table, self.result)
        self._write()
        self.shown.offer(
            [(f"{self.desk.entry(key[0]).name} (no. {key[0]}), {key[1]}", key) for key in self.evaluations]
        )
        self._show()

    def _evaluate(self, number: int, run: str) -> Evaluation:
        project = self.desk.project
        bundle = project.bundle(self.desk.entry(number))
        self.progress.value = f"Testing no. {number} on {project.frames(run).name}"
        data = project.labelled(run).load(bundle.preprocessing, cache=str(project.path.with_suffix(".cache")))
        return evaluate(bundle, data, exclude_seen=True)

    def _write(self, _: Any = None) -> None:
        self.text.value = FORMATS[self.format.value](self.result) if self.result else ""

    def _show(self, _: Any = None) -> None:
        one = self.evaluations.get(self.shown.value)
        if one is not None:
            self.threshold.value = one.threshold
            self._moved()

    def _moved(self, _: Any = None) -> None:
        one = self.evaluation
        if one is None:
            return
        self.sentence.value = str(operating_meaning(one))
        self.keep.disabled = False
        for (label, kept), button in self.cells.items():
            button.description = f"{label.title}, {SIDES[kept]}: {int(one.confusion[label, int(kept)])}"
            wrong = kept == (label == Label.MISS)
            button.disabled, button.button_style = False, "warning" if wrong else ""

    def _keep(self) -> None:
        number, _ = self.shown.value
        entry, project = self.desk.entry(number), self.desk.project
        project.replace_bundle(entry, project.bundle(entry).with_threshold(self.threshold.value))
        self.say(f"Saved: no. {number} now keeps frames of at least {self.threshold.value:.3f}.")

    def _open(self) -> None:
        self.desk.run = self.shown.value[1]
        self.desk.queue = ()
        self.desk.queue = tuple(self.positions)
