"""Synthetic samples look like real ones: the same figures for both, within tolerance."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from drivers.sessions import read_session
from models.arrays import Float32Array
from models.forward.generator import session
from models.forward.motion import Step
from models.forward.muscles import WRIST
from models.forward.statistics import FREQUENCIES_HZ, Statistics, equal_parts, held, marked, of
from models.recording import Recording

REAL = Path(__file__).resolve().parents[5] / "shared" / "data" / "myo-readings-dataset"
ACTIVE = [*(f"wrist_{movement}" for movement in WRIST), "fist"]

REAL_ACTIVE = {
    "channel_rms": ((2.5, 9.9, 46.5), (1.6, 1.5, 1.35)),
    "strongest_rms": ((33.7,), (1.3,)),
    "weakest_to_strongest": ((0.12,), (1.6,)),
    "kurtosis": ((3.2, 4.4, 9.2), (1.15, 1.2, 2.0)),
    "variation": ((0.16, 0.24, 0.44), (1.4, 1.3, 1.5)),
}
"""Figures of the real recordings named below, and the factor within which others must lie. `REAL` checks them."""
REAL_CORRELATION = ((0.30, 0.13, 0.09, 0.08), (0.45, 0.20, 0.12, 0.10))
"""Here, and in the 40 people of the MyoArmbandDataset."""
REAL_SPECTRUM = (0.22, 0.25, 0.62, 0.95, 1.0)
REAL_NOTCH, REAL_CLIPPED = 0.05, 0.0036


def gestures() -> Iterator[Recording]:
    """People who alternate between rest and a gesture every five seconds, as the real ones did."""
    script = [
        step
        for name in ACTIVE
        for step in (Step("rest", 0.4, 2.6), Step(name, 0.4, 4.6, squeeze=0.2 * (name == "fist")))
    ]
    return (session(user, 0, 56.0, script=script) for user in range(24))


@pytest.fixture(scope="module")
def synthetic() -> tuple[Statistics, Statistics]:
    """Of rest, and of gestures."""
    made = list(gestures())
    rest = of((part for one in made for part in marked(one, ["rest"])), 200.0)
    return rest, of((part for one in made for part in marked(one, ACTIVE)), 200.0)


def check_active(found: Statistics, slack: float = 1.0) -> None:
    for name, (expected, factor) in REAL_ACTIVE.items():
        values = np.atleast_1d(getattr(found, name))
        for value, real, within in zip(values, expected, factor, strict=True):
            assert real / (within * slack) <= value <= real * within * slack, (name, values)
    for value, low, high in zip(found.correlation, *REAL_CORRELATION, strict=True):
        assert low - 0.06 * slack <= value <= high + 0.06 * slack, found.correlation
    np.testing.assert_allclose(found.spectrum, REAL_SPECTRUM, atol=0.12)
    assert found.notch < 0.15
    assert 0.2 * REAL_CLIPPED < found.clipped < 3.0 * REAL_CLIPPED


@pytest.mark.slow
def test_gestures_look_real(synthetic: tuple[Statistics, Statistics]) -> None:
    check_active(synthetic[1])


@pytest.mark.slow
def test_rest_is_quiet(synthetic: tuple[Statistics, Statistics]) -> None:
    rest, active = synthetic
    low, middle, high = rest.channel_rms
    assert 0.9 <= low <= 1.7
    assert 1.4 <= middle <= 3.0
    assert 4.0 <= high <= 14.0
    assert rest.strongest_rms < 0.3 * active.strongest_rms


@pytest.mark.slow
def test_free_movement_lies_between(synthetic: tuple[Statistics, Statistics]) -> None:
    free = of((part for user in range(12) for part in equal_parts(session(user, 0, 40.0))), 200.0)
    rest, active = synthetic
    assert rest.strongest_rms < free.strongest_rms < active.strongest_rms
    np.testing.assert_allclose(free.spectrum, active.spectrum, atol=0.12)


@pytest.mark.slow
def test_generator_b_is_another_one(synthetic: tuple[Statistics, Statistics]) -> None:
    other = of((part for user in range(12) for part in equal_parts(session(user, 0, 40.0, variant="B"))), 200.0)
    spectrum = dict(zip(FREQUENCIES_HZ, other.spectrum, strict=True))
    assert spectrum[20.0] > 2 * synthetic[1].spectrum[FREQUENCIES_HZ.index(20.0)]
    assert spectrum[90.0] < 0.8


@pytest.mark.slow
def test_the_figures_are_those_of_the_real_recordings() -> None:
    if not REAL.is_dir():
        pytest.skip("the real recordings (myo-readings-dataset) are not beside the repository")
    files = sorted(REAL.glob("_readings_*/*/[1-7].txt.gz"))[::12]
    assert len(files) > 20
    recordings = [read_session(file) for file in files]
    check_active(of((part for one in recordings for part in held(one, range(1, 8))), 200.0), slack=1.25)
    rest = of((part for one in recordings for part in held(one, [0])), 200.0)
    assert rest.channel_rms[1] < 5.0


def test_known_signals_give_known_figures() -> None:
    rng = np.random.default_rng(0)
    noise = (20.0 * rng.standard_normal((8000, 8))).astype(np.float32)
    found = of([noise], 200.0)
    assert found.channel_rms == pytest.approx((20.0, 20.0, 20.0), rel=0.05)
    assert found.kurtosis == pytest.approx((3.0, 3.0, 3.0), abs=0.25)
    assert found.correlation == pytest.approx((0.0, 0.0, 0.0, 0.0), abs=0.05)
    assert found.weakest_to_strongest > 0.95
    assert found.clipped == pytest.approx(0.0, abs=1e-9)
    loud = np.full((400, 8), 127.0, dtype=np.float32)
    loud[::2] = -127.0
    assert of([loud], 200.0).clipped == 1.0


def test_a_tone_stands_out_at_its_frequency() -> None:
    t = np.arange(2000) / 200.0
    tone = np.repeat(30.0 * np.sin(2 * np.pi * 40.0 * t)[:, None], 8, axis=1).astype(np.float32)
    assert dict(zip(FREQUENCIES_HZ, of([tone], 200.0).spectrum, strict=True))[40.0] == pytest.approx(1.0, abs=1e-3)


def test_neighbours_that_share_a_source_correlate() -> None:
    rng = np.random.default_rng(1)
    own = rng.standard_normal((6000, 8))
    mixed = (20.0 * (own + np.roll(own, 1, axis=1))).astype(np.float32)
    near, far, *_ = of([mixed], 200.0).correlation
    assert near > 0.15
    assert abs(far) < 0.05


def test_segments_skip_the_first_second() -> None:
    made = session(0, 0, 12.0, script=[Step("rest", 0.5, 3.5), Step("fist", 0.5, 3.5)], losses=False)
    parts: list[Float32Array] = list(marked(made, ["fist"]))
    assert [len(part) for part in parts] == [600]
    np.testing.assert_array_equal(parts[0], made.emg[1000:1600])
    assert [len(part) for part in equal_parts(made, 5.0)] == [1000, 1000]


def test_nothing_to_measure_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one segment"):
        of([], 200.0)
    with pytest.raises(ValueError, match="at least 1 s"):
        of([np.ones((50, 8), dtype=np.float32)], 200.0)
