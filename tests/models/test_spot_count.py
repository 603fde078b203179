"""The fitted spot count, on the published annotations and on numbers made by hand."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sfx_label.errors import LeakError, TrainingError
from sfx_label.models.training import METHODS, train

EXPERT = re.compile(r"\[(\d+)\]\s+(HIT|MAYBE|MISS)", re.IGNORECASE)


def published(folder: Path) -> tuple[list[int], list[int]]:
    """Spot counts (frames that are absent have none) and labels of frames 1 to 2000."""
    names = {"MISS": 0, "MAYBE": 1, "HIT": 2}
    labels = {int(n): names[word.upper()] for n, word in EXPERT.findall((folder / "expert_annotation.txt").read_text())}
    counts = dict.fromkeys(labels, 0)
    for line in (folder / "dials_annotation.txt").read_text().splitlines():
        numbers = re.findall(r"\d+", line.rpartition(".h5")[2])
        if len(numbers) >= 2:
            counts[int(numbers[0])] = int(numbers[1])
    return [counts[n] for n in sorted(labels)], [labels[n] for n in sorted(labels)]


@pytest.mark.parametrize(
    ("name", "cut", "recall", "rejected"),
    [("LN83", 7, 97.3, 97.9), ("LN84", 8, 91.5, 97.9), ("LO19", 21, 93.4, 96.7)],
)
def test_published_counts_and_labels(shared_data, counts, name, cut, recall, rejected) -> None:
    """One cut-off fitted on frames 1-200 of real annotations, tested on 401-2000."""
    data = counts(*published(shared_data / "annotations" / name))
    parts = data.split(train=200, validation=200, order="file")
    bundle = train("spot-count", parts.train)
    labels = bundle.predict_labels(parts.test)
    positive = parts.test.positive
    assert 100 * np.mean(labels[positive] == 1) == pytest.approx(recall, abs=1.5)
    assert 100 * np.mean(labels[~positive] == 0) == pytest.approx(rejected, abs=1.5)
    assert cut - 3 <= bundle.provenance["cut_off"] <= cut + 3
    low, high = bundle.provenance["cut_off_interval"]
    assert low <= bundle.provenance["cut_off"] <= high


def test_threshold_is_the_cut_off(counts) -> None:
    data = counts([0, 1, 2, 8, 9, 30], [0, 0, 0, 1, 2, 2])
    bundle = train("spot-count", data)
    assert bundle.provenance["cut_off"] == 5.0
    for count, expected in ((4, 0), (5, 1), (6, 1)):
        assert bundle.predict_labels(counts([count], [0]).X)[0] == expected
    probability = bundle.predict(counts(list(range(60)), [0] * 60).X)
    assert (np.diff(probability) > 0).all()
    assert ((probability > 0) & (probability < 1)).all()


def test_validation_frames_count_into_fit_and_budget(counts) -> None:
    bundle = train("spot-count", counts([0, 9], [0, 2]), counts([3, 4], [0, 1], fingerprint="b" * 16))
    assert bundle.provenance["cut_off"] == 3.5
    assert bundle.provenance["label_budget"] == {"train": 2, "validation": 2, "total": 4}
    assert len(bundle.seen_keys) == 4


def test_frames_that_cannot_be_used_get_no_number(counts) -> None:
    bundle = train("spot-count", counts([0, 1, 8, 9], [0, 0, 1, 2]))
    X = counts([0, 9], [0, 2]).X.copy()
    X[0] = np.nan
    assert np.isnan(bundle.predict(X)).tolist() == [True, False]
    assert bundle.predict_labels(X).tolist() == [-1, 1]


def test_one_class_is_refused_in_plain_words(counts) -> None:
    with pytest.raises(TrainingError, match="0 Hit-or-Maybe"):
        train("spot-count", counts([0, 1], [0, 0]))


def test_unknown_option_lists_those_of_the_method(counts) -> None:
    with pytest.raises(TrainingError, match=r"no option 'epocs'.*target_recall=None, bootstrap=500"):
        train("spot-count", counts([0, 9], [0, 2]), epocs=3)


def test_unknown_method_lists_the_methods(counts) -> None:
    with pytest.raises(TrainingError, match=r"Methods are .*rwd.*'svm'"):
        train("svm", counts([0, 9], [0, 2]))
    assert {"spot-count", "rwd", "cnn", "transfer", "dann", "mcc"} <= set(METHODS)


def test_frame_in_training_and_validation_is_a_leak(counts) -> None:
    with pytest.raises(LeakError, match="2 frames are in training and in validation"):
        train("spot-count", counts([0, 9], [0, 2]), counts([1, 8], [0, 2]))


def test_no_tensorflow_for_spot_counts(counts, tmp_path) -> None:
    """Importing the rooms, loading a fitted cut-off and predicting take no TensorFlow."""
    folder = train("spot-count", counts([0, 1, 8, 9], [0, 0, 1, 2])).save(tmp_path / "bundle")
    script = (
        "import sys, numpy as np\n"
        "import sfx_label.models.dataset, sfx_label.models.training, sfx_label.models.worker\n"
        "from sfx_label.models.bundle import ModelBundle\n"
        f"bundle = ModelBundle.load({str(folder)!r})\n"
        f"print(bundle.predict(np.full((1, {bundle_inputs(counts)}), 9.0))[0])\n"
        "assert not {'tensorflow', 'keras'} & set(sys.modules), 'TensorFlow was imported'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert 0.5 < float(done.stdout) < 1


def bundle_inputs(counts) -> int:
    return counts([0], [0]).X.shape[1]
