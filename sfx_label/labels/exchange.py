"""Between annotation files and a store: what a file's lines become, and what a store hands out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sfx_label.errors import AnnotationFormatError
from sfx_label.frames.sequence import FrameKey, Frames
from sfx_label.labels.events import SUGGESTION, Event, Kind, Provenance, clean_text
from sfx_label.labels.interchange import read_annotations
from sfx_label.labels.matching import match_annotations
from sfx_label.labels.published import write_expert
from sfx_label.labels.reading import LabelReader
from sfx_label.labels.records import Annotation, AnnotationFile
from sfx_label.labels.resolve import Disagreement
from sfx_label.labels.scheme import UNLABELLED, Label, label_from_spot_count
from sfx_label.labels.tables import write_csv, write_json

__all__ = ["ImportReport", "annotations_of", "import_events", "write_annotations"]

_IMPORTED = "import"
_FORMATS = {".csv": "csv", ".json": "json", ".txt": "expert"}


@dataclass(frozen=True)
class ImportReport:
    """What an import did.

    Parameters
    ----------
    path, format
        The file, and the format it turned out to have.
    client
        Under which sender the events are stored.
    labels
        Frames by label, and how many were only flagged or noted.
    imported, known
        Events written, and events that an earlier import of the same file had written.
    elsewhere
        Lines that speak of other runs.
    frames, run
        Frames that the file speaks of, and frames of the run.
    warnings
        What the user should know.
    """

    path: str
    format: str
    client: str
    labels: dict[str, int]
    elsewhere: int
    frames: int
    run: int
    warnings: tuple[str, ...]
    imported: int = 0
    known: int = 0

    def with_result(self, written: int) -> ImportReport:
        """Add how many events were new."""
        return replace(self, imported=written, known=self.frames - written)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {**self.__dict__, "labels": dict(self.labels), "warnings": list(self.warnings)}

    def __str__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self.labels.items())
        known = f", {self.known} were there already" if self.known else ""
        lines = [f"{self.imported} labels imported from {self.path} ({self.format}): {counts}{known}"]
        lines += [f"{self.elsewhere} lines speak of other runs"] if self.elsewhere else []
        return "\n".join([*lines, *self.warnings])


def import_events(
    frames: Frames,
    path: Path,
    *,
    annotator: str | None,
    default: str,
    format: str | None,
    as_suggestions: bool,
    undone: Callable[[str], bool],
) -> tuple[ImportReport, list[Event]]:
    """Read an annotation file into events, one per frame and annotator, ready to be appended.

    Parameters
    ----------
    frames
        The run, whole.
    path, annotator, format, as_suggestions
        As in `sfx_label.labels.store.LabelStore.import_labels`.
    default
        Annotator where neither the caller nor the file names one.
    undone
        Tells whether labels of this sender were taken back: then the file may be imported once more.

    Raises
    ------
    AnnotationFormatError
        If the file cannot be understood or does not fit the run.
    """
    if not _is_whole(frames):
        raise AnnotationFormatError(
            f"annotation files number the frames of the whole run. Received: {len(frames)} selected frames of "
            f"{frames.name}. "
            "Import into the run as open_frames returns it."
        )
    file = read_annotations(path, format)
    _one_name(file, annotator)
    matched = match_annotations(frames.keys, file)
    client = _client(file, frames, as_suggestions, undone)
    events = _Maker(frames, file, client=client, name=annotator, default=default, suggestions=as_suggestions).events(
        matched.pairs
    )
    counts = Counter(event.label.title if event.label is not None else "flagged or noted only" for event in events)
    report = ImportReport(
        str(path), file.format, client, dict(counts), matched.elsewhere, len(events), len(frames), matched.remarks
    )
    return report, events


class _Maker:
    """Makes events of annotations."""

    def __init__(
        self, frames: Frames, file: AnnotationFile, *, client: str, name: str | None, default: str, suggestions: bool
    ) -> None:
        self._keys, self._file, self._client = frames.keys, file, client
        self._name, self._default, self._suggestions = name, default, suggestions

    def events(self, pairs: tuple[tuple[int, Annotation], ...]) -> list[Event]:
        made: dict[tuple[int, str], Event] = {}
        for position, entry in pairs:
            event = self._event(position, entry)
            earlier = made.setdefault((position, event.annotator), event)
            if earlier.label is not event.label:
                raise AnnotationFormatError(
                    f"{self._file.path}, line {entry.line}: frame {position + 1} has two labels of "
                    f"{event.annotator!r}, "
                    f"{_word(earlier.label)} and {_word(event.label)}. Nothing was imported. Keep one of them."
                )
        return list(made.values())

    def _event(self, position: int, entry: Annotation) -> Event:
        label = entry.label
        if label is None and entry.spots is not None:
            label = label_from_spot_count(entry.spots)
        kind = Kind.LABEL if label is not None else Kind.FLAG if entry.flag else Kind.NOTE if entry.note else Kind.SKIP
        source = {"file": self._file.path.name, "line": entry.line, "format": self._file.format, "spots": entry.spots}
        return Event(
            kind,
            clean_text("annotator", self._name or entry.annotator or self._default),
            self._client,
            position + 1,
            self._keys[position],
            position=position,
            label=label,
            origin=SUGGESTION if self._suggestions else entry.origin or _IMPORTED,
            note=clean_text("note", entry.note) if entry.note else None,
            flag=clean_text("flag", entry.flag) if entry.flag else None,
            display={"imported": {name: value for name, value in source.items() if value is not None}},
            decided_at=entry.decided_at,
            provenance=Provenance.of_this_process(),
        )


def _client(file: AnnotationFile, frames: Frames, as_suggestions: bool, undone: Callable[[str], bool]) -> str:
    base = f"import {file.digest} into {frames.fingerprint}" + (" as suggestions" if as_suggestions else "")
    client, time = base, 1
    while undone(client):
        time += 1
        client = f"{base}, time {time}"
    return client


def _one_name(file: AnnotationFile, annotator: str | None) -> None:
    names = sorted({entry.annotator for entry in file.annotations if entry.annotator})
    if annotator is not None and len(names) > 1:
        raise AnnotationFormatError(
            f"the file holds labels of {len(names)} annotators ({', '.join(names[:5])}), which must not become one. "
            f"Received: annotator={annotator!r}. Leave the annotator out to keep their names."
        )


def annotations_of(
    store: LabelReader, frames: Frames | None, annotator: str | None, disagreement: Disagreement
) -> list[Annotation]:
    """Collect the labels that count, with the notes and flags beside them, in the order of the run."""
    keys = list(frames.keys) if frames is not None else store.labelled_frames()
    asked = frames if frames is not None else keys
    labels = store.labels_for(asked, annotator, disagreement=disagreement)
    notes, flags = store.notes_for(keys, annotator), store.flags_for(keys, annotator)
    found = []
    for position, (key, label) in enumerate(zip(keys, labels, strict=True)):
        if label != UNLABELLED or position in notes or position in flags:
            number = None if frames is None else int(frames.positions[position])
            entry = _annotation(key, number, int(label), annotator or "")
            note, flag = "\n".join(notes.get(position, ())), "; ".join(flags.get(position, ()))
            found.append(replace(entry, note=note, flag=flag))
    return found


def write_annotations(path: Path, format: str | None, entries: list[Annotation], frames: Frames | None) -> int:
    """Write annotations in a format, or in the one that the file's ending stands for. Returns their number.

    Raises
    ------
    AnnotationFormatError
        If the format is unknown, or numbers frames and these have no numbers.
    """
    name = format or _FORMATS.get(path.suffix.lower(), path.suffix)
    if name == "expert":
        return write_expert(path, _numbered_by_file(path, entries, frames))
    writers = {"csv": write_csv, "json": write_json}
    if name not in writers:
        raise AnnotationFormatError(
            f"unknown format for labels. Received: {name!r}. Known: expert, {', '.join(writers)}."
        )
    return writers[name](path, entries)


def _numbered_by_file(path: Path, entries: list[Annotation], frames: Frames | None) -> list[Annotation]:
    """Count the frames of a run file by file, as the readers of this format expect."""
    if frames is None:
        raise AnnotationFormatError(
            f"this format numbers the frames of one run. Received: {path}, no run. Give the run too."
        )
    if len(frames.paths) == 1:
        return entries
    if not _is_whole(frames):
        raise AnnotationFormatError(
            f"this format numbers the frames of each file. Received: a selection of {frames.name} "
            f"and {len(frames.paths) - 1} other files. Give the whole run, or use CSV."
        )
    first: dict[str, int] = {}
    for position, key in enumerate(frames.keys):
        first.setdefault(key.path, position)
    start = [first[frames.keys[entry.number or 0].path] for entry in entries]
    return [replace(entry, number=(entry.number or 0) - at) for entry, at in zip(entries, start, strict=True)]


def _is_whole(frames: Frames) -> bool:
    return not frames.positions.size or int(frames.positions[-1]) == len(frames) - 1


def _annotation(key: FrameKey, number: int | None, label: int, annotator: str) -> Annotation:
    return Annotation(
        0,
        None if label == UNLABELLED else Label(label),
        number,
        file=Path(key.path).name,
        event=key.event,
        fingerprint=key.fingerprint,
        dataset=key.dataset,
        index=key.index,
        annotator=annotator,
    )


def _word(label: Label | None) -> str:
    return "none" if label is None else label.title
