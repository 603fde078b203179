"""Table 6: the methods side by side in measured figures instead of "easy" and "hard"."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

from sfx_label.results.grid import Grid, Lines
from sfx_label.results.published import SPEED
from sfx_label.results.study.recipes import Cell
from sfx_label.results.study.schedule import duration
from sfx_label.results.study.store import Outcome

__all__ = ["MethodCosts", "cost_grid", "method_costs"]


@dataclass(frozen=True)
class MethodCosts:
    """What one method took in this study: medians over its cells, ``None`` where not measured.

    Parameters
    ----------
    labels_tested_run, labels_elsewhere
        Labels of the tested run, and of other runs.
    train_seconds
        Wall time of a training.
    predict_per_second
        Predictions from prepared inputs.
    frames_per_second
        The same from the file: reading, preprocessing and predicting.
    peak_megabytes
        Highest memory of the process while training.
    devices
        Where it was trained.
    n
        Trainings and tests behind these figures.
    """

    method: str
    labels_tested_run: int
    labels_elsewhere: int
    train_seconds: float | None
    predict_per_second: float | None
    frames_per_second: float | None
    peak_megabytes: float | None
    devices: tuple[str, ...]
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        return {**self.__dict__, "devices": list(self.devices)}


def method_costs(done: Iterable[tuple[Cell, Outcome]]) -> tuple[MethodCosts, ...]:
    """Return the costs of each kind of training: method and numbers of labels.

    Parameters
    ----------
    done
        Finished cells.
    """
    groups: dict[tuple[str, int, int], list[Outcome]] = {}
    for cell, outcome in done:
        if outcome.evaluation is None or cell.recipe.target not in (None, cell.test.run):
            continue  # a source's test would count the source's labels as the target's
        if cell.recipe.target is None and cell.recipe.run != cell.test.run:
            continue
        budget = outcome.evaluation.budget
        groups.setdefault((cell.recipe.method, budget.tested_run, budget.elsewhere), []).append(outcome)
    return tuple(_summary(key, outcomes) for key, outcomes in groups.items())


def _summary(key: tuple[str, int, int], outcomes: list[Outcome]) -> MethodCosts:
    def middle(name: str) -> float | None:
        known = [float(value) for o in outcomes if (value := o.costs.get(name)) is not None]
        return median(known) if known else None

    return MethodCosts(
        method=key[0],
        labels_tested_run=key[1],
        labels_elsewhere=key[2],
        train_seconds=middle("train_seconds"),
        predict_per_second=middle("predict_per_second"),
        frames_per_second=middle("frames_per_second"),
        peak_megabytes=middle("peak_megabytes"),
        devices=tuple(sorted({o.device for o in outcomes if o.device})),
        n=len(outcomes),
    )


def cost_grid(costs: Iterable[MethodCosts], machine: Mapping[str, Any]) -> Grid:
    """Return Table 6.

    Parameters
    ----------
    costs
        From :func:`method_costs`.
    machine
        Where it was measured, for the note.
    """
    columns: tuple[Lines, ...] = (
        ("method",),
        ("labels of", "the run"),
        ("labels", "elsewhere"),
        ("training",),
        ("predictions/s", "(prepared)"),
        ("frames/s", "(from file)"),
        ("memory, MB",),
        ("device",),
    )
    rows = tuple(
        (
            (one.method,),
            (str(one.labels_tested_run),),
            (str(one.labels_elsewhere),),
            (duration(one.train_seconds),),
            _rate_lines(one),
            (_number(one.frames_per_second),),
            (_number(one.peak_megabytes),),
            (", ".join(one.devices) or "-",),
        )
        for one in costs
    )
    where = ", ".join(f"{name} {value}" for name, value in machine.items())
    notes = (
        f"Measured here ({where}); medians over the cells. Memory: highest of the whole process in training.",
        "The paper's rates were taken on an NVIDIA A100, without reading and preprocessing, with other networks.",
    )
    return Grid("Table 6. The methods in measured figures", columns, rows, notes)


def _rate_lines(one: MethodCosts) -> Lines:
    printed = SPEED.get(one.method)
    rate = _number(one.predict_per_second)
    return (rate, f"paper: {printed:,.0f}") if printed else (rate,)


def _number(value: float | None) -> str:
    return "-" if value is None or math.isnan(value) else f"{value:,.0f}"
