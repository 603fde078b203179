"""The label scheme of Ke et al. (2018): Miss < Maybe < Hit, by the number of Bragg spots in the frame."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sfx_label.errors import AnnotationFormatError

__all__ = [
    "HIT_SPOTS",
    "MAYBE_SPOTS",
    "SCHEME_VERSION",
    "SPOT_RULE",
    "UNLABELLED",
    "Label",
    "label_from_spot_count",
    "labels_from_spot_counts",
    "to_binary",
]

HIT_SPOTS = 10
"""Frames with at least this many spots are hits (Ke et al. 2018, section 2.2)."""
MAYBE_SPOTS = 4
"""Frames with at least this many spots, and fewer than ``HIT_SPOTS``, are maybes."""
SCHEME_VERSION = "ke2018-10-4"
"""Written beside every label, so that labels made by another rule can never be mistaken for these."""
SPOT_RULE = (
    f"Hit: {HIT_SPOTS} or more spots. Maybe: {MAYBE_SPOTS} to {HIT_SPOTS - 1}. Miss: {MAYBE_SPOTS - 1} or fewer."
)
UNLABELLED = -1
"""What an array of labels holds where a frame has none."""


class Label(IntEnum):
    """What a frame holds. The order is meant: a maybe lies between a miss and a hit."""

    MISS = 0
    MAYBE = 1
    HIT = 2

    @property
    def title(self) -> str:
        """The label as people read it: ``"Hit"``, ``"Maybe"`` or ``"Miss"``."""
        return self.name.capitalize()

    @classmethod
    def parse(cls, value: Any) -> Label:
        """Read a label from a word, its first letters or its number.

        Parameters
        ----------
        value
            ``"hit"``, ``"HIT"``, ``"h"``, ``2``, ``"2"`` and the like; ``"x"`` is a miss, as on the keyboard.

        Raises
        ------
        AnnotationFormatError
            If it is none of these.
        """
        word = str(int(value) if isinstance(value, np.integer | int) else value).strip().lower()
        if word in _SPELLINGS:
            return _SPELLINGS[word]
        raise AnnotationFormatError(f"not a label. Received: {value!r}. Use Hit, Maybe or Miss (or 2, 1, 0).")


_SPELLINGS = {
    **dict.fromkeys(("hit", "h", "2"), Label.HIT),
    **dict.fromkeys(("maybe", "may", "m", "1"), Label.MAYBE),
    **dict.fromkeys(("miss", "x", "0"), Label.MISS),
}


def label_from_spot_count(count: int) -> Label:
    """Apply the rule of Ke et al. (2018): 10 spots or more a hit, 4 to 9 a maybe, 3 or fewer a miss.

    Raises
    ------
    AnnotationFormatError
        If the count is negative, as it is for frames that could not be read.
    """
    if count < 0:
        raise AnnotationFormatError(f"a spot count cannot be negative. Received: {count}. Leave unreadable frames out.")
    return Label.HIT if count >= HIT_SPOTS else Label.MAYBE if count >= MAYBE_SPOTS else Label.MISS


def labels_from_spot_counts(counts: ArrayLike) -> NDArray[np.int8]:
    """Apply the spot rule to many frames.

    Parameters
    ----------
    counts
        Spots per frame, shape (n,); negative where the frame could not be read.

    Returns
    -------
    labels
        `Label` values, shape (n,); ``UNLABELLED`` where the count is negative.
    """
    numbers = np.asarray(counts)
    rule = np.searchsorted([MAYBE_SPOTS, HIT_SPOTS], numbers, side="right")
    return np.where(numbers < 0, UNLABELLED, rule).astype(np.int8)


def to_binary(labels: ArrayLike | Sequence[Label]) -> NDArray[np.bool_]:
    """Merge Maybe with Hit, as the paper does for training and for its tables.

    Parameters
    ----------
    labels
        `Label` values, shape (n,), none of them ``UNLABELLED``.

    Returns
    -------
    positive
        True for hits and maybes, shape (n,).

    Raises
    ------
    AnnotationFormatError
        If a frame has no label: leaving it out is a decision for the caller.
    """
    values = np.asarray(labels)
    strange = ~np.isin(values, list(Label))
    if strange.any():
        raise AnnotationFormatError(
            f"{int(strange.sum())} of {values.size} frames have no label, the first at position "
            f"{int(strange.argmax())}. Received: {values[strange].flat[0]!r}. Leave them out first: "
            "labels[labels != UNLABELLED]."
        )
    return np.asarray(values >= Label.MAYBE)
