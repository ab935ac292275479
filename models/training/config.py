"""Configuration of a training, and the interface by which it reports progress. Imports no training library."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, TypeVar

from models.architectures.base import Network
from models.data.augment import Augmentation

FINE_RATE: Final = 0.25
"""Share of the usual learning rate, for a network that knows something already."""
FINE_ROLL: Final = 0.3
"""Channels by which the band is then turned at most: little data is of one donning or a few."""


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """How to train."""

    epochs: int = 40
    steps_per_epoch: int | None = None
    """Batches of an epoch; None = one pass over the data, and `most_steps` where that is less."""
    most_steps: int = 200
    least_steps: int = 320
    """Batches of the whole training at least, in more epochs, where the data are so little that an epoch has few."""
    batch: int = 128
    optimizer: str = "adamw"
    """Or `muon`, which takes half the steps where most weights are matrices."""
    learning_rate: float = 1e-3
    weight_decay: float = 1e-4
    clip: float = 1.0
    loss: str = "mpjpe"
    smooth: float = 0.0
    """Streams: weight of the error of the movement from one step to the next, beside the error of the pose."""
    ahead_ms: float = 0.0
    """What is learned is the pose so many ms after the newest sample (a multiple of 20): EMG comes before the movement,
    and what averages and a filter behind the network lag is made up for. Figures stay those of the pose of now."""
    canonical_share: float | None = None
    """Share of runs from sessions with class labels instead of poses; None = as many as there are."""
    patience: int = 10
    """Epochs without a better validation error before it stops."""
    keep_last: bool = False
    """Keep every network, so the last one, whatever its error: for folds whose few validation users would choose the
    best by chance."""
    seed: int = 0
    validation_batches: int = 40
    augmentation: Augmentation = field(default_factory=Augmentation)

    def for_data(self, examples: int) -> TrainingConfig:
        """The same with `steps_per_epoch` of a data set with so many examples: an epoch costs in proportion to it."""
        if self.steps_per_epoch is not None:
            return self
        steps = min(self.most_steps, max(1, math.ceil(examples / self.batch)))
        return replace(self, steps_per_epoch=steps, epochs=max(self.epochs, math.ceil(self.least_steps / steps)))

    @property
    def total_steps(self) -> int:
        """Batches of all epochs; call `for_data` before."""
        if self.steps_per_epoch is None:
            raise ValueError("how many batches an epoch has is not known before the data is")
        return self.epochs * self.steps_per_epoch


_STREAM: Final = TrainingConfig(
    epochs=20,
    most_steps=500,
    batch=8,
    optimizer="muon",
    learning_rate=2e-3,
    smooth=0.5,
    augmentation=Augmentation(roll=2.0),
)
_MANY: Final = replace(_STREAM, batch=320, augmentation=Augmentation(roll=1.0))
"""For streams whose memory is in their running averages alone: many runs of a few steps."""
_WINDOW: Final = TrainingConfig(epochs=15, most_steps=120, batch=256)
_IMAGES: Final = replace(_WINDOW, epochs=8)
"""For windows that are turned into images: an epoch takes as long as all epochs of the others together."""
DEFAULTS: Final = {
    "window": _WINDOW,
    "cnn_lstm": _IMAGES,
    "conv_lstm": _IMAGES,
    "stream": _STREAM,
    "stream_mlp": replace(_MANY, epochs=10),
    "stream_mlp_slow": _MANY,
}
"""By name where a network has a configuration of its own, else by kind."""


def default_training(network: Network) -> TrainingConfig:
    """The default configuration of a network. At the device's own rate each step sees four times the rows."""
    training = DEFAULTS.get(network.name, DEFAULTS[network.kind])
    return replace(training, most_steps=training.most_steps // 4) if network.native_rate else training


def fine_tuning(network: Network) -> TrainingConfig:
    """The same for a network that begins with the weights of one that ships."""
    usual = default_training(network)
    return replace(
        usual,
        learning_rate=FINE_RATE * usual.learning_rate,
        augmentation=replace(usual.augmentation, roll=min(usual.augmentation.roll, FINE_ROLL)),
    )


Config = TypeVar("Config", TrainingConfig, Augmentation)


def override(config: Config, **fields: Any) -> Config:
    """The same with other values; None keeps what is there. Epochs that are asked for count, however short they are."""
    given = {name: value for name, value in fields.items() if value is not None}
    if "epochs" in given:
        given["least_steps"] = 0
    return replace(config, **given)


@dataclass(frozen=True, slots=True)
class Epoch:
    """One line of the log."""

    epoch: int
    """From 1; 0 = the network that training began with."""
    loss: float
    mpjpe_mm: float
    """Validation, 20 points."""
    rmse_mm: float
    """Validation, per coordinate."""
    learning_rate: float
    seconds: float
    kept: bool
    """Its network was written into the file."""


@dataclass(slots=True)
class Progress:
    """What the outside may see and steer while training runs."""

    stop: Callable[[], bool] = lambda: False
    on_step: Callable[[int, int, float], None] = lambda step, total, loss: None
    on_epoch: Callable[[Epoch], None] = lambda epoch: None
    on_kept: Callable[[], None] = lambda: None
    """Writes the network into the file."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended; the network holds the best weights."""

    epochs: tuple[Epoch, ...]
    best_mpjpe_mm: float
    """Of the network that was kept."""
    best_rmse_mm: float
    stopped: bool
    """Asked to stop before the last epoch."""
