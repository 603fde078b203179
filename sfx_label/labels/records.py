"""What an annotation file says, whatever its format: one record per frame it mentions."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import Label

__all__ = ["Annotation", "AnnotationFile", "digest_of", "numbered_lines", "refuse"]

_LONGEST_LINE = 1_000_000


@dataclass(frozen=True, slots=True)
class Annotation:
    """One statement about one frame.

    Parameters
    ----------
    line
        Where it stands in the file, 1-based.
    label
        None where the file gives spots only, or only flags or notes the frame.
    number
        Running number of the frame within the run, 0-based; None if the file names frames in another way.
    spots
        Number of spots, if the file gives it.
    file, event
        Image file and CrystFEL event (``"//3"``), if the file names them; an empty event means the whole file.
    fingerprint, dataset, index
        Identity of the frame, if the file was written by sfx-label.
    annotator, note, flag, origin, decided_at
        As in `sfx_label.labels.events.Event`.
    """

    line: int
    label: Label | None
    number: int | None = None
    spots: int | None = None
    file: str = ""
    event: str = ""
    fingerprint: str = ""
    dataset: str = ""
    index: int | None = None
    annotator: str = ""
    note: str = ""
    flag: str = ""
    origin: str = ""
    decided_at: float | None = None


@dataclass(frozen=True)
class AnnotationFile:
    """All statements of one file.

    Parameters
    ----------
    path, format
        The file and the format it turned out to have.
    annotations
        In file order.
    absent
        What the format means by leaving a frame out; None if it means nothing.
    digest
        Of the file's content: the same file is never imported twice.
    remarks
        What a reader should know, such as a last entry that was cut off.
    """

    path: Path
    format: str
    annotations: tuple[Annotation, ...]
    absent: Annotation | None = None
    digest: str = ""
    remarks: tuple[str, ...] = ()


def refuse(path: Path, line: int, what: str, received: object, advice: str) -> AnnotationFormatError:
    """Make the error for one line of a file."""
    return AnnotationFormatError(f"{path}, line {line}: {what}. Received: {received!r:.120}. {advice}.")


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """Read a text file line by line, numbered from 1, without line ends.

    Raises
    ------
    AnnotationFormatError
        If it cannot be read, or is no text.
    """
    try:
        with open(path, "rb") as file:
            for number, raw in enumerate(iter(lambda: file.readline(_LONGEST_LINE), b""), start=1):
                yield number, _text(path, number, raw)
    except OSError as error:
        raise AnnotationFormatError(
            f"the annotation file cannot be read ({error.strerror}). Received: {path}. "
            "Check the path and your permissions."
        ) from error


def _text(path: Path, number: int, raw: bytes) -> str:
    try:
        text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
    except UnicodeDecodeError as error:
        raise refuse(
            path, number, "this is not text (UTF-8)", raw[:40], "Give an annotation file, not a data file"
        ) from error
    if "\0" in text or len(raw) >= _LONGEST_LINE:
        raise refuse(path, number, "this is not a line of text", raw[:40], "Give an annotation file, not a data file")
    return text.rstrip("\r\n")


def digest_of(path: Path) -> str:
    """SHA-256 of a file's content, 16 hex digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]
