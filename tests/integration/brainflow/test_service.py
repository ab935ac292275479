"""A board of BrainFlow through the whole service: poses, a recording, and the recording again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from drivers import uri
from drivers.sessions import read_session
from tests.fakes.hardware import EventCollector, running
from tests.support.live_server import receive_until, serving

pytest.importorskip("brainflow")


async def test_the_synthetic_board_gives_poses_is_recorded_and_replayed(tmp_path: Path) -> None:
    source = uri.source_from_uri("brainflow:-1?channels=9-16")
    async with serving([source], record=tmp_path / "board.mcap") as live, live.connect("?streams=pose,emg") as client:
        hello = await receive_until(client, "hello")
        for _ in range(3):
            pose = await receive_until(client, "pose")
    device = hello["devices"][0]["device"]
    assert (device["name"], device["rate_hz"], device["unit"]) == ("Synthetic", 250.0, "uV")
    assert len(pose["joints"]) == 63
    recorded = read_session(tmp_path / "board.mcap")
    assert (recorded.rate_hz, recorded.unit, recorded.emg.shape[1]) == (250.0, "uV", 8)
    collector = EventCollector()
    async with running(uri.source_from_uri(f"replay:{tmp_path / 'board.mcap'}?speed=20"), collector):
        await collector.until_samples(50)
    assert np.array_equal(collector.emg[:50], recorded.emg[:50])
