"""Small data sets for the tests of models: vectors and pictures with spots that a network can learn in seconds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sfx_label.frames.sequence import FrameKey
from sfx_label.models.dataset import Dataset
from sfx_label.preprocess.contrast import Preprocessing

Maker = Callable[..., Dataset]


def keys_of(n: int, fingerprint: str = "0123456789abcdef", first: int = 0) -> tuple[FrameKey, ...]:
    return tuple(
        FrameKey(fingerprint, "/data/chunk_1/images", first + i, "/somewhere/run.h5", f"//{i}") for i in range(n)
    )


def _labels(n: int, rng: np.random.Generator) -> np.ndarray:
    """A third each of Miss, Maybe and Hit, in random order."""
    return rng.permutation(np.resize([0, 1, 2], n)).astype(np.int8)


@pytest.fixture(scope="session")
def vectors() -> Maker:
    """RWD-like vectors of noise, with a few high rows for Maybe and many for Hit."""

    def make(
        n: int = 60, seed: int = 0, length: int = 64, fingerprint: str = "0123456789abcdef", shift: float = 0.0
    ) -> Dataset:
        rng = np.random.default_rng(seed)
        y = _labels(n, rng)
        X = rng.gamma(20.0, 0.1, (n, length)) + shift
        for row, label in zip(X, y, strict=True):
            row[rng.choice(length, 8 * int(label), replace=False)] += rng.uniform(2.0, 5.0)
        pre = Preprocessing.rwd(crop=length + 4)
        return Dataset(X.astype(np.float32), y, keys_of(n, fingerprint), pre, "toy", (length + 4, length + 4))

    return make


@pytest.fixture(scope="session")
def pictures() -> Maker:
    """LCN-like pictures of unit noise, with bright pixels for Maybe and Hit."""

    def make(
        n: int = 40, seed: int = 0, side: int = 32, fingerprint: str = "0123456789abcdef", noise: float = 1.0
    ) -> Dataset:
        rng = np.random.default_rng(seed)
        y = _labels(n, rng)
        X = rng.normal(0.0, noise, (n, side, side))
        for picture, label in zip(X, y, strict=True):
            for row, column in rng.integers(2, side - 2, (12 * int(label), 2)):
                picture[row : row + 2, column : column + 2] = 4.9
        pre = Preprocessing.lcn(crop=side + 4)
        return Dataset(X.astype(np.float16), y, keys_of(n, fingerprint), pre, "toy", (side + 4, side + 4))

    return make


@pytest.fixture(scope="session")
def counts() -> Maker:
    """Spot counts that mostly follow the labels."""

    def make(values: list[int], labels: list[int], fingerprint: str = "0123456789abcdef") -> Dataset:
        pre = Preprocessing.spots()
        X = np.zeros((len(values), *pre.output_shape((100, 100))), dtype=np.float32)
        X[:, 0] = values
        return Dataset(X, np.array(labels, dtype=np.int8), keys_of(len(values), fingerprint), pre, "toy", (100, 100))

    return make
