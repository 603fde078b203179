"""The workbench: runs, labels, training, results, overlap and screening on one page, over one project."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from sfx_label.errors import SfxLabelError
from sfx_label.frames.open import describe
from sfx_label.labels.events import Event
from sfx_label.models.worker import TrainingWorker
from sfx_label.widgets.explorer import OverlapPanel
from sfx_label.widgets.labeller import Labeller
from sfx_label.widgets.page import WIDE, Desk, Panel, run_choice
from sfx_label.widgets.project import Project
from sfx_label.widgets.results import ResultsPanel
from sfx_label.widgets.screener import ScreenPanel
from sfx_label.widgets.trainer import TrainingPanel

__all__ = ["LabelPanel", "RunsPanel", "Workbench"]

TITLES = ("Runs", "Label", "Train", "Results", "Overlap", "Screen")


class RunsPanel(Panel):
    """The runs of the project: add, look up, import labels, remove.

    Parameters
    ----------
    desk
        What all panels look at.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.path = widgets.Text(description="Add run", placeholder="file, folder or pattern", layout={"width": "50em"})
        self.add = widgets.Button(description="Add", icon="plus", button_style="primary")
        self.run = run_choice(desk)
        self.facts = widgets.Textarea(description="Facts", disabled=True, rows=14, layout={"width": WIDE})
        self.labels = widgets.Text(
            description="Labels", placeholder="annotation file to import for this run", layout={"width": "50em"}
        )
        self.annotator = widgets.Text(description="Given by", placeholder="as the file says")
        self.load = widgets.Button(description="Import labels", icon="upload")
        self.remove = widgets.Button(description="Remove run", icon="trash")
        self.children = (
            widgets.HBox([self.path, self.add]), self.run, self.facts,
            widgets.HBox([self.labels, self.annotator, self.load]), self.remove, self.message,
        )  # fmt: skip
        self.add.on_click(self.guarded(self._add))
        self.load.on_click(self.guarded(self._import))
        self.remove.on_click(self.guarded(self._remove))
        desk.observe(self._show, ["run", "labels"])
        self._show()

    def _show(self, _: Any = None) -> None:
        if not self.desk.run:
            self.facts.value = "No run yet: give its path and press Add."
            return
        with self.telling():
            frames = self.desk.project.frames(self.desk.run)
            counts = self.desk.project.store.stats(frames)["labels"]
            labelled = ", ".join(f"{n} {name}" for name, n in counts.items())
            facts = {**describe(frames), "labels": labelled}
            self.facts.value = "\n".join(f"{name}: {value}" for name, value in facts.items() if value is not None)

    def _add(self) -> None:
        if not self.path.value.strip():
            raise SfxLabelError("Give the path of a run first.")
        name = self.path.value.strip()
        self.desk.project.add_run(name)
        self.desk.refresh()
        self.desk.run = name
        self.path.value = ""

    def _import(self) -> None:
        project = self.desk.project
        file = project.resolve(self.labels.value.strip())
        frames = project.frames(self.desk.need_run())
        report = project.store.import_labels(frames, file, annotator=self.annotator.value.strip() or None)
        self.desk.labels += 1
        self.say(str(report))

    def _remove(self) -> None:
        self.desk.project.remove_run(self.desk.need_run())
        self.desk.refresh()


class LabelPanel(Panel):
    """The labeller of the run in hand.

    Parameters
    ----------
    desk
        What all panels look at.
    """

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.run = run_choice(desk)
        self.labeller: Labeller | None = None
        self._of = ""
        self.children: tuple[widgets.Widget, ...] = (self.run, self.message)

    def show(self) -> None:
        """Open the labeller for the run in hand, unless it is open."""
        run = self.desk.need_run()
        if self.labeller is None or self._of != run:
            self.close_labeller()
            self.labeller, self._of = Labeller(self.desk.project.frames(run), self.desk.project.store), run
            self.labeller.on_label(self._labelled)
        self.children = (self.run, self.message, self.labeller)

    def look_at(self, positions: tuple[int, ...]) -> None:
        """Show these frames in their order."""
        self.show()
        if self.labeller is not None and positions:
            self.labeller.queue = positions
            self.labeller.index = positions[0]

    def _labelled(self, _: Event) -> None:
        self.desk.labels += 1

    def close_labeller(self) -> None:
        """Close the labeller, if one is open."""
        if self.labeller is not None:
            self.children = (self.run, self.message)
            self.labeller.close()
            self.labeller = None


class Workbench(widgets.VBox):
    """Label, train, compare and screen on one page.

    What is chosen is kept in the project file, so that the same page comes back tomorrow.

    Parameters
    ----------
    project
        Project file (``*.sfxproject``); begun where there is none.
    annotator
        Under whose name labels are kept; default the login name.
    runs
        Runs to add.

    Examples
    --------
    >>> Workbench("beamtime.sfxproject", runs=["r0095_2000.h5"])  # doctest: +SKIP
    """

    _closed = True  # until it is made

    def __init__(
        self,
        project: str | os.PathLike[str] | Project,
        *,
        annotator: str | None = None,
        runs: tuple[str | Path, ...] | list[str | Path] = (),
    ) -> None:
        opened = (
            project if isinstance(project, Project) else Project.open(Path(project), create=True, annotator=annotator)
        )
        self.project = opened
        for run in runs:
            opened.add_run(run)
        self.desk = Desk(opened)
        self.worker = TrainingWorker()
        self.runs, self.label = RunsPanel(self.desk), LabelPanel(self.desk)
        self.train, self.results = TrainingPanel(self.desk, self.worker), ResultsPanel(self.desk)
        self.overlap, self.screen = OverlapPanel(self.desk), ScreenPanel(self.desk)
        self.panels = (self.runs, self.label, self.train, self.results, self.overlap, self.screen)
        self.tabs = widgets.Tab(children=self.panels, titles=TITLES, layout={"width": WIDE})
        self.title = widgets.Label(f"sfx-label: {opened.path.name}")
        super().__init__([self.title, self.tabs], layout={"width": WIDE})
        self.tabs.observe(self._turned, "selected_index")
        self.desk.observe(self._chosen, ["run", "model"])
        self.desk.observe(self._queued, "queue")
        tab = opened.view.get("tab", 0)
        self.tabs.selected_index = tab if tab in range(len(TITLES)) else 0
        self._closed = False
        self._turned()

    def __repr__(self) -> str:
        return f"<Workbench {self.project.path.name!r}>"  # that of ipywidgets spells out every child

    @property
    def tab(self) -> str:
        """Title of the page on screen; set it to turn to another."""
        return TITLES[self.tabs.selected_index or 0]

    @tab.setter
    def tab(self, title: str) -> None:
        if title not in TITLES:
            raise SfxLabelError(f"The pages are {', '.join(TITLES)}. Received {title!r}.")
        self.tabs.selected_index = TITLES.index(title)

    def close(self) -> None:
        """Save what is chosen, end the training process and close the project."""
        if self._closed or sys.is_finalizing():  # ipywidgets closes what is left when the interpreter ends
            return
        self._closed = True
        self._save()
        self.worker.close()
        self.label.close_labeller()
        self.project.close()
        super().close()

    def _turned(self, _: Any = None) -> None:
        if self.tab == "Label" and self.desk.run:
            with self.label.telling():
                self.label.show()
        elif self.tab == "Train":
            self.worker.start()  # TensorFlow loads while the user reads the page
        self._save()

    def _chosen(self, _: Any) -> None:
        if self.tab == "Label":
            self._turned()
        self._save()

    def _queued(self, change: dict[str, Any]) -> None:
        if change["new"]:
            with self.label.telling():
                self.label.look_at(tuple(change["new"]))
                self.tab = "Label"

    def _save(self) -> None:
        """Keep what is chosen in the project file."""
        view = self.project.view
        view["tab"], view["run"], view["model"] = self.tabs.selected_index or 0, self.desk.run, self.desk.model
        self.project.save()
