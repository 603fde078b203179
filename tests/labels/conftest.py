"""Keys of runs that need no file, and a fresh store."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.store import LabelStore


def make_key(index: int, fingerprint: str = "0123456789abcdef", path: str = "/data/r0095_2000.h5") -> FrameKey:
    return FrameKey(fingerprint, "/data/chunk_1/images", index, path, f"chunk_1//{index}")


@pytest.fixture
def key() -> Callable[..., FrameKey]:
    return make_key


@pytest.fixture(params=["file", "folder"])
def fresh_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LabelStore]:
    """An empty store of either kind; what holds for one must hold for the other."""
    path = tmp_path / "run.labels"
    with LabelStore.open(path, create=True, annotator="anna", per_writer=request.param == "folder") as store:
        yield store
