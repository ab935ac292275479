"""The payload of the fan-out runs: ready-made poses, published by a metronome."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import numpy as np

from drivers.clock import now
from drivers.events import Emit, SourceInfo
from models.hand import VALUES
from service.engine.pose import Pose

_HANDS: Final = np.random.default_rng(0).normal(0.0, 60.0, (128, VALUES)).astype(np.float32)


def made_up(seq: int) -> Pose:
    """A pose made this instant; its joints change from one to the next, as real ones do."""
    t = now()
    return Pose(
        device=0, seq=seq, sample=4 * seq, t=t, joints=_HANDS[seq % len(_HANDS)], hand="right", state="live",
        skipped=0, gap=False, truth=None, arrival=t, due=t, started=t, finished=t,
    )  # fmt: skip


async def metronome(rate_hz: float, publish: Callable[[Pose], None]) -> None:
    """Publish a pose on every beat of a grid of 1/rate seconds, until cancelled; missed beats are left out."""
    loop = asyncio.get_running_loop()
    start, beat, seq = loop.time(), 0, 0
    while True:
        publish(made_up(seq))
        seq += 1
        beat = max(beat + 1, int((loop.time() - start) * rate_hz))
        await asyncio.sleep(max(0.0, start + beat / rate_hz - loop.time()))


class FeedSource:
    """A source without samples: while it runs, poses go straight to `publish`."""

    def __init__(self, rate_hz: float) -> None:
        self.info = SourceInfo(uri="feed:", name="Ready-made poses", rate_hz=0.0, nature="synthetic")
        self.publish: Callable[[Pose], None] = lambda pose: None
        self._rate_hz = rate_hz

    async def run(self, emit: Emit) -> None:
        emit(self.info)
        await metronome(self._rate_hz, self.publish)
