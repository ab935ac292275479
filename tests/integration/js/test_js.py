"""The JavaScript client: its own tests under Node, and against the real server from Node and from Chromium."""

from __future__ import annotations

import json
import re
import subprocess
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Final

import pytest

import hatch_build
from tests.support.chromium import chromium
from tests.support.console import Console, Server

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REPOSITORY: Final = Path(__file__).resolve().parents[3]
CLIENT: Final = REPOSITORY / "clients" / "js"
MODULES: Final = REPOSITORY / "service" / "viewer" / "node_modules"
BUILT: Final = REPOSITORY / "service" / "viewer" / "dist"
TIMEOUT_S: Final = 60

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def node() -> hatch_build.Node:
    """Node with the viewer's locked packages, whose TypeScript also compiles the client."""
    found = hatch_build.find_node()
    hatch_build.install(found, MODULES.parent)
    return found


@pytest.fixture(scope="module")
def built(node: hatch_build.Node) -> Path:
    """The client, compiled as `npm run build` does."""
    tsc = MODULES / "typescript" / "bin" / "tsc"
    for project in ("tsconfig.json", "tsconfig.browser.json"):
        result = run(node, str(tsc), "-p", project)
        assert result.returncode == 0, result.stdout
    return CLIENT / "dist"


class ExampleFiles(SimpleHTTPRequestHandler):
    """A copy of what a server of Myocast gives, and pages that the tests write."""

    pages: ClassVar[dict[str, str]] = {}

    def translate_path(self, path: str) -> str:
        return str(BUILT / path.partition("?")[0].removeprefix("/"))

    def do_GET(self) -> None:
        page = self.pages.get(self.path.partition("?")[0])
        if page is None:
            return super().do_GET()
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, format: str, *values: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """Address of somebody else's web server."""
    hatch_build.build(REPOSITORY)
    server = ThreadingHTTPServer(("127.0.0.1", 0), ExampleFiles)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[Server]:
    console = Console(REPOSITORY, tmp_path_factory.mktemp("server"))
    yield console.serve("synthetic:", "--token", "sesame", "--origin", site)
    console.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


def run(node: hatch_build.Node, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(node.node), *arguments], cwd=CLIENT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def test_its_own_tests_pass(node: hatch_build.Node, built: Path) -> None:
    result = run(node, "--test")
    assert result.returncode == 0, result.stdout[-4000:]
    passed = re.search(r"^\S+ pass (\d+)$", result.stdout, re.MULTILINE)
    assert passed is not None
    assert int(passed[1]) > 50


def test_declarations_serve_a_strict_program(node: hatch_build.Node, built: Path, tmp_path: Path) -> None:
    program = tmp_path / "program.ts"
    program.write_text(
        f'import {{ connect, type Pose }} from "{built.as_posix()}/index.js";\n'
        "const client = connect('http://h/', { streams: ['pose', 'emg'], maxRate: 30 });\n"
        "client.on('emg', (emg) => { const rows: number = emg.rows; void rows; });\n"
        "client.on('status', ({ state }) => { const text: string = state; void text; });\n"
        "for await (const pose of client) { const p: Pose = pose; void p.joints.length; }\n"
        "// @ts-expect-error there is no such stream\n"
        "client.subscribe({ streams: ['poses'] });\n",
        encoding="utf-8",
    )
    options = ["--strict", "--noEmit", "--target", "es2022", "--module", "esnext", "--moduleResolution", "bundler"]
    result = run(node, str(MODULES / "typescript" / "bin" / "tsc"), *options, str(program))
    assert result.returncode == 0, result.stdout


def test_message_types_are_what_the_schemas_say(node: hatch_build.Node) -> None:
    hatch_build.install(node, CLIENT)
    result = run(node, "support/generate-messages.mjs", "--check")
    assert result.returncode == 0, result.stderr


def test_package_names_its_repository_and_carries_its_licence(node: hatch_build.Node, built: Path) -> None:
    package = json.loads((CLIENT / "package.json").read_text(encoding="utf-8"))
    assert (CLIENT / "LICENSE").read_text(encoding="utf-8") == (REPOSITORY / "LICENSE").read_text(encoding="utf-8")
    assert {"repository", "homepage", "bugs", "license", "exports", "types"} <= package.keys()
    packed = subprocess.run(
        [*node.npm, "pack", "--dry-run", "--json", "--ignore-scripts"], cwd=CLIENT, capture_output=True, text=True,
        timeout=TIMEOUT_S, check=True,
    )  # fmt: skip
    files = {entry["path"] for entry in json.loads(packed.stdout)[0]["files"]}
    assert {"LICENSE", "README.md", "package.json", "dist/index.js", "dist/index.d.ts", "src/index.ts"} <= files
    assert not any(name.startswith(("test/", "support/", "node_modules/", "browser/")) for name in files)


def test_lock_names_no_registry() -> None:
    lock = json.loads((CLIENT / "package-lock.json").read_bytes())
    packages = [entry for name, entry in lock["packages"].items() if name]
    assert all("integrity" in entry and "resolved" not in entry for entry in packages)


def test_node_logger_prints_poses_of_the_server(
    node: hatch_build.Node, built: Path, server: Server, tmp_path: Path
) -> None:
    link_package(tmp_path)
    script = tmp_path / "logger.mjs"
    script.write_text((CLIENT / "examples" / "logger.mjs").read_text(encoding="utf-8"), encoding="utf-8")
    address = f"{server.url}#token={server.token}"
    result = run(node, "--experimental-websocket", str(script), address, "12")
    assert result.returncode == 0, result.stderr
    lines = [
        re.match(r"seq (\d+)  index tip (\S+) (\S+) (\S+) mm  server (\S+) ms", x) for x in result.stdout.split("\n")
    ]
    counts = [int(found[1]) for found in lines if found]
    assert len(counts) == 12
    assert counts == sorted(set(counts))
    tips = [[float(found[i]) for i in (2, 3, 4)] for found in lines if found]
    assert all(30 < sum(v * v for v in tip) ** 0.5 < 260 for tip in tips), (
        "an index tip is a hand's length from the wrist"
    )
    assert "open" in result.stderr
    assert "live" in result.stderr


def test_a_wrong_token_in_node_is_unauthorized(
    node: hatch_build.Node, built: Path, server: Server, tmp_path: Path
) -> None:
    link_package(tmp_path)
    script = tmp_path / "wrong.mjs"
    script.write_text(
        'import { connect } from "@myocast/client";\n'
        "const client = connect(process.argv[2], { token: 'wrong' });\n"
        "client.on('connection', ({ phase, error }) => {\n"
        "  if (phase === 'refused') { console.log(error.code); client.close(); }\n"
        "});\n",
        encoding="utf-8",
    )
    result = run(node, "--experimental-websocket", str(script), server.url)
    assert (result.returncode, result.stdout.strip()) == (0, "unauthorized"), result.stderr


def link_package(folder: Path) -> None:
    """What `npm install` of the package leaves, without npm."""
    scope = folder / "node_modules" / "@myocast"
    scope.mkdir(parents=True)
    (scope / "client").symlink_to(CLIENT, target_is_directory=True)


@pytest.mark.browser
@pytest.mark.parametrize("name", ["canvas", "three"])
def test_example_page_of_another_site_draws_a_moving_hand(
    browser: Browser, server: Server, site: str, name: str
) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 600})
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(f"{site}/examples/{name}.html?server={server.url}%23token=sesame")
    page.wait_for_selector("canvas")
    assert_moving(page)
    assert errors == []
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", ["canvas", "three"])
def test_example_of_the_server_itself_needs_nothing_from_elsewhere(browser: Browser, server: Server, name: str) -> None:
    page = browser.new_page(viewport={"width": 600, "height": 600})
    addresses: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.goto(f"{server.url}examples/#token={server.token}")
    page.click(f"text={name}.html")
    page.wait_for_selector("canvas")
    assert_moving(page)
    assert {address.split("/")[2] for address in addresses} == {f"127.0.0.1:{server.port}"}
    page.close()


SCRIPT_TAG: Final = """
<p id="tip"></p>
<script src="{server}client.js"></script>
<script>
  const client = myocast.connect();
  client.on("pose", ({{ joints }}) => {{ document.getElementById("tip").textContent = joints[24]; }});
</script>
"""
MODULE: Final = """
<p id="tip"></p>
<script type="module">
  import {{ connect }} from "{server}client.mjs";
  for await (const pose of connect()) document.getElementById("tip").textContent = pose.joints[24];
</script>
"""


@pytest.mark.browser
@pytest.mark.parametrize("page_text", [SCRIPT_TAG, MODULE], ids=["script", "module"])
def test_a_page_elsewhere_needs_one_tag(browser: Browser, server: Server, site: str, page_text: str) -> None:
    ExampleFiles.pages["/mine.html"] = page_text.format(server=server.url)
    page = browser.new_page()
    page.goto(f"{site}/mine.html#token={server.token}")
    page.wait_for_function("() => Math.abs(Number(document.getElementById('tip').textContent)) > 0")
    page.close()


@pytest.mark.browser
def test_the_page_that_the_examples_show_works_as_it_is(browser: Browser, server: Server, site: str) -> None:
    page = browser.new_page()
    page.goto(f"{server.url}examples/")
    ExampleFiles.pages["/shown.html"] = page.inner_text("#page")
    page.goto(f"{site}/shown.html#token={server.token}")
    page.wait_for_function("() => /index fingertip: -?[0-9]+, -?[0-9]+, -?[0-9]+ mm/.test(document.body.innerText)")
    page.close()


@pytest.mark.browser
@pytest.mark.parametrize("token", ["", "%23token=sesame"])
def test_a_page_whose_origin_is_refused_says_what_to_do(
    browser: Browser, site: str, tmp_path: Path, token: str
) -> None:
    console = Console(REPOSITORY, tmp_path)
    try:
        server = console.serve("synthetic:", "--token", "sesame", "--origin", "https://elsewhere.example")
        page = browser.new_page()
        page.goto(f"{site}/examples/canvas.html?server={server.url}{token}")
        page.wait_for_function("() => document.body.innerText.includes('--origin')")
        assert f"start Myocast with --origin {site} to allow them" in page.inner_text("body")
        page.close()
        server.stop()
        warnings = [line for line in server.stderr().splitlines() if "was refused" in line]
        assert len(warnings) == 1
        assert warnings[0].endswith(f"a page from {site} was refused; to allow it, add --origin {site}")
    finally:
        console.close()


@pytest.mark.browser
def test_every_page_of_this_machine_can_be_let_in_at_once(browser: Browser, site: str, tmp_path: Path) -> None:
    console = Console(REPOSITORY, tmp_path)
    try:
        server = console.serve("synthetic:", "--origin", "localhost")
        page = browser.new_page()
        page.goto(f"{site.replace('127.0.0.1', 'localhost')}/examples/canvas.html?server={server.url}")
        assert_moving(page)
        page.close()
    finally:
        console.close()


def assert_moving(page: Page) -> None:
    pictures = {drawn(page)}
    attempts = iter(range(100))
    while len(pictures) < 4 and next(attempts, None) is not None:
        pictures.add(drawn(page))
    assert len(pictures) == 4, "the picture moves"


def drawn(page: Page) -> bytes:
    """The picture after the next refresh of the screen."""
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    return page.locator("canvas").screenshot()
