"""The state of a training on disk after each epoch, from which it goes on as if it had never stopped."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import TrainingError
from sfx_label.models.bundle_file import canonical_json
from sfx_label.models.provenance import group_keys, plain

if TYPE_CHECKING:
    from sfx_label.models.dataset import Dataset
    from sfx_label.models.method import Job

__all__ = ["TrainingState", "describe_job", "load_state", "save_state"]

STATE_FILE = "training.safetensors"
_NOT_PART_OF_THE_RESULT = ("checkpoint", "resume")


@dataclass
class TrainingState:
    """Where a training stands after an epoch.

    Parameters
    ----------
    arrays
        Weights, optimiser variables and best weights so far, by name.
    epoch
        Epochs done.
    best
        Best value of the monitored curve, and its epoch.
    history
        Curves so far.
    """

    arrays: dict[str, NDArray[Any]]
    epoch: int
    best: tuple[float, int]
    history: list[dict[str, float]] = field(default_factory=list)


def describe_job(method: str, job: Job) -> dict[str, str]:
    """Return a digest of each thing that the result depends on, so that a resume with another one is refused."""
    parts: dict[str, Any] = {"method": method, "seed": job.seed, "training data": _data_digest(job.train)}
    parts["validation data"] = _data_digest(job.validation)
    for name, value in job.options.items():
        if name not in _NOT_PART_OF_THE_RESULT:
            parts[f"option {name}"] = (
                _data_digest(value) if hasattr(value, "keys") and hasattr(value, "X") else plain(value)
            )
    return {name: hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16] for name, value in parts.items()}


def save_state(folder: Path, state: TrainingState, job: Mapping[str, str]) -> None:
    """Write the state under a temporary name and move it into place: the last complete epoch is always there.

    Raises
    ------
    TrainingError
        If the disk refuses.
    """
    from safetensors.numpy import save

    text = json.dumps({"job": dict(job), "epoch": state.epoch, "best": list(state.best), "history": state.history})
    content = save({name: np.asarray(value, order="C") for name, value in state.arrays.items()}, {"state": text})
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(prefix=".training-", suffix=".tmp", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, folder / STATE_FILE)
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary)
    except OSError as error:
        raise TrainingError(
            f"Cannot write the checkpoint in {folder}: {error}; free space or choose another folder."
        ) from error


def load_state(folder: Path, job: Mapping[str, str]) -> TrainingState | None:
    """Return the state that was saved for this very training, None where there is none.

    Raises
    ------
    TrainingError
        If the checkpoint is damaged or belongs to another training; the message says what differs.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / STATE_FILE
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            saved = json.loads((file.metadata() or {})["state"])
            arrays = {name: file.get_tensor(name) for name in list(file.keys())}
        best = (float(saved["best"][0]), int(saved["best"][1]))
        state = TrainingState(arrays, int(saved["epoch"]), best, list(saved["history"]))
        theirs = dict(saved["job"])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise TrainingError(
            f"The checkpoint {path} is damaged ({error}); delete it and train from the start."
        ) from error
    different = sorted(name for name in set(job) | set(theirs) if job.get(name) != theirs.get(name))
    if different:
        raise TrainingError(
            f"The checkpoint in {folder} belongs to another training: {', '.join(different)} differ. Use the settings"
            " and data"
            " that it was started with, or another folder."
        )
    return state


def _data_digest(data: Dataset | None) -> str:
    if data is None:
        return ""
    digest = hashlib.sha256(canonical_json([data.preprocessing.to_dict(), group_keys(data.keys)]).encode())
    digest.update(data.y.tobytes())
    return digest.hexdigest()
