"""Opening a store: which kind it is, whether it may be made, and what the user must know about its place."""

from __future__ import annotations

import errno
import json
import os
import shutil
from pathlib import Path

from sfx_label.errors import LabelStoreError
from sfx_label.labels.eventlog import EventLog
from sfx_label.labels.journal import MARKER, JournalLog
from sfx_label.labels.storage import broken_locks, is_writable, storage_remarks

__all__ = ["open_log"]


def open_log(
    path: Path, *, create: bool = False, read_only: bool = False, per_writer: bool | None = None
) -> tuple[EventLog, list[str]]:
    """Open a store, single file or folder.

    Parameters
    ----------
    path
        File or folder.
    create
        Make it if it is not there.
    read_only
        Never write to it.
    per_writer
        Only when it is made: True = a folder with one file per writer, False = a single file, None = a single file,
        unless the file system cannot lock.

    Returns
    -------
    log, remarks
        The open store, and what the user should know.

    Raises
    ------
    LabelStoreError
        If there is none and none may be made, if it is no label store, or a single file where locks do not work.
    """
    remarks = [] if path.exists() else _make(path, create and not read_only, per_writer)
    if not read_only and not is_writable(path):
        read_only = True
        remarks.append(f"{path} may not be written, so it is open for reading only. Labels made now would be refused.")
    log = _open_folder(path, read_only) if path.is_dir() else _open_file(path, read_only)
    return log, remarks + storage_remarks(path)


def _open_file(path: Path, read_only: bool) -> EventLog:
    if path.stat().st_size == 0 and read_only:
        raise LabelStoreError(
            f"the label store is empty: its making was interrupted. Received: {path}. Open it once for writing."
        )
    reason = broken_locks(path.resolve().parent)
    if reason is not None:
        raise LabelStoreError(
            f"the file system cannot lock files ({reason}), so two programs could damage the labels. Received: {path}. "
            "Nothing was changed. "
            "Copy the store to a local disk, or start a folder store (one file per writer) beside it: "
            "LabelStore.open(folder, create=True, per_writer=True)."
        )
    return EventLog(path, read_only=read_only)


def _open_folder(path: Path, read_only: bool) -> JournalLog:
    try:
        document = json.loads((path / MARKER).read_text(encoding="utf-8"))
        version = int(document["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabelStoreError(f"this folder is no label store. Received: {path}. Check the path.") from error
    if version != 1:
        raise LabelStoreError(
            f"the store folder was made by a newer sfx-label. Received: {path}, version {version}. "
            "Upgrade with: pip install --upgrade sfx-label"
        )
    return JournalLog(path, read_only=read_only)


def _make(path: Path, wanted: bool, per_writer: bool | None) -> list[str]:
    if not wanted:
        raise LabelStoreError(
            f"there is no label store here. Received: {path}. Check the path, or pass create=True to start one."
        )
    folder = path.resolve().parent
    if not folder.is_dir():
        raise LabelStoreError(
            f"the folder of the new label store does not exist. Received: {path}. Make it first, or check the path."
        )
    reason = broken_locks(folder)
    if reason is not None and per_writer is False:
        raise LabelStoreError(
            f"the file system cannot lock files ({reason}), which a single-file store needs. Received: {path}. "
            "Choose a local disk, or per_writer=True."
        )
    try:
        if per_writer or reason is not None:
            _make_folder(path)
        else:
            # exclusive, so that of two kernels that start at once one makes the file and both use it
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o660))
    except FileExistsError:
        return []
    except OSError as error:
        raise LabelStoreError(
            f"the label store cannot be made ({error.strerror}). Received: {path}. "
            "Choose a folder that you may write to."
        ) from error
    if reason is None:
        return []
    return [
        f"the file system cannot lock files ({reason}), so {path} was made as a folder with one file per "
        "writer; it is used in the same way."
    ]


def _make_folder(path: Path) -> None:
    # made complete under another name, so that nobody ever finds a folder without its marker
    draft = path.resolve().parent / f".{path.name}.{os.urandom(6).hex()}"
    draft.mkdir(mode=0o770)
    try:
        (draft / MARKER).write_text(
            json.dumps({"format": "sfx-label label store", "version": 1}) + "\n", encoding="utf-8"
        )
        os.rename(draft, path)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            raise FileExistsError(path) from error
        raise
