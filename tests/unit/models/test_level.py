from __future__ import annotations

import numpy as np
import pytest

from models.alignment import Template
from models.arrays import Float32Array
from models.level import FASTEST, ModelLevel, RunningGain, overall_gain

TEMPLATE = Template({"rest": (2.0,) * 8, "fist": (16.0,) * 8, "extension": (9.0,) * 8})
LEVEL = ModelLevel.of(TEMPLATE)


def noise(level: float, seconds: float, seed: int = 0) -> Float32Array:
    """Noise whose mean magnitude is `level`, 500 Hz."""
    x = np.random.default_rng(seed).standard_normal((round(500 * seconds), 8))
    return np.asarray(x * level / np.sqrt(2 / np.pi), np.float32)


def test_the_level_of_a_model_is_that_of_its_cues() -> None:
    assert pytest.approx(2.0) == LEVEL.rest
    assert pytest.approx(12.0) == LEVEL.moving


def test_a_still_arm_counts_as_rest_until_it_moves() -> None:
    running = RunningGain(500.0, LEVEL)
    running.push(noise(0.1, 0.2))
    assert running.gain is None
    running.push(noise(0.1, 5.0))
    assert running.gain == pytest.approx(20.0, rel=0.1)
    for second in range(30):
        running.push(noise(0.1 if second % 2 else 1.0, 1.0, second))
    assert running.gain == pytest.approx(12.0, rel=0.15)


def test_it_does_not_follow_a_grip() -> None:
    running = RunningGain(500.0, LEVEL)
    for second in range(60):
        running.push(noise(2.0 if second % 2 else 12.0, 1.0, second))
    before = running.gain
    assert before is not None
    running.push(noise(24.0, 5.0))
    assert running.gain is not None
    assert abs(np.log(running.gain / before)) <= 5.0 * FASTEST + 1e-9


def test_silence_and_what_is_no_number_are_left_out() -> None:
    running = RunningGain(500.0, LEVEL)
    running.push(np.zeros((500, 8), np.float32))
    running.push(np.full((500, 8), np.nan, np.float32))
    assert running.gain is None


def test_the_gain_of_cues() -> None:
    levels = {cue: np.array(level) * 0.25 for cue, level in TEMPLATE.levels.items()}
    assert overall_gain(levels, TEMPLATE) == pytest.approx(4.0)
    assert overall_gain({"rest": np.ones(8)}, TEMPLATE) == 1.0
