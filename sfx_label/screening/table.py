"""The result of a screening: one row a frame, typed, read as the union of the committed parts.

Columns of every part file (Parquet, :data:`SCHEMA`): ``path``, ``dataset``, ``index``, ``event``, ``fingerprint`` name
the frame as its :class:`~sfx_label.frames.sequence.FrameKey` does; ``run`` and ``position`` place it in the manifest;
``probability`` (of Hit-or-Maybe, null where the frame is unusable), ``spot_count`` (null where not counted), ``status``
(ok, unreadable, saturated, ...), ``message`` (why, where not ok) and ``label`` (``hit_or_maybe``, ``miss`` at the
screening's operating point, ``unusable``) are what was found. How long each frame took stands in a second file,
``times-<part>.parquet``, so that the results of two runs of the same screening are equal to the byte.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sfx_label.errors import SfxLabelError
from sfx_label.screening.manifest import Manifest

if TYPE_CHECKING:
    from sfx_label.frames.sequence import FrameKey

__all__ = [
    "HIT_OR_MAYBE",
    "MISS",
    "SCHEMA",
    "TIME_SCHEMA",
    "UNUSABLE",
    "Selection",
    "frame_keys",
    "read_table",
    "read_times",
    "to_parquet",
]

HIT_OR_MAYBE, MISS, UNUSABLE = "hit_or_maybe", "miss", "unusable"

SCHEMA = pa.schema(
    [
        pa.field("path", pa.string(), nullable=False),
        pa.field("dataset", pa.string(), nullable=False),
        pa.field("index", pa.int64(), nullable=False),
        pa.field("event", pa.string(), nullable=False),
        pa.field("fingerprint", pa.string(), nullable=False),
        pa.field("run", pa.int32(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("probability", pa.float64()),
        pa.field("spot_count", pa.int32()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("message", pa.string()),
        pa.field("label", pa.string(), nullable=False),
    ]
)
TIME_SCHEMA = pa.schema(
    [
        pa.field("run", pa.int32(), nullable=False),
        pa.field("position", pa.int64(), nullable=False),
        pa.field("read_seconds", pa.float32()),
        pa.field("preprocess_seconds", pa.float32()),
        pa.field("model_seconds", pa.float32()),
    ]
)


def to_parquet(rows: Mapping[str, Sequence[Any]], schema: Any, metadata: Mapping[str, str]) -> bytes:
    """Return a Parquet file; the same rows and metadata give the same bytes.

    Parameters
    ----------
    rows
        Column name -> values, one a row.
    schema
        :data:`SCHEMA` or :data:`TIME_SCHEMA`.
    metadata
        Text kept in the file's footer.
    """
    table = pa.Table.from_pydict(dict(rows), schema=schema.with_metadata({**metadata}))
    sink = io.BytesIO()
    pq.write_table(table, sink, compression="zstd", use_dictionary=True)
    return sink.getvalue()


def read_table(folder: str | Path, columns: Sequence[str] | None = None) -> Any:
    """Read every committed row of a screening, ordered by run and position.

    Parameters
    ----------
    folder
        Screening folder.
    columns
        Those wanted; ``None`` for all.

    Returns
    -------
    ``pyarrow.Table`` (memory-thrifty: some 60 bytes a row); ``.to_pandas()`` makes a DataFrame.
    """
    manifest = Manifest.read(folder)
    wanted = None if columns is None else list(dict.fromkeys([*columns, "run", "position"]))
    table = _union(manifest, "part", SCHEMA, wanted)
    return table if columns is None else table.select(list(columns))


def read_times(folder: str | Path) -> Any:
    """Read how long each frame took, ordered by run and position, as ``pyarrow.Table``."""
    return _union(Manifest.read(folder), "times", TIME_SCHEMA, None)


def _union(manifest: Manifest, kind: str, schema: Any, columns: list[str] | None) -> Any:
    committed = manifest.committed()
    paths = [manifest.folder / f"{kind}-{part.id}.parquet" for part in manifest.parts if part.id in committed]
    # a worker that was killed between the two files leaves results without times
    tables = [pq.read_table(path, columns=columns).replace_schema_metadata() for path in paths if path.exists()]
    empty = schema.empty_table() if columns is None else schema.empty_table().select(columns)
    table = pa.concat_tables(tables) if tables else empty
    return table.sort_by([("run", "ascending"), ("position", "ascending")])


@dataclass(frozen=True)
class Selection:
    """Which frames leave a screening.

    Parameters
    ----------
    threshold
        Lowest probability taken; ``None`` keeps the operating point of the screening.
    top
        Only this many frames, those of highest probability (earlier frames first where equal).
    label
        ``"hit_or_maybe"``, ``"miss"`` or ``"unusable"``, at ``threshold``.
    run
        Only the run of this number in the manifest.
    """

    threshold: float | None = None
    top: int | None = None
    label: str = HIT_OR_MAYBE
    run: int | None = None

    def __post_init__(self) -> None:
        if self.label not in (HIT_OR_MAYBE, MISS, UNUSABLE):
            raise SfxLabelError(f"label is one of hit_or_maybe, miss, unusable; received {self.label!r}.")
        if self.top is not None and self.top < 1:
            raise SfxLabelError(f"top is a number of frames, 1 or more; received {self.top}.")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise SfxLabelError(f"threshold is a probability from 0 to 1; received {self.threshold}.")

    def apply(self, table: Any) -> Any:
        """Return the chosen rows, in their own order, their ``label`` set at the threshold."""
        if self.run is not None:
            table = table.filter(pc.equal(table["run"], self.run))
        table = table if self.threshold is None else _relabel(table, self.threshold)
        table = table.filter(pc.equal(table["label"], self.label))
        if self.top is None or table.num_rows <= self.top:
            return table
        score = table["probability"].to_numpy(zero_copy_only=False)
        best = np.argsort(-np.nan_to_num(score, nan=-1.0), kind="stable")[: self.top]
        return table.take(np.sort(best))

    def to_dict(self) -> dict[str, str | int | float | None]:
        """Return the limits, for provenance."""
        return {"threshold": self.threshold, "top": self.top, "label": self.label, "run": self.run}


def _relabel(table: Any, threshold: float) -> Any:
    chosen = pc.if_else(pc.greater_equal(table["probability"], threshold), HIT_OR_MAYBE, MISS)
    label = pc.fill_null(chosen, UNUSABLE)
    return table.set_column(table.schema.get_field_index("label"), SCHEMA.field("label"), label)


def frame_keys(table: Any) -> list[FrameKey]:
    """Return the :class:`~sfx_label.frames.sequence.FrameKey` of every row."""
    from sfx_label.frames.sequence import FrameKey

    names = ("fingerprint", "dataset", "index", "path", "event")
    columns = [table[name].to_pylist() for name in names]
    return [FrameKey(*values) for values in zip(*columns, strict=True)]


def to_frame(table: Any) -> pd.DataFrame:
    """Return the rows as a DataFrame with NaN for what is null."""
    frame: pd.DataFrame = table.to_pandas()
    return frame


def count_by(table: Any, column: str) -> dict[str, int]:
    """Return how many rows hold each value of a column."""
    counts: Iterable[Mapping[str, Any]] = pc.value_counts(table[column]).to_pylist()
    return {str(entry["values"]): int(entry["counts"]) for entry in counts}
