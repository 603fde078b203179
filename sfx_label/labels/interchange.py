"""Annotation files in and out: one reader and one writer that know every format by its content."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from pathlib import Path

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.crystfel import read_cheetah, read_list, read_stream
from sfx_label.labels.published import DIALS_LINE, EXPERT_LINE, read_dials, read_expert, write_dials, write_expert
from sfx_label.labels.records import Annotation, AnnotationFile, numbered_lines
from sfx_label.labels.tables import read_csv, read_json, write_csv, write_json

__all__ = [
    "READERS",
    "Annotation",
    "AnnotationFile",
    "read_annotations",
    "read_cheetah",
    "read_csv",
    "read_dials",
    "read_expert",
    "read_json",
    "read_list",
    "read_stream",
    "sniff_format",
    "write_csv",
    "write_dials",
    "write_expert",
    "write_json",
]

READERS: dict[str, Callable[[str | Path], AnnotationFile]] = {
    "expert": read_expert,
    "dials": read_dials,
    "csv": read_csv,
    "json": read_json,
    "stream": read_stream,
    "list": read_list,
    "cheetah": read_cheetah,
}
"""Every format by name."""

_FRAME_FILE = re.compile(r".*\.(h5|hdf5|nxs|cxi|cbf|img|mccd|tiff?|edf|h5_master)", re.IGNORECASE)


def read_annotations(path: str | Path, format: str | None = None) -> AnnotationFile:
    """Read an annotation file.

    Parameters
    ----------
    path
        The file.
    format
        One of `READERS`; default: by its content.

    Raises
    ------
    AnnotationFormatError
        If the format is unknown, or the file is not of this format.
    """
    name = format or sniff_format(path)
    if name not in READERS:
        raise AnnotationFormatError(f"unknown annotation format. Received: {name!r}. Known: {', '.join(READERS)}.")
    return READERS[name](path)


def sniff_format(path: str | Path) -> str:
    """Tell the format of an annotation file by its first lines.

    Raises
    ------
    AnnotationFormatError
        If it looks like none of `READERS`, or is empty.
    """
    lines = [text for _, text in islice(numbered_lines(Path(path)), 50) if text.strip()]
    if not lines:
        raise AnnotationFormatError(f"the annotation file is empty. Received: {path}. Check the path.")
    content = next((text for text in lines if not text.startswith("#")), lines[0])
    for name, looks_like in _LOOKS.items():
        if looks_like(lines[0], content):
            return name
    raise AnnotationFormatError(
        f"the format of the annotation file is unknown. Received: {path}, first line {lines[0]!r:.80}. "
        f"Name it with format=, one of: {', '.join(READERS)}."
    )


_LOOKS: dict[str, Callable[[str, str], bool]] = {
    "json": lambda first, content: first.lstrip().startswith(("{", "[")),
    "stream": lambda first, content: first.startswith(("CrystFEL stream", "----- Begin")),
    "cheetah": lambda first, content: (
        first.startswith("# timestamp, event_id") or (content.count(",") == 6 and "//" in content)
    ),
    "expert": lambda first, content: EXPERT_LINE.fullmatch(content) is not None,
    "dials": lambda first, content: DIALS_LINE.fullmatch(content) is not None,
    "list": lambda first, content: (
        "//" in content.rpartition(" ")[2] or _FRAME_FILE.fullmatch(content.strip()) is not None
    ),
    "csv": lambda first, content: "," in first,
}
