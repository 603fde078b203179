"""The training loop: the same weights for the same seed, stop, resume, early stopping, errors in plain words."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from sfx_label.errors import TrainingError
from sfx_label.models.batches import Inputs, balanced_order, choose_augmentations
from sfx_label.models.training import train

QUICK = {"epochs": 4, "batch_size": 16, "device": "cpu"}


def assert_same_weights(first, second) -> None:
    assert set(first.weights) == set(second.weights)
    for name, value in first.weights.items():
        np.testing.assert_array_equal(value, second.weights[name], err_msg=name)


def test_rwd_learns(vectors) -> None:
    data, test = vectors(120), vectors(60, seed=1, fingerprint="b" * 16)
    parts = data.split(train=80, validation=40, seed=0)
    bundle = train("rwd", parts.train, parts.validation, epochs=30)
    labels = bundle.predict_labels(test)
    assert np.mean(labels[test.positive] == 1) > 0.8
    assert np.mean(labels[~test.positive] == 0) > 0.8
    provenance = bundle.provenance
    assert provenance["label_budget"] == {"train": 80, "validation": 40, "total": 120}
    assert provenance["operating_point"]["rule"] == "best balanced accuracy on validation"
    assert provenance["device"] in ("cpu", "gpu:0")
    assert bundle.seen_keys == set(parts.train.keys) | set(parts.validation.keys)
    assert bundle.history[-1]["val_loss"] < bundle.history[0]["val_loss"]


def test_same_seed_same_weights_on_cpu(vectors) -> None:
    parts = vectors(60).split(train=40, validation=20)
    first = train("rwd", parts.train, parts.validation, seed=5, **QUICK)
    assert_same_weights(first, train("rwd", parts.train, parts.validation, seed=5, **QUICK))
    other = train("rwd", parts.train, parts.validation, seed=6, **QUICK)
    assert not np.array_equal(first.weights["output/kernel"], other.weights["output/kernel"])


def test_same_seed_same_weights_for_pictures(pictures) -> None:
    parts = pictures(40).split(train=24, validation=16)
    options = {"architecture": "ke", "seed": 1, **QUICK}
    assert_same_weights(
        train("cnn", parts.train, parts.validation, **options), train("cnn", parts.train, parts.validation, **options)
    )


class StopAfter:
    """A stop flag that is raised after so many looks, one look a batch."""

    def __init__(self, looks: int) -> None:
        self.looks = looks

    def is_set(self) -> bool:
        self.looks -= 1
        return self.looks < 0


@pytest.mark.parametrize("optimizer", ["adam", pytest.param("sgd", marks=pytest.mark.slow)])
def test_resumed_training_gives_the_weights_of_an_uninterrupted_one(vectors, tmp_path, optimizer) -> None:
    parts = vectors(60).split(train=40, validation=20)
    options = {**QUICK, "epochs": 6, "seed": 2, "optimizer": optimizer, "augment": True}
    whole = train("rwd", parts.train, parts.validation, **options)
    # 3 batches an epoch: stopped in the middle of the fourth epoch
    half = train("rwd", parts.train, parts.validation, stop=StopAfter(10), checkpoint=tmp_path, **options)
    assert half.provenance["ended"] == "stopped"
    assert len(half.history) == 3
    seen: list[int] = []
    resumed = train(
        "rwd",
        parts.train,
        parts.validation,
        checkpoint=tmp_path,
        resume=True,
        on_epoch=lambda e, logs: seen.append(e),
        **options,
    )
    assert seen == [4, 5, 6]
    assert_same_weights(resumed, whole)
    assert resumed.history == whole.history
    assert resumed.threshold == whole.threshold


def test_resume_refuses_another_training_and_says_what_differs(vectors, tmp_path) -> None:
    parts = vectors(60).split(train=40, validation=20)
    train("rwd", parts.train, parts.validation, checkpoint=tmp_path, **QUICK)
    with pytest.raises(TrainingError, match="option learning_rate, seed differ"):
        train(
            "rwd", parts.train, parts.validation, checkpoint=tmp_path, resume=True, seed=9, learning_rate=0.5, **QUICK
        )
    with pytest.raises(TrainingError, match="training data differ"):
        train(
            "rwd",
            parts.test.join(parts.train[:30]) if len(parts.test) else parts.train[:30],
            parts.validation,
            checkpoint=tmp_path,
            resume=True,
            **QUICK,
        )
    (tmp_path / "training.safetensors").write_bytes(b"rubbish")
    with pytest.raises(TrainingError, match="damaged"):
        train("rwd", parts.train, parts.validation, checkpoint=tmp_path, resume=True, **QUICK)


def test_stop_before_the_first_epoch_is_an_error(vectors) -> None:
    flag = threading.Event()
    flag.set()
    with pytest.raises(TrainingError, match="before its first epoch"):
        train("rwd", vectors(40), stop=flag, **QUICK)


def test_stop_ends_within_one_batch(vectors) -> None:
    parts = vectors(60).split(train=40, validation=20)
    flag = StopAfter(4)
    bundle = train("rwd", parts.train, parts.validation, stop=flag, **QUICK)
    assert len(bundle.history) == 1
    assert flag.looks == -1


def test_early_stopping_keeps_the_best_epoch(vectors) -> None:
    parts = vectors(80).split(train=40, validation=40)
    bundle = train(
        "rwd", parts.train, parts.validation, epochs=200, learning_rate=0.01, patience=3, schedule="constant"
    )
    losses = [logs["val_loss"] for logs in bundle.history]
    assert bundle.provenance["ended"] == "early stopping"
    assert len(losses) == int(np.argmin(losses)) + 1 + 3
    assert bundle.provenance["best_epoch"] == int(np.argmin(losses)) + 1


def test_loss_that_is_no_number_stops_with_advice(vectors) -> None:
    with pytest.raises(TrainingError, match=r"loss is nan in epoch 1, batch 2: .*Lower learning_rate \(now inf\)"):
        train("rwd", vectors(40), learning_rate=float("inf"), schedule="constant", optimizer="sgd", **QUICK)


def test_inputs_that_are_no_numbers_are_refused(vectors) -> None:
    """A ReLU turns NaN into 0, so the loss alone would not tell."""
    data = vectors(40)
    data.X[3, 5] = np.nan
    with pytest.raises(TrainingError, match=r"1 frames of 'toy' hold NaN"):
        train("rwd", data, **QUICK)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"epocs": 3}, "no option 'epocs'"),
        ({"schedule": "up"}, "schedule is one of"),
        ({"optimizer": "magic"}, "optimizer is one of"),
        ({"precision": "int4"}, "precision is"),
        ({"augment": ("mirror",)}, "flip, roll"),
        ({"resume": True}, "needs checkpoint"),
        ({"epochs": 0}, "epochs is a whole number"),
        ({"device": "gpu:7"}, "Devices here are"),
        ({"outputs": 5}, "2 or 3 outputs"),
    ],
)
def test_wrong_options_are_named(vectors, options, match) -> None:
    with pytest.raises((TrainingError, ValueError), match=match):
        train("rwd", vectors(40), **options)


def test_too_few_labels_of_a_class(vectors) -> None:
    data = vectors(40)
    few = data[np.concatenate([np.flatnonzero(~data.positive), np.flatnonzero(data.positive)[:1]])]
    with pytest.raises(TrainingError, match="1 Hit-or-Maybe frames among"):
        train("rwd", few)


def test_wrong_preprocessing_says_which_to_use(vectors, pictures) -> None:
    with pytest.raises(TrainingError, match=r"Preprocessing.rwd\(\). Received 'lcn'"):
        train("rwd", pictures(20))
    with pytest.raises(TrainingError, match=r"Preprocessing.lcn\(\). Received 'rwd'"):
        train("cnn", vectors(20))


def test_hooks_hear_every_epoch(vectors) -> None:
    epochs, steps = [], []
    train(
        "rwd",
        vectors(40),
        on_epoch=lambda e, logs: epochs.append((e, set(logs))),
        progress=lambda *s: steps.append(s),
        **QUICK,
    )
    assert [epoch for epoch, _ in epochs] == [1, 2, 3, 4]
    assert {"loss", "accuracy", "learning_rate"} <= epochs[0][1]
    assert steps == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_without_validation_the_last_weights_and_one_half_are_taken(vectors) -> None:
    bundle = train("rwd", vectors(40), **QUICK)
    assert bundle.threshold == 0.5
    assert bundle.provenance["best_epoch"] == 4
    assert "val_loss" not in bundle.history[0]


def test_target_recall_moves_the_operating_point(vectors) -> None:
    parts = vectors(80).split(train=40, validation=40)
    low = train("rwd", parts.train, parts.validation, target_recall=1.0, **QUICK)
    assert low.provenance["operating_point"]["recall_hit_or_maybe"] == 1.0
    assert (low.predict(parts.validation)[parts.validation.positive] >= low.threshold).all()


def test_three_outputs(vectors) -> None:
    parts = vectors(80).split(train=50, validation=30)
    bundle = train("rwd", parts.train, parts.validation, outputs=3, **QUICK)
    assert bundle.weights["output/bias"].shape == (3,)
    assert ((bundle.predict(parts.validation) >= 0) & (bundle.predict(parts.validation) <= 1)).all()


def test_batches_are_balanced_and_use_every_frame() -> None:
    classes = np.array([0] * 90 + [1] * 10)
    order = balanced_order(classes, 180, np.random.default_rng(0))
    for start in range(0, 180, 20):
        assert classes[order[start : start + 20]].sum() == 10
    assert set(order) == set(range(100))


def test_augmentation_keeps_the_values_of_each_frame() -> None:
    rng = np.random.default_rng(0)
    for X in (rng.normal(size=(6, 9)), rng.normal(size=(6, 8, 8)), rng.normal(size=(6, 8, 4))):
        inputs = Inputs(X.astype(np.float16), (), choose_augmentations(True, X.ndim - 1))
        plain = inputs.rows(np.arange(6))
        changed = inputs.rows(np.arange(6), np.random.default_rng(1))
        assert changed.shape == plain.shape
        assert not np.array_equal(changed, plain)
        np.testing.assert_array_equal(np.sort(changed.reshape(6, -1)), np.sort(plain.reshape(6, -1)))


def test_random_crops_in_training_and_the_central_one_in_prediction() -> None:
    X = np.arange(100, dtype=np.float32).reshape(1, 10, 10)
    inputs = Inputs(X, ("crop:4",))
    np.testing.assert_array_equal(inputs.rows(np.arange(1)), X[:, 3:7, 3:7])
    corners = {inputs.rows(np.arange(1), np.random.default_rng(seed))[0, 0, 0] for seed in range(40)}
    assert len(corners) > 10


def test_cnn_learns_and_the_input_is_not_the_bottleneck(pictures) -> None:
    data, test = pictures(90), pictures(45, seed=1, fingerprint="b" * 16)
    parts = data.split(train=60, validation=30, seed=0)
    started = time.perf_counter()
    bundle = train(
        "cnn", parts.train, parts.validation, architecture="ke", epochs=25, batch_size=16, learning_rate=3e-3
    )
    assert time.perf_counter() - started < 300
    labels = bundle.predict_labels(test)
    assert np.mean(labels[test.positive] == 1) > 0.75
    assert np.mean(labels[~test.positive] == 0) > 0.75
    assert bundle.provenance["input_share"] < 0.5


@pytest.mark.parametrize("precision", ["mixed_bfloat16", pytest.param("mixed_float16", marks=pytest.mark.slow)])
def test_mixed_precision_gives_nearly_the_same_probabilities(pictures, precision) -> None:
    parts = pictures(40).split(train=24, validation=16)
    exact = train("cnn", parts.train, parts.validation, architecture="ke", **QUICK)
    mixed = train("cnn", parts.train, parts.validation, architecture="ke", precision=precision, **QUICK)
    assert mixed.provenance["options"]["precision"] == precision
    np.testing.assert_allclose(mixed.predict(parts.validation), exact.predict(parts.validation), atol=0.1)
