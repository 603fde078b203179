"""The workbench by setting values and pressing buttons, without a browser: a run, labels, a model, its table."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sfx_label.simulate import simulate_run
from sfx_label.widgets.app import Workbench
from sfx_label.widgets.project import Project


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Workbench]:
    run = tmp_path / "ln84.h5"
    simulate_run(run, "LN84", 60, 4)
    project = Project.open(tmp_path / "night", create=True, annotator="eve")
    frames = project.add_run(run)
    project.store.import_labels(frames, run.with_suffix(".expert_annotation.txt"), annotator="expert")
    project.close()
    bench = Workbench(tmp_path / "night.sfxproject")
    yield bench
    bench.close()


def test_project_comes_back_with_its_run_and_labels(bench: Workbench, tmp_path: Path) -> None:
    project = Project.open(tmp_path / "night")
    assert [Path(run).name for run in project.runs] == ["ln84.h5"]
    assert (project.store.labels_for(project.frames(project.runs[0])) >= 0).sum() == 60
    project.close()
    assert bench is not None


def test_no_project_is_made_by_a_mistyped_path(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no project"):
        Project.open(tmp_path / "nowhere")
