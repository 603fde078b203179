"""The overlap panel: what a model sees in one or two runs, as points to catch with a lasso, and overlap as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import bqplot
import bqplot.interacts
import ipywidgets as widgets
import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.models.dataset import Dataset
from sfx_label.models.recipe import load_sample
from sfx_label.results.embedding import Embedding, embed
from sfx_label.widgets.page import WIDE, Choice, Desk, Panel, model_choice, run_choice, show_table

__all__ = ["OverlapPanel"]

COLOURS: dict[int, str] = {Label.HIT: "#0072B2", Label.MAYBE: "#E69F00", Label.MISS: "#999999", UNLABELLED: "#56B4E9"}
NAMES: dict[int, str] = {**{label: label.title for label in Label}, UNLABELLED: "unlabelled"}
MARKERS = ("circle", "triangle-up")
MOST_FRAMES = 400


class OverlapPanel(Panel):
    """See how far two runs overlap in what a model sees.

    Parameters
    ----------
    desk
        What all panels look at.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.embedding: Embedding | None = None
        self._groups: list[NDArray[np.intp]] = []
        self.chosen: NDArray[np.intp] = np.zeros(0, dtype=np.intp)
        line = {"width": "auto"}
        self.model, self.run = model_choice(desk), run_choice(desk)
        self.other = Choice(description="Other run", layout=line)
        self.view = widgets.Dropdown(description="View", options=("tsne", "umap"), layout=line)
        self.frames = widgets.BoundedIntText(description="Frames", value=MOST_FRAMES, min=5, max=10**5, layout=line)
        self.seed = widgets.BoundedIntText(description="Seed", value=0, min=0, max=2**31 - 1, layout=line)
        self.draw = widgets.Button(description="Draw", icon="braille", button_style="primary")
        self.progress = widgets.FloatProgress(min=0, max=1, layout=line)
        self.selected = widgets.Textarea(disabled=True, rows=4, layout=line)
        self.look = widgets.Button(description="Open in the labeller", icon="eye", disabled=True)
        self.numbers = widgets.Output()
        self._make_figure()
        fields = (self.model, self.run, self.other, self.view, self.frames, self.seed, self.draw, self.progress)
        left = widgets.VBox([*fields, self.selected, self.look], layout={"width": "26em", "flex": "0 0 auto"})
        right = widgets.VBox([self.figure, self.numbers], layout={"flex": "1 1 0", "min_width": "20em"})
        self.children = (widgets.HBox([left, right]), self.message)
        self.draw.on_click(self.guarded(lambda: self.work(self._draw)))
        self.look.on_click(self.guarded(self._open))
        desk.observe(self._offer, ["runs", "run"])
        self._offer()

    def _make_figure(self) -> None:
        self.scales = {"x": bqplot.LinearScale(), "y": bqplot.LinearScale()}
        self.figure = bqplot.Figure(
            marks=[], title="Draw, then catch points with the mouse", legend_location="top-right",
            fig_margin={"top": 40, "bottom": 20, "left": 20, "right": 20}, layout={"width": WIDE, "height": "480px"},
        )  # fmt: skip

    def _offer(self, _: Any = None) -> None:
        self.other.offer([("none", ""), *((run, run) for run in self.desk.runs if run != self.desk.run)])

    def _draw(self) -> None:
        self.draw.disabled = True
        try:
            bundle = self.desk.project.bundle(self.desk.entry())
            runs = [self.desk.need_run(), *([self.other.value] if self.other.value else [])]
            data = [self._sample(run, bundle.preprocessing) for run in runs]
            cache = self.desk.project.path.with_suffix(".cache")
            self.embedding = embed(
                bundle, data, self.view.value, self.seed.value, cache=cache, progress=self._progressed
            )
            self._runs = runs
            self._show(self.embedding)
            if len(runs) > 1:
                show_table(self.numbers, self.embedding.features.overlap(seed=self.seed.value))
            else:
                self.numbers.outputs = ()
        finally:
            self.draw.disabled = False

    def _sample(self, run: str, preprocessing: Any) -> Dataset:
        named = self.desk.project.labelled(run)
        return load_sample(named.path, named.labels, preprocessing, n=self.frames.value, seed=self.seed.value,
                           progress=self._progressed)  # fmt: skip

    def _progressed(self, done: int, total: int) -> None:
        self.progress.value = done / max(1, total)

    def _show(self, embedding: Embedding) -> None:
        marks, self._groups = [], []
        for side, run in enumerate(embedding.names):
            for label, colour in COLOURS.items():
                members = np.flatnonzero((embedding.domain == side) & (embedding.y == label))
                if len(members):
                    marks.append(self._scatter(embedding, members, f"{run}: {NAMES[label]}", colour, MARKERS[side]))
                    self._groups.append(members)
        self.figure.interaction = None
        self.figure.marks = marks
        self.figure.title = f"{embedding.method}: {len(embedding)} frames; draw around points to list them"
        self.figure.interaction = bqplot.interacts.LassoSelector(marks=marks)
        self._choose(np.zeros(0, dtype=np.intp))

    def _scatter(
        self, embedding: Embedding, members: NDArray[np.intp], name: str, colour: str, marker: str
    ) -> bqplot.Scatter:
        mark = bqplot.Scatter(
            x=embedding.points[members, 0], y=embedding.points[members, 1], scales=self.scales, colors=[colour],
            marker=marker, default_size=30, labels=[name], display_legend=True,
            unselected_style={"opacity": 0.25},
        )  # fmt: skip
        mark.observe(self._lassoed, "selected")
        return mark

    def _lassoed(self, _: Any) -> None:
        caught = [
            members[np.asarray(mark.selected, dtype=np.intp)]
            for mark, members in zip(self.figure.marks, self._groups, strict=True)
            if mark.selected is not None
        ]
        self._choose(np.sort(np.concatenate(caught)) if caught else np.zeros(0, dtype=np.intp))

    def select(self, polygon: Sequence[tuple[float, float]]) -> None:
        """Choose the points inside a lasso, as the mouse does.

        Parameters
        ----------
        polygon
            Corners (x, y) on the plane.
        """
        if self.embedding is None:
            raise SfxLabelError("There are no points yet. Choose a model and a run, and press Draw.")
        inside = self.embedding.inside(polygon)
        for mark, members in zip(self.figure.marks, self._groups, strict=True):
            mark.selected = np.flatnonzero(np.isin(members, inside))

    def _choose(self, chosen: NDArray[np.intp]) -> None:
        self.chosen = chosen
        listed = [f"{run}: {', '.join(map(str, at))}" for run, at in self.positions().items() if at]
        self.selected.value = "\n".join(listed) or "No point is chosen."
        self.look.disabled = not len(chosen)

    def positions(self) -> dict[str, list[int]]:
        """Return the numbers of the chosen frames, by run."""
        if self.embedding is None:
            return {}
        found: dict[str, list[int]] = {run: [] for run in self._runs}
        for at in self.chosen:
            run = self._runs[int(self.embedding.domain[at])]
            found[run].append(self.desk.project.frames(run).index_of(self.embedding.keys[at]))
        return found

    def _open(self) -> None:
        run, positions = max(self.positions().items(), key=lambda item: len(item[1]))
        self.desk.run = run
        self.desk.queue = ()
        self.desk.queue = tuple(positions)
