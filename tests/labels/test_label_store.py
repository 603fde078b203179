from __future__ import annotations

import pickle
import sqlite3
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfx_label.errors import AnnotationFormatError, LabelStoreError
from sfx_label.frames.sequence import FrameKey
from sfx_label.labels.events import ADJUDICATED, SUGGESTION, Kind
from sfx_label.labels.schema import APPLICATION_ID
from sfx_label.labels.scheme import SCHEME_VERSION, UNLABELLED, Label
from sfx_label.labels.store import LabelStore

Key = Callable[..., FrameKey]


def test_a_label_comes_back_with_everything_that_was_known(fresh_store: LabelStore, key: Key) -> None:
    display = {"layer": "lcn", "limits": [0.5, 99.5], "score_visible": False}
    shown, decided = datetime(2026, 5, 1, 3, 0, 0, tzinfo=UTC), 1_777_604_401.25
    fresh_store.append(
        key(3), "hit", shown_at=shown, decided_at=decided, display=display, client="page", client_seq=7,
        origin="random", note="ice?", flag="jet streak", position=12,
    )  # fmt: skip
    (event,) = fresh_store.events()
    assert (event.kind, event.label, event.annotator) == (Kind.LABEL, Label.HIT, "anna")
    assert event.key == key(3) and str(event.key) == "/data/r0095_2000.h5 chunk_1//3"
    assert (event.client, event.client_seq, event.origin, event.position) == ("page", 7, "random", 12)
    assert (event.shown_at, event.decided_at) == (shown.timestamp(), decided)
    assert event.display == display and (event.note, event.flag) == ("ice?", "jet streak")
    assert event.provenance.scheme_version == SCHEME_VERSION
    assert event.provenance.os_user and event.provenance.host


def test_the_last_label_counts_and_the_first_is_named_as_superseded(fresh_store: LabelStore, key: Key) -> None:
    first = fresh_store.append(key(0), Label.MISS)
    second = fresh_store.append(key(0), Label.HIT)
    assert fresh_store.current(key(0)) is Label.HIT
    assert second.supersedes == (first.client, first.client_seq)
    assert [event.label for event in fresh_store.events(key=key(0))] == [Label.MISS, Label.HIT]


def test_undo_goes_back_step_by_step_and_keeps_the_history(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.append(key(0), Label.MISS)
    fresh_store.append(key(0), Label.HIT)
    fresh_store.append(key(1), Label.MAYBE)
    assert fresh_store.undo().key == key(1)  # type: ignore[union-attr]
    assert fresh_store.current(key(1)) is None
    fresh_store.undo()
    assert fresh_store.current(key(0)) is Label.MISS
    fresh_store.undo()
    assert fresh_store.current(key(0)) is None
    assert fresh_store.undo() is None
    assert [event.kind for event in fresh_store.events()] == [Kind.LABEL] * 3 + [Kind.UNDO] * 3


def test_undo_reaches_into_an_earlier_session(tmp_path: Path, key: Key) -> None:
    with LabelStore.open(tmp_path / "a.labels", create=True, annotator="anna") as store:
        store.append(key(5), Label.HIT)
    with LabelStore.open(tmp_path / "a.labels", annotator="anna") as store:
        assert store.undo() is not None
        assert store.current(key(5)) is None


def test_undo_takes_back_only_ones_own_acts(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.append(key(0), Label.HIT)
    fresh_store.append(key(0), Label.MISS, annotator="ben")
    fresh_store.undo("anna")
    assert fresh_store.current(key(0), "anna") is None
    assert fresh_store.current(key(0), "ben") is Label.MISS


def test_sending_again_changes_nothing(fresh_store: LabelStore, key: Key) -> None:
    once = fresh_store.append(key(0), Label.HIT, client="page", client_seq=1)
    again = fresh_store.append(key(0), Label.HIT, client="page", client_seq=1)
    assert again == once and len(fresh_store.events()) == 1
    undone = fresh_store.undo(client="page", client_seq=2)
    assert fresh_store.undo(client="page", client_seq=2) == undone
    assert len(fresh_store.events()) == 2


def test_one_number_for_two_different_acts_is_refused(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.append(key(0), Label.HIT, client="page", client_seq=1)
    with pytest.raises(LabelStoreError, match=r"number 1 twice.*Miss for .*stored: Hit for"):
        fresh_store.append(key(0), Label.MISS, client="page", client_seq=1)
    assert fresh_store.current(key(0)) is Label.HIT


def test_a_message_that_was_lost_and_resent_takes_its_place_in_the_order(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.append(key(0), Label.MISS, client="page", client_seq=2)  # the correction arrived first
    fresh_store.append(key(0), Label.HIT, client="page", client_seq=1)
    assert fresh_store.current(key(0)) is Label.MISS


def test_client_and_number_go_together(fresh_store: LabelStore, key: Key) -> None:
    with pytest.raises(LabelStoreError, match="go together"):
        fresh_store.append(key(0), Label.HIT, client="page")


def test_skips_flags_and_notes_are_no_labels(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.skip(key(0))
    fresh_store.flag(key(1), "half a detector")
    fresh_store.note(key(1), "look at this")
    fresh_store.append(key(2), Label.HIT)
    keys = [key(i) for i in range(4)]
    assert fresh_store.labels_for(keys).tolist() == [UNLABELLED, UNLABELLED, 2, UNLABELLED]
    assert fresh_store.seen_by(keys, "anna").tolist() == [True, False, True, False]
    assert fresh_store.flags_for(keys) == {1: ["half a detector"]}
    assert fresh_store.notes_for(keys) == {1: ["look at this"]}
    for _ in range(4):
        fresh_store.undo()
    assert not fresh_store.seen_by(keys, "anna").any() and not fresh_store.flags_for(keys)


def test_where_to_go_on_after_a_restart(tmp_path: Path, key: Key) -> None:
    with LabelStore.open(tmp_path / "a.labels", create=True, annotator="anna") as store:
        for index in (4, 2, 9):
            store.append(key(index), Label.MISS)
        store.append(key(7), Label.HIT, annotator="ben")
        store.undo("anna")
    with LabelStore.open(tmp_path / "a.labels", annotator="anna") as store:
        assert store.last_event("anna").key == key(2)  # type: ignore[union-attr]
        assert store.last_event("nobody") is None


def test_annotators_in_agreement_in_dispute_and_settled(fresh_store: LabelStore, key: Key) -> None:
    for index, (anna, ben) in enumerate([("hit", "hit"), ("hit", "miss"), ("maybe", "miss")]):
        fresh_store.append(key(index), anna)
        fresh_store.append(key(index), ben, annotator="ben")
    keys = [key(i) for i in range(3)]
    assert fresh_store.labels_for(keys).tolist() == [2, UNLABELLED, UNLABELLED]
    assert fresh_store.labels_for(keys, disagreement="recent").tolist() == [2, 0, 0]
    assert fresh_store.labels_for(keys, disagreement="majority").tolist() == [2, UNLABELLED, UNLABELLED]
    fresh_store.append(key(1), "hit", annotator="carl")
    assert fresh_store.labels_for(keys, disagreement="majority").tolist() == [2, 2, UNLABELLED]
    fresh_store.append(key(2), "maybe", annotator="carl", origin=ADJUDICATED)
    assert fresh_store.labels_for(keys).tolist() == [2, UNLABELLED, 1]
    votes = fresh_store.votes_for(keys)
    assert votes["ben"].tolist() == [2, 0, 0] and votes["carl"].tolist() == [UNLABELLED, 2, UNLABELLED]


def test_suggestions_of_programs_are_no_votes(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.append(key(0), Label.HIT, annotator="spot-count", origin=SUGGESTION)
    assert fresh_store.current(key(0)) is None
    assert fresh_store.current(key(0), "spot-count") is Label.HIT


def test_a_frame_is_known_by_content_not_by_path(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.append(key(0), Label.HIT)
    assert fresh_store.current(key(0, path="/moved/elsewhere.h5")) is Label.HIT
    assert fresh_store.current(key(0, fingerprint="f" * 16)) is None


def test_labels_for_many_frames_keep_their_order(fresh_store: LabelStore, key: Key) -> None:
    for index in range(0, 100, 3):
        fresh_store.append(key(index), index % 3)
    order = [key(i) for i in np.random.default_rng(0).permutation(100)]
    expected = [UNLABELLED if k.index % 3 else k.index % 3 for k in order]
    assert fresh_store.labels_for(order).tolist() == expected
    assert fresh_store.labels_for([]).tolist() == []


@pytest.mark.parametrize("name", ["'); DROP TABLE event; --", "<img src=x onerror=alert(1)>", '"a" OR 1=1', "Zoë 🔬"])
def test_any_name_is_only_text(fresh_store: LabelStore, key: Key, name: str) -> None:
    fresh_store.append(key(0), Label.HIT, annotator=name, note=name, flag=name, origin=name, client=name, client_seq=1)
    assert fresh_store.current(key(0), name) is Label.HIT
    assert fresh_store.annotators() == [name]
    assert fresh_store.events(annotator=name)[0].note == name
    assert fresh_store.labels_for([key(0, fingerprint=name)], name).tolist() == [UNLABELLED]
    assert fresh_store.undo(name) is not None
    assert fresh_store.integrity_check() == []


@pytest.mark.parametrize("name", ["", "   ", "a\0b", "a\x1b[31m", "x" * 10_001])
def test_names_that_nobody_types_are_refused(fresh_store: LabelStore, key: Key, name: str) -> None:
    with pytest.raises(LabelStoreError, match="annotator must be readable text"):
        fresh_store.append(key(0), Label.HIT, annotator=name)
    assert fresh_store.events() == []


def test_a_wrong_label_is_refused_before_anything_is_written(fresh_store: LabelStore, key: Key) -> None:
    with pytest.raises(AnnotationFormatError):
        fresh_store.append(key(0), "perhaps")
    assert fresh_store.events() == []


@pytest.mark.parametrize(
    "strange",
    [
        {"display": {"x": object()}},
        {"display": {1: {2}}},
        {"client": "page", "client_seq": 2**70},
        {"position": 2**80},
        {"note": "\ud800"},
    ],
)
def test_what_cannot_be_kept_is_refused_whole(fresh_store: LabelStore, key: Key, strange: dict[str, Any]) -> None:
    with pytest.raises(LabelStoreError, match="kept"):
        fresh_store.append(key(0), Label.HIT, **strange)
    fresh_store.append(key(1), Label.HIT)
    assert [event.key for event in fresh_store.events()] == [key(1)]


def test_a_path_whose_bytes_are_no_text_is_written_readably(fresh_store: LabelStore, key: Key) -> None:
    odd = key(0, path="/data/r\udcff.h5")  # what Python makes of the byte ff in a file name
    fresh_store.append(odd, Label.HIT)
    assert fresh_store.current(odd) is Label.HIT
    assert fresh_store.events()[0].key.path == "/data/r\\udcff.h5"


def test_a_store_is_never_made_unasked(tmp_path: Path) -> None:
    with pytest.raises(LabelStoreError, match="create=True"):
        LabelStore.open(tmp_path / "typo.labels")
    assert list(tmp_path.iterdir()) == []


def test_a_second_create_opens_what_is_there(tmp_path: Path, key: Key) -> None:
    for _ in range(2):
        with LabelStore.open(tmp_path / "a.labels", create=True, annotator="anna") as store:
            store.append(key(0), Label.HIT)
    with LabelStore.open(tmp_path / "a.labels") as store:
        assert len(store.events()) == 2


def test_the_default_annotator_is_the_login_name(tmp_path: Path, key: Key) -> None:
    with LabelStore.open(tmp_path / "a.labels", create=True) as store:
        event = store.append(key(0), Label.HIT)
    assert event.annotator == event.provenance.os_user


def test_the_display_name_does_not_hide_the_login_name(fresh_store: LabelStore, key: Key) -> None:
    event = fresh_store.append(key(0), Label.HIT, annotator="somebody else")
    assert event.annotator == "somebody else" and event.provenance.os_user != "somebody else"


def test_events_cannot_be_changed_even_by_sql(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "a.labels"
    with LabelStore.open(path, create=True) as store:
        store.append(key(0), Label.HIT)
    connection = sqlite3.connect(path)
    for statement in ("DELETE FROM event", "UPDATE event SET label = 0"):
        with pytest.raises(sqlite3.IntegrityError, match="appended"):
            connection.execute(statement)
    connection.close()


def test_the_file_says_what_it_is_and_how_safely_it_writes(tmp_path: Path) -> None:
    path = tmp_path / "a.labels"
    with LabelStore.open(path, create=True) as store:
        (mode,), (level,) = (store._log.rows(f"PRAGMA {name}")[0] for name in ("journal_mode", "synchronous"))
        assert (mode, level) == ("delete", 3)
        (application,), (step,) = (store._log.rows(f"PRAGMA {name}")[0] for name in ("application_id", "user_version"))
        assert application == APPLICATION_ID
        assert [row[0] for row in store._log.rows("SELECT step FROM schema_log ORDER BY step")] == list(
            range(1, step + 1)
        )


def test_a_foreign_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (x)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LabelStoreError, match="another program"):
        LabelStore.open(path)
    assert path.read_bytes() == before


def test_a_store_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.labels"
    LabelStore.open(path, create=True).close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(LabelStoreError, match="newer sfx-label"):
        LabelStore.open(path)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "notes.labels"
    path.write_text("r0018_2000.h5 [1] MISS\n" * 100)
    with pytest.raises(LabelStoreError, match="no label store"):
        LabelStore.open(path)


def test_a_folder_that_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LabelStoreError, match="no label store"):
        LabelStore.open(tmp_path, create=True)
    assert list(tmp_path.iterdir()) == []


def test_reading_only(tmp_path: Path, key: Key) -> None:
    path = tmp_path / "a.labels"
    with LabelStore.open(path, create=True) as store:
        store.append(key(0), Label.HIT)
    before = path.read_bytes()
    with LabelStore.open(path, read_only=True) as store:
        assert store.read_only and store.current(key(0)) is Label.HIT
        for act in (lambda: store.append(key(1), Label.MISS), store.undo, lambda: store.skip(key(1))):
            with pytest.raises(LabelStoreError, match="reading only"):
                act()
    assert path.read_bytes() == before
    with pytest.raises(LabelStoreError, match="no label store here"):
        LabelStore.open(tmp_path / "b.labels", create=True, read_only=True)


def test_a_closed_store_says_so(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.close()
    fresh_store.close()
    with pytest.raises(LabelStoreError, match="closed"):
        fresh_store.append(key(0), Label.HIT)


def test_two_sessions_see_each_others_labels(fresh_store: LabelStore, key: Key) -> None:
    with LabelStore.open(fresh_store.path, annotator="ben") as second:
        fresh_store.append(key(0), Label.HIT)
        assert second.current(key(0)) is Label.HIT
        second.append(key(1), Label.MISS)
        assert fresh_store.current(key(1)) is Label.MISS
        assert fresh_store.annotators() == ["anna", "ben"]


def test_many_threads_write_every_label_once(fresh_store: LabelStore, key: Key) -> None:
    def label(thread: int) -> None:
        for number in range(20):
            for _ in range(2):  # every message is sent twice
                fresh_store.append(
                    key(number), number % 3, annotator=f"t{thread}", client=f"page {thread}", client_seq=number
                )

    threads = [threading.Thread(target=label, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    events = fresh_store.events()
    assert len(events) == 80 and len({event.identity for event in events}) == 80
    assert all((labels >= 0).sum() == 20 for labels in fresh_store.votes_for([key(i) for i in range(20)]).values())


def test_a_store_can_be_sent_to_another_process(fresh_store: LabelStore, key: Key) -> None:
    fresh_store.append(key(0), Label.HIT)
    with pickle.loads(pickle.dumps(fresh_store)) as copy:
        assert copy.annotator == "anna" and copy.current(key(0)) is Label.HIT


def test_history_as_a_table(fresh_store: LabelStore, key: Key) -> None:
    assert list(fresh_store.to_frame().columns)[:2] == ["title", "clock"] and len(fresh_store.to_frame()) == 0
    fresh_store.append(key(0), Label.HIT, decided_at=0.5)
    fresh_store.undo()
    table = fresh_store.to_frame()
    assert table["title"].tolist() == ["Hit", ""] and table["kind"].tolist() == ["label", "undo"]
    assert table["decided_at"][0].isoformat() == "1970-01-01T00:00:00.500000+00:00"
    assert table["label"].tolist()[0] == 2


def test_statistics(fresh_store: LabelStore, key: Key) -> None:
    for index, label in enumerate(["hit", "miss", "miss", "maybe"]):
        fresh_store.append(key(index), label, shown_at=10.0, decided_at=11.5, origin="random")
    fresh_store.append(key(0), "miss", annotator="ben")
    fresh_store.skip(key(9))
    fresh_store.undo()
    stats = fresh_store.stats()
    assert stats["labels"] == {"hit": 0, "maybe": 1, "miss": 2} and stats["in_dispute"] == 1
    assert stats["labelled"] == 3 and stats["hit_rate"] == pytest.approx(1 / 3)
    assert stats["origins"] == {"random": 4, "manual": 1}
    anna = stats["annotators"]["anna"]
    assert (anna["labelled"], anna["skipped"], anna["undone"], anna["median_seconds"]) == (4, 1, 1, 1.5)
    assert stats["agreement"]["anna / ben"]["confusion"] == [[0, 0, 0], [0, 0, 0], [1, 0, 0]]
    assert stats["agreement"]["anna / ben"]["kappa"] == 0.0


def test_statistics_of_an_empty_store_are_no_error(fresh_store: LabelStore) -> None:
    stats = fresh_store.stats()
    assert stats["labelled"] == 0 and stats["hit_rate"] is None and stats["annotators"] == {}
