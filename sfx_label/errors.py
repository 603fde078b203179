"""What can go wrong, said so that a tired person at a beamtime knows what to do next.

Every exception is also a built-in one, so that ``except OSError`` keeps working, and every message says what is wrong,
the value received and the next step.
"""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "AnnotationFormatError",
    "BundleError",
    "FileLayoutError",
    "FrameReadError",
    "LabelStoreError",
    "LeakError",
    "SfxLabelError",
    "TrainingError",
    "UnsafeFileError",
]


class SfxLabelError(Exception):
    """Base of every error that sfx-label raises on purpose."""


class FileLayoutError(SfxLabelError, ValueError):
    """A file was opened but its layout is unknown, ambiguous or not usable as frames.

    Parameters
    ----------
    message
        What is wrong and what to do next.
    candidates
        Data sets that could hold the frames, as ``"/path (n, rows, columns) dtype"``.
    """

    def __init__(self, message: str, candidates: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.candidates = tuple(candidates)


class UnsafeFileError(SfxLabelError, PermissionError):
    """A file asks for something that a data file has no business asking for, so it was not read."""


class FrameReadError(SfxLabelError, OSError):
    """A frame, or the file that should hold it, cannot be read. The other frames stay usable."""


class LabelStoreError(SfxLabelError, RuntimeError):
    """The label store cannot be opened, or refused to acknowledge a label."""


class AnnotationFormatError(SfxLabelError, ValueError):
    """An annotation file cannot be understood, or does not belong to the run."""


class LeakError(SfxLabelError, ValueError):
    """Frames that a model has seen in training or validation would have entered a test."""


class BundleError(SfxLabelError, ValueError):
    """A model bundle is damaged, unsafe, or does not fit the data that it was given."""


class TrainingError(SfxLabelError, RuntimeError):
    """Training cannot start with these labels and settings, or had to end."""
