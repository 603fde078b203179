"""Labels as CSV for people and as JSON for programs.

A CSV cell that begins with ``= + - @`` is run as a formula by a spreadsheet, so cells of the CSV are made harmless on
the way out and restored on the way in. JSON is exact.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.events import EVENT_COLUMNS, Event
from sfx_label.labels.records import Annotation, AnnotationFile, digest_of, numbered_lines, refuse
from sfx_label.labels.scheme import SCHEME_VERSION, Label

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COLUMNS",
    "JSON_FORMAT",
    "events_table",
    "neutralise",
    "read_csv",
    "read_json",
    "restore",
    "write_csv",
    "write_json",
]

JSON_FORMAT = "sfx-label annotations"
COLUMNS = (
    "frame", "file", "event", "label", "spots", "annotator", "origin", "note", "flag", "decided_at",
    "fingerprint", "dataset", "index",
)  # fmt: skip
"""Columns of the CSV. ``frame`` counts from 1 within the run; ``index`` from 0 within the data set."""

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
_LARGEST_JSON = 512 * 1024 * 1024
_ALIASES = {"frame": ("frame", "number"), "spots": ("spots", "n_visible", "num_peaks", "spot_count")}


def neutralise(cell: object) -> object:
    """Put an apostrophe before text that a spreadsheet would run as a formula (OWASP, CSV injection)."""
    if isinstance(cell, str) and cell.lstrip(" '").startswith(_FORMULA):
        return f"'{cell}"
    return cell


def restore(cell: str) -> str:
    """Inverse of `neutralise`."""
    return cell[1:] if cell.startswith("'") and cell.lstrip(" '").startswith(_FORMULA) else cell


def write_csv(path: str | Path, annotations: Iterable[Annotation]) -> int:
    """Write annotations for people. Returns the number of rows.

    Parameters
    ----------
    path
        File to write; one that exists is replaced.
    annotations
        One per row.
    """
    rows = [{name: neutralise(value) for name, value in _cells(entry).items()} for entry in annotations]
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return len(rows)


def read_csv(path: str | Path) -> AnnotationFile:
    """Read a table with a header line that has ``label`` or ``spots``, and ``frame``, ``index`` or ``event``.

    Raises
    ------
    AnnotationFormatError
        With file and line, if a column is missing or a cell cannot be understood.
    """
    file = Path(path)
    lines = [text for _, text in numbered_lines(file)]
    try:
        reader = csv.DictReader([f"{text}\n" for text in lines], strict=True)
        header = [name.strip().lower() for name in reader.fieldnames or ()]
        _check_header(file, header)
        reader.fieldnames = header
        found = tuple(_from_cells(file, reader.line_num, _restored(row)) for row in reader)
    except csv.Error as error:
        raise refuse(
            file, reader.line_num, f"this is not a CSV table ({error})", "", "Save it again as CSV, UTF-8"
        ) from error
    return AnnotationFile(file, "csv", found, digest=digest_of(file))


def write_json(path: str | Path, annotations: Iterable[Annotation]) -> int:
    """Write annotations for programs, exactly. Returns their number."""
    rows = [{name: value for name, value in _cells(entry).items() if value != ""} for entry in annotations]
    document = {"format": JSON_FORMAT, "version": 1, "scheme": SCHEME_VERSION, "annotations": rows}
    Path(path).write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    return len(rows)


def read_json(path: str | Path) -> AnnotationFile:
    """Read what `write_json` wrote, or a plain list of objects with the names of the CSV columns.

    Raises
    ------
    AnnotationFormatError
        If it is neither, or holds a value that cannot be understood.
    """
    file = Path(path)
    rows = _json_rows(file)
    found = tuple(_from_cells(file, number, row) for number, row in enumerate(rows, start=1))
    return AnnotationFile(file, "json", found, digest=digest_of(file))


def events_table(events: Sequence[Event]) -> pd.DataFrame:
    """Turn a history into a table: one row per event, times in UTC, labels as words."""
    import pandas as pd

    table = pd.DataFrame([event.to_record() for event in events], columns=list(EVENT_COLUMNS))
    for name in ("shown_at", "decided_at", "stored_at"):
        table[name] = pd.to_datetime(table[name].astype("float64"), unit="s", utc=True)
    for name in ("label", "position", "supersedes_seq", "os_uid"):
        table[name] = table[name].astype("Int64")
    table.insert(0, "title", [event.label.title if event.label is not None else "" for event in events])
    return table


def _cells(entry: Annotation) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(entry, name, "") for name in COLUMNS if name != "frame"}
    values["frame"] = "" if entry.number is None else entry.number + 1
    values["label"] = "" if entry.label is None else entry.label.title
    return {name: "" if values[name] is None else values[name] for name in COLUMNS}


def _check_header(path: Path, header: Sequence[str]) -> None:
    says_what = {"label", *_ALIASES["spots"], "note", "flag"} & set(header)
    says_where = {"index", "event", *_ALIASES["frame"]} & set(header)
    if not says_what or not says_where or len(set(header)) != len(header):
        raise refuse(
            path, 1, "the header must name 'frame' (from 1) or 'file' and 'event', and 'label' or 'spots'",
            ", ".join(header), "Name the columns so",
        )  # fmt: skip


def _json_rows(path: Path) -> list[Mapping[str, Any]]:
    try:
        if path.stat().st_size > _LARGEST_JSON:
            raise AnnotationFormatError(
                f"the file is too large for JSON annotations. Received: {path}. Split it, or use CSV."
            )
        document = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        if isinstance(error, AnnotationFormatError):
            raise
        raise AnnotationFormatError(f"this is not a JSON file ({error}). Received: {path}. Export it again.") from error
    rows = document.get("annotations") if isinstance(document, dict) else document
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise AnnotationFormatError(
            f"the JSON holds no list of annotations. Received: {path}. Expected a list of objects with "
            "'frame' and 'label', or {\"annotations\": [...]}."
        )
    return rows


def _restored(row: Mapping[Any, Any]) -> dict[Any, Any]:
    return {name: restore(cell) if isinstance(cell, str) else cell for name, cell in row.items()}


def _from_cells(path: Path, line: int, row: Mapping[Any, Any]) -> Annotation:
    if None in row or None in row.values():
        raise refuse(path, line, "this row has more or fewer cells than the header", row, "Correct the row")
    try:
        return _annotation(line, row)
    except (ValueError, TypeError, OverflowError) as error:
        raise refuse(path, line, f"a cell cannot be understood ({error})", row, "Correct the row") from error


def _annotation(line: int, words: Mapping[str, Any]) -> Annotation:
    frame = _whole(words, *_ALIASES["frame"])
    if frame == 0:
        raise ValueError("frames are numbered from 1")
    label, when = words.get("label", ""), words.get("decided_at", "")
    texts = {name: str(words.get(name, "")) for name in _TEXTS}
    return Annotation(
        line,
        None if label in ("", None) else Label.parse(label),
        None if frame is None else frame - 1,
        spots=_whole(words, *_ALIASES["spots"]),
        index=_whole(words, "index"),
        decided_at=float(when) if when not in ("", None) else None,
        **texts,
    )


_TEXTS = ("file", "event", "fingerprint", "dataset", "annotator", "note", "flag", "origin")


def _whole(words: Mapping[str, Any], *names: str) -> int | None:
    text = next((words[name] for name in names if words.get(name) not in ("", None)), None)
    if text is None:
        return None
    number = int(str(text).strip())
    if not 0 <= number < 2**53:
        raise ValueError(f"{names[0]} must be a number from 0 on, not {text}")
    return number
