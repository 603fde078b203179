"""``screen``: every frame of one or many runs through a model, once, with whatever workers there are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from time import monotonic, perf_counter, sleep
from typing import TYPE_CHECKING, Any

from sfx_label.errors import BundleError, SfxLabelError
from sfx_label.screening.audit import AUDIT_FRAMES, draw_audit, write_audit
from sfx_label.screening.engines import Job, PartFailure, engine_named
from sfx_label.screening.manifest import Manifest, ModelRecord, RunRecord
from sfx_label.screening.model import save_model
from sfx_label.screening.parts import extend_manifest
from sfx_label.screening.screening import Screening
from sfx_label.screening.work import StopFlag, close_runs

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames
    from sfx_label.models.bundle import ModelBundle

__all__ = ["screen"]

POLL_SECONDS = 2.0
IDLE_SECONDS = 60.0

Progress = Callable[[int, int], None]
RunPath = str | Path | Sequence[str | Path]


def screen(
    bundle: ModelBundle | str | Path,
    runs: RunPath | Sequence[RunPath],
    out: str | Path,
    engine: str = "serial",
    *,
    workers: int | None = None,
    threads: int | None = None,
    partition: tuple[int, int] | None = None,
    follow: bool = False,
    idle_seconds: float = IDLE_SECONDS,
    audit: int = AUDIT_FRAMES,
    seed: int = 0,
    spots: bool = False,
    part_frames: int | None = None,
    dataset: str | None = None,
    mask: str | Path | None = None,
    roots: Sequence[str | Path] = (),
    geometry: str | Path | None = None,
    scheduler: str | None = None,
    slurm: Mapping[str, Any] | None = None,
    announce: Callable[[str], None] | None = None,
    progress: Progress | None = None,
    stop: StopFlag | None = None,
) -> Screening:
    """Screen whole runs: one row for every frame, written part by part, so that it can be stopped and gone on with.

    Call it again with the same ``out`` to go on after a stop, a crash or new frames; parts that are done are not done
    again. Several calls may work on one folder at the same time.

    Parameters
    ----------
    bundle
        The model, or the folder it was saved in.
    runs
        One run or several: whatever ``open_frames`` opens. A list of lists makes runs of several files.
    out
        Folder of the results; made where it is absent.
    engine
        ``"serial"``, ``"threads"`` (one model, several threads that read and preprocess), ``"processes"`` (this
        machine) or ``"dask"`` (this machine or a cluster).
    workers
        Threads, or processes; ``None`` for one a core.
    threads
        Threads that read and preprocess within each worker.
    partition
        ``(i, n)``, i from 0: do every n-th part only, as one job of an array of n.
    follow
        Go on while the runs grow, until ``stop`` is set or nothing came for ``idle_seconds``.
    idle_seconds
        See ``follow``.
    audit
        Size of the seeded random sample that is set aside to be labelled, for
        :func:`~sfx_label.screening.audit.estimate_missed`; 0 for none.
    seed
        Of the audit.
    spots
        Whether spots are counted, on whole frames, where the model itself does not: it costs far more than the rest.
    part_frames
        Frames per part; ``None`` to choose. A folder keeps the number it began with.
    dataset, mask, roots, geometry
        As for ``open_frames``, for all runs.
    scheduler, slurm
        See :mod:`sfx_label.screening.engines_dask`.
    announce
        Called with what the user may want to know while it runs, such as the address of the Dask dashboard.
    progress
        Called as ``progress(frames done, frames planned)``, starting with what had been done before.
    stop
        Set it to stop; the part in hand is left and done again next time.

    Returns
    -------
    The results so far; ``.complete`` says whether that is all of them, ``.failures`` what could not be done.

    Raises
    ------
    BundleError
        If the model does not fit the frames, or the folder was begun with another model.
    FileLayoutError, FrameReadError, UnsafeFileError
        If a run cannot be opened.
    """
    do_parts = engine_named(engine)
    _check_partition(partition)
    folder = Path(out).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    options = {"scheduler": scheduler, "slurm": slurm, "announce": announce}
    plan = _Plan(folder, save_model(bundle, folder), _records(runs, dataset, mask, roots, geometry), spots, part_frames)
    tally = _Tally(progress)
    for manifest in _generations(plan, follow, idle_seconds, stop):
        tally.begin(manifest)
        parts = tuple(part.id for part in manifest.pending(partition))
        job = Job(str(folder), parts, workers, threads, stop, options)
        tally.failures = {}
        try:
            for outcome in do_parts(job) if parts else ():
                tally.add(outcome)
        finally:
            close_runs()
    result = Screening(Manifest.read(folder), tuple(tally.failures.values()), tally.done, tally.seconds)
    if audit and result.complete:
        write_audit(folder, draw_audit(result.arrow(), audit, seed=seed))
    return result


@dataclass
class _Tally:
    """What has been done in this call."""

    progress: Progress | None
    done: int = 0
    before: int = 0
    planned: int = 0
    sizes: dict[str, int] = field(default_factory=dict)
    failures: dict[str, PartFailure] = field(default_factory=dict)
    began: float = field(default_factory=perf_counter)

    @property
    def seconds(self) -> float:
        return perf_counter() - self.began

    def begin(self, manifest: Manifest) -> None:
        self.sizes = {part.id: len(part) for part in manifest.parts}
        self.planned = manifest.n_frames
        self.before = sum(self.sizes[part] for part in manifest.committed()) - self.done
        self._tell()

    def add(self, outcome: Any) -> None:
        if isinstance(outcome, PartFailure):
            self.failures[outcome.part] = outcome
            return
        self.done += outcome.n_frames
        self._tell()

    def _tell(self) -> None:
        if self.progress is not None:
            self.progress(min(self.before + self.done, self.planned), self.planned)


@dataclass
class _Plan:
    """The runs of a call, and how they are cut."""

    folder: Path
    model: ModelBundle
    records: list[RunRecord]
    spots: bool
    part_frames: int | None

    def make(self, last: bool) -> Manifest:
        opened = [(record, self._open(record)) for record in self.records]
        record = ModelRecord(
            digest=self.model.digest,
            method=self.model.method,
            threshold=float(self.model.threshold),
            preprocessing=self.model.preprocessing.to_dict(),
            spots=self.spots,
        )
        try:
            known = [(_completed(run, frames), frames) for run, frames in opened]
            return extend_manifest(self.folder, record, known, self.part_frames, last=last)
        finally:
            for _, frames in opened:
                frames.close()

    def _open(self, record: RunRecord) -> Frames:
        frames = record.open()
        shape = self.model.preprocessing.output_shape(tuple(frames.shape[1:]))
        if shape != tuple(self.model.architecture.input_shape):
            raise BundleError(
                f"The model takes inputs of shape {tuple(self.model.architecture.input_shape)}, but the frames of "
                f"{record.path} ({frames.shape[1]} x {frames.shape[2]}) give {shape}. Use a model trained on frames of "
                "this detector, or one whose preprocessing crops to the same size."
            )
        return frames


def _generations(plan: _Plan, follow: bool, idle_seconds: float, stop: StopFlag | None) -> Iterator[Manifest]:
    """Yield the plan; while following, yield it again whenever it has grown, and once more at the end."""
    if not follow:
        yield plan.make(last=True)
        return
    idle_since, planned = monotonic(), -1
    while not (stop is not None and stop.is_set()) and monotonic() - idle_since < idle_seconds:
        manifest = plan.make(last=False)
        if manifest.n_frames > planned:
            planned = manifest.n_frames
            yield manifest
            idle_since = monotonic()
        else:
            sleep(min(POLL_SECONDS, idle_seconds / 4))
    yield plan.make(last=True)


def _records(
    runs: RunPath | Sequence[RunPath],
    dataset: str | None,
    mask: str | Path | None,
    roots: Sequence[str | Path],
    geometry: str | Path | None,
) -> list[RunRecord]:
    several = [runs] if isinstance(runs, str | Path) else list(runs)
    if not several:
        raise SfxLabelError("No run was given to screen. Name one or more files, folders or patterns.")
    mask = None if mask is None else str(Path.cwd() / mask)
    geometry = None if geometry is None else str(Path.cwd() / geometry)
    folders = tuple(str(Path.cwd() / root) for root in roots)
    return [RunRecord(_absolute(run), _name(run), 0, dataset, mask, folders, geometry) for run in several]


def _absolute(run: RunPath) -> str | tuple[str, ...]:
    # workers may run in another directory; a data set after the file name ("run.h5:/data") stays in place
    if isinstance(run, str | Path):
        return str(Path.cwd() / run)
    return tuple(str(Path.cwd() / path) for path in run)


def _name(run: RunPath) -> str:
    first = run if isinstance(run, str | Path) else run[0] if run else ""
    return Path(first).name


def _completed(record: RunRecord, frames: Frames) -> RunRecord:
    return replace(record, n_frames=len(frames), format=frames.format)


def _check_partition(partition: tuple[int, int] | None) -> None:
    if partition is not None and not 0 <= partition[0] < partition[1]:
        raise SfxLabelError(
            f"partition is (i, n) with i from 0 to n - 1; received {partition}. In a SLURM array of n jobs use "
            "--array=0-(n-1) and i = $SLURM_ARRAY_TASK_ID."
        )
