"""The files of `layout_files` as fixtures; test folders are no packages, so the module is loaded by its path."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest


def _load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


LAYOUT_FILES = _load("layout_files")


@pytest.fixture(scope="session")
def files() -> ModuleType:
    """The writers of small real files, one per layout."""
    return LAYOUT_FILES


@pytest.fixture(params=LAYOUT_FILES.LAYOUTS)
def facility_run(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, str, int, str]:
    """A run in each facility's layout: (path, format, number of frames, event of the second or only frame)."""
    writer, form, count, event = LAYOUT_FILES.LAYOUTS[request.param]
    return writer(tmp_path), form, count, event
