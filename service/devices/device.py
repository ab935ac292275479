"""One armband in the service: its events go to the ring, the engine, the clients and the recording."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import numpy as np

from drivers.clock import Clock, now
from drivers.events import Battery, Event, Frame, Imu, Playback, SourceInfo
from drivers.source import Source, SupportsReplay
from models.spec import ModelError
from service.broadcast import messages
from service.broadcast.hub import Hub
from service.devices.status import STALLED_AFTER_S, DeviceStatus
from service.engine.engine import Engine
from service.engine.model_selection import ModelSelector, no_fit
from service.engine.pose import Pose

EMG_MESSAGE_S: Final = 0.02
"""EMG goes out in messages of at least so much signal (the contract allows 10 to 50 ms)."""

Sink = Callable[[int, Event], None]


class Listener(Protocol):
    """Whom a device tells of its changes."""

    def hello_changed(self) -> None: ...

    def status_changed(self, device: Device) -> None: ...

    def failed(self, device: Device, error: ModelError) -> None: ...

    def note(self, message: str) -> None: ...


class Device:
    """Wires one source's events to whoever needs them. `on_event` is what the source emits into."""

    def __init__(
        self,
        index: int,
        source: Source,
        shelf: ModelSelector,
        hub: Hub,
        listener: Listener,
        *,
        hop: int | None = None,
        clock: Clock = now,
    ) -> None:
        self.index = index
        self.source = source
        self.info: SourceInfo | None = None
        self.engine: Engine | None = None
        self.status = DeviceStatus(index, lambda: listener.status_changed(self), clock)
        self.sinks: list[Sink] = []
        """Who else takes every event (the recorder)."""
        self.newest_pose_at = 0.0
        self.frames = 0
        self._shelf, self._hub, self._listener, self._clock, self._hop = shelf, hub, listener, clock, hop
        self._emg = EmgBatch(lambda frame: hub.publish_emg(index, frame, self.real_rate_hz))
        self._stall: asyncio.TimerHandle | None = None
        self._again = asyncio.Event()
        self._handlers: dict[type, Callable[[Any], None]] = {
            Frame: self._on_frame,
            SourceInfo: self._on_info,
            Imu: lambda imu: hub.publish_imu(index, imu),
            Battery: self.status.on_battery,
            Playback: self._on_playback,
        }

    @property
    def speed(self) -> float:
        playback = self.status.playback
        return playback.speed if playback else 1.0

    @property
    def real_rate_hz(self) -> float:
        """Samples per second of real time (a replay may run faster or slower than it was recorded)."""
        return (self.info.rate_hz if self.info else 0.0) * self.speed

    @property
    def playback(self) -> Playback | None:
        return self.source.playback if isinstance(self.source, SupportsReplay) else None

    def on_event(self, event: Event) -> None:
        """Take what the source emits; called on the loop's thread."""
        handler = self._handlers.get(type(event))
        if handler is not None:
            handler(event)
        for sink in self.sinks:
            sink(self.index, event)

    def describe(self) -> dict[str, Any]:
        """This device's part of `hello`."""
        engine = self.engine
        if engine is None:
            return {"device": messages.device_object(self.info), "model": None, "pose": None}
        predictor = engine.predictor
        return {
            "device": messages.device_object(self.info),
            "model": messages.model_object(predictor.spec, predictor.sha256, engine.hop),
            "pose": messages.pose_object(round(self.real_rate_hz / engine.hop, 6)),
        }

    def arm(self) -> None:
        """Open the model beforehand where the source already says what it is, so that the first pose is not late."""
        info = self.source.info
        if info.rate_hz > 0:
            self._on_info(info)

    def play_again(self) -> None:
        """A replay that had ended was steered: run it again."""
        self._again.set()

    async def wanted_again(self) -> None:
        """After a source has ended: until it is steered back into life."""
        playback = self.playback
        if playback is not None and playback.position_s < playback.duration_s:
            return
        self._again.clear()
        await self._again.wait()

    async def close(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
        if self.engine is not None:
            await self.engine.close()

    def _on_frame(self, frame: Frame) -> None:
        # First of all: the worker wakes while the rest is done here.
        if self.engine is not None:
            self.engine.push(frame)
        self.frames += 1
        self.status.on_frame(frame)
        if self._hub.wanted("emg"):
            self._emg.push(frame, self.real_rate_hz)
        else:
            self._emg.clear()
        if self._stall is None:
            self._watch(STALLED_AFTER_S)

    def _on_info(self, info: SourceInfo) -> None:
        before, self.info = self.info, info
        self.status.on_info(info)
        if info == before:
            return
        if before is None or (info.rate_hz, info.unit, info.emg_mode) != (before.rate_hz, before.unit, before.emg_mode):
            self._choose_model(info)
        if self.engine is not None:
            self.engine.set_hand(info.hand or "right")
        self._listener.hello_changed()

    def _on_playback(self, playback: Playback) -> None:
        changed = playback.speed != self.speed
        self.status.on_playback(playback)
        if self.engine is not None:
            self.engine.windower.rate_hz = self.real_rate_hz
        if changed:
            self._listener.hello_changed()

    def _choose_model(self, info: SourceInfo) -> None:
        if info.rate_hz <= 0:
            return
        try:
            predictor = self._shelf.fit(info)
        except ModelError as error:
            self._listener.failed(self, error)
            return
        old, self.engine = self.engine, None
        if old is not None:
            old.stop()
        if predictor is None:
            self._listener.note(no_fit(info))
            return
        self.engine = Engine(
            predictor,
            self.real_rate_hz,
            self._on_pose,
            self._on_failure,
            device=self.index,
            hop=self._hop,
            clock=self._clock,
        )

    def _on_pose(self, pose: Pose) -> None:
        self.status.on_pose()
        pose.state = self.status.state
        self.newest_pose_at = pose.finished
        self._hub.publish_pose(pose)

    def _on_failure(self, why: str) -> None:
        self.status.set("failed", ("inference_failed", f"no pose from the newest samples: {why}"))

    def _watch(self, delay: float) -> None:
        self._stall = asyncio.get_running_loop().call_later(delay, self._check_stall)

    def _check_stall(self) -> None:
        """One timer, re-armed for what is left: nothing is done per frame."""
        self._stall = None
        if self.status.state != "live":
            return
        left = self.status.newest_arrival + STALLED_AFTER_S - self._clock()
        if left > 0.001:
            self._watch(left)
        else:
            self._emg.flush()
            self.status.set("stalled")


class EmgBatch:
    """Joins frames into EMG messages of at least 20 ms."""

    def __init__(self, publish: Callable[[Frame], None]) -> None:
        self._publish = publish
        self._frames: list[Frame] = []
        self._rows = 0

    def push(self, frame: Frame, rate_hz: float) -> None:
        last = self._frames[-1] if self._frames else None
        if last is not None and (frame.gap or frame.first_sample != last.first_sample + len(last.samples)):
            self.flush()
        self._frames.append(frame)
        self._rows += len(frame.samples)
        if self._rows >= EMG_MESSAGE_S * rate_hz - 0.5:
            self.flush()

    def clear(self) -> None:
        """Nobody listens: what waits must not reach who comes later."""
        if self._frames:
            self._frames, self._rows = [], 0

    def flush(self) -> None:
        if not self._frames:
            return
        first = self._frames[0]
        rows = first.samples if len(self._frames) == 1 else np.concatenate([f.samples for f in self._frames])
        self._frames, self._rows = [], 0
        self._publish(Frame(first.first_sample, first.t, rows, first.arrival, first.gap))
