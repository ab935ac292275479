"""The quality of an armband's signal, checked once a second while it is served; confidence falls with it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import asdict
from typing import Any, Final

import numpy as np

from drivers.events import Frame, SourceInfo
from models.arrays import Float32Array
from models.confidence import of_channels
from models.signal_check import SHORTEST_S, ChannelCheck, check_signal
from service.devices.device import Device

SPAN_S: Final = 5.0
"""Seconds of signal that a verdict is about."""
EVERY_S: Final = 1.0
"""Seconds of signal between two verdicts."""


class LiveSignal:
    """The verdicts on one armband's channels.

    Args:
        changed: is called when the state of a channel is another.
    """

    def __init__(self, device: Device, changed: Callable[[], None]) -> None:
        self._device, self._changed = device, changed
        self._parts: deque[Float32Array] = deque()
        self._rows = self._since = 0
        self._checks: list[ChannelCheck] = []
        self._checking: asyncio.Task[None] | None = None

    @property
    def idle(self) -> bool:
        """Whether no verdict is being made."""
        return self._checking is None

    def describe(self) -> dict[str, Any] | None:
        """Return the signal object of the contract; None before there is enough signal."""
        if not self._checks:
            return None
        return {
            "channels": [asdict(check) for check in self._checks],
            "rate_hz": self._device.status.rate_hz(),
            "lost": self._device.status.lost,
        }

    def on_frame(self, frame: Frame) -> None:
        """Take samples; a gap starts anew."""
        info = self._device.info
        if info is None or info.rate_hz <= 0:
            return
        if frame.gap:
            self._forget()
        self._parts.append(frame.samples)
        self._rows += len(frame.samples)
        self._since += len(frame.samples)
        while self._rows - len(self._parts[0]) >= SPAN_S * info.rate_hz:
            self._rows -= len(self._parts.popleft())
        enough = self._rows >= SHORTEST_S * info.rate_hz and self._since >= EVERY_S * info.rate_hz
        if enough and self.idle:
            self._since = 0
            self._checking = asyncio.get_running_loop().create_task(self._check(list(self._parts), info))

    def on_info(self) -> None:
        """Start anew: the signal may be another."""
        self._forget()
        self._checks = []
        self._device.set_signal_quality(1.0)

    def close(self) -> None:
        """Stop judging."""
        if self._checking is not None:
            self._checking.cancel()
            self._checking = None

    def _forget(self) -> None:
        self._parts.clear()
        self._rows = self._since = 0

    async def _check(self, parts: list[Float32Array], info: SourceInfo) -> None:
        before = [check.state for check in self._checks]
        self._checks = await asyncio.to_thread(check_parts, parts, info)
        self._checking = None
        self._device.set_signal_quality(of_channels(check.state for check in self._checks))
        if [check.state for check in self._checks] != before:
            self._changed()


def check_parts(parts: list[Float32Array], info: SourceInfo) -> list[ChannelCheck]:
    """Check each channel of consecutive samples, (n, 8) each, of a source."""
    return check_signal(np.concatenate(parts), info.rate_hz, unit=info.unit, emg_mode=info.emg_mode)
