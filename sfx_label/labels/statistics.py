"""How far the labelling of a run has come, by class, annotator and origin."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.frames.sequence import FrameKey, Frames
from sfx_label.labels.agreement import agreement
from sfx_label.labels.events import Event, Kind
from sfx_label.labels.reading import LabelReader
from sfx_label.labels.resolve import identity_of
from sfx_label.labels.scheme import Label

__all__ = ["store_statistics"]


def store_statistics(store: LabelReader, frames: Frames | None = None) -> dict[str, Any]:
    """Count what is in a store; JSON-ready.

    Parameters
    ----------
    store
        The store.
    frames
        Only this run. Default: all runs of the store.
    """
    events = store.events()
    keys: Sequence[FrameKey] = frames.keys if frames is not None else list({event.key for event in events})
    wanted = {identity_of(key) for key in keys}
    events = [event for event in events if identity_of(event.key) in wanted]
    votes = store.votes_for(keys)
    merged = store.labels_for(frames if frames is not None else keys)
    recent = store.labels_for(keys, disagreement="recent")
    return {
        "store": str(store.path),
        "frames": len(keys),
        "labelled": int((merged >= 0).sum()),
        "in_dispute": int(((merged < 0) & (recent >= 0)).sum()),
        "labels": _by_class(merged),
        "hit_rate": _hit_rate(merged),
        "events": len(events),
        "origins": dict(Counter(event.origin for event in events if event.kind is Kind.LABEL)),
        "annotators": {
            name: _of_annotator(name, votes.get(name), events) for name in sorted({event.annotator for event in events})
        },
        "agreement": {f"{a} / {b}": agreement(votes[a], votes[b]).to_dict() for a, b in combinations(votes, 2)},
    }


def _by_class(labels: NDArray[np.int8]) -> dict[str, int]:
    return {label.title.lower(): int((labels == label).sum()) for label in reversed(Label)}


def _hit_rate(labels: NDArray[np.int8]) -> float | None:
    known = labels[labels >= 0]
    return float((known >= Label.MAYBE).mean()) if known.size else None


def _of_annotator(name: str, labels: NDArray[np.int8] | None, events: Sequence[Event]) -> dict[str, Any]:
    own = [event for event in events if event.annotator == name]
    kinds = Counter(event.kind for event in own)
    times = [event.stored_at for event in own if event.stored_at is not None]
    took = [
        event.decided_at - event.shown_at
        for event in own
        if event.decided_at is not None and event.shown_at is not None
    ]
    standing = np.zeros(0, np.int8) if labels is None else labels
    return {
        "labelled": int((standing >= 0).sum()),
        "labels": _by_class(standing),
        "hit_rate": _hit_rate(standing),
        "events": len(own),
        "undone": kinds[Kind.UNDO],
        "skipped": kinds[Kind.SKIP],
        "flagged": sum(event.flag is not None for event in own),
        "first_at": min(times, default=None),
        "last_at": max(times, default=None),
        "median_seconds": float(np.median(took)) if took else None,
    }
