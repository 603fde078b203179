"""One event: one act of one annotator on one frame, with what was on the screen when it was decided."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from functools import cache
from importlib import metadata
from typing import Any

from sfx_label.errors import LabelStoreError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.scheme import SCHEME_VERSION, Label

__all__ = ["ADJUDICATED", "AUDIT", "EVENT_COLUMNS", "MANUAL", "SUGGESTION", "Event", "Kind", "Provenance", "clean_text"]

MANUAL = "manual"
"""Origin of a label that an annotator gave to a frame of their own choice."""
AUDIT = "audit"
"""Origin of a label of a frame drawn at random to estimate an error: never to be trained on."""
ADJUDICATED = "adjudicated"
"""Origin of a label that settles a disagreement; it outranks the votes, which stay."""
SUGGESTION = "suggestion"
"""Origin of a label made by a program; it is no vote."""

_LONGEST_TEXT = 10_000


class Kind(StrEnum):
    """What an event does."""

    LABEL = "label"
    SKIP = "skip"
    FLAG = "flag"
    NOTE = "note"
    UNDO = "undo"


@dataclass(frozen=True, slots=True)
class Provenance:
    """Who wrote the event, on which machine, with which version: attribution, not authentication."""

    tool_version: str = ""
    scheme_version: str = SCHEME_VERSION
    os_uid: int | None = None
    os_user: str = ""
    hub_user: str = ""
    host: str = ""

    @staticmethod
    @cache
    def of_this_process() -> Provenance:
        """Name the user, machine and version that run now."""
        return Provenance(
            tool_version=_installed_version(),
            os_uid=os.getuid() if hasattr(os, "getuid") else None,
            os_user=login_name(),
            hub_user=os.environ.get("JUPYTERHUB_USER", ""),
            host=socket.gethostname(),
        )


@dataclass(frozen=True, slots=True)
class Event:
    """One act of one annotator.

    ``(annotator, client, client_seq)`` is its identity: sending it again changes nothing. ``(clock, client,
    client_seq)`` is its place in the order of things; the clock counts events, so no computer's time enters.

    Parameters
    ----------
    kind
        What the event does.
    annotator
        Name under which the act counts.
    client, client_seq
        The page or session that sent it, and its running number there.
    key
        The frame.
    position
        Running number of the frame within the run as it was shown, 0-based; for people, not for identity.
    label
        For labels only.
    origin
        Which rule put the frame before the annotator: ``"manual"``, ``"random"``, ``"uncertain"``, ``"audit"``, ...
    note, flag
        Free text and reason of a flag.
    display
        What the screen showed: contrast, crop, mask, and whether a model's score was visible.
    shown_at, decided_at, stored_at
        Seconds since 1970 (UTC): frame drawn, key pressed, event written.
    supersedes
        ``(client, client_seq)`` of the same annotator's earlier event that this one replaces or undoes.
    clock
        Lamport's logical clock of the store.
    writer
        The store session that wrote the event.
    provenance
        User, machine and versions.
    """

    kind: Kind
    annotator: str
    client: str
    client_seq: int
    key: FrameKey
    position: int | None = None
    label: Label | None = None
    origin: str = MANUAL
    note: str | None = None
    flag: str | None = None
    display: Mapping[str, Any] = field(default_factory=dict)
    shown_at: float | None = None
    decided_at: float | None = None
    stored_at: float | None = None
    supersedes: tuple[str, int] | None = None
    clock: int = 0
    writer: str = ""
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def identity(self) -> tuple[str, str, int]:
        """Annotator, client and the client's running number."""
        return (self.annotator, self.client, self.client_seq)

    @property
    def order(self) -> tuple[int, str, int, str]:
        """Sorts events as they happened, whatever the clocks of the computers say."""
        return (self.clock, self.client, self.client_seq, self.writer)

    @property
    def summary(self) -> str:
        """The act in a few words."""
        what = self.label.title if self.label is not None else str(self.kind)
        return f"{what} for {self.key}"

    def says_the_same(self, other: Event) -> bool:
        """Whether both are the same act, sent twice."""
        return _content(self) == _content(other)

    def to_record(self) -> dict[str, Any]:
        """Flat and JSON-ready: one name per column of the store."""
        key, old = self.key, self.supersedes or (None, None)
        frame = {"fingerprint": key.fingerprint, "dataset": key.dataset, "frame_index": key.index}
        plain = {name: getattr(self, name) for name in _PLAIN}
        return {
            **plain,
            **frame,
            "path": _readable(key.path),
            "event": _readable(key.event),
            "kind": str(self.kind),
            "label": None if self.label is None else int(self.label),
            "display": json.dumps(dict(self.display), sort_keys=True) if self.display else None,
            "supersedes_client": old[0],
            "supersedes_seq": old[1],
            **{item.name: getattr(self.provenance, item.name) for item in fields(Provenance)},
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> Event:
        """Inverse of `to_record`.

        Raises
        ------
        LabelStoreError
            If the record is none that this version could have written.
        """
        try:
            return cls(
                **{name: record[name] for name in _PLAIN},
                kind=Kind(record["kind"]),
                key=_key_of(record),
                label=None if record["label"] is None else Label(record["label"]),
                display=json.loads(record["display"]) if record["display"] else {},
                supersedes=None
                if record["supersedes_seq"] is None
                else (record["supersedes_client"], record["supersedes_seq"]),
                provenance=Provenance(**{item.name: record[item.name] for item in fields(Provenance)}),
            )
        except (KeyError, TypeError, ValueError) as error:
            raise LabelStoreError(
                f"an event of the store is damaged ({error}). Received: {dict(record)!r:.300}. "
                "Run `sfx-label labels stats` for a check of the whole store, and keep a copy of the file."
            ) from error


_PLAIN = (
    "clock", "annotator", "client", "client_seq", "position", "origin", "note", "flag",
    "shown_at", "decided_at", "stored_at", "writer",
)  # fmt: skip
EVENT_COLUMNS = (
    *_PLAIN, "fingerprint", "dataset", "frame_index", "path", "event", "kind", "label", "display",
    "supersedes_client", "supersedes_seq", *(item.name for item in fields(Provenance)),
)  # fmt: skip
"""Names in a record of an event, in their order."""


def clean_text(name: str, text: str) -> str:
    """Strip a name or note that a person typed, and refuse what no person types.

    Raises
    ------
    LabelStoreError
        If the text is empty, very long, or holds control characters other than line breaks and tabs.
    """
    stripped = str(text).strip()
    if (
        not stripped
        or len(stripped) > _LONGEST_TEXT
        or any(ord(letter) < 32 and letter not in "\n\t" for letter in stripped)
    ):
        raise LabelStoreError(
            f"{name} must be readable text of 1 to {_LONGEST_TEXT} characters. Received: {str(text)!r:.80}. "
            "Type it again."
        )
    return stripped


def login_name() -> str:
    """Name of the person as the machine knows it, or ``"anonymous"``."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "anonymous"


def _installed_version() -> str:
    try:
        return metadata.version("sfx-label")
    except metadata.PackageNotFoundError:
        return "unknown"


def _readable(path: str) -> str:
    """Spell out bytes of a path that are no text; a path is for people, not for identity."""
    return path.encode("utf-8", "backslashreplace").decode()


def _key_of(record: Mapping[str, Any]) -> FrameKey:
    return FrameKey(
        fingerprint=record["fingerprint"],
        dataset=record["dataset"],
        index=record["frame_index"],
        path=record["path"],
        event=record["event"],
    )


def _content(event: Event) -> tuple[Any, ...]:
    frame = None if event.kind is Kind.UNDO else event.key
    return (event.kind, frame, event.label, event.flag, event.note, event.origin)
