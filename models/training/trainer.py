"""Training with `keras.Model.fit`: schedule, early stopping, checkpoint, log; the best network is kept."""

from __future__ import annotations

import csv
import math
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Final

import keras
import numpy as np

from models.architectures.base import OUTPUT_LAYERS, Built
from models.arrays import Float32Array
from models.data.augment import NONE
from models.data.batches import Batch, Batches
from models.errors import MyocastError
from models.training.config import Epoch, Outcome, Progress, TrainingConfig
from models.training.pose_model import MPJPE, RMSE, PoseModel, compiled, dataset

WARM_UP_STEPS: Final = 100
"""At most; a tenth of a short training."""
XLA_STEPS: Final = 1000
"""Batches of a training from which on XLA pays: compiling takes ten seconds."""
LAST_RATE: Final = 0.02
"""Of the learning rate, at the end of the schedule."""
CHECKPOINT: Final = "checkpoint.weights.h5"
OLD_CHECKPOINT: Final = "checkpoint.npz"
"""What was written before training went through `keras.Model.fit`; its optimizer's state fits no more."""
LOG: Final = "log.csv"

Logs = Mapping[str, float]


class CheckpointError(MyocastError):
    """A checkpoint that training cannot go on from."""


class Trainer:
    """Trains `built.body` on batches; one object, one training."""

    def __init__(
        self, built: Built, train: Batches, validation: Batches, config: TrainingConfig, folder: Path | None = None
    ) -> None:
        """Take what is trained and on what.

        Args:
            built: the network.
            train: examples to learn from.
            validation: examples that choose which network is kept.
            config: how; without `steps_per_epoch` an epoch is one pass over `train`.
            folder: of the log and the checkpoint; None keeps neither.
        """
        config = config.for_data(len(train))
        self._built, self._train, self._validation, self._config = built, train, validation, config
        self._folder = folder
        # XLA makes convolutions a third faster and loops over an LSTM's steps slower.
        xla = built.front is None and built.every == 1 and config.total_steps >= XLA_STEPS
        self._model = compiled(PoseModel(built, config.loss, config.smooth), _optimizer(config), xla=xla)
        self._done: list[Epoch] = []
        self._kept: list[Float32Array] = built.body.get_weights()

    def resume(self) -> int:
        """Go on from the folder's checkpoint. Returns the epochs already done (0 without a checkpoint).

        Raises:
            CheckpointError: it is not of this network and optimizer, of an earlier version, or cannot be read.
        """
        path = None if self._folder is None else self._folder / CHECKPOINT
        if path is None or not path.exists():
            old = None if path is None else path.with_name(OLD_CHECKPOINT)
            if old is not None and old.exists():
                raise CheckpointError(
                    f"{old}: a checkpoint of an earlier version, which this one cannot go on from; "
                    "train without --resume to begin anew"
                )
            return 0
        try:
            with warnings.catch_warnings():
                # Keras only warns of an optimizer with another number of variables.
                warnings.simplefilter("error")
                self._model.load_weights(path)
            self._done = _read_log(path.with_name(LOG))
        except (KeyError, ValueError, OSError, UserWarning):
            raise CheckpointError(
                f"{path}: not a checkpoint of this network and optimizer; train without --resume to begin anew"
            ) from None
        return self._epochs_done

    def set_kept(self, weights: list[Float32Array]) -> None:
        """The weights of the network in the file, where training goes on."""
        self._kept = weights

    @property
    def config(self) -> TrainingConfig:
        """How it trains, with the batches of an epoch."""
        return self._config

    @property
    def _epochs_done(self) -> int:
        return sum(epoch.epoch > 0 for epoch in self._done)

    def run(self, progress: Progress | None = None, *, judge_start: bool = False) -> Outcome:
        """Train until the last epoch, until nothing improves, or until `progress.stop()` is true.

        Args:
            progress: what is told, and asked whether to stop.
            judge_start: the network knows something already: it is kept unless an epoch is better.
        """
        progress = progress or Progress()
        config, before = self._config, self._epochs_done
        report = _Report(progress, self._done, self._kept, config.keep_last)
        if judge_start and not self._done and not progress.stop():
            report.take(self._judge_start(), self._built.body.get_weights())
        if not progress.stop() and before < config.epochs:
            self._model.fit(
                dataset(self._batches),
                validation_data=dataset(self._validation_batches, self._validation_steps),
                epochs=config.epochs,
                initial_epoch=before,
                steps_per_epoch=config.steps_per_epoch,
                callbacks=[report, *self._callbacks(report)],
                verbose=0,
            )
        else:
            report.stopped = before < config.epochs
        self._built.body.set_weights(report.kept_weights)
        kept = report.kept
        return Outcome(
            tuple(self._done), kept.mpjpe_mm if kept else math.inf, kept.rmse_mm if kept else math.inf, report.stopped
        )

    def _judge_start(self) -> Epoch:
        """The network as it is, on the validation data, as epoch 0."""
        began = time.perf_counter()
        found = self._model.evaluate(
            dataset(self._validation_batches, self._validation_steps), verbose=0, return_dict=True
        )
        seconds = time.perf_counter() - began
        return Epoch(0, float(found["loss"]), float(found[MPJPE]), float(found[RMSE]), 0.0, seconds, kept=True)

    def _callbacks(self, report: _Report) -> Iterator[keras.callbacks.Callback]:
        if not self._config.keep_last:
            known = report.kept.mpjpe_mm if report.kept else None
            yield keras.callbacks.EarlyStopping(
                f"val_{MPJPE}", patience=self._config.patience, mode="min", baseline=known
            )
        if self._folder is not None:
            yield _Checkpoint(self._folder / CHECKPOINT)
            yield _Log(self._folder / LOG, self._done)

    def _batches(self) -> Iterator[Batch]:
        """Random batches without end."""
        config, done = self._config, self._epochs_done
        rng = np.random.default_rng([config.seed, 1, *([done] if done else [])])
        while True:
            index = self._train.draw(config.batch, rng, config.canonical_share)
            yield self._train.batch(index, config.augmentation, rng)

    @property
    def _validation_steps(self) -> int:
        config = self._config
        return -(-min(len(self._validation), config.validation_batches * config.batch) // config.batch)

    def _validation_batches(self) -> Iterator[Batch]:
        """A fixed sample of the validation data; the last batch is filled up with rows that do not count."""
        config, data = self._config, self._validation
        rng = np.random.default_rng([config.seed, 2])
        wanted = min(len(data), config.validation_batches * config.batch)
        share = config.canonical_share
        if share is None:
            order = np.sort(rng.choice(len(data), wanted, replace=False))
        else:
            order = np.sort(data.draw(wanted, rng, share))
        for start in range(0, wanted, config.batch):
            part = order[start : start + config.batch]
            batch = data.batch(np.resize(part, config.batch), NONE, rng)
            batch.weight[len(part) :] = 0.0
            yield batch


class _Report(keras.callbacks.Callback):  # type: ignore[misc]
    """Reports every step and epoch, keeps the best network, and stops when `progress.stop()` is true."""

    def __init__(
        self, progress: Progress, done: list[Epoch], kept_weights: list[Float32Array], keep_last: bool
    ) -> None:
        super().__init__()
        self.kept_weights = kept_weights
        self.kept = next((epoch for epoch in reversed(done) if epoch.kept), None)
        self.stopped = False
        self._progress, self._done, self._keep_last = progress, done, keep_last
        self._began = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs | None = None) -> None:
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch: int, logs: Logs) -> None:
        self._progress.on_step(batch + 1, self.params["steps"], float(logs["loss"]))
        self._check_stop()

    def on_epoch_end(self, epoch: int, logs: Logs) -> None:
        error = float(logs[f"val_{MPJPE}"])
        done = Epoch(
            epoch + 1,
            float(logs["loss"]),
            error,
            float(logs[f"val_{RMSE}"]),
            float(self.model.optimizer.learning_rate),
            time.perf_counter() - self._began,
            kept=self._keep_last or error < (self.kept.mpjpe_mm if self.kept else math.inf),
        )
        self.take(done, self.model.body.get_weights() if done.kept else None)
        self._check_stop()

    def take(self, done: Epoch, weights: list[Float32Array] | None) -> None:
        """Note an epoch; the file with its weights, if it is to be kept, is written before anybody reads of it."""
        if weights is not None:
            self.kept, self.kept_weights = done, weights
            self._progress.on_kept()
        self._done.append(done)
        self._progress.on_epoch(done)

    def _check_stop(self) -> None:
        if self._progress.stop():
            self.stopped = self.model.stop_training = True


class _Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves weights and the optimizer's state after every epoch.

    `ModelCheckpoint` writes into the file that is there: whoever is killed meanwhile has none. Ours is replaced when
    the new one is whole.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        partial = self._path.with_name(f"partial.{self._path.name}")
        self.model.save_weights(partial)
        os.replace(partial, self._path)


class _Log(keras.callbacks.CSVLogger):  # type: ignore[misc]
    """One line for each epoch, with the fields of `Epoch`; Keras' own sorts them and counts epochs from 0."""

    def __init__(self, path: Path, done: list[Epoch]) -> None:
        self._begun = [epoch for epoch in done if epoch.epoch == 0]
        super().__init__(path, append=len(done) > len(self._begun))
        self._done = done

    def on_train_begin(self, logs: Logs | None = None) -> None:
        super().on_train_begin(logs)
        if not self.append:
            for epoch in self._begun:
                self._write(epoch)

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        self._write(self._done[-1])

    def _write(self, epoch: Epoch) -> None:
        row = asdict(epoch)
        number = row.pop("epoch")
        self.keys = list(row)
        super().on_epoch_end(number, row)


def _read_log(path: Path) -> list[Epoch]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [
        Epoch(
            epoch=int(row["epoch"]),
            loss=float(row["loss"]),
            mpjpe_mm=float(row["mpjpe_mm"]),
            rmse_mm=float(row["rmse_mm"]),
            learning_rate=float(row["learning_rate"]),
            seconds=float(row["seconds"]),
            # The name that the column had before.
            kept=(row["kept"] if "kept" in row else row["best"]) == "True",
        )
        for row in rows
    ]


def seed_everything(seed: int) -> None:
    """Keras, TensorFlow and numpy start from this seed; set it before a network is built."""
    keras.utils.set_random_seed(seed)


def _schedule(config: TrainingConfig) -> keras.optimizers.schedules.LearningRateSchedule:
    """Linear warm-up, then half a cosine."""
    total = config.total_steps
    warm = min(WARM_UP_STEPS, max(1, total // 10))
    rate = float(config.learning_rate)
    return keras.optimizers.schedules.CosineDecay(
        rate / warm, max(1, total - warm), alpha=LAST_RATE, warmup_target=rate, warmup_steps=warm
    )


def _optimizer(config: TrainingConfig) -> keras.optimizers.Optimizer:
    """AdamW; or Muon (Jordan 2024, scaled as in arXiv 2502.16982), with AdamW for biases and the last layers."""
    if config.optimizer == "adamw":
        return keras.optimizers.AdamW(_schedule(config), weight_decay=config.weight_decay, clipnorm=config.clip)
    return keras.optimizers.Muon(
        _schedule(config),
        weight_decay=config.weight_decay,
        clipnorm=config.clip,
        adam_weight_decay=config.weight_decay,
        exclude_layers=[f"^{OUTPUT_LAYERS}"],
    )
