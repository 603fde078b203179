"""A disk cache of preprocessed frames: decoded once, memory-mapped, bounded, safe under two writers."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames
    from sfx_label.preprocess.contrast import Preprocessing

__all__ = ["FrameCache", "Progress", "compute_rows", "storage_dtype"]

Progress = Callable[[int, int], None]

CACHE_VERSION = 1  # raise it when preprocessing changes its numbers
DEFAULT_LIMIT_BYTES = 16 * 2**30  # about 16,000 LCN frames of 720 x 720 in half precision
BLOCK = 64  # frames that are preprocessed between two writes: about 130 MB of LCN in float32


def storage_dtype(preprocessing: Preprocessing) -> type[np.float16] | type[np.float32]:
    """Return the number type that inputs are kept in.

    LCN frames are kept in half precision: ``|z| <= sqrt(24)`` with the paper's window, so the rounding (2e-3 at most)
    is far below the noise, and 2000 frames take 2 GB in place of 4. The networks round their input in the same way,
    so that a frame gets the same probability from the cache as from the file.
    """
    return np.float16 if preprocessing.output == "lcn" else np.float32


def compute_rows(
    frames: Frames,
    preprocessing: Preprocessing,
    *,
    threads: int | None = None,
    progress: Progress | None = None,
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """Preprocess frames block by block, so that only one block is held in full precision; shape ``(n, ...)``."""
    total, shape = len(frames), preprocessing.output_shape(frames.shape[1:])
    if out is None:
        out = np.empty((total, *shape), dtype=storage_dtype(preprocessing))
    for start in range(0, total, BLOCK):
        block = frames[start : start + BLOCK]
        rows = np.full((len(block), *shape), np.nan, dtype=np.float32)
        preprocessing.apply_many(block, mask=frames.mask, threads=threads, out=rows)
        out[start : start + len(rows)] = rows
        if progress is not None:
            progress(start + len(rows), total)
    return out


class FrameCache:
    """Preprocessed frames on disk, one file per selection of frames and preprocessing.

    A file is written under a temporary name and moved into place, so two processes that fill the same entry do the
    work twice but never read half a file. The entries that were used longest ago are deleted when the folder grows
    over its limit; an entry that is still mapped elsewhere stays readable there.

    Parameters
    ----------
    folder
        Where to keep the files; made if absent.
    limit_bytes
        Size of the folder above which old entries are deleted.
    """

    def __init__(self, folder: str | Path, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self.folder = Path(folder)
        self.limit_bytes = limit_bytes

    def rows(
        self,
        frames: Frames,
        preprocessing: Preprocessing,
        *,
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> NDArray[Any]:
        """Return the preprocessed frames as a read-only memory map, computing them where they are not there yet."""
        path = self.folder / f"{entry_name(frames, preprocessing)}.npy"
        shape = (len(frames), *preprocessing.output_shape(frames.shape[1:]))
        rows = _open_entry(path, shape, storage_dtype(preprocessing))
        if rows is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self._new_entry(path, shape, storage_dtype(preprocessing)) as out:
                compute_rows(frames, preprocessing, threads=threads, progress=progress, out=out)
            rows = np.load(path, mmap_mode="r", allow_pickle=False)
            self._shrink(keep=path)
        elif progress is not None:
            progress(len(frames), len(frames))
        return rows

    def size_bytes(self) -> int:
        """Return how much the entries take on disk."""
        return sum(size for _, size, _ in self._entries())

    @contextmanager
    def _new_entry(self, path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> Iterator[NDArray[Any]]:
        """Hand out a new file to fill; it takes its name when all went well and vanishes otherwise."""
        handle, temporary = tempfile.mkstemp(prefix=f".{path.stem[:16]}-", suffix=".tmp", dir=self.folder)
        os.close(handle)
        try:
            out = np.lib.format.open_memmap(temporary, mode="w+", dtype=dtype, shape=shape)
            yield out
            out.flush()
            os.replace(temporary, path)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)

    def _entries(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self.folder.glob("*.npy"):
            with suppress(FileNotFoundError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return sorted(found)

    def _shrink(self, keep: Path) -> None:
        entries = self._entries()
        excess = sum(size for _, size, _ in entries) - self.limit_bytes
        for _, size, path in entries:
            if excess <= 0:
                return
            if path != keep:
                with suppress(FileNotFoundError):
                    path.unlink()
                excess -= size


def entry_name(frames: Frames, preprocessing: Preprocessing) -> str:
    """Return the name of a cache entry: a digest of the frames' fingerprints, the mask and the preprocessing."""
    digest = hashlib.sha256()
    settings = {"version": CACHE_VERSION, "preprocessing": preprocessing.to_dict(), "shape": list(frames.shape[1:])}
    digest.update(json.dumps(settings, sort_keys=True).encode())
    for key in frames.keys:
        digest.update(f"{key.fingerprint}\0{key.dataset}\0{key.index}\n".encode())
    if frames.mask is not None:
        digest.update(np.packbits(frames.mask).tobytes())
    return digest.hexdigest()[:40]


def _open_entry(path: Path, shape: tuple[int, ...], dtype: type[np.generic]) -> NDArray[Any] | None:
    """Map an entry and mark it as used; None where it is absent or not what it should be."""
    try:
        rows = np.load(path, mmap_mode="r", allow_pickle=False)
        os.utime(path)
    except (OSError, ValueError, EOFError):
        return None
    return rows if rows.shape == shape and rows.dtype == dtype else None
