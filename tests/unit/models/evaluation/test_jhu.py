from __future__ import annotations

import numpy as np

from models.arrays import BoolArray
from models.evaluation.jhu import (
    GUARD_S,
    RATE_HZ,
    apart_from,
    blocks,
    constant,
    evaluate_learner,
    markdown,
    ridge,
    table,
)


def near(rows: BoolArray, others: BoolArray) -> BoolArray:
    """Of `rows`, what lies in each stretch of `others` and in the guards around it."""
    guard = int(GUARD_S * RATE_HZ)
    edges = np.flatnonzero(np.diff(np.concatenate([[0], others.astype(int), [0]])))
    parts = [rows[max(0, first - guard) : end + guard] for first, end in edges.reshape(-1, 2)]
    return np.concatenate(parts)


def test_blocks_are_guarded_and_choose_only_among_what_they_learn_from() -> None:
    n = 30_000
    seen = np.zeros(n, int)
    for evaluated, learned, inner in blocks(n):
        seen += evaluated
        assert not (evaluated & learned).any()
        assert (inner <= learned).all()
        assert not near(learned, evaluated).any()
        assert 0.15 * n < inner.sum() <= 0.2 * n
        rest = learned & apart_from(inner)
        assert not near(rest, inner).any()
        assert rest.sum() > 0.6 * n
    assert (seen == 1).all()


def test_learners_are_evaluated_on_what_they_were_not_trained_on() -> None:
    """Angles that follow one channel: ridge finds it, the constant mean does not."""
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
