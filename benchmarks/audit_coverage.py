"""How often the interval of the missed hits holds the truth, over many simulated audits of runs with known truth.

    python benchmarks/audit_coverage.py [--audits 10000] [--json FILE]

Each run has a model whose scores are more or less trustworthy: ``spread`` is by how many logits the model's score
strays from the true chance that a frame is a hit, ``shift`` by how many it is too low. An audit is drawn by the
package's own allocation, labelled by the truth, and estimated by the package's own estimate.
"""

from __future__ import annotations

import argparse
import json

import numpy as np

from sfx_label.screening.audit import _allocation, _strata
from sfx_label.screening.missed import Stratum, missed_hits

THRESHOLD = 0.1  # chosen for recall, as for a run whose rejected frames are deleted
RUNS = {
    "3 % hits, good model": (0.03, 0.5, 0.0),
    "6 % hits, good model": (0.06, 0.5, 0.0),
    "15 % hits, good model": (0.15, 0.5, 0.0),
    "6 % hits, scores too low": (0.06, 0.5, 1.5),
    "6 % hits, poor model": (0.06, 2.0, 0.0),
    "30 % hits, poor model": (0.30, 2.0, 0.0),
}


def simulate_run(hit_rate: float, spread: float, shift: float, rng: np.random.Generator, n: int = 100_000):
    """Return scores and truth; without ``spread`` and ``shift`` the score is the true chance of a hit.

    Hits and misses differ by two normal distributions 3.3 standard deviations apart.
    """
    is_hit = rng.random(n) < hit_rate
    separation, deviation = 3.0, 1.8
    measured = rng.normal(np.where(is_hit, separation, -separation), deviation)
    evidence = 2 * separation / deviation**2 * measured + np.log(hit_rate / (1 - hit_rate)) - shift
    return 1 / (1 + np.exp(-(evidence + rng.normal(0, spread, n)))), is_hit


def audit(sizes, hits, wanted, rng):
    strata = []
    for number, size in sizes.items():
        n_labelled = wanted.get(number, 0)
        found = int(rng.hypergeometric(hits[number], size - hits[number], n_labelled)) if n_labelled else 0
        strata.append(Stratum(size, n_labelled, found, rejected=number >= 0))
    return missed_hits(strata)


def coverage(name: str, n_labels: int, audits: int, seed: int) -> dict[str, object]:
    rng = np.random.default_rng(seed)
    scores, is_hit = simulate_run(*RUNS[name], rng)
    stratum = _strata(scores, THRESHOLD)
    numbers = [int(number) for number in np.unique(stratum)]
    sizes = {number: int((stratum == number).sum()) for number in numbers}
    hits = {number: int((is_hit & (stratum == number)).sum()) for number in numbers}
    wanted = _allocation(scores, stratum, numbers, n_labels)
    missed = sum(count for number, count in hits.items() if number >= 0)
    share = missed / is_hit.sum()
    inside, widths = np.zeros(2), []
    for _ in range(audits):
        estimate = audit(sizes, hits, wanted, rng)
        inside += (
            estimate.missed.low <= missed <= estimate.missed.high,
            estimate.share_of_hits.low <= share <= estimate.share_of_hits.high,
        )
        widths.append(estimate.share_of_hits.high - estimate.share_of_hits.low)
    return {
        "run": name,
        "labels": sum(wanted.values()),
        "missed_share": float(share),
        "coverage_missed": inside[0] / audits,
        "coverage_share": inside[1] / audits,
        "median_width": float(np.median(widths)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--audits", type=int, default=10_000)
    parser.add_argument("--labels", type=int, nargs="+", default=[200, 500, 1000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json")
    arguments = parser.parse_args()
    rows = [coverage(name, n, arguments.audits, arguments.seed) for n in arguments.labels for name in RUNS]
    print(f"{'run':28s} labels  missed   95 % interval covers: count  share   width of share")
    for row in rows:
        print(
            f"{row['run']:28s} {row['labels']:6d} {100 * row['missed_share']:6.1f} % "
            f"{100 * row['coverage_missed']:27.1f} % {100 * row['coverage_share']:5.1f} % "
            f"{100 * row['median_width']:10.1f} points"
        )
    mean = {name: float(np.mean([row[name] for row in rows])) for name in ("coverage_missed", "coverage_share")}
    print(f"mean over runs: {100 * mean['coverage_missed']:.1f} % and {100 * mean['coverage_share']:.1f} %")
    if arguments.json:
        with open(arguments.json, "w") as stream:
            json.dump({"rows": rows, "mean": mean, "audits": arguments.audits}, stream, indent=1)


if __name__ == "__main__":
    main()
