"""How long the rest of a study takes: guessed from the kind of model, set right by every cell that is finished."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sfx_label.results.study.recipes import Cell, Recipe

__all__ = ["Forecast", "duration"]

WEIGHTS = {"spot-count": 0.02, "rwd": 0.2, "transfer": 2.0, "cnn": 1.0, "dann": 2.5, "mcc": 2.5}
"""Training time per label relative to the 2D CNN; only the order matters, the scale is learnt from finished cells."""
TESTING = 100.0  # a test costs about as much as training on so many labels


class Forecast:
    """Time left, from the cells that were done so far.

    Parameters
    ----------
    cells
        Those still to do, in order.
    clock
        Seconds since some start.
    """

    def __init__(self, cells: Sequence[Cell], clock: Callable[[], float] = time.monotonic) -> None:
        self._weights = [weight for _, weight in _weights(cells)]
        self._clock = clock
        self._started = clock()
        self._done = 0

    def step(self) -> None:
        """Note that one more cell is finished."""
        self._done += 1

    @property
    def seconds_left(self) -> float | None:
        """Seconds to go; ``None`` before the first cell is finished."""
        done = sum(self._weights[: self._done])
        if not done:
            return None
        return (self._clock() - self._started) / done * sum(self._weights[self._done :])


def _weights(cells: Sequence[Cell]) -> list[tuple[Cell, float]]:
    """Weigh each cell; a model that an earlier cell makes costs nothing again."""
    made: set[Recipe] = set()
    weighed = []
    for cell in cells:
        weight = TESTING * WEIGHTS.get(cell.recipe.method, 1.0)
        for recipe in (cell.recipe, cell.recipe.base):
            if recipe is not None and recipe not in made:
                made.add(recipe)
                weight += recipe.train * WEIGHTS.get(recipe.method, 1.0)
        weighed.append((cell, weight))
    return weighed


def duration(seconds: float | None) -> str:
    """Return a time for people: ``"45 s"``, ``"12 min"``, ``"3 h 05 min"``.

    Parameters
    ----------
    seconds
        ``None`` for unknown.
    """
    if seconds is None:
        return "unknown"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"
