"""Scores whose recalls can be counted on fingers, and the published annotations."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sfx_label.results.evaluation import Evaluation, LabelBudget, evaluate_scores


@dataclass(frozen=True)
class Annotated:
    """Expert labels (0, 1, 2) and DIALS spot counts of one published set, 2000 frames each."""

    labels: NDArray[np.int8]
    counts: NDArray[np.int64]


def read_published(folder: Path) -> Annotated:
    """Read both files with nothing of the package, so that its own readers are not what is tested."""
    words = {"MISS": 0, "MAYBE": 1, "HIT": 2}
    expert = re.findall(r"\[(\d+)\]\s+(\w+)", (folder / "expert_annotation.txt").read_text())
    labels = np.full(2000, -1, dtype=np.int8)
    for frame, word in expert:
        labels[int(frame) - 1] = words[word.upper()]
    counts = np.zeros(2000, dtype=np.int64)
    for line in (folder / "dials_annotation.txt").read_text().splitlines():
        frame, count, _ = line.split()
        counts[int(frame) - 1] = int(count)
    return Annotated(labels, counts)


@pytest.fixture(scope="session")
def published(shared_data: Path) -> dict[str, Annotated]:
    return {name: read_published(shared_data / "annotations" / name) for name in ("LN83", "LN84", "LO19")}


@pytest.fixture
def counted() -> Callable[..., Evaluation]:
    """Make an evaluation with given numbers right: 10 hits, 5 maybes and 20 misses unless told otherwise."""

    def make(
        hits: int = 9, maybes: int = 3, misses: int = 18, *, of: tuple[int, int, int] = (10, 5, 20), **more: object
    ) -> Evaluation:
        y, scores = [], []
        for label, right, n in ((2, hits, of[0]), (1, maybes, of[1]), (0, misses, of[2])):
            y += [label] * n
            good, bad = (0.2, 0.8) if label == 0 else (0.8, 0.2)
            scores += [good] * right + [bad] * (n - right)
        budget = more.pop("budget", LabelBudget(200, 200))
        keys = [f"frame {i}" for i in range(len(y))]
        return evaluate_scores(y, scores, 0.5, keys=keys, budget=budget, **more)  # type: ignore[arg-type]

    return make
