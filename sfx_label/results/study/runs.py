"""The annotated runs of a study: frames, labels, splits, and data sets in any preprocessing."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.frames.open import open_frames
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.labels.store import LabelStore
from sfx_label.models.dataset import Dataset, build_dataset
from sfx_label.results.published import FILES, published_name
from sfx_label.results.study.recipes import Order

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames
    from sfx_label.preprocess.contrast import Preprocessing

__all__ = ["RunData", "StudyRun", "find_run"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class StudyRun:
    """Where a run and its labels lie.

    Parameters
    ----------
    name
        In tables.
    path
        The frames.
    labels
        Annotation file, or label store.
    annotator
        Whose labels, where several people labelled.
    """

    name: str
    path: Path
    labels: Path
    annotator: str | None = None

    @property
    def published(self) -> str | None:
        """The run of the paper whose printed figures stand beside this one's; ``None`` for any other run."""
        return self.name if self.name in FILES else None

    @property
    def is_original(self) -> bool:
        """Whether the file is, by its name, the one that the paper used."""
        return published_name(self.path.name) == self.name


def find_run(text: str | Path | StudyRun) -> StudyRun:
    """Return a run with its labels, which lie beside it.

    Parameters
    ----------
    text
        ``FRAMES``, or ``NAME=FRAMES`` to name it in tables. Labels are looked for as ``FRAMES`` with the ending
        ``.expert_annotation.txt`` or ``.labels``, or as ``expert_annotation.txt`` in the same folder. The files of
        CXIDB entry 76 get the names of the paper.

    Raises
    ------
    AnnotationFormatError
        If there are no labels.
    """
    if isinstance(text, StudyRun):
        return text
    name, _, place = str(text).rpartition("=")
    path = Path(place)
    beside = (
        path.with_suffix(".expert_annotation.txt"),
        path.with_suffix(".labels"),
        path.parent / "expert_annotation.txt",
    )
    labels = next((file for file in beside if file.exists()), None)
    if labels is None:
        raise AnnotationFormatError(
            f"No labels beside {path}: a study needs a labelled run. Looked for "
            f"{', '.join(file.name for file in beside)}; put one there, or export labels from a store."
        )
    return StudyRun(name or published_name(path.name) or path.stem, path, labels)


@dataclass(eq=False)
class RunData:
    """A run opened for a study.

    Parameters
    ----------
    run
        Where it lies.
    frames
        The labelled frames that take part.
    y
        (n,) their labels.
    cache
        Folder of preprocessed frames.
    """

    run: StudyRun
    frames: Frames
    y: NDArray[np.int8]
    cache: Path
    _datasets: dict[Preprocessing, Dataset] = field(default_factory=dict)
    _places: dict[Preprocessing, NDArray[np.intp]] = field(default_factory=dict)

    @classmethod
    def open(cls, run: StudyRun, folder: Path, limit: int | None = None) -> RunData:
        """Open frames and labels.

        Parameters
        ----------
        run
            Where they lie.
        folder
            The study's folder, which keeps imported labels and preprocessed frames.
        limit
            Labelled frames that take part; all if ``None``.

        Raises
        ------
        AnnotationFormatError
            If no frame is labelled.
        """
        frames = open_frames(run.path)
        labels = _read_labels(run, frames, folder)
        chosen = np.flatnonzero(labels != UNLABELLED)[:limit]
        if not len(chosen):
            raise AnnotationFormatError(f"{run.labels} labels no frame of {run.path}; check that they belong together.")
        return cls(run, frames[chosen], labels[chosen], folder / "cache")

    def __len__(self) -> int:
        return len(self.y)

    @property
    def name(self) -> str:
        """Name in tables."""
        return self.run.name

    @property
    def identity(self) -> str:
        """A text that changes with the frames or their labels."""
        positions = np.ascontiguousarray(self.frames.positions).tobytes()
        return f"{self.frames.fingerprint}-{hashlib.sha256(positions + self.y.tobytes()).hexdigest()[:16]}"

    @property
    def mix(self) -> dict[str, int]:
        """Frames of each class."""
        return {label.name.lower(): int((self.y == label).sum()) for label in Label}

    def order(self, order: Order, seed: int) -> NDArray[np.intp]:
        """Return the positions of all frames in the order in which they are given to training, validation and test.

        Parameters
        ----------
        order, seed
            As in :class:`~sfx_label.results.study.recipes.Recipe`.
        """
        return np.arange(len(self)) if order == "file" else np.random.default_rng(seed).permutation(len(self))

    def dataset(self, preprocessing: Preprocessing, progress: Progress | None = None) -> Dataset:
        """Return all frames in one preprocessing, computed once and kept on disk.

        Parameters
        ----------
        preprocessing
            How a frame becomes an input.
        progress
            Called with frames done and in all.
        """
        if preprocessing not in self._datasets:
            data = build_dataset(
                self.frames, self.y, preprocessing, cache=self.cache, progress=progress, name=self.name
            )
            place = {key: position for position, key in enumerate(self.frames.keys)}
            self._datasets[preprocessing] = data
            self._places[preprocessing] = np.array([place[key] for key in data.keys], dtype=np.intp)
        return self._datasets[preprocessing]

    def part(
        self, preprocessing: Preprocessing, positions: NDArray[np.intp], progress: Progress | None = None
    ) -> Dataset:
        """Return some frames in one preprocessing; frames that cannot be used are left out.

        The split is by position in the run, so that every method gets the very same frames even where one of them
        cannot use some.

        Parameters
        ----------
        preprocessing
            How a frame becomes an input.
        positions
            Which frames.
        progress
            Called with frames done and in all.
        """
        data = self.dataset(preprocessing, progress)
        return data[np.flatnonzero(np.isin(self._places[preprocessing], positions))]


def _read_labels(run: StudyRun, frames: Frames, folder: Path) -> NDArray[np.int8]:
    if run.labels.suffix == ".labels":
        with LabelStore.open(run.labels) as store:
            return np.asarray(store.labels_for(frames, annotator=run.annotator), dtype=np.int8)
    place = folder / "labels"
    place.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256(frames.fingerprint.encode() + run.labels.read_bytes()).hexdigest()[:16]
    with LabelStore.open(place / f"{digest}.labels", create=True, annotator="study") as store:
        store.import_labels(frames, run.labels, annotator="study")
        return np.asarray(store.labels_for(frames), dtype=np.int8)


def check_names(runs: Sequence[StudyRun]) -> None:
    """Refuse two runs of one name.

    Parameters
    ----------
    runs
        The runs of a study.

    Raises
    ------
    AnnotationFormatError
        If a name occurs twice, or there is no run.
    """
    names = [run.name for run in runs]
    if not names or len(set(names)) != len(names):
        raise AnnotationFormatError(f"A study needs runs of different names; received {names}. Use NAME=FRAMES.")
