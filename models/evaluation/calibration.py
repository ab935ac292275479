"""How much a new user gains by giving labelled seconds: the last two layers are tuned on them.

The first seconds of a user's first session are the labelled ones. The network is evaluated on the rest of that session,
from the longest calibration on (the same part for all of them), and on the user's other donnings where there are any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import keras
import numpy as np

from models.architectures.base import STEP_HZ, Built, Network, NetworkConfig
from models.arrays import Float32Array
from models.data.augment import NONE
from models.data.batches import Batch
from models.data.segments import DataError, Segment
from models.data.splits import GUARD_S, cut
from models.metrics.baselines import mean_pose
from models.metrics.pose_error import EvaluatedSegment, mpjpe_by_user
from models.metrics.predict import SegmentPredictor, constant, from_keras, predict_segments
from models.training.pose_model import PoseModel, compiled, dataset
from models.training.run import batches

STEPS: Final = 150
WINDOWS: Final = 128
ROWS: Final = 1280
"""In a batch of windows, and of steps of a stream."""
RATE: Final = 2e-3


class Tuner:
    """Tunes the last layers of a network, and puts them back."""

    def __init__(self, network: Network, built: Built, config: NetworkConfig, seed: int = 0) -> None:
        self.predict = from_keras(built, config)
        """With the weights as they are when it is called."""
        self.built = built
        self._network, self._built, self._config, self._seed = network, built, config, seed
        for layer in layers_with_weights(built.core)[: -built.tail]:
            layer.trainable = False
        self._optimizer = keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(RATE, STEPS))
        self._model = compiled(PoseModel(built, "mpjpe", tuning=True), self._optimizer)
        self._variables = [*built.core.trainable_variables, *self._optimizer.variables]
        self._start = [np.array(variable) for variable in self._variables]

    def tune(self, segments: Sequence[Segment]) -> None:
        """From the network as it was trained, on these seconds of one user."""
        self.reset()
        data = batches(self._network, self._built, segments, self._config)
        size = WINDOWS if self._network.kind == "window" else max(1, ROWS // self._network.run_steps)

        def drawn() -> Iterator[Batch]:
            rng = np.random.default_rng(self._seed)
            while True:
                yield data.batch(data.draw(size, rng, None), NONE, rng)

        self._model.fit(dataset(drawn), steps_per_epoch=STEPS, verbose=0)

    def reset(self) -> None:
        """The network as it was trained."""
        for variable, value in zip(self._variables, self._start, strict=True):
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
        skip: first steps of each segment that are not evaluated.
        note: called with the name of each user who is done.

    Returns:
        Rows of `seconds`, `mpjpe_mm` and, where there is one, `other_mpjpe_mm`; beside them what a constant hand
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


def labelled(segments: Sequence[Segment], seconds: float) -> Segment:
    """The labelled seconds of the first user that `curve` tunes on.

    Raises:
        DataError: no session is that long.
    """
    longest = round(seconds * STEP_HZ)
    first = next(
        filter(None, (_first(segments, user, longest) for user in dict.fromkeys(t.user for t in segments))), None
    )
    if first is None:
        raise DataError(
            f"no run of more than {seconds + GUARD_S:g} s with poses and without a gap; give longer sessions"
        )
    return cut(first, 0, longest)


def layers_with_weights(core: keras.Model) -> list[keras.Layer]:
    """The layers that can be trained, in the order of the network."""
    return [layer for layer in core.layers if layer.trainable_variables]


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
