"""Domain-adversarial training (paper, section 2.3.3): labels from one run, none from the other."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError
from sfx_label.models.adaptation import ADAPTATION_OPTIONS, TARGET_NEEDED, DomainFeatures, train_adapted
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.method import Job, Method
from sfx_label.models.networks import Network

if TYPE_CHECKING:
    from sfx_label.models.dann import DomainClassifier

__all__ = ["METHOD"]

ONE_SIDED = 0.02  # below this share, or above 1 minus it, the classifier names one domain only

logger = logging.getLogger(__name__)


class Adversary:
    """A domain classifier behind a gradient reversal.

    Parameters
    ----------
    classifier
        The domain classifier.
    strength
        Fixed lambda, or None for the schedule.
    """

    def __init__(self, classifier: DomainClassifier, strength: float | None) -> None:
        self.classifier, self.strength = classifier, strength
        self.current = 0.0
        self.epoch = 0
        self.one_sided = False
        self.alarms: list[str] = []

    def trainable_variables(self) -> list[Any]:
        """Return the variables of the domain classifier."""
        return list(self.classifier.model.trainable_variables)

    def begin_step(self, share: float) -> None:
        """Set lambda."""
        from sfx_label.models.dann import reversal_strength

        self.current = reversal_strength(share) if self.strength is None else self.strength
        self.classifier.set_strength(self.current)

    def losses(self, features: Any, logits: Any, n_source: int) -> dict[str, Any]:
        """Return the domain loss, reversed for the base, and the domain accuracy."""
        import tensorflow as tf

        domains = tf.concat([tf.zeros(n_source, tf.int32), tf.ones(tf.shape(features)[0] - n_source, tf.int32)], axis=0)
        named = self.classifier(features)
        loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels=domains, logits=named))
        right = tf.cast(tf.argmax(named, axis=1, output_type=tf.int32) == domains, tf.float32)
        return {"alignment": loss, "domain_loss": loss, "domain_accuracy": tf.reduce_mean(right)}

    def validate(self, features: Callable[[], DomainFeatures]) -> dict[str, float]:
        """Return loss and accuracy of the domains, lambda, and 1 where the classifier names one domain only."""
        both = features()
        logits = np.asarray(self.classifier(np.concatenate(both)), dtype=np.float64)
        domains = np.repeat([0, 1], [len(both.source), len(both.target)])
        entropy = np.logaddexp.reduce(logits, axis=1) - logits[np.arange(len(domains)), domains]
        named = np.argmax(logits, axis=1)
        return {
            "val_domain_loss": float(entropy.mean()),
            "val_domain_accuracy": float(np.mean(named == domains)),
            "domain_alarm": float(self._alarm(float(np.mean(named)))),
            "lambda": self.current,
        }

    def facts(self) -> dict[str, Any]:
        """Return the alarms, and the loss at which the domains cannot be told apart."""
        from sfx_label.models.dann import CHANCE_LOSS

        return {"alarms": self.alarms, "domain_loss_at_chance": CHANCE_LOSS}

    def get_state(self) -> dict[str, NDArray[Any]]:
        """Return the weights of the domain classifier."""
        return {f"domain/{n}": np.array(value) for n, value in enumerate(self.classifier.model.get_weights())}

    def set_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Set the weights of the domain classifier."""
        self.classifier.model.set_weights([state[f"domain/{n}"] for n in range(len(state))])

    def _alarm(self, share_target: float) -> bool:
        """Raise the alarm in the second epoch in a row: an untrained classifier is one-sided by chance."""
        self.epoch += 1
        before, self.one_sided = self.one_sided, not ONE_SIDED <= share_target <= 1 - ONE_SIDED
        if not (before and self.one_sided):
            return False
        domain = "target" if share_target > 0.5 else "source"
        text = f"epoch {self.epoch}: the domain classifier calls every frame {domain}; it teaches the base nothing"
        self.alarms.append(text)
        logger.warning(text)
        return True


def fit(job: Job) -> ModelBundle:
    """Train base, label classifier and domain classifier together, from scratch."""
    strength = job.options["reversal"]
    if strength is not None and not (isinstance(strength, int | float) and strength >= 0):
        raise TrainingError(
            f"reversal is None for the schedule, or a fixed lambda of at least 0. Received {strength!r}."
        )

    def adversary(network: Network, job: Job) -> Adversary:
        from sfx_label.models.dann import DomainClassifier

        return Adversary(DomainClassifier(network.plan.n_features, job.options["domain_width"], job.seed), strength)

    return train_adapted(METHOD.name, job, adversary)


METHOD = Method(
    name="dann",
    summary="domain-adversarial network: labels of a source run, none of the target",
    fit=fit,
    options={**ADAPTATION_OPTIONS, "reversal": None, "domain_width": 64},
    takes=("lcn", "rwd"),
    needs={"target": TARGET_NEEDED},
)
