"""How far two annotators agree, beyond what chance would do, with intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.interchange import read_annotations
from sfx_label.labels.records import AnnotationFile
from sfx_label.labels.scheme import UNLABELLED, Label

__all__ = ["Agreement", "Estimate", "agreement", "agreement_of_files", "alpha_of_many"]

_RESAMPLES = 1000
_LEVEL = 0.95
_LARGEST_RUN = 100_000_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its 95 % bootstrap interval over frames; None = not defined (prints as n/a).

    Parameters
    ----------
    value, low, high
        Estimate and the ends of its interval.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    def __str__(self) -> str:
        if self.value is None:
            return "n/a"
        ends = "" if self.low is None or self.high is None else f" ({self.low:.3f} to {self.high:.3f})"
        return f"{self.value:.3f}{ends}"


@dataclass(frozen=True)
class Agreement:
    """Agreement of two annotators over the frames that both labelled.

    Parameters
    ----------
    raw
        Share of frames with the same label.
    kappa
        Cohen's kappa: (raw - expected by chance) / (1 - expected by chance).
    quadratic_kappa
        The same with quadratic weights, so that Hit against Miss counts four times Hit against Maybe.
    alpha
        Krippendorff's alpha for ordered classes.
    per_class
        Share of agreement for each class: 2 n_cc / (n_c. + n_.c).
    n
        Number of frames.
    confusion
        Frames by label of the first (rows) and second annotator (columns) as they gave them, in the order Miss, Maybe,
        Hit, shape (3, 3); Maybe is not merged here.
    classes
        Classes that the measures distinguish.
    """

    raw: Estimate
    kappa: Estimate
    quadratic_kappa: Estimate
    alpha: Estimate
    per_class: dict[str, Estimate]
    n: int
    confusion: NDArray[np.int64]
    classes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; the four measures as plain numbers, their intervals beside them."""
        measures = {name: getattr(self, name) for name in ("raw", "kappa", "quadratic_kappa", "alpha")}
        return {
            **{name: estimate.value for name, estimate in measures.items()},
            "intervals": {name: [estimate.low, estimate.high] for name, estimate in measures.items()},
            "per_class": {name: estimate.value for name, estimate in self.per_class.items()},
            "n": self.n,
            "confusion": self.confusion.tolist(),
            "confusion_labels": list(_LABELS),
            "classes": list(self.classes),
        }

    def __str__(self) -> str:
        lines = [f"{self.n} frames labelled by both"]
        lines += [f"{title:18}{getattr(self, name)}" for name, title in _TITLES.items()]
        lines += [f"{'  ' + name:18}{estimate}" for name, estimate in self.per_class.items()]
        lines.append("first \\ second".ljust(18) + "".join(name.rjust(7) for name in _LABELS))
        lines += [
            f"{name:18}" + "".join(f"{n:7d}" for n in row) for name, row in zip(_LABELS, self.confusion, strict=True)
        ]
        return "\n".join(lines)


_LABELS = tuple(label.title for label in Label)
_TITLES = {"raw": "same label", "kappa": "kappa", "quadratic_kappa": "quadratic kappa", "alpha": "ordinal alpha"}


def agreement(
    first: ArrayLike, second: ArrayLike, *, merge_maybe: bool = False, seed: int = 0, resamples: int = _RESAMPLES
) -> Agreement:
    """Compare the labels of two annotators.

    Every measure depends on the frames only through the confusion table, so the bootstrap draws tables: a multinomial
    draw of n frames with the observed shares is a resampling of the frames.

    Parameters
    ----------
    first, second
        `Label` values, shape (n,); frames that either left ``UNLABELLED`` are not compared.
    merge_maybe
        Merge Maybe with Hit first, as the paper does.
    seed
        Of the bootstrap.
    resamples
        Number of bootstrap draws.

    Raises
    ------
    AnnotationFormatError
        If the two differ in length.
    """
    a, b = np.asarray(first), np.asarray(second)
    if a.shape != b.shape:
        raise AnnotationFormatError(
            f"two annotators of one run have labels of one length. Received: {a.size} and {b.size}. Use labels_for."
        )
    both = (a != UNLABELLED) & (b != UNLABELLED)
    given = np.bincount(a[both].astype(int) * 3 + b[both].astype(int), minlength=9).reshape(3, 3)
    return _measure(given, merge_maybe, seed, resamples)


def agreement_of_files(file_a: str | Path, file_b: str | Path, *, merge_maybe: bool = True, seed: int = 0) -> Agreement:
    """Compare two annotation files of one run, whatever their formats. A frame that DIALS leaves out has no spots.

    Parameters
    ----------
    file_a, file_b
        Annotation files, recognised by content.
    merge_maybe
        Merge Maybe with Hit, as DIALS knows no maybe.
    seed
        Of the bootstrap intervals.

    Raises
    ------
    AnnotationFormatError
        If a file cannot be read, or one of them does not number its frames.
    """
    files = [read_annotations(path) for path in (file_a, file_b)]
    count = max((_count(file) for file in files), default=0)
    labels = [_dense(file, count) for file in files]
    return agreement(labels[0], labels[1], merge_maybe=merge_maybe, seed=seed)


def _count(file: AnnotationFile) -> int:
    numbers = [entry.number for entry in file.annotations]
    if None in numbers:
        raise AnnotationFormatError(
            f"the file does not number its frames. Received: {file.path}. Import it into a store and compare there."
        )
    count = 1 + max((number for number in numbers if number is not None), default=-1)
    if count > _LARGEST_RUN:
        raise AnnotationFormatError(
            f"no run has that many frames. Received: {file.path}, which numbers a frame {count}. Correct it."
        )
    return count


def _dense(file: AnnotationFile, count: int) -> NDArray[np.int8]:
    absent = UNLABELLED if file.absent is None or file.absent.label is None else file.absent.label
    labels = np.full(count, absent, np.int8)
    for entry in file.annotations:
        if entry.number is not None and entry.label is not None:
            labels[entry.number] = entry.label
    return labels


def _measure(given: NDArray[np.int64], merge_maybe: bool, seed: int, resamples: int) -> Agreement:
    # adding rows 1 and 2, and columns 1 and 2, merges Maybe with Hit
    table = np.add.reduceat(np.add.reduceat(given, [0, 1], axis=0), [0, 1], axis=1) if merge_maybe else given
    classes = ("Miss", "Hit or Maybe") if merge_maybe else _LABELS
    n = int(table.sum())
    draws = (
        np.random.default_rng(seed).multinomial(n, table.ravel() / n, size=resamples)
        if n
        else np.zeros((0, table.size), int)
    )
    tables = np.concatenate([table[None], draws.reshape(-1, *table.shape)]).astype(float)

    def estimate(measure: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Estimate:
        with np.errstate(invalid="ignore", divide="ignore"):
            return _with_interval(measure(tables))

    per_class = {name: estimate(lambda t, c=c: _class_agreement(t, c)) for c, name in enumerate(classes)}  # type: ignore[misc]
    return Agreement(
        estimate(_raw),
        estimate(lambda t: _kappa(t, power=0)),
        estimate(lambda t: _kappa(t, power=2)),
        estimate(lambda t: _ordinal_alpha(t + t.transpose(0, 2, 1))),
        per_class,
        n,
        given,
        classes,
    )


def _with_interval(values: NDArray[np.float64]) -> Estimate:
    if not np.isfinite(values[0]):
        return Estimate(None)
    defined = values[1:][np.isfinite(values[1:])]
    if defined.size == 0:
        return Estimate(float(values[0]))
    low, high = np.quantile(defined, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(float(values[0]), float(low), float(high))


def _raw(tables: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.trace(tables, axis1=1, axis2=2) / tables.sum(axis=(1, 2)))


def _class_agreement(tables: NDArray[np.float64], c: int) -> NDArray[np.float64]:
    return np.asarray(2 * tables[:, c, c] / (tables[:, c, :].sum(axis=1) + tables[:, :, c].sum(axis=1)))


def _kappa(tables: NDArray[np.float64], power: int) -> NDArray[np.float64]:
    """Cohen (1960, 1968): 1 - sum(w o) / sum(w e), o observed, e expected from the margins; power 0 = unweighted."""
    size = tables.shape[1]
    distance = np.abs(np.subtract.outer(np.arange(size), np.arange(size))).astype(float)
    weights = (distance > 0).astype(float) if power == 0 else distance**power
    expected = tables.sum(axis=2)[:, :, None] * tables.sum(axis=1)[:, None, :] / tables.sum(axis=(1, 2))[:, None, None]
    return np.asarray(1 - (weights * tables).sum(axis=(1, 2)) / (weights * expected).sum(axis=(1, 2)))


def _ordinal_alpha(coincidence: NDArray[np.float64]) -> NDArray[np.float64]:
    """Krippendorff (2011): 1 - D_o / D_e over tables of coincidences, shape (tables, k, k), with the ordinal metric.

    The squared distance of classes c < k is (sum of the frequencies from c to k - half of those at both ends) squared.
    """
    frequency = coincidence.sum(axis=2)
    cumulative = np.cumsum(frequency, axis=1) - frequency / 2
    distance = (cumulative[:, :, None] - cumulative[:, None, :]) ** 2
    total = frequency.sum(axis=1)
    pairs = frequency[:, :, None] * frequency[:, None, :] / (total - 1)[:, None, None]
    return np.asarray(1 - (distance * coincidence).sum(axis=(1, 2)) / (distance * pairs).sum(axis=(1, 2)))


def alpha_of_many(votes: Mapping[str, ArrayLike], *, seed: int = 0, resamples: int = _RESAMPLES) -> Estimate:
    """Compute Krippendorff's ordinal alpha over any number of annotators, who need not have labelled the same frames.

    Parameters
    ----------
    votes
        Labels of each annotator, shape (n,) each, ``UNLABELLED`` where there is none: `LabelStore.votes_for`.
    seed
        Of the bootstrap over frames.
    resamples
        Number of bootstrap draws.
    """
    if len(votes) < 2:
        return Estimate(None)
    table = np.stack([np.asarray(labels) for labels in votes.values()])
    counts = np.stack([(table == label).sum(axis=0) for label in Label], axis=1)
    counts = counts[counts.sum(axis=1) > 1]  # a frame with one vote compares nothing
    if not len(counts):
        return Estimate(None)
    ballots, frames = np.unique(counts, axis=0, return_counts=True)
    # pairs of votes within a frame, each frame weighing as many votes as it has
    pairs = ballots[:, :, None] * ballots[:, None, :] - ballots[:, :, None] * np.eye(len(Label))
    pairs = pairs / (ballots.sum(axis=1) - 1)[:, None, None]
    draws = np.random.default_rng(seed).multinomial(frames.sum(), frames / frames.sum(), size=resamples)
    weights = np.concatenate([frames[None], draws]).astype(float)
    with np.errstate(invalid="ignore", divide="ignore"):
        return _with_interval(_ordinal_alpha(np.tensordot(weights, pairs, axes=1)))
