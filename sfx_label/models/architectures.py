"""The networks and formulas that a bundle may name: our own list, looked up by id, so a file can bring no code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol

from numpy.typing import NDArray

from sfx_label.errors import BundleError

__all__ = ["MAX_PARAMETERS", "Architecture", "Predictor", "Weights", "find_architecture"]

Weights = Mapping[str, NDArray[Any]]

MAX_PARAMETERS = 64_000_000  # 256 MB in float32; the largest network of ours has 2 million

# id -> the room whose ARCHITECTURES holds it. Rooms are imported on demand; none imports TensorFlow by itself.
_ROOMS = {
    "logistic": "sfx_label.models.logistic",
    "conv": "sfx_label.models.networks",
}


class Predictor(Protocol):
    """A loaded model, ready to be called in fixed batches."""

    @property
    def batch_size(self) -> int:
        """Number of frames that one call takes at best speed."""

    def probability(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return the probability of Hit-or-Maybe, float64, shape ``(n,)``, of finite inputs ``(n, ...)``."""

    def features(self, X: NDArray[Any]) -> NDArray[Any]:
        """Return what the last stage decides on, float32, shape ``(n, d)``."""


@dataclass(frozen=True)
class Architecture:
    """One entry of the list.

    Parameters
    ----------
    id
        Name under which bundles ask for it.
    needs_tensorflow
        Whether a prediction imports TensorFlow.
    check
        Takes an untrusted configuration, returns the complete one; raises BundleError.
    input_shape
        Shape of one input, from the checked configuration.
    weight_shapes
        Name and shape of every weight, from the checked configuration.
    weight_dtype
        Number type of the weights.
    predictor
        Makes a `Predictor` from configuration, weights and device.
    """

    id: str
    needs_tensorflow: bool
    check: Callable[[Mapping[str, Any]], dict[str, Any]]
    input_shape: Callable[[Mapping[str, Any]], tuple[int, ...]]
    weight_shapes: Callable[[Mapping[str, Any]], dict[str, tuple[int, ...]]]
    weight_dtype: str
    predictor: Callable[[Mapping[str, Any], Weights, str], Predictor]


def find_architecture(name: str) -> Architecture:
    """Return an architecture by id.

    Raises
    ------
    BundleError
        If the id is not in the list.
    """
    if name not in _ROOMS:
        raise BundleError(
            f"This version of sfx-label knows the architectures {', '.join(sorted(_ROOMS))}. Received {name!r};"
            " the bundle is damaged or was written by a newer version: update sfx-label, or train again."
        )
    found: Architecture = import_module(_ROOMS[name]).ARCHITECTURES[name]
    return found
