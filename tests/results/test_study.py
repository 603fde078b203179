from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from sfx_label.errors import AnnotationFormatError, SfxLabelError
from sfx_label.frames.sequence import FrameKey
from sfx_label.results.evaluation import LabelBudget, evaluate_scores
from sfx_label.results.published import PUBLISHED
from sfx_label.results.study import Sizes, Study, StudyRun, run_study
from sfx_label.results.study.learning import plan_curves
from sfx_label.results.study.plan import TABLES, Design, plan_tables
from sfx_label.results.study.recipes import Cell, Recipe, TestFrames
from sfx_label.results.study.runs import find_run
from sfx_label.results.study.schedule import Forecast, duration
from sfx_label.results.study.store import CellStore, Outcome
from sfx_label.simulate.run import simulate_run

RUNS = ("LN83", "LN84", "LO19")
SIZES = Sizes(full=(50, 20), few=(40, 20), frames=90)
OPTIONS = {"rwd": {"epochs": 2}}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [Path(simulate_run(folder / f"{name}.h5", name, 90, 3, frame_size=300).path) for name in RUNS[1:]]


def study(runs: list[Path], out: Path, **more: object) -> Study:
    settings: dict = {"tables": (4,), "figures": (8,), "sizes": SIZES, "options": OPTIONS, "device": "cpu"}
    return run_study(runs, out=out, **{**settings, **more})


class StopAfter:
    """Says stop once so many cells lie in the folder."""

    def __init__(self, folder: Path, n: int) -> None:
        self.folder, self.n = folder, n

    def is_set(self) -> bool:
        return len(list(self.folder.glob("*.json"))) >= self.n


def test_every_published_cell_has_its_place_in_the_plan() -> None:
    planned = plan_tables(Design(RUNS), list(TABLES))
    keys = {key for table in planned for row in table.rows for key in row.published.values()}
    assert keys == set(PUBLISHED)


def test_the_papers_splits() -> None:
    tables = {table.number: table for table in plan_tables(Design(RUNS), ["1", "2", "5", "7"])}
    for cell in tables["1"].cells:
        assert cell.recipe.train + cell.recipe.validation == 1600 == cell.test.first
    cnn = [cell for cell in tables["2"].cells if cell.recipe.method == "cnn" and cell.recipe.run == cell.test.run]
    assert {(c.recipe.train, c.recipe.validation, c.test.first) for c in cnn} == {(200, 200, 400)}
    dann = [cell for cell in tables["5"].cells if cell.recipe.method == "dann"]
    assert {cell.test.first for cell in dann if cell.test.run == cell.recipe.target} == {0}
    assert {cell.test.first for cell in dann if cell.test.run == cell.recipe.run} == {1600}
    assert all(cell.recipe.run != cell.test.run for cell in tables["7"].cells)


def test_every_table_has_a_spot_count_with_the_same_labels() -> None:
    for table in plan_tables(Design(RUNS, seeds=(0, 1)), list(TABLES)):
        names = {row.name for row in table.rows}
        assert any(row.method == "spot-count" for row in table.rows)
        for row in table.rows:
            assert (row.reference is None) == (row.method == "spot-count")
            assert row.reference is None or row.reference in names
            assert all(len(cells) == 2 for cells in row.cells.values())


def test_unknown_tables_and_figures_are_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SfxLabelError, match="No table 9"):
        plan_tables(Design(RUNS), [9])
    with pytest.raises(SfxLabelError, match="No figure 11"):
        study(runs, tmp_path, figures=(11,), stop=StopAfter(tmp_path, 0))


def test_budgets_count_every_label_and_share_their_test_frames() -> None:
    curves = plan_curves(Design(RUNS), ["rwd", "transfer", "dann"], [0, 20, 100])
    assert curves.methods == ("spot-count", "rwd", "transfer", "dann")
    for (_, budget, run), cells in curves.points.items():
        for cell in cells:
            assert cell.test == TestFrames(run, 100)
            labels_of_run = cell.recipe.train + cell.recipe.validation if cell.recipe.run == run else 0
            assert labels_of_run == budget
    assert ("dann", 20, "LN83") not in curves.points and ("transfer", 0, "LN83") not in curves.points
    assert {cell.recipe.run for cell in curves.points["rwd", 0, "LN83"]} == {"LN84", "LO19"}


def test_a_cell_is_named_by_everything_behind_it() -> None:
    identities = {"a": "frames-labels", "b": "other"}
    base = Cell(Recipe("transfer", "a", 10, 10, base=Recipe("cnn", "b", 20, 5)), TestFrames("a", 20))
    same = Cell(Recipe("transfer", "a", 10, 10, base=Recipe("cnn", "b", 20, 5)), TestFrames("a", 20))
    assert base.digest(identities) == same.digest(identities)
    others = [
        Cell(Recipe("transfer", "a", 10, 10, base=Recipe("cnn", "b", 20, 5, seed=1)), TestFrames("a", 20)),
        Cell(base.recipe, TestFrames("a", 21)),
    ]
    digests = {cell.digest(identities) for cell in (base, *others)} | {base.digest({**identities, "b": "relabelled"})}
    assert len(digests) == 4


def test_cells_survive_the_disk_exactly(tmp_path: Path) -> None:
    keys = [
        FrameKey("f" * 16, f"/data/{chunk}/images", i, "run.h5", f"{chunk}//{i}") for chunk in "ab" for i in range(2)
    ]
    evaluation = evaluate_scores(
        [2, 0, 1, 0], [0.1 + 0.2, 1e-17, 1 / 3, 0], 0.3, keys=keys, budget=LabelBudget(5, 3), method="rwd", seed=4
    )
    store = CellStore(tmp_path / "cells")
    assert store.load("abc") is None
    store.save("abc", Outcome(evaluation, costs={"train_seconds": 1.5, "peak_megabytes": None}), {"title": "t"})
    again = store.load("abc")
    assert again is not None and again.evaluation is not None
    assert np.array_equal(again.evaluation.scores, evaluation.scores)
    assert again.evaluation.keys == tuple(keys) and [k.event for k in again.evaluation.keys] == [k.event for k in keys]
    assert again.evaluation.to_dict() == evaluation.to_dict()
    assert again.costs == {"train_seconds": 1.5, "peak_megabytes": None}
    assert not list(tmp_path.rglob("*.tmp"))
    store.path("abc").write_text(store.path("abc").read_text()[:200])
    with pytest.raises(SfxLabelError, match="delete it"):
        store.load("abc")


def test_labels_are_found_beside_the_frames(tmp_path: Path) -> None:
    frames = tmp_path / "r0018_2000.h5"
    frames.touch()
    with pytest.raises(AnnotationFormatError, match="expert_annotation"):
        find_run(frames)
    (tmp_path / "expert_annotation.txt").touch()
    run = find_run(frames)
    assert run.name == run.published == "LN83" and run.is_original
    other = find_run(f"mine={frames}")
    assert other == StudyRun("mine", frames, tmp_path / "expert_annotation.txt") and other.published is None


def test_forecast_counts_a_model_once() -> None:
    now = [0.0]
    recipe = Recipe("cnn", "a", 900, 0)
    cells = [Cell(recipe, TestFrames("a", 1)), Cell(recipe, TestFrames("b", 1))]
    forecast = Forecast(cells, clock=lambda: now[0])
    assert forecast.seconds_left is None
    forecast.step()
    now[0] = 50.0  # 900 for training + 100 for the test took 50 s, so another test takes 5 s
    assert forecast.seconds_left == pytest.approx(5.0)
    assert [duration(seconds) for seconds in (None, 45, 720, 11100)] == ["unknown", "45 s", "12 min", "3 h 05 min"]


def test_a_stopped_study_goes_on_where_it_was(runs: list[Path], tmp_path: Path) -> None:
    cells = tmp_path / "study" / "cells"
    first = study(runs, tmp_path / "study", stop=StopAfter(cells, 3))
    assert not first.finished and "not finished" in first.report["markdown"].read_text()
    kept = {path: path.stat().st_mtime_ns for path in cells.glob("*.json")}
    assert len(kept) == 3
    said: list[str] = []
    steps: list[tuple[int, int]] = []
    second = study(runs, tmp_path / "study", say=said.append, progress=lambda done, total: steps.append((done, total)))
    assert second.finished and said[0] == "3 of 6 cells were done before"
    assert steps == [(done, 6) for done in range(3, 7)]
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    whole = study(runs, tmp_path / "at once")
    figures = [json.dumps(one.to_dict()["tables"], sort_keys=True) for one in (second, whole)]
    assert figures[0] == figures[1]
    _check_report(second)


def _check_report(done: Study) -> None:
    table = done.tables[0]
    own = table.row("RWD + 1D CNN")
    assert own is not None
    cell = own.cell("LN84")
    assert cell is not None and cell.n == 30 and cell.label_budget == 60
    foreign = table.row("1D CNN of LN84, unadapted")
    assert foreign is not None
    assert foreign.cell("LO19").budget.tested_run == 0 and foreign.cell("LO19").budget.elsewhere == 60  # type: ignore[union-attr]
    report = done.report["markdown"].read_text(encoding="utf-8")
    assert "paper: 94.95 / 86.19" in report and "for orientation only" in report
    assert "against the fitted spot count" in report
    page = done.report["html"].read_text(encoding="utf-8")
    assert page.count("data:image/png;base64") == 2  # figure 8 and the curves under Table 4
    assert json.loads(done.report["json"].read_text())["finished"] is True
    assert {one.method for one in done.costs} == {"spot-count", "rwd"}


def test_a_run_too_short_for_the_split_is_refused(runs: list[Path], tmp_path: Path) -> None:
    with pytest.raises(SfxLabelError, match="90 labelled frames, but 400"):
        study(runs, tmp_path, sizes=Sizes())
    with pytest.raises(AnnotationFormatError, match="different names"):
        study([runs[0], runs[0]], tmp_path)


@pytest.mark.slow
def test_the_small_study_has_every_table_and_figure(tmp_path: Path) -> None:
    paths = [simulate_run(tmp_path / f"{name}.h5", name, 400, 5).path for name in RUNS]
    done = run_study(paths, small=True, out=tmp_path / "study")
    assert done.finished
    assert [table.planned.number for table in done.tables] == ["1", "2", "3", "4", "5", "7"]
    for table in done.tables:
        for row in table.rows:
            assert all(row.cell(column) is not None for column in row.planned.cells), row.name
    assert {"figure 8", "figure 9", "figure 10"} <= set(done.drawings.paths)
