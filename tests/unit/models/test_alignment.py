from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.alignment import AlignmentError, Fit, Template, fine_roll, fit, levels, roll, template
from models.arrays import Float64Array
from models.hand import CHANNELS, MIRRORED_CHANNELS

ANGLES = 2 * np.pi * np.arange(CHANNELS) / CHANNELS


def bump(centre: float, width: float = 1.0, height: float = 20.0) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """A smooth hill around the ring, as a muscle under the band gives."""
    return 2.0 + height * np.exp(width * (np.cos(ANGLES - 2 * np.pi * centre / CHANNELS) - 1.0))


PERSON = {"rest": np.full(CHANNELS, 1.5), "fist": bump(4.0) + 0.5 * bump(1.0), "extension": bump(0.0, 2.0, 30.0)}
TARGET = Template({cue: tuple(level.tolist()) for cue, level in PERSON.items()})


def turned(person: dict[str, np.ndarray], channels: float, gain: float = 1.0) -> dict[str, np.ndarray]:
    return {cue: gain * level @ roll(channels) for cue, level in person.items()}


def test_a_whole_roll_moves_channels() -> None:
    row = np.arange(CHANNELS, dtype=np.float32)
    np.testing.assert_allclose(row @ roll(3.0), np.roll(row, -3))
    np.testing.assert_allclose(row @ roll(0.0), row)
    np.testing.assert_allclose(row @ roll(-1.0), np.roll(row, 1))


@given(st.floats(-8, 8))
@settings(deadline=None)
def test_a_roll_keeps_the_sum_and_makes_nothing_negative(channels: float) -> None:
    matrix = roll(channels)
    assert (matrix >= 0).all()
    np.testing.assert_allclose(matrix.sum(axis=0), 1.0, atol=1e-6)
    np.testing.assert_allclose(matrix.sum(axis=1), 1.0, atol=1e-6)


@pytest.mark.parametrize("channels", [0.0, 3.0, 0.3, 4.5, 7.75])
def test_a_fine_turn_shows_what_electrodes_there_would(channels: float) -> None:
    def ring(at: Float64Array) -> Float64Array:
        return 2.0 + np.cos(2.0 * np.pi * (at - 1.2) / 8.0) + 0.7 * np.cos(6.0 * np.pi * (at + 0.4) / 8.0)

    np.testing.assert_allclose(ring(np.arange(8.0)) @ fine_roll(channels), ring(np.arange(8.0) + channels), atol=1e-5)
    if channels.is_integer():
        np.testing.assert_allclose(fine_roll(channels), roll(channels), atol=1e-6)


@pytest.mark.parametrize("channels", [0.0, 0.5, 1.3, 3.7, 6.2])
def test_the_roll_of_a_band_is_found(channels: float) -> None:
    found = fit(turned(PERSON, channels), TARGET, mirror=False, gains=False)
    error = (found.roll + channels + CHANNELS / 2) % CHANNELS - CHANNELS / 2
    assert abs(error) < 0.35
    assert found.score > 0.95


@pytest.mark.parametrize("channels", [0.0, 2.4])
def test_a_band_on_the_other_way_round_is_recognised(channels: float) -> None:
    worn = {cue: level[list(MIRRORED_CHANNELS)] for cue, level in turned(PERSON, channels).items()}
    found = fit(worn, TARGET)
    assert found.mirrored
    aligned = {cue: level @ found.matrix() for cue, level in worn.items()}
    for cue in ("fist", "extension"):
        assert np.corrcoef(aligned[cue], PERSON[cue])[0, 1] > 0.95


@pytest.mark.parametrize("gain", [0.4, 1.0, 2.5])
def test_the_matrix_brings_a_band_back_to_the_template(gain: float) -> None:
    worn = turned(PERSON, 2.0, gain)
    matrix = fit(worn, TARGET, mirror=False).matrix()
    assert matrix.dtype == np.float32
    for cue in ("fist", "extension"):
        np.testing.assert_allclose(worn[cue] @ matrix, PERSON[cue], rtol=0.2)


def test_what_turn_and_gains_leave_is_mixed_towards_the_template() -> None:
    worn = {cue: level.copy() for cue, level in turned(PERSON, 1.0).items()}
    worn["fist"] += bump(6.5, 3.0, 12.0)
    found = fit(worn, TARGET, mirror=False)
    plain = Fit(found.roll, found.mirrored, found.gains, found.score).matrix()
    before, after = (
        sum(np.linalg.norm(worn[cue] @ matrix - PERSON[cue]) ** 2 / np.linalg.norm(PERSON[cue]) ** 2 for cue in PERSON)
        for matrix in (plain, found.matrix())
    )
    assert after < 0.6 * before
    assert np.abs(found.mixing - np.eye(CHANNELS)).max() < 0.5


def test_a_band_that_sits_as_the_template_is_left_alone() -> None:
    np.testing.assert_allclose(fit(PERSON, TARGET).matrix(), np.eye(CHANNELS), atol=1e-6)


def test_gains_stay_within_reason() -> None:
    found = fit(turned(PERSON, 0.0, 1e-3), TARGET, mirror=False)
    assert max(found.gains) <= 4.0


def test_an_alignment_without_turn_or_gain_is_the_identity() -> None:
    np.testing.assert_array_equal(Fit(0.0, False, (1.0,) * CHANNELS, 1.0).matrix(), np.eye(CHANNELS, dtype=np.float32))


@pytest.mark.parametrize(("channels", "tonic"), [(0.0, 2.0), (0.0, 7.0), (1.3, 6.0)])
def test_a_muscle_that_works_at_rest_does_not_move_the_band(channels: float, tonic: float) -> None:
    tense = {**turned(PERSON, channels), "rest": 0.5 * bump(tonic, 4.0, 30.0)}
    found = fit(tense, TARGET, mirror=False, gains=False)
    relaxed = fit(turned(PERSON, channels), TARGET, mirror=False, gains=False)
    assert abs((found.roll - relaxed.roll + CHANNELS / 2) % CHANNELS - CHANNELS / 2) < 0.15


def test_of_two_turns_that_explain_the_same_the_nearer_one_is_taken() -> None:
    twice = bump(1.0, 3.0) + bump(5.0, 3.0)
    target = Template(
        {"rest": (1.5,) * CHANNELS, "fist": tuple(twice.tolist()), "extension": tuple((2 * twice).tolist())}
    )
    for channels, nearest in ((1.0, -1.0), (3.0, 1.0), (-3.0, -1.0)):
        found = fit(turned({cue: np.array(level) for cue, level in target.levels.items()}, channels), target)
        assert (found.roll + CHANNELS / 2) % CHANNELS - CHANNELS / 2 == pytest.approx(nearest, abs=0.2)


def test_the_template_sits_as_people_wear_the_band_on_average() -> None:
    people = [turned(PERSON, channels) for channels in (0.0, 0.0, 0.0, 0.0, 2.5, 2.5)]
    level = np.array(template(people).levels["extension"])
    best = max(np.arange(0, 8, 0.1), key=lambda k: np.corrcoef(level, PERSON["extension"] @ roll(k))[0, 1])
    assert best == pytest.approx(0.8, abs=0.3)


def test_levels_are_mean_amplitudes_by_cue() -> None:
    emg = np.concatenate([np.full((10, CHANNELS), 1.0), np.full((10, CHANNELS), -4.0), np.full((5, CHANNELS), 99.0)])
    found = levels(emg, ["rest"] * 10 + ["fist"] * 10 + [""] * 5)
    assert set(found) == {"rest", "fist"}
    np.testing.assert_allclose(found["fist"], 4.0)


@pytest.mark.parametrize("cues", [["fist"] * 6, ["rest"] * 6, [""] * 6])
def test_levels_need_rest_and_a_movement(cues: list[str]) -> None:
    with pytest.raises(AlignmentError, match="rest and at least one movement"):
        levels(np.ones((6, CHANNELS)), cues)


def test_silence_and_nan_are_refused() -> None:
    with pytest.raises(AlignmentError, match="no signal"):
        levels(np.zeros((4, CHANNELS)), ["rest", "rest", "fist", "fist"])
    with pytest.raises(AlignmentError, match="not numbers"):
        levels(np.full((4, CHANNELS), np.nan), ["rest", "rest", "fist", "fist"])


def test_cues_that_the_template_lacks_are_refused() -> None:
    with pytest.raises(AlignmentError, match="two of"):
        fit({"rest": PERSON["rest"], "pinch": PERSON["fist"]}, TARGET)


def test_a_template_of_turned_people_keeps_their_common_shape() -> None:
    people = [turned(PERSON, channels, gain) for channels, gain in ((0.0, 1.0), (0.7, 2.0), (-0.6, 0.5), (0.3, 1.5))]
    made = template(people)
    level = np.array(made.levels["extension"])
    best = max(np.corrcoef(level @ roll(k), PERSON["extension"])[0, 1] for k in np.arange(0, 8, 0.1))
    assert best > 0.98


@given(st.integers(0, 7), st.booleans(), st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=25)
def test_nine_cues_tell_any_turn_and_side_whatever_the_gains(turn: int, mirrored: bool, seed: int) -> None:
    rng = np.random.default_rng(seed)
    person = {"rest": np.full(CHANNELS, 1.5)} | {
        cue: 2.0 + 25.0 * rng.random(CHANNELS) for cue in ("fist", "extension", "flexion", "open", "index", "ring")
    }
    target = Template({cue: tuple(level.tolist()) for cue, level in person.items()})
    gain = np.exp(0.4 * rng.standard_normal(CHANNELS))
    worn = {cue: np.roll(gain * level, turn) for cue, level in person.items()}
    if mirrored:
        worn = {cue: level[list(MIRRORED_CHANNELS)] for cue, level in worn.items()}
    found = fit(worn, target)
    assert found.mirrored == mirrored
    assert (found.turn - turn + 4) % 8 - 4 == pytest.approx(0.0, abs=0.2)
