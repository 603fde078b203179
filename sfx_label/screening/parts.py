"""How a screening is cut into parts: contiguous ranges of frames inside one file, small files taken together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sfx_label.errors import BundleError
from sfx_label.screening.commit import commit_file
from sfx_label.screening.manifest import (
    FORMAT,
    VERSION,
    Manifest,
    ModelRecord,
    Part,
    RunRecord,
    count_generations,
    generation_name,
)

if TYPE_CHECKING:
    from sfx_label.frames.sequence import Frames

__all__ = ["choose_part_frames", "extend_manifest", "file_ranges"]

PREPROCESSING_VERSION = 1  # raised whenever the same settings would give other numbers
SMALLEST_PART, LARGEST_PART, PARTS_WANTED = 64, 1024, 64


def extend_manifest(
    folder: Path,
    model: ModelRecord,
    runs: Sequence[tuple[RunRecord, Frames]],
    part_frames: int | None,
    *,
    last: bool = True,
) -> Manifest:
    """Plan every frame that no part covers yet, and return the whole manifest.

    Parameters
    ----------
    folder
        Screening folder; exists.
    model
        Must be the folder's own where it has one.
    runs
        The runs, opened; runs planned earlier and not named again keep their parts.
    part_frames
        Largest number of frames of a part; ``None`` to choose. A folder keeps the number it began with.
    last
        Whether these are all the frames there will be. While a run grows, a tail that does not fill a part waits.

    Raises
    ------
    BundleError
        If the folder was begun with another model.
    """
    while True:
        manifest = Manifest.read(folder) if count_generations(folder) else None
        if manifest is not None:
            _check_model(manifest, model)
        document = _next_document(manifest, model, runs, part_frames, last)
        if not document["parts"] and manifest is not None:
            return manifest
        number = 0 if manifest is None else manifest.generations
        payload = json.dumps(document, indent=1, ensure_ascii=False).encode()
        # whether this process or another one wrote this generation, what counts is what is on disk
        commit_file(folder, generation_name(number), payload)


def choose_part_frames(n_frames: int) -> int:
    """Return frames per part: a power of two, so that a run gives some 64 parts of 64 to 1024 frames.

    Small parts lose little when a worker dies, large ones cost fewer files. The number depends on the frames alone, not
    on the workers, so that every engine makes the same parts.
    """
    wanted = max(1, n_frames // PARTS_WANTED)
    return min(LARGEST_PART, max(SMALLEST_PART, 1 << (wanted - 1).bit_length()))


def file_ranges(frames: Frames) -> list[tuple[int, int]]:
    """Return the ranges of positions that lie in one file each, in order.

    Positions of one file stand together, so the borders are found by bisection: a run of 10^6 frames in 100 files needs
    some thousand keys, not a million.
    """
    keys, n, ranges, start = frames.keys, len(frames), [], 0
    while start < n:
        path, low, high = keys[start].path, start, n
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if keys[middle].path == path else (low, middle)
        ranges.append((start, high))
        start = high
    return ranges


def _next_document(
    manifest: Manifest | None,
    model: ModelRecord,
    runs: Sequence[tuple[RunRecord, Frames]],
    part_frames: int | None,
    last: bool,
) -> dict[str, Any]:
    records = list(manifest.runs) if manifest else []
    size = manifest.part_frames if manifest else part_frames or choose_part_frames(sum(len(f) for _, f in runs))
    parts: list[Part] = []
    for record, frames in runs:
        number = _place(records, record)
        covered = max((p.stop for p in manifest.parts if p.run == number), default=0) if manifest else 0
        parts += [
            Part(_part_id(model, frames, number, start, stop), number, start, stop, frames.keys[start].fingerprint)
            for start, stop in _cut(frames, covered, size, last)
        ]
    return {
        "format": FORMAT,
        "version": VERSION,
        "generation": manifest.generations if manifest else 0,
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": asdict(model),
        "part_frames": size,
        "runs": [asdict(record) for record in records],
        "parts": [asdict(part) for part in parts],
    }


def _place(records: list[RunRecord], record: RunRecord) -> int:
    for number, known in enumerate(records):
        if known.identity == record.identity:
            records[number] = record
            return number
    records.append(record)
    return len(records) - 1


def _cut(frames: Frames, covered: int, size: int, last: bool) -> Iterator[tuple[int, int]]:
    """Yield ranges of at most ``size`` frames that end at file borders; files smaller than that are taken together."""
    start = stop = covered
    for _low, high in file_ranges(frames):
        if high <= covered:
            continue
        if stop > start and high - start > size:
            yield start, stop
            start = stop
        is_split = high - start > size
        while high - start > size:
            # counted from the file's own first frame, so that the ranges stay on chunk borders of the file
            yield start, start + size
            start += size
        stop = high
        if is_split and high < len(frames):
            yield start, stop
            start = stop
    if stop > start and (last or stop - start == size):
        yield start, stop


def _part_id(model: ModelRecord, frames: Frames, run: int, start: int, stop: int) -> str:
    first, final = frames.keys[start], frames.keys[stop - 1]
    identity = {
        "version": [VERSION, PREPROCESSING_VERSION],
        "model": model.digest,
        "preprocessing": model.preprocessing,
        "spots": model.spots,
        "frames": [run, start, stop],
        "first": [first.fingerprint, first.dataset, first.index, first.path],
        "final": [final.fingerprint, final.dataset, final.index, final.path],
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:24]


def _check_model(manifest: Manifest, model: ModelRecord) -> None:
    for name, was, now in (
        ("model", manifest.model.digest, model.digest),
        ("spot counting", manifest.model.spots, model.spots),
        ("preprocessing", dict(manifest.model.preprocessing), dict(model.preprocessing)),
    ):
        if was != now:
            raise BundleError(
                f"{manifest.folder} was begun with another {name} ({was!r}), not with {now!r}. Results of two "
                "models do not mix: give another output folder, or the bundle this screening was begun with."
            )
