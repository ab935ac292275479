"""Models that are chosen while serving: `GET /api/v1/models`, `POST /api/v1/model`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from service.engine.predictor import Fitted, ModelFile
from tests.fakes.models_onnx import offline, spec_of, stream_model, window_model
from tests.fakes.sources import INFO, Puppet, frames, ramp
from tests.integration.server.test_stream import play
from tests.support.live_server import receive_until, serving

TURNED = np.roll(np.eye(8, dtype=np.float32), 3, axis=1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "kept"
    folder.mkdir()
    window_model(folder / "anna.onnx", spec_of(name="anna", personal={"seconds": 60.0}))
    stream_model(folder / "slow.onnx", spec_of("stream", rate_hz=50.0))
    (folder / "notes.onnx").write_bytes(b"no model")
    return folder


async def test_the_list_and_the_choice(tiny_window: Path, folder: Path) -> None:
    puppet = Puppet(INFO)
    async with serving([puppet], model=tiny_window, models=folder) as live, live.connect("?streams=pose") as client:
        await puppet.running.wait()
        listed = {entry.pop("name"): entry for entry in (await live.http.get("/api/v1/models")).json()["models"]}
        assert listed["anna"] == {"fits": True, "personal": True, "used_by": []}
        assert listed["slow"] == {"fits": False, "personal": False, "used_by": []}
        assert listed[tiny_window.stem] == {"fits": True, "personal": False, "used_by": [0]}
        assert {"raw200", "envelope50"} <= listed.keys()
        assert "notes" not in listed
        await play(live, puppet, *frames(0, 40))
        answer = await live.post("/api/v1/model", action="use", name="anna")
        assert answer.json() == {"name": "anna", "fits": True, "personal": True, "used_by": [0]}
        await play(live, puppet, *frames(40, 80))
        first = await receive_until(client, "hello")
        assert first["model"]["name"] == "tiny"
        seen = [await receive_until(client, "pose") for _ in range(19)]
        assert [pose["sample"] for pose in seen] == list(range(7, 80, 4))
        assert [pose["seq"] for pose in seen] == list(range(19))
        expected = offline(folder / "anna.onnx", ramp(72, 8)[None])[0]
        np.testing.assert_allclose(seen[-1]["joints"], expected, atol=0.01)
        assert (await live.http.get("/api/v1/model")).json()["name"] == "anna"


async def test_hello_follows_the_swap(tiny_window: Path, folder: Path) -> None:
    puppet = Puppet(INFO)
    async with serving([puppet], model=tiny_window, models=folder) as live, live.connect() as client:
        await puppet.running.wait()
        assert (await receive_until(client, "hello"))["model"]["name"] == "tiny"
        await live.post("/api/v1/model", action="use", name="anna")
        while (await receive_until(client, "hello"))["model"]["name"] != "anna":
            pass


@pytest.mark.parametrize(("name", "status", "words"), [("bob", 404, "anna"), ("slow", 409, "50 Hz"), ("../x", 404, "")])
async def test_what_cannot_be_used(tiny_window: Path, folder: Path, name: str, status: int, words: str) -> None:
    puppet = Puppet(INFO)
    async with serving([puppet], model=tiny_window, models=folder) as live:
        await puppet.running.wait()
        answer = await live.post("/api/v1/model", action="use", name=name)
        assert answer.status_code == status
        assert words in answer.json()["error"]["message"]


async def test_a_model_for_an_armband_that_had_none(folder: Path) -> None:
    window_model(folder / "cyton.onnx", spec_of(name="cyton", rate_hz=60.0, unit="uV"))
    puppet = Puppet(INFO.__class__("cyton:", "Cyton", 60.0, "uV"))
    async with serving([puppet], models=folder) as live, live.connect() as client:
        await puppet.running.wait()
        assert (await receive_until(client, "hello"))["model"] is None
        assert (await live.post("/api/v1/model", action="use", name="cyton")).status_code == 200
        await play(live, puppet, *frames(0, 40, rate_hz=60.0))
        assert (await receive_until(client, "pose"))["sample"] == 7


async def test_the_same_file_fitted_otherwise_keeps_its_other_values(tiny_window: Path) -> None:
    puppet = Puppet(INFO)
    async with serving([puppet], model=tiny_window) as live:
        await puppet.running.wait()
        device = live.service.devices[0]
        await device.refit(alignment=TURNED)
        await play(live, puppet, *frames(0, 8))
        assert device.engine is not None
        predictor = ModelFile(tiny_window).open(Fitted(alignment=TURNED))
        predictor.load(ramp(0, 8))
        engine = device.engine.predictor
        engine.load(ramp(0, 8))
        np.testing.assert_array_equal(engine.run(), predictor.run())
        np.testing.assert_array_equal(device.fitted.alignment, TURNED)
