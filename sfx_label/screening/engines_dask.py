"""Dask: the engine beyond one machine.

Three ways to a cluster, none of which leaves a scheduler open to others (whoever reaches an unprotected Dask scheduler
runs code as you):

* nothing said: workers on this machine, bound to the loopback, TLS with certificates made for this run;
* ``slurm={...}``: a SLURM cluster by dask-jobqueue, TLS with certificates made for this run;
* ``scheduler="tls://host:port"``: a cluster that is running already, with the certificates of Dask's configuration.
  An address without TLS is accepted on the loopback only.

Tasks carry text and numbers; the results go through :mod:`sfx_label.screening.commit`, so a task may run twice.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, suppress
from importlib import import_module
from queue import Empty, SimpleQueue
from typing import Any
from urllib.parse import urlsplit

from sfx_label.errors import SfxLabelError
from sfx_label.screening.engines import Job, Outcome, PartFailure, attempt, claim_gpu, usable_cores
from sfx_label.screening.work import PartReport

__all__ = ["check_scheduler_address", "local_cluster", "run_on_dask", "slurm_cluster", "slurm_time_seconds"]

TASKS_AHEAD = 3  # per worker: none waits for work, and the scheduler's memory does not grow with the run
POLL_SECONDS = 0.5
LOST = "The cluster was lost while this part was done. Start the screening again to go on."
LOOPBACK = "127.0.0.1"
SLURM_DEFAULTS: Mapping[str, Any] = {"cores": 4, "memory": "16GB", "walltime": "02:00:00"}


def run_on_dask(job: Job) -> Iterator[Outcome]:
    """Do the parts of a job on Dask; ``job.options`` may hold ``scheduler``, ``slurm`` and ``announce``.

    Parameters
    ----------
    job
        ``workers`` counts processes; ``threads`` those that read and preprocess in each.

    Raises
    ------
    SfxLabelError
        If Dask is not installed, or a cluster cannot be reached safely.
    """
    with ExitStack() as stack:
        client = _connect(job, stack)
        if announce := job.options.get("announce"):
            announce(f"Dask dashboard: {client.dashboard_link}")
        yield from _outcomes(client, job)


def _outcomes(client: Any, job: Job) -> Iterator[Outcome]:
    waiting, running, done = list(reversed(job.parts)), dict[str, Any](), SimpleQueue[Any]()
    ahead = TASKS_AHEAD * _n_workers(client, job)
    while (waiting or running) and not job.stopped:
        while waiting and len(running) < ahead and client.status == "running":
            future = _submit(client, job, waiting.pop())
            running[future.key] = future
            future.add_done_callback(done.put)
        outcome = _next_outcome(client, running, done)
        if outcome is not None:
            yield outcome
        elif client.status != "running":
            # reconnecting can take half a minute and finds a scheduler that knows nothing of these parts
            yield from (PartFailure(_part_of(key), LOST) for key in running)
            return


def _next_outcome(client: Any, running: dict[str, Any], done: SimpleQueue[Any]) -> Outcome | None:
    """Return the outcome of one more part; ``None`` if none came for a moment or the cluster is gone."""
    try:
        future = done.get(timeout=POLL_SECONDS)
    except Empty:
        return None
    outcome = _outcome(future) if future.key in running else None
    if client.status == "running" or isinstance(outcome, PartReport):
        running.pop(future.key, None)
        return outcome
    return None


def _submit(client: Any, job: Job, part: str) -> Any:
    # the key names folder and part, so that two clients of one scheduler share the work
    key = f"sfx-label-{hashlib.sha256(job.folder.encode()).hexdigest()[:12]}-{part}"
    return client.submit(screen_on_worker, job.folder, part, job.threads or 1, key=key, pure=False)


def _part_of(key: str) -> str:
    return key.rpartition("-")[2]


def screen_on_worker(folder: str, part: str, threads: int) -> Outcome:
    """Screen one part in a Dask worker, on a GPU of its own where there are several."""
    name = str(_dask().get_worker().name).rsplit("-", 1)[-1]
    claim_gpu(int(name) if name.isdigit() else os.getpid())
    return attempt(folder, part, threads)


def _outcome(future: Any) -> Outcome:
    part = _part_of(str(future.key))
    try:
        if future.status == "finished":
            outcome: Outcome = future.result()
            return outcome
        if future.status == "error":
            error = future.exception()
            return PartFailure(part, f"{type(error).__name__}: {error}")
    except (OSError, TimeoutError, CancelledError):
        pass  # the scheduler went away between the part's end and its answer
    return PartFailure(part, LOST)


def _connect(job: Job, stack: ExitStack) -> Any:
    distributed = _dask()
    scheduler, slurm = job.options.get("scheduler"), job.options.get("slurm")
    if scheduler:
        check_scheduler_address(scheduler)
        client = distributed.Client(scheduler, set_as_default=False)
        stack.callback(_close, client)
        return client
    cluster = slurm_cluster(slurm, job) if slurm is not None else local_cluster(job)
    stack.enter_context(cluster)
    return stack.enter_context(distributed.Client(cluster, set_as_default=False))


def local_cluster(job: Job) -> Any:
    """Make a cluster on this machine: processes bound to the loopback, TLS with certificates made for this run."""
    return _dask().LocalCluster(
        n_workers=min(job.workers or usable_cores(), max(len(job.parts), 1)),
        threads_per_worker=1,
        processes=True,
        host=LOOPBACK,
        dashboard_address=f"{LOOPBACK}:0",
        protocol="tls://",
        security=_temporary_security(),
        memory_limit=0,  # a nanny that guesses a limit kills TensorFlow at start; the machine's own limits hold
    )


def _close(client: Any) -> None:
    with suppress(OSError, TimeoutError):  # a scheduler that is gone cannot be told good-bye
        client.close(timeout=5)


def slurm_cluster(settings: Mapping[str, Any], job: Job) -> Any:
    """Make a SLURM cluster: one process a job, TLS with certificates made for this run.

    Parameters
    ----------
    settings
        Keywords of :class:`dask_jobqueue.SLURMCluster` (``queue``, ``account``, ``walltime``, ``cores``, ``memory``,
        ``interface``, ``job_extra_directives`` such as ``["--gres=gpu:1"]``, ...).
    job
        ``workers`` jobs are submitted.

    Raises
    ------
    SfxLabelError
        If dask-jobqueue is not installed, or the settings would change the protection.
    """
    try:
        dask_jobqueue: Any = import_module("dask_jobqueue")
    except ImportError as error:
        raise SfxLabelError("SLURM needs dask-jobqueue: pip install 'sfx-label[dask]'.") from error
    if fixed := {"security", "protocol", "processes"} & set(settings):
        raise SfxLabelError(f"sfx-label sets {', '.join(sorted(fixed))} itself; leave it out of the SLURM settings.")
    walltime = str(settings.get("walltime", SLURM_DEFAULTS["walltime"]))
    lifetime = max(slurm_time_seconds(walltime) - 120, 60)
    options = {
        **SLURM_DEFAULTS,
        # leave before SLURM kills, and not all at once: parts in hand are finished, and SLURM starts new workers
        "worker_extra_args": ["--lifetime", f"{lifetime}s", "--lifetime-stagger", "60s"],
        "scheduler_options": {"dashboard_address": f"{LOOPBACK}:0"},
        "shared_temp_directory": job.folder,
        **_from_text(settings),
    }
    cluster = dask_jobqueue.SLURMCluster(processes=1, protocol="tls://", security=_temporary_security(), **options)
    cluster.scale(jobs=job.workers or 1)
    return cluster


def _from_text(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings as dask-jobqueue takes them, where the command line gave text."""
    result = dict(settings)
    for name in ("cores", "job_cpu"):
        if isinstance(result.get(name), str):
            result[name] = int(result[name])
    for name in ("job_extra_directives", "job_script_prologue", "worker_extra_args"):
        if isinstance(result.get(name), str):
            result[name] = [result[name]]
    return result


def slurm_time_seconds(walltime: str) -> int:
    """Return the seconds of a SLURM time: ``[days-]hours:minutes:seconds``, ``minutes:seconds`` or ``minutes``."""
    days, _, clock = walltime.rpartition("-")
    numbers = [int(number) for number in clock.split(":")]
    if days:
        numbers = [*numbers, 0, 0][:3]
    elif len(numbers) == 1:
        numbers = [0, numbers[0], 0]
    while len(numbers) < 3:
        numbers.insert(0, 0)
    return int(days or 0) * 86400 + numbers[0] * 3600 + numbers[1] * 60 + numbers[2]


def check_scheduler_address(address: str) -> None:
    """Refuse a scheduler that others could talk to.

    Parameters
    ----------
    address
        Such as ``"tls://node12:8786"``.

    Raises
    ------
    SfxLabelError
        If the address is neither TLS nor on the loopback.
    """
    parts = urlsplit(address if "://" in address else f"tcp://{address}")
    if parts.scheme == "tls" or _is_loopback(parts.hostname or ""):
        return
    raise SfxLabelError(
        f"The scheduler {address!r} is reached without TLS over the network: whoever reaches it could run code as you. "
        "Start it with --tls-ca-file, --tls-cert and --tls-key, and give its tls:// address."
    )


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _temporary_security() -> Any:
    try:
        return _dask().Security.temporary()
    except ImportError as error:
        raise SfxLabelError(
            "Dask workers talk over TLS, whose certificates need the package cryptography: pip install "
            "'sfx-label[dask]'. On one machine, engine='processes' does without Dask."
        ) from error


def _dask() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise SfxLabelError(
            "engine='dask' needs Dask: pip install 'sfx-label[dask]'. On one machine, engine='processes' does without."
        ) from error


def _n_workers(client: Any, job: Job) -> int:
    return max(len(client.scheduler_info(n_workers=-1)["workers"]), job.workers or 1)
