"""How long from a key press until the next frame is drawn, in Chromium, and until a label is on the disk.

Writes benchmarks/results/ui.json. It speaks to Chromium's DevTools directly: a test runner that listens to the network
copies every frame once more and is measured along with it.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import websocket

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.browser.lab_server import CHROMIUM, FLAGS, READY, Lab, start_lab, stop_lab, write_notebook  # noqa: E402

SIDES = {724: 200, 1920: 60, 4096: 24}  # frame side in px -> frames in the run
PREFETCHED, COLD = 40, 16  # key presses that are counted
PAUSE = 0.15  # seconds from one frame drawn to the next key
THINKING = 0.3  # seconds that the scripted annotator looks at a frame
LABELS = 60

LISTEN = """() => {
    const root = document.querySelector('.sfx-root');
    const seen = window.sfxSeen = {key: 0, took: [], cached: [], during: false};
    window.addEventListener('keydown', event => {
        seen.key = event.timeStamp; seen.during = true; setTimeout(() => { seen.during = false; }, 0);
    }, true);
    root.addEventListener('sfx-drawn', () => {
        if (seen.key === 0) return;
        root.sfx.viewing.pane.colourOf({x: 5, y: 5});  // waits until the drawing is done
        seen.took.push(performance.now() - seen.key); seen.cached.push(seen.during); seen.key = 0;
    });
    root.focus();
}"""
LABEL = """async () => {
    const root = document.querySelector('.sfx-root'), from = performance.now();
    root.dispatchEvent(new KeyboardEvent('keydown', {key: 'KEY', bubbles: true}));
    while (root.dataset.saving !== 'saved') await new Promise(done => setTimeout(done, 1));
    return performance.now() - from;
}"""
CELL = """from sfx_label.frames.open import open_frames
from sfx_label.labels.store import LabelStore
from sfx_label.widgets.labeller import Labeller
lab = Labeller(open_frames({run!r}), LabelStore.open({store!r}, create=True, annotator="bench"), order="file")
lab"""


class Tab:
    """One page of Chromium, driven over its DevTools socket."""

    def __init__(self, address: str) -> None:
        self.socket = websocket.create_connection(address, timeout=120, suppress_origin=True)
        self.number = 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self.number += 1
        self.socket.send(json.dumps({"id": self.number, "method": method, "params": parameters}))
        while (answer := json.loads(self.socket.recv())).get("id") != self.number:
            pass
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']}")
        return dict(answer["result"])

    def evaluate(self, function: str) -> Any:
        answer = self.call("Runtime.evaluate", expression=f"({function})()", awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"])[:500])
        return answer["result"].get("value")

    def wait(self, function: str, seconds: float = 120) -> None:
        deadline = time.monotonic() + seconds
        while not self.evaluate(function):
            if time.monotonic() > deadline:
                raise TimeoutError(function)
            time.sleep(0.02)

    def press(self, key: str) -> None:
        text = {"text": key} if len(key) == 1 else {}
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key)


@contextmanager
def chromium() -> Iterator[Tab]:
    if CHROMIUM is None:
        sys.exit("There is no chromium here: install Debian's chromium and run this again.")
    with tempfile.TemporaryDirectory() as profile:
        own = ["--headless=new", "--no-sandbox", "--enable-unsafe-swiftshader", "--window-size=1440,1000"]
        command = [CHROMIUM, *own, *FLAGS, "--remote-debugging-port=0", f"--user-data-dir={profile}", "about:blank"]
        browser = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port = _port_of(Path(profile) / "DevToolsActivePort")
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/json/list", timeout=20) as answer:
                pages = [page for page in json.load(answer) if page["type"] == "page"]
            tab = Tab(pages[0]["webSocketDebuggerUrl"])
            tab.call("Page.enable")
            tab.call("Emulation.setFocusEmulationEnabled", enabled=True)
            yield tab
        finally:
            browser.terminate()
            browser.wait(20)


def _port_of(file: Path) -> int:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if file.exists() and (text := file.read_text().split()):
            return int(text[0])
        time.sleep(0.1)
    raise TimeoutError("Chromium gave no DevTools port")


def write_frames(path: Path, side: int, n: int) -> None:
    """Write Poisson frames with spots; each is another one shifted, which is quick and as hard to show."""
    noise = np.random.default_rng(side)
    first = noise.poisson(20, (side, side)).astype(np.uint16)
    with h5py.File(path, "w") as file:
        stack = file.create_dataset("/entry_1/data_1/data", (n, side, side), np.uint16, chunks=(1, side, side))
        for i in range(n):
            frame = np.roll(first, 37 * i, axis=(0, 1))
            rows, columns = noise.integers(8, side - 8, (2, 3 * (i % 5)))
            frame[rows, columns] += np.uint16(500)
            stack[i] = frame


def open_labeller(tab: Tab, lab: Lab, run: Path) -> None:
    notebook = lab.folder / f"{run.stem}.ipynb"
    write_notebook(notebook, [CELL.format(run=str(run), store=f"{run.stem}.labels")])
    tab.evaluate("() => window.jupyterapp?.commands.execute('docmanager:save')")  # else leaving asks whether to
    tab.call("Page.navigate", url=f"{lab.url}/lab/tree/{notebook.name}?token={lab.token}&reset")
    time.sleep(2)
    tab.wait(READY)
    tab.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
    tab.wait("() => document.querySelector('.sfx-root')?.dataset.drawn !== undefined")
    idle(tab)
    tab.evaluate(LISTEN)


def idle(tab: Tab) -> None:
    """Wait until all that was asked for has come."""
    tab.wait("() => document.querySelector('.sfx-root').sfx.viewing.pixels.waiting === 0")


def press_and_time(tab: Tab, key: str) -> tuple[float, bool]:
    """Milliseconds from the key press until the frame is drawn, and whether it was there already."""
    before = tab.evaluate("() => window.sfxSeen.took.length")
    tab.press(key)
    tab.wait(f"() => window.sfxSeen.took.length > {before}")
    return tuple(tab.evaluate("() => [window.sfxSeen.took.at(-1), window.sfxSeen.cached.at(-1)]"))


def measure_latency(tab: Tab, n: int) -> dict[str, Any]:
    prefetched: list[float] = []
    cold: list[float] = []
    for _ in range(4 * COLD):
        took, cached = press_and_time(tab, "r")
        if not cached:
            cold.append(took)
        time.sleep(2 * PAUSE)  # not until all around it is fetched, or nothing would be left to find cold
        if len(cold) == COLD:
            break
    tab.press("Home")
    for press in range(PREFETCHED):
        idle(tab)
        time.sleep(PAUSE)
        at = int(tab.evaluate("() => document.querySelector('.sfx-root').dataset.position"))
        forward = at < n - 1 and (press // (n - 1)) % 2 == 0
        took, cached = press_and_time(tab, "ArrowRight" if forward or at == 0 else "ArrowLeft")
        if cached:
            prefetched.append(took)
    return {"prefetched": summary(prefetched), "cold": summary(cold)}


def measure_labelling(tab: Tab) -> dict[str, Any]:
    """Label at a steady thinking time: time until the disk has each label, and labels a minute."""
    saved: list[float] = []
    begun = time.monotonic()
    for i in range(LABELS):
        time.sleep(THINKING)
        took = tab.evaluate(LABEL.replace("KEY", "hmx"[i % 3]))
        saved.append(took)
    minutes = (time.monotonic() - begun) / 60
    return {
        "label_to_saved_ms": summary(saved),
        "labels_per_minute": round(LABELS / minutes, 1),
        "thinking_s": THINKING,
    }


def summary(values: list[float]) -> dict[str, float | int | None]:
    if not values:
        return {"p50": None, "p95": None, "n": 0}
    p50, p95 = np.percentile(values, (50, 95))
    return {"p50": round(float(p50), 1), "p95": round(float(p95), 1), "n": len(values)}


def main() -> None:
    latency: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        lab, server = start_lab(home)
        try:
            with chromium() as tab:
                for side, n in SIDES.items():
                    run = home / f"run{side}.cxi"
                    write_frames(run, side, n)
                    open_labeller(tab, lab, run)
                    latency[str(side)] = measure_latency(tab, n)
                    print(side, json.dumps(latency[str(side)]), flush=True)
                    if side == min(SIDES):
                        labelling = measure_labelling(tab)
                        print("labelling", json.dumps(labelling), flush=True)
                renderer = tab.evaluate("() => document.querySelector('.sfx-root').dataset.renderer")
                version = tab.call("Browser.getVersion")["product"]
        finally:
            stop_lab(server)
    result = {
        "key_to_drawn_ms": latency,
        **labelling,
        "renderer": renderer,
        "browser": version,
        "machine": {"cores": os.cpu_count(), "python": platform.python_version(), "load": round(os.getloadavg()[0], 2)},
    }
    path = ROOT / "benchmarks/results/ui.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=2) + "\n")
    print(f"written: {path.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
