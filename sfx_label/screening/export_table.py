"""Tables out: CSV for people, Parquet for programs, and the facility's own frame numbers where they are known."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from sfx_label.errors import SfxLabelError
from sfx_label.screening.commit import replace_file
from sfx_label.screening.manifest import Manifest

__all__ = ["FACILITY_COLUMNS", "neutralise", "write_csv", "write_facility", "write_parquet"]

_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")

# what per-frame metadata may carry, in the order of the table: European XFEL, LCLS, SACLA
FACILITY_COLUMNS = ("train_id", "pulse_id", "cell_id", "seconds", "nanoseconds", "fiducial", "timestamp", "tag", "shot")


def neutralise(value: object) -> object:
    """Return text that no spreadsheet takes for a formula; other values as they are.

    The file is for reading: :func:`write_parquet` keeps names exact. (OWASP, CSV injection: a quote in front of
    ``= + - @``, tab and line break.)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def write_csv(manifest: Manifest, table: Any, out: Path) -> int:
    """Write a CSV table for people; see :func:`sfx_label.screening.export.export`."""
    _write_rows(out, table.column_names, zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    return int(table.num_rows)


def write_parquet(manifest: Manifest, table: Any, out: Path) -> int:
    """Write a Parquet table, names exact, columns as in the parts; see :func:`sfx_label.screening.export.export`."""
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd")
    replace_file(out.parent, out.name, sink.getvalue())
    return int(table.num_rows)


def write_facility(manifest: Manifest, table: Any, out: Path) -> int:
    """Write the facility's numbers of the chosen frames (train and pulse, time stamp, tag) as CSV.

    Raises
    ------
    SfxLabelError
        If the files carry none.
    """
    rows = list(_facility_rows(manifest, table))
    found = [name for name in FACILITY_COLUMNS if any(name in row for row in rows)]
    if not found:
        raise SfxLabelError(
            f"The files of {manifest.folder} carry no train, pulse, tag or time stamp of their frames. Use "
            "format='csv' for a table by file and index."
        )
    columns = [*found, "path", "event", "probability"]
    _write_rows(out, columns, ([row.get(name, "") for name in columns] for row in rows))
    return len(rows)


def _facility_rows(manifest: Manifest, table: Any) -> Iterator[dict[str, Any]]:
    chosen = table.select(["run", "position", "path", "event", "probability"]).to_pylist()
    for number in sorted({row["run"] for row in chosen}):
        with manifest.runs[number].open() as frames:
            for row in chosen:
                if row["run"] == number:
                    extra = frames.frame_metadata(row["position"]).extra
                    yield {**row, **{name: extra[name] for name in FACILITY_COLUMNS if name in extra}}


def _write_rows(out: Path, columns: list[str], rows: Any) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([neutralise(value) for value in row] for row in rows)
    replace_file(out.parent, out.name, text.getvalue().encode("utf-8", "surrogateescape"))
