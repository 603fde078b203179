"""The main job from end to end on simulated runs: labels in, three models, one recall table."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from sfx_label.frames.open import open_frames
from sfx_label.labels.store import LabelStore
from sfx_label.models.dataset import Parts, build_dataset
from sfx_label.models.recipe import preprocessing_for
from sfx_label.models.training import train
from sfx_label.results.evaluate import evaluate
from sfx_label.results.evaluation import Evaluation
from sfx_label.results.tables import RecallTable, recall_table
from sfx_label.simulate import simulate_run

SETTINGS = ("LN83", "LN84", "LO19")
METHODS = ("spot-count", "hybrid", "rwd")
ANNOTATOR = "simulated expert"
N_LABELS = 200
Progress = Callable[[int, int], None]
Step = Callable[[str], AbstractContextManager[Progress]]


@dataclass(frozen=True)
class Demo:
    """What the demonstration made.

    Parameters
    ----------
    folder
        Where the runs, labels, models and the notebook lie.
    table
        Recalls of each method on each run.
    seconds
        Wall time of each step.
    notebook
        The same project, ready for JupyterLab.
    """

    folder: Path
    table: RecallTable
    seconds: dict[str, float]
    notebook: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the result as ``--json`` writes it."""
        return {
            "folder": str(self.folder),
            "notebook": str(self.notebook),
            "seconds": self.seconds,
            "table": self.table.to_dict(),
        }


def run_demo(folder: str | Path, *, n_frames: int = 800, seed: int = 0, step: Step | None = None) -> Demo:
    """Simulate three runs, take 200 + 200 labels of each, train on them, and test on the rest.

    The frames are split in file order, as in the paper: training, validation, test.

    Parameters
    ----------
    folder
        Where to put everything; runs that are already there are used again.
    n_frames
        Frames a run; at least 401, so that a test part is left.
    seed
        Seed of the simulation and of the training.
    step
        Opens a progress bar for a titled step.

    Returns
    -------
    Demo
        The table, the time of each step and where things lie.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    begin = step or (lambda title: nullcontext(lambda done, total: None))
    seconds: dict[str, float] = {}
    with _timed(seconds, "simulate"), begin(f"simulate {len(SETTINGS)} runs of {n_frames} frames") as progress:
        runs = _simulate(place, n_frames, seed, progress)
    results: dict[str, dict[str, Evaluation]] = {method: {} for method in METHODS}
    with LabelStore.open(place / "demo.labels", create=True, annotator=ANNOTATOR) as store:
        for name, path in runs.items():
            for method in METHODS:
                results[method][name] = _train_and_test(path, name, method, store, seed, begin, seconds)
    table = recall_table(results)
    (place / "recall_table.md").write_text(table.to_markdown(), encoding="utf-8")
    return Demo(place, table, seconds, _write_notebook(place, next(iter(runs.values()))))


def _simulate(place: Path, n_frames: int, seed: int, progress: Progress) -> dict[str, Path]:
    runs = {name: place / f"{name.lower()}_{n_frames}_seed{seed}.h5" for name in SETTINGS}
    missing = [name for name, path in runs.items() if not path.exists()]
    with ProcessPoolExecutor(max_workers=2, mp_context=get_context("spawn")) as pool:
        jobs = [pool.submit(simulate_run, runs[name], name, n_frames, seed) for name in missing]
        for done, job in enumerate(jobs, start=1):
            job.result()
            progress(done, len(jobs))
    return runs


def _train_and_test(
    path: Path, name: str, method: str, store: LabelStore, seed: int, begin: Step, seconds: dict[str, float]
) -> Evaluation:
    with _timed(seconds, f"preprocess for {method}"), begin(f"{name}: {method}, preprocess") as progress:
        parts = _parts(path, method, store, progress)
    with _timed(seconds, f"train {method}"), begin(f"{name}: {method}, train") as progress:
        bundle = train(method, parts.train, parts.validation, seed=seed, progress=progress)
    bundle.save(path.parent / "models" / f"{name.lower()}-{method}")
    with _timed(seconds, f"test {method}"):
        return evaluate(bundle, parts.test)


def _parts(path: Path, method: str, store: LabelStore, progress: Progress) -> Parts:
    with open_frames(path) as frames:
        if not (store.labels_for(frames) >= 0).any():
            store.import_labels(frames, path.with_suffix(".expert_annotation.txt"), annotator=ANNOTATOR)
        data = build_dataset(frames, store, preprocessing_for(method), progress=progress)
    return data.split(train=N_LABELS, validation=N_LABELS, order="file")


@contextmanager
def _timed(seconds: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[name] = round(seconds.get(name, 0.0) + time.perf_counter() - start, 2)


CELLS = (
    (
        "markdown",
        "# The demonstration, in the notebook\n\n"
        "Label some frames yourself: `h` hit, `m` maybe, `x` miss, `u` undo, `?` all keys.",
    ),
    ("code", "from sfx_label import Labeller, LabelStore, ModelBundle, evaluate, open_frames, recall_table"),
    (
        "code",
        'frames = open_frames("{run}")\nstore = LabelStore.open("mine.labels", create=True)\nLabeller(frames, store)',
    ),
    ("markdown", "What the models of the demonstration make of this run, tested on frames that neither has seen:"),
    (
        "code",
        'expert = LabelStore.open("demo.labels")\n'
        'models = {{name: ModelBundle.load(f"models/{model}-{{name}}") for name in ("spot-count", "hybrid", "rwd")}}\n'
        "test = {{name: evaluate(model, (frames, expert), exclude_seen=True) for name, model in models.items()}}\n"
        "recall_table(test)",
    ),
)


def _write_notebook(place: Path, run: Path) -> Path:
    names = {"run": run.name, "model": run.name.split("_")[0]}
    cells: list[dict[str, Any]] = []
    for number, (kind, text) in enumerate(CELLS):
        cell = {
            "cell_type": kind,
            "id": f"cell-{number}",
            "metadata": {},
            "source": text.format(**names) if kind == "code" else text,
        }
        cells.append(cell if kind == "markdown" else {**cell, "execution_count": None, "outputs": []})
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    document = {"cells": cells, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    target = place / "demo.ipynb"
    target.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return target
