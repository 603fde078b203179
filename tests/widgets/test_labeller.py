"""The widgets as a page and a script see them, in messages and properties."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import traitlets

from sfx_label.errors import LabelStoreError, SfxLabelError
from sfx_label.frames.sequence import Frames
from sfx_label.labels.scheme import Label
from sfx_label.labels.store import LabelStore
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.widgets.labeller import Labeller
from sfx_label.widgets.viewer import FrameViewer

PageOf = Callable[..., Any]


def label_act(seq: int, position: int, value: int) -> dict[str, Any]:
    return {
        "seq": seq,
        "kind": "label",
        "position": position,
        "label": value,
        "decided_at": 1.0,
        "display": {"layer": "raw"},
    }


def test_a_page_is_told_all_it_needs_to_begin(frames: Frames, page_of: PageOf) -> None:
    page = page_of(FrameViewer(frames, preprocessing=Preprocessing.lcn(crop=40)))
    page.send({"type": "hello"})
    setup, buffers = page.wait_for("setup")[0]
    assert setup["client"] == "page-1"
    assert setup["run"] == {"name": "run.cxi", "format": frames.format, "n": 12, "width": 80, "height": 60}
    assert setup["crop"] == {"x": 20, "y": 10, "width": 40, "height": 40}
    assert np.frombuffer(buffers[0], "<i4").tolist() == list(range(12))
    assert np.frombuffer(buffers[1], np.int8).tolist() == [-1] * 12
    assert np.unpackbits(np.asarray(buffers[2]))[: 60 * 80].reshape(60, 80)[:, 40].sum() == 0
    json.dumps(setup)


def test_pixels_arrive_with_the_values_of_the_file(frames: Frames, page_of: PageOf) -> None:
    page = page_of(FrameViewer(frames))
    page.send({"type": "want", "items": [{"id": 1, "position": 3, "layer": "raw", "step": 1}]})
    content, (codes,) = page.wait_for("plane")[0]
    assert (content["position"], content["width"], content["height"], content["status"]) == (3, 80, 60, "ok")
    assert content["name"].startswith("run.cxi")
    np.testing.assert_array_equal(np.asarray(codes), frames[3])


def test_spots_profile_and_values_are_answered(frames: Frames, page_of: PageOf) -> None:
    page = page_of(FrameViewer(frames))
    items = [
        {"id": 1, "position": 9, "layer": "spots", "step": 1},
        {"id": 2, "position": 9, "layer": "profile", "step": 1},
    ]
    page.send({"type": "want", "items": items})
    spots, (rows,) = page.wait_for("spots")[0]
    assert np.asarray(rows).shape == (spots["n"], 4)
    profile, (values,) = page.wait_for("profile")[0]
    assert len(np.asarray(values)) == profile["n"]
    page.send({"type": "value", "id": 4, "position": 2, "x": 7, "y": 8})
    assert page.wait_for("value")[0][0]["raw"] == str(frames[2][8, 7])


def test_a_wish_that_cannot_be_met_is_answered_with_the_reason(frames: Frames, page_of: PageOf) -> None:
    page = page_of(FrameViewer(frames[:1]))
    page.send({"type": "want", "items": [{"id": 1, "position": 0, "layer": "difference", "step": 1}]})
    content, buffers = page.wait_for("plane")[0]
    assert "no readable neighbour" in content["message"] and not buffers
    page.send({"type": "want", "items": [{"id": 2, "position": 77, "layer": "raw", "step": 1}]})
    assert "77" in page.wait_for("plane", 2)[1][0]["message"]


def test_a_page_that_talks_nonsense_is_told_so(frames: Frames, page_of: PageOf) -> None:
    page = page_of(FrameViewer(frames))
    for nonsense in ({"type": "explode"}, {}, {"type": "at"}, {"type": "at", "position": 400, "layer": "raw"}):
        page.send(nonsense)
    assert len(page.wait_for("problem", 4)) == 4


def test_index_and_layer_work_both_ways(frames: Frames, page_of: PageOf) -> None:
    viewer = FrameViewer(frames)
    page = page_of(viewer)
    seen: list[int] = []
    viewer.observe(lambda change: seen.append(change["new"]), "index")
    viewer.index = 5
    viewer.layer = "lcn"
    assert page.wait_for("goto")[0][0]["position"] == 5
    assert page.wait_for("layer")[0][0]["layer"] == "lcn"
    page.send({"type": "at", "position": 8, "layer": "raw"})
    assert (viewer.index, viewer.layer, seen) == (8, "raw", [5, 8])
    assert len(page.wait_for("goto")) == 1
    with pytest.raises(traitlets.TraitError, match="0 to 11"):
        viewer.index = 12
    with pytest.raises(traitlets.TraitError, match="must be one of"):
        viewer.layer = "ultraviolet"


def test_a_queue_is_set_by_name_or_by_numbers(frames: Frames, page_of: PageOf) -> None:
    viewer = FrameViewer(frames)
    page = page_of(viewer)
    viewer.queue = [4, 2]
    content, (numbers,) = page.wait_for("queue")[0]
    assert (content["order"], np.asarray(numbers).tolist(), viewer.queue.tolist()) == ("own list", [4, 2], [4, 2])
    page.send({"type": "order", "order": "file"})
    assert viewer.queue.tolist() == list(range(12))


def test_nothing_of_the_frames_nor_of_the_disk_is_in_the_saved_state(
    frames: Frames, store: LabelStore, tmp_path: Path, page_of: PageOf
) -> None:
    labeller = Labeller(frames, store)
    page_of(labeller)
    state = labeller.get_state()
    code = state.pop("_esm")
    assert str(tmp_path) not in json.dumps(state, default=str) + code
    assert set(state) <= {name for name in state if name.startswith("_")} | {"layout", "tabbable", "tooltip"}


def test_a_label_is_acknowledged_when_it_is_on_the_disk(frames: Frames, store: LabelStore, page_of: PageOf) -> None:
    labeller = Labeller(frames, store, order="file")
    page = page_of(labeller)
    heard: list[Any] = []
    labeller.on_label(heard.append)
    page.send({"type": "acts", "acts": [label_act(1, 0, 2), label_act(2, 1, 0)]})
    saved = page.wait_for("saved")[0][0]
    assert (saved["client"], saved["upTo"], saved["undone"]) == ("page-1", 2, [])
    assert store.labels_for(frames, "eve")[:2].tolist() == [2, 0]
    assert page.wait_for("labels")[0][0] == {"type": "labels", "positions": [0, 1], "labels": [2, 0]}
    assert [event.label for event in heard] == [Label.HIT, Label.MISS]
    assert store.events()[0].display == {"layer": "raw"}
    assert store.events()[0].origin == "file"


def test_a_failure_is_told_and_nothing_is_claimed(frames: Frames, tmp_path: Path, page_of: PageOf) -> None:
    path = tmp_path / "read.labels"
    LabelStore.open(path, create=True).close()
    page = page_of(Labeller(frames, LabelStore.open(path, read_only=True, annotator="eve")))
    page.send({"type": "acts", "acts": [label_act(1, 0, 2)]})
    failed = page.wait_for("failed")[0][0]
    assert failed["upTo"] == 0 and failed["message"]
    assert not [content for content, _ in page.received if content["type"] in ("saved", "labels")]


def test_a_callback_that_fails_costs_no_label(frames: Frames, store: LabelStore, page_of: PageOf) -> None:
    labeller = Labeller(frames, store)
    page = page_of(labeller)
    labeller.on_label(lambda event: 1 / 0)
    page.send({"type": "acts", "acts": [label_act(1, 0, 2)]})
    assert "ZeroDivisionError" in page.wait_for("problem")[0][0]["message"]
    assert page.wait_for("saved")[0][0]["upTo"] == 1


def test_a_script_can_do_what_the_keyboard_does(frames: Frames, store: LabelStore, page_of: PageOf) -> None:
    labeller = Labeller(frames, store, order="file")
    page = page_of(labeller)
    assert (labeller.index, labeller.label) == (0, None)
    labeller.label = "hit"
    labeller.index = 3
    labeller.label = Label.MAYBE
    labeller.flag("ice")
    labeller.note("two lattices")
    labeller.skip()
    assert labeller.labels["label"].tolist() == ["Hit", "Maybe"]
    for _ in range(4):
        labeller.undo()
    assert (labeller.index, labeller.label) == (3, None)
    labeller.undo()
    assert (labeller.index, labeller.undo()) == (0, None)
    assert labeller.labels.empty
    assert page.wait_for("labels")


def test_a_script_cannot_label_what_the_store_refuses(frames: Frames, tmp_path: Path, page_of: PageOf) -> None:
    path = tmp_path / "read.labels"
    LabelStore.open(path, create=True).close()
    labeller = Labeller(frames, LabelStore.open(path, read_only=True, annotator="eve"))
    page_of(labeller)
    with pytest.raises(SfxLabelError, match="not saved"):
        labeller.label = "hit"


def test_no_store_is_made_unasked(frames: Frames, tmp_path: Path) -> None:
    with pytest.raises(LabelStoreError, match="no label store"):
        Labeller(frames, tmp_path / "mistyped.labels")
    assert not (tmp_path / "mistyped.labels").exists()


def test_spot_counts_bring_rare_frames_early(frames: Frames, store: LabelStore, page_of: PageOf) -> None:
    counts = [0] * 11 + [30]
    labeller = Labeller(frames, store, order="spots", spot_counts=counts)
    page = page_of(labeller)
    assert page.wait_for("queue")[0][0]["order"] == "spots"
    assert 11 in labeller.queue[:2]
    assert sorted(labeller.queue) == list(range(12))


def test_spots_are_counted_where_no_counts_are_given(frames: Frames, store: LabelStore, page_of: PageOf) -> None:
    labeller = Labeller(frames, store, order="file")
    page = page_of(labeller)
    page.send({"type": "order", "order": "spots"})
    page.wait_for("queue")
    assert sorted(labeller.queue) == list(range(12))


def test_disputed_frames_can_be_the_queue(frames: Frames, store: LabelStore, page_of: PageOf) -> None:
    store.append(frames.keys[4], Label.HIT, annotator="adam")
    store.append(frames.keys[4], Label.MISS, annotator="eve")
    labeller = Labeller(frames, store)
    page_of(labeller)
    labeller.queue = "disagreement"
    assert labeller.queue.tolist() == [4]


def test_two_pages_see_each_other_s_labels_and_other_kernels_after_a_refresh(
    frames: Frames, store: LabelStore, page_of: PageOf
) -> None:
    labeller = Labeller(frames, store)
    one, two = page_of(labeller, "one"), page_of(labeller, "two")
    one.send({"type": "acts", "acts": [label_act(1, 2, 2)]})
    two.send({"type": "acts", "acts": [label_act(1, 5, 0)]})
    assert [content["client"] for content, _ in one.wait_for("saved", 2)] == ["one", "two"]
    with LabelStore.open(store.path, annotator="eve") as elsewhere:
        elsewhere.append(frames.keys[7], Label.MAYBE)
    labeller.refresh()
    assert one.wait_for("labels", 3)[2][0] == {"type": "labels", "positions": [7], "labels": [1]}


def test_acts_from_many_threads_are_all_kept(frames: Frames, store: LabelStore, page_of: PageOf) -> None:
    labeller = Labeller(frames, store)

    def work(client: str) -> None:
        page = page_of(labeller, client)
        for seq in range(1, 26):
            page.send({"type": "acts", "acts": [label_act(seq, seq % 12, seq % 3)]})

    threads = [threading.Thread(target=work, args=(f"page-{i}",)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(store.events()) == 100
    assert len({event.identity for event in store.events()}) == 100
