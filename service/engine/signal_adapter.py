"""A source's signal as its model expects it: filtered, at the rate that the averages are written for, at its level.

A source that has the rate and unit of its model passes through untouched, unless its user asks for something.
"""

from __future__ import annotations

from typing import Final, Literal, TypedDict

from drivers.events import Frame, SourceInfo
from drivers.signal_options import SignalOptions
from models.alignment import template_of_model
from models.conditioning import SignalConditioner
from models.level import ModelLevel, RunningGain
from service.engine.predictor import Fitted, ModelFile

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
        self._rate_hz = info.rate_hz
        self._next_sample: int | None = None
        self._told: Adapted | None = None
        self._told_mains: float | None = None

    def use(self, model: ModelFile, fitted: Fitted) -> None:
        """Take note of another model, or of how it is fitted; what is known of the signal stays."""
        self._aligned = self._given if self._given is not None else fitted.gain
        template = template_of_model(model.spec)
        if self._running is not None and template is not None:
            self._running.model = ModelLevel.of(template)

    def take(self, frame: Frame) -> Frame | None:
        """The frame as the model's channels get it, before the gain; None while the gain is not known yet."""
        if self._conditioner is None and self._running is None:
            return frame
        missing = 0 if self._next_sample is None else frame.first_sample - self._next_sample
        self._next_sample = frame.first_sample + len(frame.samples)
        samples = frame.samples
        if self._conditioner is not None:
            if not 0 <= missing <= RESTART_S * self._rate_hz:
                self._conditioner.restart()
            samples = self._conditioner.take(samples)
        if self._running is not None:
            self._running.push(samples)
            if self.known_gain is None:
                return None
        return Frame(frame.first_sample, frame.t, samples, frame.arrival, frame.gap, frame.truth)

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
