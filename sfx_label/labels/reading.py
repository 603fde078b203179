"""What can be asked of a label store."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.frames.sequence import FrameKey, Frames
from sfx_label.labels import queries
from sfx_label.labels.eventlog import EventLog
from sfx_label.labels.events import Event, Kind
from sfx_label.labels.resolve import Disagreement, FrameId, identity_of, merged_labels, votes
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.labels.storage import warn
from sfx_label.labels.wanted import SomeFrames, Wanted, runs_of

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["LabelReader"]


class LabelReader:
    """The reading half of `sfx_label.labels.store.LabelStore`.

    Parameters
    ----------
    log
        The events.
    """

    def __init__(self, log: EventLog) -> None:
        self._log = log
        self._compared: set[tuple[str, ...]] = set()

    @property
    def path(self) -> Path:
        """Where the labels lie: a file, or a folder with one file per writer."""
        return self._log.path

    @property
    def read_only(self) -> bool:
        """Whether labelling is refused."""
        return self._log.read_only

    def current(self, key: FrameKey, annotator: str | None = None) -> Label | None:
        """Find the label that counts for one frame, as `labels_for` does; None where there is none."""
        value = int(self.labels_for([key], annotator)[0])
        return None if value == UNLABELLED else Label(value)

    def labels_for(
        self, frames: SomeFrames, annotator: str | None = None, *, disagreement: Disagreement = "unlabelled"
    ) -> NDArray[np.int8]:
        """Find the labels of many frames, by one query.

        Warns if a file was replaced since it was labelled; its labels are kept, and not used for the new file.

        Parameters
        ----------
        frames
            A run or part of one, or frame keys; n of them.
        annotator
            Only this annotator's last label of each frame. Default: all annotators together, by the rule of
            `sfx_label.labels.resolve.merged_labels`.
        disagreement
            What a frame counts as while its annotators disagree: ``"unlabelled"``, ``"majority"`` or ``"recent"``.

        Returns
        -------
        labels
            `Label` values, shape (n,); ``UNLABELLED`` where there is none.
        """
        wanted = Wanted(frames)
        self._compare_run(frames, wanted.runs)
        found = queries.standing(self._log, wanted.runs, annotator)
        return wanted.spread(merged_labels(found, disagreement) if annotator is None else votes(found, annotator))

    def votes_for(self, frames: SomeFrames) -> dict[str, NDArray[np.int8]]:
        """Find the labels of each annotator apart, as in `labels_for`; adjudicated labels are no votes."""
        wanted = Wanted(frames)
        found = queries.standing(self._log, wanted.runs)
        names = sorted({row[3] for row in found})
        return {name: labels for name in names if (labels := wanted.spread(votes(found, name))).max(initial=-1) >= 0}

    def seen_by(self, frames: SomeFrames, annotator: str) -> NDArray[np.bool_]:
        """Which frames an annotator labelled or skipped, shape (n,): what a queue leaves out after a restart."""
        wanted = Wanted(frames)
        seen = np.zeros(len(wanted), np.bool_)
        for position, _ in wanted.places(queries.seen(self._log, wanted.runs, annotator)):
            seen[position] = True
        return seen

    def flags_for(self, frames: SomeFrames, annotator: str | None = None) -> dict[int, list[str]]:
        """Reasons for which frames are flagged, by position in `frames`."""
        return self._marks("flag", frames, annotator)

    def notes_for(self, frames: SomeFrames, annotator: str | None = None) -> dict[int, list[str]]:
        """Remarks on frames, by position in `frames`."""
        return self._marks("note", frames, annotator)

    def last_event(self, annotator: str, within: Frames | None = None) -> Event | None:
        """Find the annotator's latest act that still stands: where to go on after a restart."""
        return queries.newest(
            self._log, annotator, [kind for kind in Kind if kind is not Kind.UNDO], runs=runs_of(within)
        )

    def events(self, *, annotator: str | None = None, key: FrameKey | None = None) -> list[Event]:
        """Return the whole history in its order, undone acts included."""
        return queries.history(self._log, annotator, None if key is None else identity_of(key))

    def to_frame(self) -> pd.DataFrame:
        """Return the whole history as a table, one row per act; times in UTC."""
        from sfx_label.labels.tables import events_table

        return events_table(self.events())

    def labelled_frames(self) -> list[FrameKey]:
        """List every frame that something was done to, by path, data set and index."""
        return queries.labelled_frames(self._log)

    def annotators(self) -> list[str]:
        """List everyone who labelled, flagged, noted or skipped a frame, in alphabetical order."""
        return queries.annotators(self._log)

    def stats(self, frames: Frames | None = None) -> dict[str, Any]:
        """Count by class, annotator and origin, with the agreement of each pair of annotators; JSON-ready.

        Parameters
        ----------
        frames
            Only this run. Default: all runs of the store.
        """
        from sfx_label.labels.statistics import store_statistics

        keys = frames.keys if frames is not None else queries.labelled_frames(self._log)
        merged, recent = self.labels_for(keys), self.labels_for(keys, disagreement="recent")
        return store_statistics(self._log, runs_of(frames), merged, recent, self.votes_for(keys))

    def integrity_check(self) -> list[str]:
        """Say what is damaged in the store; empty when all is well."""
        return self._log.damage()

    def _marks(self, column: str, frames: SomeFrames, annotator: str | None) -> dict[int, list[str]]:
        wanted = Wanted(frames)
        found: dict[FrameId, list[str]] = {}
        for frame, text in queries.marks(self._log, column, wanted.runs, annotator):
            found.setdefault(frame, []).append(text)
        return {position: found[frame] for position, frame in sorted(wanted.places(found))}

    def _compare_run(self, frames: SomeFrames, here: frozenset[str]) -> None:
        """Warn, once per run, if files under the same path were labelled with other content."""
        if not isinstance(frames, Frames) or (names := tuple(frames.paths)) in self._compared:
            return
        self._compared.add(names)
        for path, dataset, fingerprint, count in queries.runs_at(self._log, names):
            if fingerprint not in here:
                warn(
                    f"{path} is not the file that was labelled under this name: {count} labelled frames of "
                    f"{dataset or 'it'} belong to the file that was there before. They are kept, and not used for it."
                )
