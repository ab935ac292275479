"""Eight bipolar electrodes around a forearm: how much of each source each of them sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float64Array
from models.hand import CHANNELS

CHANNEL_ONE_DEG: Final = -74.0
"""Where channel 1 sits (degrees from dorsal, towards the thumb) on a band worn as most people do; from
the mean maps of wrist flexion, extension, radial and ulnar deviation of real recordings."""
PITCH_DEG: Final = 360.0 / CHANNELS
REFERENCE_MM: Final = 9.0


@dataclass(frozen=True, slots=True)
class Forearm:
    """One person's cross-section under the band."""

    radius_mm: float
    fat_mm: float
    angle: Float64Array
    """(s,) angle of each source around the forearm, radians from dorsal."""
    depth_mm: Float64Array
    """(s,) depth of each source below the fascia."""
    size: Float64Array
    """(s,) strength of each source."""
    axial: Float64Array
    """(s,) how much of a source is gained (relative) when the band moves one step towards the elbow."""
    roll: Float64Array
    """(s,) how far a source turns under the skin at full pronation, radians."""


def gains(
    arm: Forearm, exponent: float, rotation_channels: float = 0.0, axial: float = 0.0, pronation: float = 0.0
) -> Float64Array:
    """Gains from sources to channels, (s, 8), for a potential that falls with a power of distance.

    Args:
        arm: the forearm.
        exponent: the power; about 2 for a bipolar pair close to its source.
        rotation_channels: how far the band is turned, in electrode distances.
        axial: how far it is shifted along the arm, in standard deviations.
        pronation: -1 (supinated) to 1 (pronated).
    """
    electrode = np.deg2rad(CHANNEL_ONE_DEG + PITCH_DEG * (np.arange(CHANNELS) + rotation_channels))
    reach = arm.radius_mm - arm.fat_mm - arm.depth_mm
    across = electrode[None, :] - (arm.angle + pronation * arm.roll)[:, None]
    distance = np.sqrt(arm.radius_mm**2 + reach[:, None] ** 2 - 2.0 * arm.radius_mm * reach[:, None] * np.cos(across))
    strength = arm.size * np.exp(axial * arm.axial)
    return np.asarray(strength[:, None] * (REFERENCE_MM / distance) ** exponent)
