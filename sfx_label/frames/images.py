"""Image files, one frame or a few each: CBF, mccd, TIFF, EDF, SMV through fabio, plain or compressed."""

from __future__ import annotations

import hashlib
import os
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError, FrameReadError
from sfx_label.frames.layout import RunLayout, Segment
from sfx_label.frames.masks import mask_codes
from sfx_label.frames.opening import check_regular
from sfx_label.frames.records import RunMetadata

__all__ = ["describe_images", "image_fingerprint", "is_image", "read_image"]

SUFFIXES = (".cbf", ".mccd", ".tif", ".tiff", ".edf", ".img", ".mar3450", ".mar2300")
PACKED = ("", ".bz2", ".gz")
MAX_IMAGE_BYTES = 512 * 2**20
HASHED_BYTES = 65536  # of the file as stored: the header with its time stamp, and the first rows


def is_image(path: str) -> bool:
    """Return whether the name looks like that of a detector image."""
    lower = path.lower()
    return any(lower.endswith(suffix + packed) for suffix in SUFFIXES for packed in PACKED)


def _open(path: str) -> Any:
    import fabio

    check_regular(path)
    try:
        return fabio.open(path)
    except Exception as error:  # fabio raises whatever the codec does
        raise FrameReadError(f"cannot read {path} as an image: {error}. The file is damaged; copy it again.") from error


def read_image(path: str, index: int) -> NDArray[Any]:
    """Return frame `index` of an image file, (rows, columns).

    Raises
    ------
    FrameReadError
        The file is not there or damaged.
    """
    image = _open(path)
    try:
        frame = image if image.nframes == 1 else image.getframe(index)
        data = np.asarray(frame.data)
    except Exception as error:
        raise FrameReadError(f"cannot read frame {index} of {path}: {error}. The file is damaged there.") from error
    finally:
        image.close()
    return data


def image_fingerprint(path: str) -> str:
    """Return 16 hexadecimal digits from the file's base name and its first 64 KiB."""
    digest = hashlib.sha256(os.path.basename(path).encode("utf-8", "surrogateescape"))
    try:
        with open(path, "rb") as stream:
            digest.update(stream.read(HASHED_BYTES))
    except OSError as error:
        digest.update(type(error).__name__.encode())
    return digest.hexdigest()[:16]


def describe_images(paths: list[str]) -> RunLayout:
    """Return the layout of a run of image files.

    Only the first file is read; the others are taken to hold as many frames of the same shape.

    Parameters
    ----------
    paths
        The files in the order of the run.

    Raises
    ------
    FrameReadError
        The first file cannot be read.
    FileLayoutError
        It is no two-dimensional image.
    """
    image = _open(paths[0])
    try:
        data, count, header = np.asarray(image.data), int(image.nframes), dict(image.header)
    except Exception as error:
        raise FrameReadError(f"cannot read {paths[0]}: {error}. The file is damaged; copy it again.") from error
    finally:
        image.close()
    if data.ndim != 2:
        raise FileLayoutError(f"{paths[0]} has {data.ndim} dimensions; an image of rows and columns is needed.")
    event = "//{index}" if count > 1 else ""
    segments = tuple(Segment(path, "", count, event=event, single=count == 1) for path in paths)
    metadata = image_metadata(header)
    codes = mask_codes(data.dtype) if _is_counter(header) else ()
    shape = (int(data.shape[0]), int(data.shape[1]))
    return RunLayout("image", segments, shape, shape, data.dtype.str, metadata, codes=codes)


def _is_counter(header: dict[str, Any]) -> bool:
    return "_array_data.header_contents" in header  # the mini-CBF of Pilatus and Eiger


def image_metadata(header: dict[str, Any]) -> RunMetadata:
    """Return what the header of a mini-CBF (Pilatus, Eiger) or SMV file tells."""
    text = str(header.get("_array_data.header_contents", ""))
    if text:
        return _mini_cbf(text)
    if "PIXEL_SIZE" in header and "DISTANCE" in header:
        return _smv(header)
    return RunMetadata()


def _numbers(text: str, name: str) -> list[float]:
    line = re.search(rf"^#?\s*{name}\b[:\s]*(.*)$", text, re.MULTILINE)
    return [float(each) for each in re.findall(r"[-+]?\d+\.?\d*(?:[eE][-+]?\d+)?", line.group(1))] if line else []


def _mini_cbf(text: str) -> RunMetadata:
    pixel, distance = _numbers(text, "Pixel_size"), _numbers(text, "Detector_distance")
    center, wavelength = _numbers(text, "Beam_xy"), _numbers(text, "Wavelength")
    cutoff = _numbers(text, "Count_cutoff")
    detector = re.search(r"Detector:\s*(.*)", text)
    return RunMetadata(
        beam_center_px=(center[0], center[1]) if len(center) > 1 else None,
        pixel_size_mm=pixel[0] * 1e3 if pixel else None,
        distance_mm=distance[0] * 1e3 if distance else None,
        wavelength_angstrom=wavelength[0] if wavelength else None,
        saturated_value=cutoff[0] if cutoff else None,
        trusted_min=0.0,
        detector=detector.group(1).strip() if detector else None,
    )


def _smv(header: dict[str, Any]) -> RunMetadata:
    def number(name: str) -> float | None:
        found = re.match(r"\s*([-+]?\d+\.?\d*(?:[eE][-+]?\d+)?)", str(header.get(name, "")))
        return float(found.group(1)) if found else None

    pixel, x, y = number("PIXEL_SIZE"), number("BEAM_CENTER_X"), number("BEAM_CENTER_Y")
    known = pixel and x is not None and y is not None
    return RunMetadata(
        beam_center_px=(x / pixel, y / pixel) if known and x is not None and y is not None and pixel else None,
        pixel_size_mm=pixel, distance_mm=number("DISTANCE"), wavelength_angstrom=number("WAVELENGTH"),
        saturated_value=number("CCD_IMAGE_SATURATION"), detector=header.get("DETECTOR_SN"),
    )  # fmt: skip
