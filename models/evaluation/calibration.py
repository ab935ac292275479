"""How much a new user gains by giving labelled seconds: the last two layers are tuned on them.

The first seconds of a user's first session are his labelled ones. He is judged on the rest of that session,
from the longest calibration on (the same part for all of them), and on his other donnings where there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import tensorflow as tf

from models.architectures.base import STEP_HZ, Built, Network, NetworkConfig
from models.arrays import Float32Array
from models.data.augment import NONE
from models.data.segments import DataError, Segment
from models.data.splits import GUARD_S, cut
from models.metrics.baselines import mean_pose
from models.metrics.pose_error import EvaluatedSegment, mpjpe_by_user
from models.metrics.predict import SegmentPredictor, constant, from_keras, predict_segments
from models.training.losses import mpjpe
from models.training.run import batches
from models.training.trainer import envelopes, labelled, tensors

STEPS: Final = 150
WINDOWS: Final = 128
ROWS: Final = 1280
"""In a batch of windows, and of steps of a stream."""
RATE: Final = 2e-3


@dataclass(slots=True)
class Tuner:
    """Tunes the last layers of a network, and puts them back."""

    network: Network
    built: Built
    config: NetworkConfig
    seed: int = 0
    _variables: list[Any] = field(init=False)
    _start: list[Any] = field(init=False)
    _optimizer: Any = field(init=False)
    _fresh: list[Any] = field(init=False)
    _step: Callable[..., Any] = field(init=False)
    predict: SegmentPredictor = field(init=False)
    """With the weights as they are when it is called."""

    def __post_init__(self) -> None:
        import keras

        self._variables = last_variables(self.built.core, self.built.tail)
        self._start = [np.array(v) for v in self._variables]
        self._optimizer = keras.optimizers.Adam(RATE)
        self._optimizer.build(self._variables)
        self._fresh = [np.array(v) for v in self._optimizer.variables]
        self._step = _step(self.built, self._variables, self._optimizer)
        self.predict = from_keras(self.built, self.config)

    def tune(self, segments: Sequence[Segment]) -> None:
        """From the network as it was trained, on these seconds of one user."""
        self.reset()
        data = batches(self.network, self.built, segments, self.config)
        rng = np.random.default_rng(self.seed)
        size = WINDOWS if self.network.kind == "window" else max(1, ROWS // self.network.run_steps)
        for step in range(STEPS):
            self._optimizer.learning_rate.assign(RATE * 0.5 * (1.0 + np.cos(np.pi * step / STEPS)))
            batch = data.batch(data.draw(size, rng, None), NONE, rng)
            self._step(*tensors(batch))

    def reset(self) -> None:
        """The network as it was trained."""
        for variables, values in ((self._variables, self._start), (self._optimizer.variables, self._fresh)):
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)


def curve(
    tuner: Tuner,
    segments: Sequence[Segment],
    seconds: Sequence[float],
    mean: Float32Array | None,
    skip: int,
    note: Callable[[str], None] = lambda text: None,
) -> list[dict[str, float]]:
    """Errors after each number of labelled seconds, mean over users, same and other donning.

    Args:
        tuner: of the network.
        segments: of users that it was not trained on, with poses.
        seconds: ascending; 0 = as trained.
        mean: (63,) mean pose of the training data.
        skip: first steps of each segment that are not judged.
        note: hears of each finished user.

    Returns:
        Rows of `seconds`, `mpjpe_mm` and, where there is one, `other_mpjpe_mm`; beside them what a still hand
        gives on the same rows: `mean_pose_mpjpe_mm`, and the mean of the labelled seconds, `user_mean_mpjpe_mm`,
        each also for the other donning (`other_…`).

    Raises:
        DataError: no user has a session longer than the longest calibration.
    """
    longest = round(max(seconds) * STEP_HZ)
    users = [user for user in dict.fromkeys(t.user for t in segments) if _first(segments, user, longest) is not None]
    if not users:
        raise DataError(
            f"no user has a run of more than {max(seconds) + GUARD_S:g} s with poses and without a gap; "
            "give longer sessions or fewer seconds to --calibrate"
        )
    found: dict[tuple[float, str], list[EvaluatedSegment]] = {}
    for user in users:
        first = _first(segments, user, longest)
        assert first is not None
        others = [t for t in segments if t.user == user and t.session != first.session and t.weight.any()]
        for number in seconds:
            labelled = cut(first, 0, round(number * STEP_HZ))
            for name, predictor in _predictors(tuner, labelled, mean).items():
                same = list(predict_segments(predictor, [first], longest + round(GUARD_S * STEP_HZ)))
                found.setdefault((number, name), []).extend(same)
                found.setdefault((number, f"other_{name}"), []).extend(predict_segments(predictor, others, skip))
        tuner.reset()
        note(user)
    return [_row(number, {name: runs for (n, name), runs in found.items() if n == number}) for number in seconds]


def last_variables(core: Any, count: int) -> list[Any]:
    """Trainable variables of the last layers that have any."""
    layers = [layer for layer in core.layers if layer.trainable_variables]
    return [variable for layer in layers[-count:] for variable in layer.trainable_variables]


def _first(segments: Sequence[Segment], user: str, longest: int) -> Segment | None:
    """The first long enough run of a user, in the order of sessions."""
    enough = longest + round(GUARD_S * STEP_HZ)
    return next((t for t in segments if t.user == user and t.steps > enough and t.weight[enough:].any()), None)


def _predictors(tuner: Tuner, labelled: Segment, mean: Float32Array | None) -> dict[str, SegmentPredictor]:
    made: dict[str, SegmentPredictor] = {}
    if labelled.steps:
        tuner.tune([labelled])
        made["user_mean_mpjpe_mm"] = constant(mean_pose([labelled]))
    else:
        tuner.reset()
    if mean is not None:
        made["mean_pose_mpjpe_mm"] = constant(mean)
    return made | {"mpjpe_mm": tuner.predict}


def _row(seconds: float, found: Mapping[str, Sequence[EvaluatedSegment]]) -> dict[str, float]:
    errors = {name: list(mpjpe_by_user(runs).values()) for name, runs in found.items()}
    row = {name: float(np.mean(values)) for name, values in errors.items() if values}
    return {"seconds": float(seconds), "users": len(errors["mpjpe_mm"]), **row}


def _step(built: Built, variables: Sequence[Any], optimizer: Any) -> Callable[..., Any]:
    @tf.function(reduce_retracing=True)  # type: ignore[untyped-decorator]
    def step(emg: Any, mix: Any, pose: Any, weight: Any, asked: Any) -> None:
        with tf.GradientTape() as tape:
            guess = labelled(built, built.body(envelopes(built, emg, mix), training=False))
            loss = mpjpe(pose, guess, weight, asked)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    return step  # type: ignore[no-any-return]
