"""Screening with a network: the same probabilities as the bundle itself, a fixed input shape, one load per process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sfx_label.errors import BundleError
from sfx_label.frames.open import open_frames
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.dataset import build_dataset
from sfx_label.models.training import train
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.screening.model import load_model
from sfx_label.screening.run import screen


@pytest.fixture(scope="module")
def network(cxi_run: tuple[Path, NDArray[np.bool_]]) -> ModelBundle:
    path, hits = cxi_run
    with open_frames(path) as frames:
        data = build_dataset(frames, np.where(hits, 2, 0).astype(np.int8), Preprocessing.rwd(crop=80))
    return train("rwd", data[:200], data[200:], epochs=2)


def test_probabilities_are_those_of_the_bundle(
    network: ModelBundle, second_run: tuple[Path, Any], tmp_path: Path
) -> None:
    result = screen(network, second_run[0], tmp_path, "threads", workers=2, part_frames=64)
    with open_frames(second_run[0]) as frames:
        expected = network.predict(frames)
    assert result.complete
    assert np.array_equal(result.table().probability, expected)
    assert np.array_equal(result.table().label == "hit_or_maybe", expected >= network.threshold)
    assert result.table().spot_count.isna().all()


def test_spots_are_counted_when_asked_for(
    network: ModelBundle, second_run: tuple[Path, NDArray[np.bool_]], tmp_path: Path
) -> None:
    counts = screen(network, second_run[0], tmp_path, spots=True).table().spot_count
    assert counts[second_run[1]].min() > counts[~second_run[1]].max()


def test_frames_of_another_size_are_refused_before_any_work(
    network: ModelBundle, tmp_path: Path, draw: Callable[..., Any], write_cxi: Callable[..., Path]
) -> None:
    run = write_cxi(tmp_path / "small.cxi", draw(5, 1, side=64)[0])
    with pytest.raises(BundleError, match=r"64 x 64.*another|64 x 64.*trained"):
        screen(network, run, tmp_path / "out")
    assert not list((tmp_path / "out").glob("part-*"))
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_a_model_is_loaded_once(network: ModelBundle, tmp_path: Path) -> None:
    network.save(tmp_path / "model")
    first = load_model(str(tmp_path / "model"), network.digest)
    assert load_model(str(tmp_path / "model"), network.digest) is first
    with pytest.raises(BundleError, match="was begun with"):
        load_model(str(tmp_path / "model"), "0" * 64)
