"""What the study consists of: recipes of models, sets of test frames, and cells that bring the two together.

A cell is one number of one table for one seed. It is named by everything that went into it, so a finished one is found
again and never done twice, whichever table asks for it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

__all__ = ["Cell", "Order", "Recipe", "Sizes", "TestFrames"]

Order = Literal["file", "random"]


@dataclass(frozen=True)
class Sizes:
    """How many frames train and validate, of the first frames of a run; the rest tests (paper, sections 3.3 and 3.4).

    Parameters
    ----------
    full
        (training, validation) of a fully supervised model.
    few
        The same of a weakly supervised one.
    frames
        Frames of each run that take part; all if ``None``.
    """

    full: tuple[int, int] = (1200, 400)
    few: tuple[int, int] = (200, 200)
    frames: int | None = None

    @classmethod
    def small(cls) -> Sizes:
        """Return sizes for half an hour on two cores: 400 frames a run, the paper's shares where they leave enough."""
        return cls(full=(240, 80), few=(60, 40), frames=400)


@dataclass(frozen=True)
class Recipe:
    """How a model is made.

    Parameters
    ----------
    method
        Name of the training method.
    run
        Run that the labels are of: the source, for domain adaptation.
    train, validation
        Numbers of labels.
    seed
        Of the training, and of the split where frames are drawn at random.
    order
        ``"file"``: the first frames of the run, as in the paper. ``"random"``: drawn by the seed.
    base
        Recipe of the model whose convolutional base is taken over.
    target
        Run whose frames, without labels, the model adapts to.
    options
        Settings of the method that differ from its defaults, sorted by name.
    preset
        Preprocessing: the paper's, or the default of sfx-label.
    """

    method: str
    run: str
    train: int
    validation: int
    seed: int = 0
    order: Order = "file"
    base: Recipe | None = None
    target: str | None = None
    options: tuple[tuple[str, Any], ...] = ()
    preset: Literal["paper", "default"] = "paper"

    @property
    def runs(self) -> tuple[str, ...]:
        """Every run that goes into the model."""
        base = self.base.runs if self.base else ()
        return tuple(dict.fromkeys((self.run, *base, *((self.target,) if self.target else ()))))

    @property
    def title(self) -> str:
        """The model in a few words, for progress lines."""
        origin = f"{self.base.run} -> {self.run}" if self.base else self.run
        way = f"{self.run} -> {self.target}" if self.target else origin
        return f"{self.method} {way} {self.train} + {self.validation} seed {self.seed}"

    def to_dict(self) -> dict[str, Any]:
        """Return the recipe, JSON-ready."""
        return {**asdict(self), "base": self.base.to_dict() if self.base else None, "options": dict(self.options)}


@dataclass(frozen=True)
class TestFrames:
    """Which frames a model is tested on.

    Parameters
    ----------
    run
        Name of the run.
    first
        Frames from this position on, in the order of the split; 0 takes the whole run.
    """

    __test__ = False  # its name is not a test's

    run: str
    first: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the choice, JSON-ready."""
        return {"run": self.run, "first": self.first}


@dataclass(frozen=True)
class Cell:
    """One model on one set of test frames."""

    recipe: Recipe
    test: TestFrames

    @property
    def title(self) -> str:
        """The cell in a few words, for progress lines."""
        return f"{self.recipe.title}, tested on {self.test.run}"

    def digest(self, identities: Mapping[str, str]) -> str:
        """Return a name that changes with anything that could change the result.

        Parameters
        ----------
        identities
            For each run a text that changes with its frames or its labels.
        """
        content = {"recipe": self.recipe.to_dict(), "test": self.test.to_dict()}
        return recipe_digest(content, (*self.recipe.runs, self.test.run), identities)


def recipe_digest(content: Any, runs: tuple[str, ...], identities: Mapping[str, str]) -> str:
    """Return sixteen hexadecimal digits of a JSON-ready content and of the runs behind it.

    Parameters
    ----------
    content
        Anything JSON can hold.
    runs
        Names of the runs that matter.
    identities
        Their identities.
    """
    text = json.dumps([content, {run: identities[run] for run in sorted(set(runs))}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
