"""Pictures of the labeller for the documentation, taken from a real JupyterLab: docs/images/labeller_*.png."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tests.browser.lab_server import (  # noqa: E402
    CHROMIUM,
    FLAGS,
    READY,
    labeller_cell,
    start_lab,
    stop_lab,
    write_notebook,
)

IMAGES = ROOT / "docs/images"
SHARED = Path(os.environ.get("SFX_LABEL_SHARED", ROOT.parent / "shared"))
DRAWN = """() => {
    const root = document.querySelector('.sfx-root'), data = root?.dataset;
    const viewing = root?.sfx?.viewing;
    return data && data.drawn === `${data.position}/${data.layer}` && viewing.pixels.waiting === 0;
}"""


def shoot(
    page: Any, lab: Any, run: Path, name: str, keys: list[str], cell_options: str = 'order="file", seed=1'
) -> None:
    """Open a run in the labeller, press keys, and take the picture of the panel."""
    stem = f"{name}_{run.stem}"
    write_notebook(lab.folder / f"{stem}.ipynb", [labeller_cell(str(run), f"{stem}.labels", cell_options)])
    page.goto(f"{lab.url}/lab/tree/{stem}.ipynb?token={lab.token}&reset")
    deadline = time.monotonic() + 60
    while not page.evaluate(READY) and time.monotonic() < deadline:
        time.sleep(0.1)
    page.evaluate("() => { window.jupyterapp.commands.execute('application:toggle-left-area'); }")
    page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    page.wait_for_selector(".sfx-root")
    page.wait_for_function(DRAWN, timeout=120_000)
    page.locator(".sfx-root").focus()
    for key in keys:
        page.keyboard.press(key)
        page.wait_for_function(DRAWN, timeout=120_000)
        time.sleep(0.4)
    time.sleep(0.5)
    IMAGES.mkdir(parents=True, exist_ok=True)
    page.locator(".sfx-root").screenshot(path=str(IMAGES / f"{name}.png"))
    print(f"written: docs/images/{name}.png")


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    from playwright.sync_api import sync_playwright

    rayonix, twin = SHARED / "data/real/rayonix_mx340_mfx_hit.h5", SHARED / "data/twins/TWIN84.h5"
    if CHROMIUM is None or not rayonix.exists():
        sys.exit(f"This needs Debian's chromium ({CHROMIUM}) and the real frames ({rayonix}).")
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        lab, server = start_lab(Path(home))
        try:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False, args=FLAGS)
            page = browser.new_page(viewport={"width": 1280, "height": 960})
            shoot(page, lab, rayonix, "labeller_rayonix", ["q", "f"])
            shoot(page, lab, rayonix, "labeller_rayonix_lcn", ["f", " "])
            shoot(page, lab, twin, "labeller_twin", [*"hxxmhxhhxx", "o"])
            shoot(page, lab, twin, "labeller_keys", ["?"])
            browser.close()
        finally:
            stop_lab(server)


if __name__ == "__main__":
    main()
