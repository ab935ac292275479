"""Layers of one person on the frozen hidden layers of a shipped network: a small GRU, trained on the person's labels.

It gives what the labels leave of the shipped angles, as the closed form does (`models.personal`), but it looks back,
and it is not linear. `exporters.personal_layers` puts it into a model file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from models.arrays import Float32Array
from models.kinematics import ANGLES, ROM

WIDTH: Final = 64
"""Units of the dense layer before the GRU."""
UNITS: Final = 48
DROPOUT: Final = 0.35
NETWORKS: Final = 3
"""Networks of such layers, each from other random weights, whose mean is taken."""
RUN_S: Final = 2.56
"""Seconds of a training run; each begins with a state of zero."""
WARM_UP_S: Final = 2.0
"""Seconds before what is predicted, so that the state has settled."""
BATCH: Final = 16
RATE: Final = 2e-3
HUBER: Final = 0.2
"""Radians (11 degrees): from there on errors count linearly."""
MAX_EPOCHS: Final = 24
LEAST_STEPS: Final = 10
"""Batches of an epoch: with little data it is gone over several times."""
PATIENCE: Final = 8
"""Epochs without improvement before it stops."""


@dataclass(frozen=True, slots=True)
class LabelledRun:
    """Consecutive rows of a session, and what its labels leave of the shipped angles."""

    x: Float32Array
    """(n, f) standardised features, at the model's own rate."""
    residual: Float32Array
    """(n, 20) label minus shipped angle, radians; NaN where there is no label."""
    shipped: Float32Array
    """(n, 20) the network's angles, radians."""
    learned: int
    """Rows from the start that are learned from; the rest is held back."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """A training that ended."""

    model: keras.Model
    """(batch, n, f) standardised features -> (batch, n, 20) radians to add to the shipped angles."""
    epochs: int
    """Epochs that the weights were trained for."""


def build(features: int, networks: int = 1) -> keras.Model:
    """The layers of one or several networks, which begin as zero: (batch, n, features) -> (batch, n, 20)."""
    x = keras.Input((None, features), name="x")
    hidden = layers.Dropout(DROPOUT)(layers.Dense(networks * WIDTH, activation="silu", name="dense")(x))
    hidden = layers.Dropout(DROPOUT)(layers.GRU(networks * UNITS, return_sequences=True, name="gru")(hidden))
    return keras.Model(x, layers.Dense(len(ANGLES), kernel_initializer="zeros", name="angles")(hidden), name="personal")


def side_by_side(features: int, networks: int) -> keras.Model:
    """Networks that are trained together and know nothing of each other: (batch, n, f) -> (batch, n, networks, 20).

    One wide network without the weights between its parts takes hardly longer to train than a narrow one.
    """
    members = [build(features) for _ in range(networks)]
    dense, gru = ([member.get_layer(name).get_weights() for member in members] for name in ("dense", "gru"))
    kernel, recurrent = (_blocks([one[k].reshape(-1, 3, UNITS) for one in gru]) for k in (0, 1))
    # Each gate has its own columns; the two rows of a bias are of what comes in and of what comes back.
    bias = np.concatenate([one[2].reshape(2, 3, UNITS) for one in gru], axis=2).reshape(2, -1)
    apart = _blocks([np.ones((UNITS, 1, len(ANGLES)), np.float32)] * networks)
    x = keras.Input((None, features), name="x")
    hidden = layers.Dropout(DROPOUT)(layers.Dense(networks * WIDTH, activation="silu", name="dense")(x))
    recurrence = layers.GRU(
        networks * UNITS,
        return_sequences=True,
        kernel_constraint=_Blocks(kernel),
        recurrent_constraint=_Blocks(recurrent),
        name="gru",
    )
    hidden = layers.Dropout(DROPOUT)(recurrence(hidden))
    out = layers.Dense(apart.shape[1], kernel_initializer="zeros", kernel_constraint=_Blocks(apart), name="angles")
    model = keras.Model(x, layers.Reshape((-1, networks, len(ANGLES)))(out(hidden)))
    model.get_layer("dense").set_weights([np.concatenate([one[k] for one in dense], axis=-1) for k in (0, 1)])
    model.get_layer("gru").set_weights([kernel, recurrent, bias])
    return model


def average(model: keras.Model) -> keras.Model:
    """Layers that give the mean of what networks side by side give."""
    networks = model.output_shape[-2]
    mean = build(model.input_shape[-1], networks)
    for name in ("dense", "gru"):
        mean.get_layer(name).set_weights(model.get_layer(name).get_weights())
    kernel, bias = (weight.reshape(-1, networks, len(ANGLES)) for weight in model.get_layer("angles").get_weights())
    mean.get_layer("angles").set_weights([kernel.mean(axis=1), bias[0].mean(axis=0)])
    return mean


class _Blocks(keras.constraints.Constraint):  # type: ignore[misc]
    """Keeps the weights between networks at zero."""

    def __init__(self, like: Float32Array) -> None:
        self._kept = (like != 0).astype(np.float32)

    def __call__(self, weights: tf.Tensor) -> tf.Tensor:
        return weights * self._kept


def _blocks(weights: Sequence[Float32Array]) -> Float32Array:
    """Weights (n, g, m) of g groups in each of k networks as one (k n, g k m), zero between networks."""
    k, (rows, groups, columns) = len(weights), weights[0].shape
    whole = np.zeros((k, rows, groups, k, columns), np.float32)
    for number, one in enumerate(weights):
        whole[number, :, :, number] = one
    return whole.reshape(k * rows, groups * k * columns)


def train(
    runs: Sequence[LabelledRun],
    rate_hz: float,
    *,
    epochs: int | None = None,
    seed: int = 0,
    note: Callable[[int, float], None] = lambda epoch, error: None,
) -> Outcome:
    """Train on the learned part of runs.

    Args:
        runs: at least one with labels.
        rate_hz: rows a second.
        epochs: exactly so many; None: until nothing improves on what is held back, and the best of them.
        seed: of weights, dropout and the cutting into pieces.
        note: called after each epoch with its number, from 1, and the error on what is held back in radians (NaN with
            `epochs`).
    """
    keras.utils.set_random_seed(seed)
    model = side_by_side(runs[0].x.shape[1], NETWORKS)
    total = MAX_EPOCHS if epochs is None else epochs
    length = round(RUN_S * rate_hz)
    rng = np.random.default_rng(seed)
    steps = sum(-(-run.learned // length) for run in runs) // BATCH + 1
    repeats = -(-LEAST_STEPS // steps)
    rate = keras.optimizers.schedules.CosineDecay(RATE, total * repeats * steps)
    optimizer = keras.optimizers.Adam(rate, clipnorm=1.0)
    step = _step(model, optimizer)
    best, best_weights, best_epoch = np.inf, model.get_weights(), 0
    for epoch in range(1, total + 1):
        for _ in range(repeats):
            for x, residual in _batches(runs, length, rng):
                step(x, residual)
        error = np.nan if epochs is not None else error_of(runs, [predict(model, run, rate_hz) for run in runs])
        note(epoch, error)
        if epochs is not None or error < best:
            best, best_weights, best_epoch = error, model.get_weights(), epoch
        elif epoch - best_epoch >= PATIENCE:
            break
    model.set_weights(best_weights)
    return Outcome(average(model), best_epoch)


def _step(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> Callable[[Float32Array, Float32Array], object]:
    def step(x: tf.Tensor, residual: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            loss = _huber(residual[:, :, None] - model(x, training=True))
        optimizer.apply_gradients(
            zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables, strict=True)
        )
        return loss

    return tf.function(step, reduce_retracing=True)  # type: ignore[no-any-return]


def _huber(apart: tf.Tensor) -> tf.Tensor:
    """Mean Huber loss over what is a number."""
    known = tf.math.is_finite(apart)
    size = tf.abs(tf.where(known, apart, 0.0))
    loss = tf.where(size < HUBER, 0.5 * size**2, HUBER * (size - 0.5 * HUBER))
    return tf.reduce_sum(loss) / tf.maximum(tf.reduce_sum(tf.cast(known, tf.float32)), 1.0)


def _batches(
    runs: Sequence[LabelledRun], length: int, rng: np.random.Generator
) -> Iterator[tuple[Float32Array, Float32Array]]:
    """Pieces of one length that cover all runs once, cut elsewhere each time; NaN where a piece has no rows."""
    starts = [
        (number, start)
        for number, run in enumerate(runs)
        for start in range(-int(rng.integers(length)), run.learned, length)
    ]
    order = rng.permutation(len(starts))
    # Every batch has the same size, so that nothing is traced again.
    order = np.resize(order, -(-len(order) // BATCH) * BATCH)
    for chosen in order.reshape(-1, BATCH):
        pieces = [_piece(runs[starts[k][0]], starts[k][1], length) for k in chosen]
        yield np.stack([x for x, _ in pieces]), np.stack([residual for _, residual in pieces])


def _piece(run: LabelledRun, start: int, length: int) -> tuple[Float32Array, Float32Array]:
    first, last = max(start, 0), min(start + length, run.learned)
    x, residual = np.zeros((length, run.x.shape[1]), np.float32), np.full((length, len(ANGLES)), np.nan, np.float32)
    x[: last - first], residual[: last - first] = run.x[first:last], run.residual[first:last]
    return x, residual


def predict(model: keras.Model, run: LabelledRun, rate_hz: float) -> Float32Array:
    """What the layers add in the part of a run that is held back: (n - learned, 20) radians.

    It is cut into pieces that are run side by side, each after some seconds before it.
    """
    length, before = round(RUN_S * rate_hz), round(WARM_UP_S * rate_hz)
    starts = range(run.learned, len(run.x), length)
    if not starts:
        return np.zeros((0, len(ANGLES)), np.float32)
    x = np.zeros((len(starts), before + length, run.x.shape[1]), np.float32)
    for row, start in enumerate(starts):
        first = max(start - before, 0)
        piece = run.x[first : start + length]
        x[row, before - (start - first) :][: len(piece)] = piece
    found = _mean(_forward(model)(x))[:, before:]
    return np.asarray(found.reshape(-1, len(ANGLES))[: len(run.x) - run.learned], np.float32)


def run_layers(model: keras.Model, x: Float32Array) -> Float32Array:
    """What the layers add in a run from its start: (n, f) standardised features -> (n, 20) radians."""
    return np.asarray(_mean(_forward(model)(x[None]))[0], np.float32)


def _mean(found: tf.Tensor) -> Float32Array:
    """(b, n, 20) of one network, or the mean of several."""
    values = np.asarray(found, np.float32)
    return values if values.ndim == 3 else np.asarray(values.mean(axis=2), np.float32)


def _forward(model: keras.Model) -> Callable[[Float32Array], tf.Tensor]:
    forward = getattr(model, "_compiled_forward", None)
    if forward is None:
        forward = tf.function(lambda x: model(x, training=False), reduce_retracing=True)
        model._compiled_forward = forward
    return forward  # type: ignore[no-any-return]


def error_of(runs: Sequence[LabelledRun], added: Sequence[Float32Array]) -> float:
    """Mean absolute error in radians, on what is held back, of shipped angles plus `added` in the joints' ranges."""
    total, count = 0.0, 0
    for run, more in zip(runs, added, strict=True):
        shipped = run.shipped[run.learned :]
        apart = np.clip(shipped + more, ROM[:, 0], ROM[:, 1]) - (shipped + run.residual[run.learned :])
        known = np.isfinite(apart)
        total, count = total + float(np.abs(apart[known]).sum()), count + int(known.sum())
    return total / max(count, 1)
