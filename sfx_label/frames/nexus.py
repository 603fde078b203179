"""NXmx and its relatives: Eiger masters with linked data files, Jungfrau, Jungfraujoch, plain NeXus stacks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from sfx_label.errors import FileLayoutError, FrameReadError
from sfx_label.frames.gate import GatedFile
from sfx_label.frames.hdf5 import stored_frames
from sfx_label.frames.layout import MaskPart, PerFrameValue, RunLayout, Segment, stack_shape
from sfx_label.frames.masks import PILATUS_HOT, is_pilatus, mask_codes
from sfx_label.frames.opening import Absent
from sfx_label.frames.records import RunMetadata

__all__ = ["nxmx"]

DATA, DETECTOR, BEAM = "/entry/data", "/entry/instrument/detector", "/entry/instrument/beam"
IN_MM = {
    "m": 1e3,
    "cm": 10.0,
    "mm": 1.0,
    "um": 1e-3,
    "micron": 1e-3,
    "": 1e3,
}  # NeXus writes metres where it says nothing
IN_ANGSTROM = {"angstrom": 1.0, "a": 1.0, "å": 1.0, "nm": 10.0, "m": 1e10, "": 1.0}


def nxmx(file: GatedFile) -> RunLayout | None:
    """Describe an NXmx file: ``/entry/data/data`` or the linked ``/entry/data/data_000001`` and on.

    Raises
    ------
    FrameReadError
        None of the linked data files is there.
    """
    names = [name for name in file.names(DATA) if name == "data" or name.startswith("data_")]
    if not names:
        return None
    try:
        segments, dtype, stored, notes = _whole(file) if "data" in names else _linked(file, names)
    except FileLayoutError:
        linked = [name for name in names if name != "data"]
        if "data" not in names or not linked:
            raise
        segments, dtype, stored, notes = _linked(file, linked)  # a virtual data set that is not read: use its parts
    wavelength = _per_frame(file, f"{BEAM}/incident_wavelength", IN_ANGSTROM)
    segments = [replace(segment, wavelength_angstrom=wavelength) for segment in segments]
    is_nxmx = file.is_group(DETECTOR)
    metadata = _metadata(file)
    return RunLayout(
        "NXmx" if is_nxmx else "NeXus", tuple(segments), stack_shape(stored), stored, dtype, metadata, _masks(file),
        codes=_codes(np.dtype(dtype), metadata, stored), notes=tuple(notes),
    )  # fmt: skip


Described = tuple[list[Segment], str, tuple[int, ...], list[str]]


def _whole(file: GatedFile) -> Described:
    data = file.dataset(f"{DATA}/data")
    if isinstance(data, Absent):
        raise _no_data([data.filename or data.reason], file)
    count, stored, single = stored_frames(data)
    absent = sorted(set(data.check_sources()))
    notes = [f"{len(absent)} sources of {data.where} are not there, first {absent[0]}"] if absent else []
    return (
        [Segment(file.path, f"{DATA}/data", count, "//" if single else "//{index}", single)],
        data.dtype.str,
        stored,
        notes,
    )


def _linked(file: GatedFile, names: list[str]) -> Described:
    """Follow the links of an Eiger master: a hole in the row keeps its place, missing files at the end are left out."""
    segments: list[Segment] = []
    holes: list[tuple[int, str]] = []
    stored, dtype = None, ""
    for name in names:
        data = file.dataset(f"{DATA}/{name}")
        if isinstance(data, Absent):
            holes.append((len(segments), data.filename or data.reason))
            segments.append(Segment(file.path, f"{DATA}/{name}", 0, f"{name}//{{index}}", absent=_absent(data)))
            continue
        count, shape, single = stored_frames(data)
        if stored not in (None, shape):
            raise FileLayoutError(
                f"{data.where} has frames of {shape}, the data files before it {stored}. Open it by itself."
            )
        stored, dtype = shape, data.dtype.str
        segments.append(Segment(file.path, f"{DATA}/{name}", count, f"{name}//{{index}}", single))
    if stored is None:
        raise _no_data([target for _, target in holes], file)
    return _close_holes(segments), dtype, stored, [f"{target} is not there" for _, target in holes]


def _absent(data: Absent) -> str:
    return f"{data.reason}. Put it beside the master file, then call refresh()."


def _close_holes(segments: list[Segment]) -> list[Segment]:
    while segments and segments[-1].absent:
        segments.pop()
    usual = max(segment.n_frames for segment in segments)
    return [replace(segment, n_frames=usual) if segment.absent else segment for segment in segments]


def _no_data(missing: list[str], file: GatedFile) -> FrameReadError:
    return FrameReadError(
        f"{file.path} is a master file whose frames lie in other files, and none of them is there: "
        f"{', '.join(missing[:5])}{' ...' if len(missing) > 5 else ''}. Copy the data files into {file.folder}."
    )


def _per_frame(file: GatedFile, name: str, units: dict[str, float]) -> PerFrameValue | None:
    return PerFrameValue(name, units.get(file.unit(name), 1.0)) if file.has(name) else None


def _scaled(file: GatedFile, units: dict[str, float], *names: str) -> float | None:
    for name in names:
        number = file.number(name)
        if number is not None:
            return number * units.get(file.unit(name), 1.0)
    return None


def _metadata(file: GatedFile) -> RunMetadata:
    x, y = file.number(f"{DETECTOR}/beam_center_x"), file.number(f"{DETECTOR}/beam_center_y")
    specific = f"{DETECTOR}/detectorSpecific"
    extra: dict[str, Any] = {
        "detector_number": file.text(f"{DETECTOR}/detector_number", f"{DETECTOR}/serial_number"),
        "bit_depth_image": file.number(f"{DETECTOR}/bit_depth_image"),
    }
    return RunMetadata(
        beam_center_px=(x, y) if x is not None and y is not None else None,
        pixel_size_mm=_scaled(file, IN_MM, f"{DETECTOR}/x_pixel_size"),
        distance_mm=_scaled(file, IN_MM, f"{DETECTOR}/distance", f"{DETECTOR}/detector_distance"),
        wavelength_angstrom=_scaled(file, IN_ANGSTROM, f"{BEAM}/incident_wavelength", f"{BEAM}/wavelength"),
        saturated_value=file.number(
            f"{DETECTOR}/saturation_value",
            f"{DETECTOR}/countrate_correction_count_cutoff",
            f"{specific}/saturation_value",
            f"{specific}/countrate_correction_count_cutoff",
        ),
        trusted_min=file.number(f"{DETECTOR}/underload_value"),
        detector=file.text(f"{DETECTOR}/description"),
        extra={name: value for name, value in extra.items() if value is not None},
    )


def _masks(file: GatedFile) -> tuple[MaskPart, ...]:
    for name in (f"{DETECTOR}/pixel_mask", f"{DETECTOR}/detectorSpecific/pixel_mask"):
        if file.has(name):
            return (MaskPart("bad_bits", file.path, name),)
    return ()


def _codes(dtype: np.dtype[Any], metadata: RunMetadata, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Integrating detectors measure below zero: on a Jungfrau -1 is a value, only the ends of the range are codes."""
    if dtype.kind == "i" and "jungfrau" in (metadata.detector or "").lower():
        return (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    return (*mask_codes(dtype), PILATUS_HOT) if dtype.kind == "i" and is_pilatus(shape) else mask_codes(dtype)
