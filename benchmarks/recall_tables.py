"""Recall tables of the fitted spot count, hybrid and RWD over seeds, on given runs with their annotation files.

python benchmarks/recall_tables.py --train 200 --validation 200 --order file --seeds 5 RUN.h5 ...
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from sfx_label import build_dataset, evaluate, open_frames, recall_table, train
from sfx_label.labels.source import read_labels
from sfx_label.models.recipe import preprocessing_for

METHODS = ("spot-count", "hybrid", "rwd")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--train", type=int, default=200)
    parser.add_argument("--validation", type=int, default=200)
    parser.add_argument("--order", choices=("file", "random"), default="file")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    results: dict[str, dict[str, list[object]]] = {method: {} for method in METHODS}
    for path in options.runs:
        with open_frames(path) as frames:
            labels = read_labels(frames, path.with_suffix(".expert_annotation.txt"))
            for method in METHODS:
                data = build_dataset(frames, labels, preprocessing_for(method))
                for seed in range(options.seeds):
                    sizes = {"train": options.train, "validation": options.validation}
                    parts = data.split(**sizes, order=options.order, seed=seed)
                    found = evaluate(train(method, parts.train, parts.validation, seed=seed), parts.test)
                    results[method].setdefault(path.stem, []).append(found)
    print(recall_table(results).to_markdown())


if __name__ == "__main__":
    main()
