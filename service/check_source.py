"""Watch a source for a few seconds and judge its channels, without serving."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

import numpy as np

from drivers.events import Event, Frame, SourceInfo
from drivers.source import Source
from models.arrays import Float32Array
from models.errors import MyocastError
from models.signal_check import SHORTEST_S, ChannelCheck, check_signal
from service.devices.status import DeviceStatus
from service.devices.supervisor import run_until


class TooLittleSignal(MyocastError):
    """The source ended before there was enough to judge."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """The verdict on a source."""

    channels: list[ChannelCheck]
    rate_hz: float
    """Samples per second, as measured."""
    lost: int

    @property
    def good(self) -> bool:
        """Whether every channel is."""
        return all(channel.state == "good" for channel in self.channels)


async def check_source(source: Source, seconds: float) -> SourceCheck:
    """Judge so many seconds of signal, or less where the source ends or SIGINT or SIGTERM comes.

    Raises:
        MyocastError: the source cannot be used, or gave too little signal.
    """
    stop = asyncio.Event()
    status = DeviceStatus(0, lambda: None, log_level=logging.WARNING)
    watch = _Watch(status, seconds, stop)
    await run_until(stop, source, watch.on_event, status)
    return watch.result()


class _Watch:
    """Keeps samples until there are enough seconds of them."""

    def __init__(self, status: DeviceStatus, seconds: float, stop: asyncio.Event) -> None:
        self._status, self._seconds, self._stop = status, seconds, stop
        self._info: SourceInfo | None = None
        self._parts: list[Float32Array] = []
        self._rows = 0

    def on_event(self, event: Event) -> None:
        match event:
            case SourceInfo():
                self._info = event
                self._status.on_info(event)
            case Frame() if not self._stop.is_set():
                self._status.on_frame(event)
                self._parts.append(event.samples)
                self._rows += len(event.samples)
                if self._info is not None and 0 < self._info.rate_hz * self._seconds <= self._rows:
                    self._stop.set()
            case _:
                pass

    def result(self) -> SourceCheck:
        info = self._info
        if info is None or info.rate_hz <= 0 or self._rows < SHORTEST_S * info.rate_hz:
            raise TooLittleSignal(
                f"{self._rows} samples came, too few to judge; check with `myocast doctor`, or record for longer"
            )
        emg = np.concatenate(self._parts)
        channels = check_signal(emg, info.rate_hz, unit=info.unit, emg_mode=info.emg_mode)
        return SourceCheck(channels, self._status.rate_hz(), self._status.lost)
