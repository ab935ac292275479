"""Fixtures of the tests of the viewer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import pytest

import hatch_build
from tests.support.chromium import chromium
from tests.support.console import Console, Server
from tests.support.viewer import REPOSITORY, OpenViewer, PageHolder, ScriptedStream, Viewer

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture(scope="session")
def page_is_built() -> None:
    hatch_build.build(REPOSITORY)


FAKE_CAMERA: Final = ("--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream")
"""Chromium shows a test picture as a camera, and gives it to every page."""


@pytest.fixture(scope="module")
def holder() -> Iterator[PageHolder]:
    with chromium(*FAKE_CAMERA) as browser:
        holder = PageHolder(browser)
        yield holder
        holder.close()


@pytest.fixture
def viewer(holder: PageHolder) -> Iterator[OpenViewer]:
    """Opens a page for one test."""

    def make(url: str, **options: Any) -> Viewer:
        holder.close()
        return holder.show(url, lambda browser: Viewer.launch(browser, **options).open(url))

    yield make
    holder.close()


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory, page_is_built: None) -> Iterator[Console]:
    runner = Console(REPOSITORY, tmp_path_factory.mktemp("viewer"))
    yield runner
    runner.close()


@pytest.fixture(scope="module")
def demo(console: Console) -> Server:
    """The demo session, which has ground truth."""
    return console.serve("demo:")


@pytest.fixture
def page(holder: PageHolder, demo: Server) -> Viewer:
    """A page on the demo session, shared by the tests that restore its state."""
    page = holder.show("demo", lambda browser: Viewer.launch(browser).open(demo.url))
    page.until_text("#pill", "Replay")
    page.until_moving()
    return page


@pytest.fixture
def script(holder: PageHolder, demo: Server) -> ScriptedStream:
    scripts: list[ScriptedStream] = []

    def make(browser: Browser) -> Viewer:
        scripts.append(ScriptedStream(browser, demo))
        return scripts[-1].viewer

    viewer = holder.show("script", make)
    if scripts:
        viewer.script = scripts[-1]
    assert viewer.script is not None
    return viewer.script
