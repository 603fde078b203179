"""What a model is worth on labelled frames that it has not seen, and what it cost in labels.

:func:`~sfx_label.results.evaluation.evaluate_scores` takes plain arrays and needs no model; :func:`evaluate` brings a
bundle and a run to it and refuses frames that the bundle has seen.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from sfx_label.errors import LeakError
from sfx_label.results.evaluation import CLASSES, Evaluation, LabelBudget, evaluate_scores
from sfx_label.results.intervals import Interval, Rate, wilson

if TYPE_CHECKING:
    from sfx_label.frames.sequence import FrameKey, Frames
    from sfx_label.labels.store import LabelStore
    from sfx_label.models.bundle import ModelBundle
    from sfx_label.models.dataset import Dataset

    Labelled: TypeAlias = Dataset | tuple[Frames, LabelStore]

__all__ = [
    "CLASSES",
    "Evaluation",
    "Interval",
    "LabelBudget",
    "Rate",
    "evaluate",
    "evaluate_scores",
    "label_budget",
    "wilson",
]


def label_budget(bundle: ModelBundle, tested: Iterable[FrameKey] = ()) -> LabelBudget:
    """Return the labels that went into a bundle, by what they were used for.

    Parameters
    ----------
    bundle
        Any trained model; its provenance names the frames of training, validation and audit.
    tested
        Frames that the model is tested on. Labels of frames in other files count as labels of other runs; without
        ``tested`` all labels count as of the run itself.
    """
    files = {key.fingerprint for key in tested}
    counts = {name: _count_keys(bundle, f"{name}_keys") for name in ("training", "validation", "audit", "base")}
    per_file = sum((counts[name] for name in ("training", "validation", "audit")), Counter[str]())
    return LabelBudget(
        train=counts["training"].total(),
        validation=counts["validation"].total(),
        audit=counts["audit"].total(),
        other_runs=sum(n for file, n in per_file.items() if files and file not in files),
        base=counts["base"].total(),
    )


def _count_keys(bundle: ModelBundle, name: str) -> Counter[str]:
    """Count the frames of one entry of the provenance by file, as :func:`group_keys` writes them."""
    groups: Sequence[Mapping[str, Any]] = bundle.provenance.get(name, ())
    counts: Counter[str] = Counter()
    for group in groups:
        counts[str(group["fingerprint"])] += len(group["indices"])
    return counts


def evaluate(
    bundle: ModelBundle,
    data: Labelled,
    *,
    allow_seen: bool = False,
    exclude_seen: bool = False,
    annotator: str | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Test a model on labelled frames.

    Parameters
    ----------
    bundle
        The model; its own operating point is used.
    data
        A data set, or frames with a label store.
    allow_seen
        Count frames of the model's training and validation too. The figures then say how well it fits, not how well
        it will do.
    exclude_seen
        Leave such frames out and report how many.
    annotator
        Whose labels, when ``data`` is frames with a store; the current ones of all by default.
    progress
        Called with frames done and in all while frames are prepared.

    Raises
    ------
    LeakError
        If frames were seen in training or validation, and neither ``allow_seen`` nor ``exclude_seen`` was asked for.
    AnnotationFormatError
        If no labelled, usable frame is left.
    """
    dataset = _as_dataset(bundle, data, annotator, progress)
    seen = bundle.seen_keys
    fresh = np.array([key not in seen for key in dataset.keys], dtype=bool)
    excluded = 0 if allow_seen else int((~fresh).sum())
    if excluded and not exclude_seen:
        raise LeakError(
            f"{excluded} of {len(fresh)} frames were used to train or validate this model ({bundle.method}). Leave "
            "them out with exclude_seen=True, or test on another run."
        )
    if excluded:
        dataset = dataset[np.flatnonzero(fresh)]
    return evaluate_scores(
        dataset.y,
        bundle.predict(dataset) if len(dataset) else np.zeros(0),
        bundle.threshold,
        keys=dataset.keys,
        budget=label_budget(bundle, dataset.keys),
        excluded=excluded,
        method=bundle.method,
        run=dataset.name,
        seed=_seed(bundle),
    )


def _as_dataset(
    bundle: ModelBundle, data: Labelled, annotator: str | None, progress: Callable[[int, int], None] | None
) -> Dataset:
    if not isinstance(data, tuple):
        return data
    from sfx_label.models.dataset import build_dataset

    frames, store = data
    return build_dataset(frames, store, bundle.preprocessing, annotator=annotator, progress=progress)


def _seed(bundle: ModelBundle) -> int | None:
    seed = bundle.provenance.get("seed")
    return None if seed is None else int(seed)
