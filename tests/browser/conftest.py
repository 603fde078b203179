"""A real JupyterLab with its own configuration, and a real Chromium that looks at it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.lab_server import (
    ARTEFACTS,
    BUILT,
    CHROMIUM,
    FLAGS,
    READY,
    Lab,
    start_lab,
    stop_lab,
    write_notebook,
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(str(item.path)).parent == Path(__file__).parent:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.timeout(240))


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM: the browser tests are skipped. Install Debian's chromium to run them.")
    if not BUILT:
        pytest.skip("the front end is not built: run make front")
    lab, server = start_lab(tmp_path_factory.mktemp("lab"))
    yield lab
    stop_lab(server)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("NO CHROMIUM: the browser tests are skipped. Install Debian's chromium to run them.")
    with sync_api.sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, chromium_sandbox=False, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def page(browser: Any, lab: Lab) -> Iterator[Any]:
    context = browser.new_context(viewport={"width": 1440, "height": 1000})
    page = context.new_page()
    page.set_default_timeout(60_000)
    page.problems = []
    page.on("pageerror", lambda error: page.problems.append(str(error)))
    yield page
    context.close()
    lab.end_kernels()


class Notebook:
    """One notebook on the screen."""

    def __init__(self, lab: Lab, page: Any, name: str, cells: list[str]) -> None:
        self.lab, self.page, self.name = lab, page, name
        write_notebook(lab.folder / name, cells)

    def open(self, workspace: str = "") -> None:
        path = f"lab/workspaces/{workspace}/tree" if workspace else "lab/tree"
        self.page.goto(f"{self.lab.url}/{path}/{self.name}?token={self.lab.token}&reset")
        self.wait_ready()

    def wait_ready(self) -> None:
        wait_ready(self.page)

    def run_all(self) -> None:
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def execute(self, code: str) -> str:
        """Run code in the notebook's kernel beside the cells and return what it printed."""
        return str(
            self.page.evaluate(
                """async code => {
                    const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                    const future = kernel.requestExecute({code, store_history: false});
                    let text = '';
                    future.onIOPub = message => {
                        if (message.header.msg_type === 'stream') text += message.content.text;
                        if (message.header.msg_type === 'error') text += message.content.traceback.join('\\n');
                    };
                    await future.done;
                    return text;
                }""",
                code,
            )
        ).strip()


def wait_ready(page: Any) -> None:
    """Wait until a cell that is run will be run."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if page.evaluate(READY):
            return
        time.sleep(0.1)
    raise AssertionError("the kernel did not become ready")


@pytest.fixture
def notebook(lab: Lab, page: Any) -> Any:
    def make(name: str, cells: list[str], *, run: bool = True) -> Notebook:
        book = Notebook(lab, page, name, cells)
        book.open()
        if run:
            book.run_all()
        return book

    return make


def wait_drawn(page: Any, position: int | None = None, root: str = ".sfx-root") -> None:
    """Wait until the pixels of the frame on screen are those of `position` (or of whichever is current)."""
    page.wait_for_function(
        """([root, position]) => {
            const data = document.querySelector(root)?.dataset;
            const wanted = position ?? data?.position;
            return data !== undefined && data.drawn === `${wanted}/${data.layer}` && data.position === String(wanted);
        }""",
        arg=[root, position],
    )


def snapshot(page: Any, name: str) -> Path:
    ARTEFACTS.mkdir(exist_ok=True)
    path = ARTEFACTS / f"{name}.png"
    page.screenshot(path=str(path))
    return path
