"""What all tests share: where the real data lies, and no configuration of the person who runs them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "agg")


def _shared_folder() -> Path | None:
    named = os.environ.get("SFX_LABEL_SHARED")
    folder = Path(named) if named else Path(__file__).resolve().parents[1].parent / "shared"
    return folder if (folder / "data").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder with real annotations, real frames and simulated twins; skips where it is absent."""
    folder = _shared_folder()
    if folder is None:
        pytest.skip("no real data here: set SFX_LABEL_SHARED to the folder that holds data/")
    return folder / "data"
