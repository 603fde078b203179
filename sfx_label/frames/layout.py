"""Where the frames of a run are: plain records that describe, and read nothing.

A layout reader is a small function that looks at an opened file and returns a `RunLayout`, or ``None`` when the file is
not of its kind. One source (`sfx_label.frames.source`) reads the frames of any layout.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from numpy.typing import NDArray

from sfx_label.frames.records import RunMetadata

__all__ = ["MaskPart", "PerFrameValue", "RunLayout", "Segment"]


@dataclass(frozen=True, slots=True)
class PerFrameValue:
    """A number kept per frame in a data set: ``value * factor``, or ``factor / value`` where it is an energy.

    Attributes
    ----------
    dataset
        HDF5 path of the values, a scalar or one per frame.
    factor
        Turns the file's unit into millimetres or Angstrom.
    inverse
        True for photon energies, whose wavelength is ``factor / value``.
    """

    dataset: str
    factor: float = 1.0
    inverse: bool = False


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of frames that lie one after the other in one data set or one image file.

    Attributes
    ----------
    path
        The file as the user named it.
    dataset
        HDF5 path, empty for an image file.
    n_frames
        How many frames the stretch holds.
    event
        CrystFEL event with ``{index}`` where the index within the data set goes.
    single
        True where the data set is one frame and has no frame axis.
    first
        Index of the first frame of the stretch within the data set.
    distance_mm, wavelength_angstrom
        Where the per-frame values are.
    absent
        Why no frame of the stretch can be read (a data file is not there); empty for a readable stretch.
    """

    path: str
    dataset: str
    n_frames: int
    event: str = "//{index}"
    single: bool = False
    first: int = 0
    distance_mm: PerFrameValue | None = None
    wavelength_angstrom: PerFrameValue | None = None
    absent: str = ""

    def index_of(self, offset: int) -> int:
        """Return the index within the data set of the frame at `offset` in the stretch."""
        return self.first + offset

    def event_of(self, offset: int) -> str:
        """Return the CrystFEL event of the frame at `offset` in the stretch."""
        return self.event.replace("{index}", str(self.index_of(offset)))


@dataclass(frozen=True)
class MaskPart:
    """One contribution to the mask; a pixel is good when every part says so.

    Attributes
    ----------
    kind
        ``active_areas``: good inside the tiles of `areas`; ``bad_bits``: bad where a bit of `bits` is set;
        ``good``: good where non-zero (SwissFEL, mask files); ``array``: `array` itself, True = good.
    path, dataset
        Where the mask is; an HDF5 data set or, with an empty `dataset`, an image or numpy file.
    bits
        Bits that make a pixel bad.
    per_frame
        True where the mask has a frame axis. The run's mask then takes `lasting_bits` of the first frame, and
        each frame's own mask takes `bits` of its own.
    lasting_bits
        The bits that tell of the detector rather than of one exposure.
    areas
        (n, 4) tiles as slow0, fast0, slow1, fast1.
    array
        (rows, columns) or panel-shaped bool.
    """

    kind: Literal["active_areas", "bad_bits", "good", "array"]
    path: str = ""
    dataset: str = ""
    bits: int = 0xFFFFFFFF
    per_frame: bool = False
    lasting_bits: int = 0xFFFFFFFF
    areas: tuple[tuple[int, int, int, int], ...] = ()
    array: NDArray[Any] | None = None


@dataclass(frozen=True)
class RunLayout:
    """Everything needed to read a run: paths and numbers only, so it pickles to any worker.

    Attributes
    ----------
    format
        The layout's name, such as ``idh5_v1.0``.
    segments
        Where the frames are, in the order of the run.
    frame_shape
        (rows, columns) of a frame as it is handed out.
    stored_shape
        Shape of a frame in the file, (rows, columns) or (panels, rows, columns).
    dtype
        The file's dtype.
    metadata
        What holds for the whole run.
    masks
        Parts of the mask.
    codes
        Pixel values that mean "no measurement" (gaps, masked and hot pixels).
    roots
        Folders that links and virtual data sets may point into, beside the folder of the opened file.
    geometry
        Detector geometry by which panels are assembled; empty = panels stacked along the rows.
    absent_panels
        Panels that no frame of the run has; they belong to the mask.
    notes
        What the user should know, such as data files that are not there.
    """

    format: str
    segments: tuple[Segment, ...]
    frame_shape: tuple[int, int]
    stored_shape: tuple[int, ...]
    dtype: str
    metadata: RunMetadata = field(default_factory=RunMetadata)
    masks: tuple[MaskPart, ...] = ()
    codes: tuple[int, ...] = ()
    roots: tuple[str, ...] = ()
    geometry: str = ""
    absent_panels: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def n_frames(self) -> int:
        """How many frames the run has."""
        return sum(segment.n_frames for segment in self.segments)


def stack_shape(stored: Sequence[int]) -> tuple[int, int]:
    """Return (rows, columns) of a frame whose panels are stacked along the rows."""
    rows = 1
    for length in stored[:-1]:
        rows *= int(length)
    return rows, int(stored[-1])
