"""Minimum class confusion (Jin et al. 2020): adaptation without an adversary, so without its oscillations."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from sfx_label.errors import TrainingError
from sfx_label.models.adaptation import ADAPTATION_OPTIONS, TARGET_NEEDED, DomainFeatures, train_adapted
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.method import Job, Method

__all__ = ["METHOD", "class_confusion"]


def class_confusion(logits: Any, temperature: float) -> Any:
    """Return the mean confusion between classes of a batch of unlabelled frames, a scalar tensor in [0, 1].

    Softmax at a temperature; frames weighted by how sure the network is of them, ``1 + exp(-H)``; the class
    correlation ``Y' W Y`` with rows normalised; the mean over classes of what lies off its diagonal (equations 2 to 7
    of Jin et al. 2020).

    Parameters
    ----------
    logits
        ``(n, classes)``.
    temperature
        Flattens overconfident predictions; 2.5 in the publication.
    """
    import tensorflow as tf

    shares = tf.nn.softmax(logits / temperature)
    entropy = -tf.reduce_sum(shares * tf.nn.log_softmax(logits / temperature), axis=1)
    weight = 1.0 + tf.exp(-entropy)
    weight = weight * tf.cast(tf.shape(logits)[0], weight.dtype) / tf.reduce_sum(weight)
    correlation = tf.matmul(shares * weight[:, None], shares, transpose_a=True)
    correlation = correlation / tf.reduce_sum(correlation, axis=1, keepdims=True)
    classes = tf.cast(tf.shape(correlation)[0], correlation.dtype)
    return (tf.reduce_sum(correlation) - tf.linalg.trace(correlation)) / classes


class Confusion:
    """The class confusion of the target as an alignment; it has no weights of its own.

    Parameters
    ----------
    weight
        What it counts against the label loss.
    temperature
        As in `class_confusion`.
    """

    def __init__(self, weight: float, temperature: float) -> None:
        self.weight, self.temperature = weight, temperature

    def trainable_variables(self) -> list[Any]:
        """Return nothing."""
        return []

    def begin_step(self, share: float) -> None:
        """Nothing changes with time."""

    def losses(self, features: Any, logits: Any, n_source: int) -> dict[str, Any]:
        """Return the weighted confusion of the target's half of the batch."""
        confusion = class_confusion(logits[n_source:], self.temperature)
        return {"alignment": self.weight * confusion, "confusion": confusion}

    def validate(self, features: Callable[[], DomainFeatures]) -> dict[str, float]:
        """Return nothing."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Return nothing."""
        return {}

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return nothing."""
        return {}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Nothing to set."""


def fit(job: Job) -> ModelBundle:
    """Train base and classifier on source labels and target confusion."""
    weight, temperature = job.options["weight"], job.options["temperature"]
    if not (weight >= 0 and temperature > 0):
        raise TrainingError(
            f"weight must be >= 0 and temperature > 0. Received weight={weight!r}, temperature={temperature!r}."
        )
    return train_adapted(METHOD.name, job, lambda network, job: Confusion(float(weight), float(temperature)))


METHOD = Method(
    name="mcc",
    summary="minimum class confusion: labels of a source run, none of the target, no adversary",
    fit=fit,
    options={**ADAPTATION_OPTIONS, "weight": 1.0, "temperature": 2.5},
    takes=("lcn", "rwd"),
    needs={"target": TARGET_NEEDED},
)
