"""A JupyterLab server with a configuration of its own, for tests, benchmarks and screenshots."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
ARTEFACTS = Path(__file__).parent / "artefacts"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
BUILT = (ROOT / "sfx_label/static/viewer.js").exists() and (ROOT / "sfx_label/labextension/package.json").exists()
FLAGS = ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync"]  # fmt: skip
# a cell that is run before all of this holds is silently lost
READY = """async () => {
    const app = window.jupyterapp;
    const panel = app?.shell.currentWidget;
    if (!panel?.context || !panel.sessionContext || !app.commands.hasCommand('notebook:run-all-cells')) return false;
    await panel.context.ready; await panel.sessionContext.ready;
    const kernel = panel.sessionContext.session && panel.sessionContext.session.kernel;
    if (!kernel) return false;
    await kernel.info;
    return kernel.status === 'idle' && kernel.connectionStatus === 'connected';
}"""


@dataclass(frozen=True)
class Lab:
    """A running server: its address, token, notebook folder and settings folder."""

    url: str
    token: str
    folder: Path
    settings: Path

    def request(self, path: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/{path}?token={self.token}", timeout=20) as answer:
            return json.load(answer)

    def end_kernels(self) -> None:
        """End all kernels, so that those of earlier tests do not slow down later ones."""
        for kernel in self.request("api/kernels"):
            address = f"{self.url}/api/kernels/{kernel['id']}?token={self.token}"
            with urllib.request.urlopen(urllib.request.Request(address, method="DELETE"), timeout=20):
                pass

    def kernel_pids(self) -> list[int]:
        """Process numbers of the kernels that run for this server, from their connection files."""
        files = {f"kernel-{kernel['id']}.json" for kernel in self.request("api/kernels")}
        pids = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                command = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if any(name in command for name in files):
                pids.append(int(folder.name))
        return pids


def _environment(home: Path) -> dict[str, str]:
    names = {
        "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_RUNTIME_DIR": "runtime",
        "IPYTHONDIR": "ipython", "JUPYTERLAB_SETTINGS_DIR": "settings", "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
        "HOME": "home",
    }  # fmt: skip
    folders = {name: home / folder for name, folder in names.items()}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    # the extension as it was built here, whichever is installed
    extensions = folders["JUPYTER_DATA_DIR"] / "labextensions"
    extensions.mkdir()
    (extensions / "sfx-label").symlink_to(ROOT / "sfx_label/labextension")
    cache = {"NUMBA_CACHE_DIR": os.environ.get("NUMBA_CACHE_DIR", str(Path.home() / ".cache/sfx-label-tests"))}
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "IPYTHON"))}
    return {
        **kept,
        **{name: str(folder) for name, folder in folders.items()},
        **cache,
        "PYTHONPATH": str(ROOT),
        "JUPYTER_PREFER_ENV_PATH": "no",
    }


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_lab(home: Path, app: str = "lab") -> tuple[Lab, subprocess.Popen[bytes]]:
    environment, port, token = _environment(home), _free_port(), secrets.token_hex(16)
    settings = home / "settings" / "@jupyterlab/apputils-extension"
    settings.mkdir(parents=True)
    quiet = {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}
    (settings / "notification.jupyterlab-settings").write_text(json.dumps(quiet))
    folder = home / "notebooks"
    folder.mkdir()
    command = [sys.executable, "-m", "jupyter", app, "--no-browser", "--allow-root", f"--port={port}",
               f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder}", "--ip=127.0.0.1",
               "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
               "--LabApp.news_url=None"]  # fmt: skip
    with (home / "server.log").open("wb") as log:
        server = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
    lab = Lab(f"http://127.0.0.1:{port}", token, folder, home / "settings")
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        try:
            lab.request("api/status")
        except (urllib.error.URLError, OSError):
            assert server.poll() is None, (home / "server.log").read_text()[-2000:]
            time.sleep(0.3)
        else:
            return lab, server
    raise AssertionError(f"JupyterLab did not start: {(home / 'server.log').read_text()[-2000:]}")


def stop_lab(server: subprocess.Popen[bytes]) -> None:
    server.terminate()
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait(20)


def write_run(path: Path, n: int = 20, side: int = 160) -> Path:
    """Frames of Poisson background with as many bright spots as their number; a masked column."""
    noise = np.random.default_rng(5)
    frames = noise.poisson(30, (n, side, side)).astype(np.uint16)
    for i in range(n):
        for row, column in noise.integers(8, side - 8, (i, 2)):
            frames[i, row : row + 2, column : column + 2] += np.uint16(400)
    with h5py.File(path, "w") as file:
        file["/entry_1/data_1/data"] = frames
        mask = np.zeros((side, side), np.uint16)
        mask[:, side // 3] = 1
        file["/entry_1/data_1/mask"] = mask
    return path


def labeller_cell(run: str, store: str, options: str = 'order="file"', annotator: str = "eve") -> str:
    return f"""from sfx_label.frames.open import open_frames
from sfx_label.labels.store import LabelStore
from sfx_label.widgets.labeller import Labeller
frames = open_frames({run!r})
lab = Labeller(frames, LabelStore.open({store!r}, create=True, annotator={annotator!r}), {options})
lab"""


def write_notebook(path: Path, cells: list[str]) -> None:
    body = [
        {"cell_type": "code", "execution_count": None, "id": f"cell{i}", "metadata": {}, "outputs": [], "source": code}
        for i, code in enumerate(cells)
    ]
    kernel = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    path.write_text(json.dumps({"cells": body, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}))
