from __future__ import annotations

import numpy as np
import pytest

from sfx_label.errors import AnnotationFormatError, LeakError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.scheme import UNLABELLED
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.dataset import Dataset
from sfx_label.models.training import train
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.results.evaluate import evaluate, label_budget


def counts_of(name: str, n: int, seed: int = 0) -> Dataset:
    """Frames whose spot count is 20 for hits, 6 for maybes and 1 for misses, give or take a few."""
    rng = np.random.default_rng(seed)
    y = np.resize(np.array([0, 0, 2, 0, 1], dtype=np.int8), n)
    X = np.zeros((n, 1), dtype=np.float32)
    X[:, 0] = np.maximum(0, np.array([1, 6, 20])[y] + rng.integers(-1, 2, n))
    keys = tuple(FrameKey(f"{name:0>16}", "/data/images", index, f"{name}.h5", f"//{index}") for index in range(n))
    return Dataset(X, y, keys, Preprocessing.spots(), name, (32, 32))


@pytest.fixture(scope="module")
def run() -> Dataset:
    return counts_of("one", 100)


@pytest.fixture(scope="module")
def bundle(run: Dataset) -> ModelBundle:
    return train("spot-count", run[:20], run[20:30], seed=3, bootstrap=0)


def test_unseen_frames_are_tested(bundle: ModelBundle, run: Dataset) -> None:
    result = evaluate(bundle, run[30:])
    assert (len(result), result.excluded, result.method, result.run, result.seed) == (70, 0, "spot-count", "one", 3)
    assert result.recall["hit_or_maybe"].value == result.recall["miss"].value == 1.0
    assert result.threshold == bundle.threshold and result.keys == run.keys[30:]


def test_seen_frames_are_refused_with_their_number(bundle: ModelBundle, run: Dataset) -> None:
    with pytest.raises(LeakError, match="5 of 75 frames"):
        evaluate(bundle, run[25:])


def test_seen_frames_are_left_out_or_let_in_on_request(bundle: ModelBundle, run: Dataset) -> None:
    left_out = evaluate(bundle, run, exclude_seen=True)
    assert (len(left_out), left_out.excluded) == (70, 30)
    let_in = evaluate(bundle, run, allow_seen=True)
    assert (len(let_in), let_in.excluded) == (100, 0)
    with pytest.raises(AnnotationFormatError, match="No frame to test on"):
        evaluate(bundle, run[:30], exclude_seen=True)


def test_validation_labels_are_in_the_budget(bundle: ModelBundle, run: Dataset) -> None:
    result = evaluate(bundle, run[30:])
    assert (result.budget.train, result.budget.validation, result.label_budget) == (20, 10, 30)
    assert result.budget.tested_run == 30 and result.budget.elsewhere == 0


def test_labels_of_another_run_cost_this_one_nothing(bundle: ModelBundle) -> None:
    result = evaluate(bundle, counts_of("two", 50, seed=1))
    assert result.label_budget == 30
    assert (result.budget.tested_run, result.budget.elsewhere) == (0, 30)
    assert label_budget(bundle).tested_run == 30


def test_unlabelled_frames_are_no_test(bundle: ModelBundle) -> None:
    with pytest.raises(AnnotationFormatError, match="Label some frames"):
        evaluate(bundle, counts_of("two", 20).without_labels())
    assert (counts_of("two", 20).without_labels().y == UNLABELLED).all()


def test_a_saved_model_is_evaluated_as_it_was(
    bundle: ModelBundle, run: Dataset, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = bundle.save(tmp_path_factory.mktemp("bundles") / "count")
    assert evaluate(ModelBundle.load(folder), run[30:]).to_dict() == evaluate(bundle, run[30:]).to_dict()
