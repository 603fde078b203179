"""Label, train and screen serial femtosecond crystallography frames, in the browser tab beside the detector data.

The public names are handed out on first use, so ``import sfx_label`` stays quick and takes no TensorFlow.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfx_label.frames.open import open_frames as open_frames
    from sfx_label.frames.sequence import FrameKey as FrameKey
    from sfx_label.frames.sequence import Frames as Frames
    from sfx_label.labels.scheme import Label as Label
    from sfx_label.labels.store import LabelStore as LabelStore
    from sfx_label.models.bundle import ModelBundle as ModelBundle
    from sfx_label.models.dataset import build_dataset as build_dataset
    from sfx_label.models.training import train as train
    from sfx_label.preprocess.contrast import Preprocessing as Preprocessing
    from sfx_label.results.embedding import embed as embed
    from sfx_label.results.evaluate import evaluate as evaluate
    from sfx_label.results.tables import recall_table as recall_table
    from sfx_label.screening.run import screen as screen
    from sfx_label.widgets.app import Workbench as Workbench
    from sfx_label.widgets.labeller import Labeller as Labeller

_ROOMS = {
    "open_frames": "frames.open",
    "Frames": "frames.sequence",
    "FrameKey": "frames.sequence",
    "Label": "labels.scheme",
    "LabelStore": "labels.store",
    "Preprocessing": "preprocess.contrast",
    "build_dataset": "models.dataset",
    "train": "models.training",
    "ModelBundle": "models.bundle",
    "evaluate": "results.evaluate",
    "recall_table": "results.tables",
    "embed": "results.embedding",
    "screen": "screening.run",
    "Labeller": "widgets.labeller",
    "Workbench": "widgets.app",
}

__all__ = ["__version__", "study", *_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("sfx-label")
    if name == "study":
        return import_module("sfx_label.results.study")
    if name not in _ROOMS:
        raise AttributeError(f"module 'sfx_label' has no attribute {name!r}; public names: {', '.join(_ROOMS)}")
    return getattr(import_module(f"sfx_label.{_ROOMS[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
