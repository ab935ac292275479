from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from models.front_end import find_front_end
from models.onnx_file import read_spec
from models.onnx_runner import OnnxRunner, open_session

WEIGHTS = Path(__file__).parents[3] / "service" / "weights"


@pytest.mark.parametrize("name", ["raw200", "envelope50"])
def test_the_shipped_models_state_their_time_constants(name: str) -> None:
    content = (WEIGHTS / f"{name}.onnx").read_bytes()
    spec = read_spec(content, name)
    front = find_front_end(content, spec.rate_hz)
    assert front is not None
    np.testing.assert_allclose(front.time_constants_s, [0.06, 0.15, 0.4, 5.0, 25.0], rtol=1e-5)
    np.testing.assert_array_equal(front.at(spec.rate_hz)[0], front.rest)
    assert front.levels.sum() == 5 * 8


@pytest.mark.parametrize("factor", [1.25, 2.5, 5])
def test_the_same_averages_at_another_rate(factor: float) -> None:
    """A signal that is held for as many samples as the rate is higher gives the same poses."""
    content = (WEIGHTS / "raw200.onnx").read_bytes()
    front = find_front_end(content, 200.0)
    assert front is not None
    levels = np.repeat(np.random.default_rng(1).uniform(1.0, 30.0, (5, 8)), 200, axis=0).astype(np.float32)
    faster = np.repeat(levels[::200], round(200 * factor), axis=0)
    plain = OnnxRunner(open_session(content)).step(levels[None])[0, 199::200]
    other = OnnxRunner(open_session(content, {front.bias: front.at(200.0 * factor)})).step(faster[None])[0]
    np.testing.assert_allclose(other[round(200 * factor) - 1 :: round(200 * factor)], plain, atol=0.02)


def test_other_files_have_none() -> None:
    assert find_front_end(b"", 200.0) is None
    assert find_front_end(b"\x3a\xff\xff", 200.0) is None
