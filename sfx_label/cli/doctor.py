"""What this machine offers sfx-label, what is wrong with it, and how to mend that."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True)
class Check:
    """One thing looked at: its name, how it is, what was found, and what to do about it."""

    name: str
    state: State
    found: str
    advice: str = ""


# First releases without a known hole in what sfx-label uses of them. A release line that was mended
# separately stands beside the newest one.
SECURITY_FLOORS: dict[str, tuple[tuple[int, ...], ...]] = {
    "keras": ((3, 15, 1), (3, 12, 4)),
    "jupyter-server": ((2, 20, 0),),
    "jupyterlab": ((4, 6, 2),),
}
PACKAGES = (
    "numpy",
    "numba",
    "h5py",
    "hdf5plugin",
    "keras",
    "tensorflow",
    "jupyterlab",
    "jupyter-server",
    "ipywidgets",
    "bqplot",
)
BITSHUFFLE = 32008


def diagnose() -> list[Check]:
    """Look at everything, one check after the other; a check that fails to run is itself a finding."""
    return [
        check for look in (_python, _packages, _filters, _devices, _extension, _storage) for check in _guarded(look)
    ]


def _guarded(look: Callable[[], Iterator[Check]]) -> Iterator[Check]:
    try:
        yield from look()
    except Exception as error:
        yield Check(look.__name__.strip("_"), "wrong", f"{type(error).__name__}: {error}", "please report this line")


def _python() -> Iterator[Check]:
    yield Check("python", "ok", f"{platform.python_version()} on {platform.platform()}, {os.cpu_count()} cores")


def _packages() -> Iterator[Check]:
    for name in PACKAGES:
        try:
            found = version(name)
        except PackageNotFoundError:
            yield Check(name, "wrong", "not installed", f"pip install {name}")
            continue
        yield Check(name, "ok", found) if meets_floor(name, found) else _unsafe(name, found)


def _unsafe(name: str, found: str) -> Check:
    floor = ".".join(str(part) for part in SECURITY_FLOORS[name][0])
    return Check(name, "wrong", f"{found} has known security holes", f'pip install --upgrade "{name}>={floor}"')


def meets_floor(name: str, found: str) -> bool:
    """Say whether a version is free of the known holes of `SECURITY_FLOORS`.

    Parameters
    ----------
    name
        Distribution name.
    found
        Installed version, such as ``"3.15.1"``.

    Returns
    -------
    bool
        True where the version reaches the newest floor, or the floor of its own release line.
    """
    floors = SECURITY_FLOORS.get(name, ())
    parts = tuple(int(part) for part in found.split(".")[:3] if part.isdigit())
    return not floors or parts >= floors[0] or any(parts >= floor and parts[:2] == floor[:2] for floor in floors)


def _filters() -> Iterator[Check]:
    import h5py
    import hdf5plugin

    known = bool(h5py.h5z.filter_avail(BITSHUFFLE))
    state = "ready" if known else "missing"
    found = f"HDF5 {h5py.version.hdf5_version}, bitshuffle {state} (hdf5plugin {hdf5plugin.version})"
    yield Check("HDF5", "ok" if known else "wrong", found, "" if known else "pip install --force-reinstall hdf5plugin")
    folder = os.environ.get("HDF5_PLUGIN_PATH")
    if folder and Path(folder).resolve() != Path(hdf5plugin.PLUGINS_PATH).resolve():
        yield Check("HDF5_PLUGIN_PATH", "note", folder, "filters from there run here too: unset it")


def _devices() -> Iterator[Check]:
    card = _run(["nvidia-smi", "--query-gpu=name,memory.total", "--format=csv,noheader"])
    code = "import json, tensorflow as tf; print(json.dumps([d.name for d in tf.config.list_physical_devices('GPU')]))"
    seen = json.loads((_run([sys.executable, "-c", code]) or "[]").splitlines()[-1])
    if seen:
        yield Check("GPU", "ok", f"TensorFlow sees {len(seen)}: {card or ', '.join(seen)}")
    elif card:
        yield Check("GPU", "wrong", f"{card}, but TensorFlow does not see it", 'pip install "sfx-label[gpu]"')
    else:
        yield Check("GPU", "note", "none: training runs on the processor", "enough for the spot count, RWD and hybrid")


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _extension() -> Iterator[Check]:
    from sfx_label import widgets

    viewer = Path(widgets.__file__).parents[1] / "static" / "viewer.js"
    yield (
        Check("frame viewer", "ok", "built")
        if viewer.exists()
        else Check("frame viewer", "wrong", "absent", "make front")
    )
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True, check=False
    )
    line = next((line for line in (done.stdout + done.stderr).splitlines() if "sfx-label" in line), "")
    state: State = "ok" if "OK" in line and "enabled" in line else "wrong"
    yield Check(
        "JupyterLab extension",
        state,
        " ".join(line.split()) or "not seen by JupyterLab",
        "" if state == "ok" else "pip install --force-reinstall sfx-label",
    )


def _storage() -> Iterator[Check]:
    from sfx_label.labels.storage import broken_locks, file_system_of, storage_remarks

    here = Path.cwd()
    broken = broken_locks(here)
    if broken:
        yield Check("labels here", "wrong", broken, "keep label stores in another folder")
        return
    remarks = storage_remarks(here)
    kind = file_system_of(here) or "unknown file system"
    yield Check("labels here", "note" if remarks else "ok", f"{here} ({kind}): locks work", " ".join(remarks))
