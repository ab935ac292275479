"""From a moving hand to the excitation of twenty muscle compartments of the forearm.

What a joint needs, k (q - q_rest) + b dq/dt, is shared out to flexors where it is positive and to
extensors where it is negative; muscles that brace or steady other joints are added; then activation
dynamics are inverted, because it is activation that makes the force. Muscle sets and signs follow
Holzbaur, Murray, Delp (2005) and MyoHand; the weights are ours.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import Float64Array
from models.kinematics import ANGLES, DIGITS, PER_DIGIT

MUSCLES: Final[dict[str, tuple[float, float, float]]] = {
    "EDC2": (22, 7, 1.0), "EDC3": (8, 6, 1.0), "EDC4": (-8, 6, 1.0), "EDC5": (-22, 7, 0.9),
    "EIP": (-12, 16, 0.9), "EPL": (4, 15, 0.9), "APL": (35, 11, 0.9),
    "FDS2": (168, 15, 1.0), "FDS3": (180, 11, 1.0), "FDS4": (194, 11, 1.0), "FDS5": (206, 15, 0.9),
    "FDP23": (222, 20, 1.2), "FDP45": (244, 15, 1.2), "FPL": (145, 22, 1.1),
    "FCR": (150, 7, 1.3), "FCU": (232, 7, 1.3), "ECR": (50, 7, 1.6), "ECU": (-48, 7, 1.3),
    "PT": (118, 9, 1.2), "SUP": (66, 18, 1.1),
}  # fmt: skip
"""Angle around the forearm (degrees from dorsal, towards the thumb), depth below the fascia (mm), size."""

NAMES: Final = tuple(MUSCLES)
WRIST: Final = ("flexion", "extension", "radial", "ulnar", "pronation", "supination")

_FLEXION: Final = {
    "thumb_cmc_fe": {"FPL": 0.35},
    "thumb_cmc_aa": {"APL": 0.45},
    "thumb_mcp_fe": {"FPL": 0.4},
    "thumb_ip_fe": {"FPL": 0.7},
    **{
        f"{finger}_{joint}": {own: weight, deep: shared} if weight else {deep: shared}
        for finger, own, deep in (
            ("index", "FDS2", "FDP23"), ("middle", "FDS3", "FDP23"),
            ("ring", "FDS4", "FDP45"), ("pinky", "FDS5", "FDP45"),
        )
        for joint, weight, shared in (("mcp_fe", 0.45, 0.15), ("pip_fe", 0.65, 0.2), ("dip_fe", 0.0, 0.45))
    },
}  # fmt: skip
_EXTENSION: Final = {
    "thumb_cmc_fe": {"EPL": 0.5, "APL": 0.4},
    "thumb_cmc_aa": {"EPL": 0.4},
    "thumb_mcp_fe": {"EPL": 0.4},
    "thumb_ip_fe": {"EPL": 0.7},
    "index_mcp_fe": {"EDC2": 0.9, "EIP": 0.5},
    "index_pip_fe": {"EDC2": 0.5, "EIP": 0.4},
    "index_dip_fe": {"EDC2": 0.2},
    **{
        f"{finger}_{joint}": {own: weight}
        for finger, own in (("middle", "EDC3"), ("ring", "EDC4"), ("pinky", "EDC5"))
        for joint, weight in (("mcp_fe", 1.0), ("pip_fe", 0.6), ("dip_fe", 0.2))
    },
}
_STEADYING: Final = {
    **{name: {"ECR": 0.12, "ECU": 0.07} for name in ("FDS2", "FDS3", "FDS4", "FDS5")},
    **{name: {"ECR": 0.14, "ECU": 0.10} for name in ("FDP23", "FDP45")},
    **{name: {"FCR": 0.08, "FCU": 0.09} for name in ("EDC2", "EDC3", "EDC4", "EDC5")},
    "EPL": {"ECU": 0.08, "FCU": 0.06},
    "APL": {"ECU": 0.10},
}
_WRIST: Final = {
    "flexion": {"FCR": 0.8, "FCU": 0.8, "FDS3": 0.2, "FDS4": 0.2, "PT": 0.1},
    "extension": {"ECR": 0.9, "ECU": 0.6, "EDC3": 0.35, "EDC4": 0.35, "EDC2": 0.25, "EDC5": 0.25},
    "radial": {"ECR": 0.9, "FCR": 0.45, "APL": 0.4, "EPL": 0.2},
    "ulnar": {"ECU": 0.9, "FCU": 0.8},
    "pronation": {"PT": 0.9, "FCR": 0.25, "ECR": 0.15},
    "supination": {"SUP": 0.7, "ECR": 0.15, "EPL": 0.15},
}  # fmt: skip

_BRACED: Final = [NAMES.index(name) for name in ("EDC2", "EDC3", "EDC4", "EDC5")]
_FINGERS: Final = np.arange(1, DIGITS)


def _table(rows: tuple[str, ...], entries: dict[str, dict[str, float]]) -> Float64Array:
    out = np.zeros((len(rows), len(NAMES)))
    for row, weights in entries.items():
        for muscle, weight in weights.items():
            out[rows.index(row), NAMES.index(muscle)] = weight
    return out


@dataclass(frozen=True, slots=True)
class Wiring:
    """Which muscle does what in one person; rows are joints (20), muscles (20) or wrist movements (6)."""

    flexion: Float64Array
    extension: Float64Array
    steadying: Float64Array
    wrist: Float64Array
    brace: float
    stiffness: float
    """Excitation per radian away from the relaxed posture."""
    damping: float
    """Excitation per radian a second."""
    delay_s: float
    """Electromechanical delay."""
    relaxed: Float64Array
    """(20,) the posture that needs no muscle, radians."""


def average() -> tuple[Float64Array, Float64Array, Float64Array, Float64Array]:
    """The flexion (20, 20), extension (20, 20), steadying (20, 20) and wrist (6, 20) tables of an average person."""
    return (
        _table(ANGLES, _FLEXION),
        _table(ANGLES, _EXTENSION),
        _table(NAMES, _STEADYING),
        _table(WRIST, _WRIST),
    )


def activation(
    w: Wiring,
    q: Float64Array,
    dq: Float64Array,
    effort: Float64Array,
    squeeze: Float64Array,
    tone: Float64Array,
    wrist: Float64Array,
) -> Float64Array:
    """What the muscles must do for this movement.

    Args:
        w: the person.
        q: (n, 20) angles in radians.
        dq: (n, 20) their rates in rad/s.
        effort: (n, 1) how much of the holding the muscles do (0: something else holds the hand).
        squeeze: (n, 1) force beyond what the pose needs.
        tone: (n, 1) co-contraction at rest.
        wrist: (n, 6) effort of the six wrist movements.

    Returns:
        (n, 20) activations in [0, 1].
    """
    need = w.stiffness * effort * (q - w.relaxed) + w.damping * dq
    flexed = np.clip((q[:, 0::PER_DIGIT] - w.relaxed[0::PER_DIGIT])[:, _FINGERS], 0.0, 1.2)
    a = np.maximum(need, 0.0) @ w.flexion * (1.0 + squeeze) + np.maximum(-need, 0.0) @ w.extension
    others = (flexed.sum(axis=1, keepdims=True) - flexed) / 3.0
    a[:, _BRACED] += w.brace * effort * np.maximum(others - flexed, 0.0)
    a += a @ w.steadying * (1.0 + 0.6 * squeeze)
    a += tone * (1.0 + 0.8 * np.tanh(np.mean(np.abs(dq), axis=1, keepdims=True))) + 0.05 * squeeze
    a += wrist @ w.wrist
    return np.asarray(a / (1.0 + a**3) ** (1.0 / 3.0))


def excitation(a: Float64Array, dt: float) -> Float64Array:
    """Invert da/dt = (u - a) / tau with Thelen's time constants (J Biomech Eng 125, 2003).

    Args:
        a: (n + 2, 20) activations on a grid that reaches one step further on both sides.
        dt: the grid's step in seconds.

    Returns:
        (n, 20) excitations in [0, 1].
    """
    rate = (a[2:] - a[:-2]) / (2.0 * dt)
    now = a[1:-1]
    slow = 0.5 + 1.5 * now
    tau = np.where(rate > 0.0, 0.015 * slow, 0.050 / slow)
    return np.clip(now + tau * rate, 0.0, 1.0)
