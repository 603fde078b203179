"""The label store: the one place where labels are written, and never overwritten."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import LabelStoreError
from sfx_label.frames.sequence import FrameKey, Frames
from sfx_label.labels.eventlog import EventLog
from sfx_label.labels.events import ADJUDICATED, MANUAL, Event, Kind, Provenance, clean_text, login_name
from sfx_label.labels.resolve import Disagreement, FrameId, merged_labels, votes
from sfx_label.labels.scheme import UNLABELLED, Label

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelStore"]

Time = float | datetime | None
_UNDOABLE = (Kind.LABEL, Kind.SKIP, Kind.FLAG, Kind.NOTE)


class LabelStore:
    """Labels, skips, flags and notes of any number of annotators and runs, as events that are only ever appended.

    Made by `LabelStore.open`. A method that writes returns when the event is on the disk, or raises. Threads, processes
    and kernels may have the same store open at once.
    """

    def __init__(self, log: EventLog, annotator: str | None = None) -> None:
        self._log = log
        self._annotator = clean_text("annotator", annotator or login_name())
        self._numbers = itertools.count(1)
        self._warned: set[str] = set()

    @classmethod
    def open(
        cls, path: str | os.PathLike[str], *, create: bool = False, annotator: str | None = None, read_only: bool = False
    ) -> LabelStore:
        """Open a label store.

        Parameters
        ----------
        path
            The store, by habit named ``*.labels``.
        create
            Make it if it does not exist. Without this, a mistyped path is an error and not an empty store.
        annotator
            Who labels; default the login name.
        read_only
            Never write to it.

        Raises
        ------
        LabelStoreError
            If it does not exist and may not be created, or is no label store.
        """
        file = Path(path)
        if not file.exists():
            _create(file, create)
        return cls(EventLog(file, read_only=read_only), annotator)

    @property
    def path(self) -> Path:
        """Where the labels lie."""
        return self._log.path

    @property
    def annotator(self) -> str:
        """Name under which this session labels."""
        return self._annotator

    @property
    def read_only(self) -> bool:
        """Whether labelling is refused."""
        return self._log.read_only

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
            The rule that chose this frame: ``"manual"``, ``"random"``, ``"uncertain"``, ``"audit"``, ``"adjudicated"``, ...
        note, flag
            Free text, and the reason for a flag.
        position
            Running number of the frame in the run as it was shown; kept for people.

        Returns
        -------
        event
            As it was stored.

        Raises
        ------
        LabelStoreError
            If the label is not on the disk.
        """
        words = {"note": note and clean_text("note", note), "flag": flag and clean_text("flag", flag)}
        return self._act(
            Kind.LABEL, key, annotator, client, client_seq, label=Label.parse(label), origin=clean_text("origin", origin),
            display=dict(display or {}), shown_at=_seconds(shown_at), decided_at=_seconds(decided_at), position=position, **words,
        )  # fmt: skip

    def skip(self, key: FrameKey, *, annotator: str | None = None, client: str | None = None, client_seq: int | None = None) -> Event:
        """Record that the annotator saw the frame and decided nothing."""
        return self._act(Kind.SKIP, key, annotator, client, client_seq)

    def flag(
        self, key: FrameKey, reason: str, *, annotator: str | None = None, client: str | None = None, client_seq: int | None = None
    ) -> Event:
        """Mark a frame as odd (ice, half a detector, jet streak, ...), whatever its label."""
        return self._act(Kind.FLAG, key, annotator, client, client_seq, flag=clean_text("flag", reason))

    def note(
        self, key: FrameKey, text: str, *, annotator: str | None = None, client: str | None = None, client_seq: int | None = None
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
        sender, number = self._sender(client, client_seq)
        runs = sorted({key.fingerprint for key in within.keys}) if within is not None else []

        def build() -> Event | None:
            last = self._log.newest(who, kinds=_UNDOABLE, runs=runs)
            return last and Event(
                Kind.UNDO, who, sender, number, last.key, position=last.position, supersedes=last.identity[1:],
                provenance=Provenance.of_this_process(),
            )  # fmt: skip

        return self._log.append((who, sender, number), build)

    def current(self, key: FrameKey, annotator: str | None = None) -> Label | None:
        """The label that counts for one frame, as `labels_for` finds it; None where there is none."""
        value = int(self.labels_for([key], annotator)[0])
        return None if value == UNLABELLED else Label(value)

    def labels_for(
        self, frames: Frames | Sequence[FrameKey], annotator: str | None = None, *, disagreement: Disagreement = "unlabelled"
    ) -> NDArray[np.int8]:
        """The labels of many frames, by one query.

        Parameters
        ----------
        frames
            A run or part of one, or frame keys; n of them.
        annotator
            Only this annotator's last label of each frame. Default: all annotators together, by the rule of
            `sfx_label.labels.resolve.merged_labels`.
        disagreement
            What a frame counts as while its annotators disagree: ``"unlabelled"``, ``"majority"`` or ``"recent"``.

        Returns
        -------
        labels
            `Label` values, shape (n,); ``UNLABELLED`` where there is none.
        """
        wanted = _identities(frames)
        self._warn_of_replaced_run(frames)
        standing = self._log.standing(sorted({frame[0] for frame in wanted}), annotator)
        found = merged_labels(standing, disagreement) if annotator is None else votes(standing, annotator)
        return np.fromiter((found.get(frame, UNLABELLED) for frame in wanted), np.int8, len(wanted))

    def events(self, *, annotator: str | None = None, key: FrameKey | None = None) -> list[Event]:
        """The whole history, undone acts included, in its order."""
        return self._log.events(annotator, key and (key.fingerprint, key.dataset, key.index))

    def to_frame(self) -> pd.DataFrame:
        """The whole history as a table, one row per event; times in UTC."""
        from sfx_label.labels.tables import events_table

        return events_table(self.events())

    def annotators(self) -> list[str]:
        """Everyone who labelled, flagged, noted or skipped a frame, in alphabetical order."""
        return self._log.annotators()

    def close(self) -> None:
        """Close the store. What was acknowledged is on the disk already."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., LabelStore], tuple[Any, ...]]:
        return _reopen, (str(self.path), self._annotator, self.read_only)

    def __repr__(self) -> str:
        return f"<LabelStore {str(self.path)!r}, annotator {self._annotator!r}>"

    def _name(self, annotator: str | None) -> str:
        return self._annotator if annotator is None else clean_text("annotator", annotator)

    def _sender(self, client: str | None, client_seq: int | None) -> tuple[str, int]:
        if (client is None) != (client_seq is None):
            raise LabelStoreError(
                f"client and client_seq go together. Received: client={client!r}, client_seq={client_seq!r}. Give both or neither."
            )
        return (self._log.writer, next(self._numbers)) if client is None or client_seq is None else (client, int(client_seq))

    def _act(
        self, kind: Kind, key: FrameKey, annotator: str | None, client: str | None, client_seq: int | None, **content: Any
    ) -> Event:
        who = self._name(annotator)
        sender, number = self._sender(client, client_seq)

        def build() -> Event:
            earlier = self._log.newest(who, kinds=[Kind.LABEL], frame=_identity(key)) if kind is Kind.LABEL else None
            return Event(
                kind, who, sender, number, key, supersedes=earlier and earlier.identity[1:],
                provenance=Provenance.of_this_process(), **content,
            )  # fmt: skip

        stored = self._log.append((who, sender, number), build)
        assert stored is not None  # build always makes an event
        return stored

    def _warn_of_replaced_run(self, frames: Frames | Sequence[FrameKey]) -> None:
        if not isinstance(frames, Frames):
            return
        here = {(key.path, key.dataset): key.fingerprint for key in frames.keys}
        for path, dataset, fingerprint, count in self._log.runs_at(sorted({path for path, _ in here})):
            if here.get((path, dataset), fingerprint) != fingerprint and fingerprint not in self._warned:
                self._warned.add(fingerprint)
                warnings.warn(
                    f"{path} is not the file that was labelled under this name: {count} labelled frames of {dataset or 'it'} belong "
                    "to the file that was there before (other content, perhaps reprocessed). They are kept, and not used here.",
                    stacklevel=3,
                )


def _create(file: Path, wanted: bool) -> None:
    if not wanted:
        raise LabelStoreError(f"there is no label store here. Received: {file}. Check the path, or pass create=True to start one.")
    try:
        # exclusive, so that of two kernels that start at once one makes the file and both use it
        os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o660))
    except FileExistsError:
        return
    except OSError as error:
        raise LabelStoreError(
            f"the label store cannot be created ({error.strerror}). Received: {file}. Choose a folder that you may write to."
        ) from error


def _reopen(path: str, annotator: str, read_only: bool) -> LabelStore:
    return LabelStore.open(path, annotator=annotator, read_only=read_only)


def _identity(key: FrameKey) -> FrameId:
    return (key.fingerprint, key.dataset, key.index)


def _identities(frames: Frames | Sequence[FrameKey]) -> list[FrameId]:
    keys = frames.keys if isinstance(frames, Frames) else frames
    return [(key.fingerprint, key.dataset, key.index) for key in keys]


def _seconds(moment: Time) -> float | None:
    return moment.timestamp() if isinstance(moment, datetime) else moment
