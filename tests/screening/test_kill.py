"""Workers and the program itself killed at random: what is there after resuming is the same, to the byte."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from sfx_label.screening.run import screen
from sfx_label.screening.screening import Screening

SCRIPT = """
import sys
from sfx_label.screening.run import screen
bundle, run, out, engine, workers = sys.argv[1:]
result = screen(bundle, run, out, engine, workers=int(workers), part_frames=8)
print(result.complete, len(result.failures))
"""


def results_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("part-*.parquet")}


def start(bundle: Path, run: Path, out: Path, engine: str, workers: int = 2) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", SCRIPT, str(bundle), str(run), str(out), engine, str(workers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def wait_for_parts(out: Path, n: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 60
    while len(list(out.glob("part-*.parquet"))) < n and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)


def kill_a_child(process: subprocess.Popen[str], rng: random.Random) -> bool:
    try:
        children = psutil.Process(process.pid).children()
    except psutil.NoSuchProcess:
        return False
    if not children:
        return False
    os.kill(rng.choice(children).pid, signal.SIGKILL)
    return True


@pytest.fixture(scope="module")
def many_frames(
    tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., Any], write_cxi: Callable[..., Path]
) -> Path:
    return write_cxi(tmp_path_factory.mktemp("many") / "run.cxi", draw(1600, 11)[0])


@pytest.fixture(scope="module")
def expected(bundle_folder: Path, many_frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Screening:
    return screen(bundle_folder, many_frames, tmp_path_factory.mktemp("expected"), part_frames=8)


def test_killed_workers_are_replaced_and_lose_nothing(
    bundle_folder: Path, many_frames: Path, expected: Screening, tmp_path: Path
) -> None:
    rng, killed = random.Random(3), 0
    process = start(bundle_folder, many_frames, tmp_path, "processes")
    for _ in range(5):
        wait_for_parts(tmp_path, len(list(tmp_path.glob("part-*.parquet"))) + rng.randint(3, 20), process)
        killed += kill_a_child(process, rng)
    output, _ = process.communicate(timeout=120)
    assert killed >= 3
    assert output.split() == ["True", "0"]
    check_equal(tmp_path, expected)


@pytest.mark.faults
@pytest.mark.parametrize("engine", ["serial", "processes"])
def test_a_killed_program_goes_on_where_it_was(
    engine: str, bundle_folder: Path, many_frames: Path, expected: Screening, tmp_path: Path
) -> None:
    rng = random.Random(5)
    for _ in range(3):
        process = start(bundle_folder, many_frames, tmp_path, engine)
        wait_for_parts(tmp_path, len(list(tmp_path.glob("part-*.parquet"))) + rng.randint(5, 30), process)
        children = psutil.Process(process.pid).children(recursive=True)
        process.kill()
        process.communicate()
        # workers whose parent is gone end by themselves
        _, alive = psutil.wait_procs(children, timeout=20)
        assert not alive
    done = len(results_of(tmp_path))
    assert 0 < done < len(expected.manifest.parts)
    result = screen(bundle_folder, many_frames, tmp_path)
    assert result.n_screened == 8 * (len(expected.manifest.parts) - done)
    check_equal(tmp_path, expected)


def test_two_programs_side_by_side_do_no_harm(
    bundle_folder: Path, many_frames: Path, expected: Screening, tmp_path: Path
) -> None:
    pair = [start(bundle_folder, many_frames, tmp_path, "serial") for _ in range(2)]
    for process in pair:
        assert process.communicate(timeout=120)[0].split() == ["True", "0"]
    check_equal(tmp_path, expected)


def check_equal(folder: Path, expected: Screening) -> None:
    assert results_of(folder) == results_of(expected.folder)
    result = Screening.open(folder)
    assert result.complete
    rows = Counter(zip(*(result.table(["run", "position"])[name] for name in ("run", "position")), strict=True))
    assert rows == {(0, position): 1 for position in range(1600)}
    assert (folder / "audit.parquet").read_bytes() == (expected.folder / "audit.parquet").read_bytes()
