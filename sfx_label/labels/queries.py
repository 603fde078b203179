"""What is asked of the events: every question is one SQL statement, and every value in it is bound."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.eventlog import EventLog
from sfx_label.labels.events import Event, Kind
from sfx_label.labels.resolve import FrameId, StandingLabel

__all__ = [
    "annotators",
    "decision_times",
    "history",
    "is_undone",
    "labelled_frames",
    "marks",
    "newest",
    "runs_at",
    "seen",
    "standing",
    "tallies",
]


# An undo names the act that it takes back by its identity, so it holds for every copy of the act that a merge brought.
_STANDS = """NOT EXISTS (SELECT 1 FROM event AS undo WHERE undo.kind = 'undo' AND undo.annotator = event.annotator
    AND undo.supersedes_client = event.client AND undo.supersedes_seq = event.client_seq)"""
_IN_ORDER = "ORDER BY clock, client, client_seq, writer"
_NEWEST = "ORDER BY clock DESC, client DESC, client_seq DESC, writer DESC LIMIT 1"


class _Where:
    """The conditions of a query, with their values."""

    def __init__(self, *terms: str) -> None:
        self.terms, self.values = list(terms), list[Any]()

    def add(self, term: str, *values: Any) -> _Where:
        self.terms.append(term)
        self.values.extend(values)
        return self

    def annotator(self, name: str | None) -> _Where:
        return self if name is None else self.add("annotator = ?", name)

    def frame(self, frame: FrameId | None) -> _Where:
        return self if frame is None else self.add("fingerprint = ? AND dataset = ? AND frame_index = ?", *frame)

    def runs(self, fingerprints: Iterable[str] | None) -> _Where:
        if fingerprints is None:
            return self
        # one bound value for any number of files: SQLite has a limit on their count
        return self.add("fingerprint IN (SELECT value FROM json_each(?))", json.dumps(sorted(set(fingerprints))))

    def __str__(self) -> str:
        return " AND ".join(self.terms or ["1"])


def newest(
    log: EventLog,
    annotator: str,
    kinds: Sequence[Kind],
    *,
    frame: FrameId | None = None,
    runs: Iterable[str] | None = None,
) -> Event | None:
    """Find the annotator's latest act of these kinds that is not undone."""
    where = _Where(_STANDS).annotator(annotator).frame(frame).runs(runs)
    where.add("kind IN (SELECT value FROM json_each(?))", json.dumps([str(kind) for kind in kinds]))
    rows = log.rows(f"SELECT * FROM event WHERE {where} {_NEWEST}", where.values)
    return Event.from_record(dict(rows[0])) if rows else None


def history(
    log: EventLog, annotator: str | None = None, frame: FrameId | None = None, client: str | None = None
) -> list[Event]:
    """All acts in their order, undone ones included, each once."""
    where = _Where().annotator(annotator).frame(frame)
    if client is not None:
        where.add("client = ?", client)
    rows = log.rows(f"SELECT * FROM event WHERE {where} {_IN_ORDER}", where.values)
    once = {(row["annotator"], row["client"], row["client_seq"]): Event.from_record(dict(row)) for row in rows}
    return sorted(once.values(), key=lambda event: event.order)


def standing(log: EventLog, runs: Iterable[str] | None = None, annotator: str | None = None) -> list[StandingLabel]:
    """Labels that are not undone, in their order: the last one of an annotator on a frame is the one that counts."""
    where = _Where("kind = 'label'", _STANDS).annotator(annotator).runs(runs)
    columns = "fingerprint, dataset, frame_index, annotator, label, origin"
    return [tuple(row) for row in log.rows(f"SELECT {columns} FROM event WHERE {where} {_IN_ORDER}", where.values)]


def seen(log: EventLog, runs: Iterable[str], annotator: str) -> set[FrameId]:
    """Frames that the annotator labelled or skipped."""
    where = _Where("kind IN ('label', 'skip')", _STANDS).annotator(annotator).runs(runs)
    rows = log.rows(f"SELECT DISTINCT fingerprint, dataset, frame_index FROM event WHERE {where}", where.values)
    return {tuple(row) for row in rows}


def marks(log: EventLog, column: str, runs: Iterable[str], annotator: str | None) -> list[tuple[FrameId, str]]:
    """List flags or notes that are not undone, in their order, as frame and text."""
    if column not in ("flag", "note"):
        raise AssertionError(column)
    where = _Where(f"{column} IS NOT NULL", _STANDS).annotator(annotator).runs(runs)
    rows = log.rows(
        f"SELECT fingerprint, dataset, frame_index, {column} FROM event WHERE {where} {_IN_ORDER}", where.values
    )
    return [(tuple(row)[:3], row[3]) for row in rows]


def is_undone(log: EventLog, client: str) -> bool:
    """Whether an act of this sender was taken back."""
    return bool(log.rows("SELECT 1 FROM event WHERE kind = 'undo' AND supersedes_client = ? LIMIT 1", [client]))


def tallies(log: EventLog, runs: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Count the acts of each annotator by kind and origin, undone ones included, with the first and last time."""
    where = _Where().runs(runs)
    query = (
        "SELECT annotator, kind, origin, count(*) AS acts, count(flag) AS flags, min(stored_at) AS first_at, "
        f"max(stored_at) AS last_at FROM event WHERE {where} GROUP BY annotator, kind, origin ORDER BY annotator"
    )
    return [dict(row) for row in log.rows(query, where.values)]


def decision_times(log: EventLog, annotator: str, runs: Iterable[str] | None = None) -> list[float]:
    """List the seconds from a frame drawn to its label decided."""
    where = _Where("kind = 'label'", "decided_at >= shown_at").annotator(annotator).runs(runs)
    return [float(row[0]) for row in log.rows(f"SELECT decided_at - shown_at FROM event WHERE {where}", where.values)]


def labelled_frames(log: EventLog) -> list[FrameKey]:
    """List every frame that something was done to, by path, data set and index."""
    query = (
        "SELECT fingerprint, dataset, frame_index, max(path), max(event) FROM event "
        "GROUP BY fingerprint, dataset, frame_index ORDER BY 4, dataset, frame_index"
    )
    return [FrameKey(row[0], row[1], row[2], row[3], row[4]) for row in log.rows(query)]


def annotators(log: EventLog) -> list[str]:
    """Everyone who did something, in alphabetical order."""
    return [str(row[0]) for row in log.rows("SELECT DISTINCT annotator FROM event ORDER BY annotator")]


def runs_at(log: EventLog, paths: Iterable[str]) -> list[tuple[str, str, str, int]]:
    """Path, data set, fingerprint and number of labelled frames of every run labelled under one of these paths."""
    query = (
        "SELECT path, dataset, fingerprint, count(DISTINCT frame_index) FROM event WHERE kind = 'label' "
        "AND path IN (SELECT value FROM json_each(?)) GROUP BY path, dataset, fingerprint"
    )
    return [tuple(row) for row in log.rows(query, [json.dumps(sorted(set(paths)))])]
