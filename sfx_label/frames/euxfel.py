"""European XFEL run folders, through EXtra-data, which is imported only when such a folder is opened.

A run lies in one file per module and sequence. EXtra-data writes a small virtual CXI file over them, the same that
CrystFEL and EXtra-Xwiz read; it is kept in the user's cache folder and opened like any other, with the run folder as
data root.
"""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

from sfx_label.errors import FileLayoutError, FrameReadError, SfxLabelError

__all__ = ["is_run_folder", "virtual_file"]

RUN_FILE = re.compile(r"(RAW|CORR|PROC)-R\d{4,}-.+-S\d{5,}\.h5")


def is_run_folder(folder: str) -> bool:
    """Return whether a folder holds the files of a European XFEL run."""
    return any(RUN_FILE.fullmatch(name) for name in os.listdir(folder))


def virtual_file(folder: str) -> str:
    """Return the path of a virtual CXI file over the detector of a run folder, written if there is none yet.

    Parameters
    ----------
    folder
        The run's folder, such as ``/gpfs/exfel/exp/SPB/202301/p003333/proc/r0012``.

    Raises
    ------
    FileLayoutError
        EXtra-data is not installed, or the run has no multi-module detector, or more than one.
    FrameReadError
        EXtra-data cannot read the run.
    """
    try:
        from extra_data import RunDirectory
    except ImportError as error:
        raise FileLayoutError(
            f"{folder} is a European XFEL run, which needs EXtra-data: `pip install 'sfx-label[facility]'`."
        ) from error
    target = os.path.join(_cache_folder(folder), f"{os.path.basename(os.path.realpath(folder))}_virtual.cxi")
    if not os.path.exists(target):
        try:
            with RunDirectory(folder) as run:
                _write(run, folder, target)
        except SfxLabelError:
            raise
        except Exception as error:  # EXtra-data raises plain exceptions too
            raise FrameReadError(
                f"EXtra-data cannot read {folder}: {error}. Check it with `extra-data-validate`."
            ) from error
    return target


def _write(run: Any, folder: str, target: str) -> None:
    """Write beside, then rename: two processes that open the same run must not see half a file."""
    from extra_data.components import identify_multimod_detectors

    found = sorted(identify_multimod_detectors(run), key=lambda each: str(each[0]))
    if len(found) != 1:
        names = ", ".join(str(name) for name, _ in found) or "none"
        raise FileLayoutError(
            f"{folder} has {len(found)} multi-module detectors ({names}); one is needed. Make a virtual file of the "
            f"one you want with `extra-data-make-virtual-cxi`, and open that with roots=[{folder!r}]."
        )
    name, detector = found[0]
    temporary = f"{target}.{os.getpid()}.tmp"
    os.makedirs(os.path.dirname(target), mode=0o700, exist_ok=True)
    try:
        detector(run, name, min_modules=1).write_virtual_cxi(temporary)
        os.replace(temporary, target)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def _cache_folder(folder: str) -> str:
    """Return a folder of the cache that belongs to the run as it is now: a grown run gets another."""
    real = os.path.realpath(folder)
    digest = hashlib.sha256(real.encode("utf-8", "surrogateescape"))
    for entry in sorted(os.scandir(real), key=lambda each: each.name):
        if not RUN_FILE.fullmatch(entry.name):
            continue  # EXtra-data keeps an index of its own in the folder
        status = entry.stat()
        digest.update(f"{entry.name} {status.st_size} {status.st_mtime_ns}".encode("utf-8", "surrogateescape"))
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(base, "sfx-label", "virtual", digest.hexdigest()[:16])
