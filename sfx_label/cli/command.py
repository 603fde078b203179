"""The one shape of a subcommand, and how its result is written."""

from __future__ import annotations

import json
import os
import tempfile
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from sfx_label.cli.terminal import Terminal

Result = Mapping[str, Any]


@dataclass(frozen=True)
class Command:
    """A subcommand.

    Parameters
    ----------
    name
        One or two words, such as ``"info"`` or ``"labels import"``.
    help
        One line.
    arguments
        Adds its arguments to a parser.
    run
        Does the work, prints for people, and returns the result that ``--json`` writes.
    example
        A line that works, shown under the help.
    """

    name: str
    help: str
    arguments: Callable[[ArgumentParser], None]
    run: Callable[[Namespace, Terminal], Result]
    example: str


def to_json(value: Any) -> Any:
    """Turn numpy numbers and arrays, paths and named results into what JSON knows; NaN becomes null."""
    if hasattr(value, "tolist"):
        return to_json(value.tolist())
    if hasattr(value, "to_dict"):
        return to_json(value.to_dict())
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_json(item) for item in value]
    if isinstance(value, float):
        return value if isfinite(value) else None
    return value if value is None or isinstance(value, (str, int, bool)) else str(value)


def write_json(result: Result, path: str) -> None:
    """Write a result to a file, whole or not at all.

    Parameters
    ----------
    result
        Anything that `to_json` takes.
    path
        File to write; an existing one is replaced.

    Raises
    ------
    OSError
        If the folder cannot be written.
    """
    target = Path(path)
    handle, temporary = tempfile.mkstemp(dir=target.parent or ".", prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(to_json(result), file, indent=1, allow_nan=False)
            file.write("\n")
        os.chmod(temporary, 0o644)
        os.replace(temporary, target)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
