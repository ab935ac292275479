"""A band that is turned towards the thumb is said to be, on a right arm and on a left one."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
import pytest

from drivers.sessions import read_session
from models.alignment import Template, fit
from models.arrays import Float64Array
from models.forward.electrodes import CHANNEL_ONE_DEG, PITCH_DEG
from models.forward.generator import session
from models.forward.motion import Step
from models.forward.muscles import MUSCLES
from models.hand import CHANNELS, MIRRORED_CHANNELS, Side
from service.arm.alignment import found
from service.cli.align import describe

CUES: Final = ("rest", "fist", "wrist_extension", "wrist_flexion", "open", "index", "thumb_in")
HOLD_S: Final = 1.5
RATE_HZ: Final = 200.0
GESTURES: Final = Path(__file__).resolve().parents[5] / "shared" / "data" / "myo-readings-dataset"


@cache
def levels(turn: float, hand: Side) -> dict[str, Float64Array]:
    """What the channels show at each cue, in the order in which the model of a right hand gets them."""
    script = tuple(Step(cue, 0.4, HOLD_S - 0.4) for cue in CUES)
    seconds = HOLD_S * len(CUES)
    made = session(
        1003, 0, seconds, seed=1, script=script, losses=False, rotation_channels=turn, hand=hand
    )  # fmt: skip
    emg = made.emg if hand == "right" else made.emg[:, MIRRORED_CHANNELS]
    rows, skipped = round(HOLD_S * RATE_HZ), round(0.6 * RATE_HZ)
    return {cue: np.abs(emg[k * rows + skipped : (k + 1) * rows]).mean(axis=0) for k, cue in enumerate(CUES)}


@pytest.mark.parametrize("hand", ["right", "left"])
@pytest.mark.parametrize("turn", [-2.0, -1.0, 1.0, 2.0])
def test_turned_by_whole_channels(turn: float, hand: Side) -> None:
    template = Template({cue: tuple(level) for cue, level in levels(0.0, "right").items()})
    result = found(fit(levels(turn, hand), template))
    assert result["turn_channels"] == pytest.approx(-turn, abs=0.25)
    assert result["mirrored"] is False
    assert f"{abs(result['turn_deg'] or 0):.0f} degrees {'towards' if turn > 0 else 'away from'} the thumb" in describe(
        result
    )


def test_the_generator_turns_towards_the_thumb() -> None:
    """Its angles grow from the back of the arm to the thumb's side, where the radial muscles are."""
    assert MUSCLES["ECU"][0] < 0.0 < MUSCLES["ECR"][0]
    moved = [CHANNEL_ONE_DEG + PITCH_DEG * (channel + 1.0) for channel in range(CHANNELS)]
    at_rest = [CHANNEL_ONE_DEG + PITCH_DEG * channel for channel in range(CHANNELS)]
    assert all(after > before for after, before in zip(moved, at_rest, strict=True))


@pytest.mark.skipif(not GESTURES.is_dir(), reason=f"no recordings of real people in {GESTURES}")
def test_channels_of_a_real_band_count_up_towards_the_thumb_on_a_right_arm() -> None:
    """Ulnar deviation works the little finger's side, extension the back, radial deviation the thumb's side."""
    people = ("10000-1", "21547-1", "48584-1", "54321-1", "99999-2")
    centres = []
    for label in (4, 2, 3):
        logs = [gesture_log(person, label) for person in people]
        ring = np.exp(np.mean(logs, axis=0)) * np.exp(2j * np.pi * np.arange(CHANNELS) / CHANNELS)
        centres.append(np.angle(ring.sum()) * CHANNELS / (2 * np.pi))
    ulnar, extension, radial = centres
    assert 0.5 < (extension - ulnar) % CHANNELS < 3.0
    assert 0.5 < (radial - extension) % CHANNELS < 3.0
    # And the generator's geometry has the back of the arm where extension is.
    assert PITCH_DEG * extension + CHANNEL_ONE_DEG == pytest.approx(20.0, abs=30.0)


def gesture_log(person: str, label: int) -> Float64Array:
    """(8,) logarithm of the level during a gesture against rest."""
    (file,) = (GESTURES / "_readings_right_hand" / person).glob(f"{label}.txt*")
    recording = read_session(file)
    assert recording.classes is not None
    move, rest = (np.abs(recording.emg[recording.classes == one]).mean(axis=0) for one in (label, 0))
    return np.asarray(np.log(move + 1.0) - np.log(rest + 1.0), np.float64)
