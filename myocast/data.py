"""Synthetic sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from models.forward.generator import session as make_session
from models.forward.motion import Step
from models.hand import Side
from models.recording import Recording


def synthesize(
    user: int = 0,
    session: int = 0,
    seconds: float = 120.0,
    *,
    seed: int = 1,
    rate_hz: float = 200.0,
    emg_mode: Literal["raw", "filtered", "envelope"] = "raw",
    hand: Side = "right",
    rotation_channels: float = 0.0,
    poses: Sequence[tuple[str, float, float]] | None = None,
    leave_out: Sequence[str] = (),
    losses: bool = True,
    variant: Literal["A", "B"] = "A",
) -> Recording:
    """Make a synthetic session: EMG, the true pose of the hand, and a marker at the start of each movement.

    The same arguments give the same recording. Users from number 1000 on were used to train no shipped model.

    Args:
        user: number of the person, from 0.
        session: number of the session, from 0; in each one the band sits a little differently.
        seconds: how long it is.
        seed: other seeds are other people.
        rate_hz: samples per second, 50 to 1000. Mode `envelope` always gives 50.
        emg_mode: what the armband sends.
        hand: the arm that wears it.
        rotation_channels: turns the band further, in electrode distances of 45 degrees.
        poses: what the hand does, over and over, as (name, seconds to get there, seconds to stay); names are those of
            `models.forward.poses.POSES`. None: it moves freely.
        leave_out: named poses that free movement leaves out.
        losses: whether the radio loses samples.
        variant: the generator, or the one that is used to measure how much a model depends on it.

    Returns:
        `emg` (n, 8) in ADC counts, `joints` (m, 63) in mm at 50 Hz.

    Raises:
        ValueError: an argument out of range.
    """
    script = None if poses is None else [Step(*pose) for pose in poses]
    return make_session(
        user, session, seconds, seed=seed, rate_hz=rate_hz, emg_mode=emg_mode, hand=hand,
        rotation_channels=rotation_channels, script=script, leave_out=leave_out, losses=losses, variant=variant,
    )  # fmt: skip
