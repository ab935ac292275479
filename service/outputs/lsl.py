"""Outlets of the Lab Streaming Layer: EMG, hand and markers, with the samples' own times.

`source_id` is made of this machine and the source's address, so an inlet that lost its outlet finds the
next one by itself (liblsl, "Recovery").
"""

from __future__ import annotations

import hashlib
import socket
from types import ModuleType, TracebackType
from typing import Any, Final, Protocol

import numpy as np

from drivers.clock import Clock, now
from drivers.events import Frame, Marker, Playback, SourceInfo
from models.arrays import Float32Array
from models.errors import MyocastError
from models.hand import CHANNELS, JOINTS
from models.installation import install_command
from service.engine.pose import Pose
from service.events import DeviceEvent

EMG, HAND, MARKERS = "Myocast-EMG", "Myocast-Hand", "Myocast-Markers"
HAND_LABELS: Final = tuple(f"{joint}_{axis}" for joint in JOINTS for axis in "xyz")
_UNITS: Final = {"adc": "adc", "uV": "microvolts"}
_LSL_IRREGULAR: Final = 0.0
_ANCHORINGS: Final = 16


class LslError(MyocastError):
    """The Lab Streaming Layer cannot be used."""


class Outlet(Protocol):
    """What is used of `pylsl.StreamOutlet`."""

    def push_sample(self, x: list[str], timestamp: float) -> None: ...

    def push_chunk(self, x: Float32Array, timestamp: float | list[float]) -> None: ...


class LslOutput:
    """Three outlets per armband; from the second armband on their names end with its number, as in `Myocast-EMG-2`."""

    def __init__(self, clock: Clock = now) -> None:
        self._clock = clock
        self._lsl: ModuleType | None = None
        self._offset = 0.0
        self._infos: dict[int, SourceInfo] = {}
        self._speeds: dict[int, float] = {}
        self._outlets: dict[tuple[str, int], Outlet] = {}

    async def __aenter__(self) -> LslOutput:
        """Load liblsl.

        Raises:
            LslError: it is not installed.
        """
        try:
            import pylsl
        except (ImportError, RuntimeError) as error:  # RuntimeError: pylsl without its shared library
            reason = str(error).splitlines()[0]
            raise LslError(f"--lsl needs the Lab Streaming Layer: {reason}; run: {install_command('lsl')}") from None
        self._lsl = pylsl
        self._offset = _clock_offset(pylsl.local_clock, self._clock)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._outlets.clear()

    @property
    def names(self) -> list[str]:
        """Names of the open streams."""
        return [_name(name, device) for name, device in self._outlets]

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Send EMG, poses and markers; follow what the source is and how fast a replay runs.

        Poses that are repeated while no samples come are left out: a measurement has one value at one time.
        """
        match event:
            case Frame():
                self._on_frame(device, event)
            case Pose() if not event.held:
                self._outlet(HAND, device).push_chunk(event.joints.reshape(1, -1), event.t + self._offset)
            case Marker():
                self._outlet(MARKERS, device).push_sample([event.label], event.t + self._offset)
            case SourceInfo():
                self._on_info(device, event)
            case Playback():
                self._speeds[device] = event.speed

    def _on_info(self, device: int, source: SourceInfo) -> None:
        before = self._infos.get(device)
        self._infos[device] = source
        if before is not None and (before.rate_hz, before.unit) != (source.rate_hz, source.unit):
            self._outlets.pop((EMG, device), None)
        if before is not None and before.uri != source.uri:
            for name in (EMG, HAND, MARKERS):
                self._outlets.pop((name, device), None)
        if source.rate_hz > 0:
            for name in (EMG, HAND, MARKERS):
                self._outlet(name, device)

    def _on_frame(self, device: int, frame: Frame) -> None:
        source = self._infos.get(device)
        if source is None or source.rate_hz <= 0 or not len(frame.samples):
            return
        rate_hz = source.rate_hz * self._speeds.get(device, 1.0)
        times = frame.t + self._offset + np.arange(len(frame.samples)) / rate_hz
        self._outlet(EMG, device).push_chunk(frame.samples, times.tolist())

    def _outlet(self, name: str, device: int) -> Outlet:
        outlet = self._outlets.get((name, device))
        if outlet is None:
            assert self._lsl is not None, "opened by `async with`"
            outlet = self._outlets[name, device] = self._lsl.StreamOutlet(self._describe(self._lsl, name, device))
        return outlet

    def _describe(self, lsl: ModuleType, name: str, device: int) -> Any:
        """Return the `pylsl.StreamInfo` of an outlet."""
        source = self._infos.get(device)
        identity = _source_id(name, device, source.uri if source is not None else "")
        title = _name(name, device)
        if name == MARKERS:
            return lsl.StreamInfo(title, "Markers", 1, _LSL_IRREGULAR, lsl.cf_string, identity)
        if name == HAND:
            # Windows may be skipped and a replay paused, so the rate of poses is irregular.
            info = lsl.StreamInfo(title, "MoCap", 63, _LSL_IRREGULAR, lsl.cf_float32, identity)
            _describe_channels(info, list(HAND_LABELS), "Position", "mm")
            info.desc().append_child_value("frame", "hand")
            return info
        rate, unit = (source.rate_hz, source.unit) if source is not None else (_LSL_IRREGULAR, "adc")
        info = lsl.StreamInfo(title, "EMG", CHANNELS, rate, lsl.cf_float32, identity)
        _describe_channels(info, [f"ch{k + 1}" for k in range(CHANNELS)], "EMG", _UNITS[unit])
        return info


def _describe_channels(info: Any, labels: list[str], kind: str, unit: str) -> None:
    info.set_channel_labels(labels)
    info.set_channel_types(kind)
    info.set_channel_units(unit)
    info.desc().append_child_value("manufacturer", "Myocast")


def _name(name: str, device: int) -> str:
    return name if device == 0 else f"{name}-{device + 1}"


def _source_id(name: str, device: int, uri: str) -> str:
    digest = hashlib.sha256(f"{socket.gethostname()}\n{uri}\n{device}".encode()).hexdigest()
    return f"{name.lower()}-{digest[:16]}"


def _clock_offset(lsl_clock: Clock, clock: Clock) -> float:
    """Measure LSL's clock minus the process clock, seconds. Both are monotonic, so the tightest reading stays valid."""
    readings = []
    for _ in range(_ANCHORINGS):
        before, lsl, after = clock(), lsl_clock(), clock()
        readings.append((after - before, lsl - (before + after) / 2))
    return min(readings)[1]
