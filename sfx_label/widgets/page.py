"""What the panels share: the choice of run, model and frames, errors as text, and long work off the main thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import ipywidgets as widgets
import traitlets

from sfx_label.errors import SfxLabelError
from sfx_label.results.grid import Grid
from sfx_label.results.registry import ModelEntry
from sfx_label.widgets.project import Project

__all__ = ["Choice", "Desk", "Panel", "Table", "model_choice", "run_choice", "show_table"]

WIDE = "100%"
WAIT_SECONDS = 600.0


class Table(Protocol):
    """Anything that shows itself as escaped HTML and as text."""

    def __str__(self) -> str:
        """Return it as text."""

    def _repr_html_(self) -> str: ...


class Desk(traitlets.HasTraits):
    """What all panels look at: when one of them changes it, the others follow.

    Parameters
    ----------
    project
        Runs, labels and models.
    """

    run = traitlets.Unicode("", help="Run in hand.")
    model = traitlets.Int(0, help="Number of the model in hand; 0 for none.")
    runs = traitlets.Tuple(help="Runs of the project.")
    models = traitlets.Tuple(help="Models of the project, as (name, number).")
    queue = traitlets.Tuple(help="Frames to look at in the labeller, by number in the run.")
    labels = traitlets.Int(0, help="Rises when labels were added.")

    def __init__(self, project: Project) -> None:
        super().__init__()
        self.project = project
        self.refresh()
        run, model = project.view.get("run"), project.view.get("model")
        self.run = str(run) if run in self.runs else next(iter(self.runs), "")
        known: list[int] = [number for _, number in self.models]
        self.model = next((number for number in known if number == model), 0)

    def refresh(self) -> None:
        """Read runs and models of the project again."""
        self.runs = tuple(self.project.runs)
        self.models = tuple((f"{one.name} (no. {one.id})", one.id) for one in self.project.registry.entries())
        if self.run not in self.runs:
            self.run = next(iter(self.runs), "")
        if self.model not in [number for _, number in self.models]:
            self.model = self.models[-1][1] if self.models else 0

    def entry(self, number: int | None = None) -> ModelEntry:
        """Return a model of the list.

        Parameters
        ----------
        number
            Its number; None for the one in hand.

        Raises
        ------
        SfxLabelError
            If there is none.
        """
        wanted = self.model if number is None else number
        if not wanted:
            raise SfxLabelError("There is no model yet. Train one in the tab Train.")
        return self.project.registry[wanted]

    def need_run(self) -> str:
        """Return the run in hand.

        Raises
        ------
        SfxLabelError
            If the project has none.
        """
        if not self.run:
            raise SfxLabelError("There is no run yet. Add one in the tab Runs.")
        return self.run


class Panel(widgets.VBox):
    """A page of the workbench.

    Parameters
    ----------
    desk
        What all panels look at.
    """

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.message = widgets.Textarea(disabled=True, layout={"width": WIDE, "height": "3.6em", "display": "none"})
        self._work: threading.Thread | None = None
        self.stopping = threading.Event()
        super().__init__(layout={"width": WIDE})

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"  # that of ipywidgets spells out every child

    def say(self, text: str) -> None:
        """Show a message; an empty one takes it away."""
        self.message.value = text
        self.message.rows = min(8, 1 + text.count("\n") + len(text) // 160)
        self.message.layout.height = "auto"
        self.message.layout.display = None if text else "none"

    @contextmanager
    def telling(self) -> Iterator[None]:
        """Show what goes wrong inside as text; a click handler has nobody else to tell it to."""
        try:
            yield
        except SfxLabelError as error:
            self.say(str(error))
        except Exception as error:
            self.say(f"{type(error).__name__}: {error}")

    def guarded(self, action: Callable[[], object]) -> Callable[[Any], None]:
        """Return a click handler that does `action` and tells what goes wrong."""

        def clicked(_: Any) -> None:
            self.say("")
            with self.telling():
                action()

        return clicked

    def work(self, action: Callable[[], object]) -> None:
        """Do something long in a thread; one at a time.

        Raises
        ------
        SfxLabelError
            If something is under way already.
        """
        if self.busy:
            raise SfxLabelError("Something is under way in this panel. Wait for it, or stop it first.")
        self.stopping.clear()
        self._work = threading.Thread(target=self._do, args=(action,), name="sfx-label-panel", daemon=True)
        self._work.start()

    def _do(self, action: Callable[[], object]) -> None:
        with self.telling():
            action()

    @property
    def busy(self) -> bool:
        """Whether something is under way."""
        return self._work is not None and self._work.is_alive()

    def wait(self, seconds: float = WAIT_SECONDS) -> None:
        """Wait until the work is done, for scripts and tests.

        Raises
        ------
        SfxLabelError
            If it takes longer.
        """
        if self._work is not None:
            self._work.join(seconds)
        if self.busy:
            raise SfxLabelError(f"The panel is still at work after {seconds:.0f} s. Wait longer, or stop it.")


def show_table(output: widgets.Output, table: Table | Grid) -> None:
    """Show a table; its HTML is escaped where it is made, and cleaned once more by the page."""
    content = {
        "text/html": table.to_html() if isinstance(table, Grid) else table._repr_html_(),
        "text/plain": table.to_text() if isinstance(table, Grid) else str(table),
    }
    output.outputs = ({"output_type": "display_data", "data": content, "metadata": {}},)


class Choice(widgets.Dropdown):
    """A list to choose from that keeps its choice while the list grows.

    Parameters
    ----------
    **options
        As for ``ipywidgets.Dropdown``.
    """

    value: Any
    offering = False  # while the list changes, what is chosen in passing is nobody's choice

    def offer(self, options: Sequence[Any]) -> None:
        """Change what can be chosen."""
        kept, self.offering = self.value, True
        try:
            self.options = tuple(options)  # takes the first as its choice
            values = [value for _, value in self._options_full]
            self.value = kept if kept in values else next(iter(values), None)
        finally:
            self.offering = False


def run_choice(desk: Desk) -> Choice:
    """Return a list of the runs that follows the desk, and the desk it."""
    return _linked(desk, "runs", "run", "Run", lambda: desk.runs)


def model_choice(desk: Desk) -> Choice:
    """Return a list of the models that follows the desk, and the desk it."""
    return _linked(desk, "models", "model", "Model", lambda: desk.models)


def _linked(desk: Desk, plural: str, single: str, title: str, options: Callable[[], Sequence[Any]]) -> Choice:
    choice = Choice(description=title, options=options(), layout={"width": "auto"})

    def from_desk(_: Any = None) -> None:
        choice.offer(options())
        wanted = getattr(desk, single)
        if wanted in [value for _, value in choice._options_full]:
            choice.value = wanted

    def to_desk(change: dict[str, Any]) -> None:
        if change["new"] is not None and not choice.offering:
            setattr(desk, single, change["new"])

    from_desk()
    choice.observe(to_desk, "value")
    desk.observe(from_desk, [plural, single])
    return choice
