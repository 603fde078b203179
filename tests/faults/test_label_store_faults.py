"""Faults of machine, disk and network while labelling: what was acknowledged is there afterwards, and nothing else."""

from __future__ import annotations

import os
import random
import resource
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sfx_label.errors import LabelStoreError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.events import Kind
from sfx_label.labels.storage import LabelStoreWarning, broken_locks, file_system_of
from sfx_label.labels.store import LabelStore

pytestmark = pytest.mark.faults

ROOT = Path(__file__).resolve().parents[2]
KINDS = pytest.mark.parametrize("per_writer", [False, True], ids=["file", "folder"])
LABEL_FOREVER = """
    import sys
    from sfx_label.errors import LabelStoreError
    from sfx_label.frames.sequence import FrameKey
    from sfx_label.labels.store import LabelStore

    path, annotator, first = sys.argv[1], sys.argv[2], int(sys.argv[3])
    with LabelStore.open(path, annotator=annotator) as store:
        for number in range(first, first + int(sys.argv[4])):
            key = FrameKey("0123456789abcdef", "/data/images", number, "/data/run.h5", f"//{number}")
            try:
                for _ in range(2):  # sent twice, as a page does that got no answer
                    store.append(key, number % 3, client=annotator, client_seq=number)
            except LabelStoreError as error:
                print("refused", number, error, flush=True)
                break
            print("saved", number, flush=True)
"""


def key(index: int, path: str = "/data/run.h5") -> FrameKey:
    return FrameKey("0123456789abcdef", "/data/images", index, path, f"//{index}")


def start(code: str, *words: object, before: tuple[str, ...] = (), **options: object) -> subprocess.Popen[str]:
    command = [*before, sys.executable, "-c", textwrap.dedent(code), *map(str, words)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options
    )  # type: ignore[call-overload, no-any-return]


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    return out


def saved(out: str) -> list[int]:
    return [int(line.split()[1]) for line in out.splitlines() if line.startswith("saved ")]


@pytest.fixture
def new_store(tmp_path: Path) -> Callable[..., Path]:
    def make(per_writer: bool = False, folder: Path = tmp_path) -> Path:
        LabelStore.open(folder / "run.labels", create=True, per_writer=per_writer).close()
        return folder / "run.labels"

    return make


def _kill_while_labelling(path: Path, times: int, seed: int) -> None:
    chance = random.Random(seed)
    acknowledged: set[int] = set()
    for round_ in range(times):
        process = start(LABEL_FOREVER, path, "anna", 1 + round_ * 100_000, 100_000)
        assert process.stdout is not None and process.stderr is not None
        lines = [process.stdout.readline()]
        time.sleep(chance.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        lines += process.stdout.read().splitlines()
        process.wait()
        process.stdout.close()
        process.stderr.close()
        acknowledged |= set(saved("\n".join(line.strip() for line in lines if line.endswith("\n") or " " in line)))
    with LabelStore.open(path) as store:
        there = {event.key.index for event in store.events()}
        assert store.integrity_check() == []
        assert len(acknowledged) >= times
        assert acknowledged <= there
        assert len(there - acknowledged) <= times  # at most the one on its way at each kill
        store.append(key(0), "hit")  # and the store still works
        assert store.current(key(0)) is not None


@KINDS
def test_kill_9_loses_no_acknowledged_label(new_store: Callable[..., Path], per_writer: bool) -> None:
    _kill_while_labelling(new_store(per_writer), 10, seed=9)


@pytest.mark.slow
@KINDS
def test_fifty_kills_lose_no_acknowledged_label(new_store: Callable[..., Path], per_writer: bool) -> None:
    _kill_while_labelling(new_store(per_writer), 50, seed=50)


@KINDS
def test_three_kernels_at_once_save_each_message_once(new_store: Callable[..., Path], per_writer: bool) -> None:
    path = new_store(per_writer)
    names = ["anna", "ben", "carl"]
    processes = [start(LABEL_FOREVER, path, name, 0, 60) for name in names]
    assert [len(saved(finish(process))) for process in processes] == [60] * 3
    with LabelStore.open(path) as store:
        events = store.events()
        assert len(events) == 180 and len({event.identity for event in events}) == 180
        for name in names:
            assert [event.client_seq for event in store.events(annotator=name)] == list(range(60))
        assert store.labels_for([key(i) for i in range(60)]).tolist() == [i % 3 for i in range(60)]


@KINDS
def test_full_disk_refuses_and_keeps_what_was_saved(new_store: Callable[..., Path], per_writer: bool) -> None:
    path = new_store(per_writer)

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (80_000, 80_000))

    out = finish(start(LABEL_FOREVER, path, "anna", 0, 100_000, preexec_fn=limit))
    assert "refused" in out and len(saved(out)) > 20
    with LabelStore.open(path) as store:
        assert [event.client_seq for event in store.events()] == saved(out)
        assert store.integrity_check() == []
        store.append(key(99), "hit")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "disk"
    mount.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", mount], capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no file system can be mounted here: {done.stderr.decode().strip()}")
    yield mount
    subprocess.run(["umount", mount], check=True)


@KINDS
def test_full_file_system_says_what_to_do(new_store: Callable[..., Path], small_disk: Path, per_writer: bool) -> None:
    path = new_store(per_writer, small_disk)
    with LabelStore.open(path, annotator="anna") as store:
        count = 0
        with pytest.raises(LabelStoreError, match=r"(?i)space.*label this frame again"):
            while count < 10_000:
                store.append(key(count), "miss", display={"padding": "x" * 500})
                count += 1
        assert len(store.events()) == count > 50  # the same session goes on reading
    with LabelStore.open(path) as store:
        assert [event.key.index for event in store.events()] == list(range(count))
        assert store.integrity_check() == []


def _strace(*injections: str) -> tuple[str, ...]:
    tool = shutil.which("strace")
    if tool is None:
        pytest.skip("no strace here to inject faults with")
    probe = subprocess.run([tool, "-f", "-e", "trace=fsync", "true"], capture_output=True, check=False)
    if probe.returncode != 0:
        pytest.skip(f"strace cannot trace here: {probe.stderr.decode().strip()[-200:]}")
    return (tool, "-f", "-o", os.devnull, *(part for each in injections for part in ("-e", f"inject={each}")))


@KINDS
def test_a_failing_fsync_is_not_acknowledged(new_store: Callable[..., Path], per_writer: bool) -> None:
    path = new_store(per_writer)
    tracer = _strace("fsync,fdatasync:error=EIO:when=25+")
    out = finish(start(LABEL_FOREVER, path, "anna", 0, 1000, before=tracer))
    assert "refused" in out and 0 < len(saved(out)) < 30
    refused = max(saved(out)) + 1
    with LabelStore.open(path, annotator="anna") as store:
        # the refused one may have reached the disk all the same: then sending it again finds it
        assert [event.client_seq for event in store.events() if event.client_seq != refused] == saved(out)
        store.append(key(refused), refused % 3, client="anna", client_seq=refused)
        assert [event.client_seq for event in store.events()] == [*saved(out), refused]
        assert store.integrity_check() == []


OPEN_AND_LABEL = """
    import sys, warnings
    from sfx_label.errors import LabelStoreError
    from sfx_label.frames.sequence import FrameKey
    from sfx_label.labels.store import LabelStore

    warnings.simplefilter("always")
    print("ready", flush=True)
    sys.stdin.readline()
    try:
        with LabelStore.open(sys.argv[1], create=True, annotator="anna") as store:
            store.append(FrameKey("0123456789abcdef", "/data/images", 0), "hit")
            print("saved 0", store.path.is_dir())
    except LabelStoreError as error:
        print("refused", error)
"""


def _with_broken_locks(path: Path) -> tuple[str, str]:
    """Open the store and label in a process whose every lock fails from now on: Python needs fcntl to start."""
    tracer = _strace("fcntl:error=ENOLCK")
    process = start(OPEN_AND_LABEL, path, stdin=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    strace = subprocess.Popen([*tracer, "-p", str(process.pid)], stderr=subprocess.PIPE, text=True)
    assert strace.stderr is not None
    attached = strace.stderr.readline()
    out, err = process.communicate("go\n", timeout=60)
    strace.wait(timeout=60)
    strace.stderr.close()
    if "attached" not in attached:
        pytest.skip(f"strace may not attach here: {attached.strip()}")
    return out, err


def test_a_file_store_where_locks_are_broken_is_refused(new_store: Callable[..., Path]) -> None:
    path = new_store()
    before = path.read_bytes()
    out, _ = _with_broken_locks(path)
    assert "refused the file system cannot lock files (No locks available)" in out and "per_writer=True" in out
    assert path.read_bytes() == before


def test_a_new_store_where_locks_are_broken_goes_per_writer(tmp_path: Path) -> None:
    path = tmp_path / "new.labels"
    out, err = _with_broken_locks(path)
    assert out.split() == ["saved", "0", "True"], err
    assert "one file per writer" in err
    with LabelStore.open(path) as store:
        assert len(store.events()) == 1


def test_locks_work_here_and_the_file_system_is_named(tmp_path: Path) -> None:
    assert broken_locks(tmp_path) is None
    kind = subprocess.run(
        ["stat", "-f", "-c", "%T", tmp_path], capture_output=True, text=True, check=True
    ).stdout.strip()
    assert file_system_of(tmp_path) in (kind, kind.split("/")[0], "ext4" if kind == "ext2/ext3" else kind)


def _as_nobody(act: Callable[[], str]) -> str:
    """Run as a user without rights in a forked child, since root may write everywhere."""
    if os.getuid() != 0:
        return act()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.setgroups([])
            os.setgid(65534)
            os.setuid(65534)
            answer = act()
        except BaseException as error:
            answer = f"{type(error).__name__}: {error}"
        os.write(writing, answer.encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read().decode()
    os.waitpid(child, 0)
    return answer


@KINDS
def test_a_place_that_may_not_be_written_opens_for_reading(per_writer: bool) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "run.labels"
        with LabelStore.open(path, create=True, annotator="anna", per_writer=per_writer) as store:
            store.append(key(0), "hit")
        for place in [folder, path] if per_writer else [folder]:
            place.chmod(0o555)
        for file in path.iterdir() if per_writer else [path]:
            file.chmod(0o444)

        def look() -> str:
            with pytest.warns(LabelStoreWarning, match="reading only"), LabelStore.open(path, annotator="ben") as store:
                with pytest.raises(LabelStoreError, match="reading only"):
                    store.append(key(1), "hit")
                return f"{store.read_only} {store.current(key(0))!r}"

        assert _as_nobody(look) == "True <Label.HIT: 2>"
        folder.chmod(0o755)
        if per_writer:
            path.chmod(0o755)


@KINDS
def test_a_store_that_anyone_can_change_is_warned_about(new_store: Callable[..., Path], per_writer: bool) -> None:
    path = new_store(per_writer)
    path.chmod(path.stat().st_mode | stat.S_IWOTH)
    with pytest.warns(LabelStoreWarning, match="anyone on this machine"):
        LabelStore.open(path).close()


def test_a_fork_goes_on_as_another_writer(tmp_path: Path) -> None:
    path = tmp_path / "run.labels"
    with LabelStore.open(path, create=True, annotator="anna") as store:
        store.append(key(0), "hit")
        child = os.fork()
        if child == 0:
            try:
                for index in range(1, 21):
                    store.append(key(index), "miss")
            finally:
                os._exit(0)
        for index in range(21, 41):
            store.append(key(index), "maybe")
        assert os.waitpid(child, 0)[1] == 0
        events = store.events()
        assert sorted(event.key.index for event in events) == list(range(41))
        assert len({event.writer for event in events}) == 2
        assert store.integrity_check() == []


def test_a_damaged_file_is_refused_or_reported(new_store: Callable[..., Path]) -> None:
    path = new_store()
    with LabelStore.open(path) as store:
        for index in range(60):
            store.append(key(index), "hit")
    whole = path.read_bytes()
    for share in (0.3, 0.9):
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(LabelStoreError, match="damaged"), LabelStore.open(path) as store:
            store.events()
    path.write_bytes(whole[:8192] + b"\xff" * 4096 + whole[12288:])
    with LabelStore.open(path) as store:
        assert store.integrity_check() != []


def test_an_interrupted_making_is_completed(tmp_path: Path) -> None:
    path = tmp_path / "run.labels"
    path.touch()
    with pytest.raises(LabelStoreError, match="interrupted"):
        LabelStore.open(path, read_only=True)
    with LabelStore.open(path) as store:
        store.append(key(0), "hit")
        assert len(store.events()) == 1


def test_a_half_written_line_of_another_machine_waits(tmp_path: Path) -> None:
    path = tmp_path / "run.labels"
    with LabelStore.open(path, create=True, annotator="anna", per_writer=True) as store:
        for index in range(3):
            store.append(key(index), "hit")
        (journal,) = path.glob("*.jsonl")
        whole = journal.read_bytes()
        cut = whole.rstrip(b"\n").rfind(b"\n") + 40
        copy = tmp_path / "copy.labels"
        shutil.copytree(path, copy)
        (copy / journal.name).write_bytes(whole[:cut])
        with LabelStore.open(copy) as other:
            assert len(other.events()) == 2 and other.integrity_check() == []
            (copy / journal.name).write_bytes(whole)  # the rest arrives
            assert len(other.events()) == 3


def test_a_flipped_byte_costs_one_line_and_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "run.labels"
    with LabelStore.open(path, create=True, annotator="anna", per_writer=True) as store:
        for index in range(5):
            store.append(key(index), "hit")
    (journal,) = path.glob("*.jsonl")
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b'"label": 2', b'"label": 0')
    journal.write_bytes(b"".join(lines))
    with LabelStore.open(path) as store:
        assert [event.key.index for event in store.events()] == [0, 1, 3, 4]
        (report,) = store.integrity_check()
        assert journal.name in report and "checksum" in report


def test_clocks_that_are_wrong_by_a_day_do_not_change_the_order(tmp_path: Path) -> None:
    """The machine whose clock is a day late decided last, having seen the other's label."""
    from dataclasses import replace

    with (
        LabelStore.open(tmp_path / "here.labels", create=True, annotator="anna") as here,
        LabelStore.open(tmp_path / "there.labels", create=True, annotator="anna") as there,
    ):
        here.append(key(0), "miss")
        there.merge_from(here)
        late = there.append(key(0), "hit")
        yesterday = replace(late, stored_at=time.time() - 86_400, decided_at=time.time() - 86_400)
        with LabelStore.open(tmp_path / "merged.labels", create=True) as merged:
            merged._log.merge([yesterday])
            merged.merge_from(here)
            assert [event.label for event in merged.events()] == [0, 2]
            assert merged.current(key(0)) == 2


def test_an_open_reader_does_not_stop_the_writers(new_store: Callable[..., Path]) -> None:
    path = new_store()
    with LabelStore.open(path, annotator="anna") as writer, LabelStore.open(path, annotator="ben") as other:
        for index in range(20):
            writer.append(key(index), "hit")
            assert other.current(key(index), "anna") == 2
            other.skip(key(index))
            assert other.undo() is not None
        kinds = [event.kind for event in writer.events()]
    assert [kinds.count(kind) for kind in (Kind.LABEL, Kind.SKIP, Kind.UNDO)] == [20, 20, 20]
