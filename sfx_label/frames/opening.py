"""Open an HDF5 file for reading only, and say in plain words why one cannot be opened."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import h5py
import hdf5plugin  # noqa: F401  registers bitshuffle, zstd, blosc and lz4 with the library
from h5py._objects import phil

from sfx_label.errors import FileLayoutError, FrameReadError, SfxLabelError, UnsafeFileError

__all__ = ["Absent", "check_regular", "explain", "open_hdf5", "told_plainly"]


def open_hdf5(path: str) -> h5py.File:
    """Open `path` for reading only, without file locks, as a growing (SWMR) file where it is one.

    Raises
    ------
    FrameReadError
        The file is not there, truncated, being written, or damaged.
    FileLayoutError
        It is no HDF5 file, or newer than this HDF5 library.
    UnsafeFileError
        It is a device, a pipe or a folder.
    """
    check_regular(path)
    try:
        return h5py.File(path, "r", locking=False)
    except OSError as error:
        first = error
    try:  # what a SWMR writer holds opens only with swmr=True; what this process holds otherwise only by the default
        return h5py.File(path, "r", locking=False, swmr=True) if "for write" in str(first) else h5py.File(path, "r")
    except (OSError, ValueError):
        raise explain(first, path) from first


def check_regular(path: str) -> None:
    """Refuse what is absent or no regular file: opening a pipe would wait for ever.

    Raises
    ------
    FrameReadError
        There is no such file, or no permission.
    UnsafeFileError
        It is a device, a pipe or a folder.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError) as error:
        raise FrameReadError(f"cannot open {path}: {error}. Check the path and the mount.") from error
    if not stat.S_ISREG(mode):
        raise UnsafeFileError(f"{path} is not a regular file. Give the path of a data file.")


@dataclass(frozen=True, slots=True)
class Absent:
    """What was looked for is not there.

    Attributes
    ----------
    reason
        Why, in words.
    filename
        The linked file that does not exist, where that is the reason.
    """

    reason: str
    filename: str = ""


@contextmanager
def told_plainly(path: str, dataset: str = "") -> Iterator[None]:
    """Turn whatever the HDF5 library raises within into an error that names the file and says what to do.

    The library's own lock is held meanwhile: up to h5py 3.15 `read_direct_chunk` does not take it (h5py pull request
    2764), so that two runs read by two threads would spoil each other's reads.

    Raises
    ------
    FrameReadError, FileLayoutError
        In place of any other error: damaged bytes make the library raise nearly everything there is.
    """
    try:
        with phil:
            yield
    except SfxLabelError:
        raise
    except Exception as error:
        raise explain(error, path, dataset) from error


def explain(error: Exception, path: str, dataset: str = "") -> FrameReadError | FileLayoutError:
    """Return an error that says what to do for one of the HDF5 library."""
    text, where = str(error), f"{path}:{dataset}" if dataset else path
    if "bad version number" in text or "bad superblock version" in text or "unknown version" in text:
        return FileLayoutError(
            f"{where} was written by a newer HDF5 than the {h5py.version.hdf5_version} in use here ({text}). Update "
            f"h5py, or rewrite the file with `h5repack --high=v110 IN OUT` where it was made."
        )
    if "signature not found" in text:
        return FileLayoutError(f"{where} is not an HDF5 file, or its first bytes are damaged. Copy it again.")
    if "truncated" in text:
        return FrameReadError(f"{where} is truncated ({text}). Copy it again, or wait until it is fully written.")
    if "for write" in text or "lock" in text:
        return FrameReadError(
            f"{where} is held by a writer, or its writer died ({text}). Wait until the run is closed, write it in SWMR "
            f"mode, or clear a dead writer's mark with `h5clear -s FILE` on a copy."
        )
    return FrameReadError(f"cannot read {where}: {text}. The file is damaged there; copy it again.")
