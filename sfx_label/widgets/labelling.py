"""A labelling session without a screen: takes the acts of pages and scripts, and knows where the annotator stands."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import RLock
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import LabelStoreError
from sfx_label.frames.sequence import Frames
from sfx_label.labels.events import Event, Kind
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.labels.store import LabelStore

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabellingSession", "Outcome"]

HISTORY_LENGTH = 10


@dataclass(frozen=True)
class Outcome:
    """What became of a message of acts.

    Parameters
    ----------
    up_to
        Everything of this client up to this number is on the disk.
    saved_at
        When that was so, seconds since 1970.
    undone
        For each undo among the acts: its number, the frame (-1 if there was nothing to undo) and the frame's label now.
    changed
        Frame number -> label, for each frame whose label is another now.
    events
        The events in the order of the acts.
    error
        Why the next act is not on the disk; empty if all are.
    """

    up_to: int
    saved_at: float
    undone: tuple[tuple[int, int, int], ...] = ()
    changed: Mapping[int, int] = field(default_factory=dict)
    events: tuple[Event, ...] = ()
    error: str = ""


class LabellingSession:
    """One annotator's labelling of one run.

    Parameters
    ----------
    frames
        The run, or a selection of it; frame numbers count within it.
    store
        Where every act goes before it is acknowledged.
    annotator
        Who labels; default the store's annotator.
    """

    def __init__(self, frames: Frames, store: LabelStore, annotator: str | None = None) -> None:
        self.frames, self.store = frames, store
        self.annotator = annotator or store.annotator
        self.origin = "manual"
        self._lock = RLock()
        self._labels = store.labels_for(frames, self.annotator)

    @property
    def labels(self) -> NDArray[np.int8]:
        """Labels of this annotator, (n,); `UNLABELLED` where there is none."""
        with self._lock:
            return self._labels.copy()

    @property
    def name(self) -> str:
        """Names store, run and annotator together, so that a page knows which unsaved labels belong here."""
        positions = self.frames.positions
        whole = np.array_equal(positions, np.arange(len(positions)))
        selection = "" if whole else hashlib.sha256(positions.tobytes()).hexdigest()
        parts = (str(self.store.path.resolve()), self.frames.fingerprint, selection, self.annotator)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:24]

    def refresh(self) -> dict[int, int]:
        """Read the store again, for acts of other kernels; return frame number -> label of what has changed."""
        with self._lock:
            before, self._labels = self._labels, self.store.labels_for(self.frames, self.annotator)
            return {int(at): int(self._labels[at]) for at in np.flatnonzero(before != self._labels)}

    def first_unlabelled(self, queue: NDArray[np.int64]) -> int:
        """Frame to go on with: the first of the queue without a label, else its last; -1 for an empty queue."""
        open_ones = queue[self.labels[queue] == UNLABELLED] if len(queue) else queue
        return int(open_ones[0]) if len(open_ones) else int(queue[-1]) if len(queue) else -1

    def disputed(self) -> NDArray[np.int64]:
        """Frames on which annotators disagree, ascending."""
        votes = np.array(list(self.store.votes_for(self.frames).values()), np.int8).reshape(-1, len(self.frames))
        given = votes != UNLABELLED
        highest = np.max(votes, axis=0, where=given, initial=-1)
        lowest = np.min(votes, axis=0, where=given, initial=np.iinfo(np.int8).max)
        return np.flatnonzero((given.sum(axis=0) > 1) & (highest != lowest)).astype(np.int64)

    def take(self, client: str, acts: Sequence[Mapping[str, Any]]) -> Outcome:
        """Put acts of a page on the disk, in their order; what was sent before counts once.

        Parameters
        ----------
        client
            Name of the page.
        acts
            Each with ``seq``, ``kind`` (label, undo, skip, flag or note), ``position`` and what the kind needs.

        Returns
        -------
        Outcome
            Acts after a failed one are not tried, so that none overtakes it.
        """
        events: list[Event] = []
        undone: list[tuple[int, int, int]] = []
        changed: dict[int, int] = {}
        up_to, error = (int(acts[0]["seq"]) - 1 if acts else 0), ""
        with self._lock:
            for act in acts:
                try:
                    event = self._perform(client, act)
                except (LabelStoreError, LookupError, TypeError, ValueError) as problem:
                    error = str(problem) or repr(problem)
                    break
                up_to = int(act["seq"])
                position = self._place(event)
                if event is not None:
                    events.append(event)
                    changed[position] = self._reread(position)
                if act["kind"] == Kind.UNDO:
                    undone.append((up_to, position, changed.get(position, UNLABELLED)))
        return Outcome(up_to, time.time(), tuple(undone), changed, tuple(events), error)

    def _perform(self, client: str, act: Mapping[str, Any]) -> Event | None:
        sender: dict[str, Any] = {"annotator": self.annotator, "client": client, "client_seq": int(act["seq"])}
        kind = Kind(act["kind"])
        if kind is Kind.UNDO:
            return self.store.undo(within=self.frames, **sender)
        position = int(act["position"])
        if not 0 <= position < len(self.frames):
            raise LabelStoreError(f"the run has frames 0 to {len(self.frames) - 1}. Received {position}.")
        key = self.frames.keys[position]
        if kind is Kind.LABEL:
            return self.store.append(
                key, Label(int(act["label"])), shown_at=act.get("shown_at"), decided_at=act.get("decided_at"),
                display=act.get("display"), origin=self.origin, position=position, **sender,
            )  # fmt: skip
        if kind is Kind.SKIP:
            return self.store.skip(key, **sender)
        write = self.store.flag if kind is Kind.FLAG else self.store.note
        return write(key, str(act["text"]), **sender)

    def _place(self, event: Event | None) -> int:
        if event is None:
            return -1
        number = -1 if event.position is None else event.position
        if 0 <= number < len(self.frames) and self.frames.keys[number] == event.key:
            return number
        try:
            return self.frames.index_of(event.key)
        except KeyError:
            return -1

    def _reread(self, position: int) -> int:
        if position < 0:
            return UNLABELLED
        value = int(self.store.labels_for([self.frames.keys[position]], self.annotator)[0])
        self._labels[position] = value
        return value

    # what a script asks -----------------------------------------------------------------------------------------

    def history(self, length: int = HISTORY_LENGTH) -> list[dict[str, Any]]:
        """Return the last labels and skips that stand on this run, newest first, as page messages."""
        entries: list[dict[str, Any]] = []
        seen: set[int] = set()
        for event in self._standing():
            position = self._place(event)
            if position >= 0 and position not in seen and event.kind in (Kind.LABEL, Kind.SKIP):
                seen.add(position)
                label = UNLABELLED if event.label is None else int(event.label)
                entries.append({"position": position, "label": label, "kind": event.kind.value})
            if len(entries) == length:
                break
        return entries

    def _standing(self) -> Iterable[Event]:
        """Acts of the annotator that were not taken back, newest first."""
        events = self.store.events(annotator=self.annotator)
        taken_back = {event.supersedes for event in events if event.kind is Kind.UNDO}
        return (e for e in reversed(events) if e.kind is not Kind.UNDO and (e.client, e.client_seq) not in taken_back)

    def to_frame(self) -> pd.DataFrame:
        """Return one row a labelled frame: position, file, event, label, when, how long it took, origin."""
        import pandas as pd

        latest: dict[int, Event] = {}
        for event in self._standing():
            if event.kind is Kind.LABEL and (position := self._place(event)) >= 0:
                latest.setdefault(position, event)
        rows = [_row(position, latest[position]) for position in sorted(latest)]
        columns = ["position", "file", "event", "label", "decided_at", "seconds", "origin", "annotator"]
        return pd.DataFrame(rows, columns=columns)


def _row(position: int, event: Event) -> tuple[Any, ...]:
    import pandas as pd

    label = event.label.title if event.label is not None else ""
    took = None if event.shown_at is None or event.decided_at is None else event.decided_at - event.shown_at
    when = event.decided_at if event.decided_at is not None else event.stored_at
    moment = pd.NaT if when is None else pd.Timestamp(when, unit="s", tz="UTC")
    return (position, event.key.path, event.key.event, label, moment, took, event.origin, event.annotator)
