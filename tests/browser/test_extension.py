"""The JupyterLab extension: a run opens from the file browser in a panel with its own kernel, without code."""

from __future__ import annotations

from typing import Any

from sfx_label.frames.open import open_frames
from sfx_label.labels.store import LabelStore
from tests.browser.conftest import snapshot, wait_drawn, wait_ready
from tests.browser.lab_server import Lab, write_run

COMMAND = "([id, args]) => { window.jupyterapp.commands.execute(id, args); }"
PANELS = "() => document.querySelectorAll('.sfx-panel').length"


def open_lab(page: Any, lab: Lab) -> None:
    page.goto(f"{lab.url}/lab?token={lab.token}&reset")
    page.wait_for_selector(".jp-LauncherCard")
    page.wait_for_function("() => window.jupyterapp.commands.hasCommand('sfx-label:open')")


def choose_in_menu(page: Any, file: str, item: str) -> None:
    page.evaluate("() => window.jupyterapp.commands.execute('filebrowser:refresh')")
    row = page.locator(".jp-DirListing-item", has_text=file).first
    row.wait_for()
    row.click(button="right")
    page.locator(".lm-Menu-itemLabel", has_text=item).click()


def test_a_run_is_labelled_in_a_panel_and_stays_there_after_a_reload(lab: Lab, page: Any) -> None:
    write_run(lab.folder / "panel.cxi")
    open_lab(page, lab)
    page.locator(".jp-LauncherCard", has_text="SFX Label").wait_for()
    choose_in_menu(page, "panel.cxi", "Open in SFX Label")
    assert not (lab.folder / "panel.labels").exists()
    page.locator(".jp-Dialog button", has_text="Label").last.click()
    page.wait_for_selector(".sfx-panel .sfx-root[data-drawn]")
    for key in "hxm":
        wait_drawn(page)
        page.keyboard.press(key)
    page.wait_for_function("() => document.querySelector('.sfx-status').textContent === 'Labels: saved'")
    page.evaluate(COMMAND, ["sfx-label:open", {"path": "panel.cxi"}])
    page.wait_for_timeout(500)
    assert page.evaluate(PANELS) == 1
    snapshot(page, "panel")
    page.wait_for_timeout(1500)  # the layout is saved a second after it changed
    page.goto(f"{lab.url}/lab?token={lab.token}")
    page.wait_for_selector(".sfx-panel .sfx-root[data-drawn]")
    assert page.evaluate("() => document.querySelector('.sfx-root').dataset.labelled") == "3"
    with open_frames(lab.folder / "panel.cxi") as frames, LabelStore.open(lab.folder / "panel.labels") as store:
        assert sorted(label for label in store.labels_for(frames) if label >= 0) == [0, 1, 2]
    assert page.problems == []


def test_a_label_store_opens_its_run_and_looking_makes_no_store(lab: Lab, page: Any) -> None:
    run = write_run(lab.folder / "again.cxi")
    with open_frames(run) as frames, LabelStore.open(lab.folder / "again.labels", create=True) as store:
        store.append(frames.keys[3], "hit")
    write_run(lab.folder / "looked.cxi")
    open_lab(page, lab)
    page.evaluate(COMMAND, ["sfx-label:open", {"path": "again.labels"}])
    page.wait_for_selector(".sfx-panel .sfx-root[data-mode=labeller][data-labelled='1']")
    page.evaluate(COMMAND, ["sfx-label:open", {"path": "looked.cxi"}])
    page.locator(".jp-Dialog button", has_text="Only look").click()
    page.wait_for_selector(".sfx-panel .sfx-root[data-mode=viewer][data-drawn]")
    assert not (lab.folder / "looked.labels").exists()
    assert page.evaluate(PANELS) == 2


def test_a_file_that_is_no_run_gives_a_message_and_its_details(lab: Lab, page: Any) -> None:
    (lab.folder / "broken.h5").write_text("this is no HDF5 file")
    open_lab(page, lab)
    page.evaluate(COMMAND, ["sfx-label:open", {"path": "broken.h5", "labels": None}])
    page.wait_for_selector(".sfx-panel-problem")
    assert "broken.h5" in page.locator(".sfx-panel-problem").inner_text()
    assert "Traceback" in page.locator(".sfx-panel-details").inner_text()
    snapshot(page, "panel_problem")


def test_a_notebook_for_a_run_runs_as_it_is(lab: Lab, page: Any) -> None:
    write_run(lab.folder / "code.cxi")
    open_lab(page, lab)
    choose_in_menu(page, "code.cxi", "New Labelling Notebook")
    page.wait_for_selector(".jp-NotebookPanel")
    wait_ready(page)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".jp-NotebookPanel .sfx-root[data-drawn]")
    assert (lab.folder / "code.labels").exists()
