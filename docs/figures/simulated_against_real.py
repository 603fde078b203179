"""Hold simulated runs against a real Rayonix still and against stills of an independent simulator.

Usage: python docs/figures/simulated_against_real.py DATA_FOLDER OUT.png [--frames N]

DATA_FOLDER holds ``real/rayonix_mx340_mfx_hit.h5`` and ``twins/TWIN83.h5`` with its fellows. Draws the frames, their
LCN pictures, noise, spot sizes and heights, and how well four scores that need no training tell hits from misses;
prints the figures as JSON.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401  registers the filters
import matplotlib

matplotlib.use("agg")
import matplotlib.pyplot as plt
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.preprocess.spots import find_spots
from sfx_label.simulate import SETTINGS, simulate_run

CROP = 724
HOLE = 62.0
PAIRS = (("TWIN83", "LN83"), ("TWIN84", "LN84"), ("TWIN19", "LO19"))
SCORES = ("count", "maximum", "mean", "row_90")


@dataclass
class Run:
    """Frames of one source, their labels (True = hit or maybe) and what was measured on them."""

    name: str
    frames: NDArray[np.int32]
    labels: NDArray[np.str_]

    @property
    def positive(self) -> NDArray[np.bool_]:
        return self.labels != "MISS"


def read_run(path: Path, name: str, labels: NDArray[np.str_]) -> Run:
    with h5py.File(path) as file:
        parts = [file["data"][chunk]["images"][:] for chunk in sorted(file["data"])]
    frames = np.concatenate(parts)
    start = [(side - CROP) // 2 for side in frames.shape[1:]]
    frames = frames[:, start[0] : start[0] + CROP, start[1] : start[1] + CROP]
    return Run(name, frames, labels)


def read_twin(folder: Path, name: str) -> Run:
    with (folder / "twins" / f"{name}.truth.csv").open() as file:
        labels = np.array([row["label"] for row in csv.DictReader(file)])
    return read_run(folder / "twins" / f"{name}.h5", name, labels)


def simulate(folder: Path, name: str, frames: int) -> Run:
    run = simulate_run(folder / f"{name}.h5", name, frames, seed=1)
    return read_run(run.path, name, run.truth["label"])


def good_pixels(shape: tuple[int, int]) -> NDArray[np.bool_]:
    y, x = np.indices(shape)
    return np.hypot(x - shape[1] / 2, y - shape[0] / 2) > HOLE


def noise_of(frame: NDArray[np.int32]) -> list[tuple[float, float, float, float]]:
    """Mean, variance, and correlation with the next and second pixel along a row, in tiles without hole and spots."""
    data = frame.astype(float)
    smooth = ndimage.gaussian_filter(data, 6)
    rows = []
    for top in range(12, CROP - 76, 64):
        for left in range(12, CROP - 76, 64):
            if np.hypot(top + 32 - CROP / 2, left + 32 - CROP / 2) < HOLE + 60:
                continue
            tile = (data - smooth)[top : top + 64, left : left + 64]
            limit = 4.5 * 1.4826 * np.median(np.abs(tile)) + 0.5
            tile = np.clip(tile, -limit, limit)
            variance = float(tile.var())
            near = float((tile[:, 1:] * tile[:, :-1]).mean() / variance)
            next_but_one = float((tile[:, 2:] * tile[:, :-2]).mean() / variance)
            rows.append((float(data[top : top + 64, left : left + 64].mean()), variance, near, next_but_one))
    return rows


def spots_of(frame: NDArray[np.int32]) -> NDArray[np.float64]:
    """One row a spot: diameter at half height (px), peak over local noise, 3x3 sum over peak."""
    data = frame.astype(float)
    found = find_spots(frame, good_pixels(frame.shape))
    level = data
    for _ in range(2):
        level = ndimage.uniform_filter(np.minimum(data, level + 3 * np.sqrt(np.maximum(level, 1))), 15)
    above = data - level
    typical = 1.4826 * np.median(np.abs(above))
    noise = np.sqrt(ndimage.uniform_filter(np.clip(above, -4 * typical, 4 * typical) ** 2, 41).clip(1e-6))
    rows = []
    for x, y in zip(np.rint(found.x).astype(int), np.rint(found.y).astype(int), strict=True):
        if not (6 < x < CROP - 7 and 6 < y < CROP - 7):
            continue
        box = above[y - 1 : y + 2, x - 1 : x + 2]
        dy, dx = np.unravel_index(int(box.argmax()), box.shape)
        patch = above[y + dy - 6 : y + dy + 5, x + dx - 6 : x + dx + 5]
        peak = patch[5, 5]
        fine = ndimage.zoom(patch, 4, order=1)
        connected, _ = ndimage.label(fine > peak / 2)
        area = float((connected == connected[fine.shape[0] // 2, fine.shape[1] // 2]).sum()) / 16.0
        rows.append((2 * np.sqrt(area / np.pi), peak / noise[y, x], patch[4:7, 4:7].sum() / peak))
    return np.array(rows).reshape(-1, 3)


def scores_of(run: Run) -> dict[str, NDArray[np.float64]]:
    good = good_pixels(run.frames.shape[1:])
    paper = Preprocessing.paper("rwd")
    out: dict[str, list[float]] = {name: [] for name in SCORES}
    for frame in run.frames:
        out["count"].append(len(find_spots(frame, good)))
        out["maximum"].append(float(frame.max()))
        out["mean"].append(float(frame.mean()))
        out["row_90"].append(float(np.percentile(paper.apply(frame), 90)))
    return {name: np.array(values) for name, values in out.items()}


def area_under_curve(score: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    wins = np.sign(score[positive][:, None] - score[~positive][None, :])
    return float((wins.mean() + 1) / 2)


def measure(run: Run) -> dict[str, object]:
    chosen = run.frames[:: max(1, len(run.frames) // 12)]
    noise = np.array([row for frame in chosen for row in noise_of(frame)])
    hits = run.frames[run.labels == "HIT"][:20]
    spots = np.concatenate([spots_of(frame) for frame in hits])
    scores = scores_of(run) if len(run.frames) > 1 else {}
    auc = {name: round(area_under_curve(values, run.positive), 3) for name, values in scores.items()}
    centre = run.frames[:, ::7, ::7].reshape(len(run.frames), -1)
    counts = scores.get("count", np.array([len(spots)]))
    return {
        "frames": len(run.frames),
        "background": quartiles(np.median(centre, axis=1)),
        "spread_over_noise": round(float(np.median(chosen.std(axis=(1, 2))) / np.sqrt(np.median(noise[:, 1]))), 2),
        "variance_per_count": round(float(np.polyfit(noise[:, 0], noise[:, 1], 1)[0]), 3),
        "correlation_1_2": [round(float(v), 3) for v in np.median(noise[:, 2:], axis=0)],
        "spot_diameter": quartiles(spots[:, 0]),
        "spot_over_noise": quartiles(spots[:, 1]),
        "sum_over_peak": quartiles(spots[:, 2]),
        "count": {kind: quartiles(counts[run.labels == kind]) for kind in np.unique(run.labels).tolist()},
        "maximum_of_a_miss": quartiles(scores["maximum"][~run.positive]) if scores else None,
        "auc": auc,
        "_noise": noise,
        "_spots": spots,
    }


def quartiles(values: NDArray[np.float64]) -> list[float]:
    return [round(float(v), 2) for v in np.percentile(values, [10, 25, 50, 75, 90])]


def show(ax: plt.Axes, picture: NDArray[np.float64], title: str, low: float, high: float) -> None:
    ax.imshow(picture, cmap="gray_r", vmin=low, vmax=high, interpolation="nearest")
    ax.set_title(title, fontsize=9)
    ax.set_axis_off()


def brightest_part(frame: NDArray[np.int32], side: int = 90) -> tuple[slice, slice]:
    spots = find_spots(frame, good_pixels(frame.shape))
    room = (spots.x > side) & (spots.x < CROP - side) & (spots.y > side) & (spots.y < CROP - side)
    x, y = spots.x[room], spots.y[room]
    crowd = ((abs(x[:, None] - x) < side / 2) & (abs(y[:, None] - y) < side / 2)).sum(axis=0) if len(x) else np.zeros(1)
    middle = (int(y[crowd.argmax()]), int(x[crowd.argmax()])) if len(x) else (200, 200)
    return slice(middle[0] - side // 2, middle[0] + side // 2), slice(middle[1] - side // 2, middle[1] + side // 2)


def typical_hit(run: Run) -> NDArray[np.int32]:
    hits = np.flatnonzero(run.labels == "HIT")
    good = good_pixels(run.frames.shape[1:])
    counts = np.array([len(find_spots(run.frames[i], good)) for i in hits[:15]])
    return run.frames[hits[np.argsort(counts)[len(counts) * 6 // 10]]]


def show_frames(axes: NDArray[np.object_], run: Run) -> None:
    frame = typical_hit(run)
    miss = run.frames[run.labels == "MISS"]
    low, high = np.percentile(frame, [1.5, 99.8])
    show(axes[0], frame, f"{run.name}: a hit", low, high)
    rows, columns = brightest_part(frame)
    part = frame[rows, columns]
    show(axes[1], part, "part of it, enlarged", *np.percentile(part, [1, 99.5]))
    show(axes[2], Preprocessing.paper("lcn").apply(frame), "LCN of the hit", -1, 3)
    if len(miss):
        show(axes[3], miss[3], f"{run.name}: a miss", *np.percentile(miss[3], [1.5, 99.8]))
    else:
        axes[3].set_axis_off()


def draw_measures(axes: NDArray[np.object_], measured: dict[str, dict[str, object]]) -> None:
    colours = plt.get_cmap("tab10")
    kinds = {"real Rayonix": (0, "-"), **{t: (i + 1, "--") for i, (t, _) in enumerate(PAIRS)}}
    kinds |= {s: (i + 1, "-") for i, (_, s) in enumerate(PAIRS)} | {"HARD": (5, "-")}
    for name, found in measured.items():
        number, style = kinds[name]
        noise, spots = found["_noise"], found["_spots"]
        look = {"color": colours(number), "linestyle": style, "label": name, "linewidth": 1.2}
        order = np.argsort(noise[:, 0])
        groups = np.array_split(order, 8)
        axes[0].plot([noise[g, 0].mean() for g in groups], [np.median(noise[g, 1]) for g in groups], marker=".", **look)
        for ax, column in ((axes[1], 0), (axes[2], 1)):
            ax.plot(np.sort(spots[:, column]), np.linspace(0, 1, len(spots)), **look)
    axes[0].set(xscale="log", yscale="log", xlabel="mean (counts)", ylabel="variance", title="noise")
    axes[1].set(xlim=(0.8, 4), xlabel="diameter at half height (px)", title="spot size, share of spots below")
    axes[2].set(xscale="log", xlabel="peak over local noise", title="spot height, share of spots below")
    axes[0].legend(fontsize=7)
    with_scores = [name for name in measured if measured[name]["auc"]]
    for i, name in enumerate(with_scores):
        auc = measured[name]["auc"]
        number, style = kinds[name]
        fill = style == "-"
        axes[3].bar(
            np.arange(len(SCORES)) + 0.11 * (i - 3), [auc[s] for s in SCORES], 0.1,
            color=colours(number) if fill else "white", edgecolor=colours(number),
        )  # fmt: skip
    axes[3].set_xticks(range(len(SCORES)), ["spots", "maximum", "mean", "RWD 90 %"], fontsize=7)
    axes[3].set(ylim=(0.3, 1.02), title="AUC (open: twins, filled: simulated)")
    for ax in axes:
        ax.title.set_fontsize(9)


def save_small(figure: plt.Figure, out: Path) -> None:
    """Save with few colours: noise does not compress, and the picture travels with the documentation."""
    figure.savefig(out, dpi=80)
    lines = plt.get_cmap("tab10")(range(10))[:, :3]
    tints = [1 - share * (1 - line) for line in lines for share in (1.0, 0.7, 0.4, 0.2)]
    greys = [[level] * 3 for level in np.linspace(0, 1, 56)]
    palette = Image.new("P", (1, 1))
    palette.putpalette((np.concatenate([tints, greys]) * 255).round().astype(np.uint8).tobytes())
    with Image.open(out) as picture:
        small = picture.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
    small.save(out, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--frames", type=int, default=200)
    options = parser.parse_args()
    real = read_run(options.data / "real" / "rayonix_mx340_mfx_hit.h5", "real Rayonix", np.array(["HIT"]))
    runs = [real, *(read_twin(options.data, twin) for twin, _ in PAIRS)]
    with tempfile.TemporaryDirectory() as folder:
        runs += [simulate(Path(folder), name, options.frames) for name in SETTINGS]
    measured = {run.name: measure(run) for run in runs}
    figure, axes = plt.subplots(9, 4, figsize=(12, 27), layout="constrained")
    for row, run in enumerate(runs):
        show_frames(axes[row], run)
    draw_measures(axes[8], measured)
    save_small(figure, options.out)
    print(json.dumps({n: {k: v for k, v in m.items() if not k.startswith("_")} for n, m in measured.items()}, indent=1))


if __name__ == "__main__":
    main()
