"""Features of frames on a plane (t-SNE or UMAP), as in the paper's Fig. 9, with every point still tied to its frame."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import AnnotationFormatError, SfxLabelError
from sfx_label.labels.scheme import UNLABELLED
from sfx_label.results.overlap import Overlap, overlap, reduce_features

if TYPE_CHECKING:
    import pandas as pd

    from sfx_label.frames.sequence import FrameKey, Frames
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.dataset import Dataset

    Source: TypeAlias = Dataset | Frames

__all__ = ["Embedding", "Features", "embed", "extract_features", "overlap", "place"]

View = Literal["tsne", "umap"]
PERPLEXITY = 30.0  # scikit-learn's default, which the paper used (its version 1.0.2)


@dataclass(frozen=True, eq=False)
class Features:
    """What a model sees in the frames of one or more runs.

    Parameters
    ----------
    values
        (n, d) output of the model's base; rows of unusable frames are left out.
    y
        (n,) labels, ``UNLABELLED`` where unknown.
    domain
        (n,) which run each frame is of: 0 for the source, 1 for the target, ...
    keys
        The frames.
    names
        Name of each run.
    dropped
        Frames left out because the model could not use them.
    """

    values: NDArray[np.float32]
    y: NDArray[np.int8]
    domain: NDArray[np.int8]
    keys: tuple[FrameKey, ...]
    names: tuple[str, ...]
    dropped: int = 0

    def overlap(self, *, seed: int = 0, draws: int = 500) -> Overlap:
        """Measure how far the first two runs overlap, for all frames and by class.

        Parameters
        ----------
        seed, draws
            As in :func:`~sfx_label.results.overlap.overlap`.

        Raises
        ------
        AnnotationFormatError
            If there is only one run.
        """
        if len(self.names) < 2:
            raise AnnotationFormatError(
                f"Overlap needs a source and a target; received only {self.names}. Pass two runs."
            )
        sides = [self.domain == side for side in (0, 1)]
        labels = [self.y[side] for side in sides]
        known = all((part != UNLABELLED).any() for part in labels)
        values = [self.values[side] for side in sides]
        return overlap(values[0], values[1], *(labels if known else ()), seed=seed, draws=draws)


@dataclass(frozen=True, eq=False)
class Embedding:
    """Points on a plane, one a frame. Made by :func:`embed`.

    Parameters
    ----------
    points
        (n, 2) positions; only nearness has a meaning, axes and scale have none.
    features
        What was embedded, with labels, runs and keys in the same order.
    method, seed
        How.
    seconds
        Time that it took; 0 when it came from the cache.
    """

    points: NDArray[np.float32]
    features: Features
    method: str
    seed: int
    seconds: float = 0.0

    def __len__(self) -> int:
        return len(self.points)

    @property
    def y(self) -> NDArray[np.int8]:
        """(n,) labels."""
        return self.features.y

    @property
    def domain(self) -> NDArray[np.int8]:
        """(n,) run of each point."""
        return self.features.domain

    @property
    def keys(self) -> tuple[FrameKey, ...]:
        """The frame of each point."""
        return self.features.keys

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each run."""
        return self.features.names

    def inside(self, polygon: Sequence[tuple[float, float]]) -> NDArray[np.intp]:
        """Return the points inside a lasso.

        Parameters
        ----------
        polygon
            Corners (x, y) in order; the last is joined to the first.
        """
        corners = np.asarray(polygon, dtype=float)
        x, y = self.points[:, :1].astype(float), self.points[:, 1:].astype(float)
        (x1, y1), (x2, y2) = corners.T, np.roll(corners, -1, axis=0).T
        spans = (y1 > y) != (y2 > y)  # edges that cross the height of the point
        with np.errstate(divide="ignore", invalid="ignore"):
            left = x < (x2 - x1) * (y - y1) / (y2 - y1) + x1
        return np.flatnonzero((spans & left).sum(axis=1) % 2)

    def to_frame(self) -> pd.DataFrame:
        """Return x, y, run, label and frame of each point."""
        import pandas as pd

        names = np.array(self.names, dtype=object)
        columns = {"x": self.points[:, 0], "y": self.points[:, 1], "run": names[self.domain], "label": self.y}
        return pd.DataFrame({**columns, "frame": [str(key) for key in self.keys]})


def extract_features(bundle: ModelBundle, data: Source | Sequence[Source]) -> Features:
    """Return what a model's base makes of the frames of one or more runs.

    Parameters
    ----------
    bundle
        The model.
    data
        A data set or frames, or several: the source first, then the target.

    Raises
    ------
    AnnotationFormatError
        If no frame can be used.
    """
    runs: list[Source] = list(data) if isinstance(data, list | tuple) else [cast("Source", data)]
    values = [np.asarray(bundle.embed(run), dtype=np.float32) for run in runs]
    usable = [np.asarray(np.isfinite(part).all(axis=1)) for part in values]
    if not sum(int(use.sum()) for use in usable):
        raise AnnotationFormatError(f"No usable frame in {[run.name for run in runs]}; check preprocessing and mask.")
    return Features(
        values=np.concatenate([part[use] for part, use in zip(values, usable, strict=True)]),
        y=np.concatenate([_labels(run)[use] for run, use in zip(runs, usable, strict=True)]),
        domain=np.concatenate([np.full(use.sum(), at, dtype=np.int8) for at, use in enumerate(usable)]),
        keys=tuple(
            key for run, use in zip(runs, usable, strict=True) for key, is_ in zip(run.keys, use, strict=True) if is_
        ),
        names=tuple(run.name for run in runs),
        dropped=sum(int((~use).sum()) for use in usable),
    )


def _labels(run: Source) -> NDArray[np.int8]:
    labels = getattr(run, "y", None)
    return np.full(len(run), UNLABELLED, dtype=np.int8) if labels is None else np.asarray(labels, dtype=np.int8)


def embed(
    bundle: ModelBundle,
    data: Source | Sequence[Source],
    method: View = "tsne",
    seed: int = 0,
    *,
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Embedding:
    """Put the frames of one or more runs on a plane, near each other where the model sees them alike.

    Parameters
    ----------
    bundle
        The model.
    data
        A data set or frames, or several: the source first, then the target.
    method
        ``"tsne"`` as in the paper, or ``"umap"``.
    seed
        Same seed and features, same picture.
    cache
        Folder that keeps pictures between sessions.
    progress
        Called after each of the three steps: features, reduction, plane.

    Raises
    ------
    SfxLabelError
        If the method is unknown or fewer than five frames can be used.
    """
    tell = progress or (lambda done, total: None)
    features = extract_features(bundle, data)
    tell(1, 3)
    started = time.perf_counter()
    points, cached = place(features.values, method, seed, cache=cache, progress=lambda done, total: tell(1 + done, 3))
    return Embedding(points, features, method, seed, 0.0 if cached else time.perf_counter() - started)


def place(
    values: NDArray[Any],
    method: View = "tsne",
    seed: int = 0,
    *,
    cache: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[NDArray[np.float32], bool]:
    """Return (n, 2) positions of (n, d) features, and whether they came from the cache.

    Parameters
    ----------
    values
        Finite features.
    method, seed, cache
        As in :func:`embed`.
    progress
        Called after reduction and after placing.

    Raises
    ------
    SfxLabelError
        If the method is unknown or there are fewer than five frames.
    """
    if method not in ("tsne", "umap"):
        raise SfxLabelError(f"No view {method!r}; choose 'tsne' or 'umap'.")
    if len(values) < 5:
        raise SfxLabelError(f"A view needs at least five frames; received {len(values)}. Take more of the run.")
    file = _cache_file(cache, values, method, seed)
    if file is not None and file.exists():
        return np.asarray(np.load(file, allow_pickle=False), dtype=np.float32), True
    tell = progress or (lambda done, total: None)
    reduced = reduce_features(values, seed=seed)
    tell(1, 2)
    points = (_tsne if method == "tsne" else _umap)(reduced, seed)
    tell(2, 2)
    if file is not None:
        _write(file, points)
    return points, False


def _tsne(values: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    from sklearn.manifold import TSNE

    perplexity = min(PERPLEXITY, (len(values) - 1) / 3)
    start: Any = "pca" if values.shape[1] > 1 else "random"
    model = TSNE(2, perplexity=perplexity, init=start, learning_rate="auto", random_state=seed)
    return np.asarray(model.fit_transform(values), dtype=np.float32)


def _umap(values: NDArray[np.float64], seed: int) -> NDArray[np.float32]:
    from umap import UMAP

    # a spectral start needs more frames than neighbours; n_jobs=1 is what a seed asks for
    few = len(values) < 30
    model = UMAP(
        n_neighbors=min(15, len(values) - 1), init="random" if few else "spectral", random_state=seed, n_jobs=1
    )
    return np.asarray(model.fit_transform(values), dtype=np.float32)


def _cache_file(cache: str | Path | None, values: NDArray[Any], method: str, seed: int) -> Path | None:
    if cache is None:
        return None
    head = json.dumps([method, seed, list(values.shape), str(values.dtype)]).encode()
    return Path(cache) / f"view-{hashlib.sha256(head + np.ascontiguousarray(values).tobytes()).hexdigest()[:24]}.npy"


def _write(file: Path, points: NDArray[np.float32]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(f".{os.getpid()}.tmp")
    with draft.open("wb") as out:
        np.save(out, points, allow_pickle=False)
    draft.replace(file)
