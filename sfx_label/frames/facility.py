"""Layouts of single facilities: SACLA, PAL-XFEL, early Cheetah and SwissFEL."""

from __future__ import annotations

import os
import re

from sfx_label.errors import SfxLabelError
from sfx_label.frames.gate import GatedFile
from sfx_label.frames.hdf5 import HC_EV_ANGSTROM, stored_frames
from sfx_label.frames.layout import MaskPart, PerFrameValue, RunLayout, Segment, stack_shape
from sfx_label.frames.masks import CXI_BAD_BITS
from sfx_label.frames.opening import Absent
from sfx_label.frames.records import RunMetadata

__all__ = ["data_group", "pal", "sacla"]

RAYONIX_MX225_MM = 225.0  # side of the only detector that PAL-XFEL writes this way
PAL_BAD = 65535


def sacla(file: GatedFile) -> RunLayout | None:
    """Describe Cheetah files of SACLA: one group ``tag-<id>`` a frame, in alphabetical order (MPCCD or Rayonix)."""
    tags = [name for name in file.names("/") if name.startswith("tag-")]
    if not tags:
        return None
    first = file.dataset(f"/{tags[0]}/data")
    if isinstance(first, Absent):
        return None
    _, stored, single = stored_frames(first)
    segments = tuple(
        Segment(
            file.path, f"/{tag}/data", 1, f"{tag}//" if single else f"{tag}//{{index}}", single,
            wavelength_angstrom=PerFrameValue(f"/{tag}/photon_energy_ev", HC_EV_ANGSTROM, inverse=True),
        )
        for tag in tags
    )  # fmt: skip
    energy = file.number(f"/{tags[0]}/photon_energy_ev")
    pixel = file.number("/metadata/pixelsize_in_um")
    metadata = RunMetadata(
        distance_mm=file.number("/metadata/distance_in_mm"),
        pixel_size_mm=None if pixel is None else pixel / 1e3,
        wavelength_angstrom=HC_EV_ANGSTROM / energy if energy else None,
        detector=file.text("/metadata/detector", "/metadata/sensor_id"),
    )
    masks = (MaskPart("bad_bits", file.path, "/metadata/pixelmask"),) if file.has("/metadata/pixelmask") else ()
    return RunLayout("SACLA", segments, stack_shape(stored), stored, first.dtype.str, metadata, masks)


def pal(file: GatedFile) -> RunLayout | None:
    """Describe PAL-XFEL files: groups ``R<run>`` with ``scan_dat/raymx_data`` of a Rayonix."""
    runs = [name for name in file.names("/") if re.fullmatch(r"R\d+", name)]
    segments, described = [], None
    for run in runs:
        images = file.dataset(f"/{run}/scan_dat/raymx_data")
        if isinstance(images, Absent):
            continue
        count, stored, single = stored_frames(images)
        described = described or (stored, images.dtype, run)
        segments.append(
            Segment(
                file.path, f"/{run}/scan_dat/raymx_data", count, f"{run}//" if single else f"{run}//{{index}}", single,
                distance_mm=PerFrameValue(f"/{run}/header/detector_0_distance"),
                wavelength_angstrom=PerFrameValue(f"/{run}/scan_dat/photon_wavelength"),
            )
        )  # fmt: skip
    if described is None:
        return None
    stored, dtype, run = described
    metadata = RunMetadata(
        beam_center_px=(stored[-1] / 2, stored[-2] / 2),
        pixel_size_mm=RAYONIX_MX225_MM / stored[-1],
        distance_mm=file.number(f"/{run}/header/detector_0_distance"),
        wavelength_angstrom=file.number(f"/{run}/scan_dat/photon_wavelength"),
        saturated_value=PAL_BAD,
        detector="Rayonix MX225-HS",
    )
    return RunLayout("PAL-XFEL", tuple(segments), stack_shape(stored), stored, dtype.str, metadata)


def data_group(file: GatedFile) -> RunLayout | None:
    """Describe ``/data/data`` (early Cheetah, one frame a file; SwissFEL) and ``/data/JF<...>/data`` (SwissFEL)."""
    jungfraus = [name for name in file.names("/data") if name.startswith("JF") and file.has(f"/data/{name}/data")]
    name = f"/data/{jungfraus[0]}/data" if len(jungfraus) == 1 else "/data/data"
    images = file.dataset(name)
    if isinstance(images, Absent):
        return None
    count, stored, single = stored_frames(images)
    energy_name = next((name for name in ("/LCLS/photon_energy_eV", "/photon_energy_eV") if file.has(name)), None)
    energy = None if energy_name is None else file.number(energy_name)
    wavelength = None if energy_name is None else PerFrameValue(energy_name, HC_EV_ANGSTROM, inverse=True)
    at_lcls = file.has("/LCLS") or file.has("/data/rawdata0")
    segment = Segment(
        file.path, name, count, "//" if single else "//{index}", single, wavelength_angstrom=wavelength
    )  # fmt: skip
    metadata = RunMetadata(
        wavelength_angstrom=HC_EV_ANGSTROM / energy if energy else None,
        detector=jungfraus[0] if name != "/data/data" else None,
    )
    masks = _cheetah_mask(file) or _swissfel_mask(file, stored, jungfraus)
    kind = "SwissFEL" if name != "/data/data" or (masks and masks[0].kind == "good") else "HDF5"
    return RunLayout(
        "Cheetah" if at_lcls else kind, (segment,), stack_shape(stored), stored, images.dtype.str, metadata, masks
    )  # fmt: skip


def _cheetah_mask(file: GatedFile) -> tuple[MaskPart, ...]:
    if not file.has("/data/pixelmask0"):
        return ()
    return (MaskPart("bad_bits", file.path, "/data/pixelmask0", bits=CXI_BAD_BITS),)


def _swissfel_mask(file: GatedFile, stored: tuple[int, ...], detectors: list[str]) -> tuple[MaskPart, ...]:
    """Find the mask file beside the run, named after the run or the detector; there a good pixel is 1."""
    stem = os.path.splitext(os.path.basename(file.path))[0]
    for name in (stem, *detectors):
        path = os.path.join(file.folder, f"{name}.mask.h5")
        other = file.linked(path) if os.path.isfile(path) else None
        if not isinstance(other, GatedFile):
            continue
        try:
            mask = other.dataset("/mask")
        except SfxLabelError:
            continue  # a file of this name that holds something else is no mask of ours
        if not isinstance(mask, Absent) and mask.shape in (stored, stack_shape(stored)):
            return (MaskPart("good", path, "/mask"),)
    return ()
