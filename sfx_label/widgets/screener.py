"""The screening panel: whole runs through a model, hits as they come, and lists for other programs."""

from __future__ import annotations

import time
from typing import Any

import bqplot
import ipywidgets as widgets

from sfx_label.errors import SfxLabelError
from sfx_label.results.grid import Grid
from sfx_label.screening.export import FORMATS
from sfx_label.screening.run import screen
from sfx_label.screening.screening import Screening
from sfx_label.widgets.page import WIDE, Desk, Panel, model_choice, show_table

__all__ = ["ScreenPanel"]

ENDINGS = {"crystfel": "lst", "dials": "expt", "cxi": "cxi", "vds": "cxi", "facility": "txt"}
WINDOW = 50  # frames per point of the hit rate


class ScreenPanel(Panel):
    """Screen runs with the model in hand.

    Parameters
    ----------
    desk
        What all panels look at.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.screening: Screening | None = None
        line = {"width": "auto"}
        self.model = model_choice(desk)
        self.runs = widgets.SelectMultiple(description="Runs", rows=5, layout=line)
        self.folder = widgets.Text(description="Folder", layout=line)
        self.start = widgets.Button(description="Screen", icon="play", button_style="primary")
        self.stop = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.progress = widgets.FloatProgress(min=0, max=1, layout=line)
        self.left = widgets.Label()
        self.table = widgets.Output(layout={"overflow": "auto"})
        self.format = widgets.Dropdown(description="Format", options=tuple(FORMATS), layout=line)
        self.out = widgets.Text(description="File", layout=line)
        self.export = widgets.Button(description="Export hits", icon="download", disabled=True)
        self._make_figure()
        fields = (self.model, self.runs, self.folder, widgets.HBox([self.start, self.stop]), self.progress, self.left)
        left = widgets.VBox([*fields, self.format, self.out, self.export], layout={"width": "26em", "flex": "0 0 auto"})
        right = widgets.VBox([self.figure, self.table], layout={"flex": "1 1 0", "min_width": "20em"})
        self.children = (widgets.HBox([left, right]), self.message)
        self.start.on_click(self.guarded(self._start))
        self.stop.on_click(self.guarded(self.stopping.set))
        self.export.on_click(self.guarded(self._export))
        self.format.observe(self._offer, "value")
        desk.observe(self._offer, ["runs", "model"])
        self._offer()

    def _make_figure(self) -> None:
        x, y = bqplot.LinearScale(min=0), bqplot.LinearScale(min=0, max=1)
        self.rate = bqplot.Lines(x=[], y=[], scales={"x": x, "y": y}, colors=["#0072B2"])
        axes = [
            bqplot.Axis(scale=x, label="frame", tick_format="d"),
            bqplot.Axis(scale=y, label="hit rate", orientation="vertical", tick_format=".0%"),
        ]
        self.figure = bqplot.Figure(
            marks=[self.rate], axes=axes, title=f"Hit rate of the first run, {WINDOW} frames a point",
            fig_margin={"top": 40, "bottom": 40, "left": 60, "right": 20}, layout={"width": WIDE, "height": "300px"},
        )  # fmt: skip

    def _offer(self, _: Any = None) -> None:
        chosen = self.runs.value or (self.desk.run,)
        self.runs.options = self.desk.runs
        self.runs.value = [run for run in self.desk.runs if run in chosen]
        stem = f"{self.desk.project.path.stem}-screening-{self.desk.model}"
        self.folder.value = stem
        self.out.value = f"{stem}-hits.{ENDINGS.get(self.format.value, self.format.value)}"

    def _start(self) -> None:
        if not self.runs.value:
            raise SfxLabelError("Choose at least one run to screen.")
        bundle, project = self.desk.project.bundle(self.desk.entry()), self.desk.project
        runs = [project.resolve(run) for run in self.runs.value]
        out = project.path.parent / self.folder.value
        self.work(lambda: self._screen(bundle, runs, out))

    def _screen(self, bundle: Any, runs: list[str], out: Any) -> None:
        self.start.disabled, self.stop.disabled, self.export.disabled = True, False, True
        self._began: tuple[float, int] | None = None
        try:
            self.screening = screen(bundle, runs, out, "threads", progress=self._progressed, stop=self.stopping)
            self._show(self.screening)
        finally:
            self.start.disabled, self.stop.disabled = False, True

    def _progressed(self, done: int, total: int) -> None:
        now = time.monotonic()
        self._began = self._began or (now, done)
        started, before = self._began
        self.progress.value = done / max(1, total)
        seconds = (now - started) / (done - before) * (total - done) if done > before else 0.0
        self.left.value = f"{done} of {total} frames" + (f", about {seconds:.0f} s left" if seconds >= 1 else "")

    def _show(self, result: Screening) -> None:
        rows = tuple(
            ((one.name,), (f"{one.n_frames} of {one.n_planned}",), (str(one.n_hits),), (f"{one.hit_rate.percent()} %",))
            for one in result.runs()
        )
        heads = (("run",), ("screened",), ("kept",), ("hit rate (95 % interval)",))
        notes = tuple(failure.message for failure in result.failures)
        show_table(self.table, Grid("", heads, rows, notes))
        series = result.hit_rate_series(0, WINDOW)
        self.rate.x, self.rate.y = series["start"].to_numpy(), series["hit_rate"].to_numpy()
        self.export.disabled = not result.n_hits
        if not result.complete:
            self.say("Stopped; Screen goes on where it stopped.")

    def _export(self) -> None:
        if self.screening is None:
            raise SfxLabelError("Nothing is screened yet. Press Screen first.")
        report = self.screening.export(self.format.value, self.desk.project.path.parent / self.out.value)
        self.say(f"{report.n_frames} frames written to {report.path}; their provenance beside it.")
