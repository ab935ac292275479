"""Synthetic poses at a fixed rate, which the fan-out runs send in place of a model's."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np

from drivers.clock import now
from drivers.events import Emit, SourceInfo
from models.hand import VALUES
from service.engine.pose import Pose

_JOINTS: Final = np.random.default_rng(0).normal(0.0, 60.0, (128, VALUES)).astype(np.float32)


def synthetic_pose(seq: int) -> Pose:
    """Make the pose number `seq`, of this moment; its joints differ from those before, as real ones do."""
    t = now()
    return Pose(
        device=0, seq=seq, sample=4 * seq, t=t, joints=_JOINTS[seq % len(_JOINTS)], hand="right", state="live",
        skipped=0, gap=False, truth=None, arrival=t, due=t, started=t, finished=t,
    )  # fmt: skip


async def publish_poses(rate_hz: float, publish: Callable[[Pose], None]) -> None:
    """Publish a pose every 1/rate_hz seconds until cancelled; what falls due meanwhile is left out."""
    loop = asyncio.get_running_loop()
    start, period, seq = loop.time(), 0, 0
    while True:
        publish(synthetic_pose(seq))
        seq += 1
        period = max(period + 1, int((loop.time() - start) * rate_hz))
        await asyncio.sleep(max(0.0, start + period / rate_hz - loop.time()))


class SyntheticPoseSource:
    """A source without samples: while it runs, poses go straight to `publish`."""

    def __init__(self, rate_hz: float) -> None:
        self.info = SourceInfo(uri="feed:", name="Ready-made poses", rate_hz=0.0, nature="synthetic")
        self.publish: Callable[[Pose], None] = lambda pose: None
        self._rate_hz = rate_hz

    async def run(self, emit: Emit) -> None:
        emit(self.info)
        await publish_poses(self._rate_hz, self.publish)
