from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.data.any_band import as_model_expects, filtered
from models.data.personal_session import run_session
from models.forward.generator import session
from models.onnx_edit import read_initializers
from models.onnx_file import read_spec
from models.recording import Recording

FILE = Path(__file__).parents[4] / "service" / "weights" / "raw200.onnx"
CONTENT = FILE.read_bytes()
SPEC = read_spec(CONTENT, FILE.name)


@pytest.fixture(scope="module")
def board() -> Recording:
    """The same arm as a board at 500 Hz shows it, in microvolts with an offset."""
    made = session(1004, 0, 20.0, seed=1, rate_hz=500.0, losses=False)
    return replace(made, emg=np.asarray(made.emg * 5.0 + 3000.0, np.float32), unit="uV")


def test_a_session_of_the_models_own_band_stays_as_it_is() -> None:
    made = session(1004, 0, 2.0, seed=1, losses=False)
    assert as_model_expects(made, SPEC) is made


def test_another_band_is_brought_to_rate_unit_and_level(board: Recording) -> None:
    brought = as_model_expects(board, SPEC)
    assert (brought.rate_hz, brought.unit) == (200.0, "adc")
    native = session(1004, 0, 20.0, seed=1, losses=False)
    ratio = np.abs(brought.emg).mean() / np.abs(native.emg).mean()
    assert 0.4 < ratio < 2.5
    assert brought.joints is not None


def test_every_run_is_filtered_on_its_own(board: Recording) -> None:
    broken = replace(board, breaks=np.array([3000]))
    out = filtered(broken).emg
    assert np.abs(out[[0, 3000]]).max() < 100.0
    assert np.abs(out.mean()) < 1.0


def test_a_person_can_be_fitted_on_such_a_session(board: Recording) -> None:
    fitted = run_session(CONTENT, SPEC, read_initializers(CONTENT), as_model_expects(board, SPEC))
    assert len(fitted.t) > 1000
    assert np.isfinite(fitted.x).all()
