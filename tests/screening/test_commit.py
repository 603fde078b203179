"""Exactly-once files: whole or absent, first writer wins, leftovers harmless."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sfx_label.screening.commit import commit_file, replace_file


def test_a_file_appears_with_its_content_and_nothing_beside_it(tmp_path: Path) -> None:
    assert commit_file(tmp_path, "part", b"rows") is True
    assert (tmp_path / "part").read_bytes() == b"rows"
    assert os.listdir(tmp_path) == ["part"]


def test_the_second_writer_is_told_and_changes_nothing(tmp_path: Path) -> None:
    commit_file(tmp_path, "part", b"first")
    assert commit_file(tmp_path, "part", b"second") is False
    assert (tmp_path / "part").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["part"]


def test_of_many_threads_exactly_one_wins(tmp_path: Path) -> None:
    start, wins = threading.Barrier(8), []

    def write(number: int) -> None:
        start.wait()
        if commit_file(tmp_path, "part", str(number).encode()):
            wins.append(number)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wins) == 1
    assert (tmp_path / "part").read_text() == str(wins[0])


def test_group_and_others_may_read_as_the_umask_says(tmp_path: Path) -> None:
    code = (
        "import os,sys; os.umask(0o027); from pathlib import Path; from sfx_label.screening.commit import commit_file; "
    )
    subprocess.run([sys.executable, "-c", code + "commit_file(Path(sys.argv[1]), 'part', b'x')", tmp_path], check=True)
    assert (tmp_path / "part").stat().st_mode & 0o777 == 0o640


def test_a_write_that_fails_half_way_leaves_no_file(tmp_path: Path) -> None:
    """A limit on file size stands for a full disk: both fail in the middle of the write."""
    code = (
        "import resource, signal, sys; from pathlib import Path; from sfx_label.screening.commit import commit_file\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: commit_file(Path(sys.argv[1]), 'part', b'x' * 5000)\n"
        "except OSError as error: print(error.errno)"
    )
    result = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "27"  # EFBIG
    assert os.listdir(tmp_path) == []
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 1000


def test_replacing_takes_the_new_content_in_one_step(tmp_path: Path) -> None:
    replace_file(tmp_path, "audit", b"old")
    replace_file(tmp_path, "audit", b"new")
    assert (tmp_path / "audit").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["audit"]


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        commit_file(tmp_path / "absent", "part", b"rows")
