"""Write a simulated run: the frames in the layout ``idh5_v1.0``, the labels in Ke's format, the truth as a table."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import h5py
import hdf5plugin
import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import SfxLabelError
from sfx_label.simulate.detector import panel_starts
from sfx_label.simulate.experiments import resolve_setting
from sfx_label.simulate.frame import FrameTruth, Simulator, classes_in_order
from sfx_label.simulate.settings import SimulationSetting

__all__ = ["SimulatedRun", "simulate_run"]

CHUNK_FRAMES = 500
"""Frames in one chunk group; the groups' names sort in the order of the frames."""
FIRST_PULSE = datetime(2014, 2, 28, 6, 0)
PULSES_PER_SECOND = 30.0
DTYPES = ("int16", "uint16", "int32", "float32")

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class SimulatedRun:
    """A finished run.

    Parameters
    ----------
    path, annotation_path, truth_path
        The frames; the labels (``NAME.h5 [1] MISS``) and the truth table, ``None`` where they were not asked for.
    truth
        One array (n,) for each field of :class:`~sfx_label.simulate.frame.FrameTruth`.
    """

    path: Path
    annotation_path: Path | None
    truth_path: Path | None
    truth: dict[str, NDArray[Any]]

    def __len__(self) -> int:
        return len(self.truth["frame"])


def simulate_run(
    path: str | os.PathLike[str],
    setting: str | SimulationSetting,
    n_frames: int,
    seed: int,
    *,
    progress: Progress | None = None,
    frame_size: int | tuple[int, int] | None = None,
    annotations: bool = True,
    dtype: str = "int16",
) -> SimulatedRun:
    """Simulate ``n_frames`` stills and write them to ``path``; the same arguments give the same bytes.

    A longer run of the same seed starts with the shorter one (but for a last block of fewer than twenty frames). Frames
    are written one by one under a temporary name, so memory stays flat and a killed simulation leaves no half file.
    The class mix is the setting's, unless the frames are too small to show the spots of a hit.

    Parameters
    ----------
    path
        HDF5 file to write; an existing one is replaced.
    setting
        Name of one of :data:`~sfx_label.simulate.experiments.SETTINGS`, or a setting.
    n_frames, seed
        Number of frames, and the number that fixes everything random.
    progress
        Called with frames done and frames in all.
    frame_size
        Side of a square frame, or (rows, columns), cut from or added around the middle of the setting's detector.
    annotations
        Also write ``NAME.expert_annotation.txt`` and ``NAME.truth.csv`` beside the frames.
    dtype
        int16, uint16, int32 or float32.

    Raises
    ------
    SfxLabelError
        Unknown setting, no frames, frames too small, or a type or folder that cannot be used.
    """
    chosen = resolve_setting(setting)
    target = Path(path)
    shape = _checked(target, n_frames, frame_size, dtype)
    simulator = Simulator(chosen, seed, shape, dtype)
    labels = classes_in_order(chosen.mix.per_2000, n_frames, seed)
    with _replacing(target) as temporary:
        truths = _write_frames(temporary, simulator, labels, progress)
        sidecars = _write_sidecars(target, truths) if annotations else (None, None)
    columns = {f.name: np.array([getattr(t, f.name) for t in truths]) for f in fields(FrameTruth)}
    return SimulatedRun(target, sidecars[0], sidecars[1], columns)


def _checked(
    target: Path, n_frames: int, frame_size: int | tuple[int, int] | None, dtype: str
) -> tuple[int, int] | None:
    if n_frames < 1:
        raise SfxLabelError(f"a run needs at least one frame, not {n_frames}; ask for 1 or more")
    if dtype not in DTYPES:
        raise SfxLabelError(f"frames cannot be stored as {dtype!r}; choose one of {', '.join(DTYPES)}")
    if not target.parent.is_dir():
        raise SfxLabelError(f"the folder {str(target.parent)!r} does not exist; create it or choose another place")
    shape = (frame_size, frame_size) if isinstance(frame_size, int) else frame_size
    if shape is not None and min(shape) < 32:
        raise SfxLabelError(
            f"frames of {shape[0]}x{shape[1]} pixels are too small to hold a pattern; ask for 32 or more"
        )
    return shape


@contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    """Give a temporary name beside ``target`` and move the finished file into place; clean up where it failed."""
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        yield temporary
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def _write_frames(
    temporary: Path, simulator: Simulator, labels: NDArray[np.int8], progress: Progress | None
) -> list[FrameTruth]:
    truths: list[FrameTruth] = []
    with h5py.File(temporary, "w", libver=("earliest", "v110")) as file:
        _write_metadata(file, simulator)
        for start in range(0, len(labels), CHUNK_FRAMES):
            part = labels[start : start + CHUNK_FRAMES]
            group = file.create_group(f"data/chunk_{start // CHUNK_FRAMES:04d}")
            images = group.create_dataset(
                "images",
                (len(part), *simulator.shape),
                simulator.dtype,
                chunks=(1, *simulator.shape),
                track_times=False,
                **hdf5plugin.Bitshuffle(cname="lz4"),
            )
            for row, label in enumerate(part):
                frame = simulator.frame(start + row, int(label))
                images[row] = frame.data
                truths.append(frame.truth)
                if progress is not None:
                    progress(len(truths), len(labels))
            _write_pulses(group, simulator, truths[start:])
    return truths


def _write_metadata(file: h5py.File, simulator: Simulator) -> None:
    detector = simulator.setting.detector
    rows, columns = simulator.shape
    limit = min(detector.saturation, simulator.camera.limits[1])
    values = {
        "idh5_version": np.bytes_(b"idh5_v1.0"),
        "ACTIVE_AREAS": np.array(_active_areas(simulator), np.int32),
        "BEAM_CENTER_X": (simulator.geometry.centre[0] + 0.5) * detector.pixel_mm,
        "BEAM_CENTER_Y": (simulator.geometry.centre[1] + 0.5) * detector.pixel_mm,
        "PIXEL_SIZE": detector.pixel_mm,
        "SIZE1": rows,
        "SIZE2": columns,
        "MIN_TRUSTED_VALUE": int(min(0.0, detector.offset - 10.0 * detector.read_noise)),
        "SATURATED_VALUE": int(limit),
    }
    group = file.create_group("metadata")
    for name, value in values.items():
        group.create_dataset(name, data=value, track_times=False)
    group.attrs["simulated"] = (
        f"sfx-label simulation, setting {simulator.setting.name}, seed {simulator.seed}; not measured data"
    )


def _active_areas(simulator: Simulator) -> list[int]:
    detector = simulator.setting.detector
    rows, columns = simulator.shape
    if detector.panels is None:
        return [0, 0, rows, columns]
    areas: list[int] = []
    for top in panel_starts(rows, detector.panels[0], detector.gap_px[0]):
        for left in panel_starts(columns, detector.panels[1], detector.gap_px[1]):
            areas += [top, left, min(top + detector.panels[0], rows), min(left + detector.panels[1], columns)]
    return areas


def _write_pulses(group: h5py.Group, simulator: Simulator, truths: list[FrameTruth]) -> None:
    times = [FIRST_PULSE + timedelta(seconds=t.frame / PULSES_PER_SECOND) for t in truths]
    stamps = [f"{t:%Y-%m-%dT%H:%M}Z{t:%S}.{t.microsecond // 1000:03d}".encode() for t in times]
    columns = {
        "distance": np.full(len(truths), simulator.setting.beam.distance_mm),
        "wavelength": np.array([t.wavelength for t in truths]),
        "timestamp": np.array(stamps),
    }
    for name, values in columns.items():
        group.create_dataset(name, data=values, track_times=False)


def _write_sidecars(target: Path, truths: list[FrameTruth]) -> tuple[Path, Path]:
    annotation = target.with_name(f"{target.stem}.expert_annotation.txt")
    table = target.with_name(f"{target.stem}.truth.csv")
    with _replacing(annotation) as temporary, temporary.open("w", encoding="utf-8", newline="\n") as out:
        out.writelines(f"{target.name} [{t.frame}] {t.label}\n" for t in truths)
    with _replacing(table) as temporary, temporary.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow([f.name for f in fields(FrameTruth)])
        writer.writerows([_cell(value) for value in astuple(t)] for t in truths)
    return annotation, table


def _cell(value: float | int | str) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
