"""The manifest of a screening folder: which model, which runs, which parts.

It is written once and never changed; when a run grows, another generation is written beside it (``manifest-0001.json``,
...), again once. Several processes may plan the same folder at the same time: one of them writes a generation, and all
of them read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfx_label.errors import FrameReadError, SfxLabelError

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames

__all__ = ["Manifest", "ModelRecord", "Part", "RunRecord", "cached_manifest", "count_generations", "generation_name"]

FORMAT = "sfx-label screening"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Part:
    """Frames ``start`` to ``stop`` (exclusive) of run number ``run``; the fingerprint is that of the first frame."""

    id: str
    run: int
    start: int
    stop: int
    fingerprint: str

    def __len__(self) -> int:
        return self.stop - self.start

    @property
    def file_name(self) -> str:
        """Name of the committed file."""
        return f"part-{self.id}.parquet"


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is needed to open a run again, in text and numbers."""

    path: str | tuple[str, ...]
    name: str
    n_frames: int
    dataset: str | None = None
    mask: str | None = None
    roots: tuple[str, ...] = ()
    geometry: str | None = None
    format: str = ""

    def open(self) -> Frames:
        """Open the run's frames."""
        from sfx_label.frames.open import open_frames

        path = self.path if isinstance(self.path, str) else list(self.path)
        return open_frames(path, dataset=self.dataset, mask=self.mask, roots=self.roots, geometry=self.geometry)

    @property
    def identity(self) -> tuple[str | tuple[str, ...], str | None]:
        """What makes two records the same run: path and data set."""
        return self.path, self.dataset


@dataclass(frozen=True, slots=True)
class ModelRecord:
    """The model of a screening: digest, method, operating point and preprocessing."""

    digest: str
    method: str
    threshold: float
    preprocessing: Mapping[str, Any]
    spots: bool = False


@dataclass(frozen=True)
class Manifest:
    """All generations of a folder's plan, read together."""

    folder: Path
    model: ModelRecord
    part_frames: int
    runs: tuple[RunRecord, ...]
    parts: tuple[Part, ...]
    generations: int = 1
    created: str = field(default="", compare=False)

    @classmethod
    def read(cls, folder: str | Path) -> Manifest:
        """Read the manifest of a screening folder.

        Raises
        ------
        FrameReadError
            If the folder holds no screening.
        """
        folder = Path(folder)
        documents = list(_documents(folder))
        if not documents:
            raise FrameReadError(f"{folder} holds no screening (no manifest.json). Name the folder given to --out.")
        first = documents[0]
        return cls(
            folder=folder,
            model=ModelRecord(**first["model"]),
            part_frames=int(first["part_frames"]),
            runs=tuple(_run_from(run) for run in documents[-1]["runs"]),
            parts=tuple(Part(**part) for document in documents for part in document["parts"]),
            generations=len(documents),
            created=str(first["created"]),
        )

    @property
    def n_frames(self) -> int:
        """Frames planned."""
        return sum(len(part) for part in self.parts)

    def committed(self) -> set[str]:
        """Return the ids of the parts whose results are on disk."""
        return {path.name[5:-8] for path in self.folder.glob("part-*.parquet")} & {part.id for part in self.parts}

    def pending(self, partition: tuple[int, int] | None = None) -> list[Part]:
        """Return the parts still to do.

        Parameters
        ----------
        partition
            ``(i, n)``: only every n-th part, starting with the i-th (0-based), for an array of jobs.
        """
        done = self.committed()
        mine = self.parts if partition is None else self.parts[partition[0] :: partition[1]]
        return [part for part in mine if part.id not in done]

    def part(self, part_id: str) -> Part:
        """Return the part with this id."""
        for part in self.parts:
            if part.id == part_id:
                return part
        raise SfxLabelError(f"No part {part_id!r} in {self.folder}; it has {len(self.parts)} parts. Plan it first.")


@lru_cache(maxsize=4)
def cached_manifest(folder: str, generations: int) -> Manifest:
    """Read a manifest once per process; ``generations`` (how many files it has now) makes growth visible."""
    manifest = Manifest.read(folder)
    if manifest.generations < generations:
        raise SfxLabelError(f"{folder} lost part of its manifest. Do not delete files of a screening while it runs.")
    return manifest


def count_generations(folder: str | Path) -> int:
    """Return how many manifest files a folder holds."""
    return sum(1 for _ in _generation_paths(Path(folder)))


def _run_from(record: Mapping[str, Any]) -> RunRecord:
    path = record["path"]
    values = {**record, "path": path if isinstance(path, str) else tuple(path), "roots": tuple(record["roots"])}
    return RunRecord(**values)


def generation_name(number: int) -> str:
    """Return the file name of a generation of the manifest."""
    return f"manifest-{number:04d}.json" if number else "manifest.json"


def _generation_paths(folder: Path) -> Iterator[Path]:
    number = 0
    while (path := folder / generation_name(number)).exists():
        yield path
        number += 1


def _documents(folder: Path) -> Iterator[dict[str, Any]]:
    for path in _generation_paths(folder):
        document = json.loads(path.read_text(encoding="utf-8"))
        if document.get("format") != FORMAT or document.get("version") != VERSION:
            raise FrameReadError(
                f"{path} is not a screening manifest of version {VERSION} (format {document.get('format')!r}, version "
                f"{document.get('version')!r}). Read it with the sfx-label that wrote it."
            )
        yield document
