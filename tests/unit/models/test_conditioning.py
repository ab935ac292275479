from __future__ import annotations

import numpy as np
import pytest

from models.arrays import Float32Array
from models.conditioning import SignalConditioner, mains_of


def emg(rate_hz: float, seconds: float, hum_hz: float = 0.0, hum: float = 0.0) -> Float32Array:
    rows = round(rate_hz * seconds)
    noise = np.random.default_rng(3).standard_normal((rows, 8)) * 5.0
    wave = hum * np.sin(2 * np.pi * hum_hz * np.arange(rows) / rate_hz)
    return np.asarray(noise + wave[:, None], np.float32)


@pytest.mark.parametrize("hum_hz", [50.0, 60.0])
@pytest.mark.parametrize("rate_hz", [250.0, 1000.0])
def test_mains_are_found_by_themselves(hum_hz: float, rate_hz: float) -> None:
    assert mains_of(emg(rate_hz, 2.0, hum_hz, 6.0), rate_hz) == hum_hz
    assert mains_of(emg(rate_hz, 2.0), rate_hz) is None


def test_one_humming_channel_is_a_bad_contact() -> None:
    x = emg(500.0, 2.0)
    x[:, 2] += emg(500.0, 2.0, 50.0, 20.0)[:, 2]
    assert mains_of(x, 500.0) is None


def test_mains_are_taken_out_from_then_on() -> None:
    conditioner = SignalConditioner(500.0)
    out = np.concatenate([conditioner.take(part) for part in np.split(emg(500.0, 6.0, 50.0, 40.0), 300)])
    assert conditioner.mains_hz == 50.0
    assert np.abs(out[-1000:]).mean() < 0.3 * np.abs(out[:900]).mean()
    off = SignalConditioner(500.0, mains="off")
    off.take(emg(500.0, 6.0, 50.0, 40.0))
    assert off.mains_hz is None


def test_an_offset_and_what_lies_above_the_band_do_not_pass() -> None:
    t = np.arange(2000) / 1000.0
    x = np.repeat((20_000.0 + np.sin(2 * np.pi * 300.0 * t))[:, None], 8, axis=1).astype(np.float32)
    out = SignalConditioner(1000.0).take(x)
    assert np.abs(out[500:]).max() < 0.02


def test_what_is_no_number_does_not_stay_in_the_filters() -> None:
    x = emg(500.0, 1.0)
    x[100, 3] = np.nan
    x[101, 4] = np.inf
    assert np.isfinite(SignalConditioner(500.0).take(x)).all()
