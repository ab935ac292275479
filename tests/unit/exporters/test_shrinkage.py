"""Angles nearer to their mean, as far as they have been wrong about strangers; everything else of the file stays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from exporters import shrinkage
from exporters.shrinkage import Regression, shrink_angles
from models.forward.generator import session
from models.onnx_edit import read_initializers
from models.onnx_file import ANGLES, CONFIDENCE, FEATURES, read_spec
from models.onnx_runner import OnnxRunner

MODEL = Path(__file__).parents[3] / "service" / "weights" / "raw200.onnx"


def test_what_does_not_hold_is_shortened_and_centred() -> None:
    rng = np.random.default_rng(0)
    told = rng.normal(0.5, 0.2, (4000, 20)).astype(np.float32)
    true = told.copy()
    true[:, 1] = rng.normal(0.1, 0.2, 4000)
    found = Regression.of(told, true)
    assert found.slope[0] == pytest.approx(1.0)
    assert found.slope[1] == pytest.approx(0.0, abs=0.05)
    shrunk = found.shrunk(told, 1.0)
    np.testing.assert_allclose(shrunk[:, 0], told[:, 0], atol=1e-5)
    assert shrunk[:, 1].std() < 0.02
    assert shrunk[:, 1].mean() == pytest.approx(0.1, abs=0.02)
    np.testing.assert_allclose(found.shrunk(told, 0.0), told, atol=1e-6)


def test_only_the_layer_of_angles_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shrinkage, "SECONDS", 8.0)
    content = MODEL.read_bytes()
    spec = read_spec(content, "raw200")
    emg = session(1001, 0, 6.0, seed=1, losses=False).emg[None]
    names = (FEATURES, CONFIDENCE, ANGLES)
    before = OnnxRunner.open(content).step_outputs(emg, names)
    for share, moved in ((0.0, (0.0, 0.05)), (1.0, (0.05, 1.0))):
        other = shrink_angles(content, spec, (251, 252), share)
        values, changed = read_initializers(content), read_initializers(other)
        names_of_changed = {name for name in values if not np.array_equal(values[name], changed[name])}
        assert all("end_angles" in name for name in names_of_changed)
        after = OnnxRunner.open(other).step_outputs(emg, names)
        np.testing.assert_array_equal(before[0], after[0])
        np.testing.assert_array_equal(before[1], after[1])
        off = float(np.abs(before[2][0, 200:] - after[2][0, 200:]).mean())
        assert moved[0] <= off < moved[1]
        assert read_spec(other, "raw200") == spec
