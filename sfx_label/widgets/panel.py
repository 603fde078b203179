"""What the JupyterLab extension runs in the kernel of a panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sfx_label.errors import LabelStoreError
from sfx_label.frames.open import open_frames
from sfx_label.labels.store import LabelStore
from sfx_label.widgets.labeller import Labeller
from sfx_label.widgets.viewer import FrameViewer

__all__ = ["open_panel"]

_LABELLER_ONLY = ("target", "blind")


def open_panel(run: str, labels: str | None, *, annotator: str | None = None, **options: Any) -> FrameViewer:
    """Open a run for labelling, or for looking only.

    Parameters
    ----------
    run
        The run; empty to open the one that `labels` was last used for.
    labels
        The label store, which the user has agreed to make if it is absent; None for looking only.
    annotator
        Who labels; default the login name.
    **options
        As for `Labeller`.

    Raises
    ------
    LabelStoreError
        If no run is given and the store does not know of one that is still there.
    """
    if labels is None:
        shown = {name: value for name, value in options.items() if name not in _LABELLER_ONLY}
        return FrameViewer(open_frames(run), **{**shown, "order": "file"})
    store = LabelStore.open(labels, create=bool(run), annotator=annotator)
    return Labeller(open_frames(run or _run_of(store)), store, **options)


def _run_of(store: LabelStore) -> str:
    """Find the run whose frames were labelled last, where it was or beside the store."""
    for event in reversed(store.events()):
        for path in (Path(event.key.path), store.path.parent / Path(event.key.path).name):
            if path.is_file():
                return str(path)
    raise LabelStoreError(
        f"{store.path.name} does not say which run it belongs to, or that run is not there any more. "
        "Open the run itself: its labels are found beside it."
    )
