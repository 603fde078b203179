"""Screening a run: every frame a row, the same bytes from every engine, stopped and gone on with."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from numpy.typing import NDArray

from sfx_label.errors import BundleError, FrameReadError, SfxLabelError
from sfx_label.frames.open import open_frames
from sfx_label.models.bundle import ModelBundle
from sfx_label.screening.run import screen
from sfx_label.screening.screening import Screening

Run = tuple[Path, NDArray[np.bool_]]


def digest(folder: Path) -> str:
    """SHA-256 over all results, file by file."""
    total = hashlib.sha256()
    for path in sorted(folder.glob("part-*.parquet")):
        total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def serial(bundle: ModelBundle, cxi_run: Run, second_run: Run, tmp_path_factory: pytest.TempPathFactory) -> Screening:
    out = tmp_path_factory.mktemp("serial")
    return screen(bundle, [cxi_run[0], second_run[0]], out, part_frames=32)


def test_every_frame_has_one_row_that_names_it(serial: Screening, cxi_run: Run, second_run: Run) -> None:
    table = serial.table()
    assert serial.complete
    assert not serial.failures
    assert len(table) == serial.n_frames == serial.n_planned == 450
    assert list(zip(table.run, table.position, strict=True)) == [(0, i) for i in range(300)] + [
        (1, i) for i in range(150)
    ]
    assert set(table.path) == {str(cxi_run[0]), str(second_run[0])}
    with open_frames(second_run[0]) as frames:
        key, row = frames.keys[7], table.iloc[307]
    assert (row.fingerprint, row.dataset, row["index"], row.event) == (key.fingerprint, key.dataset, 7, "//7")


def test_probabilities_are_those_of_the_bundle(serial: Screening, bundle: ModelBundle, second_run: Run) -> None:
    with open_frames(second_run[0]) as frames:
        expected = bundle.predict(frames)
    assert np.array_equal(serial.table().probability[300:], expected)


def test_hits_are_found_and_counted(serial: Screening, cxi_run: Run, second_run: Run) -> None:
    hits = np.concatenate([cxi_run[1], second_run[1]])
    assert np.array_equal(serial.table().label == "hit_or_maybe", hits)
    assert serial.n_hits == hits.sum()
    first, second = serial.runs()
    assert (first.n_hits, second.n_hits) == (cxi_run[1].sum(), second_run[1].sum())
    assert second.hit_rate.low < second.hit_rate.value == second_run[1].mean() < second.hit_rate.high
    assert first.statuses == {"ok": 300}


def test_the_spot_count_of_the_model_is_kept(serial: Screening, cxi_run: Run) -> None:
    counts = serial.table().spot_count[:300].to_numpy()
    assert counts[cxi_run[1]].min() >= 4  # of twelve, some overlap or join
    assert counts[~cxi_run[1]].max() <= 3


@pytest.mark.parametrize("engine", ["threads", "processes"])
def test_engines_give_the_same_bytes(
    engine: str, serial: Screening, bundle: ModelBundle, cxi_run: Run, second_run: Run, tmp_path: Path
) -> None:
    result = screen(bundle, [cxi_run[0], second_run[0]], tmp_path, engine, workers=2, part_frames=32)
    assert result.complete
    assert digest(tmp_path) == digest(serial.folder)
    assert (tmp_path / "audit.parquet").read_bytes() == (serial.folder / "audit.parquet").read_bytes()


def test_times_are_kept_apart(serial: Screening) -> None:
    times = serial.times()
    assert len(times) == 450
    assert (times.read_seconds > 0).all()
    shares = serial.time_shares()
    assert set(shares) == {"read", "preprocess", "model", "commit"}
    assert sum(shares.values()) == pytest.approx(1)


def test_a_hit_rate_along_the_run(serial: Screening, cxi_run: Run) -> None:
    series = serial.hit_rate_series(0, window=100)
    assert list(series.start) == [0, 100, 200]
    assert list(series.hit_rate) == [cxi_run[1][i : i + 100].mean() for i in (0, 100, 200)]
    assert (series.low < series.hit_rate).all()


def test_progress_counts_frames_and_goes_on_where_it_was(
    bundle: ModelBundle, second_run: Run, tmp_path: Path, serial: Screening
) -> None:
    calls: list[tuple[int, int]] = []
    stop = threading.Event()

    def note(done: int, total: int) -> None:
        calls.append((done, total))
        if done >= 64:
            stop.set()

    part = screen(bundle, second_run[0], tmp_path, part_frames=32, progress=note, stop=stop)
    assert calls == [(0, 150), (32, 150), (64, 150)]
    assert not part.complete
    assert part.n_frames == 64
    calls.clear()
    rest = screen(bundle, second_run[0], tmp_path, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(64, 150), (96, 150), (128, 150), (150, 150)]
    assert rest.complete
    assert rest.n_screened == 86
    whole = screen(bundle, second_run[0], tmp_path / "whole", part_frames=32)
    assert digest(tmp_path) == digest(whole.folder)


def test_a_finished_screening_is_not_done_again(serial: Screening, bundle: ModelBundle, cxi_run: Run) -> None:
    before = {path: path.stat().st_mtime_ns for path in serial.folder.glob("part-*")}
    again = screen(bundle, cxi_run[0], serial.folder)
    assert again.n_screened == 0
    assert {path: path.stat().st_mtime_ns for path in serial.folder.glob("part-*")} == before


def test_leftovers_of_killed_workers_do_no_harm(bundle: ModelBundle, second_run: Run, tmp_path: Path) -> None:
    whole = screen(bundle, second_run[0], tmp_path, part_frames=32)
    name = next(tmp_path.glob("part-*")).name
    (tmp_path / f".{name}.abc.tmp").write_bytes(b"half a file")
    (tmp_path / "part-000000000000000000000000.parquet").write_bytes(b"of another plan")
    assert Screening.open(tmp_path).n_frames == 150
    assert len(whole.table()) == 150


def test_jobs_of_an_array_do_their_share(bundle: ModelBundle, second_run: Run, tmp_path: Path) -> None:
    for number in (2, 0, 1):
        result = screen(bundle, second_run[0], tmp_path, partition=(number, 3), part_frames=16)
        assert result.n_screened in (48, 54)
    assert result.complete
    assert len(result.audit()) > 0
    with pytest.raises(SfxLabelError, match="from 0 to n - 1"):
        screen(bundle, second_run[0], tmp_path, partition=(3, 3))


def test_bad_frames_have_rows_too(bundle: ModelBundle, tmp_path: Path, draw: Callable[..., Any]) -> None:
    """A damaged chunk, a saturated frame, a frame whose virtual source is missing."""
    frames, _ = draw(12, 9)
    run = tmp_path / "run.cxi"
    with h5py.File(run, "w") as file:
        data = file.create_dataset("entry_1/data_1/data", data=frames, chunks=(1, 96, 96), compression="gzip")
        place = data.id.get_chunk_info(4)
    with open(run, "r+b") as raw:
        raw.seek(place.byte_offset + 20)
        raw.write(b"\xff" * 40)
    result = screen(bundle, run, tmp_path / "out")
    table = result.table()
    assert len(table) == 12
    assert table.status[4] == "unreadable"
    assert table.message[4]
    assert np.isnan(table.probability[4])
    assert table.label[4] == "unusable"
    assert (table.status.drop(4) == "ok").all()
    assert table.probability.drop(4).notna().all()
    assert result.n_unusable == 1
    assert result.runs()[0].statuses == {"ok": 11, "unreadable": 1}
    assert result.runs()[0].hit_rate.n == 11


def test_a_missing_virtual_source_is_no_black_frame(
    bundle: ModelBundle, tmp_path: Path, draw: Callable[..., Any], new_run: Callable[..., Path]
) -> None:
    sources = [new_run("a.cxi", 5, 1), new_run("b.cxi", 5, 2)]
    layout = h5py.VirtualLayout((10, 96, 96), "u2")
    for number, source in enumerate(sources):
        name = "entry_1/data_1/data"
        layout[5 * number : 5 * number + 5] = h5py.VirtualSource(source.name, name, shape=(5, 96, 96))
    with h5py.File(tmp_path / "all.cxi", "w") as file:
        file.create_group("entry_1/data_1").create_virtual_dataset("data", layout, fillvalue=0)
    sources[1].unlink()
    table = screen(bundle, tmp_path / "all.cxi", tmp_path / "out").table()
    assert list(table.status) == ["ok"] * 5 + ["missing"] * 5
    assert table.probability[5:].isna().all()
    assert (table.label[5:] == "unusable").all()


def test_another_model_or_a_replaced_run_is_refused(
    bundle: ModelBundle, tmp_path: Path, new_run: Callable[..., Path]
) -> None:
    run, stop = new_run(n=40, seed=1), threading.Event()
    screen(bundle, run, tmp_path / "out", part_frames=16, stop=stop, progress=lambda done, _: done and stop.set())
    with pytest.raises(BundleError, match="begun with another model"):
        screen(bundle.with_threshold(0.9), run, tmp_path / "out")
    new_run(n=40, seed=2)  # the file is processed again and replaced
    result = screen(bundle, run, tmp_path / "out")
    assert not result.complete
    assert all("not the run that was planned" in failure.message for failure in result.failures)
    assert len(result.failures) == 2


def test_the_model_in_the_folder_is_checked(bundle: ModelBundle, tmp_path: Path, new_run: Callable[..., Path]) -> None:
    run, stop = new_run(n=40), threading.Event()
    screen(bundle, run, tmp_path, part_frames=16, stop=stop, progress=lambda done, _: done and stop.set())
    bundle.with_threshold(0.9).save(tmp_path / "model")
    from sfx_label.screening.model import load_model

    load_model.cache_clear()
    result = screen(bundle, run, tmp_path)
    assert "digest" in result.failures[0].message


def test_a_growing_run_is_followed(bundle: ModelBundle, tmp_path: Path, draw: Callable[..., Any]) -> None:
    run, (frames, hits) = tmp_path / "run.cxi", draw(100, 3)

    def grow(n: int) -> None:
        np.save(tmp_path / "frames.npy", frames[:n])
        code = (
            "import h5py, numpy, sys; frames = numpy.load(sys.argv[2]);"
            "file = h5py.File(sys.argv[1], 'a', locking=False);"
            "data = file['entry_1/data_1/data']; data.resize(len(frames), axis=0); data[...] = frames; file.close()"
        )
        subprocess.run([sys.executable, "-c", code, run, tmp_path / "frames.npy"], check=True)

    with h5py.File(run, "w") as file:
        file.create_dataset("entry_1/data_1/data", data=frames[:30], maxshape=(None, 96, 96), chunks=(1, 96, 96))
    sizes = iter([60, 100])

    def on_progress(done: int, total: int) -> None:
        if done and total - done < 16:
            n = next(sizes, None)
            if n:
                grow(n)

    result = screen(bundle, run, tmp_path / "out", part_frames=16, follow=True, idle_seconds=1.0, progress=on_progress)
    assert result.complete
    assert result.n_frames == 100
    assert np.array_equal(result.table().label == "hit_or_maybe", hits)
    assert result.manifest.generations >= 3


def test_nothing_to_screen_is_an_error(bundle: ModelBundle, tmp_path: Path) -> None:
    with pytest.raises(SfxLabelError, match="No run"):
        screen(bundle, [], tmp_path)
    with pytest.raises(FrameReadError):
        screen(bundle, tmp_path / "absent.cxi", tmp_path)
    with pytest.raises(SfxLabelError, match="Unknown engine"):
        screen(bundle, tmp_path / "absent.cxi", tmp_path, "spark")
