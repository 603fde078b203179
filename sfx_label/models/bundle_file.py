"""The files of a bundle: written whole or not at all, and read as if a stranger had sent them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sfx_label.errors import BundleError
from sfx_label.models.architectures import MAX_PARAMETERS, Weights, find_architecture

__all__ = ["canonical_json", "read_description", "read_weights", "weights_digest", "write_bundle"]

FORMAT = "sfx-label bundle"
VERSION = 1
DESCRIPTION_FILE = "bundle.json"
WEIGHTS_FILE = "weights.safetensors"

MAX_DESCRIPTION_BYTES = 16 * 2**20  # keys of a million frames take about 8 MB
MAX_HEADER_BYTES = 2**20
MAX_DEPTH = 12
MAX_TEXT = 4096
_SAFETENSORS_DTYPES = {"float32": "F32", "float64": "F64"}
_FIELDS: dict[str, type | tuple[type, ...]] = {
    "format": str,
    "version": int,
    "method": str,
    "architecture": dict,
    "preprocessing": dict,
    "frame_shape": list,
    "label_scheme": dict,
    "threshold": (int, float),
    "provenance": dict,
    "history": list,
    "weights_sha256": str,
}


def canonical_json(value: Any) -> str:
    """Return JSON with sorted keys and no NaN, the same text for the same content."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)


def weights_digest(weights: Weights) -> str:
    """Return the SHA-256 of names, types, shapes and values of the weights."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        values = np.asarray(weights[name], order="C")
        digest.update(f"{name}\0{values.dtype.str}\0{values.shape}\0".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()


def write_bundle(folder: Path, description: Mapping[str, Any], weights: Weights) -> None:
    """Write both files into a new folder and move it into place; an older bundle there is replaced.

    Raises
    ------
    BundleError
        If the folder holds anything but a bundle, or the disk refuses.
    """
    _refuse_foreign_folder(folder)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    except OSError as error:
        raise BundleError(
            f"Cannot write a bundle beside {folder}: {error}; choose a folder that you may write to."
        ) from error
    try:
        _write_files(made, description, weights)
        _move_into_place(made, folder)
    except OSError as error:
        raise BundleError(
            f"Cannot save the bundle as {folder}: {error}; what was there before is unchanged."
        ) from error
    finally:
        shutil.rmtree(made, ignore_errors=True)


def read_description(folder: Path) -> dict[str, Any]:
    """Read and check ``bundle.json``: sizes, types and names, before anything is built from it.

    Raises
    ------
    BundleError
        If the file is absent, too large, not what a bundle holds, or from a newer version.
    """
    text = _read_file(folder / DESCRIPTION_FILE, MAX_DESCRIPTION_BYTES)
    try:
        description = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{folder / DESCRIPTION_FILE} is not valid JSON ({error}); copy the bundle again.") from error
    _check_fields(description, folder)
    _check_tree(description, folder)
    return dict(description)


def read_weights(folder: Path, architecture: str, config: Mapping[str, Any]) -> dict[str, NDArray[Any]]:
    """Read the weights that the architecture asks for, refusing any other file before it is read.

    Raises
    ------
    BundleError
        If names, shapes, types or sizes differ from the architecture's, or a weight is not a finite number.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    kind = find_architecture(architecture)
    shapes = kind.weight_shapes(config)
    count = sum(int(np.prod(shape, dtype=np.int64)) for shape in shapes.values())
    if count > MAX_PARAMETERS:
        raise BundleError(
            f"{folder} describes a network of {count} weights; more than {MAX_PARAMETERS} are not loaded."
        )
    size = count * np.dtype(kind.weight_dtype).itemsize
    path = folder / WEIGHTS_FILE
    content = _read_file(path, 8 + MAX_HEADER_BYTES + size)
    _check_header(content, shapes, _SAFETENSORS_DTYPES[kind.weight_dtype], path)
    try:
        weights: dict[str, NDArray[Any]] = load(content)
    except (SafetensorError, ValueError) as error:
        raise BundleError(f"{path} is damaged ({error}); copy the bundle again.") from error
    for name, values in weights.items():
        if not np.isfinite(values).all():
            raise BundleError(f"Weight {name!r} in {path} holds NaN or infinity; the bundle is damaged, train again.")
    return weights


def _write_files(folder: Path, description: Mapping[str, Any], weights: Weights) -> None:
    from safetensors.numpy import save

    content = {
        name: np.ascontiguousarray(values) if np.ndim(values) else np.asarray(values)
        for name, values in weights.items()
    }
    head = {"format": FORMAT, "version": VERSION, "weights_sha256": weights_digest(weights)}
    text = json.dumps({**head, **description}, indent=1, sort_keys=True, allow_nan=False)
    _write_synced(folder / WEIGHTS_FILE, save(content))
    _write_synced(folder / DESCRIPTION_FILE, text.encode())
    folder.chmod(0o777 & ~_umask())


def _umask() -> int:
    """Return the process's mask; it can only be read by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def _write_synced(path: Path, content: bytes) -> None:
    with path.open("xb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _refuse_foreign_folder(folder: Path) -> None:
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise BundleError(f"A bundle is saved as a folder, but {folder} is a file or a link; choose another name.")
    if folder.is_dir():
        names = {path.name for path in folder.iterdir()}
        if names and not (DESCRIPTION_FILE in names and names <= {DESCRIPTION_FILE, WEIGHTS_FILE}):
            raise BundleError(
                f"{folder} holds something else than a bundle ({sorted(names)[:3]}...); choose an empty or new folder."
            )


def _move_into_place(made: Path, folder: Path) -> None:
    if not folder.exists():
        made.rename(folder)
        return
    old = Path(tempfile.mkdtemp(prefix=f".{folder.name}-old-", dir=folder.parent))
    try:
        folder.rename(old / "bundle")
        try:
            made.rename(folder)
        except OSError:
            (old / "bundle").rename(folder)
            raise
    finally:
        shutil.rmtree(old, ignore_errors=True)


def _read_file(path: Path, limit: int) -> bytes:
    """Read a regular file of at most ``limit`` bytes; links, pipes and devices are refused."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise BundleError(
            f"Cannot open {path}: {error.strerror}. A bundle is a folder with real files {DESCRIPTION_FILE} and"
            f" {WEIGHTS_FILE}."
        ) from error
    with os.fdopen(handle, "rb") as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise BundleError(f"{path} is not a regular file, so it was not read.")
        if status.st_size > limit:
            raise BundleError(
                f"{path} has {status.st_size} bytes where at most {limit} are expected, so it was not read."
            )
        return file.read(limit)


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a number of JSON")


def _check_fields(description: Any, folder: Path) -> None:
    if not isinstance(description, dict) or description.get("format") != FORMAT:
        raise BundleError(
            f"{folder / DESCRIPTION_FILE} does not describe a bundle of sfx-label (no format {FORMAT!r})."
        )
    if description.get("version") != VERSION:
        raise BundleError(
            f"{folder} was written as bundle version {description.get('version')!r:.40}; this sfx-label reads version"
            f" {VERSION}: update sfx-label."
        )
    different = set(description) ^ set(_FIELDS)
    if different:
        raise BundleError(f"{folder / DESCRIPTION_FILE} lacks, or has unknown, fields: {sorted(different)[:5]!r:.300}.")
    for name, kind in _FIELDS.items():
        if not isinstance(description[name], kind) or isinstance(description[name], bool):
            raise BundleError(
                f"Field {name!r} of {folder / DESCRIPTION_FILE} has the wrong type {type(description[name]).__name__}."
            )


def _check_tree(value: Any, folder: Path, depth: int = 0) -> None:
    """Refuse texts and nestings that no bundle of ours has."""
    if depth > MAX_DEPTH:
        raise BundleError(f"{folder / DESCRIPTION_FILE} is nested deeper than {MAX_DEPTH} levels, so it was not used.")
    if isinstance(value, str) and len(value) > MAX_TEXT:
        raise BundleError(
            f"{folder / DESCRIPTION_FILE} holds a text of {len(value)} characters; at most {MAX_TEXT} are expected."
        )
    if isinstance(value, dict):
        for name, item in value.items():
            _check_tree(name, folder, depth)
            _check_tree(item, folder, depth + 1)
    elif isinstance(value, list):
        for item in value:
            _check_tree(item, folder, depth + 1)


def _check_header(content: bytes, shapes: Mapping[str, tuple[int, ...]], dtype: str, path: Path) -> None:
    """Compare names, shapes and types with the architecture's before any array is made."""
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > min(MAX_HEADER_BYTES, len(content) - 8):
        raise BundleError(f"{path} is not a safetensors file, or was cut off; copy the bundle again.")
    try:
        header = json.loads(content[8 : 8 + length])
        found = {
            name: (entry["dtype"], tuple(entry["shape"])) for name, entry in header.items() if name != "__metadata__"
        }
    except (ValueError, RecursionError, TypeError, KeyError, AttributeError) as error:
        raise BundleError(
            f"The header of {path} is damaged ({type(error).__name__}); copy the bundle again."
        ) from error
    expected = {name: (dtype, tuple(shape)) for name, shape in shapes.items()}
    if found != expected:
        wrong = sorted(name for name in set(found) | set(expected) if found.get(name) != expected.get(name))
        first = wrong[0]
        raise BundleError(
            f"The weights in {path} do not fit the architecture: {first!r:.100} is {found.get(first, 'absent')!s:.100},"
            " expected"
            f" {expected.get(first, 'none')} ({len(wrong)} differ)."
        )
