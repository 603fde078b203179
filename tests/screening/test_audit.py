"""The audit sample, and the missed hits estimated from it."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from sfx_label.errors import FrameReadError, LabelStoreError, SfxLabelError
from sfx_label.labels.scheme import UNLABELLED
from sfx_label.labels.store import LabelStore
from sfx_label.models.bundle import ModelBundle
from sfx_label.screening.audit import draw_audit, estimate_missed, read_audit
from sfx_label.screening.missed import Stratum, mid_p, missed_hits
from sfx_label.screening.run import screen
from sfx_label.screening.table import SCHEMA


def scored_table(scores: NDArray[np.float64], threshold: float = 0.5) -> pa.Table:
    n = len(scores)
    usable = np.isfinite(scores)
    label = np.where(usable, np.where(scores >= threshold, "hit_or_maybe", "miss"), "unusable")
    columns = {
        "path": ["/data/run.h5"] * n,
        "dataset": ["/data"] * n,
        "index": np.arange(n),
        "event": [f"//{i}" for i in range(n)],
        "fingerprint": ["0" * 16] * n,
        "run": np.zeros(n, np.int32),
        "position": np.arange(n),
        "probability": pa.array(scores, mask=~usable),
        "spot_count": pa.nulls(n, pa.int32()),
        "status": ["ok"] * n,
        "message": pa.nulls(n, pa.string()),
        "label": list(label),
    }
    return pa.Table.from_pydict(columns, schema=SCHEMA)


@pytest.fixture(scope="module")
def scores() -> NDArray[np.float64]:
    rng = np.random.default_rng(0)
    values = np.concatenate([rng.beta(0.3, 8, 9000), rng.beta(8, 2, 900), np.full(100, np.nan)])
    return rng.permutation(values)


def test_the_sample_has_the_size_asked_for_and_no_frame_twice(scores: NDArray[np.float64]) -> None:
    sample = draw_audit(scored_table(scores), 200)
    assert len(sample) == pytest.approx(200, abs=6)
    assert len(set(sample.keys)) == len(sample)
    usable = scores[np.isfinite(scores)]
    assert sum(sample.sizes.values()) == len(usable)
    assert sample.sizes[-1] == (usable >= 0.5).sum()


def test_strata_are_ranges_of_score(scores: NDArray[np.float64]) -> None:
    sample = draw_audit(scored_table(scores), 200, threshold=0.5)
    drawn = sample.table["probability"].to_numpy()
    for number, (low, high) in {0: (0, 0.005), 1: (0.005, 0.05), 2: (0.05, 0.25), 3: (0.25, 0.5), -1: (0.5, 1)}.items():
        inside = drawn[sample.strata == number]
        assert len(inside) >= 5
        assert ((inside >= low) & (inside <= high)).all()


def test_the_same_seed_draws_the_same_and_growth_keeps_most(scores: NDArray[np.float64]) -> None:
    table = scored_table(scores)
    assert draw_audit(table, 100).keys == draw_audit(table, 100).keys
    assert draw_audit(table, 100).keys != draw_audit(table, 100, seed=1).keys
    before = set(draw_audit(table.slice(0, 9000), 100, threshold=0.5).keys)
    kept = before & set(draw_audit(table, 100, threshold=0.5).keys)
    assert len(kept) > 75


def test_every_frame_of_a_stratum_is_as_likely(scores: NDArray[np.float64]) -> None:
    """Over 400 seeds the mean position of the drawn frames is the middle of the run, within 4 standard errors."""
    table = scored_table(scores[:1000])
    positions = np.concatenate([draw_audit(table, 50, seed=seed).table["position"].to_numpy() for seed in range(400)])
    assert abs(positions.mean() - 499.5) < 4 * 1000 / math.sqrt(12 * len(positions))


def test_small_runs_are_taken_whole() -> None:
    sample = draw_audit(scored_table(np.array([0.01, 0.2, 0.9, np.nan])), 200)
    assert len(sample) == 3
    estimate = estimate_missed(sample, [2 if score > 0.1 else 0 for score in sample.table["probability"].to_pylist()])
    assert (estimate.missed.value, estimate.missed.low, estimate.missed.high) == (1, 1, 1)
    assert estimate.share_of_hits.value == 0.5


@pytest.mark.parametrize(("k", "n"), [(0, 10), (1, 10), (5, 10), (10, 10), (3, 200), (0, 1)])
def test_mid_p_ends_solve_their_equations(k: int, n: int) -> None:
    low, high = mid_p(k, n)
    if k > 0:
        assert binom.sf(k, n, low) + binom.pmf(k, n, low) / 2 == pytest.approx(0.025, abs=1e-9)
    else:
        assert low == 0
    if k < n:
        assert binom.cdf(k - 1, n, high) + binom.pmf(k, n, high) / 2 == pytest.approx(0.025, abs=1e-9)
    else:
        assert high == 1


def test_no_hit_in_two_hundred_bounds_the_missed_share() -> None:
    """0 of 200: the mid-P end p solves (1 - p)^200 / 2 = 0.025, so p = 1 - 0.05^(1/200) = 1.487 %."""
    estimate = missed_hits([Stratum(10**9, 200, 0)])
    assert estimate.missed.value == estimate.missed.low == 0
    assert estimate.share_of_rejected.high == pytest.approx(1 - 0.05 ** (1 / 200), rel=1e-6)


def test_an_estimate_by_hand() -> None:
    """10 % of 1000 and 1 % of 5000 rejected frames are hits: 150; 90 % of 400 accepted: 360; 150 / 510 are missed."""
    strata = [Stratum(1000, 100, 10), Stratum(5000, 200, 2), Stratum(400, 50, 45, rejected=False)]
    estimate = missed_hits(strata)
    assert estimate.missed.value == pytest.approx(150)
    assert estimate.share_of_rejected.value == pytest.approx(150 / 6000)
    assert estimate.precision.value == pytest.approx(0.9)
    assert estimate.share_of_hits.value == pytest.approx(150 / 510)
    assert estimate.missed.low < 100 < 200 < estimate.missed.high
    assert 0 < estimate.share_of_hits.low < 150 / 510 < estimate.share_of_hits.high < 1
    assert estimate.n_labelled == 350
    assert "missed hits in this run: 29.4 (" in str(estimate)


def test_without_labels_on_accepted_frames_all_of_them_count_as_hits() -> None:
    estimate = missed_hits([Stratum(1000, 100, 10), Stratum(400, 0, 0, rejected=False)])
    assert estimate.share_of_hits.value == pytest.approx(100 / 500)
    assert math.isnan(estimate.precision.value)


def test_a_census_leaves_no_doubt() -> None:
    estimate = missed_hits([Stratum(50, 50, 3), Stratum(20, 20, 20, rejected=False)])
    assert (estimate.missed.low, estimate.missed.high) == (3, 3)
    assert estimate.share_of_hits.low == pytest.approx(3 / 23)
    assert estimate.share_of_hits.high == pytest.approx(3 / 23)


@pytest.mark.parametrize("stratum", [Stratum(10, 0, 0), Stratum(10, 11, 0), Stratum(10, 5, 6)])
def test_impossible_counts_are_refused(stratum: Stratum) -> None:
    with pytest.raises(SfxLabelError, match="A stratum of 10"):
        missed_hits([stratum])


def test_the_interval_covers_as_often_as_it_says() -> None:
    """3000 audits of 200 frames each of a run with 6 % hits, a fifth of them rejected: 93-97 % hold the truth."""
    sizes, shares = np.array([80_000, 12_000, 3000, 1000]), np.array([0.004, 0.03, 0.12, 0.3])
    n_accepted, precision = 5000, 0.85
    labelled, rng = np.array([100, 35, 16, 9]), np.random.default_rng(4)
    truth = (sizes * shares).sum()
    covered = np.zeros(2)
    for _ in range(3000):
        counts = rng.binomial(labelled, shares)
        strata = [Stratum(int(s), int(n), int(k)) for s, n, k in zip(sizes, labelled, counts, strict=True)]
        strata.append(Stratum(n_accepted, 40, int(rng.binomial(40, precision)), rejected=False))
        estimate = missed_hits(strata)
        share = truth / (truth + n_accepted * precision)
        covered += (
            estimate.missed.low <= truth <= estimate.missed.high,
            estimate.share_of_hits.low <= share <= estimate.share_of_hits.high,
        )
    assert ((covered / 3000 > 0.93) & (covered / 3000 < 0.97)).all(), covered / 3000


def test_from_a_screening_to_an_estimate(
    bundle: ModelBundle, cxi_run: tuple[Path, NDArray[np.bool_]], tmp_path: Path
) -> None:
    """A threshold set too high loses hits; the audit, labelled by one who knows, finds how many."""
    path, is_hit = cxi_run
    strict = bundle.with_threshold(float(np.quantile(bundle.predict(_frames(path)), 0.9)))
    result = screen(strict, path, tmp_path / "out", audit=250)
    missed = int((is_hit & (result.table().label == "miss")).sum())
    assert missed > 10
    sample = result.audit()
    assert sample.keys == read_audit(tmp_path / "out").keys
    with LabelStore.open(tmp_path / "audit.labels", create=True, annotator="expert") as store:
        for position, key in zip(sample.table["position"].to_pylist(), sample.keys, strict=True):
            store.append(key, 2 if is_hit[position] else 0)
        estimate = estimate_missed(tmp_path / "out", store, annotator="expert")
    assert estimate.missed.low <= missed <= estimate.missed.high
    assert estimate.precision.value == 1
    assert estimate.share_of_hits.low <= missed / is_hit.sum() <= estimate.share_of_hits.high


def _frames(path: Path):  # type: ignore[no-untyped-def]
    from sfx_label.frames.open import open_frames

    return open_frames(path)


def test_labels_that_are_not_there_yet(scores: NDArray[np.float64]) -> None:
    sample = draw_audit(scored_table(scores), 100)
    with pytest.raises(LabelStoreError, match="0 are labelled"):
        estimate_missed(sample, np.full(len(sample), UNLABELLED))
    with pytest.raises(LabelStoreError, match="one a frame"):
        estimate_missed(sample, [0, 1])
    half = np.where(np.arange(len(sample)) < len(sample) * 0.7, 0, UNLABELLED)
    assert estimate_missed(sample, half).n_labelled == (half == 0).sum()


def test_a_screening_without_an_audit_says_so(
    bundle: ModelBundle, cxi_run: tuple[Path, object], tmp_path: Path
) -> None:
    result = screen(bundle, cxi_run[0], tmp_path, audit=0)
    with pytest.raises(FrameReadError, match="audit=0"):
        result.audit()
