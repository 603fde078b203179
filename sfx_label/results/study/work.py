"""Doing one cell: make its model, or take the one that is there, and test it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfx_label.errors import SfxLabelError
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.recipe import preprocessing_for
from sfx_label.models.training import METHODS, train
from sfx_label.results.evaluate import evaluate
from sfx_label.results.study.costs import measure_prediction, with_costs
from sfx_label.results.study.recipes import Cell, Recipe, recipe_digest
from sfx_label.results.study.runs import RunData
from sfx_label.results.study.store import CellStore, Outcome, write_json

if TYPE_CHECKING:
    from sfx_label.models.dataset import Dataset
    from sfx_label.models.method import EpochHook, StopFlag

__all__ = ["Stopped", "Workshop"]

Costs = dict[str, float | None]
KEPT = 4  # models kept in memory: those of the last few cells are asked for again


class Stopped(Exception):
    """Somebody asked to stop, so a cell is not finished: not an error, the study goes on from there next time."""


@dataclass(eq=False)
class Workshop:
    """Everything that cells have in common.

    Parameters
    ----------
    runs
        By name.
    folder
        The study's folder.
    device
        As in :func:`~sfx_label.models.training.train`.
    stop
        Asked between cells and by the training.
    on_epoch
        Told after each epoch.
    """

    runs: Mapping[str, RunData]
    folder: Path
    device: str = "auto"
    stop: StopFlag | None = None
    on_epoch: EpochHook | None = None
    identities: dict[str, str] = field(init=False)
    cells: CellStore = field(init=False)
    _models: dict[str, tuple[ModelBundle, Costs]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.identities = {name: run.identity for name, run in self.runs.items()}
        self.cells = CellStore(self.folder / "cells")

    def outcome(self, cell: Cell) -> Outcome | None:
        """Return a finished cell, or ``None``.

        Parameters
        ----------
        cell
            Which.
        """
        return self.cells.load(cell.digest(self.identities))

    def do(self, cell: Cell) -> Outcome:
        """Do a cell and commit it; what cannot be done (too few labels of a class) is committed as such.

        Parameters
        ----------
        cell
            Which.

        Raises
        ------
        Stopped
            If somebody asked to stop before it was finished.
        """
        self._check_stop()
        try:
            bundle, costs = self.model(cell.recipe)
            outcome = self._test(bundle, costs, cell)
        except SfxLabelError as error:
            self._check_stop()
            outcome = Outcome(None, failure=f"{type(error).__name__}: {error}")
        about = {"title": cell.title, "recipe": cell.recipe.to_dict(), "test": cell.test.to_dict()}
        self.cells.save(cell.digest(self.identities), outcome, about)
        return outcome

    def model(self, recipe: Recipe) -> tuple[ModelBundle, Costs]:
        """Return the model of a recipe with its costs; trained at most once.

        Parameters
        ----------
        recipe
            Which.
        """
        digest = recipe_digest(recipe.to_dict(), recipe.runs, self.identities)
        if digest not in self._models:
            place = self.folder / "models" / digest
            if not (place.parent / f"{digest}.json").exists():
                self._train_into(recipe, place)
            costs = json.loads((place.parent / f"{digest}.json").read_text(encoding="utf-8"))["costs"]
            while len(self._models) >= KEPT:
                self._models.pop(next(iter(self._models)))
            self._models[digest] = ModelBundle.load(place), costs
        return self._models[digest]

    def has_model(self, recipe: Recipe) -> bool:
        """Tell whether a model has been made.

        Parameters
        ----------
        recipe
            Which.
        """
        digest = recipe_digest(recipe.to_dict(), recipe.runs, self.identities)
        return (self.folder / "models" / f"{digest}.json").exists()

    def test_data(self, bundle: ModelBundle, cell: Cell) -> Dataset:
        """Return the frames of a cell as its model takes them.

        Parameters
        ----------
        bundle, cell
            Model and cell.
        """
        run = self.runs[cell.test.run]
        order = run.order(cell.recipe.order, cell.recipe.seed)
        return run.part(bundle.preprocessing, order[cell.test.first :])

    def _train_into(self, recipe: Recipe, place: Path) -> None:
        base = self.model(recipe.base)[0] if recipe.base else None
        settings = preprocessing_for(recipe.method, recipe.preset, base=base)
        run = self.runs[recipe.run]
        order = run.order(recipe.order, recipe.seed)
        train_data = run.part(settings, order[: recipe.train])
        validation = run.part(settings, order[recipe.train : recipe.train + recipe.validation])
        options = self._options(recipe, place, base)
        if recipe.target:
            options["target"] = self.runs[recipe.target].dataset(settings).without_labels()
        self._check_stop()
        bundle, costs = with_costs(
            lambda: train(
                recipe.method,
                train_data,
                validation,
                seed=recipe.seed,
                device=self.device,
                stop=self.stop,
                on_epoch=self.on_epoch,
                **options,
            )
        )
        self._check_stop()
        bundle.save(place)
        # the model counts as made only once this file is there, so a crash between the two trains it again
        write_json(place.parent / f"{place.name}.json", {"recipe": recipe.to_dict(), "costs": costs})
        shutil.rmtree(self.folder / "checkpoints" / place.name, ignore_errors=True)

    def _options(self, recipe: Recipe, place: Path, base: ModelBundle | None) -> dict[str, Any]:
        options: dict[str, Any] = dict(recipe.options)
        if base is not None:
            options["base"] = base
        if "checkpoint" in METHODS[recipe.method].options:
            options |= {"checkpoint": str(self.folder / "checkpoints" / place.name), "resume": True}
        return options

    def _test(self, bundle: ModelBundle, costs: Costs, cell: Cell) -> Outcome:
        data = self.test_data(bundle, cell)
        evaluation = evaluate(bundle, data)
        rates = measure_prediction(bundle, data, self.runs[cell.test.run].frames)
        device = str(bundle.provenance.get("device", ""))
        return Outcome(evaluation, costs={**costs, **rates}, model=bundle.digest, device=device)

    def _check_stop(self) -> None:
        if self.stop is not None and self.stop.is_set():
            raise Stopped
