"""A screening as it lies on disk: its table, hit rates, speed, and how far it has come. May be read while it runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from sfx_label.results.intervals import Rate, wilson
from sfx_label.screening.audit import AuditSample, read_audit
from sfx_label.screening.engines import PartFailure
from sfx_label.screening.export import ExportReport, export
from sfx_label.screening.manifest import Manifest
from sfx_label.screening.table import HIT_OR_MAYBE, MISS, count_by, read_table, read_times

__all__ = ["RunSummary", "Screening"]


@dataclass(frozen=True)
class RunSummary:
    """One run: frames planned and screened, hits, the hit rate of the usable frames, and frames by status."""

    name: str
    path: str
    n_planned: int
    n_frames: int
    n_hits: int
    hit_rate: Rate
    statuses: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return the summary, ready for JSON."""
        return {
            "name": self.name,
            "path": self.path,
            "n_planned": self.n_planned,
            "n_frames": self.n_frames,
            "n_hits": self.n_hits,
            "hit_rate": self.hit_rate.to_dict(),
            "statuses": dict(self.statuses),
        }


@dataclass(frozen=True)
class Screening:
    """The results of a screening folder.

    Attributes
    ----------
    manifest
        Model, runs and parts.
    failures
        Parts that could not be done in this call; starting again tries them again.
    n_screened, seconds
        Frames screened in this call, and its wall time, planning and loading included.
    """

    manifest: Manifest
    failures: tuple[PartFailure, ...] = ()
    n_screened: int = 0
    seconds: float = 0.0

    @classmethod
    def open(cls, folder: str | Path) -> Screening:
        """Open a screening folder, whether its screening is done, under way or stopped.

        Raises
        ------
        FrameReadError
            If the folder holds no screening.
        """
        return cls(Manifest.read(folder))

    @property
    def folder(self) -> Path:
        """Where the results are."""
        return self.manifest.folder

    @property
    def n_planned(self) -> int:
        """Frames of all runs."""
        return self.manifest.n_frames

    @property
    def n_frames(self) -> int:
        """Frames with a committed row."""
        return sum(count["n_frames"] for count in self._counts())

    @property
    def n_hits(self) -> int:
        """Frames at or above the operating point."""
        return sum(count["n_hits"] for count in self._counts())

    @property
    def n_unusable(self) -> int:
        """Frames that could not be given a probability."""
        return sum(count["n_unusable"] for count in self._counts())

    @property
    def complete(self) -> bool:
        """Whether every planned frame has its row."""
        return len(self.manifest.committed()) == len(self.manifest.parts)

    @property
    def frames_per_second(self) -> float:
        """Frames screened in this call by its wall time; NaN for a folder that was only opened."""
        return self.n_screened / self.seconds if self.seconds > 0 else float("nan")

    def arrow(self, columns: Sequence[str] | None = None) -> Any:
        """Return the committed rows as ``pyarrow.Table``, ordered by run and position."""
        return read_table(self.folder, columns)

    def table(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Return the committed rows as a DataFrame, ordered by run and position."""
        frame: pd.DataFrame = self.arrow(columns).to_pandas()
        return frame

    def times(self) -> pd.DataFrame:
        """Return how long each frame took to read, preprocess and predict."""
        frame: pd.DataFrame = read_times(self.folder).to_pandas()
        return frame

    def runs(self) -> list[RunSummary]:
        """Return one summary a run."""
        table = self.arrow(["run", "label", "status"])
        numbers = table["run"].to_numpy()
        return [self._summary(number, table.filter(numbers == number)) for number in range(len(self.manifest.runs))]

    def hit_rate_series(self, run: int = 0, window: int = 500) -> pd.DataFrame:
        """Return the hit rate along a run.

        Parameters
        ----------
        run
            Number of the run.
        window
            Frames per value.

        Returns
        -------
        Columns ``start``, ``stop`` (positions), ``n`` (usable frames), ``hit_rate``, ``low``, ``high`` (Wilson, 95 %).
        """
        table = self.arrow(["run", "position", "label"])
        table = table.filter(table["run"].to_numpy() == run)
        labels = np.asarray(table["label"].to_pylist(), dtype=object)
        block = table["position"].to_numpy() // window
        rows = []
        for number in np.unique(block):
            rate = _hit_rate(labels[block == number])
            start = int(number) * window
            rows.append((start, start + window, rate.n, rate.value, rate.low, rate.high))
        return pd.DataFrame(rows, columns=["start", "stop", "n", "hit_rate", "low", "high"])

    def time_shares(self) -> dict[str, float]:
        """Return the shares of reading, preprocessing, model and commit in the seconds of work; empty without times."""
        sums: dict[str, float] = {}
        for path in self.folder.glob("times-*.parquet"):
            seconds = json.loads(pq.read_schema(path).metadata[b"seconds"])
            for name in ("read", "preprocess", "model", "commit"):
                sums[name] = sums.get(name, 0.0) + seconds[f"{name}_seconds"]
        total = sum(sums.values())
        return {name: value / total for name, value in sums.items()} if total else {}

    def audit(self) -> AuditSample:
        """Return the sample to label; see :func:`~sfx_label.screening.audit.estimate_missed`."""
        return read_audit(self.folder)

    def export(self, format: str, out: str | Path, **options: Any) -> ExportReport:
        """Write chosen frames for another program; see :func:`sfx_label.screening.export.export`."""
        return export(self.folder, format, out, **options)

    def to_dict(self) -> dict[str, Any]:
        """Return counts, speed and runs, ready for JSON."""
        speed = self.frames_per_second
        return {
            "folder": str(self.folder),
            "n_frames": self.n_frames,
            "n_hits": self.n_hits,
            "n_unusable": self.n_unusable,
            "n_planned": self.n_planned,
            "complete": self.complete,
            "frames_per_second": None if np.isnan(speed) else speed,
            "seconds": self.seconds,
            "time_shares": self.time_shares(),
            "failures": [{"part": failure.part, "message": failure.message} for failure in self.failures],
            "runs": [summary.to_dict() for summary in self.runs()],
        }

    def _counts(self) -> list[dict[str, int]]:
        # footers only, so that a screening of millions of frames tells its progress at once
        committed = self.manifest.committed()
        paths = [self.folder / part.file_name for part in self.manifest.parts if part.id in committed]
        return [json.loads(pq.read_schema(path).metadata[b"part"]) for path in paths]

    def _summary(self, number: int, table: Any) -> RunSummary:
        record, labels = self.manifest.runs[number], np.asarray(table["label"].to_pylist(), dtype=object)
        return RunSummary(
            name=record.name,
            path=record.path if isinstance(record.path, str) else record.path[0],
            n_planned=sum(len(part) for part in self.manifest.parts if part.run == number),
            n_frames=int(table.num_rows),
            n_hits=int((labels == HIT_OR_MAYBE).sum()),
            hit_rate=_hit_rate(labels),
            statuses=count_by(table, "status"),
        )


def _hit_rate(labels: Any) -> Rate:
    hits, misses = int((labels == HIT_OR_MAYBE).sum()), int((labels == MISS).sum())
    return wilson(hits, hits + misses)
