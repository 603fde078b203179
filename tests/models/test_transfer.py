"""Transfer learning: what stays frozen stays, what is unfrozen moves, and a base of other inputs is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sfx_label.errors import TrainingError
from sfx_label.models.dataset import Dataset
from sfx_label.models.training import train
from sfx_label.preprocess.contrast import Preprocessing

QUICK = {"epochs": 3, "batch_size": 16, "device": "cpu"}


@pytest.fixture(scope="module")
def base(pictures):
    parts = pictures(60).split(train=40, validation=20)
    return train("cnn", parts.train, parts.validation, architecture="ke", **QUICK)


@pytest.fixture
def target(pictures):
    return pictures(50, seed=7, fingerprint="b" * 16, noise=1.4).split(train=30, validation=20)


def changed(before, after) -> set[str]:
    return {name for name in before.weights if not np.array_equal(before.weights[name], after.weights[name])}


def test_frozen_base_stays_as_it_was(base, target) -> None:
    bundle = train("transfer", target.train, target.validation, base=base, unfreeze=0, **QUICK)
    assert changed(base, bundle) == {"output/kernel", "output/bias"}


@pytest.mark.parametrize("depth", [1, 2])
def test_only_the_top_blocks_move_and_no_statistics(base, target, depth) -> None:
    options = {"base": base, "fine_tune_rate": 1.0, "fine_tune_epochs": 4, "patience": None, "monitor": "none", **QUICK}
    bundle = train("transfer", target.train, target.validation, unfreeze=depth, **options)
    moved = changed(base, bundle)
    blocks = {name.split("/")[0] for name in moved if name.startswith("block")}
    assert blocks == {f"block{number}" for number in range(5 - depth, 5)}
    assert not any("moving" in name for name in moved)
    assert f"block{4}/kernel" in moved
    assert len(bundle.history) == 7


def test_classifier_is_drawn_anew_by_seed(base, target) -> None:
    first, second = (train("transfer", target.train, base=base, unfreeze=0, seed=seed, **QUICK) for seed in (0, 1))
    assert not np.array_equal(first.weights["output/kernel"], second.weights["output/kernel"])


def test_frames_of_the_base_count_as_seen(base, target) -> None:
    bundle = train("transfer", target.train, target.validation, base=base, **QUICK)
    assert base.seen_keys < bundle.seen_keys
    assert set(target.train.keys) < bundle.seen_keys
    assert bundle.provenance["base"]["digest"] == base.digest
    assert bundle.provenance["label_budget"]["total"] == 50


def test_any_network_can_be_a_base(vectors) -> None:
    parts = vectors(60).split(train=40, validation=20)
    base = train("rwd", parts.train, parts.validation, **QUICK)
    other = vectors(50, seed=3, fingerprint="b" * 16).split(train=30, validation=20)
    bundle = train("transfer", other.train, other.validation, base=base, **QUICK)
    assert ((bundle.predict(other.validation) > 0) & (bundle.predict(other.validation) < 1)).all()


def test_other_inputs_are_refused_and_named(base, target, pictures, counts) -> None:
    part = target.train
    other = replace(part, preprocessing=replace(part.preprocessing, window=9, masked=True))
    with pytest.raises(TrainingError, match="window: base 5, data 9; masked: base False, data True"):
        train("transfer", other, base=base, **QUICK)
    smaller = Dataset(part.X[:, :20, :20], part.y, part.keys, part.preprocessing)
    with pytest.raises(TrainingError, match=r"input shape: base \(32, 32\), data \(20, 20\)"):
        train("transfer", smaller, base=base, **QUICK)
    spots = train("spot-count", counts([0, 9], [0, 2]))
    with pytest.raises(TrainingError, match="a 'spot-count' model"):
        train("transfer", part, base=spots, **QUICK)
    with pytest.raises(TrainingError, match=r"needs base="):
        train("transfer", part, **QUICK)
    with pytest.raises(TrainingError, match="unfreeze"):
        train("transfer", part, base=base, unfreeze=9, **QUICK)
    assert Preprocessing.lcn(crop=36) == base.preprocessing


def test_same_seed_same_weights_and_resume(base, target, tmp_path) -> None:
    options = {"base": base, "fine_tune_epochs": 3, **QUICK}
    whole = train("transfer", target.train, target.validation, **options)

    class Stop:
        looks = 8  # 2 batches an epoch, 3 epochs of step 1: stopped in step 2

        def is_set(self) -> bool:
            self.looks -= 1
            return self.looks < 0

    half = train("transfer", target.train, target.validation, stop=Stop(), checkpoint=tmp_path, **options)
    assert half.provenance["ended"] == "stopped"
    resumed = train("transfer", target.train, target.validation, checkpoint=tmp_path, resume=True, **options)
    assert changed(whole, resumed) == set()
