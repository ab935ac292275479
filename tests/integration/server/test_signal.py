"""The quality of the signal in `status`, once a second."""

from __future__ import annotations

import numpy as np

from drivers.events import Frame
from tests.fakes.sources import INFO, Puppet
from tests.support.live_server import receive_until, serving


def noise(sample: int, rows: int, flat: int | None) -> Frame:
    samples = np.random.default_rng(sample).normal(0.0, 8.0, (rows, 8)).round().astype(np.float32)
    if flat is not None:
        samples[:, flat] = 3.0
    return Frame(sample, 1000.0 + sample / 200.0, samples, 1000.0 + sample / 200.0)


async def test_a_channel_that_falls_off_is_told() -> None:
    puppet = Puppet(INFO)
    async with serving([puppet]) as live, live.connect("?streams=status") as client:
        await puppet.running.wait()
        arm = live.service.arms[0]
        assert (await receive_until(client, "status"))["signal"] is None
        for sample in range(0, 1000, 10):
            puppet.emit(noise(sample, 10, None))
        while (status := await receive_until(client, "status"))["signal"] is None:
            pass
        channels = status["signal"]["channels"]
        assert [(one["channel"], one["state"]) for one in channels] == [(c, "good") for c in range(1, 9)]
        assert status["signal"]["lost"] == 0
        for sample in range(1000, 2200, 10):
            puppet.emit(noise(sample, 10, 4))
            await live.until(lambda: arm.signal.idle)
        while [one["state"] for one in status["signal"]["channels"]].count("flat") != 1:
            status = await receive_until(client, "status")
        assert status["signal"]["channels"][4]["state"] == "flat"
        assert status["signal"]["channels"][4]["hint"]
        overview = (await live.http.get("/api/v1/status")).json()
        assert overview["signal"]["channels"][4]["state"] == "flat"
