from __future__ import annotations

import numpy as np
import pytest

from models.arrays import BoolArray
from tests.support.training import needs_training

pytestmark = needs_training


def near(rows: BoolArray, others: BoolArray) -> BoolArray:
    """Of `rows`, what lies in each stretch of `others` and in the guards around it."""
    from models.evaluation.jhu import GUARD_S, RATE_HZ

    guard = int(GUARD_S * RATE_HZ)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], others.astype(int), [0]])))
    parts = [rows[max(0, first - guard) : end + guard] for first, end in edges.reshape(-1, 2)]
    return np.concatenate(parts)


def test_blocks_are_guarded_and_choose_only_among_what_they_learn_from() -> None:
    from models.evaluation.jhu import apart_from, blocks

    n = 30_000
    seen = np.zeros(n, int)
    for judged, learned, inner in blocks(n):
        seen += judged
        assert not (judged & learned).any()
        assert (inner <= learned).all()
        assert not near(learned, judged).any()
        assert 0.15 * n < inner.sum() <= 0.2 * n
        rest = learned & apart_from(inner)
        assert not near(rest, inner).any()
        assert rest.sum() > 0.6 * n
    assert (seen == 1).all()


def test_learners_are_judged_on_what_they_have_not_seen() -> None:
    """Angles that follow one channel: ridge finds it, the constant mean does not."""
    from models.evaluation.jhu import constant, evaluate_learner, markdown, ridge, table

    rng = np.random.default_rng(0)
    t = np.sort(rng.uniform(0, 200, 10_800))
    level = 5.0 + 4.0 * np.sign(np.sin(2 * np.pi * t / 7.0))
    emg = (level[:, None] * rng.standard_normal((len(t), 8))).astype(np.float32)
    angle_t = np.arange(1.0, 199.0, 0.06)
    bend = 150.0 - 8.0 * (5.0 + 4.0 * np.sign(np.sin(2 * np.pi * angle_t / 7.0)))
    data = table(t, emg, angle_t, np.repeat(bend[:, None], 5, axis=1).astype(np.float32))
    still, linear = evaluate_learner(data, "constant mean", constant), evaluate_learner(data, "ridge", ridge)
    assert linear.mean_deg < 0.6 * still.mean_deg
    assert max(still.r2.values()) < 0.05
    assert min(linear.r2.values()) > 0.5
    assert markdown([still, linear]).count("\n") == 4


def test_the_network_follows_what_the_features_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Enough so, after a few epochs, to beat a still hand."""
    from models.evaluation import jhu

    monkeypatch.setattr(jhu, "MOST_EPOCHS", 15)
    rng = np.random.default_rng(1)
    x = rng.standard_normal((4000, 40)).astype(np.float32)
    y = (20.0 * x[:, :5] + 150.0).astype(np.float32)
    judged, learned, inner = jhu.blocks(len(x))[4]
    predict = jhu.network(x, y, learned, inner)
    said = predict(x[judged])
    assert said.shape == (judged.sum(), 5)
    assert np.abs(said - y[judged]).mean() < 0.7 * np.abs(y[judged] - y[learned].mean(axis=0)).mean()
