"""Muscles, electrodes and the colour of the signal: each formula against a plain version of itself."""

from __future__ import annotations

import numpy as np
import pytest

from models.arrays import Float64Array
from models.forward.electrodes import REFERENCE_MM, Forearm, gains
from models.forward.motion import EFFORT, STATE, Motion, Target, Trajectory
from models.forward.muscles import MUSCLES, NAMES, WRIST, Wiring, activation, average, excitation
from models.forward.person import person, stream
from models.forward.poses import ENSLAVING, POSES
from models.forward.signal import Carrier, Drift, Notch, power, shaping_taps
from models.forward.variants import VARIANTS, A, B
from models.kinematics import ANGLES, ROM


@pytest.fixture
def wiring() -> Wiring:
    return person(0, 0, A).wiring


def active(w: Wiring, q: Float64Array, squeeze: float = 0.0, wrist: str = "") -> dict[str, float]:
    """What each muscle does to hold one pose."""
    one = np.ones((1, 1))
    effort = np.zeros((1, len(WRIST)))
    if wrist:
        effort[0, WRIST.index(wrist)] = 1.0
    found = activation(w, q[None], np.zeros((1, 20)), one, squeeze * one, 0.0 * one, effort)
    return dict(zip(NAMES, found[0].tolist(), strict=True))


def test_a_relaxed_hand_needs_no_muscle(wiring: Wiring) -> None:
    assert max(active(wiring, wiring.relaxed).values()) < 1e-9


def test_fist_flexes_and_open_extends(wiring: Wiring) -> None:
    fist, opened = active(wiring, POSES["fist"]), active(wiring, POSES["open"])
    for name in ("FDS2", "FDS3", "FDS4", "FDS5", "FDP23", "FDP45", "FPL"):
        assert fist[name] > 3 * opened[name], name
    for name in ("EDC2", "EDC3", "EDC4", "EDC5", "EIP"):
        assert opened[name] > 3 * fist[name], name
    assert fist["ECR"] > 0.02
    assert max(fist.values()) <= 1.0


def test_straight_fingers_are_braced_while_others_flex(wiring: Wiring) -> None:
    assert active(wiring, POSES["point"])["EDC2"] > active(wiring, POSES["fist"])["EDC2"] + 0.05


def test_a_squeeze_adds_force_without_movement(wiring: Wiring) -> None:
    plain, hard = active(wiring, POSES["fist"]), active(wiring, POSES["fist"], squeeze=1.0)
    assert sum(hard.values()) > 1.3 * sum(plain.values())


def test_wrist_movements_use_their_own_muscles(wiring: Wiring) -> None:
    for movement, muscle in (("flexion", "FCR"), ("extension", "ECR"), ("ulnar", "FCU"), ("pronation", "PT")):
        found = active(wiring, wiring.relaxed, wrist=movement)
        assert found[muscle] > 0.3, movement
        assert found["FPL"] < 0.05


def test_tables_name_known_muscles_and_are_not_negative() -> None:
    for table in average():
        assert (table >= 0).all()
        assert table.any()
    assert len(MUSCLES) == 20
    assert len(B.angle_shift_deg) == len(MUSCLES)


def test_excitation_inverts_activation_dynamics() -> None:
    dt = 0.0005
    t = np.arange(0.0, 1.0, dt)
    wanted = 0.3 + 0.15 * np.sin(2 * np.pi * 1.5 * t)[:, None] * np.ones((1, 20))
    u = excitation(wanted, dt)
    a = wanted[1].copy()
    for row in range(len(u)):
        slow = 0.5 + 1.5 * a
        a = a + dt * (u[row] - a) / np.where(u[row] > a, 0.015 * slow, 0.050 / slow)
        np.testing.assert_allclose(a, wanted[row + 2], atol=0.01)


def arm(angle: float, depth: float) -> Forearm:
    one = np.ones(1)
    return Forearm(41.0, 4.0, angle * one, depth * one, one, 0.0 * one, 0.0 * one)


def test_gain_falls_with_distance_and_angle() -> None:
    under = np.deg2rad(-74.0 + 45.0 * 2)
    near, deep = gains(arm(under, 6.0), 2.0)[0], gains(arm(under, 16.0), 2.0)[0]
    assert near.argmax() == 2
    assert near[2] == pytest.approx((REFERENCE_MM / 10.0) ** 2)
    assert deep[2] < near[2]
    assert (np.diff(near[[2, 3, 4, 5, 6]]) < 0).all()
    assert near[1] == pytest.approx(near[3])
    assert deep.min() / deep.max() > near.min() / near.max()


def test_axial_shift_and_pronation_change_the_gains() -> None:
    who = person(1, 0, A).arm
    base = gains(who, 2.0)
    assert not np.allclose(gains(who, 2.0, axial=1.0), base)
    assert not np.allclose(gains(who, 2.0, pronation=1.0), base)


@pytest.mark.parametrize("rate", [100.0, 200.0, 500.0])
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_carrier_has_the_spectrum_and_unit_variance(rate: float, variant: str) -> None:
    chosen = VARIANTS[variant]
    carrier = Carrier(chosen, rate, 4, np.random.default_rng(0), 200)
    noise = np.concatenate([carrier.take() for _ in range(150)])
    assert noise.std() == pytest.approx(1.0, rel=0.05)
    rows = round(rate)
    spectrum = np.mean(
        np.abs(np.fft.rfft(noise[: len(noise) // rows * rows].reshape(-1, rows, 4), axis=1)) ** 2, axis=(0, 2)
    )
    hz = np.arange(rows // 2 + 1, dtype=np.float64) * rate / rows
    inside = slice(10, int(0.45 * rows))
    expected = power(chosen, hz, rate)
    ratio = spectrum[inside] / expected[inside]
    np.testing.assert_allclose(ratio / ratio.mean(), 1.0, atol=0.35)


def test_carrier_goes_on_without_a_seam() -> None:
    carrier = Carrier(A, 200.0, 2, np.random.default_rng(3), 200)
    parts = np.concatenate([carrier.take() for _ in range(3)])
    rng = np.random.default_rng(3)
    taps = shaping_taps(A, 200.0)
    white = np.concatenate(
        [rng.standard_normal((len(taps) - 1, 2), dtype=np.float32)]
        + [rng.standard_normal((200, 2), dtype=np.float32) for _ in range(3)]
    )
    expected = np.stack([np.convolve(white[:, c], taps, "valid") for c in range(2)], axis=1)
    np.testing.assert_allclose(parts, expected, atol=1e-4)


def test_drift_is_slow_and_has_mean_one() -> None:
    drift = Drift(0.3, 8.0, 50, np.random.default_rng(0))
    values = np.concatenate([drift.at(block + np.arange(200) / 200.0) for block in np.arange(60.0)])
    assert values.mean() == pytest.approx(1.0, abs=0.02)
    assert np.log(values).std() == pytest.approx(0.3, rel=0.05)
    assert np.abs(np.diff(np.log(values), axis=0)).max() < 0.15


def test_notch_takes_out_the_hum_and_little_else() -> None:
    t = np.arange(2000) / 200.0
    for hz, low, high in ((50.0, 0.0, 0.01), (40.0, 0.8, 1.1), (70.0, 0.8, 1.1)):
        notch = Notch(50.0, 200.0, 200)
        wave = np.repeat(np.sin(2 * np.pi * hz * t)[:, None], 8, axis=1)
        out = np.concatenate([notch.take(part) for part in np.split(wave, 10)])[1000:]
        assert low <= out.std() / wave[1000:].std() <= high, hz


def test_notch_is_its_difference_equation() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal((600, 8))
    notch = Notch(50.0, 200.0, 200)
    found = np.concatenate([notch.take(part) for part in np.split(x, 3)])
    angle, radius = 2 * np.pi * 50.0 / 200.0, 1.0 - np.pi * 5.0 / 200.0
    y = np.zeros_like(x)
    padded = np.vstack([np.zeros((2, 8)), x])
    for n in range(600):
        before = y[n - 1] if n > 0 else 0.0
        earlier = y[n - 2] if n > 1 else 0.0
        b = padded[n + 2] - 2 * np.cos(angle) * padded[n + 1] + padded[n]
        y[n] = b + 2 * radius * np.cos(angle) * before - radius**2 * earlier
    np.testing.assert_allclose(found, y, atol=1e-9)


def test_paths_are_minimum_jerk() -> None:
    track = Trajectory(np.zeros(4))
    track.add(Target(2.0, 1.0, np.array([1.0, 2.0, 0.0, -1.0]), ""))
    t = np.linspace(0.0, 2.9, 100)
    values, rates = track.at(t)
    s = np.clip(t / 2.0, 0.0, 1.0)
    np.testing.assert_allclose(values[:, 1], 2.0 * (10 * s**3 - 15 * s**4 + 6 * s**5), atol=1e-12)
    np.testing.assert_allclose(np.gradient(values[:, 1], t)[2:-2], rates[2:-2, 1], atol=0.01)


def test_nothing_jumps_between_targets() -> None:
    motion = Motion(person(2, 0, A).habits, stream(0, "motion", 2, A, 0))
    t = np.arange(0.0, 60.0, 0.001)
    state, rate, posture = motion.at(t)
    assert state.shape == rate.shape == (len(t), STATE)
    assert np.abs(np.diff(state, axis=0)).max() < 0.06
    assert np.abs(np.diff(posture, axis=0)).max() < 0.01
    assert np.abs(np.diff(state[:, :EFFORT], axis=0) / 0.001 - rate[1:, :EFFORT]).max() < 1.0


def test_poses_are_hands() -> None:
    assert len(POSES) >= 22
    for name, q in POSES.items():
        assert q.shape == (len(ANGLES),), name
        assert (q >= ROM[:, 0] - 1e-6).all(), name
        assert (q <= ROM[:, 1] + 1e-6).all(), name


def test_the_index_is_the_freest_finger_and_the_ring_the_least() -> None:
    drag = (ENSLAVING - np.eye(5)).sum(axis=1)[1:]
    assert drag.argmin() == 0
    assert drag.argmax() == 2
