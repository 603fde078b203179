"""How far the labelling of a run has come, by class, annotator and origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.labels import queries
from sfx_label.labels.agreement import agreement, alpha_of_many
from sfx_label.labels.eventlog import EventLog
from sfx_label.labels.events import Kind
from sfx_label.labels.scheme import Label

__all__ = ["count_labels", "store_statistics"]


def store_statistics(
    log: EventLog,
    runs: Iterable[str] | None,
    merged: NDArray[np.int8],
    recent: NDArray[np.int8],
    votes: dict[str, NDArray[np.int8]],
) -> dict[str, Any]:
    """Count what is in a store; JSON-ready.

    Parameters
    ----------
    log
        The events.
    runs
        Only files of these fingerprints; None for all.
    merged, recent
        Labels of the frames with disputes left open, and with the latest vote in their place, shape (n,).
    votes
        Labels of each annotator, shape (n,) each.
    """
    tallies = queries.tallies(log, runs)
    names = sorted({tally["annotator"] for tally in tallies})
    times = {name: queries.decision_times(log, name, runs) for name in names}
    origins = Counter[str]()
    for tally in tallies:
        if tally["kind"] == Kind.LABEL:
            origins[tally["origin"]] += tally["acts"]
    return {
        "store": str(log.path),
        "frames": len(merged),
        "labelled": int((merged >= 0).sum()),
        "in_dispute": int(((merged < 0) & (recent >= 0)).sum()),
        "labels": count_labels(merged),
        "hit_rate": _hit_rate(merged),
        "events": sum(tally["acts"] for tally in tallies),
        "origins": dict(origins),
        "annotators": {name: _of_annotator(name, votes.get(name), tallies, times[name]) for name in names},
        "agreement": {f"{a} / {b}": agreement(votes[a], votes[b]).to_dict() for a, b in combinations(votes, 2)},
        "ordinal_alpha": alpha_of_many(votes).value,
    }


def count_labels(labels: NDArray[np.int8]) -> dict[str, int]:
    """Count hits, maybes and misses."""
    return {label.title.lower(): int((labels == label).sum()) for label in reversed(Label)}


def _hit_rate(labels: NDArray[np.int8]) -> float | None:
    known = labels[labels >= 0]
    return float((known >= Label.MAYBE).mean()) if known.size else None


def _of_annotator(
    name: str, labels: NDArray[np.int8] | None, tallies: Sequence[dict[str, Any]], times: Sequence[float]
) -> dict[str, Any]:
    own = [tally for tally in tallies if tally["annotator"] == name]
    acts = Counter[str]()
    for tally in own:
        acts[tally["kind"]] += tally["acts"]
    standing = np.zeros(0, np.int8) if labels is None else labels
    return {
        "labelled": int((standing >= 0).sum()),
        "labels": count_labels(standing),
        "hit_rate": _hit_rate(standing),
        "events": acts.total(),
        "undone": acts[Kind.UNDO],
        "skipped": acts[Kind.SKIP],
        "flagged": sum(tally["flags"] for tally in own),
        "first_at": min((tally["first_at"] for tally in own), default=None),
        "last_at": max((tally["last_at"] for tally in own), default=None),
        "median_seconds": float(np.median(times)) if times else None,
    }
