"""What the canvas shows is what numpy computes, in both ways of drawing, in JupyterLab and in Notebook 7."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sfx_label.frames.open import open_frames
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.widgets.layers import FrameLayers
from tests.browser.conftest import snapshot, wait_drawn, wait_ready
from tests.browser.lab_server import ROOT, Lab, labeller_cell, write_notebook, write_run

AXE = ROOT / "labextension/node_modules/axe-core/axe.min.js"
VIEWER = """from sfx_label.frames.open import open_frames
from sfx_label.preprocess.contrast import Preprocessing
from sfx_label.widgets.viewer import FrameViewer
viewer = FrameViewer(open_frames({run!r}), preprocessing=Preprocessing.lcn(crop=100), {options})
viewer"""
KEYS = {"lcn": " ", "gcn": "g", "difference": "d"}
PIXELS = [(3, 3), (60, 80), (90, 35), (120, 100), (53, 70), (159, 159)]


def inspect(page: Any, x: int, y: int) -> tuple[list[int], dict[str, Any]]:
    """Colour on the canvas at a frame pixel, and the plane below it."""
    found = page.evaluate(
        """([x, y]) => {
            const viewing = document.querySelector('.sfx-root').sfx.viewing;
            const {colour, plane} = viewing.inspect(x, y);
            const inside = x >= plane.x0 && y >= plane.y0 && x < plane.x0 + plane.width && y < plane.y0 + plane.height;
            const code = inside ? plane.codes[(y - plane.y0) * plane.width + x - plane.x0] : null;
            const value = code === null ? null : plane.offset + plane.scale * code;
            return {colour, code, value, limits: viewing.pane.limits};
        }""",
        [x, y],
    )
    return found["colour"], found


@pytest.mark.parametrize("renderer", ["2d", "webgl2"])
def test_every_layer_on_the_canvas_is_the_one_numpy_computes(notebook: Any, lab: Lab, renderer: str) -> None:
    run = write_run(lab.folder / f"layers-{renderer}.cxi")
    book = notebook(f"layers-{renderer}.ipynb", [VIEWER.format(run=run.name, options=f"renderer={renderer!r}")])
    page = book.page
    page.wait_for_selector(".sfx-root")
    wait_drawn(page)
    page.locator(".sfx-root").focus()
    assert page.evaluate("() => document.querySelector('.sfx-root').dataset.renderer") == renderer
    book.execute("viewer.index = 12")
    wait_drawn(page, 12)
    assert page.evaluate("() => document.querySelector('.sfx-root').sfx.viewing.pane.scale") > 1
    with open_frames(run) as frames:
        layers = FrameLayers(frames, Preprocessing.lcn(crop=100))
        for name in ("raw", *KEYS):
            if name != "raw":
                page.keyboard.press(KEYS[name])
            page.wait_for_function(f"() => document.querySelector('.sfx-root').dataset.drawn === '12/{name}'")
            placed = layers.layer(name, 12)
            values = placed.plane.values()
            for x, y in PIXELS:
                colour, seen = inspect(page, x, y)
                row, column = y - placed.y0, x - placed.x0
                if not (0 <= row < values.shape[0] and 0 <= column < values.shape[1]):
                    assert seen["code"] is None
                    continue
                assert seen["value"] == pytest.approx(values[row, column], abs=1e-9)
                low, high = seen["limits"]["low"], seen["limits"]["high"]
                shade = 255 - round(255 * float(np.clip((values[row, column] - low) / (high - low), 0, 1)))
                assert abs(colour[0] - shade) <= 1 and colour[0] == colour[1] == colour[2], (name, x, y)
    assert page.problems == []


def test_contrast_zoom_overlays_and_readout_answer_to_keys_and_mouse(notebook: Any, lab: Lab) -> None:
    run = write_run(lab.folder / "display.cxi")
    book = notebook("display.ipynb", [VIEWER.format(run=run.name, options="height=500")])
    page = book.page
    page.wait_for_selector(".sfx-root")
    wait_drawn(page)
    book.execute("viewer.index = 14")
    wait_drawn(page, 14)
    page.locator(".sfx-root").focus()
    pane = "document.querySelector('.sfx-root').sfx.viewing"
    limits = page.evaluate(f"() => {pane}.pane.limits")
    page.keyboard.press("]")
    assert page.evaluate(f"() => {pane}.pane.limits.high") == pytest.approx(
        limits["low"] + 0.8 * (limits["high"] - limits["low"])
    )
    held = page.evaluate(f"() => {pane}.pane.limits")
    page.keyboard.press("ArrowRight")
    wait_drawn(page, 15)
    assert page.evaluate(f"() => {pane}.pane.limits") == held
    page.keyboard.press("a")
    assert page.evaluate(f"() => {pane}.pane.limits") != held
    for key in "tvbqio":
        page.keyboard.press(key)
    shown = page.evaluate(f"() => {pane}.display.shown")
    assert (shown["mask"], shown["rings"], shown["crop"], shown["lcn"]) == (True, True, False, True)
    snapshot(page, "viewer_overlays")
    box = page.locator(".sfx-stage").bounding_box()
    before = page.evaluate(f"() => {pane}.pane.scale")
    page.mouse.move(box["x"] + 100, box["y"] + 100)
    page.mouse.wheel(0, -400)
    page.wait_for_function(f"() => {pane}.pane.scale > {before}")
    page.mouse.dblclick(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.mouse.move(box["x"] + box["width"] / 2 + 5, box["y"] + box["height"] / 2)
    page.wait_for_function(
        "() => /^x \\d+, y \\d+ · \\d+ · LCN -?\\d/.test(document.querySelector('[data-sfx=readout]').textContent)"
    )
    text = page.locator("[data-sfx=readout]").inner_text()
    x, y, raw = (
        int(part)
        for part in text.replace("x ", "").replace(" y ", "").split(" · LCN")[0].replace(" · ", ",").split(",")
    )
    with open_frames(run) as frames:
        assert raw == frames[15][y, x]
    page.keyboard.press("?")
    assert page.locator("[data-sfx=help]").is_visible()
    snapshot(page, "viewer_help")
    page.keyboard.press("Escape")
    assert not page.locator("[data-sfx=help]").is_visible()


def test_a_frame_of_4096_pixels_is_previewed_first_and_exact_on_zoom(notebook: Any, lab: Lab) -> None:
    run = write_run(lab.folder / "large.cxi", n=2, side=4096)
    book = notebook("large.ipynb", [VIEWER.format(run=run.name, options="")])
    page = book.page
    page.wait_for_selector(".sfx-root")
    wait_drawn(page)
    plane = "document.querySelector('.sfx-root').sfx.viewing.inspect(2048, 2048).plane"
    assert page.evaluate(f"() => {plane}.step") == 3
    page.locator(".sfx-root").focus()
    page.keyboard.press("z")
    page.wait_for_function(f"() => {plane}.step === 1")
    _, seen = inspect(page, 2048, 2048)
    with open_frames(run) as frames:
        assert seen["value"] == frames[0][2048, 2048]


def test_a_frame_that_cannot_be_read_says_so_and_cannot_be_labelled(notebook: Any, lab: Lab) -> None:
    import h5py

    path = lab.folder / "damaged.h5"
    with h5py.File(path, "w") as file:
        stack = file.create_dataset("data", (3, 64, 64), np.uint16, chunks=(1, 64, 64), compression="gzip")
        stack[...] = np.random.default_rng(0).poisson(9, (3, 64, 64))
        chunk = stack.id.get_chunk_info(1)
    with path.open("r+b") as raw:
        raw.seek(chunk.byte_offset)
        raw.write(b"\xff" * chunk.size)
    page = notebook("damaged.ipynb", [labeller_cell("damaged.h5:/data", "damaged.labels")]).page
    page.wait_for_selector(".sfx-root")
    wait_drawn(page)
    page.locator(".sfx-root").focus()
    page.keyboard.press("h")
    page.wait_for_selector(".sfx-message.sfx-grave")
    page.keyboard.press("h")
    assert "skip it or flag it" in page.locator("[data-sfx=notice]").inner_text()
    assert page.evaluate("() => document.querySelector('.sfx-root').dataset.labelled") == "1"
    snapshot(page, "unreadable_frame")
    page.keyboard.press("s")
    wait_drawn(page, 2)


@pytest.mark.skipif(not AXE.exists(), reason="axe-core is not installed: run jlpm install in labextension/")
def test_both_themes_and_a_narrow_window_are_accessible(notebook: Any, lab: Lab) -> None:
    write_run(lab.folder / "themes.cxi")
    page = notebook("themes.ipynb", [labeller_cell("themes.cxi", "themes.labels")]).page
    page.wait_for_selector(".sfx-root")
    wait_drawn(page)
    page.evaluate(AXE.read_text(encoding="utf-8"))
    for theme in ("JupyterLab Light", "JupyterLab Dark", "JupyterLab Dark High Contrast"):
        page.evaluate("theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})", theme)
        page.wait_for_timeout(700)
        found = page.evaluate("() => axe.run('.sfx-root')")
        grave = [
            (v["id"], [n["html"] for n in v["nodes"]])
            for v in found["violations"]
            if v["impact"] in ("serious", "critical")
        ]
        snapshot(page, f"theme_{theme.split(' ', 1)[1].replace(' ', '_').lower()}")
        assert grave == [], theme
    page.set_viewport_size({"width": 1024, "height": 700})
    page.wait_for_timeout(500)
    snapshot(page, "narrow")
    wide = page.evaluate(
        "() => { const r = document.querySelector('.sfx-root'); return r.scrollWidth - r.clientWidth; }"
    )
    assert wide <= 0
    page.evaluate("() => window.jupyterapp.commands.execute('apputils:change-theme', {theme: 'JupyterLab Light'})")
    page.wait_for_timeout(500)


def test_the_labeller_works_in_notebook_7(lab: Lab, page: Any) -> None:
    write_run(lab.folder / "seven.cxi")
    write_notebook(lab.folder / "seven.ipynb", [labeller_cell("seven.cxi", "seven.labels")])
    page.goto(f"{lab.url}/notebooks/seven.ipynb?token={lab.token}")
    wait_ready(page)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    page.wait_for_selector(".sfx-root")
    wait_drawn(page)
    page.locator(".sfx-root").focus()
    page.keyboard.press("h")
    wait_drawn(page, 1)
    page.wait_for_function("() => document.querySelector('.sfx-root').dataset.saving === 'saved'")
    snapshot(page, "notebook_7")


def test_a_saved_notebook_holds_neither_pixels_nor_folders(notebook: Any, lab: Lab) -> None:
    write_run(lab.folder / "saved.cxi")
    book = notebook("saved.ipynb", [labeller_cell("saved.cxi", "saved.labels")])
    page = book.page
    page.wait_for_selector(".sfx-root")
    wait_drawn(page)
    page.evaluate("() => window.jupyterapp.commands.execute('@jupyter-widgets/jupyterlab-manager:saveWidgetState')")
    page.wait_for_timeout(500)
    page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")
    page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty")
    text = Path(lab.folder / "saved.ipynb").read_text(encoding="utf-8")
    assert str(lab.folder) not in text
    assert lab.token not in text
    assert len(text) < 300_000
