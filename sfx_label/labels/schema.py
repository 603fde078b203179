"""The tables of a label store, reached by numbered steps, each in a transaction of its own and logged."""

from __future__ import annotations

import logging
import sqlite3

from sfx_label.errors import LabelStoreError

__all__ = ["APPLICATION_ID", "SCHEMA_STEPS", "check_version", "upgrade"]

APPLICATION_ID = 0x5346584C
"""``SFXL`` in the header of the SQLite file: what tells a label store from any other database."""

logger = logging.getLogger(__name__)

_EVENTS = """
CREATE TABLE event (
    id                INTEGER PRIMARY KEY,
    clock             INTEGER NOT NULL CHECK (clock > 0),
    annotator         TEXT    NOT NULL,
    client            TEXT    NOT NULL,
    client_seq        INTEGER NOT NULL,
    writer            TEXT    NOT NULL,
    kind              TEXT    NOT NULL CHECK (kind IN ('label', 'skip', 'flag', 'note', 'undo')),
    fingerprint       TEXT    NOT NULL,
    dataset           TEXT    NOT NULL,
    frame_index       INTEGER NOT NULL CHECK (frame_index >= 0),
    path              TEXT    NOT NULL,
    event             TEXT    NOT NULL,
    position          INTEGER,
    label             INTEGER CHECK (label IN (0, 1, 2)),
    origin            TEXT    NOT NULL,
    note              TEXT,
    flag              TEXT,
    display           TEXT,
    shown_at          REAL,
    decided_at        REAL,
    stored_at         REAL,
    supersedes_client TEXT,
    supersedes_seq    INTEGER,
    tool_version      TEXT    NOT NULL,
    scheme_version    TEXT    NOT NULL,
    os_uid            INTEGER,
    os_user           TEXT    NOT NULL,
    hub_user          TEXT    NOT NULL,
    host              TEXT    NOT NULL,
    CHECK ((kind = 'label') = (label IS NOT NULL)),
    UNIQUE (annotator, client, client_seq, writer)
);
CREATE INDEX event_of_frame ON event (fingerprint, dataset, frame_index, annotator);
CREATE INDEX event_of_annotator ON event (annotator, clock);
CREATE INDEX event_clock ON event (clock);
CREATE INDEX event_undone ON event (annotator, supersedes_client, supersedes_seq) WHERE kind = 'undo';
CREATE TRIGGER event_is_never_changed BEFORE UPDATE ON event
    BEGIN SELECT RAISE(ABORT, 'labels are appended, never changed'); END;
CREATE TRIGGER event_is_never_deleted BEFORE DELETE ON event
    BEGIN SELECT RAISE(ABORT, 'labels are appended, never deleted'); END;
CREATE TABLE schema_log (step INTEGER PRIMARY KEY, done_at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP);
"""

SCHEMA_STEPS: tuple[str, ...] = (_EVENTS,)
"""Step n leads from version n to version n + 1. Steps are only ever added at the end."""


def upgrade(connection: sqlite3.Connection, name: str) -> None:
    """Bring a store to the newest schema, one step per transaction.

    Parameters
    ----------
    connection
        An open connection in autocommit mode.
    name
        The store, for the log and for errors.

    Raises
    ------
    LabelStoreError
        If the store is newer than this program, or is another program's database.
    """
    while (step := _pending(connection, name)) is not None:
        connection.execute("BEGIN IMMEDIATE")
        try:
            # another process may have taken this step while we waited for the lock
            if _pending(connection, name) == step:
                _take(connection, step)
                logger.info("label store %s: schema step %d of %d done", name, step + 1, len(SCHEMA_STEPS))
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise


def check_version(connection: sqlite3.Connection, name: str) -> None:
    """Refuse a file that this version cannot read.

    Raises
    ------
    LabelStoreError
        If the store is older or newer than this program, or is another program's database.
    """
    if _pending(connection, name) is not None:
        raise LabelStoreError(
            f"the label store is of an older or unfinished form. Received: {name}. Open it once with "
            "write access to bring it up to date."
        )


def _pending(connection: sqlite3.Connection, name: str) -> int | None:
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    application = int(connection.execute("PRAGMA application_id").fetchone()[0])
    foreign = application != APPLICATION_ID
    if foreign and (version or application or connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]):
        raise LabelStoreError(
            f"this is the database of another program, not a label store. Received: {name}. Check the path."
        )
    if version > len(SCHEMA_STEPS):
        raise LabelStoreError(
            f"the label store was written by a newer sfx-label. Received: {name}, schema {version}; this version knows "
            f"{len(SCHEMA_STEPS)}. Upgrade with: pip install --upgrade sfx-label"
        )
    return version if version < len(SCHEMA_STEPS) else None


def _take(connection: sqlite3.Connection, step: int) -> None:
    # executescript would commit our transaction first, so the statements go one by one
    statement = ""
    for line in SCHEMA_STEPS[step].splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
    connection.execute("INSERT INTO schema_log (step) VALUES (?)", (step + 1,))
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {step + 1}")
