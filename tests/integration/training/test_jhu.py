"""The network among the learners of finger angles."""

from __future__ import annotations

import numpy as np
import pytest

from models.evaluation import jhu
from tests.support.training import needs_training

pytestmark = needs_training


def test_the_network_follows_the_features(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough so, after a few epochs, to beat a still hand."""
    monkeypatch.setattr(jhu, "MOST_EPOCHS", 15)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4000, 40)).astype(np.float32)
    y = (20.0 * x[:, :5] + 150.0).astype(np.float32)
    evaluated, learned, inner = jhu.blocks(len(x))[4]
    predict = jhu.network(x, y, learned, inner)
    predicted = predict(x[evaluated])
    assert predicted.shape == (evaluated.sum(), 5)
    assert np.abs(predicted - y[evaluated]).mean() < 0.7 * np.abs(y[evaluated] - y[learned].mean(axis=0)).mean()
