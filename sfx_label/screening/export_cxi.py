"""Hits-only CXI files: the chosen frames copied (bitshuffle-LZ4) or left where they are (virtual data set), with peaks.

Layout: ``/entry_1/data_1/data`` (n, rows, columns), ``/entry_1/data_1/mask`` (CXI bits, 0 = good),
``/entry_1/result_1/{nPeaks,peakXPosRaw,peakYPosRaw,peakTotalIntensity}`` as Cheetah writes them (positions in pixels,
0 = centre of the first; CrystFEL adds its half pixel itself), ``/LCLS/photon_energy_eV`` where the wavelength is known,
``/entry_1/experiment_identifier`` = ``file //event`` of the original, ``/entry_1/sfx_label/probability``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import FileLayoutError, FrameReadError, SfxLabelError
from sfx_label.screening.export import temporary_beside
from sfx_label.screening.manifest import Manifest

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames

__all__ = ["write_cxi", "write_vds"]

CXI_VERSION = 150
EV_ANGSTROM = 12398.419843320026  # h c / e, CODATA 2018
BAD_PIXEL = 0x1  # CXI: invalid
MOST_PEAKS = 2048


@dataclass
class _Chosen:
    """The frames of one export, run by run."""

    manifest: Manifest
    rows: list[dict[str, Any]]
    shape: tuple[int, int]
    dtype: np.dtype[Any]

    def __iter__(self) -> Iterator[tuple[int, dict[str, Any], Frames]]:
        """Yield number in the export, row, and the run's frames."""
        number = 0
        for run in sorted({row["run"] for row in self.rows}):
            with self.manifest.runs[run].open() as frames:
                for row in self.rows:
                    if row["run"] == run:
                        yield number, row, frames
                        number += 1


def write_cxi(
    manifest: Manifest, table: Any, out: Path, *, peaks: bool = True, compression: str | None = "bitshuffle-lz4"
) -> int:
    """Write the chosen frames to one CXI file; see :func:`sfx_label.screening.export.export`.

    Parameters
    ----------
    manifest, table, out
        Given by ``export``.
    peaks
        Whether the spots of every frame are found and written as its peak list.
    compression
        ``"bitshuffle-lz4"`` (as Eiger files; readers need the HDF5 plugin) or ``None``.
    """
    return _write(manifest, table, out, peaks, lambda file, chosen: _CopiedData(file, chosen, compression))


def write_vds(manifest: Manifest, table: Any, out: Path, *, peaks: bool = True) -> int:
    """Write a CXI file whose data stay in the original files, by absolute path.

    Parameters
    ----------
    manifest, table, out, peaks
        As for :func:`write_cxi`.
    """
    return _write(manifest, table, out, peaks, _VirtualData)


def _write(manifest: Manifest, table: Any, out: Path, peaks: bool, data: Any) -> int:
    rows = table.to_pylist()
    chosen = _Chosen(manifest, rows, *_common_shape(manifest, {row["run"] for row in rows}))
    temporary = temporary_beside(out)
    try:
        with h5py.File(temporary, "w", libver="v110") as file:
            _fill(file, chosen, data(file, chosen), peaks)
        temporary.rename(out)
    finally:
        temporary.unlink(missing_ok=True)
    return len(chosen.rows)


def _fill(file: h5py.File, chosen: _Chosen, data: Any, peaks: bool) -> None:
    notes, list_of_peaks = _Notes(len(chosen.rows)), _Peaks(file, len(chosen.rows)) if peaks else None
    mask: NDArray[np.bool_] | None = None
    for number, row, frames in chosen:
        data.add(number, row, frames)
        notes.add(number, row, frames)
        mask = frames.mask if mask is None else mask
        if list_of_peaks is not None:
            list_of_peaks.add(number, row, frames)
    data.finish()
    if list_of_peaks is not None:
        list_of_peaks.finish()
    if mask is not None:
        bad = np.where(mask, 0, BAD_PIXEL).astype(np.uint32)
        file["entry_1/data_1"].create_dataset("mask", data=bad, compression="gzip")
    notes.write(file)


class _CopiedData:
    def __init__(self, file: h5py.File, chosen: _Chosen, compression: str | None) -> None:
        if compression not in ("bitshuffle-lz4", None):
            raise SfxLabelError(f"compression is 'bitshuffle-lz4' or None; received {compression!r}.")
        shape = (len(chosen.rows), *chosen.shape)
        self._data = file.create_dataset(
            "entry_1/data_1/data", shape, chosen.dtype, chunks=(1, *chosen.shape), **_filter(compression)
        )

    def add(self, number: int, row: dict[str, Any], frames: Frames) -> None:
        self._data[number] = frames[row["position"]]

    def finish(self) -> None:
        """Nothing is left to do."""


def _filter(compression: str | None) -> dict[str, Any]:
    if compression is None:
        return {}
    import hdf5plugin

    return dict(hdf5plugin.Bitshuffle(nelems=0, cname="lz4"))


class _VirtualData:
    def __init__(self, file: h5py.File, chosen: _Chosen) -> None:
        self._file = file
        self._layout = h5py.VirtualLayout((len(chosen.rows), *chosen.shape), chosen.dtype)
        self._shapes: dict[tuple[str, str], tuple[int, ...]] = {}

    def add(self, number: int, row: dict[str, Any], frames: Frames) -> None:
        path, dataset, index = str(Path(row["path"]).resolve()), row["dataset"], row["index"]
        shape = self._source_shape(path, dataset)
        if shape[-2:] != tuple(frames.shape[1:]) or len(shape) not in (2, 3):
            raise FileLayoutError(
                f"A frame of {path}:{dataset} is not stored as it is seen (stored {shape}, frame {frames.shape[1:]}), "
                "so it cannot be linked. Use format='cxi', which copies the frames."
            )
        source = h5py.VirtualSource(path, dataset, shape=shape)
        self._layout[number] = source[index] if len(shape) == 3 else source

    def finish(self) -> None:
        self._file.require_group("entry_1/data_1").create_virtual_dataset("data", self._layout)

    def _source_shape(self, path: str, dataset: str) -> tuple[int, ...]:
        if not dataset:
            raise FileLayoutError(f"{path} is not HDF5 and cannot be linked. Use format='cxi' to copy its frames.")
        if (path, dataset) not in self._shapes:
            with h5py.File(path, "r", locking=False) as source:
                self._shapes[path, dataset] = tuple(source[dataset].shape)
        return self._shapes[path, dataset]


class _Peaks:
    """Peak lists, one row a frame, written as they come."""

    def __init__(self, file: h5py.File, n_frames: int) -> None:
        group = file.require_group("entry_1/result_1")
        self._number = np.zeros(n_frames, np.int32)
        self._group = group
        self._columns = {
            name: group.create_dataset(name, (n_frames, MOST_PEAKS), "f4", chunks=(1, MOST_PEAKS), compression="gzip")
            for name in ("peakXPosRaw", "peakYPosRaw", "peakTotalIntensity")
        }

    def add(self, number: int, row: dict[str, Any], frames: Frames) -> None:
        from sfx_label.preprocess.spots import find_spots

        frame = frames.read(row["position"]).data
        if frame is None:
            raise FrameReadError(
                f"{row['path']} {row['event']} can no longer be read, though it was screened. Check the file, or "
                "export a list instead of the data."
            )
        spots = find_spots(frame, frames.mask)
        order = np.argsort(-np.asarray(spots.intensity), kind="stable")[:MOST_PEAKS]
        self._number[number] = len(order)
        for name, values in (
            ("peakXPosRaw", spots.x),
            ("peakYPosRaw", spots.y),
            ("peakTotalIntensity", spots.intensity),
        ):
            self._columns[name][number, : len(order)] = np.asarray(values)[order]

    def finish(self) -> None:
        self._group.create_dataset("nPeaks", data=self._number)


class _Notes:
    """What stands beside the data: names of the originals, scores, photon energy, geometry."""

    def __init__(self, n_frames: int) -> None:
        self._names = [""] * n_frames
        self._probability = np.full(n_frames, np.nan)
        self._energy = np.full(n_frames, np.nan)
        self._distance = np.full(n_frames, np.nan)
        self._pixel_mm: float | None = None

    def add(self, number: int, row: dict[str, Any], frames: Frames) -> None:
        metadata = frames.frame_metadata(row["position"])
        self._names[number] = f"{row['path']} {row['event']}"
        self._probability[number] = np.nan if row["probability"] is None else row["probability"]
        if metadata.wavelength_angstrom:
            self._energy[number] = EV_ANGSTROM / metadata.wavelength_angstrom
        if metadata.distance_mm is not None:
            self._distance[number] = metadata.distance_mm * 1e-3
        self._pixel_mm = metadata.pixel_size_mm if self._pixel_mm is None else self._pixel_mm

    def write(self, file: h5py.File) -> None:
        file["cxi_version"] = CXI_VERSION
        entry = file["entry_1"]
        entry.create_dataset("experiment_identifier", data=self._names, dtype=h5py.string_dtype())
        entry.create_dataset("sfx_label/probability", data=self._probability)
        if np.isfinite(self._energy).any():
            file["LCLS/photon_energy_eV"] = self._energy
        if np.isfinite(self._distance).any():
            entry["instrument_1/detector_1/distance"] = self._distance
        if self._pixel_mm is not None:
            entry["instrument_1/detector_1/x_pixel_size"] = self._pixel_mm * 1e-3
            entry["instrument_1/detector_1/y_pixel_size"] = self._pixel_mm * 1e-3


def _common_shape(manifest: Manifest, runs: set[int]) -> tuple[tuple[int, int], np.dtype[Any]]:
    found: set[tuple[tuple[int, int], np.dtype[Any]]] = set()
    for run in sorted(runs):
        with manifest.runs[run].open() as frames:
            found.add(((frames.shape[1], frames.shape[2]), np.dtype(frames.dtype)))
    if len(found) > 1:
        raise FileLayoutError(
            f"The chosen frames have different shapes or types ({sorted(map(str, found))}), and one data set holds "
            "one. Export each run by itself (run=0, run=1, ...)."
        )
    return found.pop()
