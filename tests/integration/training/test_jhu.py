"""The network among the learners of finger angles."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation import jhu
from tests.support.training import needs_training

pytestmark = needs_training


def test_the_network_follows_what_the_features_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough so, after a few epochs, to beat a still hand."""
    monkeypatch.setattr(jhu, "MOST_EPOCHS", 15)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4000, 40)).astype(np.float32)
    y = (20.0 * x[:, :5] + 150.0).astype(np.float32)
    judged, learned, inner = jhu.blocks(len(x))[4]
    predict = jhu.network(x, y, learned, inner)
    said = predict(x[judged])
    assert said.shape == (judged.sum(), 5)
    assert np.abs(said - y[judged]).mean() < 0.7 * np.abs(y[judged] - y[learned].mean(axis=0)).mean()
