"""Labelling at the keyboard in a real JupyterLab: what shows as saved is on the disk, and no key leaks."""

from __future__ import annotations

import os
import signal
import string
from collections.abc import Callable
from typing import Any

import numpy as np

from sfx_label.frames.open import open_frames
from sfx_label.labels.events import Kind
from sfx_label.labels.scheme import UNLABELLED
from sfx_label.labels.store import LabelStore
from tests.browser.conftest import snapshot, wait_drawn
from tests.browser.lab_server import Lab, labeller_cell, write_run

ROOT = ".sfx-root"
VALUES = {"h": 2, "m": 1, "x": 0, "j": 2, "l": 1, "k": 0, "1": 2, "2": 1, "3": 0}


def data(page: Any) -> dict[str, str]:
    return dict(page.evaluate("() => ({...document.querySelector('.sfx-root').dataset})"))


def press(page: Any, key: str) -> None:
    """Press a key once the frame on screen is drawn."""
    wait_drawn(page)
    page.keyboard.press(key)


def wait_saved(page: Any) -> None:
    page.wait_for_function("() => document.querySelector('.sfx-root').dataset.saving === 'saved'")


def open_labeller(notebook: Callable[..., Any], lab: Lab, name: str, **options: Any) -> Any:
    write_run(lab.folder / f"{name}.cxi")
    book = notebook(f"{name}.ipynb", [labeller_cell(f"{name}.cxi", f"{name}.labels", **options)])
    book.page.wait_for_selector(ROOT)
    wait_drawn(book.page)
    book.page.locator(ROOT).focus()
    return book


def test_the_store_holds_exactly_the_acknowledged_labels_after_kill_9(notebook: Any, lab: Lab) -> None:
    book = open_labeller(notebook, lab, "killed")
    page, keys = book.page, list("hmxjlk123hmx")
    pids = lab.kernel_pids()
    for key in keys[:7]:
        press(page, key)
    press(page, "u")
    page.wait_for_function("() => document.querySelector('.sfx-root').dataset.position === '6'")
    for key in keys[7:]:
        press(page, key)
    wait_saved(page)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    # the undone frame was labelled anew by the eighth key
    expected = [VALUES[key] for key in keys[:6] + keys[7:]]
    with open_frames(lab.folder / "killed.cxi") as frames, LabelStore.open(lab.folder / "killed.labels") as store:
        labels = store.labels_for(frames, "eve")
        events = store.events()
        assert store.integrity_check() == []
    assert labels[:11].tolist() == expected
    assert (labels[11:] == UNLABELLED).all()
    assert [event.kind for event in events].count(Kind.LABEL) == 12
    assert [event.kind for event in events].count(Kind.UNDO) == 1
    shown = [event.display for event in events if event.kind is Kind.LABEL]
    assert all(entry["layer"] == "raw" and entry["score_shown"] is False for entry in shown)


def test_labels_wait_for_a_kernel_that_is_stuck_and_survive_a_reload(notebook: Any, lab: Lab) -> None:
    book = open_labeller(notebook, lab, "stuck")
    page = book.page
    press(page, "h")
    wait_saved(page)
    [pid] = lab.kernel_pids()[-1:]
    page.wait_for_timeout(1500)  # so that the next frames are fetched ahead
    os.kill(pid, signal.SIGSTOP)
    try:
        press(page, "x")
        press(page, "m")
        assert data(page)["saving"] == "saving"
        page.wait_for_function("() => document.querySelector('.sfx-root').dataset.saving === 'failed'")
        text = page.locator("[data-sfx=saving]").inner_text()
        assert text.startswith("NOT SAVED: 2 decisions kept in this browser")
        snapshot(page, "not_saved")
        with LabelStore.open(lab.folder / "stuck.labels") as store:
            assert len(store.events()) == 1
        page.on("dialog", lambda dialog: dialog.accept())
        page.reload()
    finally:
        os.kill(pid, signal.SIGCONT)
    book.wait_ready()
    book.run_all()
    page.wait_for_selector(ROOT)
    wait_saved(page)
    with open_frames(lab.folder / "stuck.cxi") as frames, LabelStore.open(lab.folder / "stuck.labels") as store:
        assert store.labels_for(frames, "eve")[:4].tolist() == [2, 0, 1, UNLABELLED]
        assert len(store.events()) == 3


def test_no_key_reaches_the_notebook_but_its_own_combinations_do(notebook: Any, lab: Lab) -> None:
    book = open_labeller(notebook, lab, "keys")
    page = book.page
    describe = """() => {
        const panel = window.jupyterapp.shell.currentWidget;
        return [panel.content.widgets.map(cell => cell.model.type + cell.model.sharedModel.getSource()),
                panel.content.activeCellIndex, document.querySelectorAll('.jp-Dialog').length];
    }"""
    before = page.evaluate(describe)
    named = ["ArrowUp", "ArrowDown", "ArrowLeft", "ArrowRight", "Backspace", "Escape", "Home", "Space", "Enter",
             "Shift+Enter", "Delete", "PageDown", "Shift+ArrowDown"]  # fmt: skip
    for key in [*string.ascii_lowercase, *string.ascii_uppercase, *string.digits, *".,[]+-=?", *named]:
        page.keyboard.press(key)
        if page.locator("[data-sfx=prompt]").is_visible():
            page.keyboard.press("Escape")
    assert page.evaluate(describe) == before
    assert page.evaluate("() => document.activeElement.classList.contains('sfx-root')")
    assert page.evaluate("() => window.jupyterapp.shell.currentWidget.context.model.dirty")
    page.keyboard.press("Control+s")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    assert page.problems == []


def test_names_from_files_and_users_are_shown_as_they_are(notebook: Any, lab: Lab) -> None:
    name, annotator = "<img src=x onerror=window.__x=1>", '"><svg onload=window.__x=1>'
    book = open_labeller(notebook, lab, name, annotator=annotator)
    page = book.page
    assert name in page.locator("[data-sfx=title]").inner_text()
    page.keyboard.press("w")
    page.keyboard.type(annotator)
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.querySelector('[data-sfx=notice]').textContent.startsWith('Noted')")
    assert annotator in page.locator("[data-sfx=notice]").inner_text()
    wait_saved(page)
    book.execute("lab._broadcast({'type': 'problem', 'message': '<b data-commandlinker-command=x>bold</b>'})")
    page.wait_for_function("() => document.querySelector('[data-sfx=notice]').textContent.includes('<b data')")
    assert page.evaluate("() => window.__x") is None
    assert page.locator(".sfx-root img, .sfx-root svg, .sfx-root b").count() == 0
    with open_frames(lab.folder / f"{name}.cxi") as frames, LabelStore.open(lab.folder / f"{name}.labels") as store:
        assert store.notes_for(frames) == {0: [annotator]}
        assert store.annotators() == [annotator]


def test_python_and_page_agree(notebook: Any, lab: Lab) -> None:
    book = open_labeller(notebook, lab, "python")
    page = book.page
    book.execute("seen = []; lab.on_label(lambda event: seen.append(event.label.title))")
    press(page, "h")
    wait_saved(page)
    page.wait_for_timeout(300)
    assert book.execute("print(lab.index, lab.label, seen, lab.labels['label'].tolist())") == "1 None ['Hit'] ['Hit']"
    book.execute("lab.index = 15")
    wait_drawn(page, 15)
    book.execute("lab.layer = 'lcn'")
    page.wait_for_function("() => document.querySelector('.sfx-root').dataset.drawn === '15/lcn'")
    book.execute("lab.label = 'miss'; lab.queue = [19, 3]")
    page.wait_for_function("() => document.querySelector('.sfx-root').dataset.labelled === '2'")
    press(page, "ArrowRight")
    assert data(page)["position"] in ("3", "19")
    assert "of 2 in the queue" in page.locator("[data-sfx=place]").inner_text()


def test_mistakes_are_corrected_through_the_history_strip(notebook: Any, lab: Lab) -> None:
    book = open_labeller(notebook, lab, "history")
    page = book.page
    for key in "hhx":
        press(page, key)
    page.locator('.sfx-history-item[data-position="1"]').click()
    wait_drawn(page, 1)
    press(page, "m")
    wait_drawn(page, 3)
    press(page, "s")
    press(page, "e")
    page.keyboard.press("1")
    wait_saved(page)
    snapshot(page, "labeller_light")
    with open_frames(lab.folder / "history.cxi") as frames, LabelStore.open(lab.folder / "history.labels") as store:
        assert store.labels_for(frames, "eve")[:5].tolist() == [2, 1, 0, UNLABELLED, UNLABELLED]
        assert store.flags_for(frames) == {4: ["ice"]}
        assert np.flatnonzero(store.seen_by(frames, "eve")).tolist() == [0, 1, 2, 3]
