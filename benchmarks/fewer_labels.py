"""Hybrid and zero-label against the fitted spot count: mean balanced accuracy and Maybe recall per label budget.

    python benchmarks/fewer_labels.py FOLDER [--twins FOLDER] [--json FILE]

FOLDER keeps the simulated runs; seeds and budgets are those of the table in docs/study/fewer_labels.md.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from sfx_label import Preprocessing, build_dataset, evaluate, open_frames, train
from sfx_label.labels.source import read_labels
from sfx_label.models.dataset import Dataset
from sfx_label.models.zero_label import adapt_to_run, load_zero_label
from sfx_label.simulate import simulate_run

SETTINGS = ("LN83", "LN84", "LO19", "HARD")
BUDGETS = (20, 50, 100, 200)
SEEDS = range(5)
FRAMES = 500
TEST_AT_LEAST = 40


def load(path: Path, preprocessing: Preprocessing) -> Dataset:
    with open_frames(path) as frames:
        labels = read_labels(frames, path.with_suffix(".expert_annotation.txt"))
        return build_dataset(frames, labels, preprocessing)


def simulated(folder: Path) -> dict[str, Path]:
    folder.mkdir(parents=True, exist_ok=True)
    runs = {name: folder / f"{name}.h5" for name in SETTINGS}
    for name, path in runs.items():
        if not path.exists():
            simulate_run(path, name, FRAMES, 11)
    return runs


def one_run(name: str, path: Path) -> list[dict[str, object]]:
    data = {"spot-count": load(path, Preprocessing.spots()), "hybrid": load(path, Preprocessing.features())}
    rows: list[dict[str, object]] = []
    zero = evaluate(adapt_to_run(load_zero_label(), data["hybrid"]), data["hybrid"])
    rows.append(row(name, "zero-label", 0, [zero]))
    for budget in BUDGETS:
        if len(data["hybrid"]) < budget + TEST_AT_LEAST:
            continue
        for method, frames in data.items():
            found = []
            for seed in SEEDS:
                parts = frames.split(train=budget, seed=seed, order="random", validation=0)
                if min(parts.train.positive.sum(), (~parts.train.positive).sum()) >= 1:
                    found.append(evaluate(train(method, parts.train, seed=seed), parts.test))
            rows.append(row(name, method, budget, found))
    return rows


def row(run: str, method: str, budget: int, found: list) -> dict[str, object]:
    accuracy = [100 * evaluation.balanced_accuracy.value for evaluation in found]
    maybe = [100 * evaluation.recall["maybe"].value for evaluation in found]
    return {
        "run": run,
        "method": method,
        "labels": budget,
        "seeds": len(found),
        "balanced_accuracy": round(float(np.mean(accuracy)), 2),
        "spread": round(float(np.std(accuracy)), 2),
        "maybe": round(float(np.nanmean(maybe)), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--twins", type=Path, help="folder with TWIN83.h5, TWIN84.h5 and TWIN19.h5")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    runs = simulated(options.folder)
    if options.twins:
        runs |= {path.stem: path for path in sorted(options.twins.glob("TWIN??.h5"))}
    rows = [entry for name, path in runs.items() for entry in one_run(name, path)]
    for entry in rows:
        print("| " + " | ".join(str(value) for value in entry.values()) + " |")
    if options.json:
        options.json.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
