"""Alignment while serving: `/api/v1/alignment`, `alignment` in `status`, and the matrix that poses are made with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.events import Frame
from models.alignment import fit, levels, template_of_model
from models.arrays import Float32Array
from models.hand import MIRRORED_CHANNELS
from service.arm.alignment_session import PREPARE_S
from service.arm.cues import NINE_CUES
from service.engine.model_selection import shipped
from service.engine.predictor import ModelFile
from tests.fakes.models_onnx import spec_of, window_model
from tests.fakes.sources import INFO, Puppet, frames
from tests.integration.server.test_stream import play
from tests.support.live_server import Live, receive_until, serving

RATE_HZ = 50.0
ENVELOPE = replace(INFO, rate_hz=RATE_HZ, emg_mode="envelope")
THREE = ["rest", "fist", "extension"]
MODEL = ModelFile(next(path for path in shipped() if path.stem == "envelope50"))
LEVELS = template_of_model(MODEL.spec)


def worn(cue: str, seconds: float, turn: int = 0, seed: int = 0) -> Float32Array:
    """The envelope of a band that is turned, while its wearer does what is asked for."""
    assert LEVELS is not None
    ring = np.roll(np.array(LEVELS.levels.get(cue, LEVELS.levels["fist"])), turn)
    noise = np.random.default_rng(seed).uniform(0.9, 1.1, (round(seconds * RATE_HZ), 8))
    return np.round(ring * noise).astype(np.float32)


class Wearer:
    """Feeds a server with what somebody does who follows its prompts."""

    def __init__(self, live: Live, puppet: Puppet, turn: int = 0, device: int = 0) -> None:
        self.live, self.puppet, self.turn, self.device = live, puppet, turn, device
        self.sample = 0
        self.measured: dict[str, Float32Array] = {}

    @property
    def alignment(self) -> dict[str, Any]:
        return self.live.service.arms[self.device].alignment.describe()

    def emit(self, emg: Float32Array, *, gap: bool = False) -> None:
        """With `gap`, samples are missing before the first one."""
        for start in range(0, len(emg), 2):
            t = 1000.0 + self.sample / RATE_HZ
            self.puppet.emit(Frame(self.sample, t, emg[start : start + 2], t, gap=gap and start == 0))
            self.sample += 2

    def follow(self, instead: Mapping[str, str] | None = None, cues: int = 99) -> None:
        for _ in range(cues):
            cue = self.alignment["cue"]
            if cue is None:
                return
            done = (instead or {}).get(cue, cue)
            signal = worn(done, self.alignment["left_s"], self.turn, len(self.measured))
            self.measured[cue] = signal[round(PREPARE_S * RATE_HZ) :]
            self.emit(signal)


@asynccontextmanager
async def wearing(turn: int = 0, info: Any = ENVELOPE, **settings: Any) -> AsyncIterator[Wearer]:
    puppet = Puppet(info)
    async with serving([puppet], **settings) as live:
        await puppet.running.wait()
        yield Wearer(live, puppet, turn)


async def get(wearer: Wearer) -> dict[str, Any]:
    answer: dict[str, Any] = (await wearer.live.http.get("/api/v1/alignment")).json()
    return answer


async def test_nothing_is_known_at_first() -> None:
    async with wearing() as wearer:
        assert await get(wearer) == {
            "device": 0, "state": "none", "cue": None, "phase": None, "left_s": 0.0, "cues": [], "again": None,
            "result": None, "applied": False, "error": None,
        }  # fmt: skip


async def test_a_turned_band_is_found_and_the_matrix_swapped_in() -> None:
    async with wearing(turn=1) as wearer:
        wearer.emit(worn("rest", 1.0, 1))
        started = await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=2)
        assert started.json()["state"] == "running"
        assert started.json()["cues"] == THREE
        wearer.follow()
        await wearer.live.until(lambda: wearer.alignment["applied"])
        found = await get(wearer)
        assert found["state"] == "done"
        result = found["result"]
        assert LEVELS is not None
        names = [cue for cue, emg in wearer.measured.items() for _ in range(len(emg))]
        offline = fit(levels(np.concatenate(list(wearer.measured.values())), names), LEVELS)
        np.testing.assert_allclose(result["matrix"], offline.matrix().reshape(-1), atol=1e-4)
        assert result["turn_channels"] == pytest.approx(1.0, abs=0.3)
        assert result["turn_deg"] == pytest.approx(45.0 * result["turn_channels"], abs=0.1)
        assert (result["mirrored"], result["score"] > 0.9) == (False, True)
        applied = wearer.live.service.devices[0].fitted.alignment
        assert applied is not None
        np.testing.assert_allclose(applied.reshape(-1), result["matrix"], atol=1e-6)


async def test_status_shows_the_prompts_ten_times_a_second() -> None:
    async with wearing() as wearer, wearer.live.connect("?streams=status") as client:
        await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow()
        seen = []
        while True:
            status = await receive_until(client, "status")
            seen.append(status["alignment"])
            if status["alignment"]["applied"]:
                break
        prompts = [(one["cue"], one["phase"]) for one in seen if one["state"] == "running" and one["cue"]]
        assert list(dict.fromkeys(prompts)) == [(cue, phase) for cue in THREE for phase in ("prepare", "hold")]
        assert len(prompts) >= 6.0 / 0.1


async def test_nine_cues_of_two_seconds_by_default() -> None:
    async with wearing() as wearer:
        await wearer.live.post("/api/v1/alignment", action="start")
        found = await get(wearer)
        assert (found["cues"], found["left_s"]) == (list(NINE_CUES), PREPARE_S + 2.0)


async def test_one_failed_cue_is_asked_for_again() -> None:
    async with wearing() as wearer:
        await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow({"fist": "rest"}, cues=2)
        found = await get(wearer)
        assert (found["state"], found["cue"], found["again"]["code"]) == ("running", "fist", "nothing_moved")
        wearer.follow()
        await wearer.live.until(lambda: wearer.alignment["applied"])


async def test_a_cue_that_always_fails() -> None:
    async with wearing() as wearer:
        await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow({"fist": "rest"})
        found = await get(wearer)
        assert (found["state"], found["cue"], found["error"]["code"]) == ("failed", None, "nothing_moved")
        assert found["result"] is None


@pytest.mark.parametrize("gain", [1e38, -1e300, 1e4])
async def test_a_matrix_that_would_end_the_poses_is_refused(gain: float) -> None:
    async with wearing() as wearer:
        answer = await wearer.live.post("/api/v1/alignment", action="use", matrix=[gain] * 64)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_request")
        assert (await get(wearer))["state"] == "none"


async def test_cancel_reset_and_use() -> None:
    async with wearing(turn=2) as wearer:
        device, post = wearer.live.service.devices[0], wearer.live.post
        assert (await post("/api/v1/alignment", action="cancel")).status_code == 409
        await post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        assert (await post("/api/v1/alignment", action="start")).status_code == 409
        assert (await post("/api/v1/alignment", action="cancel")).json()["state"] == "none"
        matrix = np.roll(np.eye(8), 2, axis=1).reshape(-1).tolist()
        used = (await post("/api/v1/alignment", action="use", matrix=matrix)).json()
        assert (used["state"], used["applied"], used["result"]["turn_deg"]) == ("done", True, None)
        assert used["result"]["matrix"] == matrix
        assert device.fitted.alignment is not None
        await post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        assert (await post("/api/v1/alignment", action="cancel")).json()["result"] == used["result"]
        again = (await post("/api/v1/alignment", action="reset")).json()
        assert (again["state"], again["result"], again["applied"]) == ("none", None, False)
        assert device.fitted.alignment is None


async def test_cancel_while_it_fits_leaves_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    async with wearing(turn=2) as wearer:
        device, post, swapping = wearer.live.service.devices[0], wearer.live.post, asyncio.Event()

        async def refit(**_: Any) -> None:
            swapping.set()
            await asyncio.Event().wait()

        monkeypatch.setattr(device, "refit", refit)
        await post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow()
        await asyncio.wait_for(swapping.wait(), 10)
        assert (await get(wearer))["result"] is not None
        cancelled = (await post("/api/v1/alignment", action="cancel")).json()
        assert (cancelled["state"], cancelled["result"], cancelled["applied"]) == ("none", None, False)
        assert wearer.live.service.arms[0].alignment.levels is None


async def test_a_left_arm_is_aligned_as_the_model_sees_it() -> None:
    async with wearing(info=replace(ENVELOPE, hand="left")) as wearer:
        await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        for cue in THREE:
            wearer.emit(np.ascontiguousarray(worn(cue, wearer.alignment["left_s"])[:, MIRRORED_CHANNELS]))
        await wearer.live.until(lambda: wearer.alignment["applied"])
        result = (await get(wearer))["result"]
        assert (result["mirrored"], abs(result["turn_channels"]) < 0.3) == (False, True)


async def test_a_model_without_a_template_cannot_be_aligned_to(tiny_window: Path) -> None:
    async with wearing(info=INFO, model=tiny_window) as wearer:
        answer = await wearer.live.post("/api/v1/alignment", action="start")
        assert answer.status_code == 409
        assert "shipped model" in answer.json()["error"]["message"]


async def test_without_a_model_there_is_nothing_to_align() -> None:
    async with wearing(info=replace(INFO, rate_hz=60.0, unit="uV")) as wearer:
        for body in ({"action": "start"}, {"action": "reset"}, {"action": "use", "matrix": [0.0] * 64}):
            assert (await wearer.live.post("/api/v1/alignment", **body)).status_code == 409


async def test_another_model_is_aligned_by_the_same_cues(tmp_path: Path) -> None:
    assert LEVELS is not None
    cues = {cue: list(np.roll(level, -1)) for cue, level in LEVELS.levels.items()}
    spec = spec_of(name="other", rate_hz=RATE_HZ, emg_mode="envelope", alignment={"cues": cues})
    window_model(tmp_path / "other.onnx", spec)
    window_model(tmp_path / "plain.onnx", spec_of(name="plain", rate_hz=RATE_HZ, emg_mode="envelope"))
    async with wearing(models=tmp_path) as wearer:
        await wearer.live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow()
        await wearer.live.until(lambda: wearer.alignment["applied"])
        assert abs((await get(wearer))["result"]["turn_channels"]) < 0.3
        await wearer.live.post("/api/v1/model", action="use", name="other")
        found = await get(wearer)
        assert found["result"]["turn_channels"] == pytest.approx(1.0, abs=0.3)
        assert found["applied"]
        await wearer.live.post("/api/v1/model", action="use", name="plain")
        assert (await get(wearer))["state"] == "none"


async def test_it_starts_aligned(tiny_window: Path, tmp_path: Path) -> None:
    matrix = np.roll(np.eye(8), 2, axis=1).reshape(-1).tolist()
    file = tmp_path / "band.json"
    file.write_text(json.dumps({"state": "done", "result": {"matrix": matrix, "turn_deg": 90.0}}))
    async with wearing(info=INFO, model=tiny_window, align=file) as wearer:
        found = await get(wearer)
        assert (found["state"], found["applied"], found["result"]["turn_deg"]) == ("done", True, 90.0)
        await play(wearer.live, wearer.puppet, *frames(0, 20))
        applied = wearer.live.service.devices[0].fitted.alignment
        assert applied is not None
        assert applied.reshape(-1).tolist() == matrix


class Obedient(Puppet):
    """A source that notes what it is asked to do."""

    def __init__(self, info: Any) -> None:
        super().__init__(info)
        self.asked: list[str | None] = []

    def follow(self, cue: str | None) -> None:
        self.asked.append(cue)


async def test_a_simulated_arm_is_told_what_to_do() -> None:
    puppet = Obedient(ENVELOPE)
    async with serving([puppet]) as live:
        await puppet.running.wait()
        wearer = Wearer(live, puppet)
        await live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        wearer.follow({"fist": "rest"}, cues=2)
        wearer.follow()
        await live.until(lambda: wearer.alignment["applied"])
        assert [cue for cue in puppet.asked if cue] == ["rest", "fist", "extension"]
        assert puppet.asked[-1] is None
        await live.post("/api/v1/alignment", action="start", cues=THREE, seconds=1)
        await live.post("/api/v1/alignment", action="cancel")
        assert puppet.asked[-2:] == ["rest", None]
