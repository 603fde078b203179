"""Panels put in their places by a detector geometry (EXtra-geom, imported when a geometry is given)."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError

__all__ = ["assemble", "assembled_shape"]


@lru_cache(maxsize=8)
def _geometry(path: str, panels: tuple[int, ...]) -> Any:
    """Read a CrystFEL geometry for a detector of this many panels; kept, as each frame asks for it."""
    try:
        from extra_geom import AGIPD_1MGeometry, DSSC_1MGeometry, JUNGFRAUGeometry, LPD_1MGeometry
    except ImportError as error:
        raise FileLayoutError(
            f"assembling panels by {path} needs EXtra-geom. Install it with `pip install 'sfx-label[facility]'`."
        ) from error
    kinds: dict[tuple[int, ...], Any] = {
        (16, 512, 128): AGIPD_1MGeometry,
        (16, 256, 256): LPD_1MGeometry,
        (16, 128, 512): DSSC_1MGeometry,
    }
    kind = kinds.get(panels, JUNGFRAUGeometry if panels[-2:] == (512, 1024) else None)
    if kind is None:
        raise FileLayoutError(
            f"panels of shape {panels} are none of AGIPD-1M, LPD-1M, DSSC-1M or JUNGFRAU. Without a geometry its "
            f"panels are then stacked."
        )
    try:
        return kind.from_crystfel_geom(path)
    except Exception as error:  # the parser raises whatever it stumbles over
        raise FileLayoutError(
            f"cannot use the geometry {path}: {error}. Give a CrystFEL .geom file of this detector."
        ) from error


def assembled_shape(panels: tuple[int, ...], geometry: str) -> tuple[int, int]:
    """Return (rows, columns) of an assembled frame.

    Parameters
    ----------
    panels
        (panels, rows, columns) of a frame as stored.
    geometry
        CrystFEL geometry file.
    """
    rows, columns = assemble(np.zeros(panels, bool), geometry).shape
    return int(rows), int(columns)


def assemble(panels: NDArray[Any], geometry: str) -> NDArray[Any]:
    """Put the panels at their places, to the nearest pixel; no pixel is interpolated.

    Parameters
    ----------
    panels
        (panels, rows, columns) pixels, or a bool mask.
    geometry
        CrystFEL geometry file.

    Returns
    -------
    ndarray
        (rows, columns) in the dtype of `panels`. Between the panels: NaN for floats, else 0 (False for a mask).
    """
    placed = _geometry(geometry, panels.shape)
    out = placed.output_array_for_position(dtype=panels.dtype)
    if panels.dtype.kind != "f":
        out[...] = 0
    return np.asarray(placed.position_modules(panels, out=out)[0])
