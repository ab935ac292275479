"""The two generators: A, to train and test on, and B, which differs where the true values are not known.

What was tuned to A alone falls on B; that drop is what `B` is for. Nothing is ever trained on B.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final


@dataclass(frozen=True, slots=True)
class Variant:
    """Parameters of one generator. Pairs are (mean or median, spread) unless stated otherwise."""

    name: str
    version: int
    gain_exponent: float = 2.1
    """Potential falls with this power of the distance between source and electrode."""
    amplitude_exponent: tuple[float, float] = (0.75, 1.0)
    """EMG amplitude against excitation, per user, uniform (Shwedyk 1977 has .5, others up to 1)."""
    delay_s: tuple[float, float] = (0.04, 0.09)
    """Electromechanical delay, per user, uniform."""
    territories: int = 3
    territory_spread_deg: float = 9.0
    drive_log_sd: float = 0.25
    drive_hz: float = 8.0
    """Random part of a territory's drive: SD of its logarithm, and how often it turns."""
    flicker_log_sd: float = 0.38
    flicker_hz: float = 100.0
    """The same for a muscle's amplitude from one discharge to the next: the tail of the distribution
    (Furui, Hayashi, Tsuji 2017)."""
    anatomy_deg: float = 7.0
    weights_log_sd: float = 0.25
    spectrum_hz: tuple[float, ...] = (0.0, 2.0, 5.0, 12.0, 20.0, 30.0, 40.0, 55.0, 70.0, 90.0, 100.0)
    spectrum: tuple[float, ...] = (0.02, 0.08, 0.14, 0.14, 0.17, 0.36, 0.56, 0.78, 0.92, 1.0, 0.85)
    """Power at these frequencies, as a band that samples at 200 Hz shows it (aliases included)."""
    notch_hz: float = 50.0
    angle_shift_deg: tuple[float, ...] = ()
    """Added to the muscles' angles, in the order of `muscles.MUSCLES`."""

    @property
    def label(self) -> str:
        """Name and version, as written into every recording's metadata."""
        return f"{self.name}{self.version}"


A: Final = Variant(name="A", version=1)
B: Final = replace(
    A,
    name="B",
    gain_exponent=1.7,
    amplitude_exponent=(0.5, 0.8),
    delay_s=(0.06, 0.12),
    territories=2,
    territory_spread_deg=14.0,
    drive_log_sd=0.35,
    drive_hz=5.0,
    flicker_log_sd=0.50,
    flicker_hz=60.0,
    anatomy_deg=11.0,
    weights_log_sd=0.40,
    spectrum=(0.04, 0.20, 0.32, 0.40, 0.55, 0.80, 0.95, 1.0, 0.90, 0.70, 0.60),
    notch_hz=60.0,
    angle_shift_deg=(8, 4, -6, -10, 6, 8, -8, -12, 6, 12, -8, 14, -14, 10, 8, -10, -8, 8, 10, -8),
)
VARIANTS: Final = {variant.name: variant for variant in (A, B)}
