"""What floor and window of the LCN are worth: the figures behind `Preprocessing.default()`.

Sorted row-wise decomposition, logistic regression on 60 labels, 12 random splits, the same for every setting; beside it
the 90th percentile of the decomposition alone, and what a model of one set does on another. Everything once on the
frames as they are and once with their noise doubled, which puts many spots near the noise. Prints JSON.

    python benchmarks/default_preprocessing.py FOLDER_WITH_TWINS [--labels 60] [--splits 12]
"""

from __future__ import annotations

import argparse
import json
from itertools import product
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegressionCV
from sklearn.metrics import balanced_accuracy_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sfx_label.frames.open import open_frames
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.preprocess.noise import estimate_noise

NAMES = ("TWIN83", "TWIN84", "TWIN19")
WINDOWS = (5, 9, 15, 21)


def read_positives(path: Path) -> np.ndarray:
    words = [line.split()[-1] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    return np.array([word != "MISS" for word in words])


def model():
    fitted = LogisticRegressionCV(
        Cs=np.logspace(-4, 1, 6), l1_ratios=(0,), scoring="neg_log_loss", max_iter=2000, use_legacy_attributes=False
    )
    return make_pipeline(StandardScaler(), fitted)


def learn(x: np.ndarray, y: np.ndarray, labels: int, splits: int) -> tuple[float, float]:
    areas, balanced = [], []
    for seed in range(splits):
        x1, x2, y1, y2 = train_test_split(x, y, train_size=labels, stratify=y, random_state=seed)
        fitted = model().fit(x1, y1)
        areas.append(roc_auc_score(y2, fitted.predict_proba(x2)[:, 1]))
        balanced.append(balanced_accuracy_score(y2, fitted.predict(x2)))
    return float(np.mean(areas)), float(np.mean(balanced))


def with_double_noise(stack: np.ndarray, seed: int) -> np.ndarray:
    """Add normal noise of sqrt(3) times the median deviation of small blocks: the noise doubles, the labels stay."""
    deviation = np.sqrt(np.mean([estimate_noise(frame, None).variance for frame in stack]))
    noise = np.random.default_rng(seed).normal(0, np.sqrt(3) * deviation, stack.shape)
    return np.rint(np.clip(stack + noise, -32768, 32767)).astype(np.int16)


def across(decomposed: dict[str, np.ndarray], positive: dict[str, np.ndarray]) -> tuple[float, float]:
    """Mean area and balanced accuracy of a model of one set on each other set."""
    areas, balanced = [], []
    for source, known in decomposed.items():
        fitted = model().fit(known, positive[source])
        for target in set(decomposed) - {source}:
            x, y = decomposed[target], positive[target]
            areas.append(roc_auc_score(y, fitted.predict_proba(x)[:, 1]))
            balanced.append(balanced_accuracy_score(y, fitted.predict(x)))
    return float(np.mean(areas)), float(np.mean(balanced))


def measure(stacks: dict[str, np.ndarray], positive: dict[str, np.ndarray], recipe: Preprocessing, labels: int,
            splits: int) -> dict[str, object]:  # fmt: skip
    decomposed = {name: np.log1p(np.sort(recipe.apply_many(stack), axis=1)) for name, stack in stacks.items()}
    learned = {name: learn(x, positive[name], labels, splits) for name, x in decomposed.items()}
    quantile = {
        name: float(roc_auc_score(positive[name], np.quantile(x, 0.9, axis=1))) for name, x in decomposed.items()
    }
    area, balanced = across(decomposed, positive)
    return {
        "auc": {name: round(values[0], 4) for name, values in learned.items()},
        "balanced_accuracy": {name: round(values[1], 4) for name, values in learned.items()},
        "auc_of_90th_percentile": {name: round(value, 4) for name, value in quantile.items()},
        "mean_auc": round(float(np.mean([values[0] for values in learned.values()])), 4),
        "mean_balanced_accuracy": round(float(np.mean([values[1] for values in learned.values()])), 4),
        "auc_on_another_set": round(area, 4),
        "balanced_accuracy_on_another_set": round(balanced, 4),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--splits", type=int, default=12)
    options = parser.parse_args()
    positive = {name: read_positives(options.folder / f"{name}.expert_annotation.txt") for name in NAMES}
    stacks = {}
    for name in NAMES:
        with open_frames(options.folder / f"{name}.h5") as frames:
            stacks[name] = np.stack(list(frames))
    noisy = {name: with_double_noise(stack, seed) for seed, (name, stack) in enumerate(stacks.items())}
    result = {}
    for floor, window in product(("global", "mean-std"), WINDOWS):
        recipe = Preprocessing("rwd", 724, window, floor)
        for kind, frames in (("as is", stacks), ("noise doubled", noisy)):
            result[f"{floor} {window}, {kind}"] = measure(frames, positive, recipe, options.labels, options.splits)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
