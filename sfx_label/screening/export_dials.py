"""DIALS and cctbx: an experiment list (``.expt``) whose image sets name the chosen frames by ``single_file_indices``.

``dials.stills_process hits.expt`` splits it into one experiment a frame. Lists of files alone (``input.file_list``)
cannot say *which* frames of a file, and image tags count over all files, so an experiment list is the safe way.
"""

from __future__ import annotations

import json
import os
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfx_label.screening.commit import replace_file
from sfx_label.screening.manifest import Manifest, RunRecord
from sfx_label.screening.parts import file_ranges

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames, RunMetadata

__all__ = ["write_dials"]

POLARIZATION = 0.999  # horizontal, as dxtbx takes for an X-ray laser


@dataclass(frozen=True)
class _Still:
    path: str
    index: int | None  # None for a file of one image
    beam: dict[str, Any] | None
    detector: dict[str, Any] | None


def write_dials(manifest: Manifest, table: Any, out: Path, *, models: bool = True) -> int:
    """Write a DIALS experiment list; see :func:`sfx_label.screening.export.export`.

    Parameters
    ----------
    manifest, table, out
        Given by ``export``.
    models
        Whether beam and detector are written where wavelength, distance, beam centre and pixel size are known. Without
        them DIALS asks its own reader of the file format.
    """
    document: dict[str, Any] = {"__id__": "ExperimentList", "experiment": [], "imageset": []}
    document |= {name: [] for name in _MODELS}
    numbers: dict[str, int] = {}
    for still in _stills(manifest, table, models):
        place = json.dumps([still.path, still.index is None, still.beam, still.detector], sort_keys=True)
        if place not in numbers:
            numbers[place] = _begin_image_set(document, still)
        imageset = document["imageset"][numbers[place]]
        imageset["images"].append(still.path)
        if still.index is not None:
            imageset["single_file_indices"].append(still.index)
    replace_file(out.parent, out.name, json.dumps(document, indent=1).encode())
    return int(table.num_rows)


_MODELS = ("beam", "detector", "goniometer", "scan", "crystal", "profile", "scaling_model")


def _begin_image_set(document: dict[str, Any], still: _Still) -> int:
    number = len(document["imageset"])
    imageset: dict[str, Any] = {"__id__": "ImageSet", "images": [], "mask": "", "gain": "", "pedestal": ""}
    imageset |= {"dx": "", "dy": "", "params": {}}
    if still.index is not None:
        imageset["single_file_indices"] = []
    experiment: dict[str, Any] = {"__id__": "Experiment", "identifier": "", "imageset": number}
    for name, model in (("beam", still.beam), ("detector", still.detector)):
        if model is not None:
            experiment[name] = _number_of(document[name], model)
    document["imageset"].append(imageset)
    document["experiment"].append(experiment)
    return number


def _number_of(models: list[dict[str, Any]], model: dict[str, Any]) -> int:
    if model not in models:
        models.append(model)
    return models.index(model)


def _stills(manifest: Manifest, table: Any, models: bool) -> Iterator[_Still]:
    chosen = table.select(["run", "position", "dataset"]).to_pylist()
    for number, run in enumerate(manifest.runs):
        mine = [row for row in chosen if row["run"] == number]
        if not mine:
            continue
        with run.open() as frames:
            starts = [start for start, _ in file_ranges(frames)]
            for row in mine:
                path, index = _image_of(run, frames, starts, row["position"])
                beam, detector = _models(frames, row["position"]) if models else (None, None)
                yield _Still(path, index if row["dataset"] else None, beam, detector)


def _image_of(run: RunRecord, frames: Frames, starts: list[int], position: int) -> tuple[str, int]:
    """Return the file that DIALS opens, and the frame's number in it.

    DIALS opens a master file and counts through all the files it links to; a run of several files it opens one by one.
    """
    if isinstance(run.path, str) and os.path.isfile(run.path):
        return os.path.abspath(run.path), position
    start = starts[bisect_right(starts, position) - 1]
    return os.path.abspath(frames.keys[position].path), position - start


def _models(frames: Frames, position: int) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    metadata = frames.frame_metadata(position)
    beam = None if metadata.wavelength_angstrom is None else _beam(metadata.wavelength_angstrom)
    return beam, _detector(metadata, frames)


def _beam(wavelength: float) -> dict[str, Any]:
    return {
        "direction": [0.0, 0.0, 1.0],
        "wavelength": float(wavelength),
        "divergence": 0.0,
        "sigma_divergence": 0.0,
        "polarization_normal": [0.0, 1.0, 0.0],
        "polarization_fraction": POLARIZATION,
        "flux": 0.0,
        "transmission": 1.0,
    }


def _detector(metadata: RunMetadata, frames: Frames) -> dict[str, Any] | None:
    centre, pixel, distance = metadata.beam_center_px, metadata.pixel_size_mm, metadata.distance_mm
    if centre is None or pixel is None or distance is None:
        return None
    _, height, width = frames.shape
    low = 0.0 if metadata.trusted_min is None else float(metadata.trusted_min)
    high = float(2**31 - 1) if metadata.saturated_value is None else float(metadata.saturated_value)
    plane = {
        # dxtbx: x to the right seen from the source, y up, z towards the source
        "fast_axis": [1.0, 0.0, 0.0],
        "slow_axis": [0.0, -1.0, 0.0],
        "origin": [-centre[0] * pixel, centre[1] * pixel, -float(distance)],
        "image_size": [width, height],
        "pixel_size": [pixel, pixel],
        "trusted_range": [low, high],
    }
    panel = {**_PANEL, **plane, "name": "Panel", "type": "SENSOR_PAD"}
    return {"panels": [panel], "hierarchy": {**_PANEL, **_ROOT, "children": [{"panel": 0}]}}


_PANEL: dict[str, Any] = {
    "raw_image_offset": [0, 0],
    "thickness": 0.0,
    "material": "",
    "mu": 0.0,
    "identifier": "",
    "mask": [],
    "gain": 1.0,
    "pedestal": 0.0,
    "px_mm_strategy": {"type": "SimplePxMmStrategy"},
}
_ROOT: dict[str, Any] = {
    "name": "",
    "type": "",
    "fast_axis": [1.0, 0.0, 0.0],
    "slow_axis": [0.0, 1.0, 0.0],
    "origin": [0.0, 0.0, 0.0],
    "image_size": [0, 0],
    "pixel_size": [0.0, 0.0],
    "trusted_range": [0.0, 0.0],
}
