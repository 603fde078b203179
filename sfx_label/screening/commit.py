"""Files that appear whole and once: the only way anything enters a screening folder.

A worker writes a temporary file beside the place where the result belongs, flushes it to the disk, and links it to its
name. A link never replaces a file, so of two workers that finish the same part one wins and the other notices; a worker
that is killed leaves at most a temporary file that no reader looks at. Running a part at least once therefore gives its
result exactly once, whatever starts, loses or repeats the workers.
"""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

from sfx_label.errors import SfxLabelError

__all__ = ["commit_file", "replace_file"]

_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK, errno.EXDEV}


def commit_file(folder: Path, name: str, payload: bytes) -> bool:
    """Put ``payload`` into ``folder`` under ``name`` unless the name is taken.

    Parameters
    ----------
    folder
        Existing folder; the temporary file is made in it, since a link cannot leave its file system.
    name
        File name inside the folder.
    payload
        The whole content.

    Returns
    -------
    Whether this call made the file; ``False`` if another one had.

    Raises
    ------
    SfxLabelError
        If the file system has no hard links.
    OSError
        If the disk is full or fails; nothing appears under ``name`` then.
    """
    temporary = _write_temporary(folder, name, payload)
    try:
        return _link(temporary, folder / name)
    finally:
        temporary.unlink()


def replace_file(folder: Path, name: str, payload: bytes) -> None:
    """Put ``payload`` into ``folder`` under ``name``, in one step, in place of what was there.

    For what may be computed again at any time (the audit sample, an export), never for results.

    Parameters
    ----------
    folder, name, payload
        As for :func:`commit_file`.
    """
    temporary = _write_temporary(folder, name, payload)
    try:
        os.replace(temporary, folder / name)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(folder)


def _write_temporary(folder: Path, name: str, payload: bytes) -> Path:
    handle, path = tempfile.mkstemp(prefix=f".{name}.", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(payload)
            stream.flush()
            os.fsync(stream.fileno())
        # mkstemp makes private files; colleagues in the same group read a shared screening
        os.chmod(path, 0o666 & ~_umask())
    except BaseException:
        os.unlink(path)
        raise
    return Path(path)


def _link(temporary: Path, target: Path) -> bool:
    try:
        os.link(temporary, target)
    except FileExistsError:
        # over NFS a link can succeed while its answer is lost and the repeated request finds the name taken
        return os.stat(temporary).st_nlink == 2
    except OSError as error:
        if error.errno in _NO_LINKS:
            raise SfxLabelError(
                f"{target.parent} lies on a file system without hard links ({error.strerror}), so results cannot be "
                "committed safely there. Choose another output folder, e.g. on GPFS, Lustre, NFS or a local disk."
            ) from error
        raise
    _sync_folder(target.parent)
    return True


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _umask() -> int:
    # Linux tells the mask without setting it; setting it, even for a moment, would race with other threads
    for line in Path("/proc/self/status").read_text().splitlines() if Path("/proc/self/status").exists() else ():
        if line.startswith("Umask:"):
            return int(line.split()[1], 8)
    return 0o022
