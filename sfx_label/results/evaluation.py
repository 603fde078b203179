"""Scores held against labels: recalls with intervals at an operating point. Arrays in, figures out, no model needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.results.grid import Grid
from sfx_label.results.intervals import Interval, Rate, area_under_curve, balanced, wilson

if TYPE_CHECKING:
    from sfx_label.frames.sequence import FrameKey

__all__ = ["CLASSES", "Evaluation", "LabelBudget", "evaluate_scores"]

CLASSES = ("hit_or_maybe", "hit", "maybe", "miss")

_TITLES = {
    "hit_or_maybe": "recall of Hit-or-Maybe",
    "hit": "recall of Hit",
    "maybe": "recall of Maybe",
    "miss": "recall of Miss",
}


@dataclass(frozen=True, slots=True)
class LabelBudget:
    """Labels that experts had to give before the model could be used; validation labels cost as much as any.

    Parameters
    ----------
    train, validation, audit
        Labels given to the training, by use.
    other_runs
        How many of these are of other runs than the tested one, such as the source of a domain adaptation.
    base
        Labels that the convolutional base was trained with, before this training.
    """

    train: int = 0
    validation: int = 0
    audit: int = 0
    other_runs: int = 0
    base: int = 0

    @property
    def total(self) -> int:
        """All labels given to the training."""
        return self.train + self.validation + self.audit

    @property
    def tested_run(self) -> int:
        """Labels of the very run that is tested: what a new experiment costs."""
        return self.total - self.other_runs

    @property
    def elsewhere(self) -> int:
        """Labels of other runs, those of the base included."""
        return self.other_runs + self.base

    def __str__(self) -> str:
        return f"{self.tested_run} + {self.elsewhere} elsewhere" if self.elsewhere else str(self.tested_run)

    def to_dict(self) -> dict[str, int]:
        """Return the parts and their total."""
        parts = {"train": self.train, "validation": self.validation, "audit": self.audit, "total": self.total}
        return {**parts, "tested_run": self.tested_run, "other_runs": self.other_runs, "base": self.base}


@dataclass(frozen=True, eq=False)
class Evaluation:
    """One model on one set of labelled frames, at one operating point. Made by :func:`evaluate`.

    Parameters
    ----------
    y
        (n,) labels as in :class:`~sfx_label.labels.scheme.Label`.
    scores
        (n,) probability of Hit-or-Maybe.
    threshold
        Operating point: a frame is kept where its score is at least this.
    keys
        The frames, in the order of the scores; may be empty when the arrays came without.
    budget
        Labels used to make the model.
    excluded
        Frames left out because the model had seen them.
    unusable
        Labelled frames left out because the model could not score them (unreadable, masked throughout).
    method, run, seed
        Where the scores come from.
    """

    y: NDArray[np.int8]
    scores: NDArray[np.float64]
    threshold: float
    keys: tuple[FrameKey, ...] = ()
    budget: LabelBudget = field(default_factory=LabelBudget)
    excluded: int = 0
    unusable: int = 0
    method: str = ""
    run: str = ""
    seed: int | None = None

    def __len__(self) -> int:
        return len(self.y)

    @property
    def label_budget(self) -> int:
        """Labels used to make the model: training, validation and audit together."""
        return self.budget.total

    @cached_property
    def positive(self) -> NDArray[np.bool_]:
        """(n,) whether the expert says Hit or Maybe."""
        return np.asarray(self.y != Label.MISS)

    @cached_property
    def members(self) -> dict[str, NDArray[np.bool_]]:
        """(n,) for each of :data:`CLASSES`, which frames the expert puts there."""
        return {
            "hit_or_maybe": self.positive,
            "hit": self.y == Label.HIT,
            "maybe": self.y == Label.MAYBE,
            "miss": ~self.positive,
        }

    @cached_property
    def kept(self) -> NDArray[np.bool_]:
        """(n,) whether the model keeps the frame at this operating point."""
        return np.asarray(self.scores >= self.threshold)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """(n,) whether the model and the expert agree."""
        return np.asarray(self.kept == self.positive)

    @cached_property
    def recall(self) -> dict[str, Rate]:
        """Share of each class on its right side: Hit-or-Maybe, Hit and Maybe kept, Miss discarded (paper, 3.2)."""
        return {name: wilson(int(self.correct[of].sum()), int(of.sum())) for name, of in self.members.items()}

    @cached_property
    def precision(self) -> Rate:
        """Share of the kept frames that the expert calls Hit or Maybe."""
        return wilson(int(self.positive[self.kept].sum()), int(self.kept.sum()))

    @cached_property
    def kept_share(self) -> Rate:
        """Share of all frames that are kept."""
        return wilson(int(self.kept.sum()), len(self))

    @cached_property
    def balanced_accuracy(self) -> Interval:
        """Mean of the recalls of Hit-or-Maybe and of Miss."""
        return balanced(self.recall["hit_or_maybe"], self.recall["miss"])

    @cached_property
    def auc(self) -> Interval:
        """Chance that a Hit-or-Maybe outscores a Miss: the ranking, whatever the operating point."""
        return area_under_curve(self.scores, self.positive)

    @cached_property
    def confusion(self) -> NDArray[np.int64]:
        """(3, 2) frames by label (Miss, Maybe, Hit) and by outcome (discarded, kept)."""
        return np.array(
            [[int((self.kept[self.y == label] == side).sum()) for side in (False, True)] for label in Label]
        )

    def at_threshold(self, threshold: float) -> Evaluation:
        """Return the same scores at another operating point.

        Parameters
        ----------
        threshold
            Frames with at least this score are kept.
        """
        return replace(self, threshold=float(threshold))

    def where(self, label: Label | int, kept: bool) -> NDArray[np.intp]:
        """Return the positions of one confusion cell, the most surprising frames first.

        Parameters
        ----------
        label
            The expert's label.
        kept
            The model's side.
        """
        members = np.flatnonzero((self.y == label) & (self.kept == kept))
        surprise = self.scores[members] if label != Label.MISS else -self.scores[members]
        return members[np.argsort(surprise, kind="stable")]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready: what ``sfx-label evaluate --json`` writes."""
        return {
            "method": self.method,
            "run": self.run,
            "seed": self.seed,
            "n": len(self),
            "recall": {name: rate.to_dict() for name, rate in self.recall.items()},
            "precision": self.precision.to_dict(),
            "balanced_accuracy": self.balanced_accuracy.to_dict(),
            "auc": self.auc.to_dict(),
            "kept": self.kept_share.to_dict(),
            "confusion": self.confusion.tolist(),
            "label_budget": self.label_budget,
            "label_budget_parts": self.budget.to_dict(),
            "threshold": float(self.threshold),
            "excluded": self.excluded,
            "unusable": self.unusable,
        }

    def grid(self) -> Grid:
        """Return the figures as a table of text, in percent."""
        rates = {**{_TITLES[name]: self.recall[name] for name in CLASSES}, "precision": self.precision}
        rows = [(name, rate.percent(), str(rate.n)) for name, rate in rates.items()]
        rows += [("balanced accuracy", self.balanced_accuracy.percent(), ""), ("AUC", self.auc.percent(), "")]
        title = " on ".join(part for part in (self.method, self.run) if part)
        left_out = f"left out: {self.excluded} seen in training, {self.unusable} unusable"
        return Grid(
            title=title,
            columns=((("figure",), ("% (95 % interval)",), ("n",))),
            rows=tuple(tuple((text,) for text in row) for row in rows),
            notes=(f"threshold {self.threshold:.4g}, label budget {self.budget}, {left_out}",),
        )

    def __str__(self) -> str:
        return self.grid().to_text()

    def _repr_html_(self) -> str:
        return self.grid().to_html()


def evaluate_scores(
    y: ArrayLike,
    scores: ArrayLike,
    threshold: float,
    *,
    keys: Sequence[FrameKey] = (),
    budget: LabelBudget | None = None,
    excluded: int = 0,
    method: str = "",
    run: str = "",
    seed: int | None = None,
) -> Evaluation:
    """Hold scores against labels.

    Parameters
    ----------
    y
        (n,) labels; unlabelled frames are left out.
    scores
        (n,) larger means more likely Hit or Maybe; a probability, or any number such as a spot count. Frames whose
        score is NaN are left out and counted as unusable.
    threshold
        Operating point: kept where the score is at least this.
    keys
        The frames, if known: they let two methods be compared frame by frame.
    budget, excluded, method, run, seed
        As in :class:`Evaluation`.

    Raises
    ------
    AnnotationFormatError
        If labels, scores and keys differ in length, or no labelled frame with a score is left.
    """
    labels, values = np.asarray(y, dtype=np.int8), np.asarray(scores, dtype=np.float64)
    if labels.ndim != 1 or labels.shape != values.shape or (len(keys) not in (0, len(labels))):
        raise AnnotationFormatError(
            f"Labels, scores and keys must be of one length; received {labels.shape}, {values.shape} and {len(keys)}. "
            "Score the very frames that the labels belong to."
        )
    labelled = labels != UNLABELLED
    usable = labelled & ~np.isnan(values)
    if not usable.any():
        raise AnnotationFormatError(
            f"No frame to test on: of {len(labels)} frames {int(labelled.sum())} are labelled and none of those has a "
            "score. Label some frames that the model has not seen."
        )
    return Evaluation(
        y=labels[usable],
        scores=values[usable],
        threshold=float(threshold),
        keys=tuple(key for key, use in zip(keys, usable, strict=True) if use) if len(keys) else (),
        budget=budget or LabelBudget(),
        excluded=excluded,
        unusable=int((labelled & ~usable).sum()),
        method=method,
        run=run,
        seed=seed,
    )
