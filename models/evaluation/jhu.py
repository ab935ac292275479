"""A check on real paired data: five finger angles of one person from eight channels (JHU-NTX-2023).

The session is cut into ten contiguous blocks. Each is evaluated by learners that saw the nine others, with a guard
on both sides of it; what they choose (how long to train) they choose on two of the nine, guarded in the same way,
never on the tenth. A learner with a memory may read the EMG of the guard before it is evaluated, as it would in
service.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models import tables
from models.arrays import BoolArray, Float32Array, Float64Array
from models.data.features import bank
from models.hand import FINGERS

Fit = Callable[[Float32Array, Float32Array, BoolArray, BoolArray], Callable[[Float32Array], Float32Array]]
"""Features, targets, rows to learn from, and which of those to choose on -> a predictor of consecutive features."""

RATE_HZ: Final = 50.0
TIME_CONSTANTS_S: Final = (0.06, 0.15, 0.4, 1.0, 4.0)
BLOCKS: Final = 10
GUARD_S: Final = 4.0
"""One context length: the slowest running average's time constant."""
_GUARD: Final = round(GUARD_S * RATE_HZ)
INNER: Final = (3, 7)
"""The blocks to choose on come so many after the one that is evaluated, past the last from the first again."""
NEAR_S: Final = 0.15
"""Rows further than this from any label are not evaluated."""
MOST_EPOCHS: Final = 40
PATIENCE: Final = 6
RUN: Final = 200
"""Rows of a training run of a network that remembers (4 s)."""
DROPOUT: Final = 0.35
NOISE: Final = 0.2
GROUPS: Final = 3
"""Parts of the network that learn apart and are averaged."""
HUBER: Final = 1.0
"""Standard deviations up to which the loss is a square."""


@dataclass(frozen=True, slots=True)
class Result:
    """One learner on all blocks."""

    learner: str
    mae_deg: tuple[float, ...]
    """Of each block."""
    r2: Mapping[str, float]
    """Of each finger, over all blocks, against its mean."""

    @property
    def mean_deg(self) -> float:
        return float(np.mean(self.mae_deg))


@dataclass(frozen=True, slots=True)
class Table:
    """The session on a regular grid."""

    features: Float32Array
    """(n, 40)"""
    angles: Float32Array
    """(n, 5) degrees."""
    known: BoolArray
    """(n,) rows with a label near by."""


def table(emg_t: Float64Array, emg: Float32Array, angle_t: Float64Array, angles: Float32Array) -> Table:
    """Bring irregular samples and labels to 50 Hz: EMG held, labels interpolated.

    Args:
        emg_t: (n,) seconds.
        emg: (n, 8) in the device's unit.
        angle_t: (m,) seconds, on the same clock.
        angles: (m, 5) degrees.
    """
    grid = np.arange(max(emg_t[0], angle_t[0]), min(emg_t[-1], angle_t[-1]), 1.0 / RATE_HZ)
    held = emg[np.searchsorted(emg_t, grid, side="right") - 1]
    rows = np.log(bank(held, RATE_HZ, TIME_CONSTANTS_S).reshape(len(grid), -1) + 1.0)
    labels = np.stack([np.interp(grid, angle_t, angles[:, i]) for i in range(angles.shape[1])], axis=1)
    after = np.clip(np.searchsorted(angle_t, grid), 1, len(angle_t) - 1)
    distance = np.minimum(np.abs(angle_t[after] - grid), np.abs(grid - angle_t[after - 1]))
    return Table(rows.astype(np.float32), labels.astype(np.float32), distance < NEAR_S)


def blocks(n: int) -> list[tuple[BoolArray, BoolArray, BoolArray]]:
    """Of each block, (n,): rows to evaluate, rows to learn from (guarded), and rows of those to choose on."""
    edges = np.linspace(0, n, BLOCKS + 1).astype(int)
    block_of = np.searchsorted(edges, np.arange(n), side="right") - 1
    out = []
    for block in range(BLOCKS):
        evaluated = block_of == block
        learned = apart_from(evaluated)
        out.append((evaluated, learned, learned & np.isin(block_of, [(block + away) % BLOCKS for away in INNER])))
    return out


def apart_from(rows: BoolArray) -> BoolArray:
    """(n,) all rows but these and a guard on both sides of them."""
    return np.asarray(np.convolve(rows, np.ones(2 * _GUARD + 1), mode="same") < 0.5)


def evaluate_learner(data: Table, learner: str, fit: Fit) -> Result:
    """One learner on all ten blocks."""
    errors, truth, predicted = [], [], []
    for evaluated, learned, inner in blocks(len(data.angles)):
        predict = fit(data.features, data.angles, learned & data.known, inner & data.known)
        first, last = np.flatnonzero(evaluated)[[0, -1]]
        start = max(0, first - _GUARD)
        rows = evaluated & data.known
        predicted.append(predict(data.features[start : last + 1])[rows[start : last + 1]])
        truth.append(data.angles[rows])
        errors.append(float(np.abs(predicted[-1] - truth[-1]).mean()))
    t, p = np.concatenate(truth), np.concatenate(predicted)
    share = ((t - p) ** 2).sum(axis=0) / ((t - t.mean(axis=0)) ** 2).sum(axis=0)
    return Result(learner, tuple(errors), {finger: float(1 - s) for finger, s in zip(FINGERS, share, strict=True)})


def constant(
    x: Float32Array, y: Float32Array, learned: BoolArray, inner: BoolArray
) -> Callable[[Float32Array], Float32Array]:
    """The mean of the rows (n, 5) in degrees that were learned from."""
    mean = y[learned].mean(axis=0)
    return lambda rows: np.broadcast_to(mean, (len(rows), len(mean)))


def ridge(
    x: Float32Array, y: Float32Array, learned: BoolArray, inner: BoolArray
) -> Callable[[Float32Array], Float32Array]:
    """Linear least squares from features (n, 40) to angles (n, 5) in degrees."""
    from sklearn.linear_model import RidgeCV

    return _sklearn(RidgeCV(np.logspace(-1, 4, 6)), x[learned], y[learned])


def extra_trees(
    x: Float32Array, y: Float32Array, learned: BoolArray, inner: BoolArray
) -> Callable[[Float32Array], Float32Array]:
    """100 extremely randomised trees from features (n, 40) to angles (n, 5) in degrees."""
    from sklearn.ensemble import ExtraTreesRegressor

    model = ExtraTreesRegressor(100, min_samples_leaf=4, max_features=0.3, random_state=0)
    return _sklearn(model, x[learned][::3], y[learned][::3])


def network(
    x: Float32Array, y: Float32Array, learned: BoolArray, inner: BoolArray
) -> Callable[[Float32Array], Float32Array]:
    """A network from features (n, 40) to angles (n, 5) in degrees.

    Its number of epochs is chosen on the inner blocks.
    """
    history = _train(x, y, learned & apart_from(inner), MOST_EPOCHS, inner)[1]
    return _train(x, y, learned, int(np.argmin(history)) + 1, None)[0]


def _train(
    x: Float32Array, y: Float32Array, rows: BoolArray, epochs: int, validate_on: BoolArray | None
) -> tuple[Callable[[Float32Array], Float32Array], Sequence[float]]:
    import keras

    keras.utils.set_random_seed(0)
    centre, spread, mean, scale = x[rows].mean(axis=0), x[rows].std(axis=0), y[rows].mean(axis=0), y[rows].std(axis=0)
    scaled, target = (x - centre) / spread, np.tile((y - mean) / scale, GROUPS)
    inputs = keras.Input((None, x.shape[1]))
    groups = [_branches(keras.layers.GaussianNoise(NOISE)(inputs), y.shape[1]) for _ in range(GROUPS)]
    apart = keras.Model(inputs, keras.layers.Concatenate()(groups))
    together = keras.Model(inputs, keras.layers.Average()(groups))
    apart.compile(optimizer=keras.optimizers.AdamW(2e-3, weight_decay=1e-3), loss=keras.losses.Huber(HUBER))
    runs = _runs(scaled, target, rows)
    kept, validation = [], None
    if validate_on is not None:
        kept = [keras.callbacks.EarlyStopping(patience=PATIENCE)]
        validation = _runs(scaled, target, validate_on, overlap=1)
    history = apart.fit(
        *runs[:2],
        sample_weight=runs[2],
        batch_size=16,
        epochs=epochs,
        verbose=0,
        validation_data=validation,
        callbacks=kept,
    )

    def predict(part: Float32Array) -> Float32Array:
        predicted = np.asarray(together(((part - centre) / spread)[np.newaxis], training=False))[0]
        return np.asarray(predicted * scale + mean, np.float32)

    return predict, history.history.get("val_loss", [])


def _runs(
    x: Float32Array, y: Float32Array, rows: BoolArray, overlap: int = 2
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """(k, RUN, ...) inputs, targets and weights: runs that begin every RUN / overlap rows and hold a row to learn."""
    starts = [s for s in range(0, len(x) - RUN + 1, RUN // overlap) if rows[s : s + RUN].any()]
    cut = [slice(s, s + RUN) for s in starts]
    weight = np.stack([rows[part] for part in cut]).astype(np.float32)
    return np.stack([x[part] for part in cut]), np.stack([y[part] for part in cut]), weight


def _branches(x: Any, outputs: int) -> Any:
    """The mean of a dense and a recurrent branch, whose errors differ."""
    from keras import layers

    dense = x
    for _ in range(2):
        dense = layers.Dropout(DROPOUT)(layers.Dense(64, activation="silu")(dense))
    recurrent = layers.Dropout(DROPOUT)(layers.GRU(40, return_sequences=True)(x))
    return layers.Average()([layers.Dense(outputs)(branch) for branch in (dense, recurrent)])


def _sklearn(model: Any, x: Float32Array, y: Float32Array) -> Callable[[Float32Array], Float32Array]:
    model.fit(x, y)
    return lambda rows: np.asarray(model.predict(rows), np.float32)


LEARNERS: Final[dict[str, Fit]] = {
    "constant mean": constant,
    "ridge": ridge,
    "extra trees": extra_trees,
    "network": network,
}


def markdown(results: Sequence[Result]) -> str:
    """The table: every block, the mean, and R² by finger."""
    head = ["learner", *(f"block {i + 1}" for i in range(BLOCKS)), "MAE deg", *(f"R² {finger}" for finger in FINGERS)]
    rows = [
        [one.learner, *(f"{e:.1f}" for e in one.mae_deg), f"{one.mean_deg:.2f}", *(f"{v:.2f}" for v in one.r2.values())]
        for one in results
    ]
    return "\n".join(tables.markdown(head, rows)) + "\n"
