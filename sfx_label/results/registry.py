"""The list of trained models of a project: what was trained on what, by whom, when, and with which result.

It lies in one SQLite file beside the label store. Models themselves are folders; the list only says where they lie.
"""

from __future__ import annotations

import getpass
import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sfx_label.errors import LabelStoreError

__all__ = ["ModelEntry", "ModelRegistry"]

BUSY_SECONDS = 30
SCHEMA = """
CREATE TABLE IF NOT EXISTS models (
  id INTEGER PRIMARY KEY, name TEXT NOT NULL, method TEXT NOT NULL, run TEXT NOT NULL, bundle TEXT NOT NULL,
  recipe TEXT NOT NULL, result TEXT NOT NULL, n_labels INTEGER NOT NULL, seconds REAL, trained_by TEXT NOT NULL,
  trained_at TEXT NOT NULL, note TEXT NOT NULL DEFAULT ''
)
"""
COLUMNS = (
    "id",
    "name",
    "method",
    "run",
    "bundle",
    "recipe",
    "result",
    "n_labels",
    "seconds",
    "trained_by",
    "trained_at",
    "note",
)


@dataclass(frozen=True)
class ModelEntry:
    """One trained model.

    Parameters
    ----------
    id
        Number in the list.
    name, note
        What people call it and wrote about it.
    method
        How it was trained.
    run
        Run whose labels it was trained on.
    bundle
        Folder of the model.
    recipe
        Everything that trains it again.
    result
        Recalls on the frames that it has not seen, as `Evaluation.to_dict` gives them; empty if there were none.
    n_labels
        Labels that were used, validation included.
    seconds
        Training time.
    trained_by, trained_at
        Login name, and time in UTC (ISO 8601).
    """

    id: int
    name: str
    method: str
    run: str
    bundle: str
    recipe: Mapping[str, Any]
    result: Mapping[str, Any]
    n_labels: int
    seconds: float | None
    trained_by: str
    trained_at: str
    note: str = ""

    @property
    def exists(self) -> bool:
        """Whether the model is still where it was saved."""
        return Path(self.bundle).is_dir()


class ModelRegistry:
    """The list itself; made by `ModelRegistry.open`. Several processes may have it open.

    Parameters
    ----------
    path
        Its file, by habit ``*.models``.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False) -> Self:
        """Open a list of models.

        Parameters
        ----------
        path
            Its file.
        create
            Make it if it does not exist.

        Raises
        ------
        LabelStoreError
            If it does not exist and may not be created, or is something else.
        """
        file = Path(path)
        if not file.exists() and not create:
            raise LabelStoreError(f"no list of models at {file}. Check the path, or pass create=True to begin one.")
        registry = cls(file)
        with registry._writing() as connection:
            connection.execute(SCHEMA)
        return registry

    def add(
        self,
        *,
        name: str,
        method: str,
        run: str,
        bundle: str | Path,
        recipe: Mapping[str, Any],
        result: Mapping[str, Any] | None = None,
        n_labels: int,
        seconds: float | None = None,
    ) -> ModelEntry:
        """Enter a model; parameters as in `ModelEntry`. Returns the entry as it stands in the list."""
        values = (name, method, run, str(bundle), json.dumps(recipe), json.dumps(result or {}), n_labels, seconds)
        marks = (getpass.getuser(), datetime.now(UTC).isoformat(timespec="seconds"))
        with self._writing() as connection:
            cursor = connection.execute(
                f"INSERT INTO models ({', '.join(COLUMNS[1:-1])}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                values + marks,
            )
        return self[int(cursor.lastrowid or 0)]

    def __getitem__(self, number: int) -> ModelEntry:
        found = [entry for entry in self.entries() if entry.id == number]
        if not found:
            raise LabelStoreError(f"no model number {number} in {self.path}; it may have been removed.")
        return found[0]

    def entries(self) -> list[ModelEntry]:
        """Return all models, oldest first."""
        with self._connected() as connection:
            rows = connection.execute(f"SELECT {', '.join(COLUMNS)} FROM models ORDER BY id").fetchall()
        return [_entry(dict(zip(COLUMNS, row, strict=True))) for row in rows]

    def rename(self, number: int, name: str) -> None:
        """Give a model another name in the list."""
        self._set("name", name, number)

    def annotate(self, number: int, note: str) -> None:
        """Write a note beside a model."""
        self._set("note", note, number)

    def remove(self, number: int) -> None:
        """Take a model off the list; its folder stays."""
        with self._writing() as connection:
            connection.execute("DELETE FROM models WHERE id = ?", (number,))

    def _set(self, column: str, value: str, number: int) -> None:
        with self._writing() as connection:
            connection.execute(f"UPDATE models SET {column} = ? WHERE id = ?", (value, number))

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._connected() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")  # takes the lock before reading, so two writers never deadlock
            yield connection

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                connection = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
                connection.execute("PRAGMA synchronous = EXTRA")
                try:
                    yield connection
                finally:
                    connection.close()
            except sqlite3.Error as error:
                raise LabelStoreError(f"the list of models {self.path} cannot be used: {error}.") from error


def _entry(row: dict[str, Any]) -> ModelEntry:
    return ModelEntry(**{**row, "recipe": json.loads(row["recipe"]), "result": json.loads(row["result"])})
