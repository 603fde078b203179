"""The whole study in one call: every table and figure of the paper on any annotated runs, resumable cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from sfx_label.errors import SfxLabelError
from sfx_label.results.study.expense import method_costs
from sfx_label.results.study.figures import draw_figures
from sfx_label.results.study.learning import PlannedCurves, finish_curves, plan_curves
from sfx_label.results.study.outcome import Study
from sfx_label.results.study.plan import Design, PlannedTable, plan_tables
from sfx_label.results.study.recipes import Cell, Order, Sizes
from sfx_label.results.study.report import write_report
from sfx_label.results.study.results import finish_table
from sfx_label.results.study.runs import RunData, StudyRun, check_names, find_run
from sfx_label.results.study.schedule import Forecast, duration
from sfx_label.results.study.store import Outcome
from sfx_label.results.study.work import Stopped, Workshop

if TYPE_CHECKING:
    from sfx_label.models.method import StopFlag

__all__ = ["SMALL_OPTIONS", "Study", "run_study"]

Progress = Callable[[int, int], None]
ALL_TABLES = ("1", "2", "3", "4", "5", "7")
ALL_FIGURES = ("8", "9", "10")
SMALL_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "cnn": {"epochs": 8, "downsample": "max4"},
    "dann": {"epochs": 8, "downsample": "max4"},
    "mcc": {"epochs": 8, "downsample": "max4"},
    "transfer": {"epochs": 10, "fine_tune_epochs": 5},
    "rwd": {"epochs": 30},
}
"""Settings with which a study on reduced runs ends within half an hour on two cores."""


def run_study(
    runs: Sequence[str | Path | StudyRun],
    *,
    tables: Sequence[str | int] = ALL_TABLES,
    figures: Sequence[str | int] = ALL_FIGURES,
    seeds: int | Sequence[int] = 1,
    small: bool = False,
    sizes: Sizes | None = None,
    out: str | Path = "study",
    order: Order = "file",
    preset: Literal["paper", "default"] = "paper",
    budgets: Sequence[int] = (),
    methods: Sequence[str] = ("rwd",),
    adaptations: Sequence[str] = ("dann",),
    options: Mapping[str, Mapping[str, Any]] | None = None,
    device: str = "auto",
    progress: Progress | None = None,
    say: Callable[[str], None] | None = None,
    stop: StopFlag | None = None,
) -> Study:
    """Repeat the paper's study, and what it leaves out, on annotated runs.

    Parameters
    ----------
    runs
        ``FRAMES`` or ``NAME=FRAMES`` with labels beside them (:func:`~sfx_label.results.study.runs.find_run`).
    tables
        Of 1, 2, 3, 4, 5, 7; Table 6 is always made from what was measured.
    figures
        Of 8, 9, 10; 9 and 10 need Table 5 and two runs.
    seeds
        How many, or which.
    small
        Reduced runs and short trainings: half an hour on two cores.
    sizes
        Other numbers of training and validation frames than the paper's.
    out
        Folder of the study. What is done there already is not done again, whoever did it.
    order
        ``"file"`` splits as the paper does, ``"random"`` by the seed.
    preset
        Preprocessing: ``"paper"`` or ``"default"``.
    budgets, methods
        For learning curves: numbers of labels, and methods beside the spot count.
    adaptations
        Methods of Table 5, ``"dann"`` and ``"mcc"``.
    options
        For each method settings that differ from its defaults.
    device
        As in :func:`~sfx_label.models.training.train`.
    progress
        Called with cells done and in all.
    say
        Told a line after each cell, with the time left.
    stop
        Asked often; the study then ends with what it has and can go on later.

    Raises
    ------
    SfxLabelError
        If a table is unknown or a run too short for the split.
    """
    folder = Path(out)
    chosen = sizes or (Sizes.small() if small else Sizes())
    places = [find_run(run) for run in runs]
    check_names(places)
    opened = {run.name: RunData.open(run, folder, chosen.frames) for run in places}
    settings = {**(SMALL_OPTIONS if small else {}), **(options or {})}
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(seeds)
    design = Design(tuple(opened), chosen, numbers, order, settings, preset, tuple(adaptations))
    planned = plan_tables(design, tables)
    curves = plan_curves(design, methods, budgets) if budgets else None
    _check_lengths(opened, design, planned, budgets)
    workshop = Workshop(opened, folder, device, stop)
    cells = _in_order(planned, curves)
    finished = _do_all(workshop, cells, progress or (lambda done, total: None), say or (lambda line: None))
    return _collect(workshop, design, planned, curves, cells, tuple(map(str, figures)), finished)


def _check_lengths(
    runs: Mapping[str, RunData], design: Design, planned: Sequence[PlannedTable], budgets: Sequence[int]
) -> None:
    uses = {cell.recipe.method for table in planned for cell in table.cells}
    needed = max(design.n_full if uses & {"cnn", "dann", "mcc"} else design.n_few, max(budgets, default=0))
    for run in runs.values():
        if len(run) <= needed:
            raise SfxLabelError(
                f"{run.name} has {len(run)} labelled frames, but {needed} are to train and validate and none would be "
                "left to test. Give smaller sizes, or take small=True (--small)."
            )


def _in_order(planned: Sequence[PlannedTable], curves: PlannedCurves | None) -> tuple[Cell, ...]:
    """Return each cell once, all tests of a model one after the other."""
    cells = [cell for table in planned for cell in table.cells] + list(curves.cells if curves else ())
    unique = tuple(dict.fromkeys(cells))
    first = {cell.recipe: number for number, cell in reversed(list(enumerate(unique)))}
    return tuple(sorted(unique, key=lambda cell: first[cell.recipe]))


def _do_all(workshop: Workshop, cells: Sequence[Cell], progress: Progress, say: Callable[[str], None]) -> bool:
    open_cells = [cell for cell in cells if workshop.outcome(cell) is None]
    done = len(cells) - len(open_cells)
    if done:
        say(f"{done} of {len(cells)} cells were done before")
    forecast = Forecast(open_cells)
    progress(done, len(cells))
    for number, cell in enumerate(open_cells, start=done + 1):
        try:
            outcome = workshop.do(cell)
        except Stopped:
            say(f"stopped after {number - 1} of {len(cells)} cells; the same call goes on from here")
            return False
        forecast.step()
        progress(number, len(cells))
        say(f"{number}/{len(cells)} {cell.title}: {_result(outcome)}; time left {duration(forecast.seconds_left)}")
    return True


def _result(outcome: Outcome) -> str:
    if outcome.evaluation is None:
        return f"not possible ({outcome.failure})"
    recall = outcome.evaluation.recall
    return f"{recall['hit_or_maybe'].percent()} / {recall['miss'].percent()}"


def _collect(
    workshop: Workshop,
    design: Design,
    planned: Sequence[PlannedTable],
    curves: PlannedCurves | None,
    cells: Sequence[Cell],
    figures: tuple[str, ...],
    finished: bool,
) -> Study:
    found = {cell: workshop.outcome(cell) for cell in cells}
    in_tables = dict.fromkeys(cell for table in planned for cell in table.cells)
    done = [(cell, outcome) for cell in in_tables or cells if (outcome := found[cell]) is not None]
    tables = tuple(finish_table(table, found.get) for table in planned)
    learning = finish_curves(curves, found.get) if curves else None
    drawings = draw_figures(workshop, design, tables, learning, figures)
    study = Study(workshop.folder, workshop, design, tables, learning, method_costs(done), finished, drawings)
    return replace(study, report=write_report(study))
