"""Where a model comes from, as plain JSON-ready data: which frames, which labels, which versions."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import numpy as np

from sfx_label.errors import BundleError
from sfx_label.labels.scheme import HIT_SPOTS, MAYBE_SPOTS, SCHEME_VERSION, UNLABELLED, Label

if TYPE_CHECKING:
    from sfx_label.frames.sequence import FrameKey
    from sfx_label.models.dataset import Dataset
    from sfx_label.models.method import Job

__all__ = [
    "LABEL_SCHEME",
    "describe_data",
    "describe_training",
    "group_keys",
    "keys_from_groups",
    "now",
    "plain",
    "versions",
]

LABEL_SCHEME: Mapping[str, Any] = {
    "name": SCHEME_VERSION,
    "classes": ["miss", "maybe", "hit"],
    "positive": ["maybe", "hit"],
    "spots": {"hit": HIT_SPOTS, "maybe": MAYBE_SPOTS},
}


def group_keys(keys: Iterable[FrameKey]) -> list[dict[str, Any]]:
    """Write frame keys as one entry per file and data set, with the list of indices; no paths are kept."""
    groups: dict[tuple[str, str], list[int]] = {}
    for key in keys:
        groups.setdefault((key.fingerprint, key.dataset), []).append(int(key.index))
    return [
        {"fingerprint": fingerprint, "dataset": dataset, "indices": sorted(indices)}
        for (fingerprint, dataset), indices in sorted(groups.items())
    ]


def keys_from_groups(groups: Sequence[Mapping[str, Any]]) -> frozenset[FrameKey]:
    """Turn what `group_keys` wrote back into keys.

    Raises
    ------
    BundleError
        If an entry is not of that form.
    """
    from sfx_label.frames.sequence import FrameKey

    try:
        return frozenset(
            FrameKey(fingerprint=str(group["fingerprint"]), dataset=str(group["dataset"]), index=int(index))
            for group in groups
            for index in group["indices"]
        )
    except (TypeError, KeyError, ValueError) as error:
        raise BundleError(
            f"The frame keys in the bundle's provenance are damaged ({error}); copy the bundle again."
        ) from error


def describe_data(data: Dataset | None) -> dict[str, Any]:
    """Return name, number of frames per label and file fingerprints of a data set."""
    if data is None:
        return {"name": "", "n": 0, "labels": {}, "fingerprints": []}
    values, counts = np.unique(data.y, return_counts=True)
    names = {UNLABELLED: "unlabelled", **{int(label): label.name.lower() for label in Label}}
    return {
        "name": data.name,
        "n": len(data),
        "labels": {names[int(value)]: int(count) for value, count in zip(values, counts, strict=True)},
        "fingerprints": sorted({key.fingerprint for key in data.keys}),
    }


def describe_training(
    job: Job, started: str, extra: Mapping[str, Any], *, packages: Sequence[str] = (), ended: str = "finished"
) -> dict[str, Any]:
    """Return the provenance of a training: data, keys, label budget, options, seed, times and versions.

    Parameters
    ----------
    job
        What was trained.
    started
        Time of the start, from `now`.
    extra
        What only this method knows; overrides equal names.
    packages
        Packages whose versions matter, beside numpy and sfx-label.
    ended
        Why it ended: ``"finished"``, ``"early stopping"`` or ``"stopped"``.
    """
    validation = job.validation
    ending = now()
    budget = {"train": len(job.train), "validation": 0 if validation is None else len(validation)}
    return {
        "train": describe_data(job.train),
        "validation": describe_data(validation),
        "training_keys": group_keys(job.train.keys),
        "validation_keys": group_keys(validation.keys if validation is not None else ()),
        "label_budget": {**budget, "total": sum(budget.values())},
        "options": {name: plain(value) for name, value in job.options.items()},
        "seed": job.seed,
        "device": job.device,
        "started": started,
        "finished": ending,
        "seconds": (datetime.fromisoformat(ending) - datetime.fromisoformat(started)).total_seconds(),
        "ended": ended,
        "versions": versions(*packages),
        **extra,
    }


def plain(value: Any) -> Any:
    """Return an option as JSON can hold it; a data set by its name, a bundle by its digest."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(name): plain(item) for name, item in value.items()}
    return str(getattr(value, "digest", "") or getattr(value, "name", "") or type(value).__name__)


def versions(*packages: str) -> dict[str, str]:
    """Return the versions of Python, sfx-label and the named packages."""
    found = {"python": platform.python_version()}
    for package in ("sfx-label", "numpy", *packages):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "unknown"
    return found


def now() -> str:
    """Return the time as ISO 8601 in UTC, to the millisecond."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")
