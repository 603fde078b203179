"""The audit: a seeded random sample of what was rejected (and of what was accepted), set aside to be labelled.

A rejected fraction says nothing of the hits that were lost; labels on a random sample do. The sample is stratified by
score, with more frames from where the model is less sure, and is drawn by a number computed from seed and frame key:
the same screening gives the same sample with every engine, and a run that grows keeps nearly all of it.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from sfx_label.errors import FrameReadError, LabelStoreError
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.screening.commit import replace_file
from sfx_label.screening.missed import MissedEstimate, Stratum, missed_hits
from sfx_label.screening.table import HIT_OR_MAYBE, MISS, frame_keys

if TYPE_CHECKING:
    from sfx_label.frames.sequence import FrameKey
    from sfx_label.labels.store import LabelStore

__all__ = ["AUDIT_FRAMES", "AuditSample", "draw_audit", "estimate_missed", "read_audit", "write_audit"]

AUDIT_FRAMES = 200
AUDIT_FILE = "audit.parquet"
SHARE_OF_ACCEPTED = 0.2  # of the sample, for the precision that the share of missed hits needs
# borders of the rejected strata, as parts of the threshold
BORDERS = (0.01, 0.1, 0.5)
# Neyman allocation needs a guess of the share of hits in a stratum; the model's own mean score, but never below this,
# since it is the model that is being audited
LEAST_GUESS, MOST_GUESS = 0.02, 0.5
LEAST_FRAMES = 5


@dataclass(frozen=True)
class AuditSample:
    """Frames set aside to be labelled, in random order, and the strata they stand for.

    Attributes
    ----------
    table
        Columns of the screening's table, and ``stratum``: -1 accepted, 0 and up rejected, from the lowest scores.
    sizes
        Stratum -> how many frames of the screening it holds.
    threshold
        Operating point that divides accepted from rejected.
    """

    table: Any
    sizes: dict[int, int]
    threshold: float

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @property
    def keys(self) -> list[FrameKey]:
        """Keys of the frames, in the order to label them."""
        return frame_keys(self.table)

    @property
    def strata(self) -> NDArray[np.int64]:
        """Stratum of every frame of the sample."""
        return np.asarray(self.table["stratum"].to_numpy(), dtype=np.int64)


def draw_audit(table: Any, n: int = AUDIT_FRAMES, *, threshold: float | None = None, seed: int = 0) -> AuditSample:
    """Draw the frames to label from a screening's table.

    Parameters
    ----------
    table
        As :func:`~sfx_label.screening.table.read_table` gives it.
    n
        Frames to draw; a fifth of them from the accepted ones. Fewer where there are not as many.
    threshold
        Operating point; ``None`` for the one of the screening (between its labels).
    seed
        Another seed gives another sample.
    """
    scores = table["probability"].to_numpy(zero_copy_only=False)
    border = _border(table, scores) if threshold is None else threshold
    stratum = _strata(scores, border)
    priority = _priorities(table, seed)
    numbers = [int(number) for number in np.unique(stratum[stratum >= -1])]
    chosen: list[NDArray[np.int64]] = []
    turns: list[NDArray[np.float64]] = []
    for number, size in _allocation(scores, stratum, numbers, n).items():
        members = np.flatnonzero(stratum == number)
        chosen.append(members[np.argsort(priority[members], kind="stable")[:size]])
        turns.append((np.arange(size) + 0.5) / max(size, 1))
    rows = np.concatenate(chosen) if chosen else np.zeros(0, np.int64)
    # the strata take turns, so that whoever stops labelling early has labels in all of them
    rows = rows[np.argsort(np.concatenate(turns), kind="stable")] if chosen else rows
    sample = table.take(rows).append_column("stratum", [stratum[rows]])
    return AuditSample(sample, {number: int((stratum == number).sum()) for number in numbers}, border)


def write_audit(folder: str | Path, sample: AuditSample) -> Path:
    """Keep the sample in the screening folder as ``audit.parquet``; return its path."""
    sink = io.BytesIO()
    about = {"strata": json.dumps(sample.sizes), "threshold": json.dumps(sample.threshold)}
    pq.write_table(sample.table.replace_schema_metadata(about), sink, compression="zstd")
    replace_file(Path(folder), AUDIT_FILE, sink.getvalue())
    return Path(folder) / AUDIT_FILE


def read_audit(folder: str | Path) -> AuditSample:
    """Read the sample of a screening.

    Raises
    ------
    FrameReadError
        If there is none: the screening has not finished, or was run with ``audit=0``.
    """
    path = Path(folder) / AUDIT_FILE
    if not path.exists():
        raise FrameReadError(
            f"{folder} has no audit sample yet. It is drawn when every frame is screened, unless audit=0 was given."
        )
    table = pq.read_table(path)
    about = {name.decode(): json.loads(value) for name, value in (table.schema.metadata or {}).items()}
    sizes = {int(number): int(size) for number, size in about["strata"].items()}
    return AuditSample(table.replace_schema_metadata(), sizes, float(about["threshold"]))


def estimate_missed(
    sample: AuditSample | str | Path,
    labels: LabelStore | Sequence[int] | NDArray[np.int8],
    *,
    annotator: str | None = None,
    confidence: float = 0.95,
) -> MissedEstimate:
    """Say how many hits were missed, from labels on the audit sample.

    Parameters
    ----------
    sample
        The sample, or the screening folder that holds it.
    labels
        A label store, or one label a frame in the sample's order (``UNLABELLED`` where not labelled yet). Frames are
        shown in random order, so the first labels already are a fair sample.
    annotator
        Whose labels to take from the store.
    confidence
        Of the intervals.

    Raises
    ------
    LabelStoreError
        If a stratum has no label yet.
    """
    sample = sample if isinstance(sample, AuditSample) else read_audit(sample)
    values = _labels_of(sample, labels, annotator)
    strata = [_stratum(sample, values, number) for number in sorted(sample.sizes)]
    if missing := [stratum for stratum in strata if stratum.n_labelled == 0 and stratum.rejected]:
        raise LabelStoreError(
            f"{len(missing)} of {len(strata)} score ranges of the audit have no labelled frame yet. Label more of the "
            f"{len(values)} frames of the sample ({int((values != UNLABELLED).sum())} are labelled)."
        )
    return missed_hits(strata, confidence=confidence)


def _labels_of(sample: AuditSample, labels: Any, annotator: str | None) -> NDArray[np.int8]:
    if hasattr(labels, "labels_for"):
        return np.asarray(labels.labels_for(sample.keys, annotator=annotator), dtype=np.int8)
    values = np.asarray(labels, dtype=np.int8)
    if values.shape != (len(sample),):
        raise LabelStoreError(
            f"The audit sample has {len(sample)} frames, but {values.shape} labels were given. Give one a frame, in "
            "the order of sample.keys."
        )
    return values


def _stratum(sample: AuditSample, values: NDArray[np.int8], number: int) -> Stratum:
    labelled = (sample.strata == number) & (values != UNLABELLED)
    n_hits = int((values[labelled] >= Label.MAYBE).sum())
    return Stratum(sample.sizes[number], int(labelled.sum()), n_hits, rejected=number >= 0)


def _border(table: Any, scores: NDArray[np.float64]) -> float:
    labels = np.asarray(table["label"].to_pylist(), dtype=object)
    accepted, rejected = scores[labels == HIT_OR_MAYBE], scores[labels == MISS]
    if len(accepted):
        return float(np.min(accepted))
    return float(np.nextafter(np.max(rejected), 1.0)) if len(rejected) else 1.0


def _strata(scores: NDArray[np.float64], threshold: float) -> NDArray[np.int64]:
    """Return -1 for accepted, 0 and up for rejected frames, -2 for unusable ones."""
    with np.errstate(invalid="ignore"):
        stratum = np.digitize(scores, [border * threshold for border in BORDERS])
        stratum[scores >= threshold] = -1
    stratum[~np.isfinite(scores)] = -2
    return stratum


def _allocation(scores: NDArray[np.float64], stratum: NDArray[np.int64], numbers: list[int], n: int) -> dict[int, int]:
    """Return stratum -> frames to draw (Neyman 1934: in proportion to size times standard deviation)."""
    sizes = {number: int((stratum == number).sum()) for number in numbers}
    wanted: dict[int, int] = {}
    for_accepted = min(sizes.get(-1, 0), round(SHARE_OF_ACCEPTED * n))
    if -1 in sizes:
        wanted[-1] = for_accepted
    rejected = [number for number in numbers if number >= 0]
    guesses = {m: float(np.clip(scores[stratum == m].mean(), LEAST_GUESS, MOST_GUESS)) for m in rejected}
    weights = {m: sizes[m] * np.sqrt(guesses[m] * (1 - guesses[m])) for m in rejected}
    total = sum(weights.values())
    for number in rejected:
        share = round((n - for_accepted) * weights[number] / total)
        wanted[number] = min(sizes[number], max(share, LEAST_FRAMES))
    return wanted


def _priorities(table: Any, seed: int) -> NDArray[np.uint64]:
    """Return one number a frame, evenly distributed, that depends on seed and frame key only."""
    columns = (table[name].to_pylist() for name in ("fingerprint", "dataset", "index"))
    start = hashlib.blake2b(str(seed).encode(), digest_size=8)
    result = np.empty(table.num_rows, np.uint64)
    for row, key in enumerate(zip(*columns, strict=True)):
        mixed = start.copy()
        mixed.update("\0".join(map(str, key)).encode())
        result[row] = int.from_bytes(mixed.digest(), "little")
    return result
