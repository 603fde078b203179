"""Which frame to label next. Every order is a plain array of positions, made by a pure function with a seed.

Labels that were chosen by a model's doubt say nothing about the run as a whole, so each pick can carry the rule that
chose it, and a random audit sample is fenced off: it is labelled, reported, and never trained on.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import AnnotationFormatError
from sfx_label.labels.cover import cover_order
from sfx_label.labels.scheme import HIT_SPOTS, MAYBE_SPOTS

__all__ = [
    "Picks",
    "audit_sample",
    "cover_order",
    "disagreement_order",
    "leave_out",
    "mixed_order",
    "mixed_picks",
    "random_order",
    "strata_order",
    "uncertain_order",
]

Order = NDArray[np.int64]

SPOT_STRATA = (1, MAYBE_SPOTS, HIT_SPOTS, 3 * HIT_SPOTS)
"""Borders of the spot-count strata: none, miss, maybe, hit, strong hit. A counter errs most around the middle two."""
FIRST_PICKS = 50
"""How many picks of the mixed schedule are made without the model: doubt means little before it has seen this many."""


@dataclass(frozen=True)
class Picks:
    """Positions to label, in order, and the rule that chose each.

    Parameters
    ----------
    order
        Positions, shape (n,).
    origins
        ``"random"``, ``"cover"``, ``"strata"`` or ``"uncertain"`` for each, n of them.
    """

    order: Order
    origins: tuple[str, ...]


def random_order(n: int, seed: int = 0) -> Order:
    """Shuffle all frames.

    Parameters
    ----------
    n
        Number of frames.
    seed
        Same seed, same order.
    """
    return np.random.default_rng(seed).permutation(n).astype(np.int64)


def strata_order(counts: ArrayLike, seed: int = 0, borders: Sequence[int] = SPOT_STRATA) -> Order:
    """Take a frame from each spot-count stratum in turn, at random within it, so that rare classes come early.

    Parameters
    ----------
    counts
        Spots per frame, shape (n,); frames with a negative count (unreadable) come last.
    seed
        Same seed, same order.
    borders
        Ascending; a stratum begins at each.
    """
    numbers = _finite_last(counts)
    stratum = np.searchsorted(np.asarray(borders), numbers, side="right")
    shuffled = random_order(len(numbers), seed)
    turn = np.zeros(len(numbers), np.int64)
    for each in range(len(borders) + 1):
        members = shuffled[stratum[shuffled] == each]
        turn[members] = np.arange(len(members))
    # strong strata first within a turn: there are few of them, and they teach most
    order = np.lexsort((-stratum, turn))
    readable = numbers[order] >= 0
    return np.concatenate([order[readable], order[~readable]])


def uncertain_order(scores: ArrayLike, threshold: float = 0.5, seed: int = 0) -> Order:
    """Put first what a model is least sure of: nearest to its operating point in log odds.

    Parameters
    ----------
    scores
        Probability of Hit or Maybe, shape (n,); frames without one (NaN) come last.
    threshold
        The operating point.
    seed
        Orders frames with equal scores.

    Raises
    ------
    AnnotationFormatError
        If scores or threshold are no probabilities.
    """
    distance = np.abs(_log_odds(scores) - _log_odds([threshold])[0])
    return _ascending(distance, seed)


def disagreement_order(scores: ArrayLike, seed: int = 0) -> Order:
    """Put first where methods contradict each other: by what their votes tell about each other (Houlsby 2011, BALD).

    That is the entropy of the mean probability less the mean of the entropies: large where each method is sure and they
    differ, zero where all are alike or all unsure.

    Parameters
    ----------
    scores
        Probability of Hit or Maybe by each method, shape (methods, n); a NaN does not vote.
    seed
        Orders frames that are equal.
    """
    table = np.atleast_2d(np.asarray(scores, np.float64))
    _check_probabilities(table)
    votes = np.isfinite(table)
    n_votes = np.maximum(votes.sum(axis=0), 1)
    mean = np.where(votes, table, 0).sum(axis=0) / n_votes
    entropies = np.where(votes, _entropy(np.where(votes, table, 0.5)), 0).sum(axis=0) / n_votes
    information = np.where(votes.sum(axis=0) > 1, _entropy(mean) - entropies, np.nan)
    return _ascending(-information, seed)


def mixed_picks(
    n: int,
    seed: int = 0,
    *,
    counts: ArrayLike | None = None,
    features: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    threshold: float = 0.5,
    labelled: int = 0,
) -> Picks:
    """Mix the rules: random and cover at first, later also doubt. Doubt alone often loses to random picks.

    Until `FIRST_PICKS` frames are labelled: random and cover in turn. From then on: of five picks two by doubt, two by
    cover, one random. A rule whose input is not given is left out.

    Parameters
    ----------
    n
        Number of frames.
    seed
        Same seed, same picks.
    counts
        Spots per frame, shape (n,): strata stand for cover where there are no features.
    features
        Shape (n, d), for cover.
    scores, threshold
        Of a model, shape (n,), for doubt.
    labelled
        Frames labelled so far, which moves the schedule on.
    """
    orders = {"random": random_order(n, seed)}
    if features is not None:
        orders["cover"] = cover_order(features, seed)
    elif counts is not None:
        orders["cover"] = strata_order(counts, seed)
    if scores is not None:
        orders["uncertain"] = uncertain_order(scores, threshold, seed)
    names = {"cover": "cover" if features is not None else "strata"}
    picked = list(_take_in_turn(orders, n, max(0, FIRST_PICKS - labelled)))
    order = np.fromiter((position for position, _ in picked), np.int64, n)
    return Picks(order, tuple(names.get(rule, rule) for _, rule in picked))


def mixed_order(
    n: int,
    seed: int = 0,
    *,
    counts: ArrayLike | None = None,
    features: ArrayLike | None = None,
    scores: ArrayLike | None = None,
    threshold: float = 0.5,
    labelled: int = 0,
) -> Order:
    """Give the order of `mixed_picks` without the rules."""
    options = {"counts": counts, "features": features, "scores": scores}
    return mixed_picks(n, seed, **options, threshold=threshold, labelled=labelled).order


def audit_sample(n: int, count: int, seed: int = 0) -> Order:
    """Draw the frames of the audit: random, ascending, never to be trained on.

    Each frame has a fixed lot, so a larger sample holds the smaller one, and a growing run keeps most of its sample.

    Parameters
    ----------
    n
        Number of frames.
    count
        Number of frames to draw; all if there are fewer.
    seed
        Same seed, same sample. It must differ from the seed of the random order that is labelled for training.
    """
    lots = np.random.default_rng([seed, 0x5AD17]).random(n)
    return np.sort(np.argsort(lots, kind="stable")[: max(0, count)]).astype(np.int64)


def leave_out(order: ArrayLike, positions: ArrayLike) -> Order:
    """Take positions out of an order: the audit sample, or what is labelled already."""
    kept = np.asarray(order, np.int64)
    return kept[~np.isin(kept, np.asarray(positions, np.int64))]


def _take_in_turn(orders: dict[str, Order], n: int, without_model: int) -> Iterator[tuple[int, str]]:
    queues = {rule: iter(order.tolist()) for rule, order in orders.items()}
    taken: set[int] = set()
    for pick in range(n):
        rule = _rule(pick, without_model, orders)
        position = next(position for position in queues[rule] if position not in taken)
        taken.add(position)
        yield position, rule


def _rule(pick: int, without_model: int, orders: dict[str, Order]) -> str:
    early = ("random", "cover")
    late = ("uncertain", "cover", "uncertain", "random", "cover")
    wanted = early[pick % 2] if pick < without_model else late[pick % 5]
    instead = "cover" if wanted == "uncertain" else "random"
    return next(rule for rule in (wanted, instead, "random") if rule in orders)


def _finite_last(counts: ArrayLike) -> NDArray[np.float64]:
    numbers = np.asarray(counts, np.float64)
    return np.where(np.isfinite(numbers), numbers, -1)


def _log_odds(scores: ArrayLike) -> NDArray[np.float64]:
    table = np.asarray(scores, np.float64)
    _check_probabilities(table)
    safe = np.clip(table, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(safe) - np.log1p(-safe))


def _check_probabilities(table: NDArray[np.float64]) -> None:
    strange = table[np.isfinite(table) & ((table < 0) | (table > 1)) | np.isinf(table)]
    if strange.size:
        raise AnnotationFormatError(
            f"scores must be probabilities, 0 to 1. Received: {strange.flat[0]}. Use bundle.predict."
        )


def _entropy(p: NDArray[np.float64]) -> NDArray[np.float64]:
    safe = np.clip(p, 1e-12, 1 - 1e-12)
    return np.asarray(-safe * np.log(safe) - (1 - safe) * np.log1p(-safe))


def _ascending(values: NDArray[np.float64], seed: int) -> Order:
    # NaN sorts last; frames with equal values come in a random order
    lots = np.random.default_rng(seed).random(len(values))
    return np.lexsort((lots, values)).astype(np.int64)
