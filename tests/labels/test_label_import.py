"""Annotation files placed on real runs, and what happens to labels when the run changes under them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest

from sfx_label.errors import AnnotationFormatError
from sfx_label.frames.open import open_frames
from sfx_label.frames.sequence import Frames
from sfx_label.labels.interchange import read_annotations
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.labels.source import is_store, read_labels
from sfx_label.labels.storage import LabelStoreWarning
from sfx_label.labels.store import LabelStore

MakeRun = Callable[..., Frames]


def _write_run(path: Path, n: int, seed: int = 0) -> None:
    pixels = np.random.default_rng(seed).integers(0, 100, (n, 8, 8), dtype=np.uint16)
    with h5py.File(path, "w") as file:
        file.create_dataset("entry/data/data", data=pixels, maxshape=(None, 8, 8), chunks=(1, 8, 8))


@pytest.fixture
def run(tmp_path: Path) -> Iterator[MakeRun]:
    opened: list[Frames] = []

    def make(n: int = 10, name: str = "run.h5", seed: int = 0) -> Frames:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        _write_run(path, n, seed)
        opened.append(open_frames(f"{path}:/entry/data/data"))
        return opened[-1]

    yield make
    for frames in opened:
        frames.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with LabelStore.open(tmp_path / "run.labels", create=True, annotator="anna") as opened:
        yield opened


def _text(folder: Path, text: str, name: str = "labels.txt") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_twin_and_its_expert(shared_data: Path, store: LabelStore) -> None:
    path = shared_data / "twins" / "TWIN83.expert_annotation.txt"
    with open_frames(shared_data / "twins" / "TWIN83.h5") as frames:
        report = store.import_labels(frames, path, annotator="expert")
        expected = [entry.label for entry in read_annotations(path).annotations]
        assert store.labels_for(frames, "expert").tolist() == expected
        assert (report.imported, report.known, report.warnings) == (100, 0, ())
        again = store.import_labels(frames, path, annotator="expert")
        assert (again.imported, again.known) == (0, 100) and len(store.events()) == 100
        assert "100 were there already" in str(again)
        table = store.import_labels(frames, shared_data / "twins" / "TWIN83.truth.csv", annotator="truth")
        assert table.format == "csv" and np.array_equal(
            store.labels_for(frames, "truth"), store.labels_for(frames, "expert")
        )


def test_an_import_can_be_taken_back_and_done_again(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    frames = run(5)
    store.append(frames.keys[0], Label.HIT)
    path = _text(tmp_path, "run.h5 [1] MISS\nrun.h5 [2] HIT\n")
    report = store.import_labels(frames, path)
    assert store.labels_for(frames).tolist() == [0, 2, -1, -1, -1]
    assert store.undo_import(report) == 2
    assert store.labels_for(frames).tolist() == [2, -1, -1, -1, -1]
    assert store.import_labels(frames, path).imported == 2
    assert store.labels_for(frames).tolist() == [0, 2, -1, -1, -1]


def test_frames_beyond_the_run_are_refused_and_nothing_is_imported(
    run: MakeRun, store: LabelStore, tmp_path: Path
) -> None:
    path = _text(tmp_path, "run.h5 [1] MISS\nrun.h5 [11] HIT\n")
    with pytest.raises(AnnotationFormatError, match="line 2: frame 11 lies beyond the run, which has 10 frames"):
        store.import_labels(run(10), path)
    assert store.events() == []


def test_another_name_is_accepted_with_a_warning(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    report = store.import_labels(run(2), _text(tmp_path, "r0018_2000.h5 [2] HIT\n"))
    assert "names r0018_2000.h5, the run is run.h5" in report.warnings[0]
    assert report.to_dict()["imported"] == 1


def test_a_selection_is_not_what_was_annotated(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    with pytest.raises(AnnotationFormatError, match="as open_frames returns it"):
        store.import_labels(run(10)[3:], _text(tmp_path, "run.h5 [2] HIT\n"))


def test_frames_that_dials_leaves_out_have_no_spots(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    frames = run(4)
    store.import_labels(frames, _text(tmp_path, "00002    12 Hit\n00003     1 Miss\n"), annotator="dials")
    assert store.labels_for(frames, "dials").tolist() == [0, 2, 0, 0]
    assert {event.key.index: event.display["imported"]["spots"] for event in store.events()} == {
        0: 0,
        1: 12,
        2: 1,
        3: 0,
    }


def test_suggestions_do_not_vote(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    frames = run(2)
    store.import_labels(frames, _text(tmp_path, "00001 12 Hit\n"), annotator="dials", as_suggestions=True)
    assert store.labels_for(frames).tolist() == [UNLABELLED] * 2
    assert store.labels_for(frames, "dials").tolist() == [2, 0]


def test_a_crystfel_stream_and_list_name_frames_by_event(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    frames = run(4)
    assert frames.keys[2].event == "//2"
    chunk = (
        "----- Begin chunk -----\nImage filename: /moved/run.h5\nEvent: //{}\n"
        "indexed_by = none\nnum_peaks = {}\n----- End chunk -----\n"
    )
    stream = _text(tmp_path, chunk.format(2, 5) + chunk.format(0, 1) + chunk.format(77, 9), "a.stream")
    report = store.import_labels(frames, stream, annotator="crystfel")
    assert store.labels_for(frames, "crystfel").tolist() == [0, -1, 1, -1] and report.elsewhere == 1
    hits = _text(tmp_path, f"{frames.path} //3\n/other/r2.h5 //0\n", "hits.lst")
    store.import_labels(frames, hits, annotator="hits")
    assert store.labels_for(frames, "hits").tolist() == [-1, -1, -1, 2]
    store.import_labels(frames, _text(tmp_path, f"{frames.path}\n", "all.lst"), annotator="all")
    assert store.labels_for(frames, "all").tolist() == [2, 2, 2, 2]


def test_a_stream_of_another_run_is_refused(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    path = _text(tmp_path, "/other/r2.h5 //0\n", "hits.lst")
    with pytest.raises(AnnotationFormatError, match=r"nothing in the annotation file.*r2\.h5 //0"):
        store.import_labels(run(4), path)


def test_several_annotators_of_one_table_keep_their_names(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    frames = run(2)
    path = _text(tmp_path, "frame,label,annotator,note\n1,hit,ben,look\n1,miss,carl,\n2,hit,ben,\n", "a.csv")
    with pytest.raises(AnnotationFormatError, match="2 annotators"):
        store.import_labels(frames, path, annotator="one")
    store.import_labels(frames, path)
    assert store.annotators() == ["ben", "carl"]
    assert store.labels_for(frames).tolist() == [UNLABELLED, 2] and store.notes_for(frames) == {0: ["look"]}


def test_two_labels_for_one_frame_are_refused(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    path = _text(tmp_path, "frame,label\n1,hit\n1,miss\n", "a.csv")
    with pytest.raises(AnnotationFormatError, match="line 3: frame 1 has two labels of 'anna', Hit and Miss"):
        store.import_labels(run(2), path)
    assert store.events() == []


@pytest.mark.parametrize("ending", ["csv", "json", "txt"])
def test_export_and_import_are_inverse(run: MakeRun, store: LabelStore, tmp_path: Path, ending: str) -> None:
    frames = run(10)
    for position in (0, 3, 4, 9):
        store.append(frames.keys[position], position % 3, note="=1+1" if position == 3 else None)
    path = tmp_path / f"out.{ending}"
    assert store.export_labels(path, frames=frames, annotator="anna") == 4
    with LabelStore.open(tmp_path / "second.labels", create=True, annotator="ben") as second:
        second.import_labels(frames, path, annotator="ben")
        assert np.array_equal(second.labels_for(frames), store.labels_for(frames))
        assert second.notes_for(frames) == ({3: ["=1+1"]} if ending != "txt" else {})


def test_export_of_everything_and_unknown_formats(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    first, second = run(3), run(3, "b.h5", seed=1)
    store.append(first.keys[0], "hit")
    store.append(second.keys[1], "miss")
    assert store.export_labels(tmp_path / "all.json") == 2
    with pytest.raises(AnnotationFormatError, match="Give the run"):
        store.export_labels(tmp_path / "all.txt")
    with pytest.raises(AnnotationFormatError, match=r"unknown format.*\.xlsx"):
        store.export_labels(tmp_path / "all.xlsx", frames=first)


def test_a_run_of_several_files_is_numbered_file_by_file(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    first, second = run(3, "a.h5"), run(4, "b.h5", seed=1)
    with open_frames([first.path, second.path], dataset="/entry/data/data") as both:
        assert len(both) == 7
        store.import_labels(both, _text(tmp_path, "b.h5 [1] HIT\na.h5 [3] MAYBE\n"))
        assert store.labels_for(both).tolist() == [-1, -1, 1, 2, -1, -1, -1]
        store.export_labels(tmp_path / "out.txt", frames=both)
        assert sorted((tmp_path / "out.txt").read_text().split("\n")) == ["", "a.h5 [3] MAYBE", "b.h5 [1] HIT"]
        with pytest.raises(AnnotationFormatError, match="frame 4 lies beyond the run, which has 3"):
            store.import_labels(both, _text(tmp_path, "a.h5 [4] HIT\n", "c.txt"))


def test_files_of_one_name_are_told_apart_by_folder_or_not_at_all(
    run: MakeRun, store: LabelStore, tmp_path: Path
) -> None:
    first, second = run(2, "x/a.h5"), run(2, "y/a.h5", seed=1)
    with open_frames([first.path, second.path], dataset="/entry/data/data") as both:
        with pytest.raises(AnnotationFormatError, match="several files called"):
            store.import_labels(both, _text(tmp_path, "a.h5 [1] HIT\n"))
        store.import_labels(both, _text(tmp_path, "y/a.h5 [1] HIT\n", "named.txt"))
        assert store.labels_for(both).tolist() == [-1, -1, 2, -1]


def test_a_replaced_run_is_noticed_and_its_labels_are_kept(run: MakeRun, store: LabelStore) -> None:
    before = run(5)
    store.append(before.keys[0], Label.HIT)
    before.close()
    after = run(5, seed=99)  # reprocessed: same path, other content
    with pytest.warns(LabelStoreWarning, match=r"is not the file that was labelled under this name: 1 labelled frame"):
        assert store.labels_for(after).tolist() == [UNLABELLED] * 5
    assert store.labels_for(after).tolist() == [UNLABELLED] * 5  # said once
    assert len(store.events()) == 1


def test_labels_stay_attached_while_a_run_grows(run: MakeRun, store: LabelStore) -> None:
    frames = run(5)
    store.append(frames.keys[4], Label.HIT)
    frames.close()
    with h5py.File(frames.path, "r+") as file:
        file["entry/data/data"].resize(8, axis=0)
    with open_frames(f"{frames.path}:/entry/data/data") as grown:
        assert store.labels_for(grown).tolist() == [-1, -1, -1, -1, 2, -1, -1, -1]


def test_labels_follow_a_run_that_was_moved(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    frames = run(5)
    store.append(frames.keys[1], Label.HIT)
    frames.close()
    (tmp_path / "archive").mkdir()
    moved = Path(frames.path).rename(tmp_path / "archive" / "run.h5")
    with open_frames(f"{moved}:/entry/data/data") as archived:
        assert store.labels_for(archived).tolist() == [-1, 2, -1, -1, -1]


@pytest.mark.parametrize("n", [20, 2000])  # few labels are looked up, many are gone through
def test_selections_and_repeats_get_their_own_labels(run: MakeRun, store: LabelStore, n: int) -> None:
    frames = run(n)
    for position in (1, 3, 5, 7):
        store.append(frames.keys[position], position % 3)
    expected = np.full(n, UNLABELLED, np.int8)
    expected[[1, 3, 5, 7]] = [1, 0, 2, 1]
    pick = np.concatenate([[7, 7, 0, 3], np.random.default_rng(0).integers(0, n, 400)])
    for selection in (frames, frames[3:], frames[pick], frames[expected >= 0], frames[[]]):
        assert np.array_equal(store.labels_for(selection), expected[selection.positions])
        assert np.array_equal(store.seen_by(selection, "anna"), expected[selection.positions] >= 0)


def test_undo_within_a_run_leaves_other_runs_alone(run: MakeRun, store: LabelStore) -> None:
    first, second = run(3), run(3, "b.h5", seed=1)
    store.append(first.keys[0], "hit")
    store.append(second.keys[0], "hit")
    assert store.undo(within=first) is not None and store.undo(within=first) is None
    assert store.labels_for(first).tolist() == [-1, -1, -1] and store.labels_for(second).tolist() == [2, -1, -1]


def test_labels_are_read_from_store_and_file_alike(run: MakeRun, store: LabelStore, tmp_path: Path) -> None:
    frames = run(3)
    path = _text(tmp_path, "run.h5 [1] MISS\nrun.h5 [3] HIT\n")
    store.import_labels(frames, path)
    assert is_store(store.path) and not is_store(path)
    assert read_labels(frames, store.path).tolist() == read_labels(frames, path).tolist() == [0, -1, 2]


def test_looking_at_a_store_does_not_drop_the_locks_of_a_writer(store: LabelStore, run: MakeRun) -> None:
    """POSIX locks vanish when any handle on the file is closed, so nobody but SQLite may open it."""
    import subprocess
    import sys

    frames = run(2)
    store.append(frames.keys[0], "hit")
    with store._log._writing():
        assert is_store(store.path)
        attempt = "import sqlite3, sys; sqlite3.connect(sys.argv[1], timeout=0).execute('BEGIN IMMEDIATE')"
        done = subprocess.run([sys.executable, "-c", attempt, store.path], capture_output=True, text=True, check=False)
    assert "database is locked" in done.stderr
