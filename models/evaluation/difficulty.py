"""How hard the generator is to invert: `python -m models.evaluation.difficulty` prints the tables of its README.

Simple learners on causal features (running averages of the rectified EMG at six time constants) and a plain
LSTM 96-96 on the armband's envelopes, split as networks are evaluated: by block, by donning, by user, by user with
the band turned, and on users of the other generator. Needs scikit-learn and Keras.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from models.arrays import BoolArray, Float32Array, Float64Array
from models.forward.generator import FIRST_UNSEEN_USER, LABEL_HZ, session
from models.forward.variants import VARIANTS
from models.hand import VALUES
from models.metrics.pose_error import mpjpe, r2
from models.recording import Recording
from models.tables import markdown

TIME_CONSTANTS_S: Final = (0.06, 0.3, 1.0, 4.0, 12.0, 25.0)
WARM_UP_S: Final = 5.0
TURN_CHANNELS: Final = 2.0
UNITS: Final = 96
RUN: Final = 250
"""Rows of a training run of the LSTM (5 s)."""
EPOCHS: Final = 40

Data = tuple[Float32Array, Float32Array]
Predict = Callable[[Float32Array], Float64Array]


@dataclass(frozen=True, slots=True)
class Row:
    """One learner on one split."""

    learner: str
    split: str
    mpjpe_mm: float
    r2: float


def features(recording: Recording, stride: int = 10) -> Data:
    """Causal features and targets of one recording.

    Args:
        recording: raw EMG with ground truth.
        stride: one row for every so many labels.

    Returns:
        (m, 8 x 6) logarithms of running averages, and (m, 63) joints in mm.
    """
    labels_t, joints = recording.label_t, recording.joints
    if labels_t is None or joints is None:
        raise ValueError("difficulty needs recordings with ground truth")
    level = np.abs(recording.emg).astype(np.float64)
    row = np.searchsorted(recording.t, labels_t, side="right") - 1
    columns = [_running(level, seconds * recording.rate_hz)[row] for seconds in TIME_CONSTANTS_S]
    use = np.flatnonzero(labels_t >= WARM_UP_S)[::stride]
    return np.log1p(np.concatenate(columns, axis=1))[use].astype(np.float32), joints[use]


def _running(x: Float64Array, samples: float) -> Float64Array:
    """Exponential running average of (n, c), by doubling: exact, without a loop over samples."""
    keep = np.exp(-1.0 / samples)
    y, reach = (1.0 - keep) * x, 1
    while reach < len(y) and keep**reach > 1e-9:
        y[reach:] += keep**reach * y[:-reach].copy()
        reach *= 2
    return np.asarray(y)


def learners(x: Float32Array, y: Float32Array) -> Iterator[tuple[str, Predict]]:
    """The mean pose, ridge regression and extra-trees, fitted to features (m, 48) and joints (m, 63) in mm."""
    from sklearn.ensemble import ExtraTreesRegressor
    from sklearn.linear_model import Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    mean = y.mean(axis=0)
    yield "mean pose", lambda new: np.repeat(mean[None].astype(np.float64), len(new), axis=0)
    yield "ridge", make_pipeline(StandardScaler(), Ridge(100.0)).fit(x, y).predict
    trees = ExtraTreesRegressor(120, min_samples_leaf=4, max_features=0.5, n_jobs=-1, random_state=0)
    yield "extra-trees", trees.fit(x, y).predict


def generic(users: int, seconds: float, variant: str, seed: int = 0) -> Iterator[Row]:
    """Learners of many users (two donnings each): what is left of them on each split."""
    last = 0.8 * seconds
    other = next(name for name in VARIANTS if name != variant)

    def of(
        who: Sequence[int],
        sessions: Sequence[int],
        keep: Callable[[Float64Array], BoolArray] | None = None,
        turn: float = 0.0,
        made_by: str = variant,
    ) -> Data:
        parts = []
        for user in who:
            for number in sessions:
                made = session(user, number, seconds, seed=seed, variant=made_by, rotation_channels=turn)
                x, y = features(made)
                t = WARM_UP_S + np.arange(len(y)) * 10 / 50.0
                chosen = slice(None) if keep is None else np.flatnonzero(keep(t))
                parts.append((x[chosen], y[chosen]))
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    seen = range(users)
    unseen = range(FIRST_UNSEEN_USER, FIRST_UNSEEN_USER + users)
    train = of(seen, (0, 1), lambda t: t < last)
    tests = {
        "block": of(seen, (0, 1), lambda t: t > last + WARM_UP_S),
        "donning": of(seen, (2,)),
        "user": of(unseen, (0,)),
        f"user, band turned by {TURN_CHANNELS:g}": of(unseen, (0,), turn=TURN_CHANNELS),
        f"user of {other}": of(unseen, (0,), made_by=other),
    }
    yield from _evaluate(train, tests)


def personal(users: int, seconds: float, variant: str, seed: int = 0) -> Iterator[Row]:
    """Learners of one user and donning each, averaged over users: the ceiling, and the fall on another user."""
    rows: list[Row] = []
    for user in range(users):
        x, y = features(session(user, 0, seconds, seed=seed, variant=variant), stride=5)
        cut = int(0.8 * len(y))
        other = features(session(user + 1, 0, seconds / 4, seed=seed, variant=variant))
        guard = cut + round(WARM_UP_S * 10)
        rows += _evaluate((x[:cut], y[:cut]), {"own user, block": (x[guard:], y[guard:]), "another user": other})
    for learner, split in dict.fromkeys((row.learner, row.split) for row in rows):
        same = [row for row in rows if (row.learner, row.split) == (learner, split)]
        yield Row(
            learner, split, float(np.mean([row.mpjpe_mm for row in same])), float(np.mean([row.r2 for row in same]))
        )


def recurrent(users: int, seconds: float, variant: str, seed: int = 0, epochs: int = EPOCHS) -> Iterator[Row]:
    """A plain LSTM 96-96, sequence to sequence, of the same users and donnings: on other donnings and other users."""
    import keras
    from keras import layers, ops

    def of(who: Sequence[int], sessions: Sequence[int]) -> list[Data]:
        return [_envelope_run(user, number, seconds, seed, variant) for user in who for number in sessions]

    train = of(range(users), (0, 1))
    centre = np.concatenate([x for x, _ in train]).mean(axis=0)
    mean = np.concatenate([y for _, y in train]).mean(axis=0)
    x, y = (
        np.stack([run[i][at : at + RUN] for run in train for at in range(0, len(run[0]) - RUN + 1, RUN)])
        for i in range(2)
    )
    keras.utils.set_random_seed(seed)
    inputs = keras.Input((None, x.shape[-1]))
    h = layers.LSTM(UNITS, return_sequences=True)(inputs - centre)
    h = layers.LSTM(UNITS, return_sequences=True)(layers.Dropout(0.2)(h))
    outputs = layers.Rescaling(20.0, mean.tolist())(layers.Dense(VALUES)(layers.Dropout(0.2)(h)))
    model = keras.Model(inputs, outputs)

    def distance(truth: Any, pose: Any) -> Any:
        square = ops.square(ops.reshape(truth - pose, (-1, RUN, VALUES // 3, 3)))
        return ops.sqrt(ops.sum(square, axis=-1) + 1e-6)

    schedule = keras.optimizers.schedules.CosineDecay(2e-3, epochs * -(-len(x) // 32))
    model.compile(optimizer=keras.optimizers.Adam(schedule, clipnorm=1.0), loss=distance)
    model.fit(x, y, batch_size=32, epochs=epochs, verbose=0)
    unseen = range(FIRST_UNSEEN_USER, FIRST_UNSEEN_USER + users)
    for split, runs in (("donning", of(range(users), (2,))), ("user", of(unseen, (0,)))):
        start = round(WARM_UP_S * LABEL_HZ)
        predicted = np.concatenate([np.asarray(model(x[np.newaxis]))[0, start:] for x, _ in runs])
        truth = np.concatenate([y[start:] for _, y in runs])
        yield Row(f"LSTM {UNITS}-{UNITS}", split, mpjpe(truth, predicted), r2(truth, predicted))


def _envelope_run(user: int, number: int, seconds: float, seed: int, variant: str) -> Data:
    """(n, 8) logarithms of the 50 Hz mode's envelopes, and (n, 63) joints, mm."""
    made = session(user, number, seconds, seed=seed, variant=variant, emg_mode="envelope", losses=False)
    joints = made.joints_at(made.t)
    if joints is None:
        raise ValueError("difficulty needs recordings with ground truth")
    return np.log1p(made.emg), joints


def _evaluate(train: Data, tests: dict[str, Data]) -> Iterator[Row]:
    for name, predict in learners(*train):
        for split, (x, y) in tests.items():
            predicted = np.asarray(predict(x), np.float32)
            yield Row(name, split, mpjpe(y, predicted), r2(y, predicted))


def table(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table: a line per learner, MPJPE in mm and R2 per split."""
    splits = list(dict.fromkeys(row.split for row in rows))
    lines = []
    for name in dict.fromkeys(row.learner for row in rows):
        own = {row.split: f"{row.mpjpe_mm:.1f} ({row.r2:.2f})" for row in rows if row.learner == name}
        lines.append([name, *(own[split] for split in splits if split in own)])
    return "\n".join(markdown(["", *splits], lines))


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table for one generator."""
    parser = argparse.ArgumentParser(description="How hard the forward model is to invert (synthetic data).")
    parser.add_argument("--variant", default="A", choices=sorted(VARIANTS))
    parser.add_argument("--users", type=int, default=24)
    parser.add_argument("--seconds", type=float, default=120.0)
    parser.add_argument("--personal-users", type=int, default=3)
    parser.add_argument("--personal-seconds", type=float, default=1800.0)
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the LSTM")
    chosen = parser.parse_args(argv)
    rows = [*generic(chosen.users, chosen.seconds, chosen.variant)]
    own = [*personal(chosen.personal_users, chosen.personal_seconds, chosen.variant)]
    plain = [*recurrent(chosen.users, chosen.seconds, chosen.variant, epochs=chosen.epochs)]
    tables = "\n\n".join(table(part) for part in (rows, own, plain))
    sys.stdout.write(f"Generator {VARIANTS[chosen.variant].label}, MPJPE in mm (R2), synthetic\n\n{tables}\n")


if __name__ == "__main__":
    main()
