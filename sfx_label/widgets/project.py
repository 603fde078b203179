"""A project: runs, label store, models and where one was, in a folder with one small file. No widgets here."""

from __future__ import annotations

import json
import os
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sfx_label.errors import FileLayoutError
from sfx_label.frames.open import open_frames
from sfx_label.frames.sequence import Frames
from sfx_label.labels.store import LabelStore
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.recipe import LabelledRun
from sfx_label.results.registry import ModelEntry, ModelRegistry

__all__ = ["SUFFIX", "Project"]

SUFFIX = ".sfxproject"
VERSION = 1
LARGEST = 1_000_000  # bytes; a project file is a page of text


class Project:
    """What the workbench works on; made by `Project.open`.

    The file ``NAME.sfxproject`` holds paths and choices only. Labels lie in ``NAME.labels``, the list of models in
    ``NAME.models``, and the models themselves in the folder ``NAME-models``, all beside it.

    Parameters
    ----------
    path
        The project file.
    state
        Its content.
    annotator
        Who labels; by default the login name.
    """

    def __init__(self, path: Path, state: Mapping[str, Any], annotator: str | None = None) -> None:
        self.path = path
        self.runs: list[str] = [str(run) for run in state.get("runs", [])]
        self.view: dict[str, Any] = dict(state.get("view", {}))
        self._lock = threading.RLock()
        self._frames: dict[str, Frames] = {}
        self._bundles: dict[str, ModelBundle] = {}
        self.store = LabelStore.open(path.with_suffix(".labels"), create=True, annotator=annotator)
        self.registry = ModelRegistry.open(path.with_suffix(".models"), create=True)

    @classmethod
    def open(cls, path: str | Path, *, create: bool = False, annotator: str | None = None) -> Self:
        """Open a project.

        Parameters
        ----------
        path
            Its file; the ending ``.sfxproject`` may be left out.
        create
            Begin one if there is none.
        annotator
            Under whose name labels are kept.

        Raises
        ------
        FileLayoutError
            If there is none and none may be begun, or the file is not a project.
        """
        file = Path(path).with_suffix(SUFFIX)
        if not file.exists():
            if not create:
                raise FileLayoutError(f"no project at {file}. Check the path, or pass create=True to begin one.")
            file.parent.mkdir(parents=True, exist_ok=True)
            project = cls(file, {}, annotator)
            project.save()
            return project
        return cls(file, _read(file), annotator)

    def save(self) -> None:
        """Write the project file, whole or not at all."""
        text = json.dumps({"version": VERSION, "runs": self.runs, "view": self.view}, indent=1)
        with self._lock:
            handle, temporary = tempfile.mkstemp(dir=self.path.parent, prefix=f".{self.path.name}.")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text + "\n")
            os.replace(temporary, self.path)

    def add_run(self, path: str | Path) -> Frames:
        """Open a run and keep it in the project; errors are those of `open_frames`."""
        name = str(path)
        frames = self.frames(name)
        if name not in self.runs:
            self.runs.append(name)
            self.save()
        return frames

    def remove_run(self, path: str) -> None:
        """Take a run out of the project; its labels stay in the store."""
        self.runs = [run for run in self.runs if run != path]
        self.save()

    def frames(self, run: str) -> Frames:
        """Return the frames of a run, opened once; a relative path is meant from the project's folder."""
        with self._lock:
            if run not in self._frames:
                self._frames[run] = open_frames(self.resolve(run))
            return self._frames[run]

    def resolve(self, run: str) -> str:
        """Return the path of a run as this process can open it."""
        beside = self.path.parent / run
        return str(beside) if not Path(run).is_absolute() and beside.exists() else run

    def labelled(self, run: str, annotator: str | None = None) -> LabelledRun:
        """Name a run with the project's labels, as a training takes it."""
        return LabelledRun(self.resolve(run), str(self.store.path), annotator)

    def new_bundle_folder(self, method: str) -> Path:
        """Return a folder for a new model; nobody else gets the same."""
        models = self.path.parent / f"{self.path.stem}-models"
        models.mkdir(exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{method}-", dir=models))

    def bundle(self, entry: ModelEntry) -> ModelBundle:
        """Load a model of the list, once."""
        with self._lock:
            if entry.bundle not in self._bundles:
                self._bundles[entry.bundle] = ModelBundle.load(entry.bundle)
            return self._bundles[entry.bundle]

    def replace_bundle(self, entry: ModelEntry, bundle: ModelBundle) -> None:
        """Save a changed model, such as one with another operating point, in the place of an old one."""
        with self._lock:
            bundle.save(entry.bundle)
            self._bundles[entry.bundle] = bundle

    def new_labels(self, entry: ModelEntry) -> int:
        """Count the labels of the model's run that came after it was trained."""
        labels = self.store.labels_for(self.frames(entry.run))
        return max(0, int((labels >= 0).sum()) - int(entry.recipe.get("n_available", entry.n_labels)))

    def facts(self, entry: ModelEntry) -> str:
        """Return what is known about a model, a line each."""
        recall = entry.result.get("recall", {})
        names = {"hit_or_maybe": "Hit-or-Maybe", "maybe": "Maybe", "miss": "Miss"}
        rates = [(title, recall.get(name, {})) for name, title in names.items()]
        known = [f"{title} {100 * r['value']:.1f} % (n = {r['n']})" for title, r in rates if r.get("value") is not None]
        tested = f"Recall on frames it has not seen: {', '.join(known)}" if known else "Not tested: no label was left."
        new = f"{self.new_labels(entry)} labels came since." if entry.run in self.runs else ""
        cost = f"{entry.n_labels} labels, {entry.seconds:.0f} s" if entry.seconds else f"{entry.n_labels} labels"
        lines = [
            f"{entry.method} on {entry.run}, {cost}, seed {entry.recipe.get('seed', 0)}. {new}".strip(),
            tested,
            f"Trained by {entry.trained_by}, {entry.trained_at}",
            entry.bundle if entry.exists else f"{entry.bundle} is not there any more.",
        ]
        return "\n".join(lines)

    def close(self) -> None:
        """Save, and close every file."""
        self.save()
        for frames in self._frames.values():
            frames.close()
        self._frames.clear()
        self.store.close()


def _read(file: Path) -> dict[str, Any]:
    if file.stat().st_size > LARGEST:
        raise FileLayoutError(f"{file} is too large for a project file ({file.stat().st_size} bytes).")
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise FileLayoutError(f"{file} is not a project file: {error}. Begin a new one under another name.") from error
    if not isinstance(state, dict) or state.get("version") != VERSION:
        raise FileLayoutError(f"{file} was not written by this version of sfx-label; update sfx-label.")
    return state
