"""Logistic regression on a few features, in numpy alone: what spot counts and hybrid features are judged with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import BundleError
from sfx_label.models.architectures import Architecture, Weights

__all__ = ["ARCHITECTURES", "TRANSFORMS", "sigmoid"]

MAX_INPUTS = 100_000

TRANSFORMS: dict[str, Callable[[NDArray[Any]], NDArray[Any]]] = {
    "none": lambda values: values,
    "log1p": lambda values: np.log1p(np.maximum(values, 0)),
    "asinh": np.arcsinh,
}


def sigmoid(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Return ``1 / (1 + exp(-logits))`` without overflow."""
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * np.asarray(logits, dtype=np.float64))))


class LogisticPredictor:
    """``P = sigmoid(((t(x) - mean) / scale) . coefficients + intercept)`` over chosen columns of the input.

    Parameters
    ----------
    config
        Checked configuration: ``inputs``, ``columns``, ``transform``.
    weights
        ``mean``, ``scale``, ``coefficients`` of one length and the scalar ``intercept``.
    """

    batch_size = 256

    def __init__(self, config: Mapping[str, Any], weights: Weights) -> None:
        self._columns = np.asarray(config["columns"], dtype=np.intp)
        self._transform = TRANSFORMS[config["transform"]]
        self._weights = weights

    def features(self, X: NDArray[Any]) -> NDArray[np.float32]:
        """Return the standardised columns, float32, shape ``(n, columns)``."""
        return self._standardised(X).astype(np.float32)

    def probability(self, X: NDArray[Any]) -> NDArray[np.float64]:
        """Return the probability of Hit-or-Maybe, shape ``(n,)``."""
        # a sum over the last axis, not a matrix product: BLAS may round differently with the number of rows
        terms = self._standardised(X) * self._weights["coefficients"]
        return sigmoid(terms.sum(axis=1) + float(self._weights["intercept"]))

    def _standardised(self, X: NDArray[Any]) -> NDArray[np.float64]:
        values = self._transform(np.asarray(X, dtype=np.float64)[:, self._columns])
        return np.asarray((values - self._weights["mean"]) / self._weights["scale"])


def _check(config: Mapping[str, Any]) -> dict[str, Any]:
    inputs, transform = config.get("inputs"), config.get("transform", "none")
    if not isinstance(inputs, int) or not 1 <= inputs <= MAX_INPUTS:
        raise BundleError(f"'inputs' of a logistic model is a number from 1 to {MAX_INPUTS}. Received {inputs!r}.")
    if not isinstance(transform, str) or transform not in TRANSFORMS:
        raise BundleError(f"'transform' is one of {', '.join(TRANSFORMS)}. Received {transform!r}.")
    columns = config.get("columns", list(range(inputs)))
    if not isinstance(columns, list | tuple) or not 1 <= len(columns) <= inputs:
        raise BundleError(f"'columns' is a list of 1 to {inputs} column numbers. Received {columns!r}.")
    if not all(isinstance(column, int) and 0 <= column < inputs for column in columns):
        raise BundleError(f"Column numbers lie between 0 and {inputs - 1}. Received {list(columns)[:10]!r}.")
    unknown = set(config) - {"inputs", "transform", "columns"}
    if unknown:
        raise BundleError(f"A logistic model has inputs, transform and columns. Received also {sorted(unknown)}.")
    return {"inputs": inputs, "transform": transform, "columns": [int(column) for column in columns]}


def _weight_shapes(config: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    n = (len(config["columns"]),)
    return {"mean": n, "scale": n, "coefficients": n, "intercept": ()}


ARCHITECTURES = {
    "logistic": Architecture(
        id="logistic",
        needs_tensorflow=False,
        check=_check,
        input_shape=lambda config: (int(config["inputs"]),),
        weight_shapes=_weight_shapes,
        weight_dtype="float64",
        predictor=lambda config, weights, device: LogisticPredictor(config, weights),
    )
}
