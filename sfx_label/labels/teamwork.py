"""Several people on one run: who labels what, what is labelled twice, and what has to be settled."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.scheme import UNLABELLED, Label

__all__ = ["adjudication_order", "look_again_order", "overlap_sample", "second_pass_sample", "share_out"]

Order = NDArray[np.int64]


def overlap_sample(keys: Sequence[FrameKey], share: float, seed: int = 0) -> Order:
    """Choose the frames that everybody labels, for the agreement: by a hash of the frame, so alike on every machine.

    Parameters
    ----------
    keys
        Of the run, n of them.
    share
        Part of the frames, 0 to 1.
    seed
        Same seed, same frames.

    Returns
    -------
    positions
        Ascending; about ``share * n`` of them. A run that grows keeps its sample.
    """
    _check_share(share)
    return np.flatnonzero(_lots(keys, f"overlap {seed}") < share).astype(np.int64)


def share_out(
    keys: Sequence[FrameKey], annotators: Sequence[str], overlap: float = 0.1, seed: int = 0
) -> dict[str, Order]:
    """Share a run out among annotators: each frame goes to one of them, and the overlap to all.

    Nobody has to be asked: the shares follow from frames and names alone, so each machine finds the same ones.

    Parameters
    ----------
    keys
        Of the run, n of them.
    annotators
        Names; their order does not matter.
    overlap
        Part of the frames that everybody labels.
    seed
        Same seed, same shares.

    Returns
    -------
    orders
        Positions for each annotator, in an order of their own, with the overlap spread evenly over it.
    """
    names = sorted(set(annotators))
    if not names:
        raise AnnotationFormatError(
            f"a run is shared out among one or more annotators. Received: {annotators!r}. Name them."
        )
    common = overlap_sample(keys, overlap, seed)
    owner = np.floor(_lots(keys, f"owner {seed}") * len(names)).astype(int)
    owner[common] = -1
    orders = {}
    for number, name in enumerate(names):
        own = np.flatnonzero((owner == number) | (owner == -1))
        orders[name] = own[np.argsort(_lots([keys[int(i)] for i in own], f"{name} {seed}"), kind="stable")]
    return orders


def second_pass_sample(labels: ArrayLike, count: int, seed: int = 0) -> Order:
    """Draw labelled frames for a second, blind pass by the same annotator: how steady is their judgement.

    Parameters
    ----------
    labels
        The annotator's labels, shape (n,).
    count
        Frames to draw, evenly from the classes as far as they go, so that rare classes are compared too.
    seed
        Same seed, same frames.
    """
    values = np.asarray(labels)
    rng = np.random.default_rng([seed, 0x2ECD])
    pools = [list(rng.permutation(np.flatnonzero(values == label))) for label in Label]
    drawn: list[int] = []
    while len(drawn) < count and any(pools):
        drawn += [int(pool.pop()) for pool in pools if pool]
    return rng.permutation(np.array(drawn[: max(0, count)], np.int64))


def adjudication_order(
    votes: Mapping[str, ArrayLike], scores: ArrayLike | None = None, threshold: float = 0.5
) -> Order:
    """List the frames in dispute, the gravest first: Hit against Miss before Maybe against either.

    Parameters
    ----------
    votes
        Labels of each annotator, shape (n,) each, as `LabelStore.votes_for` gives them.
    scores, threshold
        A model's probabilities, shape (n,), and its operating point: among equal disputes, what the model is least sure
        of comes first.
    """
    if not votes:
        return np.zeros(0, np.int64)
    table = np.stack([np.asarray(labels, np.int64) for labels in votes.values()])
    voted = table != UNLABELLED
    highest = np.where(voted, table, int(Label.MISS)).max(axis=0)
    lowest = np.where(voted, table, int(Label.HIT)).min(axis=0)
    spread = np.where(voted.sum(axis=0) > 1, highest - lowest, 0)
    margin = np.zeros(table.shape[1]) if scores is None else np.abs(np.asarray(scores, np.float64) - threshold)
    order = np.lexsort((margin, -spread))
    return order[spread[order] > 0].astype(np.int64)


def look_again_order(labels: ArrayLike, scores: ArrayLike, threshold: float = 0.5) -> Order:
    """List labelled frames whose label a model doubts, most doubtful first; a reason to look again, never to relabel.

    Parameters
    ----------
    labels
        `Label` values, shape (n,).
    scores
        Probability of Hit or Maybe, shape (n,), from a model that was **not** trained on the frame (out of fold): one
        that was agrees with its errors.
    threshold
        The operating point; frames on the side of their label are not listed.
    """
    values, probability = np.asarray(labels), np.asarray(scores, np.float64)
    positive = values >= Label.MAYBE
    against = np.where(positive, threshold - probability, probability - threshold)
    doubtful = (values != UNLABELLED) & np.isfinite(probability) & (positive != (probability >= threshold))
    order = np.argsort(-against, kind="stable")
    return np.asarray(order[doubtful[order]], np.int64)


def _lots(keys: Sequence[FrameKey], purpose: str) -> NDArray[np.float64]:
    """Draw one number in [0, 1) per frame from a hash of purpose and frame."""
    lots = np.empty(len(keys))
    for position, key in enumerate(keys):
        name = "\0".join((purpose, key.fingerprint, key.dataset, str(key.index)))
        lots[position] = (
            int.from_bytes(hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=6).digest()) / 2**48
        )
    return lots


def _check_share(share: float) -> None:
    if not 0 <= share <= 1:
        raise AnnotationFormatError(f"a share lies between 0 and 1. Received: {share}. 0.1 means every tenth frame.")
