"""The events on disk: opening, transactions, appending.

One SQLite file with a rollback journal and ``synchronous=EXTRA``: an append returns when the event is on the disk, and
a kill or a power cut afterwards cannot take it back. WAL is not used: it needs memory shared by all writers, which no
network file system gives, and buys nothing at the speed of a human hand.
"""

from __future__ import annotations

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
from sfx_label.labels.events import Event
from sfx_label.labels.schema import check_version, upgrade
from sfx_label.labels.storage import BUSY_TIMEOUT_S, explain

__all__ = ["EventLog", "is_database", "set_up", "write_row"]

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
        self._writer = uuid.uuid4().hex
        self._process = os.getpid()
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = self._open_connection()

    def _open_connection(self) -> sqlite3.Connection:
        mode = "ro" if self.read_only else "rw"  # "rw" never creates the file
        address = f"{self.path.resolve().as_uri()}?mode={mode}"
        try:
            connection = sqlite3.connect(
                address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
            )
            try:
                set_up(connection, str(self.path), read_only=self.read_only)
            except BaseException:
                connection.close()
                raise
        except sqlite3.Error as error:
            raise LabelStoreError(explain(error, self.path)) from error
        return connection

    @property
    def writer(self) -> str:
        """Name of this session: a new one for each opening and after each fork."""
        self._leave_parent()
        return self._writer

    def close(self) -> None:
        """Close the file; every event that was acknowledged is in it already."""
        if self._process == os.getpid():
            with self._lock:
                if self._connection is not None:
                    self._connection.close()
        self._connection = None

    def append(self, identity: tuple[str, str, int], build: Callable[[], Event | None]) -> Event | None:
        """Write one event and return it when it is on the disk.

        Parameters
        ----------
        identity
            Annotator, client and the client's running number. What is there under this identity is returned as it is.
        build
            Makes the event; called inside the write transaction, so what it reads cannot change until the event is
            written. None = there is nothing to do.

        Raises
        ------
        LabelStoreError
            If it could not be written (disk full, read-only, locked, ...), or another act has this identity.
        """
        with self._writing() as connection:
            known, event = _find(connection, identity), build()
            if known is not None:
                return _same_act(known, event)
            if event is None:
                return None
            stamped = self._insert(connection, event)
            self._persist([stamped])
            return stamped

    def append_many(self, build: Callable[[], Sequence[Event]]) -> int:
        """Write events in one transaction, all or none; those already there are left alone.

        Parameters
        ----------
        build
            Makes the events; called inside the write transaction.

        Returns
        -------
        written
            How many were new.
        """
        with self._writing() as connection:
            fresh = [event for event in build() if _find(connection, event.identity) is None]
            self._persist([self._insert(connection, event) for event in fresh])
            return len(fresh)

    def merge(self, events: Sequence[Event]) -> int:
        """Take over events of another store as they are. The order and number of merges does not matter.

        Returns
        -------
        taken
            How many were new.
        """
        with self._writing() as connection:
            fresh = [event for event in events if write_row(connection, event)]
            self._persist(fresh)
            return len(fresh)

    def rows(self, query: str, values: Sequence[Any] = ()) -> list[sqlite3.Row]:
        """Run a query that reads."""
        with self._connected() as connection:
            return connection.execute(query, values).fetchall()

    def damage(self) -> list[str]:
        """Say what is wrong with the file; empty when all is well."""
        try:
            found = [str(row[0]) for row in self.rows("PRAGMA integrity_check")]
        except LabelStoreError as error:
            return [str(error)]
        return [] if found == ["ok"] else found

    def _insert(self, connection: sqlite3.Connection, event: Event) -> Event:
        stamped = replace(event, clock=_next_clock(connection, event), writer=self._writer, stored_at=time.time())
        write_row(connection, stamped)
        return stamped

    def _persist(self, events: Sequence[Event]) -> None:
        """Nothing to do here: the commit that follows puts the events on the disk."""

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
        self._leave_parent()
        with self._lock:
            if self._connection is None:
                raise LabelStoreError(
                    f"the label store is closed. Received: {self.path}. Open it with LabelStore.open."
                )
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise LabelStoreError(explain(error, self.path)) from error
            except (OverflowError, UnicodeEncodeError) as error:
                raise LabelStoreError(f"this cannot be kept. Received: {error}. Use plain text and numbers.") from error

    def _leave_parent(self) -> None:
        """After a fork: open the file anew, as another writer, and leave the parent's connection alone."""
        if self._process != os.getpid() and self._connection is not None:
            _INHERITED.append(self._connection)
            self._connect()


def set_up(connection: sqlite3.Connection, name: str, *, read_only: bool) -> None:
    """Set what every connection to a store needs, and bring the tables up to date.

    Parameters
    ----------
    connection
        Just opened, in autocommit mode.
    name
        Of the store, for messages.
    read_only
        Leave the file as it is.
    """
    connection.row_factory = sqlite3.Row
    connection.execute("PRAGMA trusted_schema = OFF")  # a store may come from a stranger
    connection.execute("PRAGMA synchronous = EXTRA")  # without EXTRA a power cut can take the last commit back
    if not read_only:
        upgrade(connection, name)
        connection.execute("PRAGMA journal_mode = DELETE")
    check_version(connection, name)


def is_database(path: Path) -> bool:
    """Tell whether a file is a SQLite database, without opening it ourselves.

    POSIX locks belong to the process: closing the file here would drop the locks of a store that this process has open,
    and let another process write into a transaction. SQLite keeps count.
    """
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=BUSY_TIMEOUT_S)
        try:
            connection.execute("PRAGMA schema_version").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        return getattr(error, "sqlite_errorname", "") != "SQLITE_NOTADB"
    return path.stat().st_size >= 100  # the length of a header; SQLite takes what is shorter for an empty database


def write_row(connection: sqlite3.Connection, event: Event) -> bool:
    """Insert an event as it is, unless it is there. Returns whether it was new."""
    try:
        record = event.to_record()
    except (TypeError, ValueError, RecursionError) as error:
        raise LabelStoreError(
            f"the display state cannot be kept ({error}). Received: {event.summary}. Use JSON values."
        ) from error
    marks = ", ".join("?" for _ in record)
    # the column names are our own, never the user's; all values are bound
    command = f"INSERT INTO event ({', '.join(record)}) VALUES ({marks}) ON CONFLICT DO NOTHING"
    return connection.execute(command, tuple(record.values())).rowcount == 1


def _find(connection: sqlite3.Connection, identity: tuple[str, str, int]) -> Event | None:
    query = "SELECT * FROM event WHERE annotator = ? AND client = ? AND client_seq = ? ORDER BY clock, writer LIMIT 1"
    row = connection.execute(query, identity).fetchone()
    return None if row is None else Event.from_record(dict(row))


def _same_act(known: Event, sent: Event | None) -> Event:
    if sent is not None and not known.says_the_same(sent):
        raise LabelStoreError(
            f"client {known.client!r} sent its number {known.client_seq} twice with different content, so the second "
            f"was not saved. Received: {sent.summary}; stored: {known.summary}. Reload the page and decide again."
        )
    return known


def _next_clock(connection: sqlite3.Connection, event: Event) -> int:
    # A message that was lost and resent takes its place before what the same client sent after it.
    query = "SELECT min(clock) FROM event WHERE annotator = ? AND client = ? AND client_seq > ?"
    overtaken = connection.execute(query, event.identity).fetchone()[0]
    if overtaken is not None:
        return int(overtaken)
    return 1 + int(connection.execute("SELECT ifnull(max(clock), 0) FROM event").fetchone()[0])
