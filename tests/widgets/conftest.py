"""A small run on disk, and a page made of messages."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import comm
import h5py
import numpy as np
import pytest
from comm.base_comm import BaseComm

from sfx_label.frames.open import open_frames
from sfx_label.frames.sequence import Frames
from sfx_label.labels.store import LabelStore

N, ROWS, COLUMNS = 12, 60, 80


@pytest.fixture
def run_file(tmp_path: Path) -> Path:
    """Twelve frames of 60 x 80: Poisson background, frame i with i bright spots, one masked column."""
    noise = np.random.default_rng(7)
    frames = noise.poisson(20, (N, ROWS, COLUMNS)).astype(np.uint16)
    for i in range(N):
        for spot in range(i):
            row, column = 6 + 8 * (spot % 6), 8 + 16 * (spot // 3)
            frames[i, row : row + 2, column : column + 2] = 900 + 10 * spot
    path = tmp_path / "run.cxi"
    with h5py.File(path, "w") as file:
        file["/entry_1/data_1/data"] = frames
        mask = np.zeros((ROWS, COLUMNS), np.uint16)
        mask[:, 40] = 1
        file["/entry_1/data_1/mask"] = mask
    return path


@pytest.fixture
def frames(run_file: Path) -> Iterator[Frames]:
    with open_frames(run_file) as opened:
        yield opened


@pytest.fixture
def store(tmp_path: Path) -> Iterator[LabelStore]:
    with LabelStore.open(tmp_path / "run.labels", create=True, annotator="eve") as opened:
        yield opened


class Wire(BaseComm):
    """The connection of one widget, with everything that was sent over it."""

    def __init__(self, **options: Any) -> None:
        self.sent: list[tuple[dict[str, Any], list[Any]]] = []
        super().__init__(**options)

    def publish_msg(
        self, msg_type: str, data: Any = None, metadata: Any = None, buffers: Any = None, **keys: Any
    ) -> None:
        if msg_type == "comm_msg" and data.get("method") == "custom":
            self.sent.append((data["content"], list(buffers or [])))


class Page:
    """What a browser page does to a widget, in messages."""

    def __init__(self, widget: Any, client: str = "page-1") -> None:
        self.widget, self.client = widget, client

    def send(self, content: dict[str, Any]) -> None:
        data = {"method": "custom", "content": {"client": self.client, **content}}
        self.widget._handle_msg({"content": {"data": data}, "buffers": []})

    @property
    def received(self) -> list[tuple[dict[str, Any], list[Any]]]:
        return list(self.widget.comm.sent)

    def wait_for(self, kind: str, count: int = 1, seconds: float = 60) -> list[tuple[dict[str, Any], list[Any]]]:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = [entry for entry in self.received if entry[0].get("type") == kind]
            if len(found) >= count:
                return found
            time.sleep(0.01)
        raise AssertionError(f"no {count} messages of kind {kind}: {[entry[0] for entry in self.received]}")


@pytest.fixture
def page_of(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Page]]:
    monkeypatch.setattr(comm, "create_comm", lambda *_, **options: Wire(**options))
    opened: list[Any] = []

    def page(widget: Any, client: str = "page-1") -> Page:
        opened.append(widget)
        return Page(widget, client)

    yield page
    for widget in opened:
        widget.close()
