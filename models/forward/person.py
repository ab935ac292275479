"""Who wears the band, and how: every random number that stays the same over a session.

Each kind of number has its own stream of seeds, so that hand size, anatomy, donning, motion and noise
are independent, and two users or two sessions never share one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.forward.electrodes import Forearm
from models.forward.muscles import MUSCLES, Wiring, average
from models.forward.poses import POSES
from models.forward.variants import VARIANTS, Variant
from models.hand import CHANNELS
from models.kinematics import ANGLES, HAND_LENGTH_MM, bones

STREAMS: Final = ("hand", "anatomy", "habits", "donning", "motion", "carrier", "drive", "flicker", "noise", "radio")
HABIT_CHANNELS: Final = 0.85
DONNING_CHANNELS: Final = 0.85
"""How far a user's usual place, and one donning of it, lie from the common one (SD, channels): two donnings
of one person differ by 1.2 channels, as do the donnings of all people."""


@dataclass(frozen=True, slots=True)
class Habits:
    """How a person moves."""

    poses: Mapping[str, Float64Array]
    """Each named pose as this person makes it, radians."""
    enslaving: float
    tempo: float
    tone: float
    wrist_force: float


@dataclass(frozen=True, slots=True)
class Person:
    """One user: the same in all sessions."""

    bones: Float32Array
    """(20,) mm."""
    arm: Forearm
    wiring: Wiring
    habits: Habits
    amplitude: float
    """Counts at full excitation of a source at the reference distance."""
    exponent: float
    """EMG amplitude against excitation."""
    rotation_channels: float
    """Where this person usually puts the band."""


@dataclass(frozen=True, slots=True)
class Donning:
    """One way the band sits, and the state of the skin, radio and arm that day."""

    rotation_channels: float
    axial: float
    gain: Float64Array
    """(8,) factor of each channel."""
    fatigue: float
    """Relative change of amplitude over ten minutes."""
    noise: float
    """Sensor noise, counts."""
    mains: Float64Array
    """(8,) amplitude of hum, counts."""
    mains_hz: float
    artefacts_hz: float
    """Movement artefacts a second."""
    losses_hz: float
    """Radio losses a second."""


def stream(seed: int, kind: str, user: int, variant: Variant, session: int | None = None) -> np.random.Generator:
    """The random numbers of one kind for one user (and session); disjoint from every other kind and user's."""
    key = (list(VARIANTS).index(variant.name), STREAMS.index(kind), user, 0 if session is None else 1 + session)
    return np.random.Generator(np.random.SFC64(np.random.SeedSequence(seed, spawn_key=key)))


def person(user: int, seed: int, variant: Variant) -> Person:
    """A user, made from its number."""
    rng = stream(seed, "anatomy", user, variant)
    habits = _habits(stream(seed, "habits", user, variant))
    return Person(
        bones=_hand(stream(seed, "hand", user, variant)),
        arm=_forearm(rng, variant),
        wiring=_wiring(rng, habits.poses["rest"], variant),
        habits=habits,
        amplitude=58.0 * rng.lognormal(0.0, 0.28),
        exponent=rng.uniform(*variant.amplitude_exponent),
        rotation_channels=rng.normal(0.0, HABIT_CHANNELS),
    )


def donning(user: int, session: int, seed: int, variant: Variant) -> Donning:
    """One session's donning, made from the numbers of user and session. Rotation is relative to the user's habit."""
    rng = stream(seed, "donning", user, variant, session)
    return Donning(
        rotation_channels=rng.normal(0.0, DONNING_CHANNELS),
        axial=rng.normal(),
        gain=rng.lognormal(0.0, 0.15) * rng.lognormal(0.0, 0.10, CHANNELS),
        fatigue=rng.uniform(-0.05, 0.25),
        noise=rng.uniform(0.9, 1.3),
        mains=rng.lognormal(-1.4, 0.7) * rng.uniform(0.3, 1.0, CHANNELS),
        mains_hz=50.0 if rng.random() < 0.6 else 60.0,
        artefacts_hz=rng.lognormal(-4.0, 0.5),
        losses_hz=rng.lognormal(-5.5, 0.8),
    )


def _hand(rng: np.random.Generator) -> Float32Array:
    """A hand of a man (185 mm) or a woman (168 mm), its size and every bone varied."""
    length = (HAND_LENGTH_MM if rng.random() < 0.5 else 168.0) * rng.normal(1.0, 0.05)
    return np.asarray(bones(length) * rng.normal(1.0, 0.03, len(ANGLES)), dtype=np.float32)


def _forearm(rng: np.random.Generator, variant: Variant) -> Forearm:
    """A cross-section whose muscles lie at other angles and depths in each person, each in several territories."""
    angle, depth, size = np.array(list(MUSCLES.values())).T
    shift = np.array(variant.angle_shift_deg or np.zeros(len(angle)))
    angle = angle + shift + rng.normal(0.0, variant.anatomy_deg, len(angle))
    depth = depth * rng.lognormal(0.0, 0.2, len(angle))
    size = size * rng.lognormal(0.0, 0.2, len(angle))
    k = variant.territories
    place = np.repeat(angle, k) + rng.normal(0.0, variant.territory_spread_deg, len(angle) * k)
    radius = float(np.clip(rng.normal(41.0, 4.0), 32.0, 52.0))
    return Forearm(
        radius_mm=radius,
        fat_mm=float(np.clip(rng.lognormal(np.log(4.0), 0.4), 1.5, 10.0)),
        angle=np.deg2rad(place),
        depth_mm=np.clip(np.repeat(depth, k) * rng.lognormal(0.0, 0.15, len(place)), 3.0, 0.7 * radius),
        size=np.repeat(size, k) * rng.lognormal(0.0, 0.25, len(place)) / np.sqrt(k),
        axial=rng.normal(0.0, 0.22, len(place)) + np.repeat(rng.normal(0.0, 0.18, len(angle)), k),
        roll=np.deg2rad(rng.normal(10.0, 6.0, len(place))),
    )


def _wiring(rng: np.random.Generator, relaxed: Float64Array, variant: Variant) -> Wiring:
    flexion, extension, steadying, wrist = (
        table * rng.lognormal(0.0, variant.weights_log_sd, table.shape) for table in average()
    )
    return Wiring(
        flexion=flexion,
        extension=extension,
        steadying=steadying,
        wrist=wrist,
        brace=0.32 * rng.lognormal(0.0, 0.3),
        stiffness=0.42 * rng.lognormal(0.0, 0.15),
        damping=0.014 * rng.lognormal(0.0, 0.2),
        delay_s=rng.uniform(*variant.delay_s),
        relaxed=relaxed,
    )


def _habits(rng: np.random.Generator) -> Habits:
    rest = POSES["rest"] + np.deg2rad(rng.normal(0.0, 6.0, len(ANGLES)))
    reach = rng.normal(0.9, 0.05)
    own = {
        name: rest + reach * (q - POSES["rest"]) + np.deg2rad(rng.normal(0.0, 5.0, len(ANGLES)))
        for name, q in POSES.items()
    }
    return Habits(
        poses=own | {"rest": rest},
        enslaving=rng.lognormal(0.0, 0.3),
        tempo=rng.lognormal(0.0, 0.15),
        tone=rng.lognormal(0.0, 0.4),
        wrist_force=rng.uniform(0.6, 1.0),
    )
