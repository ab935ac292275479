from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from models.filters import Cascade, Section, high_pass, low_pass, notch

signal: Any = pytest.importorskip("scipy.signal")


def sos(sections: list[Section]) -> np.ndarray:
    return np.array([[s.b0, s.b1, s.b2, 1.0, s.a1, s.a2] for s in sections])


@pytest.mark.parametrize("rate_hz", [250.0, 500.0, 1000.0])
def test_pieces_of_any_size_give_what_scipy_gives_at_once(rate_hz: float) -> None:
    sections = high_pass(10.0, rate_hz) + low_pass(100.0, rate_hz) + notch(50.0, rate_hz, 4.0)
    x = np.random.default_rng(0).standard_normal((400, 8)).astype(np.float32)
    cascade = Cascade(sections, 8)
    got = np.concatenate([cascade.take(piece) for piece in np.split(x, [1, 8, 200])])
    np.testing.assert_allclose(got, signal.sosfilt(sos(sections), x, axis=0), atol=1e-5)


def test_the_limits_are_where_they_should_be() -> None:
    for sections, hz in ((high_pass(10.0, 1000.0), 10.0), (low_pass(100.0, 1000.0), 100.0)):
        _, response = signal.sosfreqz(sos(sections), worN=[hz], fs=1000.0)
        assert abs(response[0]) == pytest.approx(np.sqrt(0.5), abs=1e-3)
    _, response = signal.sosfreqz(sos(notch(50.0, 1000.0, 4.0)), worN=[50.0, 52.0, 80.0], fs=1000.0)
    assert abs(response[0]) < 1e-6
    assert abs(response[1]) == pytest.approx(np.sqrt(0.5), abs=0.02)
    assert abs(response[2]) > 0.99


def test_an_offset_makes_no_step() -> None:
    cascade = Cascade(high_pass(10.0, 500.0), 8)
    cascade.settle(np.full(8, 20_000.0, np.float32))
    assert np.abs(cascade.take(np.full((50, 8), 20_000.0, np.float32))).max() < 1e-3
