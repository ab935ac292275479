"""A personal model that is learned while it is served: labels in, `/api/v1/personal`, a model file out."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.events import Frame, Label
from drivers.synthetic.source import SyntheticSource
from drivers.uri import source_from_uri
from models.arrays import Float32Array
from models.forward.generator import session
from models.kinematics import ANGLES, angles
from models.onnx_edit import read_initializers
from models.onnx_file import CONFIDENCE_PERSONAL
from models.recording import Recording
from service.engine.model_selection import shipped
from service.engine.output_stage import OFF
from service.engine.predictor import ModelFile
from service.labels.prompts.schedule import parse
from tests.fakes.sources import INFO, Puppet, frames
from tests.integration.server.test_app import error_of
from tests.support.live_server import Live, receive_until, serving

RATE_HZ = 50.0
ENVELOPE = replace(INFO, rate_hz=RATE_HZ, emg_mode="envelope")
FILE = next(path for path in shipped() if path.stem == "envelope50")


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Somebody whom no model knows."""
    return session(904, 0, 90.0, seed=5, rate_hz=RATE_HZ, emg_mode="envelope", losses=False)


@asynccontextmanager
async def learning(folder: Path, **settings: Any) -> AsyncIterator[tuple[Live, Puppet]]:
    puppet = Puppet(ENVELOPE)
    async with serving([puppet], models=folder, **settings) as live:
        await puppet.running.wait()
        yield live, puppet


async def teach(
    live: Live, puppet: Puppet, recording: Recording, first_s: float, last_s: float, kind: str, *, gap: bool = False
) -> None:
    """Play a part of a recording, as fast as it goes, with labels of what the hand did, 17 a second and 60 ms late.

    Labels are `joints`, `angles` or `nothing`; with `gap`, samples are missing before the first one.
    """
    assert recording.joints is not None
    assert recording.label_t is not None
    device = live.service.devices[0]
    engine = device.engine
    assert engine is not None
    for row in range(round(first_s * RATE_HZ), round(last_s * RATE_HZ)):
        t = 1000.0 + row / RATE_HZ
        begins = row == round(first_s * RATE_HZ)
        puppet.emit(Frame(row, t, recording.emg[row : row + 1], t, gap=gap and begins))
        await live.until(lambda: engine.poses + engine.skipped + engine.invalid == engine.due)
        if kind != "nothing" and row % 3 == 0 and row >= 3:
            when = (row - 3) / RATE_HZ
            at = int(np.argmin(np.abs(recording.label_t - recording.label_t[0] - when)))
            device.on_client_event(label(1000.0 + when, recording.joints[at], kind))


def label(t: float, joints: Float32Array, kind: str) -> Label:
    """All points, or the angles of the index finger alone."""
    if kind == "joints":
        return Label(t, joints)
    found = np.rad2deg(angles(joints.reshape(1, 21, 3))[0])
    return Label(t, None, dict(zip(ANGLES[4:8], found[4:8].tolist(), strict=True)))


async def state(live: Live) -> dict[str, Any]:
    found: dict[str, Any] = (await live.http.get("/api/v1/personal")).json()
    return found


async def test_nothing_was_learned_at_first(tmp_path: Path) -> None:
    async with learning(tmp_path) as (live, _):
        nothing = {"angle_mae_deg": None, "mpjpe_mm": None}
        assert await state(live) == {
            "device": 0, "state": "none", "seconds": 0.0, "labels": 0, "lag_ms": None, "before": nothing,
            "after": nothing, "error": None,
        }  # fmt: skip
        assert (await live.post("/api/v1/personal", action="stop")).status_code == 409
        assert (await live.post("/api/v1/personal", action="keep", name="anna")).status_code == 409
        assert (await live.post("/api/v1/personal", action="discard")).json()["state"] == "none"


async def test_it_learns_and_keeps_what_it_learned(tmp_path: Path, recording: Recording) -> None:
    async with learning(tmp_path, recordings=tmp_path) as (live, puppet), live.connect("?streams=status") as client:
        device = live.service.devices[0]
        assert (await live.post("/api/v1/personal", action="start")).json()["state"] == "learning"
        assert (await live.post("/api/v1/personal", action="start")).status_code == 409
        await teach(live, puppet, recording, 0.0, 60.0, "joints")
        learned = await receive_until(client, "status")
        while learned["personal"]["labels"] < 900:
            learned = await receive_until(client, "status")
        assert learned["personal"]["seconds"] == pytest.approx(0.06 * learned["personal"]["labels"], rel=0.07)
        stopped = (await live.post("/api/v1/personal", action="stop")).json()
        assert stopped["state"] == "ready"
        for measure in ("angle_mae_deg", "mpjpe_mm"):
            assert stopped["after"][measure] < 0.97 * stopped["before"][measure]
        engine = device.engine
        assert engine is not None
        assert engine.predictor.hidden is None
        hidden = await live.post("/api/v1/personal", action="keep", name="raw200")
        assert (hidden.status_code, "choose another" in hidden.text) == (409, True)
        kept = await live.post("/api/v1/personal", action="keep", name="anna")
        assert kept.status_code == 200, kept.text
        assert (await live.post("/api/v1/personal", action="keep", name="anna")).status_code == 409
        listed = {entry["name"]: entry for entry in (await live.http.get("/api/v1/models")).json()["models"]}
        assert listed["anna"] == {"name": "anna", "fits": True, "personal": True, "used_by": [0]}
        model = ModelFile(tmp_path / "anna.onnx")
        assert model.spec.personal is not None
        assert model.spec.personal["base"] == "envelope50"
        assert model.spec.personal["base_sha256"] == ModelFile(FILE).sha256
        assert len(model.spec.personal["bones_mm"]) == 20
        assert model.spec.name == "anna"
        base = ModelFile(FILE).spec
        assert (model.spec.smoothing, model.spec.lag_ms) == (base.smoothing, base.lag_ms)
        assert base.smoothing is not None
        own, shipped = (read_initializers(file.data)[CONFIDENCE_PERSONAL] for file in (model, ModelFile(FILE)))
        assert not np.array_equal(own, shipped)


async def test_the_kept_file_gives_the_poses_that_were_seen(tmp_path: Path, recording: Recording) -> None:
    async with learning(tmp_path, smoothing=OFF) as (live, puppet), live.connect("?streams=pose") as client:
        await live.post("/api/v1/alignment", action="use", matrix=np.eye(8).reshape(-1).tolist())
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 20.0, "joints")
        await live.post("/api/v1/personal", action="stop")
        await teach(live, puppet, recording, 20.0, 21.0, "joints")
        assert (await live.post("/api/v1/personal", action="keep", name="b")).status_code == 200
        await teach(live, puppet, recording, 21.0, 22.0, "joints")
        seen = [await receive_until(client, "pose") for _ in range(22 * 50)]
    predictor = ModelFile(tmp_path / "b.onnx").open()
    for row in range(22 * 50):
        predictor.load(recording.emg[row : row + 1])
        pose = predictor.run()
    np.testing.assert_allclose(seen[-1]["joints"], pose, atol=0.02)
    assert [one["seq"] for one in seen] == list(range(22 * 50))
    assert [one["sample"] for one in seen] == list(range(22 * 50))


async def test_labels_of_some_angles_teach_those_and_discard_forgets(tmp_path: Path, recording: Recording) -> None:
    async with learning(tmp_path) as (live, puppet):
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 30.0, "angles")
        found = (await live.post("/api/v1/personal", action="stop")).json()
        assert found["after"]["mpjpe_mm"] is None
        assert found["after"]["angle_mae_deg"] < found["before"]["angle_mae_deg"]
        fitted = live.service.devices[0].fitted
        assert fitted.personal is not None
        assert fitted.bones is None
        assert np.abs(fitted.personal[:, 4:8]).max() > 0.0
        assert np.abs(np.delete(fitted.personal, range(4, 8), axis=1)).max() == 0.0
        assert (await live.post("/api/v1/personal", action="discard")).json()["state"] == "none"
        assert live.service.devices[0].fitted.personal is None
        await live.post("/api/v1/personal", action="start")
        assert (await state(live))["labels"] == 0


async def test_another_model_ends_it(tmp_path: Path, recording: Recording) -> None:
    async with learning(tmp_path) as (live, puppet):
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 3.0, "joints")
        await live.post("/api/v1/model", action="use", name="envelope50")
        assert (await state(live))["state"] == "none"
        engine = live.service.devices[0].engine
        assert engine is not None
        assert engine.predictor.hidden is None


async def test_requests_at_once_take_their_turns(tmp_path: Path, recording: Recording) -> None:
    async with learning(tmp_path) as (live, puppet):
        await teach(live, puppet, recording, 0.0, 1.0, "nothing")
        begun = await asyncio.gather(*(live.post("/api/v1/personal", action="start") for _ in range(4)))
        assert sorted(answer.status_code for answer in begun) == [200, 409, 409, 409]
        await live.post("/api/v1/personal", action="discard")
        both = await asyncio.gather(
            live.post("/api/v1/personal", action="start"), live.post("/api/v1/model", action="use", name="envelope50")
        )
        assert [answer.status_code for answer in both] == [200, 200]
        assert (await state(live))["state"] == "none"
        assert (await live.post("/api/v1/personal", action="start")).status_code == 200


async def test_a_kept_model_is_known_when_the_source_says_again_what_it_is(
    tmp_path: Path, recording: Recording
) -> None:
    async with learning(tmp_path) as (live, puppet):
        await live.post("/api/v1/alignment", action="use", matrix=np.eye(8).reshape(-1).tolist())
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 30.0, "joints")
        await live.post("/api/v1/personal", action="stop")
        kept = await live.post("/api/v1/personal", action="keep", name="anna")
        assert kept.status_code == 200, kept.text
        puppet.emit(replace(ENVELOPE, name="the same armband"))
        assert (await state(live))["state"] == "ready"
        assert (await live.http.get("/api/v1/alignment")).json()["state"] == "done"


async def test_a_fault_while_learning_is_told(
    tmp_path: Path, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> None:
        raise IndexError("out of bounds")

    monkeypatch.setattr("service.arm.personal_fit.PersonalFit.learn", fail)
    async with learning(tmp_path) as (live, puppet):
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 1.0, "joints")
        personal = live.service.arms[0].personal
        await live.until(lambda: personal.describe()["state"] == "failed")
        assert "IndexError: out of bounds" in personal.describe()["error"]["message"]


async def test_labels_of_another_clock_are_told(tmp_path: Path, recording: Recording) -> None:
    assert recording.joints is not None
    async with learning(tmp_path) as (live, puppet):
        await live.post("/api/v1/personal", action="start")
        await teach(live, puppet, recording, 0.0, 1.0, "nothing")
        for off, words in ((3600.0, "3600 s in the future"), (-3600.0, "3600 s ago")):
            live.service.devices[0].on_client_event(label(1001.0 + off, recording.joints[0], "joints"))
            error = (await state(live))["error"]
            assert error["code"] == "wrong_clock"
            assert words in error["message"]


async def test_a_window_model_cannot_learn(tiny_window: Path, tmp_path: Path) -> None:
    puppet = Puppet(INFO)
    async with serving([puppet], model=tiny_window, models=tmp_path) as live:
        await puppet.running.wait()
        puppet.emit(*frames(0, 20))
        answer = await live.post("/api/v1/personal", action="start")
        assert answer.status_code == 409
        assert "use a streaming model" in answer.json()["error"]["message"]


async def test_what_cannot_learn(tiny_stream: Path, tmp_path: Path) -> None:
    puppet = Puppet(INFO)
    async with serving([puppet], model=tiny_stream, models=tmp_path) as live:
        await puppet.running.wait()
        puppet.emit(*frames(0, 20))
        answer = await live.post("/api/v1/personal", action="start")
        assert answer.status_code == 409
        assert "export it again" in answer.json()["error"]["message"]
        assert (await state(live))["state"] == "none"
    puppet = Puppet(replace(INFO, rate_hz=60.0, unit="uV"))
    async with serving([puppet], models=tmp_path) as live:
        await asyncio.wait_for(puppet.running.wait(), 10)
        assert (await live.post("/api/v1/personal", action="start")).status_code == 409


PROMPTS = """
prepare_s = 0.1
rest_s = 0
[[block]]
pose = "fist"
levels = [1.0]
hold_s = 0.5
"""


@asynccontextmanager
async def simulated(folder: Path) -> AsyncIterator[Live]:
    """A server of a synthetic arm, with prompts of a second."""
    async with serving([source_from_uri("synthetic:?mode=envelope")], models=folder) as live:
        live.service.arms[0].prompts.schedule = lambda: parse(PROMPTS)
        await live.until(lambda: live.service.devices[0].model is not None)
        yield live


async def test_prompts_teach_without_a_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A synthetic arm does what it is asked to; with the last prompt learning stops by itself."""
    async with simulated(tmp_path) as live:
        arm = live.service.arms[0]
        source = arm.device.source
        assert isinstance(source, SyntheticSource)
        asked: list[tuple[object, ...]] = []
        follow = source.follow

        def listen(cue: str | None, level: float = 1.0, seconds: float | None = None) -> None:
            asked.append((cue, level, seconds))
            follow(cue, level, seconds)

        monkeypatch.setattr(source, "follow", listen)
        found = (await live.post("/api/v1/personal", action="start", labels="prompts")).json()
        assert found["state"] == "learning"
        await live.until(lambda: (arm.labels.describe() or {}).get("state") == "coming")
        told = arm.labels.describe()
        assert told is not None
        assert told["source"] == "prompts"
        assert len(told["prompt"]["joints"]) == 63
        await live.until(lambda: arm.personal.learning is None)
        assert asked == [("fist", 1.0, 0.6), ("fist", 0.0, 0.6), (None, 1.0, None)]
        assert (await state(live))["state"] == "ready"
        assert arm.labels.describe() is None
        assert arm.labels.count >= 10


async def test_prompts_end_with_learning_and_are_refused_beside_others(tmp_path: Path) -> None:
    async with simulated(tmp_path) as live:
        arm = live.service.arms[0]
        body = {"action": "start", "labels": "prompts"}
        assert (await live.post("/api/v1/personal", **body)).status_code == 200
        await live.until(lambda: arm.labels.describe() is not None)
        assert "learning already" in error_of(await live.post("/api/v1/personal", action="start"), 409)["message"]
        assert "prompts already" in error_of(await live.post("/api/v1/personal", **body), 409)["message"]
        await live.post("/api/v1/personal", action="stop")
        await live.until(lambda: arm.labels.describe() is None)
        arm.labels.expect("leap", None)
        assert "leap already" in error_of(await live.post("/api/v1/personal", **body), 409)["message"]
        arm.labels.release()
        await live.post("/api/v1/alignment", action="start")
        assert "alignment" in error_of(await live.post("/api/v1/personal", **body), 409)["message"]
        wrong = await live.post("/api/v1/personal", action="start", labels="camera")
        assert wrong.status_code == 400
