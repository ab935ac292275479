"""Settings of the filter behind a model (`models.smoothing`), as they are typed and as a model file has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import pi
from typing import Final

from models.errors import MyocastError

NAME: Final = "one_euro"
"""What `hello` calls it."""
MAX_STAGES: Final = 4
LARGEST: Final = 1e6
"""Hz, and Hz per mm/s: more than any hand needs, and little enough to calculate with."""
MOVING_MM_S: Final = 250.0
"""Speed of a fingertip in everyday movement, by which the lag of a filter is told that nobody has measured."""


class SmoothingError(MyocastError):
    """Settings of a filter that are no settings."""


@dataclass(frozen=True, slots=True)
class OneEuroConfig:
    """How much to smooth."""

    min_cutoff_hz: float
    """Of a hand that rests: lower takes more jitter away."""
    beta: float
    """Hz per mm/s of a fingertip: higher lags less while the hand moves."""
    stages: int = 1
    """Low-passes one behind the other; 1 is the paper's filter."""

    def __post_init__(self) -> None:
        numbers = 0.0 < self.min_cutoff_hz <= LARGEST and 0.0 <= self.beta <= LARGEST
        if not (numbers and self.stages in range(1, MAX_STAGES + 1)):
            raise SmoothingError(
                f"smoothing {self.min_cutoff_hz:g},{self.beta:g},{self.stages}: expected a cutoff above 0 Hz, "
                "a beta of 0 or more and 1 to 4 stages, such as 2,0.02 or 2,0.02,2"
            )

    @classmethod
    def parse(cls, text: str) -> OneEuroConfig:
        """`MINCUTOFF,BETA` in Hz and Hz per mm/s, or `MINCUTOFF,BETA,STAGES`.

        Raises:
            SmoothingError: not such numbers, or not in range.
        """
        cutoff, _, rest = text.partition(",")
        beta, comma, stages = rest.partition(",")
        try:
            return cls(float(cutoff), float(beta), int(stages) if comma else 1)
        except ValueError:
            raise SmoothingError(
                f"smoothing {text!r}: expected MINCUTOFF,BETA or MINCUTOFF,BETA,STAGES such as 2,0.02 or 2,0.02,2"
            ) from None

    @classmethod
    def of(cls, values: Mapping[str, object]) -> OneEuroConfig:
        """What a model file says.

        Raises:
            SmoothingError: it has other keys, or values that are no settings.
        """
        numbers = [values.get("min_cutoff_hz"), values.get("beta"), values.get("stages", 1)]
        if any(isinstance(number, bool) or not isinstance(number, int | float) for number in numbers):
            raise SmoothingError(f"smoothing {dict(values)}: expected numbers for min_cutoff_hz, beta and stages")
        cutoff, beta, stages = (float(number) for number in numbers if isinstance(number, int | float))
        if not stages.is_integer():
            raise SmoothingError(f"smoothing {dict(values)}: expected a whole number of stages")
        return cls(cutoff, beta, int(stages))

    @property
    def text(self) -> str:
        """As it is typed: `7,0.01,3`."""
        return f"{self.min_cutoff_hz:g},{self.beta:g},{self.stages}"

    @property
    def moving_lag_ms(self) -> float:
        """Delay of a hand that moves at `MOVING_MM_S`, ms; each low-pass of cutoff f delays by 1 / 2πf."""
        cutoff_hz = self.min_cutoff_hz + self.beta * MOVING_MM_S
        return 1000.0 * self.stages / (2.0 * pi * cutoff_hz)


DEFAULT_FILTER: Final = OneEuroConfig(10.0, 0.01, 3)
"""Recommended for networks that tremble; found in `docs/results/models.md`."""
