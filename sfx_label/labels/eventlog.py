"""The events on disk: every SQL statement of the wing that opens, writes or reads a store.

One SQLite file with a rollback journal and ``synchronous=EXTRA``: an append returns when the event is on the disk, and a
kill or a power cut afterwards cannot take it back. WAL is not used: it needs memory shared by all writers, which no
network file system gives, and buys nothing at the speed of a human hand.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from sfx_label.errors import LabelStoreError
from sfx_label.labels.events import Event, Kind
from sfx_label.labels.schema import upgrade

__all__ = ["BUSY_TIMEOUT_S", "EventLog"]

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another one: a commit takes 5 ms, so only a stopped process can hold the file this long."""

_UNDONE = """EXISTS (SELECT 1 FROM event AS undo WHERE undo.kind = 'undo' AND undo.annotator = event.annotator
    AND undo.supersedes_client = event.client AND undo.supersedes_seq = event.client_seq)"""
_BY_ORDER = "ORDER BY clock, client, client_seq, writer"
_NEWEST = "ORDER BY clock DESC, client DESC, client_seq DESC, writer DESC LIMIT 1"
_OF_RUNS = "fingerprint IN (SELECT value FROM json_each(?))"

# A connection must not be closed by a fork's child: that could roll back what the parent is writing.
_INHERITED: list[sqlite3.Connection] = []


class EventLog:
    """Append-only events in one SQLite file. Safe from several threads, processes and kernels at once.

    Parameters
    ----------
    path
        The store file, which exists.
    read_only
        Never write to it.

    Raises
    ------
    LabelStoreError
        If the file cannot be opened, or is no label store.
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self._connect()

    def _connect(self) -> None:
        self.writer = uuid.uuid4().hex
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._open: sqlite3.Connection | None = _open_file(self.path, self.read_only)

    def close(self) -> None:
        """Close the file; every event that was acknowledged is in it already."""
        connection, self._open = self._open, None
        if connection is not None and self._process == os.getpid():
            with self._lock:
                connection.close()

    def append(self, identity: tuple[str, str, int], build: Callable[[], Event | None]) -> Event | None:
        """Write one event and return it when it is on the disk.

        Parameters
        ----------
        identity
            Annotator, client and the client's running number. What is there under this identity is returned as it is.
        build
            Makes the event; called inside the write transaction, so what it reads cannot change until the event is written.
            None = there is nothing to do.

        Raises
        ------
        LabelStoreError
            If it could not be written (disk full, read-only, locked, ...), or another act has this identity.
        """
        with self._writing() as connection:
            known, event = _find(connection, identity), build()
            if known is not None:
                return _same_act(known, event)
            return None if event is None else self._insert(connection, event)

    def append_many(self, events: Sequence[Event]) -> int:
        """Write events in one transaction, all or none; those already there are left alone.

        Returns
        -------
        written
            How many were new.
        """
        with self._writing() as connection:
            fresh = [event for event in events if _find(connection, event.identity) is None]
            for event in fresh:
                self._insert(connection, event)
        return len(fresh)

    def _insert(self, connection: sqlite3.Connection, event: Event) -> Event:
        stamped = replace(event, clock=_next_clock(connection, event), writer=self.writer, stored_at=time.time())
        _write_row(connection, stamped)
        return stamped

    def merge(self, events: Sequence[Event]) -> int:
        """Take over events of another store, as they are. The order and number of merges does not matter.

        Returns
        -------
        taken
            How many were new.
        """
        with self._writing() as connection:
            before = connection.total_changes
            for event in events:
                _write_row(connection, event)
            return connection.total_changes - before

    def newest(
        self, annotator: str, *, kinds: Sequence[Kind], frame: tuple[str, str, int] | None = None, runs: Sequence[str] = ()
    ) -> Event | None:
        """The annotator's latest event of these kinds that is not undone.

        Parameters
        ----------
        annotator
            Name.
        kinds
            Kinds to look for.
        frame
            Only this frame: fingerprint, data set, index.
        runs
            Only frames of these fingerprints.
        """
        terms, values = [f"annotator = ? AND kind IN (SELECT value FROM json_each(?)) AND NOT {_UNDONE}"], [annotator, json.dumps(kinds)]
        if frame is not None:
            terms.append("fingerprint = ? AND dataset = ? AND frame_index = ?")
            values.extend(frame)  # type: ignore[arg-type]
        if runs:
            terms.append(_OF_RUNS)
            values.append(json.dumps(list(runs)))
        rows = self._rows(f"SELECT * FROM event WHERE {' AND '.join(terms)} {_NEWEST}", values)
        return Event.from_record(rows[0]) if rows else None

    def events(self, annotator: str | None = None, frame: tuple[str, str, int] | None = None) -> list[Event]:
        """All events, undone ones included, in their order; each act once."""
        terms, values = ["1"], list[Any]()
        if annotator is not None:
            terms.append("annotator = ?")
            values.append(annotator)
        if frame is not None:
            terms.append("fingerprint = ? AND dataset = ? AND frame_index = ?")
            values.extend(frame)
        rows = self._rows(f"SELECT * FROM event WHERE {' AND '.join(terms)} {_BY_ORDER}", values)
        once = {(row["annotator"], row["client"], row["client_seq"]): row for row in reversed(rows)}
        return [Event.from_record(row) for row in reversed(once.values())]

    def standing(self, runs: Sequence[str] | None = None, annotator: str | None = None) -> list[tuple[str, str, int, str, int, str]]:
        """Labels that are not undone, in their order: the last one of an annotator on a frame is the one that counts.

        Returns
        -------
        rows
            Fingerprint, data set, index, annotator, label value, origin.
        """
        terms, values = [f"kind = 'label' AND NOT {_UNDONE}"], list[Any]()
        if annotator is not None:
            terms.append("annotator = ?")
            values.append(annotator)
        if runs is not None:
            terms.append(_OF_RUNS)
            values.append(json.dumps(list(runs)))
        columns = "fingerprint, dataset, frame_index, annotator, label, origin"
        rows = self._rows(f"SELECT {columns} FROM event WHERE {' AND '.join(terms)} {_BY_ORDER}", values)
        return [tuple(row) for row in rows]  # type: ignore[misc]

    def runs_at(self, paths: Sequence[str]) -> list[tuple[str, str, str, int]]:
        """Path, data set, fingerprint and number of labelled frames of every run that was labelled under these paths."""
        rows = self._rows(
            "SELECT path, dataset, fingerprint, count(DISTINCT frame_index) FROM event WHERE kind = 'label' AND path != '' "
            "AND path IN (SELECT value FROM json_each(?)) GROUP BY path, dataset, fingerprint",
            [json.dumps(list(paths))],
        )
        return [tuple(row) for row in rows]  # type: ignore[misc]

    def damage(self) -> list[str]:
        """What SQLite finds wrong with the file; empty when all is well."""
        found = [str(row[0]) for row in self._rows("PRAGMA integrity_check", [])]
        return [] if found == ["ok"] else found

    def _rows(self, query: str, values: Sequence[Any]) -> list[sqlite3.Row]:
        with self._connected() as connection:
            return connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction; the events are on the disk when this returns."""
        if self.read_only:
            raise LabelStoreError(
                f"the label store is open for reading only, so nothing was saved. Received: {self.path}. "
                "Ask its owner for write access, or keep your labels in a store of your own and merge later."
            )
        with self._connected() as connection:
            # IMMEDIATE: a read that turns into a write would deadlock against another writer doing the same
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        if self._process != os.getpid():
            self._leave_to_parent()
        with self._lock:
            if self._open is None:
                raise LabelStoreError(f"the label store is closed. Received: {self.path}. Open it again with LabelStore.open.")
            try:
                yield self._open
            except sqlite3.Error as error:
                raise LabelStoreError(explain(error, self.path)) from error

    def _leave_to_parent(self) -> None:
        if self._open is not None:
            _INHERITED.append(self._open)
            self._connect()


def explain(error: sqlite3.Error, path: Path) -> str:
    """Say what an error of SQLite means for the labels and what to do."""
    code = getattr(error, "sqlite_errorname", "") or ""
    hints = {
        "SQLITE_FULL": "The disk is full or the quota is used up. Free some space and label this frame again",
        "SQLITE_READONLY": "The file or its folder may not be written. Ask its owner, or keep the store in your own folder",
        "SQLITE_BUSY": f"Another process held the store for more than {BUSY_TIMEOUT_S:.0f} s, or its file system cannot lock files. "
        "Close the other program; on a shared folder without locks use a folder store (one file per writer)",
        "SQLITE_IOERR": "The disk or the network reported an error. Check it, then label this frame again",
        "SQLITE_CORRUPT": "The file is damaged. Keep a copy of it, and of its -journal file, before anything else",
        "SQLITE_NOTADB": "This is no label store. Check the path",
        "SQLITE_CANTOPEN": "The file, or the journal beside it, cannot be opened. Check the folder's permissions",
    }
    hint = next((text for start, text in hints.items() if code.startswith(start)), "Keep a copy of the file and check the disk")
    return f"the label store could not do this: {error} ({code or 'no code'}). Received: {path}. Earlier labels are intact. {hint}."


def _open_file(path: Path, read_only: bool) -> sqlite3.Connection:
    mode = "ro" if read_only else "rw"  # "rw" never creates the file
    try:
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection, path, read_only)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise LabelStoreError(explain(error, path)) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, read_only: bool) -> None:
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA trusted_schema = OFF")  # a store may come from a stranger
    connection.execute("PRAGMA synchronous = EXTRA")  # DELETE alone can lose the last commit in a power cut
    if not read_only:
        connection.execute("PRAGMA journal_mode = DELETE")
        upgrade(connection, str(path))
    connection.execute("SELECT clock FROM event LIMIT 1").fetchone()


def _find(connection: sqlite3.Connection, identity: tuple[str, str, int]) -> Event | None:
    row = connection.execute(
        "SELECT * FROM event WHERE annotator = ? AND client = ? AND client_seq = ? ORDER BY clock, writer LIMIT 1", identity
    ).fetchone()
    return None if row is None else Event.from_record(row)


def _same_act(known: Event, sent: Event | None) -> Event:
    if sent is not None and not known.says_the_same(sent):
        raise LabelStoreError(
            f"client {known.client!r} sent its number {known.client_seq} twice with different content, so the second was not "
            f"saved. Received: {sent.kind} {sent.key}; stored: {known.kind} {known.key}. Reload the page and decide again."
        )
    return known


def _next_clock(connection: sqlite3.Connection, event: Event) -> int:
    # A message that was lost and resent takes its place before what the same client sent after it.
    overtaken = connection.execute(
        "SELECT min(clock) FROM event WHERE annotator = ? AND client = ? AND client_seq > ?",
        (event.annotator, event.client, event.client_seq),
    ).fetchone()[0]
    if overtaken is not None:
        return int(overtaken)
    return 1 + int(connection.execute("SELECT ifnull(max(clock), 0) FROM event").fetchone()[0])


def _write_row(connection: sqlite3.Connection, event: Event) -> None:
    record = event.to_record()
    columns = ", ".join(record)  # our own names, never the user's
    marks = ", ".join("?" for _ in record)
    connection.execute(f"INSERT INTO event ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING", tuple(record.values()))
