from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import Label
from sfx_label.results.evaluation import CLASSES, Evaluation, LabelBudget, evaluate_scores

# facts of the published annotations: one cut-off on the spot count, fitted on frames 1-200, tested on 401-2000
FITTED = {"LN83": (7, 97.3, 97.9, 329), "LN84": (8, 91.5, 97.9, 753), "LO19": (21, 93.4, 96.7, 694)}


@pytest.mark.parametrize("name", FITTED)
def test_spot_count_on_the_published_annotations(published: dict, name: str) -> None:
    cut, positive, miss, n_positive = FITTED[name]
    data = published[name]
    result = evaluate_scores(data.labels[400:], data.counts[400:], cut)
    recall = result.recall
    assert recall["hit_or_maybe"].n == n_positive
    assert recall["miss"].n == 1600 - n_positive
    assert 100 * recall["hit_or_maybe"].value == pytest.approx(positive, abs=0.05)
    assert 100 * recall["miss"].value == pytest.approx(miss, abs=0.05)


@pytest.mark.parametrize(("name", "area"), [("LN83", 0.996), ("LN84", 0.988), ("LO19", 0.985)])
def test_area_of_the_published_spot_counts(published: dict, name: str, area: float) -> None:
    data = published[name]
    result = evaluate_scores(data.labels, data.counts, 16)
    assert result.auc.value == pytest.approx(area, abs=0.0005)
    assert result.auc.low < area < result.auc.high


def test_the_papers_last_400_frames_of_ln83(published: dict) -> None:
    labels = published["LN83"].labels[1600:]
    scores = np.where(labels > 0, 1.0, 0.0)
    scores[np.flatnonzero(labels > 0)[:2]] = 0.0  # two of 65 missed: the printed 96.92
    scores[np.flatnonzero(labels == 0)[:2]] = 1.0  # two of 335 kept: the printed 99.40
    recall = evaluate_scores(labels, scores, 0.5).recall
    assert round(100 * recall["hit_or_maybe"].value, 2) == 96.92
    assert round(100 * recall["miss"].value, 2) == 99.40
    assert 100 * recall["hit_or_maybe"].low < 90 < 99 < 100 * recall["hit_or_maybe"].high


def test_figures_by_hand(counted: Callable[..., Evaluation]) -> None:
    result = counted()  # 9 of 10 hits, 3 of 5 maybes, 18 of 20 misses
    values = {name: (rate.count, rate.n) for name, rate in result.recall.items()}
    assert values == {"hit_or_maybe": (12, 15), "hit": (9, 10), "maybe": (3, 5), "miss": (18, 20)}
    assert result.balanced_accuracy.value == pytest.approx((0.8 + 0.9) / 2)
    assert (result.precision.count, result.precision.n) == (12, 14)
    assert result.confusion.tolist() == [[18, 2], [2, 3], [1, 9]]
    assert result.kept_share.value == pytest.approx(14 / 35)
    assert result.label_budget == 400


def test_moving_the_operating_point_changes_nothing_but_the_point(counted: Callable[..., Evaluation]) -> None:
    result = counted()
    strict = result.at_threshold(0.9)
    assert (strict.recall["hit_or_maybe"].value, strict.recall["miss"].value) == (0.0, 1.0)
    assert math.isnan(strict.precision.value)
    assert result.threshold == 0.5 and result.recall["hit"].count == 9
    assert strict.auc == result.auc


def test_a_frame_at_the_threshold_is_kept() -> None:
    result = evaluate_scores([2, 0], [0.5, 0.5], 0.5)
    assert result.kept.tolist() == [True, True]


def test_unlabelled_and_unusable_frames_are_left_out_and_counted() -> None:
    result = evaluate_scores([2, -1, 0, 1], [0.9, 0.9, np.nan, 0.1], 0.5, keys=["a", "b", "c", "d"])
    assert len(result) == 2 and result.unusable == 1
    assert result.keys == ("a", "d")
    assert result.recall["miss"].n == 0 and math.isnan(result.balanced_accuracy.value)


@pytest.mark.parametrize(
    ("y", "scores", "keys"), [([1, 2], [0.1], ()), ([1], [0.1], ("a", "b")), ([], [], ()), ([-1], [0.4], ())]
)
def test_what_cannot_be_evaluated_is_refused(y: list, scores: list, keys: tuple) -> None:
    with pytest.raises(AnnotationFormatError):
        evaluate_scores(y, scores, 0.5, keys=keys)


def test_worst_first_in_a_confusion_cell() -> None:
    result = evaluate_scores([2, 2, 2, 0, 0], [0.4, 0.1, 0.9, 0.6, 0.99], 0.5)
    assert result.where(Label.HIT, kept=False).tolist() == [1, 0]
    assert result.where(Label.MISS, kept=True).tolist() == [4, 3]


def test_the_json_contract(counted: Callable[..., Evaluation]) -> None:
    figures = json.loads(json.dumps(counted(run="r", seed=3).to_dict(), allow_nan=False))
    for name in CLASSES:
        assert set(figures["recall"][name]) == {"value", "n", "low", "high"}
    assert set(figures["balanced_accuracy"]) == {"value", "low", "high"}
    assert figures["label_budget"] == 400 and figures["threshold"] == 0.5 and figures["excluded"] == 0


def test_json_of_a_class_without_frames_has_no_nan() -> None:
    figures = evaluate_scores([0, 0], [0.1, 0.2], 0.5).to_dict()
    assert json.loads(json.dumps(figures, allow_nan=False))["recall"]["maybe"] == {
        "value": None,
        "n": 0,
        "low": None,
        "high": None,
    }


@given(
    st.lists(st.tuples(st.sampled_from([-1, 0, 1, 2]), st.floats(0, 1)), min_size=1, max_size=40).filter(
        lambda frames: any(label >= 0 for label, _ in frames)
    ),
    st.floats(0, 1),
)
def test_counts_always_add_up(frames: list[tuple[int, float]], threshold: float) -> None:
    result = evaluate_scores([y for y, _ in frames], [s for _, s in frames], threshold)
    recall = result.recall
    assert recall["hit"].count + recall["maybe"].count == recall["hit_or_maybe"].count
    assert recall["hit_or_maybe"].n + recall["miss"].n == len(result) == result.confusion.sum()
    assert result.kept_share.count == result.confusion[:, 1].sum()


def test_budget_counts_validation_labels_and_says_whose() -> None:
    budget = LabelBudget(200, 200, 50, other_runs=400, base=1600)
    assert (budget.total, budget.tested_run, budget.elsewhere) == (450, 50, 2000)
    assert str(budget) == "50 + 2000 elsewhere"
    assert str(LabelBudget(200, 200)) == "400"
    assert budget.to_dict()["total"] == 450


@pytest.mark.parametrize("heavy", ["tensorflow", "keras", "umap", "matplotlib", "sklearn"])
def test_evaluating_and_printing_takes_nothing_heavy(heavy: str) -> None:
    code = (
        "import sys\n"
        "from sfx_label.results.evaluate import evaluate, evaluate_scores\n"
        "from sfx_label.results.tables import recall_table\n"
        "str(recall_table({'a': evaluate_scores([2, 0], [.9, .1], .5)}))\n"
        f"sys.exit({heavy!r} in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
