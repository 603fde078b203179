"""Frames a second of every screening engine in one run, where the time goes, and whether memory stays flat.

    python benchmarks/screening_speed.py [--frames 20000] [--files 20] [--side 96] [--workers 2] [--json FILE]

The results of the engines are compared byte by byte. Dask's start (seconds, whatever the run) is told apart: its
frames a second are counted from the first committed part to the last.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
from pathlib import Path
from time import perf_counter

import h5py
import numpy as np
import psutil

from sfx_label.frames.open import open_frames
from sfx_label.models.bundle import ModelBundle
from sfx_label.models.dataset import build_dataset
from sfx_label.models.training import train
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.screening.run import screen


def write_runs(folder: Path, n_frames: int, n_files: int, side: int) -> tuple[list[Path], np.ndarray]:
    """Write runs of Poisson background whose hits carry twelve bright spots; return paths and truth of the first."""
    paths, truth = [], np.zeros(0, bool)
    for number in range(n_files):
        rng = np.random.default_rng(number)
        n = n_frames // n_files
        frames, is_hit = rng.poisson(10, (n, side, side)).astype(np.uint16), rng.random(n) < 0.06
        for hit in np.flatnonzero(is_hit):
            for y, x in rng.integers(8, side - 8, (12, 2)):
                frames[hit, y - 1 : y + 2, x - 1 : x + 2] += 150
        path = folder / f"r{number:04d}.cxi"
        with h5py.File(path, "w") as file:
            file.create_dataset("entry_1/data_1/data", data=frames, chunks=(1, side, side))
        truth = is_hit if number == 0 else truth
        paths.append(path)
    return paths, truth


def train_model(path: Path, truth: np.ndarray) -> ModelBundle:
    with open_frames(path) as frames:
        first = frames[:400]
        data = build_dataset(first, np.where(truth[:400], 2, 0).astype(np.int8), Preprocessing.spots())
    return train("spot-count", data[:200], data[200:])


def measure(engine: str, bundle: ModelBundle, paths: list[Path], out: Path, workers: int) -> dict[str, object]:
    process, memory, clock = psutil.Process(), [], []

    def note(done: int, total: int) -> None:
        memory.append((done, process.memory_info().rss / 2**20))
        clock.append((done, perf_counter()))

    result = screen(bundle, paths, out, engine, workers=workers, progress=note, part_frames=256)
    assert result.complete
    (first, began), (last, ended) = clock[1], clock[-1]
    tail = np.array(memory[len(memory) // 4 :])
    digest = hashlib.sha256(b"".join(p.read_bytes() for p in sorted(out.glob("part-*.parquet")))).hexdigest()
    return {
        "engine": engine,
        "frames_per_second": result.frames_per_second,
        "steady_frames_per_second": (last - first) / (ended - began),
        "shares": result.time_shares(),
        "megabytes_per_10000_frames": float(np.polyfit(tail[:, 0], tail[:, 1], 1)[0] * 1e4),
        "digest": digest,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, default=20_000)
    parser.add_argument("--files", type=int, default=20)
    parser.add_argument("--side", type=int, default=96)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--engines", nargs="+", default=["serial", "threads", "processes", "dask"])
    parser.add_argument("--json")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        paths, truth = write_runs(Path(name), arguments.frames, arguments.files, arguments.side)
        bundle, rows = train_model(paths[0], truth), []
        for engine in arguments.engines:
            row = measure(engine, bundle, paths, Path(name) / engine, arguments.workers)
            rows.append(row)
            shares = ", ".join(f"{part} {100 * share:.1f} %" for part, share in row["shares"].items())
            print(
                f"{engine:10s} {row['frames_per_second']:7.0f} frames/s ({row['steady_frames_per_second']:.0f} once "
                f"started); {shares}; memory {row['megabytes_per_10000_frames']:+.2f} MB per 10000 frames",
                flush=True,
            )
    print("results equal to the byte:", len({row["digest"] for row in rows}) == 1)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
