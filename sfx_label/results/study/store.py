"""Finished cells on disk: one JSON file each, committed as a whole or not at all."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from sfx_label.errors import SfxLabelError
from sfx_label.frames.sequence import FrameKey
from sfx_label.results.evaluation import Evaluation, LabelBudget

__all__ = ["CellStore", "Outcome", "write_json"]

LAYOUT = 1  # number of the file layout; raised when old cells can no longer be read


@dataclass(frozen=True, eq=False)
class Outcome:
    """What came out of a cell.

    Parameters
    ----------
    evaluation
        Labels, scores and operating point; ``None`` if the cell could not be done.
    failure
        Why not, such as a class with too few labels.
    costs
        ``train_seconds``, ``predict_per_second`` (prepared inputs), ``frames_per_second`` (from the file), and
        ``peak_megabytes`` of memory while training.
    model
        Digest of the bundle.
    device
        What it was trained on.
    """

    evaluation: Evaluation | None
    failure: str = ""
    costs: Mapping[str, float | None] = field(default_factory=dict)
    model: str = ""
    device: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return everything, JSON-ready."""
        rest = {"failure": self.failure, "costs": dict(self.costs), "model": self.model, "device": self.device}
        return {**rest, "evaluation": None if self.evaluation is None else _pack(self.evaluation)}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Outcome:
        """Make an outcome from what :meth:`to_dict` gave.

        Parameters
        ----------
        entry
            One parsed file.
        """
        packed = entry["evaluation"]
        return cls(
            evaluation=None if packed is None else _unpack(packed),
            failure=str(entry["failure"]),
            costs=dict(entry["costs"]),
            model=str(entry["model"]),
            device=str(entry["device"]),
        )


@dataclass(frozen=True)
class CellStore:
    """A folder of finished cells."""

    folder: Path

    def path(self, digest: str) -> Path:
        """Return where a cell's file lies, or will lie.

        Parameters
        ----------
        digest
            Of the cell.
        """
        return self.folder / f"{digest}.json"

    def load(self, digest: str) -> Outcome | None:
        """Return a finished cell, or ``None`` if it is not finished.

        Parameters
        ----------
        digest
            Of the cell.

        Raises
        ------
        SfxLabelError
            If the file is damaged.
        """
        path = self.path(digest)
        if not path.exists():
            return None
        try:
            entry = json.loads(path.read_text(encoding="utf-8"))
            return Outcome.from_dict(entry["outcome"]) if entry["layout"] == LAYOUT else None
        except (ValueError, KeyError, TypeError, IndexError) as error:
            raise SfxLabelError(
                f"The finished cell {path} is damaged ({error}); delete it to have it done again."
            ) from error

    def save(self, digest: str, outcome: Outcome, about: Mapping[str, Any]) -> None:
        """Commit a cell.

        Parameters
        ----------
        digest, outcome
            Name and result.
        about
            What the cell is, for people who open the file.
        """
        write_json(self.path(digest), {"layout": LAYOUT, **about, "outcome": outcome.to_dict()})


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that is either the old one or the new one, even after a crash.

    Parameters
    ----------
    path
        The file.
    content
        Anything JSON can hold; NaN is refused.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with draft.open("w", encoding="utf-8") as out:
        json.dump(content, out, allow_nan=False)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(path)


def _pack(evaluation: Evaluation) -> dict[str, Any]:
    """Keep keys as one list of files and, for each frame, file number and index; figures are kept for readers."""
    files = list(dict.fromkeys((key.fingerprint, key.dataset, key.path) for key in evaluation.keys))
    number = {file: at for at, file in enumerate(files)}
    return {
        "figures": evaluation.to_dict(),
        "y": evaluation.y.tolist(),
        "scores": evaluation.scores.tolist(),
        "files": [list(file) for file in files],
        "file": [number[key.fingerprint, key.dataset, key.path] for key in evaluation.keys],
        "index": [key.index for key in evaluation.keys],
        "event": [key.event for key in evaluation.keys],
        "budget": asdict(evaluation.budget),
    }


def _unpack(entry: Mapping[str, Any]) -> Evaluation:
    figures, files = entry["figures"], entry["files"]
    keys = zip(entry["file"], entry["index"], entry["event"], strict=True)
    return Evaluation(
        y=np.array(entry["y"], dtype=np.int8),
        scores=np.array(entry["scores"], dtype=np.float64),
        threshold=float(figures["threshold"]),
        keys=tuple(FrameKey(files[at][0], files[at][1], index, files[at][2], event) for at, index, event in keys),
        budget=LabelBudget(**entry["budget"]),
        excluded=int(figures["excluded"]),
        unusable=int(figures["unusable"]),
        method=figures["method"],
        run=figures["run"],
        seed=figures["seed"],
    )
