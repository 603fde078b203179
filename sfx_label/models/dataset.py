"""What a model learns from: inputs, labels and frame keys of one length, split so that no frame is in two parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import LeakError, TrainingError
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.models.cache import FrameCache, compute_rows
from sfx_label.models.rows import RowView, finite_rows, iterate_blocks, row_numbers, take_rows

if TYPE_CHECKING:
    from sfx_label.frames.sequence import FrameKey, Frames
    from sfx_label.labels.store import LabelStore
    from sfx_label.models.cache import Progress
    from sfx_label.preprocess.contrast import Preprocessing

__all__ = ["Dataset", "Parts", "build_dataset"]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Preprocessed frames with their labels and keys.

    Parameters
    ----------
    X
        Inputs, shape ``(n, ...)``: RWD vectors ``(n, rows)``, LCN frames ``(n, rows, columns)`` or spot features
        ``(n, features)``. An array or a memory map.
    y
        Labels, int8, shape ``(n,)``: values of `Label`, or `UNLABELLED` in a data set without labels.
    keys
        Identity of each frame, length ``n``, no key twice.
    preprocessing
        How ``X`` was made from the frames.
    name
        What to call the data set in tables.
    frame_shape
        Shape of the frames that ``X`` was made from, in pixels (rows, columns).
    dropped
        How many frames were left out when the data set was built, by reason.

    Raises
    ------
    TrainingError
        If the lengths differ or a label is not one of the scheme.
    LeakError
        If a frame occurs twice.
    """

    X: NDArray[Any] | RowView
    y: NDArray[np.int8]
    keys: tuple[FrameKey, ...]
    preprocessing: Preprocessing
    name: str = ""
    frame_shape: tuple[int, int] = (0, 0)
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", _checked_labels(self.y))
        object.__setattr__(self, "keys", tuple(self.keys))
        lengths = (len(self.X), len(self.y), len(self.keys))
        if len(set(lengths)) != 1:
            raise TrainingError(f"X, y and keys must have one length. Received lengths {lengths}; build them together.")
        if len(set(self.keys)) != len(self.keys):
            twice = next(key for key in self.keys if self.keys.count(key) > 1)
            raise LeakError(f"Frame {twice} occurs twice in data set {self.name!r}; leave one of them out.")

    def __len__(self) -> int:
        return len(self.keys)

    def __getitem__(self, rows: slice | ArrayLike) -> Dataset:
        index = row_numbers(rows, len(self))
        return replace(
            self, X=take_rows(self.X, index), y=self.y[index], keys=tuple(self.keys[i] for i in index), dropped={}
        )

    @property
    def positive(self) -> NDArray[np.bool_]:
        """True for Hit or Maybe, shape ``(n,)``; refuses unlabelled frames."""
        if np.any(self.y == UNLABELLED):
            count = int(np.sum(self.y == UNLABELLED))
            raise TrainingError(
                f"{count} of {len(self)} frames of {self.name!r} have no label; label them or leave them out."
            )
        return np.asarray(self.y >= Label.MAYBE, dtype=bool)

    def without_labels(self) -> Dataset:
        """Return the same frames with every label hidden: what domain adaptation gets to see of its target."""
        return replace(self, y=np.full(len(self.keys), UNLABELLED, dtype=np.int8))

    def join(self, *others: Dataset, name: str | None = None) -> Dataset:
        """Put data sets of one preprocessing and frame shape one after the other (their inputs are copied).

        Raises
        ------
        TrainingError
            If preprocessing or input shape differ.
        LeakError
            If a frame occurs in two of them.
        """
        parts = (self, *others)
        for other in others:
            if other.preprocessing != self.preprocessing or other.X.shape[1:] != self.X.shape[1:]:
                raise TrainingError(
                    f"{other.name!r} was preprocessed as {other.preprocessing} to inputs of shape {other.X.shape[1:]},"
                    " but"
                    f" {self.name!r} as {self.preprocessing} to {self.X.shape[1:]}; build both with one Preprocessing."
                )
        return replace(
            self,
            X=np.concatenate([np.asarray(part.X) for part in parts]),
            y=np.concatenate([part.y for part in parts]),
            keys=sum((part.keys for part in parts), ()),
            name=name if name is not None else "+".join(part.name for part in parts),
            dropped={},
        )

    def split(
        self,
        *,
        train: int,
        validation: int = 0,
        seed: int | None = None,
        order: Literal["random", "file"] = "random",
        keep_together: int = 1,
    ) -> Parts:
        """Cut into training, validation and test frames that share none.

        Parameters
        ----------
        train, validation
            Number of frames of each part; the rest is the test.
        seed
            Seeds the random order; None means 0, so that a split can always be repeated.
        order
            ``"file"`` keeps the order of the run: first training, then validation, the rest is the test, as the
            published percentages of Tables 1 to 5 imply. ``"random"`` draws plainly, without stratification, as a
            labeller who picks frames at random would.
        keep_together
            Number of neighbouring frames that stay in one part where the order is random: shots of one second look
            alike.

        Raises
        ------
        TrainingError
            If more frames are asked for than there are, or the order is unknown.
        """
        _check_split(train, validation, order, keep_together, self)
        index = np.arange(len(self))
        if order == "random":
            index = _shuffled_blocks(len(self), keep_together, 0 if seed is None else seed)
        chosen = (index[:train], index[train : train + validation], index[train + validation :])
        return Parts(*(self[np.sort(rows)] for rows in chosen))


class Parts(NamedTuple):
    """The three parts of a split, disjoint by frame key."""

    train: Dataset
    validation: Dataset
    test: Dataset


def build_dataset(
    frames: Frames,
    labels: LabelStore | ArrayLike | None,
    preprocessing: Preprocessing,
    *,
    annotator: str | None = None,
    cache: str | Path | FrameCache | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
    name: str | None = None,
) -> Dataset:
    """Read, preprocess and label the frames of a run.

    Frames without a label and frames that cannot be used (unreadable, not finite) are left out and counted in
    ``dropped``.

    Parameters
    ----------
    frames
        The run, or any selection of it.
    labels
        A label store, or one label per frame (`UNLABELLED` where there is none); None takes all frames, unlabelled.
    preprocessing
        How a frame becomes an input.
    annotator
        Whose labels to take from the store; None takes the store's current label.
    cache
        Folder that keeps preprocessed frames between calls, memory-mapped; None keeps them in memory.
    threads
        Threads of the preprocessing; None uses all cores.
    progress
        Called as ``progress(done, total)``.
    name
        Name of the data set; the run's file name if None.

    Raises
    ------
    TrainingError
        If the number of labels is not the number of frames, or nothing is left.
    """
    y = _labels_of(frames, labels, annotator)
    wanted = np.arange(len(frames)) if labels is None else np.flatnonzero(y != UNLABELLED)
    chosen = frames[wanted]
    X = _rows_of(chosen, preprocessing, cache, threads, progress)
    usable = finite_rows(X)
    dropped = {"unlabelled": len(frames) - len(wanted), "unreadable": int(np.sum(~usable))}
    if not usable.any():
        raise TrainingError(
            f"No frame of {frames.name} can be used: {dropped} of {len(frames)}; import or add labels first."
        )
    data = Dataset(
        X=X,
        y=y[wanted],
        keys=tuple(chosen.keys),
        preprocessing=preprocessing,
        name=name if name is not None else frames.name,
        frame_shape=(int(frames.shape[1]), int(frames.shape[2])),
    )
    return replace(data if usable.all() else data[usable], dropped=dropped)


def _checked_labels(y: ArrayLike) -> NDArray[np.int8]:
    labels = np.asarray(y)
    allowed = (UNLABELLED, *(int(label) for label in Label))
    if labels.ndim != 1 or not np.isin(labels, allowed).all():
        wrong = sorted({str(value) for value in labels.ravel()[~np.isin(labels.ravel(), allowed)]})[:5]
        raise TrainingError(
            f"Labels must be a vector of values of Label {allowed}. Received shape {labels.shape}, values {wrong}."
        )
    return labels.astype(np.int8)


def _check_split(train: int, validation: int, order: str, keep_together: int, data: Dataset) -> None:
    if order not in ("random", "file"):
        raise TrainingError(f"The order of a split is 'random' or 'file'. Received {order!r}.")
    if min(train, validation) < 0 or keep_together < 1 or train + validation > len(data):
        raise TrainingError(
            f"Cannot take {train} training and {validation} validation frames (in groups of {keep_together}) out of"
            f" {len(data)} labelled frames of {data.name!r}; ask for fewer or label more."
        )


def _shuffled_blocks(n: int, keep_together: int, seed: int) -> NDArray[np.intp]:
    blocks = [np.arange(n)[rows] for rows in iterate_blocks(n, keep_together)]
    order = np.random.default_rng(seed).permutation(len(blocks))
    return np.concatenate([blocks[i] for i in order]) if blocks else np.zeros(0, dtype=np.intp)


def _labels_of(frames: Frames, labels: LabelStore | ArrayLike | None, annotator: str | None) -> NDArray[np.int8]:
    if labels is None:
        return np.full(len(frames), UNLABELLED, dtype=np.int8)
    if hasattr(labels, "labels_for"):
        return np.asarray(labels.labels_for(frames, annotator=annotator), dtype=np.int8)
    y = _checked_labels(labels)
    if len(y) != len(frames):
        raise TrainingError(
            f"One label per frame is needed: {frames.name} has {len(frames)} frames. Received {len(y)} labels."
        )
    return y


def _rows_of(
    frames: Frames,
    preprocessing: Preprocessing,
    cache: str | Path | FrameCache | None,
    threads: int | None,
    progress: Progress | None,
) -> NDArray[Any]:
    if cache is None or len(frames) == 0:
        return compute_rows(frames, preprocessing, threads=threads, progress=progress)
    store = cache if isinstance(cache, FrameCache) else FrameCache(cache)
    return store.rows(frames, preprocessing, threads=threads, progress=progress)


def same_keys(first: Sequence[FrameKey], second: Sequence[FrameKey]) -> set[FrameKey]:
    """Return the keys that occur in both."""
    return set(first) & set(second)
