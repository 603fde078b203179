from __future__ import annotations

from pathlib import Path

import krippendorff
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.agreement import agreement, agreement_of_files, alpha_of_many
from sfx_label.labels.scheme import UNLABELLED, Label

PUBLISHED = {
    # run: kappa (Maybe = Hit), and expert rows Miss, Maybe, Hit by DIALS columns Miss, Hit
    "LN83": (0.903, [[1589, 2], [48, 15], [10, 336]]),
    "LN84": (0.708, [[1058, 4], [130, 2], [152, 654]]),
    "LO19": (0.823, [[1119, 0], [136, 15], [35, 695]]),
}


@pytest.mark.parametrize("run", PUBLISHED)
def test_expert_and_dials_agree_as_published(shared_data: Path, run: str) -> None:
    folder = shared_data / "annotations" / run
    found = agreement_of_files(folder / "expert_annotation.txt", folder / "dials_annotation.txt")
    kappa, table = PUBLISHED[run]
    assert found.n == 2000 and round(found.kappa.value or 0, 3) == kappa
    assert found.confusion[:, [0, 2]].tolist() == table and not found.confusion[:, 1].any()
    assert found.to_dict()["kappa"] == found.kappa.value
    assert found.kappa.low < found.kappa.value < found.kappa.high  # type: ignore[operator]


def test_kappa_by_hand() -> None:
    # 10 frames: 4 both hit, 3 both miss, 2 hit/miss, 1 miss/hit: raw 0.7, expected 0.6*0.5 + 0.4*0.5 = 0.5
    first = [2] * 4 + [0] * 3 + [2] * 2 + [0]
    second = [2] * 4 + [0] * 3 + [0] * 2 + [2]
    found = agreement(first, second)
    assert found.raw.value == pytest.approx(0.7) and found.kappa.value == pytest.approx(0.4)
    assert found.per_class["Hit"].value == pytest.approx(2 * 4 / (6 + 5))
    assert found.per_class["Maybe"].value is None


def test_few_hits_make_high_raw_agreement_cheap() -> None:
    first = np.zeros(1000, int)
    first[:60] = 2
    second = np.roll(first, 15)
    found = agreement(first, second)
    assert found.raw.value == pytest.approx(0.97)
    assert found.kappa.value == pytest.approx(cohen_kappa_score(first, second)) and found.kappa.value < 0.75


@given(st.integers(2, 60), st.floats(0, 1), st.integers(0, 2**31))
def test_measures_equal_those_of_the_standard_libraries(n: int, noise: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    first = rng.integers(0, 3, n)
    second = np.where(rng.random(n) < noise, rng.integers(0, 3, n), first)
    found = agreement(first, second, resamples=0)
    if len({*first, *second}) < 2:
        assert found.kappa.value is None and found.alpha.value is None
        return
    assert found.alpha.value == pytest.approx(
        krippendorff.alpha(np.stack([first, second]), value_domain=[0, 1, 2], level_of_measurement="ordinal")
    )
    assert found.kappa.value == pytest.approx(cohen_kappa_score(first, second))
    weighted = cohen_kappa_score(first, second, weights="quadratic", labels=[0, 1, 2])
    assert found.quadratic_kappa.value == pytest.approx(weighted)


@given(st.integers(2, 5), st.integers(1, 40), st.integers(0, 2**31))
def test_alpha_over_many_annotators_with_gaps(annotators: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, n)
    votes = {str(a): np.where(rng.random(n) < 0.3, rng.integers(-1, 3, n), truth) for a in range(annotators)}
    table = np.stack(list(votes.values())).astype(float)
    table[table == UNLABELLED] = np.nan
    pairable = table[:, np.isfinite(table).sum(axis=0) > 1]
    if len(np.unique(pairable[np.isfinite(pairable)])) < 2:
        assert alpha_of_many(votes, resamples=10).value is None
        return
    expected = krippendorff.alpha(table, value_domain=[0, 1, 2], level_of_measurement="ordinal")
    assert alpha_of_many(votes, resamples=0).value == pytest.approx(expected)


def test_alpha_over_two_is_that_of_the_pair() -> None:
    rng = np.random.default_rng(5)
    first, second = rng.integers(-1, 3, 300), rng.integers(-1, 3, 300)
    pair, many = agreement(first, second).alpha, alpha_of_many({"a": first, "b": second})
    assert many.value == pytest.approx(pair.value)
    assert abs((many.high or 0) - (pair.high or 0)) < 0.03


@pytest.mark.parametrize(
    ("first", "second"), [([], []), ([2, 2], [2, 2]), ([UNLABELLED, 1], [2, UNLABELLED]), ([0], [0])]
)
def test_what_is_not_defined_prints_as_not_available(first: list[int], second: list[int]) -> None:
    found = agreement(first, second)
    assert found.kappa.value is None and "n/a" in str(found)
    assert found.to_dict()["kappa"] is None
    assert alpha_of_many({"only": first}).value is None


def test_unlabelled_frames_are_no_class() -> None:
    found = agreement([2, 0, UNLABELLED, 1], [2, UNLABELLED, 0, 1])
    assert found.n == 2 and found.raw.value == 1.0


def test_merging_maybe_keeps_the_table_as_given() -> None:
    found = agreement([0, 1, 2], [0, 2, 1], merge_maybe=True)
    assert found.raw.value == 1.0 and found.classes == ("Miss", "Hit or Maybe")
    assert found.confusion.tolist() == [[1, 0, 0], [0, 0, 1], [0, 1, 0]]


def test_the_interval_covers_the_truth() -> None:
    rng = np.random.default_rng(7)
    inside = 0
    for _ in range(200):
        truth = rng.random(300) < 0.3
        first, second = (np.where(rng.random(300) < 0.1, ~truth, truth) * int(Label.HIT) for _ in range(2))
        raw = agreement(first, second, resamples=300).raw
        inside += raw.low <= 0.82 <= raw.high  # type: ignore[operator]  # 0.9 * 0.9 + 0.1 * 0.1
    assert 180 <= inside <= 199


def test_different_lengths_are_refused() -> None:
    with pytest.raises(AnnotationFormatError, match="3 and 2"):
        agreement([0, 1, 2], [0, 1])


def test_files_that_do_not_number_their_frames_are_refused(tmp_path: Path) -> None:
    hits = tmp_path / "hits.lst"
    hits.write_text("run.h5 //3\n")
    with pytest.raises(AnnotationFormatError, match="does not number"):
        agreement_of_files(hits, hits)
