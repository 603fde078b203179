"""Parts: every frame in one part, parts inside files, plans that only grow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import pytest

from sfx_label.errors import BundleError, FrameReadError
from sfx_label.frames.open import open_frames
from sfx_label.screening.manifest import Manifest, ModelRecord, RunRecord
from sfx_label.screening.parts import choose_part_frames, extend_manifest, file_ranges

MODEL = ModelRecord("d" * 64, "spot-count", 0.5, {"output": "spots"})


def plan(folder: Path, path: Path | tuple[str, ...], size: int | None = None, last: bool = True) -> Manifest:
    record = RunRecord(str(path) if isinstance(path, Path) else path, "run", 0)
    with record.open() as frames:
        return extend_manifest(folder, MODEL, [(record, frames)], size, last=last)


def ranges(manifest: Manifest) -> list[tuple[int, int]]:
    return [(part.start, part.stop) for part in manifest.parts]


@pytest.mark.parametrize(("n", "size"), [(1, 64), (2000, 64), (8192, 128), (10_000, 256), (1_000_000, 1024)])
def test_part_size_follows_the_number_of_frames(n: int, size: int) -> None:
    assert choose_part_frames(n) == size


def test_parts_cover_every_frame_once(tmp_path: Path, new_run: Callable[..., Path]) -> None:
    assert ranges(plan(tmp_path, new_run(n=50), 16)) == [(0, 16), (16, 32), (32, 48), (48, 50)]


def test_parts_end_at_the_borders_of_files(tmp_path: Path, new_run: Callable[..., Path]) -> None:
    paths = tuple(str(new_run(f"{name}.cxi", n)) for name, n in (("a", 20), ("b", 3), ("c", 4), ("d", 17)))
    with open_frames(list(paths)) as frames:
        assert file_ranges(frames) == [(0, 20), (20, 23), (23, 27), (27, 44)]
    # a and d are cut; b and c, smaller than a part, are taken together
    assert ranges(plan(tmp_path, paths, 8)) == [(0, 8), (8, 16), (16, 20), (20, 27), (27, 35), (35, 43), (43, 44)]


def test_parts_span_the_chunks_of_one_file(
    tmp_path: Path, draw: Callable[..., Any], write_idh5: Callable[..., Path]
) -> None:
    chunks = {f"chunk_{number}": draw(5, number)[0] for number in range(3)}
    assert ranges(plan(tmp_path, write_idh5(tmp_path / "run.h5", chunks), 10)) == [(0, 10), (10, 15)]


def test_the_same_plan_gives_the_same_ids_and_another_model_others(
    tmp_path: Path, new_run: Callable[..., Path]
) -> None:
    run, folders = new_run(n=40), [tmp_path / name for name in ("one", "two", "three")]
    for folder in folders:
        folder.mkdir()
    first, second = plan(folders[0], run, 16), plan(folders[1], run, 16)
    assert [part.id for part in first.parts] == [part.id for part in second.parts]
    with open_frames(run) as frames:
        record = RunRecord(str(run), "run", 0)
        other = extend_manifest(folders[2], replace(MODEL, digest="e" * 64), [(record, frames)], 16)
    assert not {part.id for part in first.parts} & {part.id for part in other.parts}


def test_a_grown_run_gets_new_parts_and_keeps_the_old_ones(tmp_path: Path, draw: Callable[..., Any]) -> None:
    run, (frames, _) = tmp_path / "run.cxi", draw(50, 3)
    with h5py.File(run, "w") as file:
        data = file.create_dataset("entry_1/data_1/data", data=frames[:20], maxshape=(None, 96, 96), chunks=(1, 96, 96))
    before = plan(tmp_path, run, 16, last=False)
    assert ranges(before) == [(0, 16)]  # 4 frames wait until a part is full
    with h5py.File(run, "a") as file:
        data = file["entry_1/data_1/data"]
        data.resize(50, axis=0)
        data[20:] = frames[20:]
    grown = plan(tmp_path, run, 16)
    assert ranges(grown) == [(0, 16), (16, 32), (32, 48), (48, 50)]
    assert grown.parts[0] == before.parts[0]
    assert grown.generations == 2
    assert plan(tmp_path, run, 16) == grown  # nothing new, nothing written


def test_planners_that_race_agree(tmp_path: Path, new_run: Callable[..., Path]) -> None:
    run, start, plans = new_run(n=40), threading.Barrier(6), []

    def make() -> None:
        start.wait()
        plans.append(plan(tmp_path, run, 8))

    threads = [threading.Thread(target=make) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(plans) == 6
    assert len({tuple(part.id for part in one.parts) for one in plans}) == 1
    assert len(list(tmp_path.glob("manifest*.json"))) == 1


def test_a_folder_takes_one_model_only(tmp_path: Path, new_run: Callable[..., Path]) -> None:
    run = new_run(n=10)
    plan(tmp_path, run)
    with open_frames(run) as frames, pytest.raises(BundleError, match=r"another model .*another output folder"):
        extend_manifest(tmp_path, replace(MODEL, digest="e" * 64), [(RunRecord(str(run), "run", 0), frames)], None)


def test_an_array_of_jobs_shares_the_parts(tmp_path: Path, new_run: Callable[..., Path]) -> None:
    manifest = plan(tmp_path, new_run(n=50), 8)
    shares = [{part.id for part in manifest.pending((number, 3))} for number in range(3)]
    assert set.union(*shares) == {part.id for part in manifest.parts}
    assert sum(map(len, shares)) == len(manifest.parts)


def test_a_folder_without_a_screening_says_so(tmp_path: Path) -> None:
    with pytest.raises(FrameReadError, match="holds no screening"):
        Manifest.read(tmp_path)


def test_files_side_by_side_in_a_folder_make_one_run(tmp_path: Path, new_run: Callable[..., Path]) -> None:
    data = tmp_path / "data"
    data.mkdir()
    for number in range(3):
        new_run(f"data/part_{number}.cxi", n=6, seed=number)
    assert ranges(plan(tmp_path, data, 8)) == [(0, 6), (6, 12), (12, 18)]
