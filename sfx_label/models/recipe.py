"""Which preprocessing a method wants when nobody says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from sfx_label.errors import TrainingError
from sfx_label.models.training import METHODS
from sfx_label.preprocess.contrast import Preprocessing

if TYPE_CHECKING:
    from sfx_label.models.bundle import ModelBundle

__all__ = ["Preset", "preprocessing_for"]

Preset = Literal["default", "paper"]


def preprocessing_for(
    method: str, preset: Preset = "default", *, base: ModelBundle | None = None, **changes: Any
) -> Preprocessing:
    """Return the preprocessing that a method learns from.

    Parameters
    ----------
    method
        Name in ``METHODS``.
    preset
        ``"default"`` is what measured best; ``"paper"`` is the paper's own (section 3.1.1).
    base
        A model to start from; its preprocessing is taken as it is, since its features mean nothing on other input.
    changes
        Fields of `Preprocessing` to replace, such as ``window=9``.

    Raises
    ------
    TrainingError
        If there is no such method.
    """
    if method not in METHODS:
        raise TrainingError(f"Methods are {', '.join(METHODS)}. Received {method!r}.")
    if base is not None:
        return base.preprocessing
    make = Preprocessing.paper if preset == "paper" else Preprocessing.default
    return replace(make(METHODS[method].takes[0]), **changes)
