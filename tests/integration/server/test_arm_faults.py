"""Aligning and learning while things go wrong, or at once: lost links, missing labels, two bands, a recording."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.asyncio.client import ClientConnection

from drivers.emulation.dongle import EmulatedDongle
from drivers.emulation.myo import EmulatedMyo
from drivers.emulation.pseudo_terminal import PseudoTerminal
from drivers.events import Frame, Label, Notice
from drivers.myo.bled112_transport import Bled112Transport
from drivers.myo.source import MyoSource
from drivers.myo.stream import MyoConfig
from drivers.sessions import read_session
from models.alignment import fit, levels
from models.forward.generator import session
from models.recording import Recording
from service.arm.alignment_session import PREPARE_S
from tests.fakes.models_onnx import spec_of, window_model
from tests.fakes.sources import Puppet
from tests.integration.server.test_alignment import ENVELOPE, LEVELS, RATE_HZ, THREE, Wearer, get, wearing, worn
from tests.integration.server.test_personal import learning, teach
from tests.support.live_server import Live, receive_until, serving
from tests.support.signals import made_up


async def status_where(client: ClientConnection, found: Any) -> dict[str, Any]:
    """The next status that something holds for."""
    while True:
        status = await receive_until(client, "status")
        if found(status):
            return status


def why(status: dict[str, Any]) -> str | None:
    again = status["alignment"]["again"]
    return None if again is None else str(again["code"])


async def lose(live: Live, puppet: Puppet, client: ClientConnection) -> dict[str, Any]:
    """Lose the link; return the status that says so."""
    runs = puppet.runs
    puppet.lose("out of reach")
    lost = await status_where(client, lambda status: status["state"] == "reconnecting")
    await live.until(lambda: puppet.runs == runs + 1 and puppet.running.is_set())
    return lost


async def test_a_link_that_is_lost_during_a_cue_costs_that_cue_alone(tmp_path: Path) -> None:
    async with (
        wearing(turn=1, record=tmp_path / "a.mcap") as wearer,
        wearer.live.connect("?streams=status") as client,
    ):
        await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow(cues=1)
        wearer.emit(worn("fist", PREPARE_S + 0.6, 1, seed=7))
        lost = await lose(wearer.live, wearer.puppet, client)
        assert (lost["alignment"]["state"], lost["alignment"]["cue"], why(lost)) == ("running", "fist", "no_signal")
        assert "reconnecting" in lost["alignment"]["again"]["message"]
        assert why({"alignment": wearer.alignment}) == "no_signal"
        wearer.emit(worn("fist", 0.2, 1), gap=True)
        back = wearer.alignment
        assert (back["state"], back["cue"], back["again"]["code"]) == ("running", "fist", "interrupted")
        wearer.emit(worn("fist", back["left_s"], 1, seed=8))
        wearer.measured["fist"] = worn("fist", back["left_s"], 1, seed=8)[-round(RATE_HZ) :]
        wearer.follow()
        await wearer.live.until(lambda: wearer.alignment["applied"])
        assert LEVELS is not None
        names = [cue for cue, emg in wearer.measured.items() for _ in range(len(emg))]
        offline = fit(levels(np.concatenate(list(wearer.measured.values())), names), LEVELS)
        np.testing.assert_allclose((await get(wearer))["result"]["matrix"], offline.matrix().reshape(-1), atol=1e-4)
    recorded = read_session(tmp_path / "a.mcap")
    assert len(recorded) == wearer.sample
    assert len(list(recorded.segments())) == 2


async def test_lost_packets_interrupt_no_cue() -> None:
    async with wearing() as wearer:
        await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        for cue in THREE:
            for part in np.split(worn(cue, wearer.alignment["left_s"]), 10):
                wearer.sample += 2
                wearer.emit(part, gap=True)
            assert why({"alignment": wearer.alignment}) is None
        await wearer.live.until(lambda: wearer.alignment["applied"])


async def test_a_myo_that_goes_out_of_range_during_a_cue_is_waited_for() -> None:
    terminal = PseudoTerminal(EmulatedDongle(EmulatedMyo(made_up())))
    async with terminal:
        source = MyoSource("dongle:", MyoConfig(), Bled112Transport(terminal.path, None, ports=list))
        async with serving([source]) as live, live.connect("?streams=status") as client:
            await status_where(client, lambda status: status["state"] == "live")
            await live.post("/api/v1/alignment", action="start", cues=["rest", "fist"], seconds=30)
            holding = await status_where(client, lambda status: 0.0 < status["alignment"]["left_s"] < 29.8)
            assert why(holding) is None
            terminal.lose_link()
            lost = await status_where(client, lambda status: status["state"] == "reconnecting")
            assert (lost["alignment"]["state"], why(lost)) == ("running", "no_signal")
            back = await status_where(client, lambda status: why(status) == "interrupted")
            assert (back["alignment"]["state"], back["alignment"]["cue"]) == ("running", "rest")
            assert back["alignment"]["left_s"] > 30.0
            await status_where(client, lambda status: status["alignment"]["phase"] == "hold")


async def test_two_bands_are_aligned_at_once_each_for_itself() -> None:
    puppets = [Puppet(replace(ENVELOPE, uri=f"scripted:{index}")) for index in range(2)]
    async with serving(puppets) as live, live.connect("?streams=status") as client:
        wearers = [
            Wearer(live, puppet, turn, device)
            for device, (puppet, turn) in enumerate(zip(puppets, (1, -1), strict=True))
        ]
        for puppet in puppets:
            await puppet.running.wait()
        await live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        await live.post("/api/v1/alignment", action="start", cues=["rest", "fist"], seconds=2, device=1)
        wearers[0].follow(cues=2)
        wearers[1].follow(cues=1)
        assert [wearer.alignment["cue"] for wearer in wearers] == ["extension", "fist"]
        for wearer in wearers:
            wearer.follow()
        for device, wearer in enumerate(wearers):
            done = await status_where(
                client, lambda status, device=device: status["device"] == device and status["alignment"]["applied"]
            )
            assert done["alignment"]["device"] == device
            assert done["alignment"]["result"]["turn_channels"] == pytest.approx(wearer.turn, abs=0.4)
        one, other = (device.fitted.alignment for device in live.service.devices)
        assert one is not None
        assert other is not None
        assert not np.array_equal(one, other)
        assert (await live.post("/api/v1/alignment", action="start", device=2)).status_code == 400


async def test_a_recording_tells_what_was_swapped_in_and_misses_nothing(tmp_path: Path) -> None:
    window_model(tmp_path / "other.onnx", spec_of(name="other", rate_hz=RATE_HZ, emg_mode="envelope"))
    async with wearing(turn=1, recordings=tmp_path, models=tmp_path) as wearer:
        live = wearer.live
        engine = live.service.devices[0].engine
        assert engine is not None
        assert (await live.post("/api/v1/recording", action="start", name="a")).status_code == 200
        await live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow()
        await live.until(lambda: wearer.alignment["applied"])
        matrix = (await get(wearer))["result"]["matrix"]
        wearer.emit(worn("fist", 1.0))
        await live.post("/api/v1/alignment", action="reset")
        wearer.emit(worn("fist", 1.0))
        await live.post("/api/v1/model", action="use", name="other")
        wearer.emit(worn("fist", 1.0))
        await live.until(lambda: engine.poses + engine.skipped + engine.invalid == engine.due)
        await live.post("/api/v1/recording", action="stop")
        model = live.service.devices[0].model
        assert model is not None
    recorded = read_session(tmp_path / "a.mcap")
    assert len(recorded) == wearer.sample
    told = [(event.kind, event.detail) for event in recorded.meta["events"] if isinstance(event, Notice)]
    assert [kind for kind, _ in told] == ["alignment", "alignment", "model"]
    np.testing.assert_allclose([float(value) for value in told[0][1].split()], matrix, atol=1e-5)
    assert told[1][1] == "as in the model file"
    assert told[2][1] == f"other {model.sha256}"


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Somebody whom no model knows."""
    return session(905, 0, 40.0, seed=5, rate_hz=RATE_HZ, emg_mode="envelope", losses=False)


async def test_a_link_that_is_lost_while_learning_is_waited_for(tmp_path: Path, recording: Recording) -> None:
    async with (
        learning(tmp_path, record=tmp_path / "a.mcap") as (live, puppet),
        live.connect("?streams=status") as client,
    ):
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 10.0, "joints")
        first = await status_where(client, lambda status: status["personal"]["labels"] > 150)
        lost = await lose(live, puppet, client)
        assert (lost["personal"]["state"], lost["personal"]["error"]["code"]) == ("learning", "no_signal")
        assert recording.joints is not None
        for number in range(5):
            live.service.devices[0].on_client_event(Label(1010.5 + 0.1 * number, recording.joints[0].reshape(63)))
        await teach(live, puppet, recording, 12.0, 20.0, "joints", gap=True)
        back = await status_where(client, lambda status: status["state"] == "live" and not status["personal"]["error"])
        assert back["personal"]["state"] == "learning"
        back = await status_where(client, lambda status: status["personal"]["labels"] > 280)
        assert back["personal"]["seconds"] > first["personal"]["seconds"]
        stopped = (await live.post("/api/v1/personal", action="stop")).json()
        assert (stopped["state"], stopped["error"]) == ("ready", None)
        assert stopped["labels"] <= 10 * RATE_HZ / 3 + 8 * RATE_HZ / 3 + 2
    kept = read_session(tmp_path / "a.mcap")
    rows = np.r_[0:500, 600:1000]
    np.testing.assert_array_equal(kept.emg, recording.emg[rows])
    assert kept.label_t is not None
    assert len(kept.label_t) == sum(row % 3 == 0 and row >= 3 for row in rows) + 5


async def test_labels_that_stop_are_missed_until_they_come_again(tmp_path: Path, recording: Recording) -> None:
    async with learning(tmp_path) as (live, puppet):

        def next_frame(row: int) -> dict[str, Any]:
            """What is said once a sample has come: the band is not silent."""
            t = 1000.0 + row / RATE_HZ
            puppet.emit(Frame(row, t, recording.emg[row : row + 1], t))
            return live.service.arms[0].personal.describe()

        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 5.0, "joints")
        assert next_frame(250)["error"] is None
        await teach(live, puppet, recording, 5.02, 9.0, "nothing")
        missed = next_frame(450)
        assert (missed["state"], missed["error"]["code"]) == ("learning", "no_labels")
        await teach(live, puppet, recording, 9.02, 10.0, "joints")
        assert next_frame(500)["error"] is None
        assert (await live.post("/api/v1/personal", action="stop")).json()["state"] == "ready"


async def test_an_alignment_while_it_learns_loses_no_label_and_no_pose(tmp_path: Path, recording: Recording) -> None:
    async with learning(tmp_path) as (live, puppet), live.connect("?streams=pose") as client:
        device = live.service.devices[0]
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 8.0, "joints")
        await live.until(lambda: device.fitted.personal is not None)
        matrix = np.roll(np.eye(8), 1, axis=1)
        await live.post("/api/v1/alignment", action="use", matrix=matrix.reshape(-1).tolist())
        assert device.fitted.personal is not None, "what was learned stays in use"
        await teach(live, puppet, recording, 8.0, 16.0, "joints")
        stopped = (await live.post("/api/v1/personal", action="stop")).json()
        assert stopped["labels"] == pytest.approx(16.0 * RATE_HZ / 3, abs=3)
        assert device.fitted.alignment is not None
        np.testing.assert_array_equal(device.fitted.alignment, matrix.astype(np.float32))
        seen = [await receive_until(client, "pose") for _ in range(round(16.0 * RATE_HZ))]
        assert [one["sample"] for one in seen] == list(range(len(seen)))
        assert [one["seq"] for one in seen] == list(range(len(seen)))
