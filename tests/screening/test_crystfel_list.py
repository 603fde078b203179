"""CrystFEL lists, read back by a parser written from what CrystFEL's own reader is known to do."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sfx_label.errors import SfxLabelError
from sfx_label.screening.export_crystfel import crystfel_line

BUFFER = 1024


def parse(content: bytes) -> list[tuple[str, str]]:
    """Read a list as indexamajig does: ``fgets`` of 1023 bytes, newline off, cut at the last space before a ``//``."""
    entries: list[tuple[str, str]] = []
    while content:
        end = content.find(b"\n", 0, BUFFER - 1)
        end = min(len(content), BUFFER - 1) if end < 0 else end + 1
        line, content = content[:end].rstrip(b"\n"), content[end:]
        if not line:
            continue
        head, space, tail = line.rpartition(b" ")
        named = bool(space) and b"//" in tail
        entries.append((os.fsdecode(head if named else line), os.fsdecode(tail) if named else ""))
    return entries


def test_the_parser_does_what_crystfel_does() -> None:
    assert parse(b"/data/a b.cxi //3\n/my dir//x.h5\n") == [("/data/a b.cxi", "//3"), ("/my", "dir//x.h5")]
    assert len(parse(b"/" + b"x" * 1100 + b" //0\n")) == 2  # a long line falls apart


@pytest.mark.parametrize(
    ("path", "event", "line"),
    [
        ("/data/run.cxi", "//12", "/data/run.cxi //12"),
        ("/data/run.h5", "tag-123//", "/data/run.h5 tag-123//"),
        ("/data/run.h5", "chunk_1//0", "/data/run.h5 chunk_1//0"),
        ("/data//x/../a b.cxi", "//0", "/data/a b.cxi //0"),
        ("//data/run.cxi", "//0", "/data/run.cxi //0"),
        ("/data/one.cbf", "", "/data/one.cbf //"),
    ],
)
def test_lines_are_as_documented(path: str, event: str, line: str) -> None:
    assert crystfel_line(path, event) == line


@pytest.mark.parametrize(
    ("path", "event", "why"),
    [
        ("/data/a\nb.cxi", "//0", "control character"),
        ("/data/a\rb.cxi", "//0", "control character"),
        ("/" + "x" * 1000, "//0", "longer than 999 bytes"),
        ("/" + "ü" * 500, "//0", "longer than 999 bytes"),
        ("/data/run.h5", "chunk 1//0", "space in its event"),
        ("/data/run.h5", "3", "exactly one //"),
        ("/data/run.h5", "a//b//3", "exactly one //"),
    ],
)
def test_names_that_crystfel_would_misread_are_refused(path: str, event: str, why: str) -> None:
    with pytest.raises(SfxLabelError, match=why):
        crystfel_line(path, event)


names = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=60)


@given(st.lists(names, min_size=1, max_size=5), st.sampled_from(["//0", "//999999", "tag-77//", "chunk_3//15"]))
def test_what_is_written_is_read_back(parts: list[str], event: str) -> None:
    path = "/" + "/".join(parts)
    try:
        line = crystfel_line(path, event)
    except SfxLabelError:
        return
    assert parse(os.fsencode(line) + b"\n") == [(os.path.normpath("/" + path.lstrip("/")), event)]


def test_relative_names_become_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert crystfel_line("run.cxi", "//1") == f"{tmp_path}/run.cxi //1"
