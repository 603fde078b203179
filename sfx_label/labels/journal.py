"""A store in a folder: one file per writer, for shared folders whose locks cannot be trusted.

Nobody writes to a file of somebody else, so nothing has to be locked. A line is one transaction, with a checksum, and
counts once its line end is on the disk. Reading the folder is the merge: a union of events, so neither the order of the
files nor reading one twice changes the result.
"""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from sfx_label.errors import LabelStoreError
from sfx_label.labels.eventlog import EventLog, set_up, write_row
from sfx_label.labels.events import Event

__all__ = ["MARKER", "JournalLog", "decode_line", "encode_line"]

MARKER = "sfx-label-store.json"
"""What tells a store folder from any other folder."""


def encode_line(events: Sequence[Event]) -> bytes:
    """One transaction as a line: checksum (CRC-32, 8 hex digits), blank, JSON, line end."""
    body = json.dumps([event.to_record() for event in events], ensure_ascii=True).encode()
    return b"%08x %s\n" % (zlib.crc32(body), body)


def decode_line(line: bytes) -> list[Event]:
    """Inverse of `encode_line`.

    Raises
    ------
    LabelStoreError
        If the line is damaged.
    """
    checksum, _, body = line.rstrip(b"\n").partition(b" ")
    try:
        if int(checksum, 16) == zlib.crc32(body):
            return [Event.from_record(record) for record in json.loads(body)]
    except (ValueError, TypeError, RecursionError) as error:
        raise LabelStoreError(
            f"a line of a label journal cannot be read ({error}). Received: {line!r:.80}. Keep the file."
        ) from error
    raise LabelStoreError(f"the checksum of a line of a label journal is wrong. Received: {line!r:.80}. Keep the file.")


class JournalLog(EventLog):
    """Append-only events in a folder, one journal per writing session.

    Parameters
    ----------
    path
        The folder.
    read_only
        Never write to it.
    """

    def _open_connection(self) -> sqlite3.Connection:
        self._read_up_to: dict[str, int] = {}
        self._damaged: list[str] = []
        self._journal: int | None = None
        connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        set_up(connection, str(self.path), read_only=False)
        return connection

    def close(self) -> None:
        """Close the journal; every event that was acknowledged is in it already."""
        super().close()
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None

    def damage(self) -> list[str]:
        """Lines of journals that cannot be read, with file and byte; empty when all is well."""
        with self._connected():
            return list(self._damaged)

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with super()._connected() as connection:
            if not connection.in_transaction:
                self._take_news(connection)
            yield connection

    def _take_news(self, connection: sqlite3.Connection) -> None:
        try:
            sizes = {
                name: (self.path / name).stat().st_size for name in os.listdir(self.path) if name.endswith(".jsonl")
            }
        except OSError as error:
            raise LabelStoreError(
                f"the store folder cannot be read ({error.strerror}). Received: {self.path}. "
                "Check the disk or the network."
            ) from error
        for name, size in sorted(sizes.items()):
            known = self._read_up_to.get(name, 0)
            if size > known:
                self._take(connection, name, known)

    def _take(self, connection: sqlite3.Connection, name: str, known: int) -> None:
        try:
            with open(self.path / name, "rb") as file:
                file.seek(known)
                news = file.read()
        except OSError as error:
            raise LabelStoreError(
                f"a journal of the store folder cannot be read ({error.strerror}). Received: {self.path / name}. "
                "Ask its owner for read access; without it the merged labels would be incomplete."
            ) from error
        complete = news[: news.rfind(b"\n") + 1]  # what follows is still being written, or was cut off by a kill
        connection.execute("BEGIN")
        try:
            for line in complete.splitlines(keepends=True):
                self._take_line(connection, name, known, line)
                known += len(line)
            connection.execute("COMMIT")
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        self._read_up_to[name] = known

    def _take_line(self, connection: sqlite3.Connection, name: str, at: int, line: bytes) -> None:
        try:
            for event in decode_line(line):
                write_row(connection, event)
        except (LabelStoreError, sqlite3.Error) as error:
            self._damaged.append(f"{self.path / name}, byte {at}: {error}")

    def _persist(self, events: Sequence[Event]) -> None:
        """Put one transaction on the disk; the memory is committed only after this returned."""
        if not events:
            return
        if self._journal is None:
            self._journal = self._new_journal()
        start = os.lseek(self._journal, 0, os.SEEK_END)
        try:
            _write_all(self._journal, encode_line(events))
            os.fsync(self._journal)
        except OSError as error:
            self._abandon(start)
            raise LabelStoreError(
                f"the label is not saved: {error.strerror}. Received: {self.path}. Earlier labels are intact. "
                "Free some space or check the disk, then label this frame again."
            ) from error

    def _new_journal(self) -> int:
        host = re.sub(r"[^A-Za-z0-9.-]", "_", socket.gethostname())[:60]
        name = f"{host}-{os.getpid()}-{os.urandom(6).hex()}.jsonl"
        try:
            journal = os.open(
                self.path / name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o660
            )
            folder = os.open(self.path, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise LabelStoreError(
                f"the label is not saved: no journal can be made ({error.strerror}). Received: {self.path}. "
                "Ask its owner for write access."
            ) from error
        return journal

    def _abandon(self, start: int) -> None:
        """Leave no half line behind; where even that fails, go on in a new file."""
        assert self._journal is not None
        try:
            os.ftruncate(self._journal, start)
            os.fsync(self._journal)
        except OSError:
            os.close(self._journal)
            self._journal = None


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
