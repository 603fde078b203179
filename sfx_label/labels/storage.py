"""What the place where labels are kept can be trusted with: locks, file system, permissions."""

from __future__ import annotations

import errno
import os
import sqlite3
import stat
import tempfile
import warnings
from pathlib import Path

__all__ = [
    "NETWORK_FILE_SYSTEMS",
    "LabelStoreWarning",
    "broken_locks",
    "file_system_of",
    "is_writable",
    "storage_remarks",
    "warn",
]

NETWORK_FILE_SYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "fhgfs", "glusterfs", "gpfs", "lustre", "ncpfs", "nfs", "nfs4", "orangefs"}
    | {"panfs", "pvfs2", "smb2", "smb3", "smbfs", "virtiofs", "wekafs"}
)
"""Types of file systems, as the kernel names them, whose locks pass over a network. ``fuse.*`` counts as one too."""

BUSY_TIMEOUT_S = 30.0
"""How long a writer waits for another: a commit takes 5 ms, so only a stopped process holds the file this long."""
_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EIO, errno.EINVAL}


class LabelStoreWarning(UserWarning):
    """The labels are safe, but something about their place or their run deserves a look."""


def warn(message: str) -> None:
    """Tell the user something about the store, at the line that opened or read it."""
    warnings.warn(message, LabelStoreWarning, stacklevel=4)


def file_system_of(path: Path) -> str | None:
    """Type of the file system that holds a path (``"ext4"``, ``"nfs4"``, ...); None where the kernel does not tell."""
    place = os.path.realpath(path)
    best, found = "", None
    for mount, kind in _mounts():
        inside = place == mount or place.startswith(mount.rstrip("/") + "/")
        if inside and len(mount) >= len(best):
            best, found = mount, kind
    return found


def _mounts() -> list[tuple[str, str]]:
    try:
        lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        # "36 35 98:0 /root /mount/point options [optional fields] - type source options"; a blank is written \040
        before, _, after = line.partition(" - ")
        if after and len(before.split()) > 4:
            found.append((before.split()[4].replace("\\040", " "), after.split()[0]))
    return found


def broken_locks(folder: Path) -> str | None:
    """Try the kind of lock that SQLite uses, on a new file in the folder.

    Returns
    -------
    reason
        None if locks work, or cannot be tried because nothing may be written there.
    """
    try:
        import fcntl
    except ImportError:  # Windows has locks of another kind, which SQLite trusts
        return None
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            fcntl.lockf(probe, fcntl.LOCK_EX | fcntl.LOCK_NB, 1)
    except OSError as error:
        return os.strerror(error.errno) if error.errno in _NO_LOCKS else None
    return None


def is_writable(path: Path) -> bool:
    """Whether this process may write a store file and the journal beside it, or into a store folder."""
    places = [path] if path.is_dir() else [path, path.resolve().parent]
    return all(os.access(place, os.W_OK) for place in places)


def storage_remarks(path: Path) -> list[str]:
    """Say what the user should know about the place of a store; empty when all is well."""
    remarks = []
    kind = file_system_of(path)
    if kind is not None and (kind in NETWORK_FILE_SYSTEMS or kind.startswith("fuse")) and not path.is_dir():
        remarks.append(
            f"{path} lies on a network file system ({kind}). That is safe from one machine at a time "
            "as long as its locks work; if several machines label, "
            "use a folder store: LabelStore.open(folder, create=True, per_writer=True)."
        )
    if _open_to_all(path):
        remarks.append(
            f"anyone on this machine can change {path}. Take that right away with: "
            f"chmod o-w {path} {path.resolve().parent}"
        )
    return remarks


def _open_to_all(path: Path) -> bool:
    if os.name != "posix":
        return False
    mode, folder = path.stat().st_mode, path.resolve().parent.stat().st_mode
    replaceable = bool(folder & stat.S_IWOTH) and not folder & stat.S_ISVTX
    return bool(mode & stat.S_IWOTH) or replaceable


def explain(error: sqlite3.Error, path: Path) -> str:
    """Say what an error of SQLite means for the labels, and what to do."""
    code = getattr(error, "sqlite_errorname", None) or "no code"
    hint = next((text for start, text in _HINTS.items() if code.startswith(start)), _HINTS["SQLITE_IOERR"])
    return f"the label store failed: {error} ({code}). Received: {path}. Earlier labels are intact. {hint}."


_HINTS = {
    "SQLITE_FULL": "The disk is full or the quota is used up: free some space and label this frame again",
    "SQLITE_READONLY_ROLLBACK": "A writer was cut off: open the store once with write access to complete it",
    "SQLITE_READONLY": "The file or its folder may not be written: ask its owner, or keep a store in your own folder",
    "SQLITE_BUSY": f"Another process held the store for over {BUSY_TIMEOUT_S:.0f} s, or the file system cannot lock "
    "files: close the other program, or use a folder store (per_writer=True) on a shared folder",
    "SQLITE_IOERR": "The disk or the network reported an error: check it, then label this frame again",
    "SQLITE_CORRUPT": "The file is damaged: keep a copy of it, and of its -journal file, before anything else",
    "SQLITE_NOTADB": "This is no label store: check the path",
    "SQLITE_CANTOPEN": "The file, or the journal beside it, cannot be opened: check the folder's permissions",
}
