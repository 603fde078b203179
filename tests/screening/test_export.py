"""Hits out: each format read back by what would read it, limits obeyed, provenance beside it."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError, SfxLabelError
from sfx_label.frames.open import open_frames
from sfx_label.models.bundle import ModelBundle
from sfx_label.preprocess.spots import find_spots
from sfx_label.screening.export import FORMATS, export
from sfx_label.screening.export_table import neutralise
from sfx_label.screening.run import screen
from sfx_label.screening.screening import Screening

Run = tuple[Path, NDArray[np.bool_]]


@pytest.fixture(scope="module")
def done(bundle: ModelBundle, cxi_run: Run, second_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Screening:
    return screen(bundle, [cxi_run[0], second_run[0]], tmp_path_factory.mktemp("done"))


@pytest.fixture(scope="module")
def hits(cxi_run: Run, second_run: Run) -> list[tuple[Path, int]]:
    return [(path, int(i)) for path, is_hit in (cxi_run, second_run) for i in np.flatnonzero(is_hit)]


def test_a_crystfel_list_names_the_hits(done: Screening, hits: list[tuple[Path, int]], tmp_path: Path) -> None:
    report = done.export("crystfel", tmp_path / "hits.lst")
    assert report.path.read_text().splitlines() == [f"{path} //{index}" for path, index in hits]
    assert report.n_frames == len(hits)


def test_events_of_chunked_files_name_the_chunk(
    bundle: ModelBundle, tmp_path: Path, draw: Callable[..., Any], write_idh5: Callable[..., Path]
) -> None:
    chunks = {f"chunk_{number}": draw(6, number, hit_rate=1.0)[0] for number in range(2)}
    run = write_idh5(tmp_path / "run.h5", chunks)
    lines = screen(bundle, run, tmp_path / "out").export("crystfel", tmp_path / "x.lst").path.read_text().split("\n")
    assert lines[0] == f"{run} chunk_0//0"
    assert lines[6] == f"{run} chunk_1//0"


def test_an_experiment_list_gives_file_and_index_of_each_hit(
    done: Screening, hits: list[tuple[Path, int]], tmp_path: Path
) -> None:
    document = json.loads(done.export("dials", tmp_path / "hits.expt").path.read_text())
    assert document["__id__"] == "ExperimentList"
    named = []
    for experiment in document["experiment"]:
        imageset = document["imageset"][experiment["imageset"]]
        assert imageset["__id__"] == "ImageSet"
        assert len(imageset["images"]) == len(imageset["single_file_indices"])
        named += list(zip(imageset["images"], imageset["single_file_indices"], strict=True))
        assert document["beam"][experiment["beam"]]["wavelength"] == pytest.approx(12398.4198 / 9500, rel=1e-6)
    assert named == [(str(path), index) for path, index in hits]


def test_beam_and_detector_follow_the_frames_metadata(
    bundle: ModelBundle, tmp_path: Path, draw: Callable[..., Any], write_idh5: Callable[..., Path]
) -> None:
    """Two chunks at 100 and 101 mm: two experiments, with the beam at the centre of 96 pixels of 0.177 mm."""
    chunks = {f"chunk_{number}": draw(3, number, hit_rate=1.0)[0] for number in range(2)}
    result = screen(bundle, write_idh5(tmp_path / "run.h5", chunks), tmp_path / "out")
    document = json.loads(result.export("dials", tmp_path / "hits.expt").path.read_text())
    assert [imageset["single_file_indices"] for imageset in document["imageset"]] == [[0, 1, 2], [3, 4, 5]]
    panels = [document["detector"][experiment["detector"]]["panels"][0] for experiment in document["experiment"]]
    assert [panel["origin"] for panel in panels] == [
        pytest.approx([-48 * 0.177, 48 * 0.177, -100.0]),
        pytest.approx([-48 * 0.177, 48 * 0.177, -101.0]),
    ]
    assert panels[0]["image_size"] == [96, 96]
    without = json.loads(result.export("dials", tmp_path / "plain.expt", models=False).path.read_text())
    assert len(without["experiment"]) == 1
    assert "detector" not in without["experiment"][0]


@pytest.mark.parametrize("format", ["cxi", "vds"])
def test_a_hits_only_file_holds_the_hits_and_their_peaks(
    format: str, done: Screening, hits: list[tuple[Path, int]], tmp_path: Path
) -> None:
    report = done.export(format, tmp_path / "hits.cxi")
    roots = sorted({path.parent for path, _ in hits})
    with open_frames(report.path, roots=roots) as copy, h5py.File(report.path) as file:
        assert len(copy) == len(hits)
        result = file["entry_1/result_1"]
        for number in (0, 5, len(hits) - 1):
            path, index = hits[number]
            with open_frames(path) as frames:
                assert np.array_equal(copy[number], frames[index])
                spots = find_spots(frames[index], frames.mask)
            assert result["nPeaks"][number] == len(spots) > 0
            found = np.stack([result[name][number, : len(spots)] for name in ("peakXPosRaw", "peakYPosRaw")])
            order = np.argsort(-spots.intensity, kind="stable")
            assert found == pytest.approx(np.stack([spots.x[order], spots.y[order]]), abs=1e-4)
            assert file["entry_1/experiment_identifier"].asstr()[number] == f"{path} //{index}"
        assert file["LCLS/photon_energy_eV"][:] == pytest.approx(np.full(len(hits), 9500.0))
        assert file["entry_1/data_1/data"].is_virtual == (format == "vds")


def test_peak_positions_have_their_zero_at_the_first_pixels_centre(
    bundle: ModelBundle, tmp_path: Path, write_cxi: Callable[..., Path]
) -> None:
    """CrystFEL adds half a pixel to the list, so a spot on pixel column 40, row 20 stands there as (40, 20)."""
    frame = np.random.default_rng(0).poisson(10, (1, 96, 96)).astype(np.uint16)
    for y, x in [(20, 40), *((15 + 12 * row, 20 + 15 * column) for row in range(1, 5) for column in range(4))]:
        frame[0, y - 1 : y + 2, x - 1 : x + 2] += np.array([[50, 100, 50], [100, 400, 100], [50, 100, 50]], np.uint16)
    result = screen(bundle, write_cxi(tmp_path / "one.cxi", frame), tmp_path / "out")
    with h5py.File(result.export("cxi", tmp_path / "hits.cxi").path) as file:
        group = file["entry_1/result_1"]
        peaks = np.stack([group["peakXPosRaw"][0], group["peakYPosRaw"][0]], axis=1)[: group["nPeaks"][0]]
    assert np.abs(peaks - [40, 20]).sum(axis=1).min() < 0.3


def test_the_mask_goes_along_in_cxi_bits(bundle: ModelBundle, tmp_path: Path, draw: Callable[..., Any]) -> None:
    run, mask = tmp_path / "run.cxi", np.zeros((96, 96), np.uint32)
    mask[:, :5] = 1
    with h5py.File(run, "w") as file:
        file["entry_1/data_1/data"] = draw(4, 1, hit_rate=1.0)[0]
        file["entry_1/data_1/mask"] = mask
    result = screen(bundle, run, tmp_path / "out")
    with h5py.File(result.export("cxi", tmp_path / "hits.cxi").path) as file:
        written = file["entry_1/data_1/mask"][()]
    assert np.array_equal(written, mask)


def test_frames_of_two_shapes_do_not_go_into_one_file(
    bundle: ModelBundle, tmp_path: Path, cxi_run: Run, draw: Callable[..., Any], write_cxi: Callable[..., Path]
) -> None:
    other = write_cxi(tmp_path / "other.cxi", draw(10, 3, hit_rate=1.0, side=80)[0])
    result = screen(bundle, [cxi_run[0], other], tmp_path / "out")
    with pytest.raises(FileLayoutError, match="Export each run by itself"):
        result.export("cxi", tmp_path / "hits.cxi")
    assert not (tmp_path / "hits.cxi").exists()
    assert result.export("cxi", tmp_path / "hits.cxi", run=1).n_frames == result.runs()[1].n_hits >= 8


def test_limits(done: Screening, tmp_path: Path) -> None:
    table = done.table()
    best = table.sort_values("probability", ascending=False, kind="stable").head(7).sort_values(["run", "position"])
    lines = done.export("crystfel", tmp_path / "top.lst", top=7).path.read_text().splitlines()
    assert lines == [f"{path} {event}" for path, event in zip(best.path, best.event, strict=True)]
    high = float(table.probability.quantile(0.95))
    assert done.export("csv", tmp_path / "x.csv", threshold=high).n_frames == (table.probability >= high).sum()
    assert done.export("csv", tmp_path / "x.csv", label="miss").n_frames == (table.label == "miss").sum()
    assert done.export("csv", tmp_path / "x.csv", run=1).n_frames == (table.run[table.label != "miss"] == 1).sum()
    with pytest.raises(SfxLabelError, match="nothing was written"):
        done.export("csv", tmp_path / "y.csv", label="unusable")
    for wrong in ({"label": "hot"}, {"top": 0}, {"threshold": 1.5}):
        with pytest.raises(SfxLabelError):
            done.export("csv", tmp_path / "y.csv", **wrong)
    assert not (tmp_path / "y.csv").exists()


def test_every_export_carries_its_provenance(done: Screening, bundle: ModelBundle, tmp_path: Path) -> None:
    report = done.export("crystfel", tmp_path / "hits.lst", top=3)
    note = json.loads(report.provenance.read_text())
    assert report.provenance.name == "hits.lst.provenance.json"
    assert note["model"]["digest"] == bundle.digest
    assert note["selection"] == {"threshold": bundle.threshold, "top": 3, "label": "hit_or_maybe", "run": None}
    assert note["sha256"] == hashlib.sha256(report.path.read_bytes()).hexdigest()
    assert note["n_frames"] == 3
    assert note["parts_committed"] == note["parts_planned"]
    assert "#" not in report.path.read_text()  # CrystFEL would take a comment for a file name


def test_tables(done: Screening, tmp_path: Path) -> None:
    exact = pq.read_table(done.export("parquet", tmp_path / "hits.parquet").path).to_pandas()
    expected = done.table()
    expected = expected[expected.label == "hit_or_maybe"].reset_index(drop=True)
    assert exact.equals(expected)
    with open(done.export("csv", tmp_path / "hits.csv").path, newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["probability"]) for row in rows] == list(expected.probability)
    assert rows[0]["spot_count"] == str(int(expected.spot_count[0]))


@pytest.mark.parametrize("text", ["=HYPERLINK(1)", "+1", "-1", "@SUM", "\t=1", "\r=1"])
def test_no_text_is_taken_for_a_formula(text: str) -> None:
    assert neutralise(text) == f"'{text}"
    assert neutralise(-1.5) == -1.5
    assert neutralise("/data/run.h5") == "/data/run.h5"


def test_a_run_whose_name_is_a_formula(
    bundle: ModelBundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, draw: Callable[..., Any]
) -> None:
    run = tmp_path / "run.h5"
    with h5py.File(run, "w") as file:
        file["=cmd|calc"] = draw(3, 1, hit_rate=1.0)[0]
    result = screen(bundle, run, tmp_path / "out", dataset="/=cmd|calc")
    with open(result.export("csv", tmp_path / "x.csv").path, newline="") as stream:
        for row in csv.reader(stream):
            assert not any(cell.startswith(("=", "+", "@")) for cell in row)


def test_files_without_facility_numbers_say_so(done: Screening, tmp_path: Path) -> None:
    with pytest.raises(SfxLabelError, match="no train, pulse, tag"):
        done.export("facility", tmp_path / "x.csv")


def test_a_failed_export_leaves_what_was_there(done: Screening, tmp_path: Path, cxi_run: Run) -> None:
    moved = tmp_path / "screened"
    shutil.copytree(done.folder, moved)
    target = tmp_path / "hits.cxi"
    target.write_bytes(b"of yesterday")
    with pytest.raises(SfxLabelError, match="compression is"):
        export(moved, "cxi", target, compression="zip")
    assert target.read_bytes() == b"of yesterday"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hits.cxi", "screened"]
    with pytest.raises(SfxLabelError, match=f"Unknown export format.*{next(iter(FORMATS))}"):
        export(moved, "mtz", target)
