"""How many hits were missed: an estimate with its interval from a stratified random sample. Pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from scipy.special import betainc

from sfx_label.errors import SfxLabelError
from sfx_label.results.intervals import Interval

__all__ = ["MissedEstimate", "Stratum", "mid_p", "missed_hits"]


@dataclass(frozen=True, slots=True)
class Stratum:
    """Frames of one range of scores: how many there are, how many were labelled at random, how many are hits."""

    n_frames: int
    n_labelled: int
    n_hits: int
    rejected: bool = True


@dataclass(frozen=True)
class MissedEstimate:
    """Hits (Hit or Maybe) among the rejected frames of a screening.

    Attributes
    ----------
    missed
        How many, with interval.
    share_of_rejected
        The same, as a share of the rejected frames.
    share_of_hits
        The same, as a share of all hits (found + missed): 1 - recall of the screening.
    precision
        Hits among the accepted frames; NaN where none of them were labelled, and ``share_of_hits`` then takes every
        accepted frame for a hit.
    n_rejected, n_accepted, n_labelled
        Frames.
    confidence
        Of the intervals.
    """

    missed: Interval
    share_of_rejected: Interval
    share_of_hits: Interval
    precision: Interval
    n_rejected: int
    n_accepted: int
    n_labelled: int
    confidence: float = 0.95

    def __str__(self) -> str:
        return (
            f"missed hits in this run: {self.share_of_hits.percent()} % of all hits "
            f"({100 * self.confidence:g} % interval), that is {self.missed.value:.0f} "
            f"({self.missed.low:.0f}-{self.missed.high:.0f}) among {self.n_rejected} rejected frames; "
            f"from {self.n_labelled} labelled frames"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as numbers, ready for JSON."""
        names = ("missed", "share_of_rejected", "share_of_hits", "precision")
        return {
            **{name: getattr(self, name).to_dict() for name in names},
            "n_rejected": self.n_rejected,
            "n_accepted": self.n_accepted,
            "n_labelled": self.n_labelled,
            "confidence": self.confidence,
        }


def missed_hits(strata: Sequence[Stratum], *, confidence: float = 0.95) -> MissedEstimate:
    """Estimate the hits among rejected frames.

    Parameters
    ----------
    strata
        Rejected ones, each with a label at least; one accepted stratum, labelled or not.
    confidence
        Of the intervals.

    Raises
    ------
    SfxLabelError
        If a rejected stratum has frames but no label, or counts do not fit.

    Notes
    -----
    Each stratum has its exact binomial interval with the mid-P correction (Lancaster 1961; Agresti and Gottard 2005,
    whose coverage lies around the nominal one instead of above it), narrowed for sampling without replacement. The sum
    over strata takes its interval from theirs (Zou and Donner 2008: the distances of the ends add in quadrature), and
    so does the share of all hits (Donner and Zou 2012, for ratios). ``benchmarks/audit_coverage.py`` measures what the
    intervals cover.
    """
    rejected = [stratum for stratum in strata if stratum.rejected and stratum.n_frames]
    accepted = [stratum for stratum in strata if not stratum.rejected and stratum.n_frames]
    missed = _sum([_count(stratum, confidence) for stratum in rejected])
    n_rejected, n_accepted = (sum(stratum.n_frames for stratum in group) for group in (rejected, accepted))
    labelled = [stratum for stratum in accepted if stratum.n_labelled]
    found = _sum([_count(stratum, confidence) for stratum in labelled])
    if len(labelled) < len(accepted):
        found = Interval(float(n_accepted), float(n_accepted), float(n_accepted))
    known = bool(accepted) and len(labelled) == len(accepted)
    return MissedEstimate(
        missed=missed,
        share_of_rejected=_scaled(missed, n_rejected),
        share_of_hits=_share(missed, found),
        precision=_scaled(found, n_accepted) if known else Interval(math.nan, math.nan, math.nan),
        n_rejected=n_rejected,
        n_accepted=n_accepted,
        n_labelled=sum(stratum.n_labelled for stratum in strata),
        confidence=confidence,
    )


@lru_cache(maxsize=4096)
def mid_p(k: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the ends of the exact binomial interval with the mid-P correction.

    The lower end is the share p at which ``P(X > k) + P(X = k) / 2`` is ``(1 - confidence) / 2``, the upper end that
    at which ``P(X < k) + P(X = k) / 2`` is; at ``k = 0`` and ``k = n`` one end is 0 or 1.

    Parameters
    ----------
    k, n
        Hits and labelled frames.
    confidence
        Of the interval.
    """
    tail = (1 - confidence) / 2

    def above(p: float) -> float:
        at_least = 1.0 if k == 0 else float(betainc(k, n - k + 1, p))
        more = 0.0 if k == n else float(betainc(k + 1, n - k, p))
        return (at_least + more) / 2

    low = 0.0 if k == 0 else _crossing(above, tail)
    high = 1.0 if k == n else _crossing(above, 1 - tail)
    return low, high


def _crossing(rising: Any, level: float) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < level else (low, middle)
    return (low + high) / 2


def _count(stratum: Stratum, confidence: float) -> Interval:
    n, k, size = stratum.n_labelled, stratum.n_hits, stratum.n_frames
    if not 0 <= k <= n <= size or n == 0:
        raise SfxLabelError(
            f"A stratum of {size} frames needs at least one label and no more than its frames, and no more hits than "
            f"labels; received {n} labels, {k} hits. Label frames of the audit sample."
        )
    share, (low, high) = k / n, mid_p(k, n, confidence)
    # all of a stratum labelled leaves nothing to estimate
    narrow = math.sqrt((size - n) / (size - 1)) if size > 1 else 0.0
    value = size * share
    return Interval(value, max(value - size * narrow * (share - low), float(k)), value + size * narrow * (high - share))


def _sum(parts: Sequence[Interval]) -> Interval:
    value = sum(part.value for part in parts)
    down = math.hypot(*(part.value - part.low for part in parts)) if parts else 0.0
    up = math.hypot(*(part.high - part.value for part in parts)) if parts else 0.0
    return Interval(value, max(value - down, 0.0), value + up)


def _scaled(interval: Interval, n: int) -> Interval:
    if n == 0:
        return Interval(math.nan, math.nan, math.nan)
    return Interval(interval.value / n, interval.low / n, min(interval.high / n, 1.0))


def _share(missed: Interval, found: Interval) -> Interval:
    total = missed.value + found.value
    if missed.high + found.high == 0:
        return Interval(math.nan, math.nan, math.nan)

    def excess(s: float, sign: int) -> float:
        # (1 - s) missed - s found is zero at the true share; its interval's end, by quadrature
        down = (missed.value - missed.low, found.high - found.value)
        up = (missed.high - missed.value, found.value - found.low)
        left, right = down if sign < 0 else up
        return (1 - s) * missed.value - s * found.value + sign * math.hypot((1 - s) * left, s * right)

    value = missed.value / total if total else 0.0
    low = _crossing(lambda s: -excess(s, -1), 0.0) if missed.low > 0 else 0.0
    return Interval(value, min(low, value), max(_crossing(lambda s: -excess(s, 1), 0.0), value))
