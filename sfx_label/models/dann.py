"""Gradient reversal and the domain classifier (paper, section 2.3.3 and Fig. 4; Ganin et al. 2016)."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

__all__ = ["CHANCE_LOSS", "DomainClassifier", "GradientReversal", "reversal_strength"]

CHANCE_LOSS = math.log(2.0)
"""Loss of a domain classifier that cannot tell source from target: where the domain curve should settle."""


@tf.custom_gradient  # type: ignore[misc, unused-ignore]
def reverse_gradient(x: Any, strength: Any) -> Any:
    """Return ``x``; backwards the gradient is multiplied by ``-strength``."""

    def backwards(upstream: Any) -> Any:
        return -tf.cast(strength, upstream.dtype) * upstream, tf.zeros_like(strength)

    return tf.identity(x), backwards


@keras.saving.register_keras_serializable(package="sfx_label")
class GradientReversal(keras.layers.Layer):
    """Identity forwards; backwards the gradient changes its sign and is multiplied by the strength.

    Parameters
    ----------
    strength
        Lambda, at least 0. It is a weight that is not trained, so that a schedule can change it between steps
        without compiling anew.
    """

    def __init__(self, strength: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        if not strength >= 0:
            raise ValueError(f"The strength of a gradient reversal must be at least 0. Received: strength={strength}")
        self.strength = float(strength)
        self.current = self.add_weight(
            name="current",
            shape=(),
            initializer=keras.initializers.Constant(strength),
            trainable=False,
            dtype="float32",
        )

    def call(self, inputs: Any) -> Any:
        """Return the inputs."""
        return reverse_gradient(inputs, tf.convert_to_tensor(self.current))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the shape of the inputs."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor."""
        return {**super().get_config(), "strength": self.strength}


class DomainClassifier:
    """Gradient reversal, one hidden layer, and the logits of source (0) and target (1).

    Parameters
    ----------
    n_features
        Length of the vectors from the convolutional base.
    width
        Of the hidden layer.
    seed
        Of the first weights.
    """

    def __init__(self, n_features: int, width: int, seed: int) -> None:
        self.reversal = GradientReversal(name="reversal")
        inputs = keras.Input((n_features,), dtype="float32")
        x = self.reversal(inputs)
        hidden = keras.layers.Dense(
            width, activation="relu", kernel_initializer=keras.initializers.HeNormal(seed=seed), name="domain_hidden"
        )
        output = keras.layers.Dense(
            2, kernel_initializer=keras.initializers.GlorotNormal(seed=seed + 1), name="domain_output"
        )
        self.model = keras.Model(inputs, output(hidden(x)), name="domain_classifier")

    def __call__(self, features: Any) -> Any:
        """Return logits ``(n, 2)``."""
        return self.model(features)

    def set_strength(self, strength: float) -> None:
        """Set lambda."""
        self.reversal.current.assign(strength)


def reversal_strength(share: float, steepness: float = 10.0) -> float:
    """Return lambda ``= 2 / (1 + exp(-steepness p)) - 1`` for the share ``p`` of training that is done.

    It starts at 0, so that the label classifier finds its way before the adversary is heard (Ganin et al. 2016,
    section 5.2.2).
    """
    return 2.0 / (1.0 + math.exp(-steepness * share)) - 1.0
