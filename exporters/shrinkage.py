"""Keep what a streaming model tells of a stranger near its mean, as far as it has been wrong about strangers.

Trained for the smallest distance, a network chooses between poses that it cannot tell apart, and waves about where it
knows nothing. How much of each angle's movement holds for people whom it has not seen is the slope of a regression of
the true angle on the told one: by that the movement is shortened, and it is centred on the means. Only the layer that
gives the angles changes; what is before it (features, confidence, room for a person) and the form of the graph stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from exporters.errors import ExportError
from models.alignment import rolls
from models.architectures.base import OUTPUT_LAYERS
from models.arrays import Float32Array, Float64Array
from models.forward.generator import session
from models.kinematics import ANGLES as ANGLE_NAMES
from models.kinematics import ROM, angles
from models.onnx_edit import read_initializers, rewrite
from models.onnx_file import ALIGNMENT, ANGLES, FEATURES
from models.onnx_runner import OnnxRunner, open_session
from models.spec import ModelSpec

SHARE: Final = 0.6
"""Of the way from the angles as they were to those of the regression. All of it is best for angles; the distance of the
points, which is least at the median and not at the mean, then grows."""
SECONDS: Final = 60.0
SKIPPED_S: Final = 1.0
TURN: Final = 1.0
"""Channels by which the band is turned at most in the second half of what the layer is fitted on."""
MARGIN: Final = 0.01
"""Share of its range that an angle stays away from its ends, where the logistic function is flat."""
STEPS: Final = 4
"""Of Gauss and Newton."""
PULL: Final = 1.0
"""Rows by which weights are pulled towards those that were."""
_SEED: Final = 1
_LABEL_HZ: Final = 50.0


@dataclass(frozen=True, slots=True)
class Regression:
    """Of true angles on told ones, each angle by itself."""

    slope: Float64Array
    """(20,)"""
    told: Float64Array
    """(20,) mean, radians."""
    true: Float64Array
    """(20,) mean, radians."""

    @classmethod
    def of(cls, told: Float32Array, true: Float32Array) -> Regression:
        """Of (n, 20) angles each, radians."""
        x, y = told.astype(np.float64), true.astype(np.float64)
        mean_x, mean_y = x.mean(axis=0), y.mean(axis=0)
        x, y = x - mean_x, y - mean_y
        return cls((x * y).sum(axis=0) / np.maximum((x * x).sum(axis=0), 1e-9), mean_x, mean_y)

    def shrunk(self, told: Float32Array, share: float) -> Float64Array:
        """(n, 20) angles, moved that share of the way to what the regression tells."""
        found = self.true + self.slope * (told - self.told)
        return np.asarray((1.0 - share) * told + share * found, np.float64)


def shrink_angles(content: bytes, spec: ModelSpec, users: Sequence[int], share: float = SHARE) -> bytes:
    """A copy of a streaming model file with another layer of angles.

    Args:
        content: of `myocast export`, not fitted to a person.
        spec: its specification, which stays.
        users: synthetic people (seed 1) whom the network was not trained on.
        share: 0 changes nothing, 1 gives what the regression tells.

    Raises:
        ExportError: it has no layer of angles that is known.
    """
    values = read_initializers(content)
    kernel, bias = (_layer(values, part) for part in ("Cast", "BiasAdd"))
    worn = values[ALIGNMENT]
    seen = [_run(content, spec, worn, user) for user in users]
    told, true = (np.concatenate([rows[i] for rows in seen]) for i in (1, 2))
    regression = Regression.of(told, true)
    turned = [
        _run(content, spec, worn @ turn, user, features_only=True)
        for user, turn in zip(users, _turns(users), strict=True)
    ]
    hidden = np.concatenate([_hidden(rows[0], len(values[kernel])) for rows in (*seen, *turned)])
    before = np.concatenate([rows[1] for rows in (*seen, *turned)])
    layer = _fitted(hidden, before, regression.shrunk(before, share), values[kernel], values[bias])
    return rewrite(content, {kernel: layer[:-1], bias: layer[-1]}, spec)


def _layer(values: dict[str, Float32Array], part: str) -> str:
    """Name of the kernel (`Cast`) or bias (`BiasAdd`) of the layer of angles."""
    found = [name for name in values if f"{OUTPUT_LAYERS}angles" in name and f"/{part}/" in name]
    if len(found) != 1:
        raise ExportError("the graph has no layer of angles with weights as floats; export the network again")
    return found[0]


def _turns(users: Sequence[int]) -> Float32Array:
    """(n, 8, 8) a matrix for each of the people."""
    return rolls(np.random.default_rng(_SEED).uniform(-TURN, TURN, len(users)))


def _run(
    content: bytes, spec: ModelSpec, matrix: Float32Array, user: int, *, features_only: bool = False
) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Features, told angles and true angles of a person, 50 a second."""
    made = session(user, 0, SECONDS, seed=_SEED, rate_hz=spec.rate_hz, emg_mode=spec.emg_mode, losses=False)
    every = round(spec.rate_hz / _LABEL_HZ)
    runner = OnnxRunner(open_session(content, {ALIGNMENT: matrix}))
    features, told = runner.step_outputs(made.emg[None], (FEATURES, ANGLES))
    rows = slice(round(SKIPPED_S * spec.rate_hz) + every - 1, None, every)
    true = told[0, rows]
    if not features_only:
        joints = made.joints_at(made.t[rows])
        if joints is None:
            raise ExportError("the generator told no poses")
        true = angles(joints.reshape(-1, 21, 3))
    return features[0, rows], told[0, rows], true


def _hidden(features: Float32Array, width: int) -> Float32Array:
    """(n, width) what the layer of angles reads: the mean of the branches that stand side by side in the features."""
    return np.asarray(features.reshape(len(features), -1, width).mean(axis=1), np.float32)


def _fitted(
    hidden: Float32Array, before: Float32Array, wanted: Float64Array, kernel: Float32Array, bias: Float32Array
) -> Float32Array:
    """The layer (w + 1, 20), bias last, that gives wanted angles (n, 20) from what it reads (n, w)."""
    low, span = ROM[:, 0].astype(np.float64), (ROM[:, 1] - ROM[:, 0]).astype(np.float64)
    x = np.column_stack([hidden, np.ones(len(hidden))]).astype(np.float64)
    layer = np.vstack([kernel, bias]).astype(np.float64)
    share = np.clip((before - low) / span, 1e-4, 1.0 - 1e-4)
    # The graph adds the logit of the mean angles behind the layer.
    offset = np.median(np.log(share / (1.0 - share)) - x @ layer, axis=0)
    target = np.clip((wanted - low) / span, MARGIN, 1.0 - MARGIN)
    pull = PULL * np.append(np.ones(len(layer) - 1), 1e-6)
    start = layer.copy()
    for _ in range(STEPS):
        told = 1.0 / (1.0 + np.exp(-(x @ layer + offset)))
        slope = np.maximum(told * (1.0 - told), 1e-4)
        left = span * (target - told)
        for angle in range(len(ANGLE_NAMES)):
            weighted = x * (span[angle] * slope[:, angle])[:, None]
            sums = weighted.T @ weighted
            scale = pull * np.trace(sums) / len(x)
            towards = weighted.T @ left[:, angle] + scale * (start[:, angle] - layer[:, angle])
            layer[:, angle] += np.linalg.solve(sums + np.diag(scale), towards)
    return layer.astype(np.float32)
