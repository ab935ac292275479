"""The output stage: what happens to a pose between the model and everything that takes poses.

A One Euro filter on joint angles (`models.smoothing`), with the settings that the model file recommends or the user
gave. Its time is that of the samples, counted at the model's rate, so that a replay gives what the live session gave,
whatever its speed. It sees the poses of skipped windows, too, where the model has them (a streaming model sees every
sample); where it has not, the time between two poses is longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import Final

import numpy as np

from models.arrays import Float32Array
from models.filter_config import NAME, OneEuroConfig, SmoothingError
from models.hand import Side
from models.smoothing import OneEuro
from models.spec import ModelSpec


@dataclass(frozen=True, slots=True)
class PoseFilter:
    """The filter behind a model."""

    config: OneEuroConfig
    lag_ms: float
    """By how much it delays the hand: as measured, or told from its settings where nobody has measured it."""

    def as_object(self) -> dict[str, str | float]:
        """Return `hello.pose.filter`."""
        config = self.config
        return {
            "name": NAME,
            "min_cutoff_hz": config.min_cutoff_hz,
            "beta": config.beta,
            "stages": config.stages,
            "lag_ms": self.lag_ms,
        }


@dataclass(frozen=True, slots=True)
class Smoothing:
    """What `--smooth` asks for."""

    config: OneEuroConfig | None = None
    """The filter behind every model; None leaves it to the model file, or to nobody."""
    as_recommended: bool = True
    """Whether each model file says which filter stands behind it."""

    @classmethod
    def parse(cls, text: str) -> Smoothing:
        """`auto`, `off`, or a filter's settings.

        Raises:
            SmoothingError: none of these.
        """
        match text.strip().lower():
            case "auto":
                return AUTO
            case "off":
                return OFF
        try:
            return cls(OneEuroConfig.parse(text), as_recommended=False)
        except SmoothingError:
            raise SmoothingError(
                f"--smooth {text!r}: expected auto, off, or MINCUTOFF,BETA[,STAGES] such as 7,0.01,3 (a cutoff above "
                "0 Hz, a beta of 0 or more, 1 to 4 stages)"
            ) from None

    def behind(self, spec: ModelSpec) -> PoseFilter | None:
        """The filter behind a model; None where there is none."""
        recommended = spec.recommended_filter
        if self.config is None:
            if recommended is None or not self.as_recommended:
                return None
            return PoseFilter(recommended, _lag(recommended, spec))
        return PoseFilter(self.config, _lag(self.config, spec))


AUTO: Final = Smoothing()
OFF: Final = Smoothing(as_recommended=False)


class OutputStage:
    """What stands behind the models of one armband. Everything runs on the event loop's thread."""

    def __init__(self, smoothing: Smoothing, spec: ModelSpec) -> None:
        self._smoothing = smoothing
        self._one: OneEuro | None = None
        self.filter: PoseFilter | None = None
        self.lag_ms: float | None = None
        """By how much poses are behind the hand, filter included; None where the model file does not say."""
        self._rate_hz = spec.rate_hz
        self.change(spec)

    def change(self, spec: ModelSpec) -> None:
        """Go on behind another model: its first pose follows on the last one that was given."""
        before, self.filter = self.filter, self._smoothing.behind(spec)
        self.lag_ms = None
        if spec.lag_ms is not None:
            self.lag_ms = round(spec.lag_ms + (0.0 if self.filter is None else self.filter.lag_ms), 1)
        self._rate_hz = spec.rate_hz
        if self.filter is None:
            self._one = None
        elif before is None or before.config != self.filter.config:
            old, self._one = self._one, OneEuro(self.filter.config)
            if old is not None:
                self._one.go_on_from(old)

    def feed(self, joints: Float32Array, sample: int, hand: Side, *, gap: bool) -> Float32Array:
        """Take the model's pose.

        Args:
            joints: (63,) mm, frame `hand`; one that is not all numbers changes nothing.
            sample: index of its newest sample.
            hand: which hand it is.
            gap: whether samples are missing before it: then the filter begins anew.

        Returns:
            (63,) mm: the pose that is sent.
        """
        one = self._one
        if one is None:
            return joints
        if gap:
            one.reset()
        if not isfinite(np.dot(joints, joints)):
            return joints
        return one.feed(joints, sample / self._rate_hz, hand)


def _lag(config: OneEuroConfig, spec: ModelSpec) -> float:
    """What a filter adds: as measured behind this model, else told from its settings."""
    measured = (spec.smoothing or {}).get("lag_ms") if config == spec.recommended_filter else None
    return round(config.moving_lag_ms if measured is None else float(measured), 1)
