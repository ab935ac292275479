"""A source's signal as its model expects it: filtered, at the rate that the averages are written for, at its level.

A source that has the rate and unit of its model passes through untouched, unless its user asks for something.
"""

from __future__ import annotations

from typing import Final, Literal, TypedDict

import numpy as np

from drivers.events import Frame, SourceInfo
from drivers.signal_options import SignalOptions
from models.alignment import template_of_model
from models.arrays import Float32Array
from models.conditioning import SignalConditioner
from models.level import ModelLevel, RunningGain, level_of
from service.engine.predictor import Fitted, ModelFile

COUNTING: Final = ("serial", "tcp", "udp", "lsl")
"""Schemes whose counts are those of any converter: they need not be a Myo's where rate and unit are."""
CHECK_S: Final = 0.5
"""Seconds of counts from which it is told whether they are like a Myo's."""
FOREIGN: Final = 8.0
"""Times weaker than the model's rest or stronger than its movement from which counts are another converter's."""
RESTART_S: Final = 0.5
"""Seconds of missing samples from which the filters begin anew."""
TOLD: Final = 0.2
"""Share by which the gain must change to be told again."""

GainSource = Literal["running level", "alignment", "?gain="]
Adapted = TypedDict("Adapted", {"rate_hz": float, "gain": float, "from": GainSource})
"""`hello.model.adapted`."""


class SignalAdapter:
    """What lies between one source's frames and its model.

    Args:
        info: what the source sends.
        model: fits it (`ModelFile.mismatch`).
        options: what the user says of the signal.
    """

    def __init__(self, info: SourceInfo, model: ModelFile, options: SignalOptions) -> None:
        other = model.spec.mismatch(info.rate_hz, info.unit, info.emg_mode) is not None
        self.adapting = other or options.gain is not None
        """Whether the signal is another than the model learned from."""
        self.rate_hz: float | None = info.rate_hz if self.adapting else None
        """What the model's averages must be written for; None: as in its file."""
        self._given, self._aligned = options.gain, None if not self.adapting else options.gain
        self._conditioner = _conditioner(info, options, adapting=self.adapting)
        self._running = _running(info, model) if self.adapting and options.gain is None else None
        self._check = None if self.adapting else _counts_check(info, model)
        self._info, self._model, self._options = info, model, options
        self._rate_hz = info.rate_hz
        self._next_sample: int | None = None
        self._told: Adapted | None = None
        self._told_mains: float | None = None

    def use(self, model: ModelFile, fitted: Fitted) -> None:
        """Take note of another model, or of how it is fitted; what is known of the signal stays."""
        self._aligned = self._given
        if self._aligned is None:
            self._aligned = fitted.gain if fitted.gain is not None else _gain_of(model, self._info)
        template = template_of_model(model.spec)
        if self._running is not None and template is not None:
            self._running.model = ModelLevel.of(template)

    def take(self, frame: Frame) -> Frame | None:
        """The frame as the model's channels get it, before the gain; None while the gain is not known yet."""
        if self._check is not None:
            self._check.push(frame.samples)
            if self._check.foreign is None:
                return None
            if self._check.foreign:
                self._adapt()
            self._check = None
        if self._conditioner is None and self._running is None:
            return frame
        missing = 0 if self._next_sample is None else frame.first_sample - self._next_sample
        self._next_sample = frame.first_sample + len(frame.samples)
        samples = frame.samples
        if self._conditioner is not None:
            if not 0 <= missing <= RESTART_S * self._rate_hz:
                self._conditioner.restart()
            mains_hz = self._conditioner.mains_hz
            samples = self._conditioner.take(samples)
            if self._running is not None and self._conditioner.mains_hz != mains_hz:
                self._running.forget()  # levels that had the mains in them
        if self._running is not None:
            self._running.push(samples)
            if self.known_gain is None:
                return None
        return Frame(frame.first_sample, frame.t, samples, frame.arrival, frame.gap, frame.truth)

    def _adapt(self) -> None:
        """Begin to adapt: counts of another converter came."""
        self.adapting = True
        self._conditioner = _conditioner(self._info, self._options, adapting=True)
        self._running = _running(self._info, self._model)

    @property
    def mains(self) -> bool:
        """Whether mains are taken out, or may be."""
        return self._conditioner is not None

    @property
    def fixed(self) -> bool:
        """Whether the user gave the gain, so that an alignment does not change it."""
        return not self.adapting or self._given is not None

    @property
    def known_gain(self) -> float | None:
        """What the model's input is multiplied with; None while it is not known."""
        if not self.adapting:
            return 1.0
        return self._aligned if self._aligned is not None or self._running is None else self._running.gain

    @property
    def gain(self) -> float:
        """The same, 1 while it is not known."""
        return self.known_gain or 1.0

    def describe(self) -> Adapted | None:
        """Return `hello.model.adapted`."""
        gain = self.known_gain
        if not self.adapting or gain is None:
            return None
        known: GainSource = "running level" if self._aligned is None else "alignment"
        return {
            "rate_hz": self._rate_hz,
            "gain": float(f"{gain:.4g}"),
            "from": "?gain=" if self._given is not None else known,
        }

    def news(self) -> Adapted | None:
        """What to tell clients, where it has changed since this was asked."""
        now, told = self.describe(), self._told
        if now is None or (
            told is not None and told["from"] == now["from"] and abs(now["gain"] / told["gain"] - 1.0) < TOLD
        ):
            return None
        self._told = now
        return now

    def mains_news(self) -> float | None:
        """The frequency of the mains that is taken out, once."""
        found = None if self._conditioner is None else self._conditioner.mains_hz
        if found == self._told_mains:
            return None
        self._told_mains = found
        return found


def _gain_of(model: ModelFile, info: SourceInfo) -> float | None:
    """The gain of the alignment that a personal model has inside, where it learned from such a signal."""
    signal = (model.spec.personal or {}).get("signal")
    if not isinstance(signal, dict) or signal.get("unit") != info.unit or signal.get("rate_hz") != info.rate_hz:
        return None
    gain = signal.get("gain")
    return float(gain) if isinstance(gain, int | float) and 0.0 < gain < float("inf") else None


def _conditioner(info: SourceInfo, options: SignalOptions, *, adapting: bool) -> SignalConditioner | None:
    if info.emg_mode == "envelope":
        return None
    if adapting:
        return SignalConditioner(info.rate_hz, mains=options.mains)
    if options.mains in ("50", "60"):
        return SignalConditioner(info.rate_hz, band=False, mains=options.mains)
    return None


def _running(info: SourceInfo, model: ModelFile) -> RunningGain | None:
    template = template_of_model(model.spec)
    return None if template is None else RunningGain(info.rate_hz, ModelLevel.of(template))


def _counts_check(info: SourceInfo, model: ModelFile) -> CountsCheck | None:
    """A check of the counts of a source that may have any converter; None where they are known to be a Myo's."""
    template = template_of_model(model.spec)
    counting = info.other_counts or info.uri.partition(":")[0] in COUNTING
    if template is None or info.unit != "adc" or not counting:
        return None
    return CountsCheck(info.rate_hz, ModelLevel.of(template))


class CountsCheck:
    """Tells whether counts are like those that a model learned from, or a converter's with another offset or scale."""

    def __init__(self, rate_hz: float, level: ModelLevel) -> None:
        self.foreign: bool | None = None
        """None while too few have come."""
        self._level, self._rows = level, max(1, round(CHECK_S * rate_hz))
        self._parts: list[Float32Array] = []

    def push(self, samples: Float32Array) -> None:
        """Take the next samples (n, 8)."""
        self._parts.append(samples)
        if sum(map(len, self._parts)) < self._rows:
            return
        seen = np.concatenate(self._parts).astype(np.float64)
        offset = np.abs(seen.mean(axis=0))
        level = level_of(np.abs(seen - seen.mean(axis=0)).mean(axis=0))
        within = self._level.rest / FOREIGN <= level <= self._level.moving * FOREIGN
        # A signal that is not there at all has no scale: an unplugged band must not be amplified.
        self.foreign = level > 0.0 and (not within or level_of(offset) > self._level.moving * FOREIGN)
