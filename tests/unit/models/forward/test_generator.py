"""The generator: deterministic, cut anywhere, each user and session its own, nothing that looks ahead."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.forward.generator import BLOCK_ROWS, FIRST_UNSEEN_USER, MODES, Stream, session
from models.forward.motion import Step
from models.forward.person import DONNING_CHANNELS, HABIT_CHANNELS, STREAMS, donning, person, stream
from models.forward.signal import ENVELOPE_GAIN, Envelope
from models.forward.variants import VARIANTS, A, B
from models.hand import MIRRORED_CHANNELS, mirror, to_hand_frame
from models.kinematics import ROM, angles, measure


def test_the_same_arguments_give_the_same_recording() -> None:
    first, second = session(3, 1, 4.0, seed=9), session(3, 1, 4.0, seed=9)
    np.testing.assert_array_equal(first.emg, second.emg)
    assert first.joints is not None
    assert second.joints is not None
    np.testing.assert_array_equal(first.joints, second.joints)
    assert first.markers == second.markers
    assert first.meta == second.meta


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 3 * BLOCK_ROWS), min_size=1, max_size=6), st.sampled_from(MODES))
def test_a_stream_may_be_cut_anywhere(pieces: list[int], mode: str) -> None:
    whole = Stream(2, 0, emg_mode=mode).take(sum(pieces))
    cut = Stream(2, 0, emg_mode=mode)
    parts = [cut.take(n) for n in pieces]
    for name in ("t", "emg", "angles", "kept"):
        np.testing.assert_array_equal(np.concatenate([getattr(part, name) for part in parts]), getattr(whole, name))
    assert [label for part in parts for label in part.labels] == list(whole.labels)
    assert [part.first for part in parts] == np.cumsum([0, *pieces[:-1]]).tolist()


def test_a_longer_session_begins_with_the_shorter_one() -> None:
    short, long = session(4, 0, 3.3), session(4, 0, 8.0)
    np.testing.assert_array_equal(long.emg[: len(short)], short.emg)


def test_a_recording_says_who_made_it() -> None:
    made = session(5, 2, 3.0, seed=7, variant="B", rotation_channels=0.5)
    assert made.meta["generator"] == "B1"
    told = {key: made.meta[key] for key in ("user", "session", "donning", "seed", "synthetic")}
    assert told == {"user": 5, "session": 2, "donning": 2, "seed": 7, "synthetic": True}
    usual = session(5, 2, 3.0, seed=7, variant="B").meta["rotation_channels"]
    assert made.meta["rotation_channels"] == pytest.approx(usual + 0.5)
    assert (made.rate_hz, made.unit, made.emg_mode, made.hand) == (200.0, "adc", "raw", "right")


def test_samples_are_counts_of_eight_bits() -> None:
    made = session(0, 0, 30.0)
    assert made.emg.dtype == np.float32
    np.testing.assert_array_equal(made.emg, np.rint(made.emg))
    assert made.emg.min() >= -128
    assert made.emg.max() <= 127
    assert np.abs(made.emg).max() > 20


def test_truth_is_a_hand_within_its_range_of_motion() -> None:
    made = session(6, 0, 60.0)
    assert made.joints is not None
    assert made.label_t is not None
    np.testing.assert_allclose(np.diff(made.label_t), 0.02, atol=1e-9)
    points = made.joints.reshape(-1, 21, 3)
    np.testing.assert_allclose(to_hand_frame(points, "right"), points, atol=1e-3)
    lengths = measure(points)
    assert (lengths.std(axis=0) / lengths.mean(axis=0)).max() < 1e-4
    found = angles(points)
    assert (found > ROM[:, 0] - 1e-3).all()
    assert (found < ROM[:, 1] + 1e-3).all()


def test_movement_is_smooth() -> None:
    stream_ = Stream(7, 0, rate_hz=1000.0)
    q = stream_.take(20_000).angles.astype(np.float64)
    assert np.abs(np.diff(q, axis=0)).max() * 1000.0 < 25.0
    assert np.abs(np.diff(q, n=2, axis=0)).max() * 1e6 < 800.0


def test_a_few_synergies_carry_most_of_the_movement() -> None:
    q = np.concatenate([Stream(user, 0).take(12_000).angles for user in range(4)])
    speed = np.diff(q[::4], axis=0)
    speed = speed[np.abs(speed).max(axis=1) > 0.01]
    values = np.linalg.eigvalsh(np.cov(speed.T))[::-1]
    assert 0.45 < values[:2].sum() / values.sum() < 0.85


def test_a_left_arm_is_the_mirror_image() -> None:
    right, left = session(8, 0, 4.0), session(8, 0, 4.0, hand="left")
    np.testing.assert_array_equal(left.emg, right.emg[:, MIRRORED_CHANNELS])
    assert right.joints is not None
    assert left.joints is not None
    np.testing.assert_array_equal(left.joints, mirror(right.joints))
    assert left.hand == "left"


def test_a_whole_turn_of_the_band_is_a_roll_of_the_channels() -> None:
    straight, turned = Stream(9, 0), Stream(9, 0, rotation_channels=1.0)
    for here, there in zip(straight._mixing, turned._mixing, strict=True):
        level = here / (straight.person.amplitude * straight.donning.gain)
        np.testing.assert_allclose(
            there / (turned.person.amplitude * turned.donning.gain), np.roll(level, -1, axis=1), rtol=1e-4, atol=1e-6
        )


def test_envelope_is_the_rectified_smoothed_and_thinned_raw_mode() -> None:
    raw = session(10, 0, 6.0, losses=False)
    envelope = session(10, 0, 6.0, emg_mode="envelope", losses=False)
    assert (envelope.rate_hz, len(envelope)) == (50.0, 300)
    state = np.zeros(8)
    keep = np.exp(-1.0 / (0.05 * 200.0))
    expected = np.empty((1200, 8))
    for row, sample in enumerate(np.abs(raw.emg)):
        state = keep * state + (1.0 - keep) * sample
        expected[row] = ENVELOPE_GAIN * state
    difference = np.abs(envelope.emg - expected[3::4])
    hum = 2.0 * ENVELOPE_GAIN * np.abs(Stream(10, 0).donning.mains).max()
    assert difference.max() <= hum + ENVELOPE_GAIN
    np.testing.assert_allclose(envelope.t, raw.t[3::4])


def test_envelope_is_causal_and_may_be_cut() -> None:
    raw = session(11, 0, 3.0, losses=False).emg
    whole = Envelope().feed(raw)
    cut = Envelope()
    np.testing.assert_array_equal(np.concatenate([cut.feed(part) for part in np.split(raw, [1, 130, 131, 400])]), whole)
    changed = raw.copy()
    changed[300:] = 99.0
    np.testing.assert_array_equal(Envelope().feed(changed)[:75], whole[:75])


def test_muscles_precede_the_hand() -> None:
    script = [Step("rest", 0.3, 1.7), Step("fist", 0.3, 1.7)]
    leads = []
    for user in range(6):
        made = session(user, 0, 60.0, script=script, losses=False)
        assert made.joints is not None
        level = Envelope().feed(made.emg).astype(np.float64).sum(axis=1)
        tip = np.linalg.norm(made.joints[:, 36:39], axis=1)
        rise, fall = np.diff(np.convolve(level, np.ones(5) / 5, "same")), -np.diff(tip[: len(level)])
        lags = range(-20, 21)
        leads.append(lags[int(np.argmax([np.dot(rise[30:-30], np.roll(fall, -lag)[30:-30]) for lag in lags]))] * 0.02)
    assert -0.04 <= float(np.median(leads)) <= 0.12


def test_streams_of_seeds_are_disjoint() -> None:
    first = {
        tuple(stream(seed, kind, user, variant, number).integers(0, 2**63, 2).tolist())
        for seed in (0, 1)
        for kind in STREAMS
        for user in (0, 1, FIRST_UNSEEN_USER)
        for variant in (A, B)
        for number in (None, 0, 1)
    }
    assert len(first) == 2 * len(STREAMS) * 3 * 2 * 3


def test_hand_and_anatomy_are_independent_and_differ() -> None:
    people = [person(user, 0, A) for user in range(200)]
    size = np.array([one.bones.sum() for one in people])
    for other in ([one.arm.radius_mm for one in people], [one.amplitude for one in people]):
        assert abs(np.corrcoef(size, other)[0, 1]) < 0.2
    assert np.std([one.arm.angle for one in people], axis=0).min() > np.deg2rad(5.0)
    assert np.std(np.log([one.arm.depth_mm for one in people]), axis=0).min() > 0.1
    assert len({one.arm.fat_mm for one in people}) > 150
    assert size.min() < 690 < 800 < size.max()


def test_donnings_differ_by_more_than_a_channel() -> None:
    usual = np.array([person(user, 0, A).rotation_channels for user in range(300)])
    worn = usual[:, None] + [[donning(user, n, 0, A).rotation_channels for n in range(2)] for user in range(300)]
    assert np.hypot(HABIT_CHANNELS, DONNING_CHANNELS) == pytest.approx(1.2, abs=0.01)
    assert worn.std() == pytest.approx(1.2, abs=0.12)
    assert (worn[:, 0] - worn[:, 1]).std() == pytest.approx(1.2, abs=0.12)


def test_gain_between_users_and_sessions() -> None:
    level = [np.log(person(u, 0, A).amplitude * donning(u, 0, 0, A).gain.mean()) for u in range(300)]
    assert np.std(level) == pytest.approx(0.32, abs=0.04)


def test_the_radio_loses_little_and_in_packets() -> None:
    made = [session(user, 0, 120.0) for user in range(6)]
    lost = [int(one.sample[-1]) + 1 - len(one) for one in made]
    assert 0 < sum(lost) < 0.005 * 6 * 24_000
    for one in made:
        jumps = np.diff(one.sample)
        assert set((jumps[jumps > 1] - 1).tolist()) <= {2, 4, 6, 8}
        np.testing.assert_allclose(one.t, one.sample / 200.0, atol=1e-9)


def test_a_pose_can_be_left_out() -> None:
    labels = {marker.label for marker in session(0, 0, 300.0).markers}
    kept = {marker.label for marker in session(0, 0, 300.0, leave_out=("fist", "ok")).markers}
    assert {"fist", "ok", "wrist_extension", "squeeze", "rest", "random", "finger_index"} <= labels
    assert kept
    assert not {"fist", "ok"} & kept


def test_a_script_is_followed_and_repeated() -> None:
    made = session(1, 0, 9.0, script=[Step("open", 0.5, 1.0), Step("wrist_flexion", 0.5, 1.0, squeeze=0.5)])
    assert [marker.label for marker in made.markers] == ["open", "wrist_flexion"] * 3
    np.testing.assert_allclose([marker.t for marker in made.markers], 1.5 * np.arange(6))


@pytest.mark.parametrize("variant", sorted(VARIANTS))
@pytest.mark.parametrize("rate", [50.0, 125.0, 200.0, 1000.0])
def test_every_rate_is_made(rate: float, variant: str) -> None:
    made = session(0, 0, 20.0, rate_hz=rate, variant=variant, losses=False)
    assert len(made) == 20 * rate
    level = float(np.sqrt(np.mean(made.emg**2)))
    usual = float(np.sqrt(np.mean(session(0, 0, 20.0, variant=variant, losses=False).emg ** 2)))
    assert level == pytest.approx(usual, rel=0.35)


@pytest.mark.parametrize(
    "wrong",
    [
        {"rate_hz": 20.0}, {"rate_hz": 2000.0}, {"emg_mode": "loud"}, {"variant": "C"},
        {"emg_mode": "envelope", "rate_hz": 100.0}, {"seconds": 0.0}, {"user": -1},
    ],
)  # fmt: skip
def test_what_cannot_be_made_is_refused(wrong: dict[str, object]) -> None:
    arguments: dict[str, object] = {"user": 0, "session": 0, "seconds": 1.0, **wrong}
    with pytest.raises(ValueError):
        session(**arguments)  # type: ignore[arg-type]


def test_two_minutes_are_made_in_a_fraction_of_their_time() -> None:
    begun = time.process_time()
    session(0, 0, 120.0)
    assert time.process_time() - begun < 12.0
