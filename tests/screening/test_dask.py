"""Dask: two worker processes on the loopback behind TLS, one killed; who may not connect; a SLURM cluster's jobs."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from sfx_label.errors import SfxLabelError
from sfx_label.screening.engines import Job
from sfx_label.screening.engines_dask import check_scheduler_address, slurm_time_seconds
from sfx_label.screening.run import screen
from sfx_label.screening.screening import Screening

distributed = pytest.importorskip("distributed", reason="the extra dask is not installed")
pytest.importorskip("cryptography", reason="Dask's TLS needs the package cryptography")

SCRIPT = """
import sys
from sfx_label.screening.run import screen
if __name__ == "__main__":
    bundle, run, out = sys.argv[1:]
    tell = lambda text: print(text, flush=True)
    result = screen(bundle, run, out, "dask", workers=2, part_frames=8, announce=tell)
    print(result.complete, len(result.failures))
"""


def results_of(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("part-*.parquet")}


def start(tmp_path: Path, bundle: Path, run: Path, out: Path) -> subprocess.Popen[str]:
    (tmp_path / "screen_it.py").write_text(SCRIPT)
    command = [sys.executable, str(tmp_path / "screen_it.py"), str(bundle), str(run), str(out)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """The Dask workers: grandchildren that compute, not multiprocessing's own helpers."""
    found = []
    for child in psutil.Process(process.pid).children(recursive=True):
        try:
            if "spawn_main" in " ".join(child.cmdline()):
                found.append(child)
        except psutil.NoSuchProcess:
            continue
    return found


def wait_for_parts(out: Path, n: int, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 90
    while len(list(out.glob("part-*.parquet"))) < n and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, draw: Callable[..., Any], write_cxi: Callable[..., Path]) -> Path:
    return write_cxi(tmp_path_factory.mktemp("dask") / "run.cxi", draw(800, 21)[0])


@pytest.fixture(scope="module")
def expected(bundle_folder: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Screening:
    return screen(bundle_folder, run, tmp_path_factory.mktemp("expected"), part_frames=8)


def test_a_killed_worker_changes_nothing(bundle_folder: Path, run: Path, expected: Screening, tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = start(tmp_path, bundle_folder, run, out)
    wait_for_parts(out, 10, process)
    workers = workers_of(process)
    assert len(workers) == 2
    os.kill(workers[0].pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=120)
    assert output.splitlines()[-1].split() == ["True", "0"]
    assert output.startswith("Dask dashboard: http://127.0.0.1:")
    assert results_of(out) == results_of(expected.folder)


@pytest.mark.faults
def test_a_killed_client_and_scheduler_go_on_where_they_were(
    bundle_folder: Path, run: Path, expected: Screening, tmp_path: Path
) -> None:
    rng, out = random.Random(2), tmp_path / "out"
    for _ in range(3):
        process = start(tmp_path, bundle_folder, run, out)
        wait_for_parts(out, len(list(out.glob("part-*.parquet"))) + rng.randint(5, 20), process)
        workers = workers_of(process)
        process.kill()  # on one machine the scheduler lives in the same process
        process.communicate()
        _, alive = psutil.wait_procs(workers, timeout=60)
        assert not alive
    assert 0 < len(results_of(out)) < len(expected.manifest.parts)
    output, _ = start(tmp_path, bundle_folder, run, out).communicate(timeout=120)
    assert output.splitlines()[-1].split() == ["True", "0"]
    assert results_of(out) == results_of(expected.folder)


def knock(address: str, security: str) -> str:
    """Try to connect as another user would, and return how that ended."""
    code = (
        "import sys; from distributed import Client, Security\n"
        f"if __name__ == '__main__': Client(sys.argv[1], security={security}, timeout=3); print('let in')"
    )
    result = subprocess.run([sys.executable, "-c", code, address], capture_output=True, text=True, check=False)
    return result.stdout + (result.stderr.strip().splitlines() or [""])[-1]


def test_the_scheduler_talks_to_nobody_without_its_certificate() -> None:
    from sfx_label.screening.engines_dask import local_cluster

    with local_cluster(Job("unused", ("part",), workers=1)) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://127.0.0.1:")

        assert "certificate does not match" in knock(address, "Security.temporary()")  # of somebody else
        assert "TypeError" in knock(address, "None")
        assert "CommClosedError" in knock(address.replace("tls", "tcp"), "None")


@pytest.mark.parametrize("address", ["tls://node12:8786", "tcp://127.0.0.1:8786", "localhost:8786", "tcp://[::1]:8786"])
def test_addresses_that_are_safe(address: str) -> None:
    check_scheduler_address(address)


@pytest.mark.parametrize("address", ["tcp://node12:8786", "node12:8786", "tcp://10.0.0.5:8786", "ws://node12:80"])
def test_open_schedulers_are_refused(address: str) -> None:
    with pytest.raises(SfxLabelError, match="without TLS"):
        check_scheduler_address(address)


@pytest.mark.parametrize(
    ("walltime", "seconds"),
    [("02:00:00", 7200), ("30", 1800), ("10:30", 630), ("1-12:00:00", 129_600), ("2-0", 172_800)],
)
def test_slurm_times(walltime: str, seconds: int) -> None:
    assert slurm_time_seconds(walltime) == seconds


def listening(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def serve(folder: Path, n_workers: int) -> tuple[str, list[subprocess.Popen[bytes]]]:
    """Start a scheduler and workers of their own, as an administrator would."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address, dask = f"tcp://127.0.0.1:{port}", [sys.executable, "-m", "dask"]
    quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    scheduler = [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard"]
    processes = [subprocess.Popen([*scheduler, "--no-show"], **quiet)]
    end = time.monotonic() + 60
    while not listening(port) and time.monotonic() < end:
        time.sleep(0.1)
    for _ in range(n_workers):
        command = [*dask, "worker", address, "--nthreads", "1", "--no-dashboard", "--host", "127.0.0.1"]
        processes.append(subprocess.Popen([*command, "--no-nanny", "--death-timeout", "20"], **quiet))
    return address, processes


def end_all(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.kill()
        process.wait()


@pytest.mark.faults
def test_a_killed_scheduler_is_reported_and_another_goes_on(
    bundle_folder: Path, run: Path, expected: Screening, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    address, processes = serve(tmp_path, 2)

    def kill_half_way(done: int, total: int) -> None:
        if done >= total // 3 and processes[0].poll() is None:
            processes[0].kill()

    try:
        result = screen(bundle_folder, run, out, "dask", scheduler=address, part_frames=8, progress=kill_half_way)
        assert not result.complete
        assert result.failures
        assert all("Start the screening again" in failure.message for failure in result.failures)
    finally:
        end_all(processes)
    address, processes = serve(tmp_path, 2)
    try:
        assert screen(bundle_folder, run, out, "dask", scheduler=address).complete
    finally:
        end_all(processes)
    assert results_of(out) == results_of(expected.folder)


@pytest.mark.faults
def test_jobs_of_a_slurm_cluster(
    bundle_folder: Path, run: Path, expected: Screening, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``sbatch`` here starts the very job script that SLURM would run, as a process of this machine."""
    queue = tmp_path / "bin"
    queue.mkdir()
    job = tmp_path / "job.sh"
    scripts = {
        # SLURM keeps a copy of the script, which dask-jobqueue removes at once
        "sbatch": f"cp $1 {job}; setsid bash {job} >{tmp_path}/job.out 2>&1 & echo Submitted batch job $!",
        "scancel": "kill -- -$1 2>/dev/null; true",
    }
    for name, body in scripts.items():
        (queue / name).write_text(f"#!/bin/bash\n{body}\n")
        (queue / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{queue}:{os.environ['PATH']}")
    slurm = {"cores": "1", "memory": "1GB", "walltime": "00:10:00", "queue": "xfel", "interface": "lo"}
    (tmp_path / "slurm_it.py").write_text(
        "import sys\nfrom sfx_label.screening.run import screen\nif __name__ == '__main__':\n"
        f"    result = screen(*sys.argv[1:], 'dask', workers=1, part_frames=8, slurm={slurm!r})\n"
        "    print(result.complete, result.failures)\n"
    )
    command = [sys.executable, tmp_path / "slurm_it.py", bundle_folder, run, tmp_path / "out"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert result.stdout.split() == ["True", "()"], result.stderr[-2000:]
    assert results_of(tmp_path / "out") == results_of(expected.folder)
    script = job.read_text()
    for line in ("#SBATCH -p xfel", "#SBATCH -t 00:10:00", "tls://", "--lifetime 480s"):
        assert line in script
    assert "PRIVATE KEY" not in script


@pytest.mark.parametrize("name", ["security", "protocol", "processes"])
def test_slurm_settings_cannot_take_the_protection_away(name: str) -> None:
    from sfx_label.screening.engines_dask import slurm_cluster

    with pytest.raises(SfxLabelError, match=name):
        slurm_cluster({name: None}, Job("unused", ("part",)))
