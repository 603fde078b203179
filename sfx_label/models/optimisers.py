"""Optimisers and learning-rate schedules by name."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from sfx_label.errors import TrainingError

__all__ = ["SCHEDULES", "make_optimiser"]

SCHEDULES: Mapping[str, Callable[[float], float]] = {
    "constant": lambda share: 1.0,
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)) * 0.99 + 0.01,
    "exponential": lambda share: 10.0 ** (-3 * share),  # a thousandth at the end, as Ke et al. (2018)
}


def make_optimiser(options: Mapping[str, Any]) -> Any:
    """Return the Keras optimiser that the options name; with loss scaling where they ask for float16.

    Raises
    ------
    TrainingError
        If the name is unknown.
    """
    import keras

    rate, decay = options["learning_rate"], options["weight_decay"]
    made = {
        "adam": lambda: keras.optimizers.Adam(rate),
        "adamw": lambda: keras.optimizers.AdamW(rate, weight_decay=decay),
        "sgd": lambda: keras.optimizers.SGD(rate, momentum=0.9, weight_decay=decay or None),
    }
    if options["optimizer"] not in made:
        raise TrainingError(f"optimizer is one of {', '.join(made)}. Received {options['optimizer']!r}.")
    optimizer = made[options["optimizer"]]()
    # float16 gradients of small losses would vanish; bfloat16 has the range of float32
    return keras.optimizers.LossScaleOptimizer(optimizer) if options["precision"] == "mixed_float16" else optimizer
