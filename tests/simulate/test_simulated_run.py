"""Whole frames and files: the mix, the truth behind a label, the same bytes, nothing half written."""

from __future__ import annotations

import csv
import hashlib
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
import pytest

from sfx_label.errors import SfxLabelError
from sfx_label.frames.open import open_frames
from sfx_label.labels.published import read_expert
from sfx_label.labels.scheme import Label, label_from_spot_count
from sfx_label.preprocess.spots import find_spots
from sfx_label.simulate import SETTINGS, Simulator, random_setting, simulate_run
from sfx_label.simulate.frame import classes_in_order

SMALL = (300, 320)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("name", "mix"), [("LN83", (346, 63, 1591)), ("LN84", (806, 132, 1062)), ("LO19", (730, 151, 1119))]
)
def test_class_mix_is_that_of_the_published_annotations(name: str, mix: tuple[int, int, int]) -> None:
    assert SETTINGS[name].mix.per_2000 == mix
    for n in (2000, 4000, 60, 117):
        labels = classes_in_order(mix, n, seed=3)
        counts = [(labels == label).sum() for label in (Label.HIT, Label.MAYBE, Label.MISS)]
        assert sum(counts) == n
        np.testing.assert_allclose(counts, np.array(mix) * n / 2000, atol=1.01 if n % 2000 else 0)


def test_classes_are_shuffled_and_a_longer_run_starts_with_the_shorter() -> None:
    short, long = (classes_in_order((806, 132, 1062), n, seed=1) for n in (200, 1000))
    assert (long[:200] == short).all()
    assert (classes_in_order((806, 132, 1062), 200, seed=2) != short).any()
    positive = (long > 0).astype(float) - (long > 0).mean()
    assert abs((positive[1:] * positive[:-1]).mean() / positive.var()) < 0.15


@pytest.mark.parametrize("name", list(SETTINGS))
def test_a_frame_shows_the_class_it_was_asked_for(name: str) -> None:
    simulator = Simulator(SETTINGS[name], seed=5)
    for index, label in enumerate([Label.HIT, Label.MAYBE, Label.MISS] * 3):
        truth = simulator.frame(index, label).truth
        assert truth.label == label.name == label_from_spot_count(truth.n_visible).name
        assert truth.n_visible_frame >= truth.n_visible


def test_a_frame_does_not_depend_on_those_made_before() -> None:
    once, again = Simulator(SETTINGS["LN84"], 7, SMALL), Simulator(SETTINGS["LN84"], 7, SMALL)
    first = once.frame(3, Label.HIT).data.copy()
    again.frame(0, Label.MISS)
    assert (again.frame(3, Label.HIT).data == first).all()


def test_visible_spots_are_there_and_misses_are_no_empty_pictures() -> None:
    """A finder that knows nothing of the simulation ranks the frames as their labels do, but not without error."""
    simulator = Simulator(SETTINGS["LO19"], seed=11)
    y, x = np.indices((724, 724))
    outside = np.hypot(x - 361.5, y - 361.5) > 62
    labels = [Label.HIT] * 6 + [Label.MAYBE] * 6 + [Label.MISS] * 20
    frames = [simulator.frame(i, label) for i, label in enumerate(labels)]
    found = np.array([len(find_spots(f.data, outside)) for f in frames])
    assert found[:6].min() >= 10
    assert 4 <= np.median(found[6:12]) < np.median(found[:6])
    assert np.median(found[12:]) <= 3
    assert (found[12:] > 0).any()


def test_simple_scores_do_not_solve_it() -> None:
    simulator = Simulator(SETTINGS["LN84"], seed=2)
    labels = classes_in_order((806, 132, 1062), 80, seed=2)
    frames = [simulator.frame(i, int(label)).data for i, label in enumerate(labels)]
    for score, low, high in ((np.max, 0.65, 0.97), (np.mean, 0.3, 0.75)):
        values = np.array([float(score(f)) for f in frames])
        wins = np.sign(values[labels > 0][:, None] - values[labels == 0][None, :])
        assert low < (wins.mean() + 1) / 2 < high


def test_same_seed_same_bytes(tmp_path: Path) -> None:
    first = simulate_run(tmp_path / "run.h5", "LN83", 4, 5, frame_size=SMALL)
    wanted = digest(first.path)
    time.sleep(1.1)  # a time stamp in seconds would show
    (tmp_path / "again").mkdir()
    assert digest(simulate_run(tmp_path / "again" / "other.h5", "LN83", 4, 5, frame_size=SMALL).path) == wanted
    assert digest(simulate_run(tmp_path / "again" / "third.h5", "LN83", 4, 6, frame_size=SMALL).path) != wanted


def test_a_longer_run_starts_with_the_shorter(tmp_path: Path) -> None:
    runs = [simulate_run(tmp_path / f"{n}.h5", "LO19", n, 1, frame_size=SMALL) for n in (20, 40)]
    pictures = []
    for run in runs:
        with h5py.File(run.path) as file:
            pictures.append(file["data/chunk_0000/images"][:20])
    assert (pictures[0] == pictures[1]).all()
    assert (runs[0].truth["n_visible"] == runs[1].truth["n_visible"][:20]).all()


def test_the_file_is_an_idh5_run_with_its_labels(tmp_path: Path) -> None:
    done: list[tuple[int, int]] = []
    run = simulate_run(tmp_path / "r0018.h5", "LN83", 25, 3, progress=lambda *a: done.append(a), frame_size=SMALL)
    assert done[-1] == (25, 25)
    assert done[0] == (1, 25)
    with open_frames(run.path) as frames:
        assert frames.shape == (25, *SMALL)
        assert frames.dtype == np.int16
        assert frames.format == "idh5_v1.0"
        metadata = frames.frame_metadata(24)
        assert metadata.pixel_size_mm == pytest.approx(0.177)
        assert metadata.distance_mm == pytest.approx(148.0)
        assert metadata.wavelength_angstrom == pytest.approx(run.truth["wavelength"][24])
        assert metadata.beam_center_px == pytest.approx((160.0 - 1.8, 150.0 + 2.4))
    assert run.annotation_path is not None
    assert run.truth_path is not None
    lines = run.annotation_path.read_text().splitlines()
    assert lines[0] == f"r0018.h5 [1] {run.truth['label'][0]}"
    assert len(read_expert(run.annotation_path).annotations) == len(lines) == len(run) == 25
    with run.truth_path.open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["n_visible"]) for row in rows] == run.truth["n_visible"].tolist()


def test_files_have_several_chunks_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sfx_label.simulate.run.CHUNK_FRAMES", 2)
    run = simulate_run(tmp_path / "chunks.h5", "LN84", 5, 1, frame_size=128)
    with h5py.File(run.path) as file:
        assert list(file["data"]) == ["chunk_0000", "chunk_0001", "chunk_0002"]
        assert [len(file["data"][name]["wavelength"]) for name in file["data"]] == [2, 2, 1]
        assert bytes(file["data/chunk_0000/timestamp"][0]) == b"2014-02-28T06:00Z00.033"


@pytest.mark.parametrize("dtype", ["int16", "uint16", "int32", "float32"])
def test_every_type_holds_the_same_picture(tmp_path: Path, dtype: str) -> None:
    simulate_run(tmp_path / "x.h5", "LN83", 1, 1, frame_size=128, dtype=dtype)
    with h5py.File(tmp_path / "x.h5") as file:
        stored = file["data/chunk_0000/images"][0]
    assert stored.dtype == np.dtype(dtype)
    assert (stored == Simulator(SETTINGS["LN83"], 1, (128, 128)).frame(0, Label.parse("miss")).data).all()


def test_without_annotations_there_is_one_file(tmp_path: Path) -> None:
    run = simulate_run(tmp_path / "x.h5", "LN83", 1, 1, frame_size=128, annotations=False)
    assert run.annotation_path is None
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_a_failed_run_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    target = tmp_path / "x.h5"
    target.write_bytes(b"old")

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        simulate_run(target, "LN83", 3, 1, frame_size=128, progress=stop)
    assert target.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.h5"]


def test_a_killed_run_leaves_no_half_file(tmp_path: Path) -> None:
    code = (
        "import os, signal; from sfx_label.simulate import simulate_run\n"
        "def kill(done, total):\n    if done == 2: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"simulate_run({str(tmp_path / 'x.h5')!r}, 'LN83', 5, 1, frame_size=128, progress=kill)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=120).returncode == -9
    assert not list(tmp_path.glob("x.*"))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"setting": "LN99"}, "LN99.*LN83, LN84, LO19, HARD"),
        ({"n_frames": 0}, "at least one frame, not 0"),
        ({"dtype": "int8"}, "int8.*int16"),
        ({"frame_size": 8}, "8x8"),
        ({"frame_size": 64}, "64x64.*within the beam hole.*55"),
        ({"path": "no/such/x.h5"}, "no/such"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, change: dict[str, object], words: str) -> None:
    arguments: dict[str, object] = {"path": tmp_path / "x.h5", "setting": "LN83", "n_frames": 1, "seed": 1}
    with pytest.raises(SfxLabelError, match=words):
        simulate_run(**{**arguments, **change})  # type: ignore[arg-type]


def test_random_settings_repeat_and_differ() -> None:
    settings = [random_setting(seed) for seed in range(60)]
    assert random_setting(17) == settings[17]
    assert len({s.crystal.laue for s in settings}) == 5
    assert len({s.detector.shape for s in settings}) > 10
    assert {s.detector.panels is None for s in settings} == {True, False}
    gains = [s.detector.gain for s in settings]
    assert min(gains) < 1.0
    assert max(gains) > 10.0


@pytest.mark.parametrize("seed", range(12))
def test_random_settings_give_usable_frames(tmp_path: Path, seed: int) -> None:
    setting = random_setting(seed)
    mix = replace(setting.mix, per_2000=(1000, 500, 500))
    run = simulate_run(tmp_path / "r.h5", replace(setting, mix=mix), 4, seed, dtype="int32")
    assert sorted(run.truth["label"].tolist()) == ["HIT", "HIT", "MAYBE", "MISS"]
    with open_frames(run.path) as frames:
        usable = np.ones(frames.shape[1:], bool) if frames.mask is None else frames.mask
        assert usable.mean() > 0.6
        for frame in frames:
            assert frame[usable].max() < setting.detector.saturation or (frame[usable] > 60_000).mean() < 0.02
            assert frame[usable].std() > 0
