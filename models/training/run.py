"""One training from segments to a saved network: split, constants, build, pretrain, train, evaluate."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.alignment import Template
from models.architectures.base import STEP_HZ, Built, Network, NetworkConfig, Scaling
from models.arrays import Float32Array
from models.data.batches import Averages, Batches, Sequences, Windows, scaling
from models.data.features import bank
from models.data.segments import DataError, Segment, aim_ahead
from models.data.splits import Split
from models.filter_config import DEFAULT_FILTER
from models.hand import VALUES
from models.kinematics import angles, measure
from models.metrics.baselines import mean_pose
from models.metrics.pose_error import EvaluatedSegment, by_user, over_users
from models.metrics.predict import from_keras, predict_segments
from models.metrics.smoothness import MOST_JERK, recommendation, smoothed
from models.training.config import Outcome, Progress, TrainingConfig
from models.training.network_file import Card, load_weights, save
from models.training.trainer import Trainer, seed_everything

HOP_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Start:
    """A trained network that a training begins with."""

    name: str
    """For people and for the metadata."""
    scaling: Scaling
    """Its constants: its weights are worth nothing without them."""
    weights: Sequence[Float32Array]
    """Of its core, in Keras' order."""


@dataclass(slots=True)
class Run:
    """One training; `finish` may be called whenever there is a best network."""

    network: Network
    config: NetworkConfig
    split: Split
    training: TrainingConfig
    out: Path
    folder: Path | None = None
    trained_on: tuple[str, ...] = ()
    built: Built = field(init=False)
    trainer: Trainer = field(init=False)
    pretrained: dict[str, float] = field(default_factory=dict)
    template: Template | None = None
    """Of the people trained on, for the model file."""
    start: Start | None = None
    """What it begins with; None = random weights."""

    def prepare(self, *, resume: bool = False) -> int:
        """Build everything. Returns the epochs that a checkpoint already has."""
        seed_everything(self.training.seed)
        constants = self._constants()
        self.config = replace(self.config, scaling=constants)
        self.built = self.network.assemble(self.config)
        if self.start is not None:
            self.built.core.set_weights(self.start.weights)
        steps = round(self.training.ahead_ms / 1000.0 * STEP_HZ)
        train, validation = (
            batches(self.network, self.built, [aim_ahead(segment, steps) for segment in part], self.config)
            for part in (self.split.train, self.split.held_out)
        )
        self.trainer = Trainer(self.built, train, validation, self.training, self.folder)
        self.training = self.trainer.config
        done = self._resume() if resume else 0
        if not done and self.start is None and self.network.pretrain is not None:
            self.pretrained = self.network.pretrain(
                self.built, scaled_poses(self.split.train, constants), self.training.seed
            )
        return done

    def _constants(self) -> Scaling:
        """Of the training part; what the weights of a start go with is the start's."""
        own = constants_of(self.split.train, self.config)
        if self.start is None:
            return own
        known = self.start.scaling
        return replace(own, floor=known.floor, mean=known.mean, std=known.std, angle_mean=known.angle_mean)

    def check_held_out(self) -> None:
        """Refuse a split that leaves nothing to evaluate on.

        Raises:
            DataError: the held-out parts are too short.
        """
        skip = self._skip()
        if not any(segment.weight[skip:].any() for segment in self.split.held_out):
            raise DataError(
                f"too little is held out to measure by: nothing beyond the first {skip / STEP_HZ:.2f} s of each part; "
                "give longer sessions, or a larger --held-out"
            )

    def _skip(self) -> int:
        """Steps at the start of each segment that are not evaluated."""
        return max(self.network.steps - 1, round(STEP_HZ))

    def _resume(self) -> int:
        """Go on from the checkpoint; the best network so far is the one on disk."""
        done = self.trainer.resume()
        if done:
            newest = self.built.body.get_weights()
            load_weights(self.out, self.built, self.network.name)
            self.trainer.set_kept(self.built.body.get_weights())
            self.built.body.set_weights(newest)
        return done

    def train(self, progress: Progress) -> Outcome:
        """Run the training; the best network so far is always on disk."""
        progress.on_kept = lambda: save(self.out, self.built, self.card())
        return self.trainer.run(progress, judge_start=self.start is not None)

    def card(self, validation: dict[str, Any] | None = None) -> Card:
        return Card(
            architecture=self.network.name,
            config=self.config,
            hop=round(HOP_S * self.config.rate_hz),
            trained_on=self.trained_on,
            validation=validation or {},
            seed=self.training.seed,
            ahead_ms=self.training.ahead_ms,
        )

    def finish(self, test: Sequence[Segment], label: str) -> dict[str, Any]:
        """Evaluate the best network and save it with its figures.

        Args:
            test: segments that chose nothing; empty = the held-out part, which chose when to stop.
            label: what the split is, for the metadata.
        """
        runs = self._predict(test or self.split.held_out)
        figures = over_users(by_user(runs, self.mean_pose()))
        validation: dict[str, Any] = {
            **{
                key: round(figures[key], 3)
                for key in ("mpjpe_mm", "rmse_mm", "mean_pose_mpjpe_mm", "mpjpe_mm_sd", "r2", "users")
                if key in figures
            },
            "worse_than_still_hand": figures["mpjpe_mm"] >= figures["mean_pose_mpjpe_mm"],
            "split": label,
            **output_stage(runs),
            **self.constants(),
        }
        save(self.out, self.built, self.card(validation))
        return figures

    def constants(self) -> dict[str, Any]:
        """Training data for a model file's metadata: the mean pose, what it began with, and the template of bands."""
        found: dict[str, Any] = {"mean_pose": [round(float(v), 2) for v in self.mean_pose()]}
        if self.start is not None:
            found["began_with"] = self.start.name
        if self.template is not None:
            found["template"] = {cue: [round(v, 3) for v in level] for cue, level in self.template.levels.items()}
        return found

    def evaluate(self, segments: Sequence[Segment]) -> dict[str, float]:
        """Figures over users."""
        return over_users(by_user(self._predict(segments), self.mean_pose()))

    def _predict(self, segments: Sequence[Segment]) -> list[EvaluatedSegment]:
        return list(predict_segments(from_keras(self.built, self.config), segments, self._skip()))

    def mean_pose(self) -> Float32Array:
        """(63,) the constant hand to beat: the mean of the measured poses of the training part."""
        measured = [segment for segment in self.split.train if not segment.canonical]
        return mean_pose(measured or self.split.train)


def output_stage(runs: Sequence[EvaluatedSegment]) -> dict[str, Any]:
    """What a model file says of its filter and its lag, as measured on runs.

    Returns:
        `lag_ms` of the network alone; and `smoothing`, where its own output trembles.
    """
    raw = smoothed(runs, None)
    if "lag_ms" not in raw:
        return {}
    if raw["jerk_ratio"] <= MOST_JERK:
        return {"lag_ms": round(raw["lag_ms"], 1)}
    smoothing, lag_ms = recommendation(DEFAULT_FILTER, raw, smoothed(runs, DEFAULT_FILTER))
    return {"smoothing": smoothing, "lag_ms": lag_ms}


def batches(network: Network, built: Built, segments: Sequence[Segment], config: NetworkConfig) -> Batches:
    """The data set that a network of this kind is trained on."""
    if network.kind == "window":
        return Windows(segments, network.steps, config)
    return Sequences([averages(segment, built, config) for segment in segments], network.run_steps, network.burn_in)


def averages(segment: Segment, built: Built, config: NetworkConfig) -> Averages:
    """A segment as running averages, at the network's own rate."""
    rows = bank(segment.emg, config.rate_hz, built.time_constants_s)
    if built.every == 1:
        rows = rows[config.decimation - 1 :: config.decimation]
    return Averages(
        rows.astype(np.float16), segment.pose, segment.weight, built.every, segment.canonical, segment.aligned
    )


def constants_of(segments: Sequence[Segment], config: NetworkConfig) -> Scaling:
    """Everything in the graph that comes from data: training segments only."""
    values = scaling(segments, raw=config.emg_mode != "envelope")
    some = np.concatenate([segment.pose[segment.weight > 0][::25] for segment in segments]).reshape(-1, 21, 3)
    return replace(
        values,
        angle_mean=tuple(float(v) for v in angles(some).mean(axis=0)),
        bones=tuple(float(v) for v in measure(some).mean(axis=0)),
    )


def scaled_poses(segments: Sequence[Segment], constants: Scaling) -> Float32Array:
    """(n, 63) in the scale of the networks' last layer."""
    poses = np.concatenate([segment.pose[segment.weight > 0] for segment in segments]).reshape(-1, VALUES)
    return np.asarray((poses - np.array(constants.pose_mean)) / constants.pose_std, np.float32)
