"""Labels of a run, wherever they lie: in a label store or in an annotation file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import LabelStoreError
from sfx_label.frames.sequence import Frames
from sfx_label.labels.eventlog import is_database
from sfx_label.labels.interchange import read_annotations
from sfx_label.labels.matching import match_annotations
from sfx_label.labels.scheme import UNLABELLED, label_from_spot_count
from sfx_label.labels.store import LabelStore

__all__ = ["is_store", "read_labels"]


def is_store(path: str | Path) -> bool:
    """Say whether a path is a label store (a SQLite file, or a folder of them) rather than an annotation file."""
    place = Path(path)
    return place.is_dir() or is_database(place)


def read_labels(frames: Frames, path: str | Path, *, annotator: str | None = None) -> NDArray[np.int8]:
    """Return one label a frame.

    Parameters
    ----------
    frames
        The run.
    path
        Label store, or an annotation file of any known format.
    annotator
        Whose labels of a store; None merges the annotators.

    Returns
    -------
    NDArray
        (n,), values of `Label`, `UNLABELLED` where there is none.

    Raises
    ------
    LabelStoreError
        If the file does not exist, or the store cannot be read.
    AnnotationFormatError
        If the annotation file cannot be understood, or does not fit the run.
    """
    if not Path(path).exists():
        raise LabelStoreError(f"no labels at {path}. Name a label store (*.labels) or an annotation file.")
    if is_store(path):
        with LabelStore.open(path, read_only=True) as store:
            return store.labels_for(frames, annotator)
    labels = np.full(len(frames), UNLABELLED, np.int8)
    for position, entry in match_annotations(frames.keys, read_annotations(path)).pairs:
        if entry.label is not None:
            labels[position] = entry.label
        elif entry.spots is not None:
            labels[position] = label_from_spot_count(entry.spots)
    return labels
