"""A band of another rate and unit: poses from its running level, aligned while serving, and learned from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from drivers.events import Frame, Label, SourceInfo
from models.arrays import Float32Array
from models.forward.generator import session
from models.forward.motion import Step
from tests.fakes.sources import Puppet
from tests.support.live_server import Live, receive_until, serving

RATE_HZ = 500.0
HOP = 10
MICROVOLTS = 7.3
"""Of a count; what the server does not know."""
CYTON = SourceInfo("board:", "a board", RATE_HZ, unit="uV")
CUES = ("rest", "fist", "extension")
POSES = {"extension": "wrist_extension"}


def in_microvolts(counts: Float32Array) -> Float32Array:
    return np.asarray(counts * MICROVOLTS + 9_000.0, np.float32)


def doing(cue: str, seconds: float) -> Float32Array:
    script = [Step(POSES.get(cue, cue), 0.1, 60.0)]
    made = session(1003, 0, seconds, seed=1, rate_hz=RATE_HZ, script=script, losses=False)
    return in_microvolts(made.emg)


class Band:
    """Emits frames of 20 ms."""

    def __init__(self, live: Live, puppet: Puppet) -> None:
        self.live, self.puppet, self.sample = live, puppet, 0

    async def emit(self, emg: Float32Array) -> None:
        engine = self.live.service.devices[0].engine
        assert engine is not None
        for start in range(0, len(emg) - HOP + 1, HOP):
            t = 1000.0 + self.sample / RATE_HZ
            self.puppet.emit(Frame(self.sample, t, emg[start : start + HOP], t))
            self.sample += HOP
            await self.live.until(lambda: engine.poses + engine.skipped + engine.invalid == engine.due)


async def adapted(live: Live) -> dict[str, Any]:
    found: dict[str, Any] = live.service.devices[0].describe()["model"]
    return found


async def test_poses_come_every_20_ms_with_the_gain_of_the_running_level() -> None:
    puppet = Puppet(CYTON)
    async with serving([puppet]) as live, live.connect() as client:
        await puppet.running.wait()
        band = Band(live, puppet)
        await band.emit(doing("fist", 3.0))
        pose = await receive_until(client, "pose")
        assert (pose["sample"] + 1) % HOP == 0
        model = await adapted(live)
        assert (model["rate_hz"], model["hop"]) == (RATE_HZ, HOP)
        assert (model["adapted"]["rate_hz"], model["adapted"]["from"]) == (RATE_HZ, "running level")
        assert 0.02 < model["adapted"]["gain"] < 2.0
        device = live.service.devices[0]
        assert device.describe()["pose"]["rate_hz"] == 50.0


async def test_an_alignment_gives_the_gain_and_a_reset_takes_it_back() -> None:
    puppet = Puppet(CYTON)
    async with serving([puppet]) as live:
        await puppet.running.wait()
        band, alignment = Band(live, puppet), live.service.arms[0].alignment
        await band.emit(doing("rest", 1.0))
        await live.post("/api/v1/alignment", action="start", cues=list(CUES), seconds=1.0)
        while (cue := alignment.describe()["cue"]) is not None:
            await band.emit(doing(cue, alignment.describe()["left_s"] + 0.02))
        await live.until(lambda: bool(alignment.describe()["applied"]))
        result = alignment.describe()["result"]
        model = await adapted(live)
        assert model["adapted"]["from"] == "alignment"
        assert model["adapted"]["gain"] == pytest.approx(result["gain"], rel=1e-3)
        # A gain of the whole band, not of channels.
        assert np.exp(np.mean(np.log(result["gains"]))) == pytest.approx(1.0, abs=0.35)
        again = (await live.post("/api/v1/alignment", action="use", matrix=result["matrix"], gain=0.25)).json()
        assert (again["result"]["gain"], (await adapted(live))["adapted"]["gain"]) == (0.25, 0.25)
        await live.post("/api/v1/alignment", action="reset")
        assert (await adapted(live))["adapted"]["from"] == "running level"


async def test_a_kept_model_goes_on_with_the_gain_of_its_alignment(tmp_path: Any) -> None:
    puppet = Puppet(CYTON)
    made = session(1003, 0, 12.0, seed=1, rate_hz=RATE_HZ, losses=False)
    assert made.joints is not None
    async with serving([puppet], models=tmp_path) as live:
        await puppet.running.wait()
        band, device = Band(live, puppet), live.service.devices[0]
        emg = in_microvolts(made.emg)
        await band.emit(emg[:500])
        await live.post("/api/v1/alignment", action="use", matrix=np.eye(8).reshape(-1).tolist(), gain=0.2)
        await live.post("/api/v1/personal", action="start")
        for start in range(500, len(emg), 50):
            await band.emit(emg[start : start + 50])
            # A hand that hardly moves is learned in seconds.
            device.on_client_event(Label(1000.0 + start / RATE_HZ, made.joints[0]))
        await live.post("/api/v1/personal", action="stop")
        kept = await live.post("/api/v1/personal", action="keep", name="anna")
        assert kept.status_code == 200, kept.text
        assert (await adapted(live))["adapted"] == {"rate_hz": RATE_HZ, "gain": 0.2, "from": "alignment"}
    async with serving([puppet := Puppet(CYTON)], model=tmp_path / "anna.onnx") as live:
        await puppet.running.wait()
        await Band(live, puppet).emit(emg[:500])
        assert (await adapted(live))["adapted"] == {"rate_hz": RATE_HZ, "gain": 0.2, "from": "alignment"}


async def test_a_person_is_learned_from_labels(tmp_path: Any) -> None:
    puppet = Puppet(CYTON)
    made = session(1003, 0, 12.0, seed=1, rate_hz=RATE_HZ, losses=False)
    assert made.joints is not None
    assert made.label_t is not None
    async with serving([puppet], models=tmp_path) as live:
        await puppet.running.wait()
        band, device = Band(live, puppet), live.service.devices[0]
        emg = in_microvolts(made.emg)
        await band.emit(emg[:500])
        assert (await live.post("/api/v1/personal", action="start")).status_code == 200
        for start in range(500, len(emg), 50):
            await band.emit(emg[start : start + 50])
            at = int(np.argmin(np.abs(made.label_t - start / RATE_HZ)))
            device.on_client_event(Label(1000.0 + float(made.label_t[at]), made.joints[at]))
        await live.post("/api/v1/personal", action="stop")
        found = (await live.http.get("/api/v1/personal")).json()
        assert found["state"] == "ready"
        assert found["labels"] > 80
        assert (await adapted(live))["adapted"]["from"] == "running level"
