"""The room table of CONTRIBUTING.md is the law: modules import only what stands above them in it."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "sfx_label"
HARD_STOP = 400
LONGEST_FUNCTION = 60
STANDARD = set(sys.stdlib_module_names)


@dataclass(frozen=True)
class Wing:
    rank: int
    name: str
    rooms: tuple[str, ...]
    allowed: frozenset[str]


def read_room_table() -> dict[str, Wing]:
    """Read `| 2 | frames | sequence, gate, ... | numpy, h5py |` rows from CONTRIBUTING.md."""
    wings = {}
    for line in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").splitlines():
        found = re.match(r"\| *(\d+) *\| *`([\w/.]+)` *\|([^|]*)\|([^|]*)\|", line)
        if found:
            rank, name, rooms, allowed = found.groups()
            third = frozenset(re.findall(r"`([\w.]+)`", allowed))
            wings[name] = Wing(int(rank), name, tuple(re.findall(r"`(\w+)`", rooms)), third)
    return wings


WINGS = read_room_table()
MODULES = sorted(path for path in PACKAGE.rglob("*.py"))


def place_of(dotted: str) -> tuple[str, str]:
    """Return (wing, room) of a module such as `sfx_label.models.methods.rwd`."""
    parts = dotted.split(".")[1:]
    wing = parts[0] if parts else ""
    return wing, parts[1] if len(parts) > 1 else ""


def dotted_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield (module, imported late or for types only)."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = {id(node) for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom)) and node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in top
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write absolute imports"
            base = node.module or ""
            late = id(node) not in top
            children = [f"{base}.{alias.name}" for alias in node.names] if base.startswith("sfx_label") else []
            modules = [child for child in children if _is_module(child)]
            yield from ((module, late) for module in (modules or [base]))


def _is_module(dotted: str) -> bool:
    path = ROOT.joinpath(*dotted.split("."))
    return path.is_dir() or path.with_suffix(".py").exists()


def test_every_wing_and_room_stands_in_the_table() -> None:
    missing = []
    for path in MODULES:
        wing, room = place_of(dotted_name(path))
        if not wing or (path.parent == PACKAGE and path.name.startswith("__")):
            continue
        if wing not in WINGS:
            missing.append(wing)
        elif room and room not in WINGS[wing].rooms:
            missing.append(f"{wing}/{room}")
    assert not missing, f"not in the room table of CONTRIBUTING.md: {sorted(set(missing))}"


def test_every_room_of_the_table_exists() -> None:
    absent = [
        f"{wing.name}/{room}"
        for wing in WINGS.values()
        for room in wing.rooms
        if not _is_module(f"sfx_label.{wing.name}.{room}")
    ]
    assert not absent


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_upwards(path: Path) -> None:
    wing, room = place_of(dotted_name(path))
    if wing not in WINGS:
        return
    here = WINGS[wing]
    for module, late in imports_of(path):
        if not module.startswith("sfx_label."):
            continue
        other_wing, other_room = place_of(module)
        other = WINGS[other_wing]
        assert other.rank < here.rank or other_wing == wing, f"{wing}/{room} imports {module}, which stands below it"
        if other_wing == wing and not late and room and other_room and other_room != room:
            order = here.rooms
            assert order.index(other_room) < order.index(room), f"{wing}/{room} imports {other_room}, which is after it"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_third_party_fences(path: Path) -> None:
    wing, _ = place_of(dotted_name(path))
    allowed = WINGS[wing].allowed if wing in WINGS else frozenset()
    foreign = {module.split(".")[0] for module, _ in imports_of(path)} - STANDARD - {"sfx_label"}
    assert foreign <= allowed, f"{path.relative_to(ROOT)} imports {sorted(foreign - allowed)}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_rooms_and_functions_are_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.count("\n") <= HARD_STOP, f"{path.relative_to(ROOT)} is two rooms"
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = node.body[1:] if ast.get_docstring(node) else node.body
            length = (node.end_lineno or 0) - body[0].lineno + 1 if body else 0
            assert length <= LONGEST_FUNCTION, f"{path.relative_to(ROOT)}:{node.lineno} {node.name} has {length} lines"


def test_no_pickle_and_no_utils() -> None:
    for path in MODULES:
        assert path.name != "utils.py"
        names = {module.split(".")[0] for module, _ in imports_of(path)}
        assert not names & {"pickle", "joblib", "dill", "cloudpickle", "shelve", "marshal"}, path


@pytest.mark.parametrize("heavy", ["tensorflow", "keras", "bqplot", "distributed", "sklearn", "matplotlib", "umap"])
def test_import_takes_nothing_heavy(heavy: str) -> None:
    use = "import sys, sfx_label, sfx_label.cli; sfx_label.open_frames; sfx_label.LabelStore"
    code = f"{use}; sys.exit({heavy!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
