"""The paper's whole study on any annotated runs, with what the paper leaves out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sfx_label.results.study.outcome import Study as Study
    from sfx_label.results.study.recipes import Sizes as Sizes
    from sfx_label.results.study.run import run_study as run_study
    from sfx_label.results.study.runs import StudyRun as StudyRun

_ROOMS = {"Sizes": "recipes", "Study": "outcome", "StudyRun": "runs", "run_study": "run"}

__all__ = [*_ROOMS]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'sfx_label.results.study' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"sfx_label.results.study.{_ROOMS[name]}"), name)
