"""The study's figures: 8 to 10 of the paper, curves under every table, learning curves; and the overlap as numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from sfx_label.errors import SfxLabelError
from sfx_label.models.recipe import preprocessing_for
from sfx_label.results.embedding import Embedding, Features, extract_features, place
from sfx_label.results.evaluation import Evaluation
from sfx_label.results.overlap import Overlap
from sfx_label.results.plots import embedding_panels, new_axes, plain, plot_profiles, plot_recall, plot_training
from sfx_label.results.study.learning import plot_learning
from sfx_label.results.study.plan import Design
from sfx_label.results.study.recipes import Recipe
from sfx_label.results.study.results import StudyTable

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sfx_label.results.study.learning import LearningCurves
    from sfx_label.results.study.work import Workshop

__all__ = ["FIGURES", "Drawings", "draw_figures"]

DPI = 130
Groups = dict[str, dict[str, list[Evaluation]]]  # title of a panel -> row -> one evaluation a seed
EMBEDDED = 800  # frames of each run in Fig. 9: t-SNE of all 4000 takes minutes and shows no more


@dataclass(frozen=True)
class Drawings:
    """Figures on disk.

    Parameters
    ----------
    paths
        Name of the figure to its file.
    captions
        Name to one sentence.
    overlaps
        Model to measured overlap, behind Fig. 9.
    """

    paths: dict[str, Path] = field(default_factory=dict)
    captions: dict[str, str] = field(default_factory=dict)
    overlaps: dict[str, Overlap] = field(default_factory=dict)

    def keep(self, folder: Path, name: str, figure: Figure, caption: str) -> None:
        """Write a figure and note its caption."""
        folder.mkdir(parents=True, exist_ok=True)
        self.paths[name] = folder / f"{name.replace(' ', '_')}.png"
        self.captions[name] = caption
        figure.savefig(self.paths[name], dpi=DPI)


@dataclass(frozen=True)
class Canvas:
    """What figures are drawn from and where they go."""

    workshop: Workshop
    design: Design
    folder: Path
    drawings: Drawings

    @property
    def pair(self) -> tuple[str, str] | None:
        """Source and target of Figs. 9 and 10: first and last run, LN83 and LO19 in the paper."""
        return (self.design.runs[0], self.design.runs[-1]) if len(self.design.runs) > 1 else None

    def adapted(self) -> Recipe | None:
        """Return the adapted model of the pair, if it has been trained."""
        if self.pair is None:
            return None
        recipe = self.design.adapted("dann", *self.pair, self.design.seeds[0])
        return recipe if self.workshop.has_model(recipe) else None


def draw_figures(
    workshop: Workshop,
    design: Design,
    tables: tuple[StudyTable, ...],
    curves: LearningCurves | None,
    numbers: tuple[str, ...],
) -> Drawings:
    """Draw what can be drawn from the finished cells.

    Parameters
    ----------
    workshop, design
        Runs, models and the plan.
    tables, curves
        Finished tables and learning curves.
    numbers
        Figures of the paper to draw.

    Raises
    ------
    SfxLabelError
        If there is no such figure.
    """
    unknown = [number for number in numbers if number not in FIGURES]
    if unknown:
        raise SfxLabelError(f"No figure {', '.join(unknown)}; the study draws {', '.join(FIGURES)}.")
    canvas = Canvas(workshop, design, workshop.folder / "figures", Drawings())
    for number in numbers:
        FIGURES[number](canvas)
    for table in tables:
        _draw_curves(canvas, table)
    if curves:
        _draw_learning(canvas, curves)
    return canvas.drawings


def _draw_learning(canvas: Canvas, curves: LearningCurves) -> None:
    for run in canvas.design.runs:
        figure, axes = new_axes(1, 2)
        plot_learning(curves, run, list(axes[0]))
        caption = f"Learning curves of {run}: every label counted, 95 % intervals."
        canvas.drawings.keep(canvas.folder, f"learning {run}", figure, caption)


def _figure_8(canvas: Canvas) -> None:
    preprocessing = preprocessing_for("rwd", canvas.design.preset)
    figure, axes = new_axes(len(canvas.design.runs), 3, width=4.2, height=2.8)
    for row, run in zip(axes, canvas.design.runs, strict=True):
        data = canvas.workshop.runs[run].dataset(preprocessing)
        plot_profiles(np.asarray(data.X), data.y, list(row), seed=canvas.design.seeds[0])
        for ax in row:
            ax.set_title(f"{plain(run)}: {ax.get_title()}", fontsize="small")
    caption = "Row-wise decomposition by class: three frames each (colour) and the median of the class (black)."
    canvas.drawings.keep(canvas.folder, "figure 8", figure, caption)


def _figure_9(canvas: Canvas) -> None:
    recipe, pair = canvas.adapted(), canvas.pair
    if recipe is None or pair is None:
        return
    views, overlaps = {}, canvas.drawings.overlaps
    for name, made in (("DANN", recipe), ("source-only CNN", canvas.design.full("cnn", pair[0], recipe.seed))):
        if not canvas.workshop.has_model(made):
            return
        features = _features(canvas, made, pair)
        points, _ = place(features.values, "tsne", recipe.seed, cache=canvas.workshop.folder / "cache")
        views[name] = Embedding(points, features, "tsne", recipe.seed)
        overlaps[name] = features.overlap(seed=recipe.seed)
    caption = (
        f"t-SNE of the base's output for {pair[0]} (source) and {pair[1]} (target), by model and class; domain AUC 0.5 "
        "means full overlap."
    )
    canvas.drawings.keep(canvas.folder, "figure 9", embedding_panels(views, overlaps), caption)


def _features(canvas: Canvas, recipe: Recipe, pair: tuple[str, str]) -> Features:
    """Return features of a random sample of each run; the paper takes all frames of both, seen or not."""
    bundle = canvas.workshop.model(recipe)[0]
    rng = np.random.default_rng(recipe.seed)
    runs = []
    for name in pair:
        run = canvas.workshop.runs[name]
        chosen = rng.permutation(len(run))[:EMBEDDED]
        runs.append(run.part(bundle.preprocessing, np.sort(chosen)))
    return extract_features(bundle, runs)


def _figure_10(canvas: Canvas) -> None:
    recipe = canvas.adapted()
    if recipe is None:
        return
    history = canvas.workshop.model(recipe)[0].history
    validated = [{name: value for name, value in epoch.items() if name.startswith("val_")} for epoch in history]
    figure, axes = new_axes(1, 2, width=5.0, height=3.4)
    plot_training(validated, list(axes[0]), title=f"DANN {recipe.run} -> {recipe.target}")
    caption = (
        "Loss and accuracy of label and domain prediction in validation; about ln 2 the domain classifier cannot tell."
    )
    canvas.drawings.keep(canvas.folder, "figure 10", figure, caption)


def _draw_curves(canvas: Canvas, table: StudyTable) -> None:
    """Draw recall over all operating points, one panel a column (a pair, for Table 5)."""
    groups = _pair_groups(table) if table.planned.number == "5" else _column_groups(table)
    if not groups:
        return
    columns = min(3, len(groups))
    figure, axes = new_axes(-(-len(groups) // columns), columns, width=4.6, height=3.6)
    for ax in axes.flat[len(groups) :]:
        ax.set_visible(False)
    for ax, (title, rows) in zip(axes.flat, groups.items(), strict=False):
        plot_recall(rows, ax)
        ax.set_title(plain(title))
        ax.legend(fontsize="xx-small", loc="lower right")
    caption = f"{table.title}: recall of Hit-or-Maybe against the share of Misses kept; markers are the thresholds."
    canvas.drawings.keep(canvas.folder, f"curves table {table.planned.number}", figure, caption)


def _column_groups(table: StudyTable) -> Groups:
    groups: Groups = {}
    for column in table.planned.columns:
        rows = {row.name: list(row.evaluations(column)) for row in table.rows}
        filled = {name: evaluations for name, evaluations in rows.items() if evaluations}
        if filled:
            groups[f"tested on {column}"] = filled
    return groups


def _pair_groups(table: StudyTable) -> Groups:
    groups: Groups = {}
    for row in table.rows:
        recipe = next(iter(row.planned.cells["on target"])).recipe
        target = next(iter(row.planned.cells["on target"])).test.run
        evaluations = list(row.evaluations("on target"))
        if evaluations:
            name = row.name.removesuffix(f" {recipe.run} -> {target}")
            groups.setdefault(f"{recipe.run} -> {target}, on target", {})[name] = evaluations
    return groups


FIGURES: Mapping[str, Callable[[Canvas], None]] = {"8": _figure_8, "9": _figure_9, "10": _figure_10}
"""Figures of the paper that the study can draw."""
