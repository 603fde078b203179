"""A study as an object: what it was planned to be and what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sfx_label.results.study.expense import MethodCosts
from sfx_label.results.study.figures import Drawings
from sfx_label.results.study.learning import LearningCurves
from sfx_label.results.study.plan import Design
from sfx_label.results.study.results import StudyTable
from sfx_label.results.study.work import Workshop

__all__ = ["Study"]


@dataclass(frozen=True, eq=False)
class Study:
    """A study, finished or stopped on the way.

    Parameters
    ----------
    folder
        Where it lies.
    workshop
        Runs, models and finished cells.
    design
        Its plan.
    tables
        The paper's tables.
    curves
        Learning curves, if asked for.
    costs
        Table 6.
    finished
        Whether every cell is done.
    drawings
        Its figures.
    report
        Files of the report, by kind.
    """

    folder: Path
    workshop: Workshop
    design: Design
    tables: tuple[StudyTable, ...]
    curves: LearningCurves | None
    costs: tuple[MethodCosts, ...]
    finished: bool
    drawings: Drawings
    report: Mapping[str, Path] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-ready: what ``sfx-label study --json`` writes."""
        return {
            "finished": self.finished,
            "runs": {name: run.mix for name, run in self.workshop.runs.items()},
            "seeds": list(self.design.seeds),
            "tables": {table.planned.number: table.to_dict() for table in self.tables},
            "table_6": [one.to_dict() for one in self.costs],
            "learning_curves": self.curves.to_dict() if self.curves else None,
            "figures": {name: str(path) for name, path in self.drawings.paths.items()},
            "report": {name: str(path) for name, path in self.report.items()},
        }
