"""A session keeps the same books as the store, whatever is sent twice, late or in vain."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfx_label.frames.sequence import Frames
from sfx_label.labels.scheme import UNLABELLED, Label
from sfx_label.labels.store import LabelStore
from sfx_label.widgets.labelling import LabellingSession


def label(seq: int, position: int, value: int) -> dict[str, Any]:
    return {"seq": seq, "kind": "label", "position": position, "label": value, "shown_at": 10.0, "decided_at": 11.5}


def test_what_arrives_twice_counts_once(frames: Frames, store: LabelStore) -> None:
    session = LabellingSession(frames, store)
    acts = [label(1, 3, 2), label(2, 4, 0)]
    assert session.take("page", acts).up_to == 2
    again = session.take("page", [*acts, label(3, 5, 1)])
    assert (again.up_to, again.error) == (3, "")
    assert len(store.events()) == 3
    assert session.labels[[3, 4, 5]].tolist() == [2, 0, 1]


def test_an_undo_that_arrives_twice_takes_back_one_label(frames: Frames, store: LabelStore) -> None:
    session = LabellingSession(frames, store)
    session.take("page", [label(1, 0, 2), label(2, 1, 2)])
    undo = {"seq": 3, "kind": "undo", "position": 1}
    assert session.take("page", [undo]).undone == ((3, 1, UNLABELLED),)
    assert session.take("page", [undo]).undone == ((3, 1, UNLABELLED),)
    assert session.labels[:2].tolist() == [2, UNLABELLED]


def test_undo_reaches_back_over_a_restart_and_says_when_nothing_is_left(frames: Frames, store: LabelStore) -> None:
    LabellingSession(frames, store).take("old page", [label(1, 7, 1)])
    session = LabellingSession(frames, store)
    assert session.take("new page", [{"seq": 1, "kind": "undo", "position": 0}]).undone == ((1, 7, UNLABELLED),)
    assert session.take("new page", [{"seq": 2, "kind": "undo", "position": 0}]).undone == ((2, -1, UNLABELLED),)


def test_undoing_a_correction_brings_the_first_label_back(frames: Frames, store: LabelStore) -> None:
    session = LabellingSession(frames, store)
    session.take("page", [label(1, 2, 0), label(2, 2, 2)])
    outcome = session.take("page", [{"seq": 3, "kind": "undo", "position": 2}])
    assert outcome.undone == ((3, 2, 0),)
    assert store.current(frames.keys[2], "eve") is Label.MISS


def test_after_a_failed_act_none_is_tried(frames: Frames, store: LabelStore) -> None:
    outcome = LabellingSession(frames, store).take("page", [label(1, 0, 2), label(2, 99, 2), label(3, 1, 2)])
    assert outcome.up_to == 1
    assert "Received 99" in outcome.error
    assert len(store.events()) == 1


def test_skips_flags_and_notes_are_kept_as_they_were_typed(frames: Frames, store: LabelStore) -> None:
    session = LabellingSession(frames, store)
    text = "<img src=x onerror=alert(1)>"
    acts = [
        {"seq": 1, "kind": "skip", "position": 0},
        {"seq": 2, "kind": "flag", "position": 1, "text": "ice"},
        {"seq": 3, "kind": "note", "position": 1, "text": text},
    ]
    assert session.take("page", acts).error == ""
    assert store.flags_for(frames) == {1: ["ice"]}
    assert store.notes_for(frames) == {1: [text]}
    assert (session.labels == UNLABELLED).all()


def test_annotators_label_side_by_side_and_disputes_are_found(frames: Frames, store: LabelStore) -> None:
    LabellingSession(frames, store, "eve").take("a", [label(1, 0, 2), label(2, 1, 0), label(3, 2, 1)])
    other = LabellingSession(frames, store, "'); DROP TABLE events--")
    other.take("b", [label(1, 0, 2), label(2, 1, 2)])
    assert other.labels[:3].tolist() == [2, 2, UNLABELLED]
    assert other.disputed().tolist() == [1]


def test_numbers_count_within_a_selection(frames: Frames, store: LabelStore) -> None:
    LabellingSession(frames[5:], store).take("page", [label(1, 0, 2)])
    whole = LabellingSession(frames, store)
    assert np.flatnonzero(whole.labels != UNLABELLED).tolist() == [5]
    assert whole.history() == [{"position": 5, "label": 2, "kind": "label"}]
    assert LabellingSession(frames[:5], store).history() == []


def test_a_session_begins_where_the_annotator_stopped(frames: Frames, store: LabelStore) -> None:
    queue = np.array([4, 2, 9])
    session = LabellingSession(frames, store)
    assert session.first_unlabelled(queue) == 4
    session.take("page", [label(1, 4, 0), label(2, 2, 0)])
    assert LabellingSession(frames, store).first_unlabelled(queue) == 9
    session.take("page", [label(3, 9, 0)])
    assert session.first_unlabelled(queue) == 9
    assert session.first_unlabelled(queue[:0]) == -1


def test_the_name_tells_sessions_apart_without_telling_where_they_are(
    frames: Frames, store: LabelStore, tmp_path: Path
) -> None:
    name = LabellingSession(frames, store).name
    assert name == LabellingSession(frames, store).name
    assert name != LabellingSession(frames, store, "adam").name
    assert name != LabellingSession(frames[2:], store).name
    assert str(tmp_path) not in name


def test_the_table_has_one_row_a_labelled_frame(frames: Frames, store: LabelStore) -> None:
    session = LabellingSession(frames, store)
    session.take("page", [label(1, 6, 2), label(2, 1, 0), label(3, 6, 1)])
    table = session.to_frame()
    assert table["position"].tolist() == [1, 6]
    assert table["label"].tolist() == ["Miss", "Maybe"]
    assert table["seconds"].tolist() == [1.5, 1.5]
    assert LabellingSession(frames, store, "nobody").to_frame().empty


@pytest.mark.parametrize("seed", [0, 1])
def test_a_thousand_acts_with_resends_undos_and_restarts_keep_the_books(
    frames: Frames, store: LabelStore, seed: int
) -> None:
    dice = random.Random(seed)
    session, client, seq = LabellingSession(frames, store), "page-0", 0
    stack: list[tuple[int, int]] = []
    books = np.full(len(frames), UNLABELLED)
    for step in range(500):
        seq += 1
        if dice.random() < 0.2:
            act: dict[str, Any] = {"seq": seq, "kind": "undo", "position": 0}
            if stack:
                position, before = stack.pop()
                books[position] = before
        else:
            position, value = dice.randrange(len(frames)), dice.randrange(3)
            stack.append((position, int(books[position])))
            books[position], act = value, label(seq, position, value)
        for _ in range(1 + (dice.random() < 0.3)):
            assert session.take(client, [act]).error == ""
        if dice.random() < 0.02:
            session, client, seq = LabellingSession(frames, store), f"page-{step + 1}", 0
        np.testing.assert_array_equal(session.labels, books)
    np.testing.assert_array_equal(store.labels_for(frames, "eve"), books)
