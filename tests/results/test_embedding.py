from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from sfx_label.errors import AnnotationFormatError, SfxLabelError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.scheme import UNLABELLED
from sfx_label.models.bundle import ArchitectureChoice, ModelBundle
from sfx_label.models.dataset import Dataset
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.results.embedding import Embedding, Features, embed, extract_features, place


def groups(n: int = 60, d: int = 80, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    which = np.repeat([0, 1, 2], n // 3)
    return (rng.normal(size=(n, d)) + 6 * rng.normal(size=(3, d))[which]).astype(np.float32), which


def neighbours_agree(points: np.ndarray, which: np.ndarray) -> float:
    near = NearestNeighbors(n_neighbors=4).fit(points).kneighbors(return_distance=False)
    return float((which[near] == which[:, None]).mean())


@pytest.mark.parametrize("method", ["tsne", pytest.param("umap", marks=pytest.mark.slow)])  # UMAP compiles for long
def test_groups_stay_together_and_the_seed_fixes_the_picture(method: str) -> None:
    values, which = groups()
    points, cached = place(values, method)  # type: ignore[arg-type]
    assert points.shape == (60, 2) and not cached
    assert neighbours_agree(points, which) > 0.95
    assert np.array_equal(points, place(values, method)[0])  # type: ignore[arg-type]


def test_cached_pictures_belong_to_their_features(tmp_path: Path) -> None:
    values, _ = groups()
    points, _ = place(values, cache=tmp_path)
    again, cached = place(values, cache=tmp_path)
    assert cached and np.array_equal(points, again)
    assert not place(values + 1, cache=tmp_path)[1]
    assert not place(values, seed=1, cache=tmp_path)[1]
    assert not list(tmp_path.glob("*.tmp"))


def test_five_frames_are_enough_and_four_are_not() -> None:
    values, _ = groups()
    assert place(values[:5])[0].shape == (5, 2)
    with pytest.raises(SfxLabelError, match="five"):
        place(values[:4])
    with pytest.raises(SfxLabelError, match="pca"):
        place(values, "pca")  # type: ignore[arg-type]


@pytest.mark.slow
def test_umap_of_six_frames() -> None:
    values, _ = groups()
    assert place(values[:6], "umap")[0].shape == (6, 2)


def dataset(name: str, n: int, shift: float, *, labelled: bool = True) -> Dataset:
    rng = np.random.default_rng(n)
    y = rng.choice([0, 1, 2], n)
    X = (rng.normal(size=(n, 4)) + 2 * y[:, None] + shift).astype(np.float32)
    keys = tuple(FrameKey(f"{name:0>16}", "/data/images", index, f"{name}.h5", f"//{index}") for index in range(n))
    labels = y.astype(np.int8) if labelled else np.full(n, UNLABELLED, dtype=np.int8)
    return Dataset(X, labels, keys, Preprocessing.spots(), name, (32, 32))


@pytest.fixture
def bundle() -> ModelBundle:
    weights = {"mean": np.zeros(4), "scale": np.ones(4), "coefficients": np.ones(4), "intercept": np.array(0.0)}
    choice = ArchitectureChoice("logistic", {"inputs": 4, "columns": [0, 1, 2, 3], "transform": "none"})
    return ModelBundle("spot-count", choice, weights, Preprocessing.spots(), (32, 32), 0.5)


def test_every_point_is_tied_to_its_frame(bundle: ModelBundle) -> None:
    source, target = dataset("one", 40, 0.0), dataset("two", 30, 5.0)
    seen: list[tuple[int, int]] = []
    view = embed(bundle, [source, target], seed=3, progress=lambda done, total: seen.append((done, total)))
    assert isinstance(view, Embedding) and len(view) == 70
    assert view.names == ("one", "two")
    assert view.keys == source.keys + target.keys
    assert np.array_equal(view.y, np.concatenate([source.y, target.y]))
    assert view.domain.tolist() == [0] * 40 + [1] * 30
    assert seen == [(1, 3), (2, 3), (3, 3)]
    frame = view.to_frame()
    assert list(frame["run"].unique()) == ["one", "two"] and frame["frame"][40] == str(target.keys[0])


def test_overlap_of_features_with_and_without_labels(bundle: ModelBundle) -> None:
    source, target = dataset("one", 90, 0.0), dataset("two", 90, 5.0)
    measured = extract_features(bundle, [source, target]).overlap()
    assert set(measured.classes) == {"all", "miss", "maybe", "hit"}
    assert measured["all"].domain_auc.value > 0.9
    hidden = extract_features(bundle, [source, dataset("two", 90, 5.0, labelled=False)]).overlap()
    assert set(hidden.classes) == {"all"}
    with pytest.raises(AnnotationFormatError, match="source and a target"):
        extract_features(bundle, source).overlap()


def test_lasso() -> None:
    features = Features(np.zeros((4, 1), np.float32), np.zeros(4, np.int8), np.zeros(4, np.int8), (), ("run",))
    view = Embedding(np.array([[0, 0], [1, 1], [3, 1], [1, 3]], np.float32), features, "tsne", 0)
    square = [(0.5, 0.5), (2, 0.5), (2, 2), (0.5, 2)]
    assert view.inside(square).tolist() == [1]
    assert view.inside(square[::-1]).tolist() == [1]
    hook = [(-1, -1), (4, -1), (4, 4), (2, 4), (2, 0.5), (-1, 0.5)]  # not convex: leaves out (1, 1) and (1, 3)
    assert view.inside(hook).tolist() == [0, 2]
