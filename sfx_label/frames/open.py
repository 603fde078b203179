"""One opening verb for every layout."""

from __future__ import annotations

import glob
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from sfx_label.errors import FileLayoutError, FrameReadError
from sfx_label.frames.assembly import assembled_shape
from sfx_label.frames.euxfel import is_run_folder, virtual_file
from sfx_label.frames.facility import data_group, pal, sacla
from sfx_label.frames.gate import GatedFile, HDF5Shelf
from sfx_label.frames.hdf5 import cxi, generic, idh5
from sfx_label.frames.images import describe_images, is_image
from sfx_label.frames.layout import RunLayout
from sfx_label.frames.nexus import nxmx
from sfx_label.frames.sequence import Frames
from sfx_label.frames.source import FrameSource

__all__ = ["describe", "open_frames"]

Paths = str | os.PathLike[str]
LayoutReader = Callable[[GatedFile], RunLayout | None]
READERS: tuple[LayoutReader, ...] = (idh5, cxi, nxmx, sacla, pal, data_group)
HDF5_SUFFIXES = (".h5", ".hdf5", ".cxi", ".nxs", ".he5", ".hdf")


def open_frames(
    path: Paths | Sequence[Paths],
    *,
    dataset: str | None = None,
    mask: Paths | ArrayLike | None = None,
    roots: Sequence[Paths] = (),
    geometry: Paths | None = None,
) -> Frames:
    """Open a run of any known layout; only its description is read.

    Parameters
    ----------
    path
        A file, a glob pattern, a folder, a list of files, or ``file.h5:/path/to/data``.
    dataset
        HDF5 path of the frames, where the file's layout is not known or another data set is wanted.
    mask
        (rows, columns) array or file (``.npz`` with key ``mask``, ``.npy``, ``file.h5:/mask``, an image), True or
        non-zero = good; combined with the file's own mask.
    roots
        Further folders that links and virtual data sets of the run may point into, beside that of the opened file.
    geometry
        CrystFEL geometry file by which the panels of a stacked detector are assembled; by default they stay stacked.

    Raises
    ------
    FileLayoutError
        The layout is unknown or ambiguous (`candidates` lists what could be meant), or newer than this HDF5 library.
    FrameReadError
        A file is absent, truncated or damaged, or none of a master's data files is there.
    UnsafeFileError
        A file asks for what a data file must not ask for.

    Examples
    --------
    >>> frames = open_frames("r0095_2000.h5")  # doctest: +SKIP
    >>> frames[559].shape  # doctest: +SKIP
    (1920, 1920)
    """
    allowed = tuple(os.path.abspath(os.fspath(root)) for root in roots)
    if isinstance(path, str | os.PathLike) and os.path.isdir(path) and is_run_folder(os.fspath(path)):
        run_folder = os.path.abspath(os.fspath(path))
        layout = _describe_paths([virtual_file(run_folder)], dataset, (*allowed, run_folder))
    else:
        layout = _describe_paths(*_files(path, dataset), allowed)
    if geometry is not None:
        layout = _assembled(layout, os.path.abspath(os.fspath(geometry)))
    if mask is not None:
        layout = _with_mask(layout, mask)
    reopen = partial(open_frames, path, dataset=dataset, mask=mask, roots=allowed, geometry=geometry)
    return Frames(FrameSource(layout), reopen=reopen)


def _assembled(layout: RunLayout, geometry: str) -> RunLayout:
    if len(layout.stored_shape) < 3:
        raise FileLayoutError(
            f"{layout.segments[0].path} has frames of {layout.stored_shape}, which have no panels to assemble by "
            f"{geometry}. Open it without a geometry."
        )
    return replace(layout, frame_shape=assembled_shape(layout.stored_shape, geometry), geometry=geometry)


def _with_mask(layout: RunLayout, mask: Any) -> RunLayout:
    from sfx_label.frames.maskfile import read_mask

    return replace(layout, masks=(*layout.masks, read_mask(mask, layout)))


def _files(path: Any, dataset: str | None) -> tuple[list[str], str | None]:
    """Return the absolute paths that are meant, and the data set named after a colon."""
    if not isinstance(path, str | os.PathLike):
        files = [os.path.abspath(os.fspath(each)) for each in path]
        if not files:
            raise FileLayoutError("no file was given; received an empty list. Give at least one path.")
        return files, dataset
    text = os.fspath(path)
    if not os.path.exists(text) and ":/" in text:
        text, named = text.rsplit(":/", 1)
        dataset = f"/{named}"
    if os.path.isdir(text):
        return _folder(text), dataset
    if not os.path.exists(text) and glob.has_magic(text):
        found = sorted(glob.glob(text))
        if not found:
            raise FrameReadError(f"no file matches {text}. Check the pattern.")
        return [os.path.abspath(each) for each in found], dataset
    return [os.path.abspath(text)], dataset


def _folder(folder: str) -> list[str]:
    """Return the run's files of a folder: its image files, or its HDF5 files (masters only, where there are any)."""
    names = sorted(name for name in os.listdir(folder) if not name.startswith("."))
    stacks = [name for name in names if name.lower().endswith(HDF5_SUFFIXES)]
    masters = [name for name in stacks if name.lower().endswith("_master.h5")]
    images = [name for name in names if is_image(name)]
    if stacks and images:
        raise FileLayoutError(
            f"{folder} holds {len(images)} image files and {len(stacks)} HDF5 files. Give a pattern, such as "
            f"{os.path.join(folder, '*' + os.path.splitext(images[0])[1])}."
        )
    chosen = images or masters or stacks
    if not chosen:
        raise FileLayoutError(f"{folder} holds no file of frames ({', '.join(HDF5_SUFFIXES)}, CBF, mccd, TIFF).")
    return [os.path.abspath(os.path.join(folder, name)) for name in chosen]


def _describe_paths(paths: list[str], dataset: str | None, roots: tuple[str, ...]) -> RunLayout:
    if all(is_image(path) for path in paths):
        return describe_images(paths)
    shelf = HDF5Shelf(roots)
    try:
        layouts = [replace(_describe_hdf5(shelf.file(path), dataset), roots=roots) for path in paths]
    finally:
        shelf.close()
    return _join(layouts)


def _describe_hdf5(file: GatedFile, dataset: str | None) -> RunLayout:
    for reader in READERS:
        layout = reader(file)
        if layout is not None and (dataset is None or all(each.dataset == dataset for each in layout.segments)):
            return layout
    return generic(file, dataset)


def _join(layouts: list[RunLayout]) -> RunLayout:
    """Make one run of several files of the same kind of frames."""
    first = layouts[0]
    for other in layouts[1:]:
        if (other.stored_shape, other.dtype) != (first.stored_shape, first.dtype):
            raise FileLayoutError(
                f"{other.segments[0].path} has frames of {other.stored_shape} {other.dtype}, {first.segments[0].path} "
                f"of {first.stored_shape} {first.dtype}. Open them one by one."
            )
    return replace(
        first,
        segments=tuple(segment for layout in layouts for segment in layout.segments),
        notes=tuple(note for layout in layouts for note in layout.notes),
    )


def describe(frames: Frames) -> dict[str, Any]:
    """Return what is known of a run as a JSON-ready dictionary; what ``sfx-label info`` prints.

    Parameters
    ----------
    frames
        The run.
    """
    mask = frames.mask
    return {
        "path": frames.path,
        "n_files": len(frames.paths),
        "n_frames": len(frames),
        "shape": list(frames.shape),
        "dtype": str(frames.dtype),
        "format": frames.format,
        "fingerprint": frames.fingerprint if len(frames) else "",
        "good_pixels": None if mask is None else int(np.count_nonzero(mask)),
        "metadata": frames.metadata.to_dict(),
        "notes": list(frames.notes),
    }
