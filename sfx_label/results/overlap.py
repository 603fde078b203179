"""How far two domains overlap in feature space, as numbers: a picture such as Fig. 9 can be read both ways.

Two measures, for all frames and for each class: how well a classifier tells source from target (0.5: not at all), and
the maximum mean discrepancy (0: same distribution).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.scheme import Label
from sfx_label.results.grid import Grid
from sfx_label.results.intervals import CONFIDENCE, Interval, area_under_curve

__all__ = ["ClassOverlap", "Overlap", "domain_auc", "mmd", "overlap", "reduce_features"]

COMPONENTS = 50  # principal components: enough for these features, and a linear classifier stays well posed
FOLDS = 5
FEWEST = 10  # frames of each domain below which a class is not measured
LARGEST = 1000  # frames of each domain beyond which a random sample is measured: kernels grow with the square


@dataclass(frozen=True)
class ClassOverlap:
    """Overlap of the frames of one class.

    Parameters
    ----------
    n_source, n_target
        Frames measured.
    domain_auc
        Area under the curve of a classifier of the domain, on frames it was not fitted to; 0.5 means full overlap.
    mmd
        Squared maximum mean discrepancy; 0 means the same distribution, and the unbiased estimate may fall below 0.
    """

    n_source: int
    n_target: int
    domain_auc: Interval
    mmd: Interval

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        numbers = {"domain_auc": self.domain_auc.to_dict(), "mmd": self.mmd.to_dict()}
        return {"n_source": self.n_source, "n_target": self.n_target, **numbers}


@dataclass(frozen=True)
class Overlap:
    """Overlap of source and target, for ``"all"`` frames and by class. Made by :func:`overlap`."""

    classes: Mapping[str, ClassOverlap]

    def __getitem__(self, name: str) -> ClassOverlap:
        return self.classes[name]

    def grid(self) -> Grid:
        """Return the figures as a table of text."""
        rows = tuple(
            ((name,), (f"{one.n_source} / {one.n_target}",), (_text(one.domain_auc, 3),), (_text(one.mmd, 4),))
            for name, one in self.classes.items()
        )
        notes = (
            "Domain AUC: how well source and target are told apart, 0.5 = not at all, 1 = entirely. MMD: 0 = the same.",
            "95 % intervals in brackets.",
        )
        return Grid("", (("class",), ("source / target",), ("domain AUC",), ("squared MMD",)), rows, notes)

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, JSON-ready."""
        return {name: one.to_dict() for name, one in self.classes.items()}

    def __str__(self) -> str:
        return self.grid().to_text()

    def _repr_html_(self) -> str:
        return self.grid().to_html()


def overlap(
    source: ArrayLike,
    target: ArrayLike,
    source_labels: ArrayLike | None = None,
    target_labels: ArrayLike | None = None,
    *,
    seed: int = 0,
    draws: int = 500,
) -> Overlap:
    """Measure how far the features of two runs overlap.

    Parameters
    ----------
    source, target
        (n, d) and (m, d) features of one model; rows with NaN are left out.
    source_labels, target_labels
        (n,) and (m,) labels; without them only ``"all"`` is measured.
    seed
        Of folds, sampling and bootstrap.
    draws
        Of the bootstrap.

    Raises
    ------
    AnnotationFormatError
        If features or labels do not fit each other.

    Notes
    -----
    Features are standardised and reduced to principal components over both domains together. Classes with fewer than
    10 frames in a domain are reported as not measured.
    """
    features = _checked(source, target, source_labels, target_labels)
    labels = [
        _labels_or_none(part, given) for part, given in zip(features, (source_labels, target_labels), strict=True)
    ]
    usable = [np.isfinite(part).all(axis=1) for part in features]
    reduced = reduce_features(
        np.concatenate([part[use] for part, use in zip(features, usable, strict=True)]), seed=seed
    )
    parts = np.split(reduced, [int(usable[0].sum())])
    classes = {"all": [np.ones(len(part), dtype=bool) for part in parts]}
    if labels[0] is not None and labels[1] is not None:
        kept = [labels[0][usable[0]], labels[1][usable[1]]]
        classes |= {label.name.lower(): [of == label for of in kept] for label in Label}
    rng = np.random.default_rng(seed)
    return Overlap(
        {name: _one_class(parts[0][of[0]], parts[1][of[1]], seed, draws, rng) for name, of in classes.items()}
    )


def _checked(
    source: ArrayLike, target: ArrayLike, source_labels: ArrayLike | None, target_labels: ArrayLike | None
) -> list[NDArray[np.float64]]:
    parts = [np.asarray(part, dtype=np.float64) for part in (source, target)]
    if any(part.ndim != 2 for part in parts) or parts[0].shape[1] != parts[1].shape[1]:
        raise AnnotationFormatError(
            f"Overlap needs (n, d) features of one model; received {parts[0].shape} and {parts[1].shape}. "
            "Use bundle.embed() of one bundle on both runs."
        )
    for part, labels, name in ((parts[0], source_labels, "source"), (parts[1], target_labels, "target")):
        if labels is not None and np.shape(labels) != (len(part),):
            raise AnnotationFormatError(
                f"{len(part)} {name} frames but labels of shape {np.shape(labels)}; pass one each."
            )
    return parts


def _labels_or_none(part: NDArray[np.float64], labels: ArrayLike | None) -> NDArray[np.int8] | None:
    return None if labels is None else np.asarray(labels, dtype=np.int8)


def _text(one: Interval, digits: int) -> str:
    if math.isnan(one.value):
        return "n/a"
    return f"{one.value:.{digits}f} ({one.low:.{digits}f} to {one.high:.{digits}f})"


def _one_class(
    source: NDArray[np.float64], target: NDArray[np.float64], seed: int, draws: int, rng: np.random.Generator
) -> ClassOverlap:
    if min(len(source), len(target)) < FEWEST:
        nothing = Interval(math.nan, math.nan, math.nan)
        return ClassOverlap(len(source), len(target), nothing, nothing)
    sampled = [part[np.sort(rng.permutation(len(part))[:LARGEST])] for part in (source, target)]
    return ClassOverlap(
        len(sampled[0]),
        len(sampled[1]),
        domain_auc(sampled[0], sampled[1], seed=seed),
        mmd(sampled[0], sampled[1], seed=seed, draws=draws),
    )


def reduce_features(features: NDArray[Any], *, components: int = COMPONENTS, seed: int = 0) -> NDArray[np.float64]:
    """Return standardised features, reduced to principal components where there are more columns.

    Parameters
    ----------
    features
        (n, d) finite numbers.
    components
        Columns to keep at most.
    seed
        Of the randomised decomposition.
    """
    values = np.asarray(features, dtype=np.float64)
    scale = values.std(axis=0)
    varying = scale > 0
    standard = (values[:, varying] - values[:, varying].mean(axis=0)) / scale[varying]
    keep = min(components, len(values))
    if standard.shape[1] <= keep:
        return np.asarray(standard, dtype=np.float64)
    from sklearn.decomposition import PCA

    return np.asarray(PCA(keep, svd_solver="randomized", random_state=seed).fit_transform(standard), dtype=np.float64)


def domain_auc(source: NDArray[np.float64], target: NDArray[np.float64], *, seed: int = 0) -> Interval:
    """Return how well a logistic regression tells target from source on frames it was not fitted to.

    Parameters
    ----------
    source, target
        (n, d) and (m, d) features.
    seed
        Of the folds.

    Notes
    -----
    The classifier two-sample test (Lopez-Paz and Oquab 2017, ICLR). The interval is that of an area under the curve for
    given scores; it does not hold the small extra noise of fitting the classifier.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    features = np.concatenate([source, target])
    domain = np.arange(len(features)) >= len(source)
    folds = StratifiedKFold(min(FOLDS, len(source), len(target)), shuffle=True, random_state=seed)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    return area_under_curve(cross_val_predict(model, features, domain, cv=folds, method="decision_function"), domain)


def mmd(source: NDArray[np.float64], target: NDArray[np.float64], *, seed: int = 0, draws: int = 500) -> Interval:
    """Return the unbiased squared maximum mean discrepancy with a bootstrap interval.

    Parameters
    ----------
    source, target
        (n, d) and (m, d) features.
    seed, draws
        Of the bootstrap over frames, each domain drawn by itself.

    Notes
    -----
    Gretton et al. (2012), J. Mach. Learn. Res. 13, 723, eq. (3): Gaussian kernel, its width the median distance of all
    pairs. A frame drawn twice is not compared with itself, or the bootstrap would be biased upwards.
    """
    from scipy.spatial.distance import pdist, squareform

    n, m = len(source), len(target)
    distances = squareform(pdist(np.concatenate([source, target])))
    width = float(np.median(distances[np.triu_indices(n + m, k=1)])) or 1.0
    kernel = np.exp(-(distances**2) / (2 * width**2))
    np.fill_diagonal(kernel, 0.0)
    rng = np.random.default_rng(seed)
    drawn = np.hstack([rng.multinomial(size, np.full(size, 1 / size), size=draws) for size in (n, m)])
    weights = np.vstack([np.ones(n + m), drawn])
    values = _weighted_mmd(kernel, weights, n)
    low, high = np.quantile(values[1:], [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Interval(float(values[0]), float(low), float(high))


def _weighted_mmd(kernel: NDArray[np.float64], weights: NDArray[np.float64], n: int) -> NDArray[np.float64]:
    """Return one value a row of weights; the diagonal of the kernel is zero."""
    own, other = weights[:, :n], weights[:, n:]
    within = [
        np.einsum("ij,ij->i", part @ kernel[at, at], part) / (part.sum(axis=1) ** 2 - (part**2).sum(axis=1))
        for part, at in ((own, slice(0, n)), (other, slice(n, None)))
    ]
    between = np.einsum("ij,ij->i", own @ kernel[:n, n:], other) / (own.sum(axis=1) * other.sum(axis=1))
    return np.asarray(within[0] + within[1] - 2 * between, dtype=np.float64)
