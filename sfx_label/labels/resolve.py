"""Which label counts, when several people, or one person several times, labelled a frame."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Literal

from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.events import ADJUDICATED, SUGGESTION
from sfx_label.labels.scheme import UNLABELLED

__all__ = ["Disagreement", "FrameId", "StandingLabel", "identity_of", "merged_labels", "votes"]

FrameId = tuple[str, str, int]
"""Fingerprint, data set, index: what identifies a frame."""
StandingLabel = tuple[str, str, int, str, int, str]
"""Fingerprint, data set, index, annotator, label, origin of a label that is not undone."""
Disagreement = Literal["unlabelled", "majority", "recent"]
"""What a frame counts as while its annotators disagree and nobody has settled it."""


def identity_of(key: FrameKey) -> FrameId:
    """Fingerprint, data set and index of a frame."""
    return (key.fingerprint, key.dataset, key.index)


def votes(standing: Iterable[StandingLabel], annotator: str) -> dict[FrameId, int]:
    """Labels of one annotator: the last one of each frame that is not undone. Adjudicated labels are a layer apart."""
    return {row[:3]: row[4] for row in standing if row[3] == annotator and row[5] != ADJUDICATED}


def merged_labels(standing: Iterable[StandingLabel], disagreement: Disagreement = "unlabelled") -> dict[FrameId, int]:
    """One label per frame from all annotators.

    The rule, in this order: the latest adjudicated label; else the label on which all votes agree; else what
    `disagreement` says. Suggestions of programs are no votes.

    Parameters
    ----------
    standing
        Labels that are not undone, in their order.
    disagreement
        ``"unlabelled"``: such a frame has no label until it is adjudicated. ``"majority"``: the label with most votes,
        none on a tie. ``"recent"``: the latest vote.

    Returns
    -------
    labels
        Label value per frame; frames without a label are absent, those in dispute hold ``UNLABELLED``.
    """
    settled: dict[FrameId, int] = {}
    ballots: dict[FrameId, dict[str, int]] = {}
    for fingerprint, dataset, index, annotator, label, origin in standing:
        frame = (fingerprint, dataset, index)
        if origin == ADJUDICATED:
            settled[frame] = label
        elif origin != SUGGESTION:
            ballot = ballots.setdefault(frame, {})
            ballot.pop(annotator, None)  # so that the latest vote stands last
            ballot[annotator] = label
    return {frame: _count(list(ballot.values()), disagreement) for frame, ballot in ballots.items()} | settled


def _count(ballot: list[int], disagreement: Disagreement) -> int:
    ranked = Counter(ballot).most_common()
    if len(ranked) == 1:
        return ranked[0][0]
    if disagreement == "recent":
        return ballot[-1]
    clear = disagreement == "majority" and ranked[0][1] > ranked[1][1]
    return ranked[0][0] if clear else UNLABELLED
