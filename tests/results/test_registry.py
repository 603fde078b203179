"""The list of trained models survives, and never swallows a slip."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sfx_label.errors import LabelStoreError
from sfx_label.results.registry import ModelEntry, ModelRegistry


@pytest.fixture
def registry(tmp_path: Path) -> ModelRegistry:
    return ModelRegistry.open(tmp_path / "project.models", create=True)


def enter(registry: ModelRegistry, name: str = "first") -> ModelEntry:
    recall = {"recall": {"maybe": {"value": None, "n": 0}}}
    return registry.add(
        name=name, method="rwd", run="r.h5", bundle="models/1", recipe={"seed": 3}, result=recall, n_labels=400
    )


def test_an_entry_reads_back_from_another_opening(registry: ModelRegistry) -> None:
    entry = enter(registry)
    assert ModelRegistry.open(registry.path).entries() == [entry]
    assert entry.recipe == {"seed": 3}
    assert not entry.exists


def test_rename_note_remove(registry: ModelRegistry) -> None:
    number = enter(registry).id
    registry.rename(number, "'); DROP TABLE models; --")
    registry.annotate(number, "jet was unstable")
    assert registry[number].name == "'); DROP TABLE models; --"
    assert registry[number].note == "jet was unstable"
    registry.remove(number)
    with pytest.raises(LabelStoreError, match="no model number"):
        registry[number]


def test_no_list_is_made_by_a_mistyped_path(tmp_path: Path) -> None:
    with pytest.raises(LabelStoreError, match="no list of models"):
        ModelRegistry.open(tmp_path / "nowhere.models")
    assert list(tmp_path.iterdir()) == []


def test_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.models").write_text("not a database, but long enough to be read as one" * 100)
    with pytest.raises(LabelStoreError, match="cannot be used"):
        ModelRegistry.open(tmp_path / "text.models")


def test_many_writers(registry: ModelRegistry) -> None:
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: enter(ModelRegistry.open(registry.path), str(n)), range(20)))
    assert {entry.name for entry in registry.entries()} == {str(n) for n in range(20)}
