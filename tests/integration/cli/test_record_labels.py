"""`myocast record … --labels …`: what sees the hand is in the file beside the EMG, however either of them ends."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
from mcap.reader import make_reader
from websockets.sync.client import connect

from drivers.events import Notice
from drivers.sessions import read_session
from drivers.uri import source_from_uri
from models.forward.poses import POSES
from models.hand import Side, mirror
from models.kinematics import ANGLES, bones, points
from service.labelled_recording import LabelledRecording, NoLabels, record_with_labels
from service.labels.kinds import label_source
from service.wiring import Service
from tests.fakes.leap import HAND, FakeLeap
from tests.support.console import TIMEOUT_S, Console

SHORT = """
prepare_s = 0.5
rest_s = 0.2
[[block]]
pose = "fist"
levels = [0.5, 1.0]
move_s = 0.3
hold_s = 0.3
"""


def labels_in(file: Path) -> list[dict[str, Any]]:
    with file.open("rb") as opened:
        return [json.loads(message.data) for _, _, message in make_reader(opened).iter_messages("/label")]


class Recording:
    """A labelled recording of the synthetic armband in this process."""

    def __init__(self, file: Path, labels: str, source: str = "synthetic:", seconds: float | None = None) -> None:
        self.file, self._labels, self._source, self._seconds = file, labels, source, seconds
        self.lines: list[str] = []
        self.services: list[Service] = []
        self.states: list[dict[str, Any]] = []
        self._task: asyncio.Task[LabelledRecording] | None = None

    async def __aenter__(self) -> Recording:
        kind, tracker = self._labels.partition(":")[0], label_source(self._labels)
        source = source_from_uri(self._source)
        about = {"user": "anna", "session": "monday"}
        self._task = asyncio.create_task(
            record_with_labels(source, self.file, (kind, tracker), self._seconds, about, self.lines.append, self._watch)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None and not self._task.done():
            self.services[0].stop.set()
            await asyncio.wait([self._task])

    async def until(self, condition: Callable[[dict[str, Any]], bool]) -> None:
        """Wait until `status.labels` is so."""
        assert self._task is not None
        async with asyncio.timeout(TIMEOUT_S):
            while not any(condition(state) for state in self.states):
                self.states.clear()
                await asyncio.sleep(0.01)
                assert not self._task.done(), self._task.exception()

    async def end(self) -> LabelledRecording:
        assert self._task is not None
        self.services[0].stop.set()
        return await self.result()

    async def result(self) -> LabelledRecording:
        assert self._task is not None
        return await asyncio.wait_for(self._task, TIMEOUT_S)

    async def _watch(self, service: Service) -> None:
        self.services.append(service)
        while True:
            state = service.arms[0].describe()["labels"]
            assert isinstance(state, dict)
            self.states.append(state)
            await asyncio.sleep(0.005)


@pytest.mark.parametrize("side", ["right", "left"])
async def test_hands_that_a_leap_sees_are_labels(tmp_path: Path, side: Side) -> None:
    async with FakeLeap(side) as leap:
        async with Recording(tmp_path / "a.mcap", f"leap:{leap.url}", f"synthetic:?hand={side}") as recording:
            await recording.until(lambda state: state["labels"] > 20)
            made = await recording.end()
        assert leap.heard == ['{"background":true}']
    rec = read_session(tmp_path / "a.mcap")
    assert (rec.meta["user"], rec.meta["session"]) == ("anna", "monday")
    assert rec.joints is not None
    assert made.labels == len(rec.joints) > 20
    assert made.samples == len(rec)
    expected = HAND if side == "right" else mirror(HAND)
    np.testing.assert_allclose(
        rec.joints.reshape(-1, 21, 3), np.broadcast_to(expected, (len(rec.joints), 21, 3)), atol=0.05
    )
    # What the synthetic armband knows of its own hand is no label here.
    assert {label["source"] for label in labels_in(tmp_path / "a.mcap")} == {"leap"}


async def test_a_leap_that_goes_and_returns(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with FakeLeap() as leap, Recording(tmp_path / "a.mcap", f"leap:{leap.url}") as recording:
        await recording.until(lambda state: state["state"] == "coming" and state["labels"] > 10)
        await leap.go()
        await recording.until(lambda state: state["state"] == "missing" and "nothing answers" in state["message"])
        before = recording.services[0].arms[0].labels.count
        await leap.come()
        await recording.until(lambda state: state["state"] == "coming" and state["labels"] > before + 10)
        made = await recording.end()
    rec = read_session(tmp_path / "a.mcap")
    assert rec.label_t is not None
    assert len(rec.label_t) == made.labels
    assert np.diff(rec.label_t).max() > 0.4
    # EMG went on meanwhile, and the file tells what was missing.
    assert len(list(rec.segments())) == 1
    told = [event.detail for event in rec.meta["events"] if isinstance(event, Notice) and event.kind == "labels"]
    assert len(told) == 2
    assert "was closed" in told[0]
    assert told[1] == "coming again"
    assert "gives labels again" in caplog.text


async def test_the_other_hand_gives_no_label(tmp_path: Path) -> None:
    async with FakeLeap("left") as leap, Recording(tmp_path / "a.mcap", f"leap:{leap.url}", seconds=0.5) as recording:
        with pytest.raises(NoLabels, match=r"it saw the left hand alone.*\?hand=left.*holds EMG alone"):
            await recording.result()
    assert len(read_session(tmp_path / "a.mcap")) >= 100


async def test_a_wearer_follows_prompts(tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(SHORT)
    seen: list[dict[str, Any]] = []
    async with Recording(tmp_path / "a.mcap", f"prompts:{tmp_path / 's.toml'}") as recording:
        await recording.until(lambda state: state["prompt"] is not None and state["prompt"]["pose"] == "fist")
        seen += [state["prompt"] for state in recording.states if state["prompt"]]
        made = await recording.result()
    assert set(seen[0]) == {"pose", "level", "now", "next", "left_s", "angles", "joints"}
    ghost = points(np.deg2rad([[seen[0]["angles"][name] for name in ANGLES]]), bones())[0]
    np.testing.assert_allclose(np.reshape(seen[0]["joints"], (21, 3)), ghost, atol=0.06)
    assert set(seen[0]["angles"]) == set(ANGLES)
    rec = read_session(tmp_path / "a.mcap")
    assert rec.angles is not None
    assert rec.angle_t is not None
    assert rec.joints is None
    assert len(rec.angles) == made.labels > 5
    index = ANGLES.index("middle_pip_fe")
    bent = (rec.angles[:, index] - POSES["rest"][index]) / (POSES["fist"][index] - POSES["rest"][index])
    assert 0.2 < bent.max() < 1.01
    # The synthetic wearer was asked, and did it: it says so itself.
    fists = [marker.t for marker in rec.markers if marker.label == "fist"]
    assert fists
    assert fists[0] > rec.angle_t[0]


async def test_a_quest_that_falls_silent(tmp_path: Path) -> None:
    async with Recording(tmp_path / "a.mcap", "hts:0") as recording:
        await recording.until(lambda state: state["state"] == "waiting")
        async with asyncio.timeout(TIMEOUT_S):
            while len(recording.lines) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        found = re.search(r"udp://127\.0\.0\.1:(\d+)", recording.lines[1])
        assert found is not None
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as quest:
            quest.connect(("127.0.0.1", int(found[1])))
            quest.send(line_of(1))
            await recording.until(lambda state: state["state"] == "coming")
            await recording.until(lambda state: state["message"] == "no label from hts for 1 s")
            quest.send(b"what another program sends\n")
            quest.send(line_of(3_000_000_000))
            await recording.until(lambda state: state["state"] == "coming")
        made = await recording.end()
    assert made.labels == 2
    rec = read_session(tmp_path / "a.mcap")
    told = [event.detail for event in rec.meta["events"] if isinstance(event, Notice) and event.kind == "labels"]
    assert told == ["no label from hts for 1 s", "coming again"]


@pytest.mark.parametrize("source", ["cyton:none", "dongle:none"])
def test_an_armband_that_is_not_there(console: Console, source: str) -> None:
    ended = console.run("record", source, "a.mcap", "--labels", "leap:1")
    assert (ended.returncode, ended.stdout) == (2, "")
    assert "there is no port none" in ended.stderr.splitlines()[-1]
    assert not (console.folder / "a.mcap").exists()


def ready(process: Popen[str], pattern: str) -> re.Match[str]:
    """The first line of stdout that matches."""
    assert process.stdout is not None
    for line in process.stdout:
        found = re.search(pattern, line)
        if found:
            return found
    raise AssertionError(process.stderr.read() if process.stderr else "")


def line_of(t_ns: int) -> bytes:
    numbers = ", ".join(f"{value:.4f}" for value in (HAND * np.array([0.001, 0.001, -0.001])).reshape(-1))
    about = f"| f = 1 | t = {t_ns}:"
    return f"Right wrist {about}, 0, 0, 0, 0, 0, 0, 1\nRight landmarks {about}, {numbers}\n".encode()


@pytest.mark.parametrize("transport", ["udp", "tcp"])
def test_lines_of_a_quest_are_labels(console: Console, transport: str) -> None:
    process = console.start("record", "synthetic:", "a.mcap", "--labels", "hts:0", "--seconds", "1")
    port = int(ready(process, rf"hts is ready: .*{transport}://127\.0\.0\.1:(\d+)")[1])
    kind = socket.SOCK_DGRAM if transport == "udp" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as sender:
        sender.connect(("127.0.0.1", port))
        while process.poll() is None:
            try:
                sender.send(line_of(time.monotonic_ns()))
            except OSError:
                break
            time.sleep(0.014)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    found = re.search(r"a\.mcap: (\d+) samples, 0 lost; (\d+) labels from hts, [\d.]+ a second", out.splitlines()[-1])
    assert found is not None
    rec = read_session(console.folder / "a.mcap")
    assert rec.joints is not None
    assert len(rec.joints) == int(found[2]) > 0
    np.testing.assert_allclose(rec.joints[0].reshape(21, 3), HAND, atol=0.3)


def test_the_webcam_sends_from_the_page(console: Console) -> None:
    process = console.start("record", "synthetic:", "a.mcap", "--labels", "webcam", "--user", "anna")
    port = ready(process, r"Myocast is ready: http://127\.0\.0\.1:(\d+)/")[1]
    with connect(f"ws://127.0.0.1:{port}/v1/stream?streams=status") as page:
        hello = json.loads(page.recv())
        for k in range(20):
            label = {"type": "label", "t": hello["t"] + k / 20, "joints": HAND.reshape(63).tolist(), "source": "webcam"}
            page.send(json.dumps(label))
        while True:
            status = json.loads(page.recv(timeout=TIMEOUT_S))
            if status["type"] == "status" and status["labels"]["labels"] == 20:
                break
        assert status["labels"]["source"] == "webcam"
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, err
    assert "20 labels from webcam, 20.0 a second, lag not known" in out.splitlines()[-1]
    rec = read_session(console.folder / "a.mcap")
    assert rec.joints is not None
    assert len(rec.joints) == 20
    assert rec.meta["user"] == "anna"


def test_without_a_label_it_is_one_line_and_1(console: Console) -> None:
    ended = console.run("record", "synthetic:", "a.mcap", "--labels", "leap:1", "--seconds", "0.5")
    assert ended.returncode == 1
    last = ended.stderr.splitlines()[-1]
    assert last.startswith("myocast: no labels came from leap (nothing answers at ws://127.0.0.1:1/v6.json")
    assert last.endswith("a.mcap holds EMG alone")
    assert len(read_session(console.folder / "a.mcap")) >= 100


def test_a_recording_says_whose_it_is(console: Console) -> None:
    assert console.run("record", "synthetic:", "a.mcap", "--seconds", "0.2").returncode == 0
    ended = console.run("record", "synthetic:", "b.mcap", "--seconds", "0.2", "--user", "anna b", "--session", "2")
    assert ended.returncode == 0
    assert not {"user", "session"} & set(read_session(console.folder / "a.mcap").meta)
    meta = read_session(console.folder / "b.mcap").meta
    assert (meta["user"], meta["session"]) == ("anna b", "2")


@pytest.mark.skipif(sys.platform == "win32", reason="ports differ")
def test_a_port_that_is_taken(console: Console) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = console.run("record", "synthetic:", "a.mcap", "--labels", f"hts:{port}")
    assert ended.returncode == 2
    assert len(ended.stderr.splitlines()) == 1
    assert f"tcp://127.0.0.1:{port} cannot be listened on" in ended.stderr
    assert not (console.folder / "a.mcap").exists()
