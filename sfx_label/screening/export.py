"""Hits out: what other programs read, limited by operating point, top N or class, each with its provenance.

``export(folder, "crystfel", "hits.lst")`` and so on. Every export writes ``<out>.provenance.json`` beside the file:
which screening, which model (digest), which operating point, which frames, and the SHA-256 of what was written.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

from sfx_label.errors import SfxLabelError
from sfx_label.screening.commit import replace_file
from sfx_label.screening.manifest import Manifest
from sfx_label.screening.table import HIT_OR_MAYBE, Selection, read_table

__all__ = ["FORMATS", "ExportReport", "export"]

# format -> room and function; each takes (manifest, table, out, **options) and returns how many frames it wrote
FORMATS: dict[str, tuple[str, str]] = {
    "crystfel": ("export_crystfel", "write_crystfel"),
    "dials": ("export_dials", "write_dials"),
    "cxi": ("export_cxi", "write_cxi"),
    "vds": ("export_cxi", "write_vds"),
    "facility": ("export_table", "write_facility"),
    "csv": ("export_table", "write_csv"),
    "parquet": ("export_table", "write_parquet"),
}


@dataclass(frozen=True)
class ExportReport:
    """What an export wrote: the file, its format, the frames in it, and where its provenance stands."""

    path: Path
    format: str
    n_frames: int
    provenance: Path

    def to_dict(self) -> dict[str, str | int]:
        """Return the report as text and numbers."""
        return {
            "path": str(self.path),
            "format": self.format,
            "n_frames": self.n_frames,
            "provenance": str(self.provenance),
        }


def export(
    folder: str | Path,
    format: str,
    out: str | Path,
    *,
    threshold: float | None = None,
    top: int | None = None,
    label: str = HIT_OR_MAYBE,
    run: int | None = None,
    **options: Any,
) -> ExportReport:
    """Write the chosen frames of a screening for another program.

    Parameters
    ----------
    folder
        Screening folder.
    format
        ``"crystfel"`` (list of ``file //event``), ``"dials"`` (``.expt``), ``"cxi"`` (hits-only copy with the peak
        list), ``"vds"`` (the same, data left where they are), ``"facility"`` (train and pulse, or time stamp),
        ``"csv"`` (for people), ``"parquet"`` (for programs).
    out
        File to write; one that is there is replaced in one step.
    threshold, top, label, run
        See :class:`~sfx_label.screening.table.Selection`.
    **options
        Of the format, see its writer.

    Raises
    ------
    SfxLabelError
        If the format is unknown, the name of a frame cannot be written in it, or there is nothing to write.
    """
    if format not in FORMATS:
        raise SfxLabelError(f"Unknown export format {format!r}; known are {', '.join(FORMATS)}.")
    manifest, selection, out = Manifest.read(folder), Selection(threshold, top, label, run), Path(out)
    table = selection.apply(read_table(folder))
    if table.num_rows == 0:
        raise SfxLabelError(
            f"No frame of {folder} is {label!r} with these limits ({selection.to_dict()}), so nothing was written. "
            "Lower the threshold, or check that the screening has finished."
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    n_frames = _writer(format)(manifest, table, out, **options)
    return ExportReport(out, format, n_frames, _write_provenance(manifest, selection, out, format, n_frames))


def _writer(format: str) -> Callable[..., int]:
    room, name = FORMATS[format]
    writer: Callable[..., int] = getattr(import_module(f"sfx_label.screening.{room}"), name)
    return writer


def _write_provenance(manifest: Manifest, selection: Selection, out: Path, format: str, n_frames: int) -> Path:
    from sfx_label import __version__

    threshold = manifest.model.threshold if selection.threshold is None else selection.threshold
    document = {
        "software": f"sfx-label {__version__}",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "file": out.name,
        "sha256": _sha256(out),
        "format": format,
        "n_frames": n_frames,
        "selection": {**selection.to_dict(), "threshold": threshold},
        "screening": str(manifest.folder.resolve()),
        "parts_committed": len(manifest.committed()),
        "parts_planned": len(manifest.parts),
        "model": {
            "digest": manifest.model.digest,
            "method": manifest.model.method,
            "preprocessing": dict(manifest.model.preprocessing),
        },
        "runs": [{"path": run.path, "dataset": run.dataset, "n_frames": run.n_frames} for run in manifest.runs],
    }
    provenance = out.with_name(out.name + ".provenance.json")
    replace_file(out.parent, provenance.name, json.dumps(document, indent=1, ensure_ascii=False).encode())
    return provenance


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def temporary_beside(out: Path) -> Path:
    """Return a name beside ``out`` for a file that is renamed to ``out`` once it is whole."""
    return out.with_name(f".{out.name}.{os.getpid()}.tmp")
