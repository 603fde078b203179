"""The records that travel through the house: a frame's name, what is known of its run, how its reading went."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray

__all__ = ["FrameKey", "FrameRead", "FrameStatus", "RunMetadata"]


@dataclass(frozen=True, slots=True)
class FrameKey:
    """The lasting name of one frame.

    Two keys are equal when fingerprint, data set and index are: the path may change when the file is moved.

    Attributes
    ----------
    fingerprint
        16 hexadecimal digits of the file: base name, data set, dtype, frame shape and the content of its first frame.
    dataset
        HDF5 path of the data set, such as ``/data/chunk_1/images``; empty for an image file.
    index
        0-based place of the frame within the data set.
    path
        Where the file was when the key was made.
    event
        The frame's name within the file as CrystFEL writes it: ``//3``, ``chunk_1//3``, ``tag-123//``.
    """

    fingerprint: str
    dataset: str
    index: int
    path: str = field(default="", compare=False)
    event: str = field(default="", compare=False)

    def __str__(self) -> str:
        return f"{self.path} {self.event}".strip()


@dataclass(frozen=True)
class RunMetadata:
    """What the file says of its run; ``None`` where it says nothing.

    Attributes
    ----------
    beam_center_px
        (fast, slow) position of the direct beam in pixels of the frame, from the outer corner of the first pixel.
    pixel_size_mm, distance_mm, wavelength_angstrom
        Side of a pixel, sample to detector, X-ray wavelength.
    saturated_value
        Pixels at or above it are saturated.
    trusted_min
        Pixels below it are not to be trusted.
    detector
        The detector's name.
    extra
        Whatever else the file tells, by name.
    """

    beam_center_px: tuple[float, float] | None = None
    pixel_size_mm: float | None = None
    distance_mm: float | None = None
    wavelength_angstrom: float | None = None
    saturated_value: float | None = None
    trusted_min: float | None = None
    detector: str | None = None
    extra: Mapping[str, str | float | int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a plain, JSON-ready dictionary in the order of their definition."""
        return {
            "beam_center_px": None if self.beam_center_px is None else list(self.beam_center_px),
            "pixel_size_mm": self.pixel_size_mm,
            "distance_mm": self.distance_mm,
            "wavelength_angstrom": self.wavelength_angstrom,
            "saturated_value": self.saturated_value,
            "trusted_min": self.trusted_min,
            "detector": self.detector,
            "extra": dict(self.extra),
        }


class FrameStatus(StrEnum):
    """How a frame's reading went; a bad frame is data, never a silent black image."""

    OK = "ok"
    UNREADABLE = "unreadable"  #: the bytes are damaged or cannot be reached
    NOT_FINITE = "not_finite"  #: a pixel that should be good is NaN or infinite
    SATURATED = "saturated"  #: more than half of the good pixels are at or above ``saturated_value``
    MASKED = "masked"  #: no good pixel is left
    MISSING = "missing"  #: never written, or a source file or detector module is absent


@dataclass(frozen=True)
class FrameRead:
    """One frame as it was read.

    Attributes
    ----------
    data
        (rows, columns) pixels in the file's dtype. ``None`` where nothing could be read; a frame that lacks a part
        (``MISSING``) keeps the rest here for looking at.
    status
        What state the frame is in.
    message
        What went wrong and what to do, empty for ``OK``.
    """

    data: NDArray[Any] | None
    status: FrameStatus
    message: str = ""

    @property
    def ok(self) -> bool:
        """Whether the frame can be used as it is."""
        return self.status is FrameStatus.OK
