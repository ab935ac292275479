"""Swaps on the real server, counted in samples by a client: never more than two hops between poses, nothing lost, and
the first pose of a new model is where a model that ran all along has it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drivers.events import Frame
from models.alignment import roll
from models.forward.generator import session
from models.onnx_edit import read_initializers, rewrite
from models.recording import Recording
from service.bench.workloads.swap import Step, all_along, another, continuity, furthest
from service.engine.engine import HISTORY_S
from service.engine.model_selection import shipped
from service.engine.output_stage import OFF
from service.engine.predictor import ModelFile
from tests.fakes.sources import INFO, Puppet
from tests.support.live_server import Live, receive_until, serving

HOP = 20
RATE_HZ = 200.0
BASE = ModelFile(next(path for path in shipped() if path.stem == "raw200"))
BEFORE_S = HISTORY_S + 5.0
"""More than the engine keeps: a new model cannot have seen all that the old one has."""


@pytest.fixture(scope="module")
def recording() -> Recording:
    return session(906, 0, BEFORE_S + 240.0, seed=5, losses=False)


def models(folder: Path) -> dict[str, ModelFile]:
    """Another network, and the same one with another head."""
    (folder / "other.onnx").write_bytes(another(BASE))
    head = np.random.default_rng(3).normal(0.0, 0.05, read_initializers(BASE.data)["personal"].shape)
    (folder / "head.onnx").write_bytes(rewrite(BASE.data, {"personal": head}, replace(BASE.spec, name="head")))
    return {"raw200": BASE} | {name: ModelFile(folder / f"{name}.onnx") for name in ("other", "head")}


class Player:
    """Plays a recording, each frame once the one before has given its pose."""

    def __init__(self, live: Live, puppet: Puppet, recording: Recording) -> None:
        self.live, self.puppet, self.emg = live, puppet, recording.emg
        self.row = 0

    async def play(self, rows: int) -> None:
        engine = self.live.service.devices[0].engine
        assert engine is not None
        for _ in range(rows // HOP):
            assert self.row + HOP <= len(self.emg), "the recording is too short for so slow a machine"
            t = 1000.0 + self.row / RATE_HZ
            self.puppet.emit(Frame(self.row, t, self.emg[self.row : self.row + HOP], t))
            self.row += HOP
            await self.live.until(lambda: engine.poses + engine.skipped + engine.invalid == engine.due)

    async def play_until(self, swap: asyncio.Future[Any]) -> None:
        """Play on while a request is answered."""
        while not swap.done():
            await self.play(HOP)


async def test_swaps_of_matrix_head_and_model(tmp_path: Path, recording: Recording) -> None:
    files = models(tmp_path)
    puppet = Puppet(INFO)
    async with (
        serving([puppet], hop=HOP, models=tmp_path, smoothing=OFF) as live,
        live.connect("?streams=pose") as client,
    ):
        await puppet.running.wait()
        player = Player(live, puppet, recording)
        await player.play(round(BEFORE_S * RATE_HZ))
        matrix = roll(2.0)
        steps = [Step("", "raw200", None)]
        for step, path, body in (
            (Step("matrix", "raw200", matrix), "alignment", {"action": "use", "matrix": matrix.reshape(-1).tolist()}),
            (Step("matrix", "raw200", None), "alignment", {"action": "reset"}),
            (Step("head", "head", None), "model", {"action": "use", "name": "head"}),
            (Step("model", "other", None), "model", {"action": "use", "name": "other"}),
            (Step("model", "raw200", None), "model", {"action": "use", "name": "raw200"}),
        ):
            request = asyncio.ensure_future(live.post(f"/api/v1/{path}", **body))
            await player.play_until(request)
            assert request.result().status_code == 200
            steps.append(step)
            await player.play(round(RATE_HZ))
        seen = [await receive_until(client, "pose") for _ in range(live.service.devices[0].engine.poses)]  # type: ignore[union-attr]
    numbers = np.array([(pose["seq"], pose["sample"]) for pose in seen])
    most_hops, missed = continuity(numbers, HOP)
    assert missed == 0
    assert most_hops <= 2.0
    assert not any(pose.get("gap") for pose in seen)
    joints = np.array([pose["joints"] for pose in seen], np.float32)
    known: dict[tuple[str, bytes], np.ndarray] = {}
    expected = [all_along(files, step, recording.emg[: player.row], known)[numbers[:, 1]] for step in steps]
    at = 0
    for number, step in enumerate(steps[1:], 1):
        apart = [furthest(joints[at:], poses[at:]) for poses in (expected[number - 1], expected[number])]
        first = int(np.argmax(apart[1] < apart[0]))
        assert apart[1][first] < 1.0, f"{step.kind}: the first pose is {apart[1][first]:.2f} mm off"
        assert (apart[0][:first] < 1.0).all(), f"{step.kind}: a pose before the swap is of neither model"
        at += first
