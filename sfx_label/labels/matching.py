"""Which frame of a run each line of an annotation file speaks of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath

from sfx_label.errors import AnnotationFormatError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.records import Annotation, AnnotationFile
from sfx_label.labels.resolve import FrameId

__all__ = ["Matched", "match_annotations"]


@dataclass(frozen=True)
class Matched:
    """Annotations placed on the frames of a run.

    Parameters
    ----------
    pairs
        Position in the run (0-based) and what is said of it, in file order; absent frames last, where the format means
        them.
    elsewhere
        Annotations of other runs or files, which were left out.
    remarks
        What the user should know.
    """

    pairs: tuple[tuple[int, Annotation], ...]
    elsewhere: int = 0
    remarks: tuple[str, ...] = field(default=())


def match_annotations(keys: Sequence[FrameKey], annotations: AnnotationFile) -> Matched:
    """Place the annotations of a file on the frames of a run.

    Tried in this order: the frame's identity, its file and event, its running number.

    Parameters
    ----------
    keys
        Of the whole run, in its order.
    annotations
        As read.

    Raises
    ------
    AnnotationFormatError
        If a running number lies beyond the run, or nothing in the file belongs to the run.
    """
    place = _Places(keys, annotations)
    placed = [(position, entry) for entry in annotations.annotations for position in place.of(entry)]
    if annotations.annotations and not placed:
        first = annotations.annotations[0]
        raise AnnotationFormatError(
            f"nothing in the annotation file belongs to this run. Received: {annotations.path}, whose line "
            f"{first.line} speaks of '{first.file or first.fingerprint} {first.event}'; "
            f"the run is {keys[0].path if keys else 'empty'}. "
            "Open the run that was annotated."
        )
    if annotations.absent is not None:
        there = {position for position, _ in placed}
        placed += [(position, annotations.absent) for position in range(len(keys)) if position not in there]
    return Matched(tuple(placed), place.elsewhere, (*annotations.remarks, *place.remarks()))


class _Places:
    """Looks frames up by identity, by file and event, or by running number; the tables are made on first use."""

    def __init__(self, keys: Sequence[FrameKey], annotations: AnnotationFile) -> None:
        self._keys = list(keys)
        self._path = annotations.path
        self._by_identity: dict[FrameId, int] | None = None
        self._by_event: dict[tuple[str, str], list[int]] | None = None
        self._files: dict[str, list[int]] = {}
        for position, key in enumerate(self._keys):
            self._files.setdefault(_base(key.path), []).append(position)
        self._foreign: set[str] = set()
        self.elsewhere = 0

    def of(self, entry: Annotation) -> Sequence[int]:
        """Positions that the annotation speaks of; several if it names a whole file."""
        find: Callable[[Annotation], Sequence[int]]
        if entry.fingerprint and entry.index is not None:
            find = self._of_identity
        elif entry.file and entry.number is None:
            find = self._of_event
        else:
            find = self._of_number
        found = find(entry)
        self.elsewhere += not found
        return found

    def remarks(self) -> tuple[str, ...]:
        """Names in the file that are not the run's."""
        if not self._foreign:
            return ()
        named, ours = ", ".join(sorted(self._foreign)[:3]), ", ".join(sorted(self._files)[:3])
        return (f"the annotation file names {named}, the run is {ours}: frames were matched by their running number",)

    def _of_identity(self, entry: Annotation) -> Sequence[int]:
        if self._by_identity is None:
            self._by_identity = {(key.fingerprint, key.dataset, key.index): at for at, key in enumerate(self._keys)}
        at = self._by_identity.get((entry.fingerprint, entry.dataset, entry.index or 0))
        return () if at is None else (at,)

    def _of_event(self, entry: Annotation) -> Sequence[int]:
        if not entry.event:
            return self._files.get(_base(entry.file), ())
        if self._by_event is None:
            self._by_event = {}
            for at, key in enumerate(self._keys):
                self._by_event.setdefault((_base(key.path), key.event), []).append(at)
        return self._by_event.get((_base(entry.file), entry.event), ())

    def _of_number(self, entry: Annotation) -> Sequence[int]:
        if entry.number is None:
            raise AnnotationFormatError(
                f"{self._path}, line {entry.line}: this does not say which frame it means. Give 'frame', or 'file' and "
                "'event'."
            )
        own = self._files.get(_base(entry.file)) if entry.file and len(self._files) > 1 else None
        if entry.file and _base(entry.file) not in self._files:
            self._foreign.add(_base(entry.file))
        count = len(self._keys) if own is None else len(own)
        if entry.number >= count:
            raise AnnotationFormatError(
                f"{self._path}, line {entry.line}: frame {entry.number + 1} lies beyond the run, which has "
                f"{count} frames. Nothing was imported. Open the run that was annotated."
            )
        return (entry.number if own is None else own[entry.number],)


def _base(path: str) -> str:
    return PurePath(path).name
