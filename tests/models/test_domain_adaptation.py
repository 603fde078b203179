"""Gradient reversal, DANN and MCC: numbers, and labels of the target that nobody reads."""

from __future__ import annotations

import json
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from sfx_label.errors import LeakError, TrainingError
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.dann import CHANCE_LOSS, DomainClassifier, GradientReversal, reversal_strength
from sfx_label.models.methods.mcc import class_confusion
from sfx_label.models.training import train

QUICK = {"epochs": 3, "batch_size": 16, "device": "cpu"}


def test_gradient_against_finite_differences() -> None:
    """Forwards the identity, so the slope of the loss is s; what comes back is -strength * s."""
    strength = 0.7
    layer = GradientReversal(strength)
    x = np.random.default_rng(0).normal(size=(3, 4))
    coefficients = np.random.default_rng(1).normal(size=(3, 4))

    def loss(values: np.ndarray) -> float:
        return float(np.sum(coefficients * np.sin(np.asarray(layer(values.astype(np.float32)), dtype=np.float64))))

    variable = tf.Variable(x, dtype=tf.float32)
    with tf.GradientTape() as tape:
        total = tf.reduce_sum(coefficients.astype(np.float32) * tf.sin(layer(variable)))
    gradient = tape.gradient(total, variable).numpy()
    step = 1e-2
    for index in np.ndindex(3, 4):
        up, down = x.copy(), x.copy()
        up[index] += step
        down[index] -= step
        slope = (loss(up) - loss(down)) / (2 * step)
        assert gradient[index] == pytest.approx(-strength * slope, abs=2e-3)


def test_strength_changes_inside_a_compiled_step() -> None:
    layer = GradientReversal(1.0)
    variable = tf.Variable([2.0])

    @tf.function
    def gradient() -> tf.Tensor:
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(3.0 * layer(variable))
        return tape.gradient(total, variable)

    assert gradient().numpy().tolist() == [-3.0]
    layer.current.assign(0.25)
    assert gradient().numpy().tolist() == [-0.75]
    assert layer.trainable_weights == []


def test_layer_is_saved_and_loaded_without_code(tmp_path) -> None:
    inputs = keras.Input((4,))
    model = keras.Model(inputs, keras.layers.Dense(2)(GradientReversal(0.3)(inputs)))
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras", safe_mode=True)
    x = np.ones((2, 4), np.float32)
    np.testing.assert_array_equal(np.asarray(loaded(x)), np.asarray(model(x)))
    assert loaded.layers[1].get_config()["strength"] == 0.3
    assert GradientReversal.from_config(loaded.layers[1].get_config()).strength == 0.3
    with pytest.raises(ValueError, match="Received: strength=-1"):
        GradientReversal(-1)


def test_schedule_by_hand() -> None:
    assert reversal_strength(0.0) == 0.0
    assert reversal_strength(0.5) == pytest.approx(2 / (1 + math.exp(-5)) - 1)
    assert reversal_strength(1.0) == pytest.approx(0.9999092, abs=1e-6)


class Unreadable:
    """A data set whose labels cannot be touched."""

    def __init__(self, data) -> None:
        self.X, self.keys, self.preprocessing = data.X, data.keys, data.preprocessing
        self.name, self.frame_shape = "target", data.frame_shape

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def y(self):
        raise AssertionError("the labels of the target were read")

    positive = y


@pytest.mark.parametrize("method", ["dann", "mcc"])
def test_labels_of_the_target_are_never_read(vectors, method) -> None:
    parts = vectors(60).split(train=40, validation=20)
    target = vectors(50, seed=1, fingerprint="b" * 16, shift=1.0)
    bundle = train(method, parts.train, parts.validation, target=Unreadable(target), **QUICK)
    assert bundle.provenance["label_budget"]["total"] == 60
    assert bundle.provenance["target"]["labels"] == {"unlabelled": 50}
    assert not bundle.seen_keys & set(target.keys)
    shuffled = type(target)(
        target.X, target.y[::-1].copy(), target.keys, target.preprocessing, "target", target.frame_shape
    )
    again = train(method, parts.train, parts.validation, target=shuffled, **QUICK)
    for name, value in bundle.weights.items():
        np.testing.assert_array_equal(value, again.weights[name], err_msg=name)


def test_dann_is_a_plain_network_once_trained(vectors, tmp_path) -> None:
    parts = vectors(60).split(train=40, validation=20)
    target = vectors(50, seed=1, fingerprint="b" * 16)
    bundle = train("dann", parts.train, parts.validation, target=target, **QUICK)
    loaded = ModelBundle.load(bundle.save(tmp_path / "bundle"))
    np.testing.assert_array_equal(loaded.predict(target), bundle.predict(target))
    assert not any("domain" in name for name in loaded.weights)
    curves = loaded.history[-1]
    assert {"label_loss", "domain_loss", "domain_accuracy", "val_domain_loss", "val_domain_accuracy", "lambda"} <= set(
        curves
    )
    assert loaded.provenance["domain_loss_at_chance"] == CHANCE_LOSS == math.log(2)
    assert curves["loss"] == pytest.approx(curves["label_loss"] + curves["domain_loss"], rel=1e-4)


def test_reversal_makes_the_base_harder_to_tell_apart(vectors) -> None:
    """With the gradient reversed the domain loss stays nearer to ln 2 than with a base that is left alone."""
    parts = vectors(90).split(train=60, validation=30)
    target = vectors(60, seed=1, fingerprint="b" * 16, shift=2.0)
    options = {"target": target, "epochs": 25, "batch_size": 32, "learning_rate": 3e-3, "augment": False}
    alone = train("dann", parts.train, parts.validation, reversal=0.0, **options)
    against = train("dann", parts.train, parts.validation, reversal=1.0, **options)
    losses = [np.mean([logs["domain_loss"] for logs in bundle.history[-8:]]) for bundle in (alone, against)]
    assert losses[0] < 0.25 * CHANCE_LOSS
    assert losses[1] > 2 * losses[0]


def test_alarm_when_the_domain_classifier_names_one_domain() -> None:
    from sfx_label.models.adaptation import DomainFeatures
    from sfx_label.models.methods.dann import Adversary

    classifier = DomainClassifier(3, 4, seed=0)
    classifier.model.layers[-1].bias.assign([50.0, -50.0])
    adversary = Adversary(classifier, None)
    features = DomainFeatures(np.zeros((5, 3), np.float32), np.zeros((5, 3), np.float32))
    assert [adversary.validate(lambda: features)["domain_alarm"] for _ in range(3)] == [0.0, 1.0, 1.0]
    assert "calls every frame source" in adversary.facts()["alarms"][0]
    classifier.model.layers[-1].bias.assign([0.0, 0.0])
    mixed = DomainFeatures(np.ones((5, 3), np.float32), -np.ones((5, 3), np.float32))
    curves = adversary.validate(lambda: mixed)
    logits = np.asarray(classifier(np.concatenate(mixed)), dtype=np.float64)
    right = logits[np.arange(10), [0] * 5 + [1] * 5]
    assert curves["val_domain_loss"] == pytest.approx(np.mean(np.log(np.exp(logits).sum(axis=1)) - right), rel=1e-5)


def test_class_confusion_by_hand() -> None:
    logits = np.array([[2.0, 0.0], [0.0, 1.0], [0.3, 0.1]])
    shares = np.exp(logits / 2.5) / np.exp(logits / 2.5).sum(axis=1, keepdims=True)
    weight = 1 + np.exp(np.sum(shares * np.log(shares), axis=1))
    weight = 3 * weight / weight.sum()
    correlation = sum(w * np.outer(p, p) for w, p in zip(weight, shares, strict=True))
    correlation /= correlation.sum(axis=1, keepdims=True)
    expected = (correlation[0, 1] + correlation[1, 0]) / 2
    assert float(class_confusion(tf.constant(logits, tf.float32), 2.5)) == pytest.approx(expected, rel=1e-5)
    sure = tf.constant([[40.0, -40.0], [-40.0, 40.0]])
    assert float(class_confusion(sure, 2.5)) == pytest.approx(0.0, abs=1e-6)


def test_target_that_does_not_go_with_the_source(vectors, pictures) -> None:
    data = vectors(60)
    with pytest.raises(TrainingError, match=r"needs target="):
        train("dann", data)
    with pytest.raises(LeakError, match="60 frames of the target"):
        train("dann", data, target=data)
    with pytest.raises(TrainingError, match="one Preprocessing"):
        train("mcc", data, target=pictures(20, fingerprint="b" * 16))
    with pytest.raises(TrainingError, match="Received str"):
        train("mcc", data, target="r0095_2000.h5")
    with pytest.raises(TrainingError, match="reversal"):
        train("dann", data, target=vectors(9, fingerprint="b" * 16), reversal=-1)


def test_resumed_dann_gives_the_same_weights(vectors, tmp_path) -> None:
    parts = vectors(60).split(train=40, validation=20)
    options = {"target": vectors(40, seed=1, fingerprint="b" * 16), **QUICK, "epochs": 4}

    class Stop:
        looks = 8

        def is_set(self) -> bool:
            self.looks -= 1
            return self.looks < 0

    whole = train("dann", parts.train, parts.validation, **options)
    train("dann", parts.train, parts.validation, stop=Stop(), checkpoint=tmp_path, **options)
    resumed = train("dann", parts.train, parts.validation, checkpoint=tmp_path, resume=True, **options)
    for name, value in whole.weights.items():
        np.testing.assert_array_equal(value, resumed.weights[name], err_msg=name)
    assert json.dumps(whole.history) == json.dumps(resumed.history)
