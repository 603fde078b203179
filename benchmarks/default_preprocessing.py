"""What floor and window of the LCN are worth: the figures behind `Preprocessing.default()`.

Sorted row-wise decomposition, logistic regression on 60 labels, 12 random splits, the same for every setting; the
plain 90th percentile of the decomposition beside it. Prints JSON.

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

NAMES = ("TWIN83", "TWIN84", "TWIN19")
WINDOWS = (5, 7, 9, 11, 15, 21, 31)


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--splits", type=int, default=12)
    options = parser.parse_args()
    result = {}
    for name in NAMES:
        positive = read_positives(options.folder / f"{name}.expert_annotation.txt")
        with open_frames(options.folder / f"{name}.h5") as frames:
            stack = np.stack(list(frames))
        for floor, window, masked in product(("global", "mean-std"), WINDOWS, (False, True)):
            d = np.sort(Preprocessing("rwd", 724, window, floor, masked).apply_many(stack), axis=1)
            area, balanced = learn(np.log1p(d), positive, options.labels, options.splits)
            key = f"{floor} {window} {'masked' if masked else 'unmasked'}"
            quantile = float(roc_auc_score(positive, np.quantile(d, 0.9, axis=1)))
            result.setdefault(key, {})[name] = {
                "auc": round(area, 4),
                "balanced_accuracy": round(balanced, 4),
                "auc_of_90th_percentile": round(quantile, 4),
            }
    for row in result.values():
        row["mean_auc"] = round(float(np.mean([row[name]["auc"] for name in NAMES])), 4)
        row["mean_balanced_accuracy"] = round(float(np.mean([row[name]["balanced_accuracy"] for name in NAMES])), 4)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
