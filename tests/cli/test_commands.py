"""The command line as scripts call it: real files in, JSON out, one line on error."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sfx_label.cli.main import COMMANDS, build_parser, main


def call(tmp_path: Path, *words: object) -> dict[str, Any]:
    target = tmp_path / "result.json"
    assert main([*map(str, words), "--quiet", "--json", str(target)]) == 0
    return dict(json.loads(target.read_text()))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "ln84.h5"
    assert main(["simulate", "--setting", "LN84", "--frames", "140", "--seed", "3", "--out", str(path), "--quiet"]) == 0
    return path


@pytest.fixture
def labels(run: Path) -> Path:
    return run.with_suffix(".expert_annotation.txt")


def test_info(run: Path, tmp_path: Path) -> None:
    found = call(tmp_path, "info", run)
    assert found["n_frames"] == 140
    assert found["shape"] == [140, 724, 724]
    assert found["format"] == "idh5_v1.0"


def test_spots_are_one_count_a_frame(run: Path, labels: Path, tmp_path: Path) -> None:
    counts = call(tmp_path, "spots", run)["counts"]
    hits = [line.endswith("HIT") for line in labels.read_text().splitlines()]
    assert len(counts) == 140
    assert min(n for n, hit in zip(counts, hits, strict=True) if hit) >= 4


def test_labels_in_and_out(run: Path, labels: Path, tmp_path: Path) -> None:
    store = tmp_path / "ln84.labels"
    assert call(tmp_path, "labels", "import", run, labels, "--store", store, "--annotator", "expert")["imported"] == 140
    call(tmp_path, "labels", "export", run, "--store", store, "--out", tmp_path / "out.txt", "--format", "expert")
    again = call(tmp_path, "labels", "agreement", labels, tmp_path / "out.txt", "--classes", "3")
    assert again["kappa"] == pytest.approx(1.0)
    assert again["n"] == 140
    assert call(tmp_path, "labels", "stats", "--store", store)


@pytest.mark.parametrize("method", ["spot-count", "rwd", "hybrid"])
def test_train_evaluate_screen_export(run: Path, labels: Path, tmp_path: Path, method: str) -> None:
    bundle = tmp_path / "bundle"
    sizes = ("--train", 60, "--validation", 30, "--seed", 1)
    trained = call(tmp_path, "train", method, run, "--labels", labels, *sizes, "--out", bundle)
    assert trained["label_budget"]["total"] == 90
    assert trained["test"]["recall"]["hit_or_maybe"]["n"] + trained["test"]["recall"]["miss"]["n"] == 50
    evaluated = call(tmp_path, "evaluate", bundle, run, "--labels", labels)
    assert evaluated["excluded"] == 90
    assert evaluated["recall"] == trained["test"]["recall"]
    assert {"value", "low", "high"} <= set(evaluated["balanced_accuracy"])
    screened = call(tmp_path, "screen", bundle, run, "--out", tmp_path / "night", "--audit", 5)
    assert screened["n_frames"] == 140
    assert 20 < screened["n_hits"] < 120
    hits = tmp_path / "hits.lst"
    call(tmp_path, "export", tmp_path / "night", "--format", "crystfel", "--out", hits)
    assert len(hits.read_text().splitlines()) == screened["n_hits"]


def test_zero_label_by_name(run: Path, labels: Path, tmp_path: Path) -> None:
    found = call(tmp_path, "evaluate", "zero-label", run, "--labels", labels)
    assert found["label_budget"] == 0
    assert found["balanced_accuracy"]["value"] > 0.9
    assert call(tmp_path, "screen", "zero-label", run, "--out", tmp_path / "night")["n_frames"] == 140


def test_overlap(run: Path, labels: Path, tmp_path: Path) -> None:
    call(tmp_path, "train", "hybrid", run, "--labels", labels, "--out", tmp_path / "b")
    picture = tmp_path / "overlap.png"
    found = call(tmp_path, "overlap", tmp_path / "b", run, run, "--frames", 60, "--picture", picture)
    assert picture.stat().st_size > 1000
    assert found["all"]["domain_auc"]["value"] == pytest.approx(0.5, abs=0.2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["info", "nowhere.h5"], "nowhere.h5"),
        (["evaluate", "no-bundle", "nowhere.h5", "--labels", "x"], "no-bundle"),
        (["train", "magic", "nowhere.h5", "--labels", "x", "--out", "y"], "magic"),
        (["labels", "stats", "--store", "nowhere.labels"], "nowhere.labels"),
        (["screen", "zero-label", "nowhere.h5", "--out", "o", "--partition", "4/4"], "nowhere.h5"),
    ],
)
def test_an_error_is_one_line_and_a_status(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 1
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("sfx-label: error:")
    assert said in lines[0]


def test_every_command_has_help_an_example_and_the_common_options(capsys: pytest.CaptureFixture[str]) -> None:
    names = {command.name for command in COMMANDS}
    promised = ("demo", "simulate", "info", "spots", "train", "evaluate", "overlap", "screen", "export", "study")
    assert {"bench", "doctor"} <= names
    assert names >= {*promised, "labels import", "labels export", "labels stats", "labels agreement"}
    for command in COMMANDS:
        with pytest.raises(SystemExit):
            build_parser().parse_args([*command.name.split(), "--help"])
        text = capsys.readouterr().out
        assert "--json" in text
        assert command.example in text


def test_completion_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "bash"]) == 0
    assert "screen" in capsys.readouterr().out


def test_doctor_finds_this_installation(tmp_path: Path) -> None:
    found = call(tmp_path, "doctor")
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert states["keras"] == states["HDF5"] == states["labels here"] == "ok"


def test_as_a_module() -> None:
    done = subprocess.run([sys.executable, "-m", "sfx_label", "--version"], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("sfx-label ")
