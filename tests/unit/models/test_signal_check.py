"""What is wrong with a channel: each fault by itself, and none where there is none."""

from __future__ import annotations

import numpy as np
import pytest

from models.arrays import Float32Array
from models.forward.generator import session
from models.signal_check import check_signal

RATE_HZ = 200.0


def emg(seconds: float = 5.0, level: float = 6.0) -> Float32Array:
    """(n, 8) whole numbers as a Myo gives them."""
    return np.round(np.random.default_rng(2).normal(0.0, level, (round(seconds * RATE_HZ), 8))).astype(np.float32)


def states(signal: Float32Array, **how: str) -> list[str]:
    return [check.state for check in check_signal(signal, RATE_HZ, **how)]


def test_a_good_signal() -> None:
    checks = check_signal(emg(), RATE_HZ)
    assert [(check.channel, check.state, check.hint) for check in checks] == [(c, "good", "") for c in range(1, 9)]
    assert checks[0].rms == pytest.approx(6.0, rel=0.1)


@pytest.mark.parametrize("level", [0.6, 1.0, 2.0, 30.0])
def test_weak_and_strong_ones_are_good_too(level: float) -> None:
    assert set(states(emg(level=level))) == {"good"}


@pytest.mark.parametrize("dc", [0.0, 512.0])
def test_a_flat_channel_whatever_its_offset(dc: float) -> None:
    signal = emg()
    signal[:, 2] = dc if dc else 5.0
    signal[:, 5] = dc + 0.01 * emg()[:, 5]
    expected = ["good", "good", "railed" if dc else "flat", "good", "good", "flat", "good", "good"]
    assert states(signal) == expected
    assert "press the electrode" in check_signal(signal, RATE_HZ)[5].hint


def test_a_clipped_channel() -> None:
    signal = emg()
    signal[:, 1] = np.clip(60.0 * signal[:, 1], -128, 127)
    strong = emg(level=20.0)
    signal[:, 6] = np.where(np.arange(len(signal)) % 100 < 10, 127.0, strong[:, 6] / 4)
    assert states(signal)[6] == "railed"


def test_mains_hum_at_either_frequency_and_not_in_an_envelope() -> None:
    t = np.arange(1000) / RATE_HZ
    for mains in (50.0, 60.0):
        signal = emg()
        signal[:, 0] += 30.0 * np.sin(2 * np.pi * mains * t).astype(np.float32)
        assert states(signal)[:2] == ["hum", "good"]
        assert "mains" in check_signal(signal, RATE_HZ)[0].hint
        assert states(signal, emg_mode="envelope")[0] != "hum"


def test_a_noisy_channel() -> None:
    signal = emg(level=2.0)
    signal[:, 3] = emg(level=40.0)[:, 3]
    assert states(signal)[3] == "noisy"


def test_a_copy_is_told_with_its_original() -> None:
    signal = emg()
    signal[:, 4] = signal[:, 1]
    checks = check_signal(signal, RATE_HZ)
    assert [check.state for check in checks].count("copy") == 1
    assert (checks[4].state, "channel 2" in checks[4].hint) == ("copy", True)


@pytest.mark.parametrize(("mode", "rate_hz"), [("raw", 200.0), ("envelope", 50.0)])
def test_people_whose_band_sits_well_are_told_so(mode: str, rate_hz: float) -> None:
    found = []
    for user in range(900, 906):
        recording = session(user, 0, 20.0, seed=5, rate_hz=rate_hz, emg_mode=mode, losses=False)
        for start in range(0, 20, 5):
            part = recording.emg[round(start * rate_hz) : round((start + 5) * rate_hz)]
            found += [check.state for check in check_signal(part, rate_hz, emg_mode=mode)]
    assert found.count("good") > 0.98 * len(found)


def test_too_little() -> None:
    with pytest.raises(ValueError, match="at least 1 s"):
        check_signal(emg(0.5), RATE_HZ)
