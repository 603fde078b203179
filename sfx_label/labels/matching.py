"""Which frame of a run each line of an annotation file speaks of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import PurePath

from sfx_label.errors import AnnotationFormatError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.records import Annotation, AnnotationFile
from sfx_label.labels.resolve import FrameId, identity_of

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
        self._source = annotations
        self._files: dict[str, list[int]] = {}
        for position, key in enumerate(self._keys):
            self._files.setdefault(key.path, []).append(position)
        self._namesakes: dict[str, list[str]] = {}
        for path in self._files:
            self._namesakes.setdefault(_base(path), []).append(path)
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
        named, ours = ", ".join(sorted(self._foreign)[:3]), ", ".join(sorted(self._namesakes)[:3])
        return (f"the annotation file names {named}, the run is {ours}: frames were matched by their running number",)

    @cached_property
    def _by_identity(self) -> dict[FrameId, int]:
        return {identity_of(key): position for position, key in enumerate(self._keys)}

    @cached_property
    def _by_event(self) -> dict[tuple[str, str], int]:
        return {(key.path, key.event): position for position, key in enumerate(self._keys)}

    def _of_identity(self, entry: Annotation) -> Sequence[int]:
        position = self._by_identity.get((entry.fingerprint, entry.dataset, entry.index or 0))
        return () if position is None else (position,)

    def _of_event(self, entry: Annotation) -> Sequence[int]:
        path = self._path(entry)
        if path is None:
            return ()
        if entry.event:
            position = self._by_event.get((path, entry.event))
            return () if position is None else (position,)
        if self._source.format != "list" and len(self._files[path]) > 1:
            raise self._refusal(
                entry, f"{path} holds several frames, and this does not say which. Give the event (//0, //1, ...)."
            )
        return self._files[path]

    def _of_number(self, entry: Annotation) -> Sequence[int]:
        if entry.number is None:
            raise self._refusal(entry, "this does not say which frame it means. Give 'frame', or 'file' and 'event'.")
        frames: Sequence[int] = range(len(self._keys))
        path = self._path(entry) if entry.file else None
        if path is not None and len(self._files) > 1:
            frames = self._files[path]  # a run of several files is numbered file by file
        elif path is None and entry.file:
            self._foreign.add(_base(entry.file))
        if entry.number >= len(frames):
            what = f"frame {entry.number + 1} lies beyond the run, which has {len(frames)} frames."
            raise self._refusal(entry, f"{what} Nothing was imported. Open the run that was annotated.")
        return (frames[entry.number],)

    def _path(self, entry: Annotation) -> str | None:
        """Find the run's file that an annotation names: by its base name, as data moves between folders."""
        found = self._namesakes.get(_base(entry.file), [])
        if len(found) > 1:
            found = [path for path in found if path == entry.file or path.endswith(f"/{entry.file}")]
            if len(found) != 1:
                raise self._refusal(
                    entry, f"the run holds several files called {_base(entry.file)}. Write more of its path."
                )
        return found[0] if found else None

    def _refusal(self, entry: Annotation, what: str) -> AnnotationFormatError:
        return AnnotationFormatError(f"{self._source.path}, line {entry.line}: {what}")


def _base(path: str) -> str:
    return PurePath(path).name
