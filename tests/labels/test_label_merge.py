"""Two machines, two stores: whatever is merged, in any order and however often, the outcome is one and the same."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sfx_label.errors import LabelStoreError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.events import Event, Kind, Provenance
from sfx_label.labels.journal import decode_line, encode_line
from sfx_label.labels.scheme import Label
from sfx_label.labels.store import LabelStore

KEYS = [FrameKey("0123456789abcdef", "/data/images", index, "/data/run.h5", f"//{index}") for index in range(4)]
NAMES = ["anna", "ben"]

# what the people at two or three machines do, one after the other: (machine, who, frame, what), and when they merge
ACTS = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(NAMES),
        st.integers(0, len(KEYS) - 1),
        st.sampled_from(["hit", "maybe", "miss", "undo", "skip", "resend", "merge"]),
    ),
    max_size=14,
)


def _play(stores: list[LabelStore], acts: list[tuple[int, str, int, str]]) -> None:
    for number, (machine, name, frame, what) in enumerate(acts):
        store = stores[machine % len(stores)]
        if what == "undo":
            store.undo(name, client="page", client_seq=number)
        elif what == "skip":
            store.skip(KEYS[frame], annotator=name, client="page", client_seq=number)
        elif what == "resend":  # the page got no answer from one machine and sends to the other
            for each in stores:
                each.append(KEYS[frame], "hit", annotator=name, client="page", client_seq=number)
        elif what == "merge":
            store.merge_from(stores[frame % len(stores)])
        else:
            store.append(KEYS[frame], what, annotator=name, client="page", client_seq=number)


def _state(store: LabelStore) -> tuple[object, ...]:
    labels = {name: store.labels_for(KEYS, name).tolist() for name in NAMES}
    recent = store.labels_for(KEYS, disagreement="recent").tolist()
    events = [(event.identity, event.kind, event.order) for event in store.events()]
    return labels, store.labels_for(KEYS).tolist(), recent, events, store.seen_by(KEYS, "anna").tolist()


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=ACTS, order=st.permutations([0, 1, 2]), again=st.lists(st.integers(0, 2), max_size=4))
def test_any_order_and_repetition_of_merges_gives_one_state(
    acts: list[tuple[int, str, int, str]], order: list[int], again: list[int]
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        stores = [LabelStore.open(folder / f"{i}.labels", create=True, per_writer=True) for i in range(3)]
        _play(stores, acts)
        states = []
        for number, sequence in enumerate([[0, 1, 2], [*order, *again]]):
            with LabelStore.open(folder / f"merged{number}", create=True, per_writer=bool(number)) as merged:
                for source in sequence:
                    merged.merge_from(stores[source])
                states.append(_state(merged))
                assert all(merged.merge_from(store) == 0 for store in stores)
        for store in stores:
            store.close()
        assert states[0] == states[1]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(acts=ACTS)
def test_one_shared_folder_is_the_same_as_a_merge(acts: list[tuple[int, str, int, str]]) -> None:
    with tempfile.TemporaryDirectory() as name:
        shared = Path(name) / "shared.labels"
        writers = [LabelStore.open(shared, create=True, per_writer=True) for _ in range(2)]
        _play(writers, [act for act in acts if act[3] not in ("resend", "merge")])
        seen = [_state(writer) for writer in writers]
        with LabelStore.open(Path(name) / "merged", create=True) as merged:
            merged.merge_from(writers[0])
            assert seen[0] == seen[1] == _state(merged)
        for writer in writers:
            writer.close()


def test_a_decision_made_after_seeing_another_counts_as_later(tmp_path: Path) -> None:
    with (
        LabelStore.open(tmp_path / "a.labels", create=True, annotator="anna") as here,
        LabelStore.open(tmp_path / "b.labels", create=True, annotator="anna") as there,
    ):
        for _ in range(5):
            here.append(KEYS[1], Label.MISS)
        here.append(KEYS[0], Label.MISS)
        there.merge_from(here)
        there.append(KEYS[0], Label.HIT)
        here.merge_from(there)
        assert here.current(KEYS[0]) is there.current(KEYS[0]) is Label.HIT


def test_an_undo_on_another_machine_holds_for_both_copies_of_a_resent_label(tmp_path: Path) -> None:
    with (
        LabelStore.open(tmp_path / "a.labels", create=True, annotator="anna") as here,
        LabelStore.open(tmp_path / "b.labels", create=True, annotator="anna") as there,
    ):
        for store in (here, there):
            store.append(KEYS[0], Label.HIT, client="page", client_seq=1)
        there.undo()
        here.merge_from(there)
        assert here.current(KEYS[0]) is None
        assert len(here.events()) == 2


def test_a_folder_store_is_merged_into_a_file_and_back(tmp_path: Path) -> None:
    with (
        LabelStore.open(tmp_path / "folder", create=True, annotator="anna", per_writer=True) as folder,
        LabelStore.open(tmp_path / "file.labels", create=True, annotator="ben") as file,
    ):
        folder.append(KEYS[0], Label.HIT, display={"layer": "lcn"}, note="é")
        file.append(KEYS[1], Label.MISS)
        assert file.merge_from(folder) == 1 and folder.merge_from(file) == 1
        assert [event.to_record() for event in file.events()] == [event.to_record() for event in folder.events()]


TEXT = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
EVENTS = st.builds(
    Event,
    kind=st.just(Kind.LABEL),
    annotator=TEXT,
    client=TEXT,
    client_seq=st.integers(-(2**62), 2**62),
    key=st.builds(FrameKey, TEXT, TEXT, st.integers(0, 2**62), TEXT, TEXT),
    position=st.none() | st.integers(0, 2**40),
    label=st.sampled_from(Label),
    note=st.none() | TEXT,
    flag=st.none() | TEXT,
    display=st.dictionaries(TEXT, st.none() | st.booleans() | st.integers() | TEXT, max_size=3),
    shown_at=st.none() | st.floats(allow_nan=False, allow_infinity=False),
    supersedes=st.none() | st.tuples(TEXT, st.integers(0, 9)),
    clock=st.integers(1, 2**40),
    provenance=st.builds(Provenance, os_user=TEXT, os_uid=st.none() | st.integers(0, 2**31)),
)


@given(st.lists(EVENTS, max_size=3))
def test_a_journal_line_is_exact(events: list[Event]) -> None:
    line = encode_line(events)
    assert line.endswith(b"\n") and line.count(b"\n") == 1
    assert decode_line(line) == events


@given(EVENTS, st.data())
def test_a_damaged_journal_line_is_noticed(event: Event, data: st.DataObject) -> None:
    line = bytearray(encode_line([event]))
    place = data.draw(st.integers(0, len(line) - 2))
    line[place] ^= 1 << data.draw(st.integers(0, 6))
    try:
        assert decode_line(bytes(line)) == [event]  # upper case in the checksum is the same number
        assert place < 8
    except LabelStoreError as error:
        assert "journal" in str(error)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_clear_error_and_no_crash(data: bytes) -> None:
    with pytest.raises(LabelStoreError):
        decode_line(data)


@settings(max_examples=20, deadline=None)
@given(EVENTS)
def test_any_event_passes_through_sqlite_exactly(event: Event) -> None:
    with tempfile.TemporaryDirectory() as name, LabelStore.open(Path(name) / "a.labels", create=True) as store:
        assert store._log.merge([event, event]) == 1
        assert store.events() == [event]


def test_the_wrong_kind_of_records_is_an_error(tmp_path: Path) -> None:
    record = next(iter(_one(tmp_path))).to_record()
    damage: list[Callable[[], None]] = [
        lambda: record.update(label=7),
        lambda: record.update(kind="dance"),
        lambda: record.update(display="{"),
        lambda: record.pop("annotator"),
    ]
    for step in damage:
        step()
        with pytest.raises(LabelStoreError, match="damaged"):
            Event.from_record(record)


def _one(tmp_path: Path) -> list[Event]:
    with LabelStore.open(tmp_path / "one.labels", create=True) as store:
        store.append(KEYS[0], Label.HIT)
        return store.events()
