"""HDF5 layouts: idh5 (CXIDB 76), CXI (Cheetah, OM, LUTE, EuXFEL), NXmx (Eiger, Jungfrau), and any data set by name.

Each reader looks at a gated file and returns a layout, or ``None`` where the file is of another kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from sfx_label.errors import FileLayoutError, SfxLabelError
from sfx_label.frames.dataset import GatedDataset
from sfx_label.frames.gate import GatedFile
from sfx_label.frames.layout import MaskPart, PerFrameValue, RunLayout, Segment, stack_shape
from sfx_label.frames.limits import check_frames
from sfx_label.frames.masks import CXI_BAD_BITS, CXI_SATURATED_BIT
from sfx_label.frames.opening import Absent
from sfx_label.frames.records import RunMetadata

__all__ = ["candidates", "cxi", "generic", "idh5", "stored_frames"]

HC_EV_ANGSTROM = 12398.419843320026  # Planck's constant times the speed of light (exact in the SI of 2019)
JOULE_IN_EV = 1 / 1.602176634e-19
MAX_SEARCHED = 20000
SMALLEST_SIDE = 32  # of a frame, when data sets are guessed


def stored_frames(dataset: GatedDataset) -> tuple[int, tuple[int, ...], bool]:
    """Return (number of frames, shape of one as stored, whether the data set is a single frame).

    Raises
    ------
    FileLayoutError
        It has one dimension or more than four.
    UnsafeFileError
        Frames of a size or number that no detector gives.
    """
    shape = dataset.shape
    if dataset.dtype.kind not in "iufb":
        raise FileLayoutError(f"{dataset.where} holds {dataset.dtype}, not pixels. Name another data set.")
    if len(shape) == 5:
        raise FileLayoutError(
            f"{dataset.where} has shape {shape}, raw AGIPD with gain beside signal. Open the corrected run (proc), "
            f"or make a virtual CXI file of it with `extra-data-make-virtual-cxi /gpfs/.../proc/rNNNN`."
        )
    if len(shape) not in (2, 3, 4):
        raise FileLayoutError(
            f"{dataset.where} has shape {shape}; frames need 2, 3 or 4 dimensions. Name another data set."
        )
    single = len(shape) == 2
    n_frames, stored = (1, shape) if single else (shape[0], shape[1:])
    check_frames(stored, dataset.dtype.itemsize, n_frames, dataset.where)
    if 0 in stored:
        raise FileLayoutError(f"{dataset.where} has shape {shape}, frames without pixels. Name another data set.")
    dataset.check_sources()
    return n_frames, stored, single


def idh5(file: GatedFile) -> RunLayout | None:
    """Describe ``idh5_v1.0`` (CXIDB 76): ``/data/<chunk>/images``, the chunks in alphabetical order, ``/metadata``."""
    version = file.text("/metadata/idh5_version")
    if version is None:
        return None
    segments, stored, dtype = [], None, ""
    for chunk in file.names("/data"):
        images = file.dataset(f"/data/{chunk}/images")
        if isinstance(images, Absent):
            continue
        count, shape, single = stored_frames(images)
        if stored not in (None, shape):
            raise FileLayoutError(f"{images.where} has frames of {shape}, other chunks {stored}. Open it by its name.")
        stored, dtype = shape, images.dtype.str
        segments.append(
            Segment(
                file.path, f"/data/{chunk}/images", count, "//" if single else f"{chunk}//{{index}}", single,
                distance_mm=PerFrameValue(f"/data/{chunk}/distance"),
                wavelength_angstrom=PerFrameValue(f"/data/{chunk}/wavelength"),
            )
        )  # fmt: skip
    if stored is None:
        raise FileLayoutError(
            f"{file.path} is {version} but has no /data/<chunk>/images. Check that the file is complete."
        )
    areas = np.asarray(_or_empty(file.value("/metadata/ACTIVE_AREAS")), np.int64).reshape(-1, 4)
    tiles = tuple((int(a), int(b), int(c), int(d)) for a, b, c, d in areas)
    masks = (MaskPart("active_areas", areas=tiles),) if len(tiles) > 1 else ()
    return RunLayout(
        version, tuple(segments), stack_shape(stored), stored, dtype, _idh5_metadata(file, segments), masks
    )


def _or_empty(value: object) -> object:
    return () if value is None else value


def _idh5_metadata(file: GatedFile, segments: list[Segment]) -> RunMetadata:
    pixel = file.number("/metadata/PIXEL_SIZE")
    x, y = file.number("/metadata/BEAM_CENTER_X"), file.number("/metadata/BEAM_CENTER_Y")
    first = f"/data/{segments[0].dataset.split('/')[2]}"
    return RunMetadata(
        beam_center_px=(x / pixel, y / pixel) if pixel and x is not None and y is not None else None,
        pixel_size_mm=pixel,
        distance_mm=file.number(f"{first}/distance"),
        wavelength_angstrom=file.number(f"{first}/wavelength"),
        saturated_value=file.number("/metadata/SATURATED_VALUE"),
        trusted_min=file.number("/metadata/MIN_TRUSTED_VALUE"),
        detector=file.text("/metadata/DETECTOR", "/metadata/detector"),
    )


CXI_DATA = ("/entry_1/data_1/data", "/entry_1/instrument_1/detector_1/data", "/entry_1/image_1/data")
CXI_ENERGY = ("/LCLS/photon_energy_eV", "/instrument/photon_energy_eV", "/entry_1/instrument_1/source_1/energy")


def cxi(file: GatedFile) -> RunLayout | None:
    """Describe a CXI file: Cheetah, OM, LUTE, and the virtual CXI files of EXtra-data."""
    name = next((name for name in CXI_DATA if file.has(name)), None)
    if name is None:
        return None
    data = file.dataset(name)
    if isinstance(data, Absent):
        return None
    count, stored, single = stored_frames(data)
    at_euxfel = file.has("/entry_1/trainId")
    wavelength = next((_energy(file, name) for name in CXI_ENERGY if file.has(name)), None)
    segment = Segment(file.path, name, count, "//" if single else "//{index}", single, wavelength_angstrom=wavelength)
    parent = name.rsplit("/", 1)[0]
    masks = _cxi_masks(file, (f"{parent}/mask", "/entry_1/instrument_1/detector_1/mask"), data, at_euxfel)
    absent = data.never_mapped(1) if len(stored) == 3 else ()
    return RunLayout(
        "EuXFEL CXI" if at_euxfel else "CXI", (segment,), stack_shape(stored), stored, data.dtype.str,
        _cxi_metadata(file, wavelength), masks, absent_panels=absent,
    )  # fmt: skip


def _energy(file: GatedFile, name: str) -> PerFrameValue:
    first = np.asarray(file.value(name, 0)).reshape(-1)
    in_joule = first.size and first[0] is not None and float(first[0]) < 1e-10
    return PerFrameValue(name, HC_EV_ANGSTROM / (JOULE_IN_EV if in_joule else 1.0), inverse=True)


def _cxi_masks(file: GatedFile, names: tuple[str, ...], data: GatedDataset, all_bits: bool) -> tuple[MaskPart, ...]:
    for name in names:
        mask = file.dataset(name)
        if not isinstance(mask, Absent):
            per_frame = len(mask.shape) == len(data.shape) and len(data.shape) > 2 and mask.shape[0] == data.shape[0]
            bits = 0xFFFFFFFF if all_bits else CXI_BAD_BITS
            lasting = bits if all_bits else bits & ~CXI_SATURATED_BIT
            path = "" if per_frame else file.path
            return (MaskPart("bad_bits", path, name, bits=bits, per_frame=per_frame, lasting_bits=lasting),)
    return ()


def _cxi_metadata(file: GatedFile, wavelength: PerFrameValue | None) -> RunMetadata:
    detector = "/entry_1/instrument_1/detector_1"
    distance, pixel = file.number(f"{detector}/distance"), file.number(f"{detector}/x_pixel_size")
    energy = None if wavelength is None else file.number(wavelength.dataset)
    encoder = file.number("/LCLS/detector_1/EncoderValue", "/instrument/detector_1/EncoderValue")
    return RunMetadata(
        pixel_size_mm=None if pixel is None else pixel * 1e3,
        distance_mm=None if distance is None else distance * 1e3,
        wavelength_angstrom=wavelength.factor / energy if wavelength is not None and energy else None,
        detector=file.text(f"{detector}/description"),
        extra={} if encoder is None else {"encoder_value_mm": encoder},
    )


def generic(file: GatedFile, name: str | None = None) -> RunLayout:
    """Describe the frames of one data set, named or the only one that can be meant.

    Parameters
    ----------
    file
        The file.
    name
        HDF5 path of the data set, ``None`` to look for it.

    Raises
    ------
    FileLayoutError
        There is no such data set, or more than one that could be meant; the error lists them.
    """
    if name is None:
        found = list(candidates(file))
        stacks = [each for each in found if len(each[1].shape) > 2] or found
        if len(stacks) != 1:
            raise _ambiguous(file, stacks)
        name = stacks[0][0]
    data = file.dataset(name)
    if isinstance(data, Absent):
        raise _ambiguous(file, list(candidates(file)), f"{data.reason}; ")
    count, stored, single = stored_frames(data)
    segment = Segment(file.path, name, count, "//" if single else "//{index}", single)
    return RunLayout("HDF5", (segment,), stack_shape(stored), stored, data.dtype.str)


def _ambiguous(file: GatedFile, found: list[tuple[str, GatedDataset]], start: str = "") -> FileLayoutError:
    listed = [f"{name} {data.shape} {data.dtype}" for name, data in found]
    if not listed:
        return FileLayoutError(
            f"{start}{file.path} holds no data set that could be frames. Check that it is the right file."
        )
    return FileLayoutError(
        f"{start}{file.path} has {len(listed)} data sets that could be frames: {'; '.join(listed)}. "
        f"Name one, as {file.path}:{found[0][0]}",
        candidates=listed,
    )


def candidates(file: GatedFile) -> Iterator[tuple[str, GatedDataset]]:
    """Yield the data sets that could be frames, by name, with links to groups not followed twice.

    Parameters
    ----------
    file
        The file to look through.
    """
    todo, seen = ["/"], 0
    while todo and seen < MAX_SEARCHED:
        group = todo.pop(0)
        if group.count("/") > 12:
            continue
        for member in file.names(group):
            seen += 1
            name = f"{group.rstrip('/')}/{member}"
            try:
                if file.is_group(name):
                    if file.is_hard(name):
                        todo.append(name)
                    continue
                data = file.dataset(name)
            except SfxLabelError:
                continue  # what cannot be read is no candidate
            if not isinstance(data, Absent) and _could_be_frames(data):
                yield name, data


def _could_be_frames(data: GatedDataset) -> bool:
    sides = data.shape[-2:]
    return (
        data.dtype.kind in "iuf"
        and 2 <= len(data.shape) <= 5
        and min(sides) >= SMALLEST_SIDE
        and math.prod(data.shape) > 0
    )
