"""The two annotation files that Ke et al. published with CXIDB entry 76: by an expert, and by DIALS."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from numpy.typing import ArrayLike

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.records import Annotation, AnnotationFile, digest_of, numbered_lines, refuse
from sfx_label.labels.scheme import Label, label_from_spot_count

__all__ = ["DIALS_LINE", "EXPERT_LINE", "read_dials", "read_expert", "write_dials", "write_expert"]

EXPERT_LINE = re.compile(r"(?P<file>\S.*?)[ \t]+\[(?P<number>[0-9]{1,12})\][ \t]+(?P<label>[A-Za-z]+)[ \t]*")
"""``r0018_2000.h5 [1] MISS``: file, running number from 1, label."""
DIALS_LINE = re.compile(
    r"[ \t]*(?P<number>[0-9]{1,12})[ \t]+(?P<spots>[0-9]{1,12})(?:[ \t]+(?P<label>[A-Za-z]+))?[ \t]*"
)
"""``00002   229 Hit``: running number from 1, spots, and whether that passed the cut-off that its experts chose."""


def read_expert(path: str | Path) -> AnnotationFile:
    """Read ``expert_annotation.txt``.

    Raises
    ------
    AnnotationFormatError
        With file and line, if a line is none of this format or two lines contradict each other.
    """
    file = Path(path)
    found = tuple(
        Annotation(line, Label.parse(match["label"]), _from_one(file, line, match["number"]), file=match["file"])
        for line, match in _matches(file, EXPERT_LINE, "file [number] HIT|MAYBE|MISS")
    )
    _refuse_contradictions(file, found)
    return AnnotationFile(file, "expert", found, digest=digest_of(file))


def read_dials(path: str | Path) -> AnnotationFile:
    """Read ``dials_annotation.txt``. A frame that is absent from it has no spots.

    The label is the file's own Hit or Miss where it has one (a cut-off tuned for each data set), else by the spot rule.

    Raises
    ------
    AnnotationFormatError
        With file and line, if a line is none of this format or two lines contradict each other.
    """
    file = Path(path)
    found = tuple(
        Annotation(line, _label_of(match), _from_one(file, line, match["number"]), spots=int(match["spots"]))
        for line, match in _matches(file, DIALS_LINE, "number spots Hit|Miss")
    )
    _refuse_contradictions(file, found)
    return AnnotationFile(file, "dials", found, absent=Annotation(0, Label.MISS, spots=0), digest=digest_of(file))


def write_expert(path: str | Path, annotations: Iterable[Annotation]) -> int:
    """Write labels as ``expert_annotation.txt``. Returns the number of lines.

    Parameters
    ----------
    path
        File to write; one that exists is replaced.
    annotations
        With file, running number and label; those without a label are left out.
    """
    lines = [
        f"{one_line(entry.file)} [{entry.number + 1}] {entry.label.name}"
        for entry in annotations
        if entry.label is not None and entry.number is not None
    ]
    return _write(path, lines)


def write_dials(path: str | Path, counts: ArrayLike, labels: ArrayLike) -> int:
    """Write spot counts as ``dials_annotation.txt``. Frames without spots are left out, as DIALS did.

    Parameters
    ----------
    path
        File to write; one that exists is replaced.
    counts
        Spots per frame, shape (n,).
    labels
        `Label` values, shape (n,); Hit and Maybe are written as Hit.
    """
    lines = [
        f"{number:05d} {count:5d} {'Hit' if label >= Label.MAYBE else 'Miss'}"
        for number, (count, label) in enumerate(zip(_integers(counts), _integers(labels), strict=True), start=1)
        if count > 0
    ]
    return _write(path, lines)


def one_line(name: str) -> str:
    """Refuse a name that would break a line-based file in two.

    Raises
    ------
    AnnotationFormatError
        If it holds a line break or another control character.
    """
    if any(ord(letter) < 32 or letter in "\x85\u2028\u2029" for letter in name):
        raise AnnotationFormatError(
            f"a file name holds a control character. Received: {name!r:.200}. Rename the file first."
        )
    return name


def _matches(path: Path, pattern: re.Pattern[str], shape: str) -> Iterable[tuple[int, re.Match[str]]]:
    for line, text in numbered_lines(path):
        if not text.strip() or text.lstrip().startswith("#"):
            continue
        match = pattern.fullmatch(text)
        label = match and match["label"]
        if match is None or (label and label.lower() not in ("hit", "maybe", "miss")):
            raise refuse(
                path, line, f"this is not '{shape}'", text, "Correct the line, or name the format with --format"
            )
        yield line, match


def _from_one(path: Path, line: int, digits: str) -> int:
    if int(digits) == 0:
        raise refuse(path, line, "frames are numbered from 1", digits, "Add one to each number")
    return int(digits) - 1


def _label_of(match: re.Match[str]) -> Label:
    return Label.parse(match["label"]) if match["label"] else label_from_spot_count(int(match["spots"]))


def _refuse_contradictions(path: Path, found: Sequence[Annotation]) -> None:
    first: dict[int | None, Annotation] = {}
    for entry in found:
        earlier = first.setdefault(entry.number, entry)
        if (earlier.label, earlier.spots) != (entry.label, entry.spots):
            what = f"frame {(entry.number or 0) + 1} was already described in line {earlier.line}, differently"
            raise refuse(path, entry.line, what, f"{entry.label!s}", "Keep one of the two")


def _integers(values: ArrayLike) -> list[int]:
    import numpy as np

    return [int(value) for value in np.asarray(values).ravel()]


def _write(path: str | Path, lines: Sequence[str]) -> int:
    Path(path).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return len(lines)
