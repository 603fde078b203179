"""What the paper prints: recalls in percent, typed from its tables, beside which our own cells stand.

Xie et al., weakly supervised classification of SFX frames, Tables 1-5 and 7 (CXIDB entry 76). A cell is recall of
Hit-or-Maybe / recall of Miss. How many frames each cell was tested on is not printed; the percentages fit whole numbers
only for the frames named in :data:`TESTED_ON`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["FILES", "POSITIVES", "PUBLISHED", "SPEED", "TESTED_ON", "PublishedCell", "published_cell", "published_name"]

RUNS = ("LN83", "LN84", "LO19")
FILES: Mapping[str, str] = MappingProxyType(
    {"LN83": "r0018_2000.h5", "LN84": "r0095_2000.h5", "LO19": "r0020_2000.h5"},
)
"""File of each published run in CXIDB entry 76."""

POSITIVES: Mapping[str, Mapping[int, int]] = MappingProxyType(
    {
        "LN83": {400: 65, 1600: 329, 2000: 409},
        "LN84": {400: 216, 1600: 753, 2000: 938},
        "LO19": {400: 162, 1600: 694, 2000: 881},
    }
)
"""Hit-or-Maybe frames among the last 400, the last 1600 and all 2000 frames of each run (expert labels)."""

TESTED_ON: Mapping[str, str] = MappingProxyType(
    {
        "1": "frames 1601-2000",
        "2": "frames 401-2000",
        "3": "frames 401-2000",
        "4": "frames 401-2000",
        "5": "frames 1601-2000 of the source, all frames of the target",
        "7": "all frames for the 1D CNN, frames 1601-2000 for the 2D CNN",
    }
)

SPEED: Mapping[str, float] = MappingProxyType({"rwd": 11123.0, "cnn": 126.0})
"""Predictions per second on an NVIDIA A100, without reading and preprocessing (section 3.4.2)."""


@dataclass(frozen=True, slots=True)
class PublishedCell:
    """Recalls in percent, and the table they are printed in."""

    hit_or_maybe: float
    miss: float
    table: str

    def __str__(self) -> str:
        return f"{self.hit_or_maybe:.2f} / {self.miss:.2f}"


def _square(
    table: str, rows: tuple[tuple[tuple[float, float] | None, ...], ...]
) -> dict[tuple[str, str, str], PublishedCell]:
    return {
        (table, row, column): PublishedCell(*cell, table)
        for row, cells in zip(RUNS, rows, strict=True)
        for column, cell in zip(RUNS, cells, strict=True)
        if cell is not None
    }


def _own(table: str, cells: tuple[tuple[float, float], ...]) -> dict[tuple[str, str, str], PublishedCell]:
    return {(table, run, run): PublishedCell(*cell, table) for run, cell in zip(RUNS, cells, strict=True)}


PUBLISHED: Mapping[tuple[str, str, str], PublishedCell] = MappingProxyType(
    {
        **_square(
            "1",
            (
                ((96.92, 99.40), (90.28, 98.91), (70.37, 99.58)),
                ((67.69, 100.00), (94.91, 97.83), (81.48, 100.00)),
                ((95.38, 99.40), (87.50, 98.91), (96.30, 97.06)),
            ),
        ),
        **_own("2", ((51.06, 100.00), (65.07, 99.76), (84.87, 99.56))),
        **_square(
            "3",
            (
                (None, (96.68, 92.33), (95.82, 93.38)),
                ((94.53, 91.82), None, (94.24, 93.49)),
                ((98.18, 97.40), (98.01, 91.62), None),
            ),
        ),
        **_own("4", ((95.14, 96.22), (94.95, 86.19), (95.24, 94.04))),
        **_square(
            "5 source",
            (
                (None, (90.77, 98.81), (92.31, 98.81)),
                ((92.59, 97.28), None, (91.67, 97.28)),
                ((92.59, 97.90), (86.42, 97.00), None),
            ),
        ),
        **_square(
            "5 target",
            (
                (None, (90.19, 91.90), (89.67, 98.39)),
                ((92.18, 91.77), None, (85.58, 96.43)),
                ((96.09, 97.36), (90.41, 91.53), None),
            ),
        ),
        **_square(
            "7",
            (
                (None, (96.91, 78.53), (90.01, 98.39)),
                ((94.87, 95.79), None, (91.94, 96.60)),
                ((97.07, 94.03), (96.27, 86.06), None),
            ),
        ),
    }
)
"""(table, row, column) -> cell. Rows are what was trained on, columns what was tested on."""


def published_cell(table: str, row: str, column: str) -> PublishedCell | None:
    """Return a printed cell, or ``None`` where the paper has none.

    Parameters
    ----------
    table
        ``"1"`` to ``"4"``, ``"5 source"``, ``"5 target"`` or ``"7"``.
    row, column
        ``"LN83"``, ``"LN84"`` or ``"LO19"``; trained on, tested on.
    """
    return PUBLISHED.get((table, row, column))


def published_name(file_name: str) -> str | None:
    """Return which published run a file of this name is, or ``None``.

    Parameters
    ----------
    file_name
        Base name, such as ``"r0018_2000.h5"``.
    """
    return next((run for run, name in FILES.items() if name == file_name), None)
