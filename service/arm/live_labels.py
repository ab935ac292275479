"""The labels of one armband while they come: how many, whether they stopped, and how late they are."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final, Literal

import numpy as np

from drivers.clock import Clock, now
from drivers.events import Frame, Label, LabelLag, Notice, SourceInfo
from models.hand import VALUES, mirror
from models.kinematics import ANGLES, bones, points
from models.label_lag import CLOCKS, REACTION, Lag, LagData, LagEstimator
from service.devices.device import Device
from service.devices.status import RateMeter
from service.labels.source import LabelSource

log = logging.getLogger("myocast")

MISSING_S: Final = 1.0
"""Seconds without a label after which labels count as missing: a tracker gives at least ten a second."""
FIRST_ESTIMATES_S: Final = 5.0
"""Seconds between two estimates of the lag until it is known."""
ESTIMATES_S: Final = 15.0
"""The same afterwards."""
REPORT_S: Final = 0.1
"""Seconds between two status messages while prompts run, so that a page can draw the ghost hand."""
TOLD_S: Final = 0.005
"""A lag that changes by less is not written into a recording again."""
FOLLOWED: Final = "prompts"
"""Labels that the wearer follows, and so comes later than; all others come later than the wearer."""

BONES: Final = bones()
"""(20,) mm, of the ghost hand."""

State = Literal["none", "waiting", "coming", "missing"]


class LiveLabels:
    """What is known of the labels of one armband; an output of its device.

    Args:
        changed: is called when something in `describe` is different.
    """

    def __init__(self, device: Device, changed: Callable[[], None], clock: Clock = now) -> None:
        self._device, self._changed, self._clock = device, changed, clock
        self.count = 0
        """Labels so far."""
        self.lag_s: float | None = None
        """Seconds by which labels are late (negative: early); None while that is not known."""
        self.message = ""
        """Why there are no labels; empty while they come."""
        self._first_t = self._last_t = 0.0
        self._source: LabelSource | None = None
        self._name, self._expected = "", False
        self._state: State = "none"
        self._last_arrival = self._reported_at = self._estimated_at = 0.0
        self._named_at = float("-inf")
        """When the newest label of the source came whose lag is estimated."""
        self._meter = RateMeter()
        self._estimator: LagEstimator | None = None
        self._told_lag_s: float | None = None
        self._estimating: asyncio.Task[None] | None = None

    @property
    def rate_hz(self) -> float:
        """Labels a second over all of them."""
        span = self._last_t - self._first_t
        return (self.count - 1) / span if span > 0 else 0.0

    def expect(self, name: str, source: LabelSource | None) -> None:
        """Take note of what labels shall come from, so that it is said where they do not.

        Args:
            name: of the source.
            source: None where they come over the stream.
        """
        self._name, self._source, self._expected, self._state = name, source, True, "waiting"
        self.lag_s = None
        self._collect()
        self._changed()

    @property
    def expected(self) -> str:
        """What labels shall come from; empty where nothing was said."""
        return self._name if self._expected else ""

    def release(self) -> None:
        """Expect no labels any more; their lag stays known until others come."""
        self._source, self._expected, self._state, self.message = None, False, "none", ""
        self._changed()

    def lost(self, message: str) -> None:
        """Take note that the source is gone, or not there yet."""
        if message == self.message:
            return
        self.message = message
        log.warning("labels: %s; trying again", message)
        if self._state == "coming":
            self._state = "missing"
            self._device.on_client_event(Notice(self._clock(), "labels", message))
        self._changed()

    def describe(self) -> dict[str, Any] | None:
        """Return `status.labels`; None where none came and none are expected."""
        if self._state == "none":
            return None
        return {
            "source": self._name,
            "state": self._state,
            "labels": self.count,
            "rate_hz": round(self._meter.rate(self._clock()), 1),
            "lag_ms": None if self.lag_s is None else round(self.lag_s * 1000),
            "message": self.message,
            "prompt": self._prompt(),
        }

    def _prompt(self) -> dict[str, Any] | None:
        """What the wearer is asked to do, with the points of the ghost hand."""
        prompt = None if self._source is None else self._source.describe()
        if prompt is None:
            return None
        bent = np.deg2rad([prompt["angles"][name] for name in ANGLES])
        joints = points(bent[None], BONES)[0].reshape(VALUES)
        shown = joints if self._device.hand == "right" else mirror(joints)
        return {**prompt, "joints": [round(value, 1) for value in shown.tolist()]}

    def on_info(self, info: SourceInfo) -> None:
        """Collect anew where the signal is another."""
        rate_hz = self._device.real_rate_hz
        if rate_hz > 0 and (self._estimator is None or not self._estimator.fits(rate_hz, info.emg_mode)):
            self._collect()

    def on_frame(self, frame: Frame) -> None:
        """Take samples; see on the way whether labels still come."""
        if self._state == "none":
            return
        if self._estimator is not None:
            self._estimator.add_emg(frame.t, frame.samples)
        time = self._clock()
        if self._state == "coming" and time - self._last_arrival > MISSING_S:
            self._stopped()
        if self._source is not None and time - self._reported_at >= REPORT_S and self._source.describe() is not None:
            self._reported_at = time
            self._changed()

    def on_label(self, label: Label) -> None:
        """Take a label."""
        time = self._clock()
        if not self.count:
            self._first_t = label.t
        self.count += 1
        self._last_t, self._last_arrival = label.t, time
        self._meter.add(1, time)
        other = not self._expected and label.source != self._name
        if other and time - self._named_at > MISSING_S:
            self._name, self.lag_s, other = label.source, None, False
            self._collect()
        if self._state != "coming":
            self._began()
        if other or self._estimator is None:
            return  # two sources at once have two lags: that of the first is told
        self._named_at = time
        self._estimator.add_label(label.t, label.joints, label.angles, self._device.hand)
        apart_s = FIRST_ESTIMATES_S if self.lag_s is None else ESTIMATES_S
        if self._estimating is None and time - self._estimated_at >= apart_s:
            self._estimated_at = time
            self._estimating = asyncio.get_running_loop().create_task(self._estimate(self._estimator))

    async def finish(self) -> None:
        """Estimate the lag from all that came."""
        if self._estimating is not None:
            await asyncio.wait([self._estimating])
        if self._estimator is not None and self.count:
            await self._estimate(self._estimator)

    def close(self) -> None:
        """Stop what runs."""
        if self._estimating is not None:
            self._estimating.cancel()
        self._estimating = None

    def _collect(self) -> None:
        info, rate_hz = self._device.info, self._device.real_rate_hz
        if info is not None and rate_hz > 0:
            lags = REACTION if self._name == FOLLOWED else CLOCKS
            self._estimator = LagEstimator(rate_hz, info.emg_mode, lags)

    async def _estimate(self, estimator: LagEstimator) -> None:
        try:
            lag = await asyncio.to_thread(_estimated, estimator.collected())
        finally:
            self._estimating = None
        if lag is None or estimator is not self._estimator:
            return
        self.lag_s = lag.seconds
        if self._told_lag_s is None or abs(lag.seconds - self._told_lag_s) > TOLD_S:
            self._told_lag_s = lag.seconds
            self._device.on_client_event(LabelLag(self._clock(), lag.seconds))
        self._changed()

    def _began(self) -> None:
        again, self.message, self._state = self._state == "missing", "", "coming"
        if again and self._expected:
            log.warning("labels: %s gives labels again", self._name)
            self._device.on_client_event(Notice(self._clock(), "labels", "coming again"))
        self._changed()

    def _stopped(self) -> None:
        self._state = "missing"
        self.message = f"no label from {self._name or 'a client'} for {MISSING_S:g} s"
        if self._expected:
            log.warning("labels: %s; the recording goes on without", self.message)
            self._device.on_client_event(Notice(self._clock(), "labels", self.message))
        self._changed()


def _estimated(arrays: Callable[[], LagData]) -> Lag | None:
    return arrays().estimate()
