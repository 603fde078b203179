"""The label store: the one place where labels are written, and never overwritten."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sfx_label.frames.sequence import Frames
from sfx_label.labels import queries
from sfx_label.labels.events import Kind
from sfx_label.labels.exchange import ImportReport, annotations_of, import_events, write_annotations
from sfx_label.labels.opening import open_log
from sfx_label.labels.reading import LabelReader
from sfx_label.labels.resolve import Disagreement
from sfx_label.labels.storage import warn
from sfx_label.labels.writing import LabelWriter, undo_of

__all__ = ["LabelStore"]


class LabelStore(LabelWriter):
    """Labels, skips, flags and notes of any number of annotators and runs, as events that are only ever appended.

    Made by `LabelStore.open`. A method that writes returns when the event is on the disk, or raises `LabelStoreError`.
    Threads, processes and kernels may have the same store open at once.
    """

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        create: bool = False,
        annotator: str | None = None,
        read_only: bool = False,
        per_writer: bool | None = None,
    ) -> Self:
        """Open a label store.

        Warns where its place deserves a look (network file system, writable by anyone, not writable at all).

        Parameters
        ----------
        path
            The store, by habit named ``*.labels``: a file, or a folder with one file per writer.
        create
            Make it if it does not exist. Without this, a mistyped path is an error and not an empty store.
        annotator
            Who labels; default the login name.
        read_only
            Never write to it.
        per_writer
            For a new store: True makes a folder with one file per writer, for folders that several machines share.
            Default: a single file, unless the file system cannot lock.

        Raises
        ------
        LabelStoreError
            If there is none and none may be made, if it is no label store, or if it cannot be used safely here.
        """
        log, remarks = open_log(Path(path), create=create, read_only=read_only, per_writer=per_writer)
        for remark in remarks:
            warn(remark)
        return cls(log, annotator)

    def import_labels(
        self,
        frames: Frames,
        path: str | os.PathLike[str],
        *,
        annotator: str | None = None,
        format: str | None = None,
        as_suggestions: bool = False,
    ) -> ImportReport:
        """Take over the labels of an annotation file, all or none. The same file is never taken twice.

        Parameters
        ----------
        frames
            The run that was annotated, whole.
        path
            Ke's expert or DIALS file, CSV, JSON, a CrystFEL stream or list, ``frames.txt`` of OM or Cheetah.
        annotator
            Under whose name. Default: the names in the file, else the store's annotator.
        format
            One of `sfx_label.labels.interchange.READERS`; default: by content.
        as_suggestions
            Keep them as a program's suggestions, which are no votes.

        Raises
        ------
        AnnotationFormatError
            If the file cannot be understood, or does not fit the run. Nothing is imported then.
        """
        report, events = import_events(
            frames,
            Path(path),
            annotator=annotator,
            default=self._annotator,
            format=format,
            as_suggestions=as_suggestions,
            undone=lambda client: queries.is_undone(self._log, client),
        )
        written = self._log.append_many(lambda: self._with_supersedes(events))
        return report.with_result(written)

    def undo_import(self, report: ImportReport) -> int:
        """Take back every label of an import. Returns how many."""
        events = [event for event in queries.history(self._log, client=report.client) if event.kind is not Kind.UNDO]
        writer = self._log.writer
        undos = [undo_of(event, (writer, next(self._numbers))) for event in events]
        return self._log.append_many(lambda: undos)

    def export_labels(
        self,
        path: str | os.PathLike[str],
        *,
        frames: Frames | None = None,
        annotator: str | None = None,
        format: str | None = None,
        disagreement: Disagreement = "unlabelled",
    ) -> int:
        """Write the labels that count. Returns how many.

        Parameters
        ----------
        path
            File to write; one that exists is replaced.
        frames
            The run. Default: everything in the store, for CSV and JSON.
        annotator
            Only this annotator's. Default: all together, as in `labels_for`.
        format
            ``"expert"``, ``"csv"`` or ``"json"``; default by the ending, ``.txt`` being the expert's format.
        disagreement
            As in `labels_for`.

        Raises
        ------
        AnnotationFormatError
            If the format is unknown, or numbers frames and no run was given.
        """
        entries = annotations_of(self, frames, annotator, disagreement)
        return write_annotations(Path(path), format, entries, frames)

    def merge_from(self, other: LabelReader) -> int:
        """Take over the whole history of another store. Returns how many acts were new.

        Neither the order of merges nor doing one twice changes the outcome.
        """
        return self._log.merge(other.events())

    def close(self) -> None:
        """Close the store. What was acknowledged is on the disk already."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., LabelStore], tuple[Any, ...]]:
        return _reopen, (str(self.path), self._annotator, self.read_only)

    def __repr__(self) -> str:
        return f"<LabelStore {str(self.path)!r}, annotator {self._annotator!r}>"


def _reopen(path: str, annotator: str, read_only: bool) -> LabelStore:
    return LabelStore.open(path, annotator=annotator, read_only=read_only)
