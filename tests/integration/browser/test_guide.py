"""The steps from a band in the hand to a hand that follows, in Chromium."""

from __future__ import annotations

import json
import math
import signal
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.simple_hand import make_hand
from tests.support.console import Console, Server
from tests.support.viewer import GOLDEN, OpenViewer, ScriptedStream, Viewer, axe_violations, hello, status

pytestmark = pytest.mark.browser

QUIET = {
    "device": 0, "state": "none", "cue": None, "phase": None, "left_s": 0.0, "cues": [], "again": None, "result": None,
    "applied": False, "error": None,
}  # fmt: skip
"""`status.alignment` before anything was asked for."""
UNKNOWN = {"angle_mae_deg": None, "mpjpe_mm": None}
UNTAUGHT = {
    "device": 0, "state": "none", "seconds": 0.0, "labels": 0, "before": UNKNOWN, "after": UNKNOWN, "error": None,
}  # fmt: skip
"""`status.personal` before anything was learned."""


@pytest.fixture(scope="module")
def synthetic(console: Console) -> Server:
    return console.serve("synthetic:")


@pytest.fixture
def band(script: ScriptedStream) -> Iterator[ScriptedStream]:
    """A Myo whose messages the test writes; the guide starts anew."""
    page = script.viewer.page
    page.evaluate("() => sessionStorage.clear()")
    page.reload()
    script.viewer.until("window.myocast?.phase === 'open'")
    script.send(hello(uri="myo:", name="Myo"), live())
    script.viewer.until("!document.querySelector('#guide').hidden")
    yield script
    page.evaluate("() => sessionStorage.clear()")


def live(**parts: Any) -> dict[str, Any]:
    """A status message of a band that is worn."""
    return status("live", **{"alignment": QUIET, "personal": UNTAUGHT, **parts})


def steps(page: Viewer) -> list[str]:
    """The names of the steps, as screen readers tell them."""
    return [f"{name}{done}" for name, done in page.evaluate(NAMES)]


NAMES = (
    "[...document.querySelectorAll('#guide-steps button')]"
    ".map((button) => [button.children[1].innerText, button.children[2].textContent])"
)


def test_guide_is_the_first_thing_a_live_band_shows(band: ScriptedStream) -> None:
    page = band.viewer
    page.until_text("#guide-heading", "Put on")
    page.until("document.querySelectorAll('#guide-steps button').length >= 4")
    assert page.evaluate("document.querySelector('#guide-toggle').getAttribute('aria-expanded')") == "true"
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_demo_offers_the_steps(page: Viewer) -> None:
    assert not page.visible("#guide")
    page.page.click("#guide-offer")
    page.until_text("#guide-heading", "Put on")
    page.page.click("#guide-close")
    assert not page.visible("#guide")
    page.page.evaluate("() => sessionStorage.clear()")


def test_steps_are_skipped_and_kept_across_a_reload(band: ScriptedStream) -> None:
    page = band.viewer
    page.until("document.querySelectorAll('#guide-steps button').length >= 4")
    page.page.get_by_role("button", name="Next").click()
    page.until_text("#guide-heading", "Check")
    page.page.get_by_role("button", name="Skip").click()
    page.until_text("#guide-heading", "Align")
    page.page.get_by_role("button", name="Skip").click()
    page.until_text("#guide-heading", "Teach")
    page.page.reload()
    page.until("window.myocast?.phase === 'open'")
    band.send(hello(uri="myo:", name="Myo"), live())
    page.until_text("#guide-heading", "Teach")
    assert steps(page)[0] == "Put on, finished"
    band.send(hello(uri="myo:AA", name="Another"), live())
    page.until_text("#guide-heading", "Put on")
    band.send(hello(uri="myo:", name="Myo"), live())
    page.until_text("#guide-heading", "Teach")


def test_steps_work_with_the_keyboard(band: ScriptedStream) -> None:
    page = band.viewer
    page.until("document.querySelectorAll('#guide-steps button').length >= 4")
    page.page.locator("#guide-steps button").nth(0).focus()
    for _ in range(len(steps(page))):
        page.page.keyboard.press("Tab")
    page.page.keyboard.press("Tab")
    page.page.keyboard.press("Enter")
    page.until_text("#guide-heading", "Check")
    assert page.evaluate("document.activeElement.id") == "guide-heading"
    for is_open in (False, True):
        page.page.keyboard.press("s")
        page.until(f"document.querySelector('#guide').hidden === {str(not is_open).lower()}")
    page.until_text("#guide-heading", "Check")


def test_lights_show_the_signal(band: ScriptedStream) -> None:
    """The step is there only where the server checks the signal, also while there is none."""
    page = band.viewer
    page.until("document.querySelectorAll('#guide-steps button').length === 5")
    assert steps(page) == ["Put on", "Check", "Align", "Teach", "Use"]
    older = live()
    del older["signal"]
    band.send(older)
    page.until("document.querySelectorAll('#guide-steps button').length === 4")
    assert "Check" not in steps(page)
    channels = [{"channel": c, "state": "good", "rms": 9.0, "hint": ""} for c in range(1, 9)]
    channels[3] |= {"state": "flat", "hint": "Press the electrode on."}
    band.send(live(signal={"channels": channels}))
    page.until("document.querySelectorAll('#guide-steps button').length >= 5")
    page.page.get_by_role("button", name="Check", exact=True).click()
    page.until_text("#guide-body", "1 of 8 channels need a look")
    page.until_text("#guide-body", "Channel 4: no contact. Press the electrode on.")
    lights = "[...document.querySelectorAll('#guide .light')].map((light) => light.dataset.state)"
    assert page.evaluate(lights) == ["good"] * 3 + ["flat"] + ["good"] * 4
    band.send(live(signal={"channels": [{**channel, "state": "good"} for channel in channels]}))
    page.until_text("#guide-body", "All eight channels are good")


def test_cues_and_result_in_words(band: ScriptedStream) -> None:
    page = band.viewer
    page.until("document.querySelectorAll('#guide-steps button').length >= 4")
    page.page.get_by_role("button", name="Align", exact=True).click()
    running = {**QUIET, "state": "running", "cues": ["rest", "fist"], "cue": "fist", "phase": "hold"}
    band.send(live(alignment={**running, "left_s": 2.0}), live(alignment={**running, "left_s": 0.5}))
    page.until("document.querySelector('#guide progress').value === 0.25")
    assert page.page.inner_text(".prompt .cue") == "Fist"
    assert page.page.inner_text(".prompt small") == "2 of 2"
    again = {"cue": "fist", "code": "nothing_moved", "message": "nothing moved during fist"}
    band.send(live(alignment={**running, "phase": "prepare", "left_s": 1.0, "again": again}))
    page.until_text("#guide-body .error", "Nothing moved during fist.")
    assert page.page.inner_text(".prompt .cue") == "Get ready: Fist"
    result = {"turn_channels": -0.9, "turn_deg": -40.5, "mirrored": False, "score": 0.93, "gains": [1.0] * 8}
    done = {
        **QUIET,
        "state": "done",
        "cues": ["rest", "fist"],
        "result": {**result, "matrix": [0.0] * 64},
        "applied": True,
    }
    band.send(live(alignment=done))
    page.until_text("#guide-body .verdict", "turned 41° towards the thumb. Leave it: this is undone.")
    page.until_text("#guide-body .verdict", "Your movements fit well (93 %)")
    assert axe_violations(page) == []


SILENT = {
    "stalled": "The armband sends nothing",
    "reconnecting": "The armband is out of reach",
    "paused": "The replay is paused",
    "ended": "The recording has ended",
}


def test_a_step_tells_what_is_missing_and_goes_on(band: ScriptedStream) -> None:
    page = band.viewer
    page.until("document.querySelectorAll('#guide-steps button').length === 5")
    running = {**QUIET, "state": "running", "cues": ["rest", "fist"], "cue": "fist", "phase": "hold", "left_s": 2.0}
    page.page.get_by_role("button", name="Align", exact=True).click()
    for state, words in SILENT.items():
        band.send(status(state, alignment=running, personal=UNTAUGHT))
        page.until_text("#guide-missing", words)
        assert page.page.inner_text(".prompt .cue") == "Fist", "the prompt waits"
        band.send(live(alignment=running))
        page.until("document.querySelector('#guide-missing').hidden")
    band.send(status("reconnecting", alignment=running, personal=UNTAUGHT))
    page.until_text("#guide-missing", "out of reach")
    page.page.get_by_role("button", name="Use", exact=True).click()
    page.until("document.querySelector('#guide-missing').hidden")


def drawn_at(page: Viewer, channel: int) -> tuple[float, float]:
    """Where the light of a channel is drawn: right of the arm's middle, and above it, as shares of the ring."""
    light = f"document.querySelectorAll('#guide .light')[{channel - 1}]"
    x, y = page.evaluate(f"[Number({light}.getAttribute('cx')), Number({light}.getAttribute('cy'))]")
    return (x - 110) / 62, (84 - y) / 50


@pytest.mark.parametrize(("hand", "thumb"), [("right", -1), ("left", 1)])
def test_the_band_is_drawn_as_it_sits(band: ScriptedStream, hand: str, thumb: int) -> None:
    page = band.viewer
    result = {"turn_channels": -2.0, "turn_deg": -90.0, "score": 0.93, "gains": [1.0] * 8, "matrix": [0.0] * 64}
    page.page.get_by_role("button", name="Align", exact=True).click()
    for mirrored in (False, True):
        done = {**QUIET, "state": "done", "result": {**result, "mirrored": mirrored}, "applied": True}
        band.send(hello(uri="myo:", name="Myo", hand=hand), live(alignment=done))
        page.until_text("#guide-body .verdict", "the other way round" if mirrored else "thumb. Leave it")
        # Most people wear channel 1 at 74 degrees from the back of the arm towards the little finger (electrodes.py); a
        # turn of 90 degrees towards the thumb brings it 16 degrees beyond the back. Clockwise, seen from the elbow:
        first = thumb * 16.0
        page.until(f"document.querySelectorAll('#guide .light')[0].getAttribute('cx') {'<>'[thumb > 0]} 110")
        assert drawn_at(page, 1) == pytest.approx(on_ring(first), abs=1e-6)
        # The ring runs counter-clockwise on both arms, unless the band is worn the other way round.
        assert drawn_at(page, 3) == pytest.approx(on_ring(first + (90.0 if mirrored else -90.0)), abs=1e-6)


def on_ring(degrees: float) -> tuple[float, float]:
    """A point of the drawn ring: degrees clockwise from its top."""
    return math.sin(math.radians(degrees)), math.cos(math.radians(degrees))


def test_each_of_two_bands_has_its_own_steps(script: ScriptedStream) -> None:
    """Also where both have the same address."""
    page = script.viewer
    page.page.evaluate("() => sessionStorage.clear()")
    page.page.reload()
    page.until("window.myocast?.phase === 'open'")
    message = hello(uri="synthetic:", name="Synthetic arm")
    script.send({**message, "devices": message["devices"] * 2}, live(), live(device=1))
    page.page.click("#guide-toggle")
    page.until_text("#guide-heading", "Put on")
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.until_text("#guide-heading", "Teach")
    page.page.locator("#devices button").nth(1).click()
    page.until("document.querySelector('#guide').hidden")
    page.page.click("#guide-toggle")
    page.until_text("#guide-heading", "Put on")
    page.page.locator("#devices button").nth(0).click()
    page.until_text("#guide-heading", "Teach")
    page.page.evaluate("() => sessionStorage.clear()")


def test_without_a_model_the_steps_say_so_and_lead_on(band: ScriptedStream) -> None:
    page = band.viewer
    message = hello(uri="cyton:", name="Cyton", unit="uV", rate_hz=250.0)
    entry = {**message["devices"][0], "model": None, "pose": None}
    band.send({**message, **entry, "devices": [entry]}, live())
    page.until_text("#guide-heading", "Put on")
    for name, words in (("Align", "nothing to align it to"), ("Teach", "none to make yours")):
        page.page.get_by_role("button", name=name, exact=True).click()
        page.until_text("#guide-body", words)
        assert not page.page.get_by_role("button", name="Start", exact=True).is_visible()
        assert not page.page.get_by_role("button", name="Learn", exact=True).is_visible()
    page.page.get_by_role("button", name="Use", exact=True).click()
    link = page.page.locator("#guide-body a").get_attribute("href")
    assert link is not None
    assert link.endswith("/docs#models")


def test_the_steps_go_on_when_the_server_is_back(viewer: OpenViewer, console: Console) -> None:
    server = console.serve("synthetic:")
    page = viewer(server.url)
    page.until_moving()
    page.page.click("#guide-toggle")
    page.until("document.querySelectorAll('#guide-steps button').length === 5")
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.check("#teach-truth")
    page.page.get_by_role("button", name="Learn", exact=True).click()
    page.until_text("#guide-body", "s of labels")
    server.stop()
    page.until_text("#guide-missing", "The server is gone")
    page.page.get_by_role("button", name="Stop learning").click()
    page.until_text("#guide-body", "The server did not answer")
    again = Server(console.start("serve", "synthetic:", "--port", server.port))
    page.until("document.querySelector('#guide-missing').hidden")
    page.until_text("#guide-body", "what it had learned before is gone. It learns again")
    page.until_text("#guide-body", "s of labels")
    again.stop()


@pytest.mark.skipif(sys.platform == "win32", reason="the emulated dongle needs a pseudo-terminal")
def test_alignment_waits_for_an_armband_that_is_gone_for_a_while(viewer: OpenViewer, console: Console) -> None:
    """A Myo behind an emulated dongle: it stops in the middle of a cue, and comes back."""
    myo = console.start("emulate", "demo:")
    assert myo.stdout is not None
    port = myo.stdout.readline().strip()
    server = console.serve(f"dongle:{port}")
    page = viewer(server.url)
    page.until_text("#guide-heading", "Put on")
    page.until_moving()
    page.page.get_by_role("button", name="Align", exact=True).click()
    page.page.get_by_role("button", name="Start", exact=True).click()
    bar = "document.querySelector('#guide progress').value"
    page.until(f"!document.querySelector('.prompt').hidden && {bar} < 0.9")
    myo.send_signal(signal.SIGSTOP)
    page.until_text("#guide-missing", "The step goes on")
    waits = page.evaluate(bar)
    page.until_text("#pill", "Reconnecting")
    assert page.evaluate(bar) == waits
    myo.send_signal(signal.SIGCONT)
    page.until("document.querySelector('#guide-missing').hidden")
    page.until(f"{bar} !== {waits}")
    assert not page.page.locator(".prompt").is_hidden()
    page.until_moving()
    server.stop()
    myo.kill()


BLIND = """() => {
  window.Hands = class {
    setOptions() {}
    onResults() {}
    async initialize() {}
    async send() {}
    async close() {}
  };
}"""
"""A hand tracker that sees no hand, in place of one that keeps a page without a graphics card busy for seconds."""


def test_a_camera_that_is_unplugged_goes_on_when_it_is_back(band: ScriptedStream) -> None:
    page = band.viewer
    page.page.evaluate(BLIND)
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.get_by_role("button", name="Start the camera").click()
    page.until_text("#guide-body", "First: hold the hand upright and flat")
    track = "document.querySelector('#guide video').srcObject.getVideoTracks()[0]"
    page.page.evaluate(f"() => {track}.dispatchEvent(new Event('ended'))")
    page.until_text("#guide-body", "The camera is gone")
    page.page.evaluate("() => navigator.mediaDevices.dispatchEvent(new Event('devicechange'))")
    page.until_text("#guide-body", "First: hold the hand upright and flat")
    assert "The camera is gone" not in page.page.inner_text("#guide-body")
    page.page.get_by_role("button", name="Stop the camera").click()
    page.until("document.querySelector('#guide video').srcObject === null")


def test_a_camera_that_is_refused_is_told_in_words(band: ScriptedStream) -> None:
    page = band.viewer
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.evaluate(
        "() => { navigator.mediaDevices.getUserMedia ="
        " () => Promise.reject(new DOMException('denied', 'NotAllowedError')); }"
    )
    page.page.get_by_role("button", name="Start the camera").click()
    page.until_text("#guide-body", "allow it in the address bar")
    assert page.page.get_by_role("button", name="Start the camera").is_enabled()


@pytest.mark.parametrize("hand", ["right", "left"])
def test_a_green_hand_shows_what_prompts_ask_for(band: ScriptedStream, hand: str) -> None:
    """A recording with prompts opens the step by itself; its hand is there while it asks, on the side of the band."""
    page = band.viewer
    labels = json.loads((GOLDEN / "status.json").read_bytes())["labels"]
    joints = make_hand(0.8, "left" if hand == "left" else "right").tolist()
    prompt = {**labels["prompt"], "pose": "two", "level": 0.75, "joints": joints}
    other = f"myo:{hand}"
    band.send(hello(uri=other, name="Myo", hand=hand), live(labels={**labels, "prompt": prompt}))
    page.until_text("#guide-heading", "Teach")
    page.until_text("#guide-body", "two, 75\u00a0%")
    page.until_text("#guide-body", "Next: Index finger, in 2 s. 61 s to go.")
    page.until_text("#legend-ghost", "Follow this hand: two, 75\u00a0%")
    page.until_text("#guide-body", "1225 labels from the prompts, 50 a second, which you follow 312 ms later")
    assert not page.page.get_by_role("button", name="Start the camera").is_visible()
    assert "a green hand instead with" not in page.page.inner_text("#guide-body")
    page.until("myocast.hand().ghost !== null")
    assert page.evaluate("myocast.hand().ghost") == pytest.approx(joints, abs=1e-3)
    assert axe_violations(page) == []
    band.send(live(labels={**labels, "state": "missing", "prompt": None}))
    page.until("myocast.hand().ghost === null && document.querySelector('#legend-ghost').hidden")
    page.until_text("#guide-body", "No labels from the prompts at the moment")


def test_without_a_camera_the_wearer_follows_a_green_hand(band: ScriptedStream) -> None:
    """The server is asked for prompts; leaving the step while they run ends them."""
    page = band.viewer
    asked: list[dict[str, Any]] = []

    def answer(route: Any) -> None:
        if route.request.method == "POST":
            asked.append(json.loads(route.request.post_data))
        route.fulfill(json={"device": 0, "state": "learning"})

    page.page.route("**/api/v1/personal", answer)
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.get_by_role("button", name="Follow a green hand").click()
    labels = json.loads((GOLDEN / "status.json").read_bytes())["labels"]
    band.send(live(labels=labels, personal={**UNTAUGHT, "state": "learning"}))
    page.until_text("#guide-body", "s to go")
    assert not page.page.get_by_role("button", name="Follow a green hand").is_visible()
    page.page.get_by_role("button", name="Use", exact=True).click()
    page.until_text("#guide-heading", "Use")
    page.page.unroute("**/api/v1/personal")
    assert asked == [{"action": "start", "labels": "prompts"}, {"action": "stop"}]
    band.send(live(), hello(uri="demo:", name="Demo"), live())
    page.until("document.querySelector('#guide').hidden")
    page.page.click("#guide-toggle")
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.until_text("#guide-heading", "Teach")
    assert not page.page.get_by_role("button", name="Follow a green hand").is_visible()


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_what_the_steps_come_to(band: ScriptedStream, theme: str) -> None:
    """A prompt that is asked for again, a failure, a result, learning, and an armband that is gone."""
    page = band.viewer
    page.page.emulate_media(color_scheme="light" if theme == "light" else "dark", reduced_motion="reduce")
    states = ("good", "hum") * 4
    channels = [{"channel": c, "state": state, "rms": 9.0, "hint": "move"} for c, state in enumerate(states, start=1)]
    page.page.get_by_role("button", name="Check", exact=True).click()
    band.send(live(signal={"channels": channels}))
    page.until_text("#guide-body", "4 of 8 channels")
    assert axe_violations(page) == []
    page.page.get_by_role("button", name="Align", exact=True).click()
    again = {"cue": "fist", "code": "nothing_moved", "message": "nothing moved during fist"}
    running = {**QUIET, "state": "running", "cues": ["rest", "fist"], "cue": "fist", "phase": "hold", "left_s": 1.0}
    turned = {"turn_channels": 1, "turn_deg": 45.0, "mirrored": True, "score": 0.5}
    result = {**turned, "gains": [1] * 8, "matrix": [0] * 64}
    parts = (
        {**running, "again": again},
        {**QUIET, "state": "failed", "error": {"code": "nothing_moved", "message": "the fist failed three times"}},
        {**QUIET, "state": "done", "result": result, "applied": True},
    )
    for part, words in zip(parts, ("Nothing moved", "three times", "turned 45°"), strict=True):
        band.send(live(alignment=part))
        page.until_text("#guide-body", words)
        assert axe_violations(page) == []
    page.page.get_by_role("button", name="Teach", exact=True).click()
    errors = {"angle_mae_deg": 22.0, "mpjpe_mm": None}
    learned = {"device": 0, "seconds": 30.0, "labels": 100, "before": errors, "after": errors, "error": None}
    for state in ("learning", "ready"):
        band.send(status("stalled", alignment=QUIET, personal={**learned, "state": state}))
        page.until_text("#guide-body", "30 s of labels")
        page.until_text("#guide-missing", "sends nothing")
        assert axe_violations(page) == []


def test_alignment_of_a_served_band(viewer: OpenViewer, synthetic: Server) -> None:
    page = viewer(synthetic.url)
    page.until_moving()
    page.page.click("#guide-toggle")
    page.until("document.querySelectorAll('#guide-steps button').length >= 4")
    page.page.get_by_role("button", name="Align", exact=True).click()
    page.page.get_by_role("button", name="Start", exact=True).click()
    page.until("document.querySelector('.prompt .cue')?.innerText.includes('Rest')")
    page.until("document.querySelector('#guide progress').value < 0.9")
    assert page.page.inner_text(".prompt small") == "1 of 9"
    page.page.get_by_role("button", name="Cancel", exact=True).click()
    page.until("document.querySelector('.prompt').hidden")
    assert axe_violations(page) == []


def test_error_falls_while_teaching_and_the_model_is_kept_with_a_name(band: ScriptedStream) -> None:
    page = band.viewer
    asked: list[dict[str, Any]] = []

    def answer(route: Any) -> None:
        if route.request.method == "POST":
            asked.append(json.loads(route.request.post_data))
        route.fulfill(json={"device": 0, "state": "none"})

    page.page.route("**/api/v1/personal", answer)
    page.page.reload()
    page.until("window.myocast?.phase === 'open'")
    band.send(hello(uri="myo:", name="Myo"), live())
    page.page.get_by_role("button", name="Teach", exact=True).click()
    page.page.get_by_role("button", name="Learn", exact=True).click()
    errors = {"angle_mae_deg": 22.0, "mpjpe_mm": None}
    learning = {"device": 0, "state": "learning", "labels": 100, "before": errors, "error": None}
    for seconds, error in ((10.0, 21.0), (20.0, 18.0), (30.0, 15.0)):
        after = {**errors, "angle_mae_deg": error}
        band.send(live(personal={**learning, "seconds": seconds, "after": after}))
        page.until_text("#guide-body", f"{seconds:.0f} s of labels. Error before 22.0°, now {error:.1f}°")
    assert page.evaluate("document.querySelector('.chart .after').getAttribute('points').split(' ').length") == 3
    page.page.get_by_role("button", name="Stop learning").click()
    band.send(
        live(personal={**learning, "state": "ready", "seconds": 30.0, "after": {**errors, "angle_mae_deg": 15.0}})
    )
    page.page.fill("#keep-name", "anna")
    page.page.get_by_role("button", name="Keep", exact=True).click()
    page.until("!document.querySelector('#guide-body .error:not([hidden])')")
    page.page.unroute("**/api/v1/personal")
    assert asked[:2] == [{"action": "start"}, {"action": "stop"}]
    assert asked[2:] == [{"action": "keep", "name": "anna"}]


@pytest.mark.parametrize("theme", ["dark", "light"])
def test_axe_finds_nothing_in_the_steps(viewer: OpenViewer, synthetic: Server, theme: str) -> None:
    page = viewer(synthetic.url, color_scheme=theme, viewport={"width": 390, "height": 844})
    page.until_moving()
    page.page.click("#guide-toggle")
    page.until("document.querySelectorAll('#guide-steps button').length === 5")
    for name in ("Put on", "Check", "Align", "Teach", "Use"):
        page.page.get_by_role("button", name=name, exact=True).click()
        page.until_text("#guide-heading", name)
        assert axe_violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.until("document.querySelector('#guide-model').value === 'raw200'")


@pytest.mark.timeout(240)
def test_the_whole_way_without_a_band(viewer: OpenViewer, console: Console) -> None:
    """From Put on to Use on a synthetic arm, which follows the prompts and knows its true hand."""
    server = console.serve("synthetic:?seed=3", "--models", str(console.folder / "models"))
    page = viewer(server.url)
    page.until_moving()
    page.page.click("#guide-offer")
    page.until("document.querySelectorAll('#guide-steps button').length === 5")
    page.page.get_by_role("button", name="Next").click()
    page.until_text("#guide-heading", "Check")
    page.until("document.querySelectorAll('#guide .light[data-state=good]').length === 8")
    page.page.get_by_role("button", name="Next").click()
    page.until_text("#guide-heading", "Align")
    page.page.get_by_role("button", name="Start", exact=True).click()
    page.page.wait_for_function(
        "() => /The band .*Your movements fit/.test(document.querySelector('#guide-body').innerText)", timeout=90_000
    )
    page.page.get_by_role("button", name="Next").click()
    page.until_text("#guide-heading", "Teach")
    page.page.check("#teach-truth")
    page.page.get_by_role("button", name="Learn", exact=True).click()
    falls = r"""(() => {
      const found = /before ([\d.]+)., now ([\d.]+)/.exec(document.querySelector('#guide-body').innerText);
      return found && Number(found[2]) < Number(found[1]);
    })()"""
    page.page.wait_for_function(f"() => {falls}", timeout=120_000)
    page.page.get_by_role("button", name="Stop learning").click()
    page.page.fill("#keep-name", "anna")
    page.page.get_by_role("button", name="Keep", exact=True).click()
    page.until_text("#model-name", "anna")
    page.page.get_by_role("button", name="Next").click()
    page.until("document.querySelector('#guide-model').value === 'anna'")
    page.until_text("#guide-body", "anna")
    page.page.get_by_role("button", name="Done").click()
    page.until("document.querySelector('#guide').hidden")
    page.until_moving()
    server.stop()
