"""CrystFEL event lists: one ``file //event`` a line, as ``indexamajig -i`` reads them.

What CrystFEL does with a line (libcrystfel and ``src/im-sandbox.c``): it reads 1023 bytes at a time, so a longer line
becomes two; it cuts at the last space, and only if what follows holds ``//``; without an event it takes every frame of
the file. So an event is always written, and a name that CrystFEL would read differently is refused.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from sfx_label.errors import SfxLabelError
from sfx_label.screening.commit import replace_file
from sfx_label.screening.manifest import Manifest

__all__ = ["crystfel_line", "write_crystfel"]

LONGEST_LINE = 999  # bytes; the queue entry "file event serial" is cut at 1024


def crystfel_line(path: str, event: str) -> str:
    """Return one line of a CrystFEL list, without its end.

    Parameters
    ----------
    path
        File name; made absolute and normal, so that ``//`` stands only in the event.
    event
        CrystFEL event, e.g. ``"//3"`` or ``"tag-123//"``; empty for a file of one frame.

    Raises
    ------
    SfxLabelError
        If CrystFEL would read the line as something else.
    """
    path, event = os.path.abspath(path), event or "//"
    # POSIX lets a path begin with two slashes, and normpath keeps them
    path = "/" + path.lstrip("/")
    line = f"{path} {event}"
    _refuse(any(ord(letter) < 32 for letter in line), line, "holds a control character, e.g. a line break")
    _refuse(event.count("//") != 1, line, "needs exactly one // in its event")
    _refuse(any(letter.isspace() for letter in event), line, "has a space in its event, where CrystFEL would cut")
    _refuse(len(os.fsencode(line)) > LONGEST_LINE, line, f"is longer than {LONGEST_LINE} bytes")
    return line


def _refuse(bad: bool, line: str, why: str) -> None:
    if bad:
        shown = line if len(line) < 120 else f"{line[:80]}...{line[-30:]}"
        raise SfxLabelError(
            f"CrystFEL cannot read this frame's name: {shown!r} {why}. Link the file under a plain, short name, or use "
            "format='cxi', which copies the frames to one file."
        )


def write_crystfel(manifest: Manifest, table: Any, out: Path) -> int:
    """Write a CrystFEL list; see :func:`sfx_label.screening.export.export`."""
    names = zip(table["path"].to_pylist(), table["event"].to_pylist(), strict=True)
    lines = [crystfel_line(path, event) for path, event in names]
    replace_file(out.parent, out.name, b"".join(os.fsencode(line) + b"\n" for line in lines))
    return len(lines)
