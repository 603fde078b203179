"""The paper's tables as rows of cells, with the baselines that the paper leaves out as rows of every table.

Rows are what was trained on, columns what was tested on. In each table the spot count is fitted to the very labels that
its neighbour got, or carried over from the same source where the neighbour got none of the target.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from sfx_label.errors import SfxLabelError
from sfx_label.results.study.recipes import Cell, Order, Recipe, Sizes, TestFrames

__all__ = ["TABLES", "Design", "PlannedRow", "PlannedTable", "plan_tables"]

BASELINE = "spot-count"
WITHOUT_VALIDATION = (BASELINE, "hybrid")  # they fit to every label that was paid for, so all of them train


@dataclass(frozen=True)
class PlannedRow:
    """One row of a table.

    Parameters
    ----------
    name
        In the table.
    method
        What is trained.
    cells
        For each column one cell a seed.
    published
        For each column the key of the paper's cell.
    reference
        Name of the row that this one is held against; ``None`` for a baseline.
    """

    name: str
    method: str
    cells: Mapping[str, tuple[Cell, ...]]
    published: Mapping[str, tuple[str, str, str]] = field(default_factory=dict)
    reference: str | None = None


@dataclass(frozen=True)
class PlannedTable:
    """One table of the paper."""

    number: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[PlannedRow, ...]
    note: str = ""

    @property
    def cells(self) -> tuple[Cell, ...]:
        """Every cell, row by row."""
        return tuple(cell for row in self.rows for cells in row.cells.values() for cell in cells)


@dataclass(frozen=True)
class Design:
    """What is the same in all tables.

    Parameters
    ----------
    runs
        Names of the runs.
    sizes
        Frames for training and validation.
    seeds
        Of the trainings.
    order
        Of the splits.
    options
        For each method settings that differ from its defaults.
    preset
        Preprocessing.
    adaptations
        Methods of Table 5: ``"dann"``, and ``"mcc"`` beside it if wanted.
    """

    runs: tuple[str, ...]
    sizes: Sizes = field(default_factory=Sizes)
    seeds: tuple[int, ...] = (0,)
    order: Order = "file"
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    preset: Literal["paper", "default"] = "paper"
    adaptations: tuple[str, ...] = ("dann",)

    @property
    def pairs(self) -> tuple[tuple[str, str], ...]:
        """Every (source, target) of two different runs."""
        return tuple((source, target) for source in self.runs for target in self.runs if source != target)

    @property
    def n_full(self) -> int:
        """Labels of a fully supervised model."""
        return sum(self.sizes.full)

    @property
    def n_few(self) -> int:
        """Labels of a weakly supervised model."""
        return sum(self.sizes.few)

    def recipe(self, method: str, run: str, seed: int, sizes: tuple[int, int], **more: Any) -> Recipe:
        """Return a recipe with the study's settings.

        Parameters
        ----------
        method, run, seed
            As in :class:`Recipe`.
        sizes
            (training, validation).
        more
            Base or target.
        """
        train, validation = (sum(sizes), 0) if method in WITHOUT_VALIDATION else sizes
        return Recipe(
            method=method,
            run=run,
            train=train,
            validation=validation,
            seed=seed,
            order=self.order,
            options=tuple(sorted(self.options.get(method, {}).items())),
            preset=self.preset,
            **more,
        )

    def full(self, method: str, run: str, seed: int) -> Recipe:
        """Return a fully supervised model of a run."""
        return self.recipe(method, run, seed, self.sizes.full)

    def few(self, method: str, run: str, seed: int) -> Recipe:
        """Return a model of a run with few labels."""
        return self.recipe(method, run, seed, self.sizes.few)

    def transfer(self, source: str, run: str, seed: int) -> Recipe:
        """Return a model of a run with few labels and the base of another run's fully supervised CNN."""
        return self.recipe("transfer", run, seed, self.sizes.few, base=self.full("cnn", source, seed))

    def adapted(self, method: str, source: str, target: str, seed: int) -> Recipe:
        """Return a model with all labels of the source and none of the target."""
        return self.recipe(method, source, seed, self.sizes.full, target=target)

    def cells(self, make: Callable[[int], Recipe], run: str, first: int) -> tuple[Cell, ...]:
        """Return one cell a seed.

        Parameters
        ----------
        make
            From seed to recipe.
        run, first
            Test frames.
        """
        return tuple(Cell(make(seed), TestFrames(run, first)) for seed in self.seeds)


def _table_1(design: Design) -> PlannedTable:
    rows = []
    for run in design.runs:
        for method, title in ((BASELINE, "spot count"), ("cnn", "2D CNN")):
            cells = {
                column: design.cells(partial(design.full, method, run), column, design.n_full) for column in design.runs
            }
            rows.append(_row(f"{title} of {run}", method, cells, "1", run, reference=f"spot count of {run}"))
    note = "Off the diagonal no label of the tested run was used: the source-only model, and a cut-off carried over."
    return PlannedTable("1", "2D CNN with sufficient training", design.runs, tuple(rows), note)


def _table_2(design: Design) -> PlannedTable:
    rows = [_own_row(design, BASELINE, "spot count"), _own_row(design, "cnn", "2D CNN", "2")]
    rows += [_foreign_row(design, "cnn", run, design.full, f"2D CNN of {run}, unadapted") for run in design.runs]
    note = "Unadapted: trained with sufficient labels of another run, none of the tested one."
    return PlannedTable("2", "2D CNN with insufficient training", design.runs, _filled(rows), note)


def _table_3(design: Design) -> PlannedTable:
    rows = [_own_row(design, BASELINE, "spot count")]
    for source in design.runs:
        cells = {
            column: design.cells(partial(design.transfer, source, column), column, design.n_few)
            for column in design.runs
            if column != source
        }
        rows.append(_row(f"transfer from {source}", "transfer", cells, "3", source, reference="spot count"))
    rows += [_foreign_row(design, "cnn", run, design.full, f"2D CNN of {run}, unadapted") for run in design.runs]
    note = "Rows name the run whose convolutional base was taken over. Unadapted: the same model before fine-tuning."
    return PlannedTable("3", "Transfer learning", design.runs, _filled(rows), note)


def _table_4(design: Design) -> PlannedTable:
    rows = [_own_row(design, BASELINE, "spot count"), _own_row(design, "rwd", "RWD + 1D CNN", "4")]
    rows += [_foreign_row(design, "rwd", run, design.few, f"1D CNN of {run}, unadapted") for run in design.runs]
    note = "Unadapted: trained with few labels of another run, none of the tested one."
    return PlannedTable("4", "1D CNN after row-wise decomposition", design.runs, _filled(rows), note)


def _table_5(design: Design) -> PlannedTable:
    rows = []
    for source, target in design.pairs:
        pair = f"{source} -> {target}"
        makers: list[tuple[str, str, Callable[[int], Recipe]]] = [
            (BASELINE, "spot count", partial(design.full, BASELINE, source)),
            ("cnn", "source-only 2D CNN", partial(design.full, "cnn", source)),
        ]
        makers += [(name, name.upper(), partial(design.adapted, name, source, target)) for name in design.adaptations]
        for method, title, make in makers:
            cells = {
                "on source": design.cells(make, source, design.n_full),
                "on target": design.cells(make, target, 0),
            }
            keys = {"on source": ("5 source", source, target), "on target": ("5 target", source, target)}
            published = keys if method == "dann" else {}
            reference = None if method == BASELINE else f"spot count {pair}"
            rows.append(PlannedRow(f"{title} {pair}", method, cells, published, reference))
    note = "No label of the target was used; tested on the last frames of the source and on all frames of the target."
    return PlannedTable("5", "Domain adversarial networks", ("on source", "on target"), tuple(rows), note)


def _table_7(design: Design) -> PlannedTable:
    rows = []
    for source in design.runs:
        rows.append(_foreign_row(design, BASELINE, source, design.few, f"spot count of {source}", first=0))
        for method, title, make in (("rwd", "1D CNN", design.few), ("cnn", "2D CNN", design.full)):
            name, table = f"{title} of {source}", "7" if method == "rwd" else "1"
            reference = f"spot count of {source}"
            row = _foreign_row(design, method, source, make, name, first=0, table=table, reference=reference)
            rows.append(row)
    note = (
        "Tested on all frames of the other run. The paper tested its 2D CNNs on the last 400 frames only, and trained "
        "them with sufficient labels, the 1D CNNs with few."
    )
    return PlannedTable("7", "Models tested across runs, unadapted", design.runs, _filled(rows), note)


def _row(
    name: str, method: str, cells: Mapping[str, tuple[Cell, ...]], table: str, row: str, *, reference: str
) -> PlannedRow:
    published = {} if method == BASELINE else {column: (table, row, column) for column in cells}
    return PlannedRow(name, method, cells, published, None if method == BASELINE else reference)


def _own_row(design: Design, method: str, name: str, table: str = "") -> PlannedRow:
    """Return a model of each run's own few labels, tested on the rest of that run."""
    cells = {run: design.cells(partial(design.few, method, run), run, design.n_few) for run in design.runs}
    published = {run: (table, run, run) for run in design.runs} if table else {}
    return PlannedRow(name, method, cells, published, None if method == BASELINE else "spot count")


def _foreign_row(
    design: Design,
    method: str,
    source: str,
    make: Callable[[str, str, int], Recipe],
    name: str,
    *,
    first: int | None = None,
    table: str = "",
    reference: str = "spot count",
) -> PlannedRow:
    """Return one run's model, tested on the other runs as it is."""
    start = design.n_few if first is None else first
    cells = {
        column: design.cells(partial(make, method, source), column, start) for column in design.runs if column != source
    }
    published = {column: (table, source, column) for column in cells} if table else {}
    return PlannedRow(name, method, cells, published, None if method == BASELINE else reference)


def _filled(rows: Sequence[PlannedRow]) -> tuple[PlannedRow, ...]:
    """Leave out rows without a cell, which a study of a single run would have."""
    return tuple(row for row in rows if row.cells)


TABLES: Mapping[str, Callable[[Design], PlannedTable]] = {
    "1": _table_1,
    "2": _table_2,
    "3": _table_3,
    "4": _table_4,
    "5": _table_5,
    "7": _table_7,
}
"""The paper's tables of recalls. Table 6 compares costs, and is made from what the others measured."""


def plan_tables(design: Design, tables: Sequence[str | int]) -> tuple[PlannedTable, ...]:
    """Return the tables of a study.

    Parameters
    ----------
    design
        Runs, sizes, seeds.
    tables
        Their numbers; 6 is left out here.

    Raises
    ------
    SfxLabelError
        If there is no such table.
    """
    numbers = [str(number) for number in tables if str(number) != "6"]
    unknown = [number for number in numbers if number not in TABLES]
    if unknown:
        raise SfxLabelError(f"No table {', '.join(unknown)}; the study makes tables {', '.join(TABLES)} and 6.")
    return tuple(table for table in (TABLES[number](design) for number in numbers) if table.rows)
