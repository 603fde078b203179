"""What an annotator does to a label store: label, skip, flag, note, undo."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from sfx_label.errors import LabelStoreError
from sfx_label.frames.sequence import FrameKey, Frames
from sfx_label.labels import queries
from sfx_label.labels.eventlog import EventLog
from sfx_label.labels.events import MANUAL, Event, Kind, Provenance, clean_text, login_name
from sfx_label.labels.reading import LabelReader
from sfx_label.labels.resolve import identity_of
from sfx_label.labels.scheme import Label
from sfx_label.labels.wanted import runs_of

__all__ = ["LabelWriter", "undo_of"]

Time = float | datetime | None
_UNDOABLE = (Kind.LABEL, Kind.SKIP, Kind.FLAG, Kind.NOTE)


class LabelWriter(LabelReader):
    """The labelling half of `sfx_label.labels.store.LabelStore`.

    A method that writes returns when the event is on the disk, or raises `LabelStoreError`.

    Parameters
    ----------
    log
        The events.
    annotator
        Who labels; default the login name.
    """

    def __init__(self, log: EventLog, annotator: str | None = None) -> None:
        super().__init__(log)
        self._annotator = clean_text("annotator", login_name() if annotator is None else annotator)
        self._numbers = itertools.count(1)

    @property
    def annotator(self) -> str:
        """Name under which this session labels."""
        return self._annotator

    def append(
        self,
        key: FrameKey,
        label: Label | int | str,
        *,
        annotator: str | None = None,
        shown_at: Time = None,
        decided_at: Time = None,
        display: Mapping[str, Any] | None = None,
        client_seq: int | None = None,
        client: str | None = None,
        origin: str = MANUAL,
        note: str | None = None,
        flag: str | None = None,
        position: int | None = None,
    ) -> Event:
        """Label a frame. Returns when the label is on the disk.

        Parameters
        ----------
        key
            The frame, from ``frames.keys``.
        label
            Hit, Maybe or Miss.
        annotator
            Who decided; default the store's annotator.
        shown_at, decided_at
            When the frame was drawn and the key pressed: seconds since 1970 (UTC) or an aware datetime.
        display
            What the screen showed, JSON-ready: contrast, crop, mask, whether a model's score was visible.
        client_seq, client
            The sender and its running number. Sending the same number again changes nothing, so a sender that got no
            answer may always send again. Default: this session and its own count.
        origin
            The rule that chose this frame: ``"manual"``, ``"random"``, ``"uncertain"``, ``"audit"``, ...
        note, flag
            Free text, and the reason for a flag.
        position
            Running number of the frame in the run as it was shown, 0-based; kept for people.

        Returns
        -------
        event
            As it was stored.

        Raises
        ------
        LabelStoreError
            If the label is not on the disk.
        """
        content = {
            "label": Label.parse(label),
            "origin": clean_text("origin", origin),
            "display": dict(display or {}),
            "shown_at": _seconds(shown_at),
            "decided_at": _seconds(decided_at),
            "note": note and clean_text("note", note),
            "flag": flag and clean_text("flag", flag),
            "position": position,
        }
        return self._act(Kind.LABEL, key, annotator, client, client_seq, **content)

    def skip(
        self, key: FrameKey, *, annotator: str | None = None, client: str | None = None, client_seq: int | None = None
    ) -> Event:
        """Record that the annotator saw the frame and decided nothing."""
        return self._act(Kind.SKIP, key, annotator, client, client_seq)

    def flag(
        self,
        key: FrameKey,
        reason: str,
        *,
        annotator: str | None = None,
        client: str | None = None,
        client_seq: int | None = None,
    ) -> Event:
        """Mark a frame as odd (ice, half a detector, jet streak, ...), whatever its label."""
        return self._act(Kind.FLAG, key, annotator, client, client_seq, flag=clean_text("flag", reason))

    def note(
        self,
        key: FrameKey,
        text: str,
        *,
        annotator: str | None = None,
        client: str | None = None,
        client_seq: int | None = None,
    ) -> Event:
        """Attach a remark to a frame."""
        return self._act(Kind.NOTE, key, annotator, client, client_seq, note=clean_text("note", text))

    def undo(
        self,
        annotator: str | None = None,
        *,
        within: Frames | None = None,
        client: str | None = None,
        client_seq: int | None = None,
    ) -> Event | None:
        """Take back the annotator's latest act that still stands; call again for the one before it.

        The act stays in the history. It may date from an earlier session.

        Parameters
        ----------
        annotator
            Whose act; default the store's annotator.
        within
            Only acts on frames of this run.
        client, client_seq
            As for `append`.

        Returns
        -------
        event
            The undo, whose ``key`` is the frame concerned and ``supersedes`` the act; None if nothing is left to undo.
        """
        who = self._name(annotator)
        sender = self._sender(client, client_seq)
        runs = runs_of(within)

        def build() -> Event | None:
            last = queries.newest(self._log, who, _UNDOABLE, runs=runs)
            return None if last is None else undo_of(last, sender)

        return self._log.append((who, *sender), build)

    def _name(self, annotator: str | None) -> str:
        return self._annotator if annotator is None else clean_text("annotator", annotator)

    def _sender(self, client: str | None, client_seq: int | None) -> tuple[str, int]:
        if client is not None and client_seq is not None:
            return clean_text("client", client), int(client_seq)
        if client is None and client_seq is None:
            return self._log.writer, next(self._numbers)
        raise LabelStoreError(
            f"client and client_seq go together. Received: {client!r} and {client_seq!r}. Give both or neither."
        )

    def _act(
        self,
        kind: Kind,
        key: FrameKey,
        annotator: str | None,
        client: str | None,
        client_seq: int | None,
        **content: Any,
    ) -> Event:
        who = self._name(annotator)
        sender = self._sender(client, client_seq)
        event = Event(kind, who, *sender, key, provenance=Provenance.of_this_process(), **content)
        stored = self._log.append(event.identity, lambda: self._with_supersedes([event])[0])
        assert stored is not None  # there was an event to build
        return stored

    def _with_supersedes(self, events: list[Event]) -> list[Event]:
        """Name the label that each label replaces."""
        return [self._superseding(event) if event.kind is Kind.LABEL else event for event in events]

    def _superseding(self, event: Event) -> Event:
        earlier = queries.newest(self._log, event.annotator, [Kind.LABEL], frame=identity_of(event.key))
        return event if earlier is None else replace(event, supersedes=(earlier.client, earlier.client_seq))


def undo_of(event: Event, sender: tuple[str, int]) -> Event:
    """Make the event that takes an act back."""
    return Event(
        Kind.UNDO,
        event.annotator,
        *sender,
        event.key,
        position=event.position,
        supersedes=(event.client, event.client_seq),
        provenance=Provenance.of_this_process(),
    )


def _seconds(moment: Time) -> float | None:
    return moment.timestamp() if isinstance(moment, datetime) else moment
