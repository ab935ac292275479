"""The training loop: seeds, schedule, early stopping, checkpoints, a log; the best network is kept."""

from __future__ import annotations

import csv
import math
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
import tensorflow as tf

from models.architectures.base import END, Built
from models.data.augment import NONE
from models.data.batches import Batch, Batches
from models.errors import MyocastError
from models.training.config import Epoch, Outcome, Progress, TrainingConfig
from models.training.losses import LOSSES, distances, movement, weighted

WARM_UP: Final = 100


class CheckpointError(MyocastError):
    """A checkpoint that training cannot go on from."""


class Trainer:
    """Trains `built.body` on batches; one object, one run."""

    def __init__(
        self, built: Built, train: Batches, validation: Batches, training: TrainingConfig, run: Path | None = None
    ) -> None:
        """`run` is the folder of the log and the checkpoint; None keeps neither."""
        self._built, self._train, self._validation, self._training, self._run = built, train, validation, training, run
        self._rng = np.random.default_rng([training.seed, 1])
        self._optimizer = _optimizer(training)
        self._optimizer.build(built.body.trainable_variables)
        self._step = _train_step(built, self._optimizer, training)
        self._judge = _judge_step(built)
        self._done: list[Epoch] = []
        self._best: list[Any] = built.body.get_weights()
        self._best_mm = math.inf

    def resume(self) -> int:
        """Go on from the run's checkpoint. Returns the epochs already done (0 without a checkpoint).

        Raises:
            CheckpointError: it is not of this network and optimizer, or cannot be read.
        """
        path = self._checkpoint
        if path is None or not path.exists():
            return 0
        try:
            with np.load(path) as saved:
                self._restore(dict(saved))
        except (KeyError, ValueError, EOFError, zipfile.BadZipFile):
            raise CheckpointError(
                f"{path}: not a checkpoint of this network and optimizer; train without --resume to begin anew"
            ) from None
        self._rng = np.random.default_rng([self._training.seed, 1, len(self._done)])
        return len(self._done)

    def _restore(self, saved: Mapping[str, Any]) -> None:
        body = len(self._built.body.get_weights())
        self._built.body.set_weights([saved[f"w{i}"] for i in range(body)])
        self._best = [saved[f"b{i}"] for i in range(body)]
        for i, variable in enumerate(self._optimizer.variables):
            variable.assign(saved[f"o{i}"])
        self._best_mm = float(saved["best_mm"])
        self._done = [_epoch_of(row) for row in saved["log"].tolist()]

    def run(self, progress: Progress | None = None) -> Outcome:
        """Train until the last epoch, nothing improves, or `progress.stop` says so."""
        progress = progress or Progress()
        since = 0
        stopped = False
        while len(self._done) < self._training.epochs and since < self._training.patience and not stopped:
            epoch, stopped = self._epoch(progress)
            if epoch is None:
                break
            since = 0 if epoch.best else since + 1
            if epoch.best:
                progress.on_best()
            self._save()
            progress.on_epoch(epoch)
        self._built.body.set_weights(self._best)
        kept = next((epoch for epoch in reversed(self._done) if epoch.best), None)
        return Outcome(tuple(self._done), self._best_mm, kept.rmse_mm if kept else math.inf, stopped)

    def _epoch(self, progress: Progress) -> tuple[Epoch | None, bool]:
        began = time.perf_counter()
        number = len(self._done)
        losses = []
        for step in range(self._training.steps_per_epoch):
            if progress.stop():
                break
            batch = self._train.batch(self._pick(), self._training.augmentation, self._rng)
            self._optimizer.learning_rate.assign(self._rate(number * self._training.steps_per_epoch + step))
            losses.append(float(self._step(*tensors(batch))))
            progress.on_step(step + 1, self._training.steps_per_epoch, losses[-1])
        stopped = len(losses) < self._training.steps_per_epoch
        if not losses:
            return None, True
        error, rmse = self.validate()
        best = self._training.keep_last or error < self._best_mm
        if best:
            self._best, self._best_mm = self._built.body.get_weights(), error
        rate = float(self._optimizer.learning_rate.numpy())
        epoch = Epoch(number + 1, float(np.mean(losses)), error, rmse, rate, time.perf_counter() - began, best)
        self._done.append(epoch)
        return epoch, stopped

    def validate(self) -> tuple[float, float]:
        """MPJPE over 20 points and RMSE per coordinate, mm, on a fixed sample of the validation data."""
        rng = np.random.default_rng([self._training.seed, 2])
        wanted = min(len(self._validation), self._training.validation_batches * self._training.batch)
        share = self._training.canonical_share
        order = np.sort(
            rng.choice(len(self._validation), wanted, replace=False)
            if share is None
            else self._validation.draw(wanted, rng, share)
        )
        sums = np.zeros(3)
        for start in range(0, wanted, self._training.batch):
            batch = self._validation.batch(order[start : start + self._training.batch], NONE, rng)
            sums += [float(v) for v in self._judge(*tensors(batch))]
        return float(sums[0] / max(sums[2], 1e-6)), float(np.sqrt(sums[1] / max(sums[2], 1e-6)))

    def _pick(self) -> Any:
        return self._train.draw(self._training.batch, self._rng, self._training.canonical_share)

    def _rate(self, step: int) -> float:
        """Linear warm-up, then half a cosine down to 2 %."""
        training = self._training
        warm = min(1.0, (step + 1) / min(WARM_UP, max(1, training.total_steps // 10)))
        return (
            training.learning_rate
            * warm
            * (0.02 + 0.98 * 0.5 * (1.0 + math.cos(math.pi * step / max(1, training.total_steps))))
        )

    @property
    def _checkpoint(self) -> Path | None:
        return None if self._run is None else self._run / "checkpoint.npz"

    def _save(self) -> None:
        if self._run is None:
            return
        weights = {f"w{i}": w for i, w in enumerate(self._built.body.get_weights())}
        weights |= {f"b{i}": w for i, w in enumerate(self._best)}
        weights |= {f"o{i}": v.numpy() for i, v in enumerate(self._optimizer.variables)}
        rows = [tuple(asdict(epoch).values()) for epoch in self._done]
        partial = self._run / "checkpoint.partial.npz"
        np.savez(partial, best_mm=self._best_mm, log=np.array(rows, float), **weights)
        partial.replace(self._run / "checkpoint.npz")
        with (self._run / "log.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(asdict(self._done[0]))
            writer.writerows(rows)


def _epoch_of(row: Sequence[float]) -> Epoch:
    number, loss, error, rmse, rate, seconds, best = row
    return Epoch(int(number), loss, error, rmse, rate, seconds, bool(best))


def seed_everything(seed: int) -> None:
    """Keras, TensorFlow and numpy start from this seed; set it before a network is built."""
    keras.utils.set_random_seed(seed)


def tensors(batch: Batch) -> tuple[Any, ...]:
    """EMG, mixes, poses, weights and origins of a batch, as float32."""
    return tuple(tf.constant(a, tf.float32) for a in (batch.emg, batch.mix, batch.pose, batch.weight, batch.asked))


def envelopes(built: Built, emg: Any, mix: Any) -> Any:
    """What comes out of the front end, mixed as if the band sat otherwise."""
    if built.front is None:
        return tf.matmul(emg, mix[:, tf.newaxis])
    return tf.matmul(built.front(emg), mix)


def labelled(built: Built, pose: Any) -> Any:
    """The rows that have a truth: the last one of each step."""
    return pose[:, built.every - 1 :: built.every] if built.every > 1 else pose


def _optimizer(training: TrainingConfig) -> Any:
    """AdamW; or Muon (Jordan 2024, scaled as in arXiv 2502.16982), with AdamW for biases and the last layers."""
    options = {"weight_decay": training.weight_decay, "clipnorm": training.clip}
    if training.optimizer == "adamw":
        return keras.optimizers.AdamW(float(training.learning_rate), **options)
    return keras.optimizers.Muon(
        float(training.learning_rate), adam_weight_decay=training.weight_decay, exclude_layers=[f"^{END}"], **options
    )


def _signature(built: Built) -> list[Any]:
    stream = built.front is None
    shape = (None, None, *built.body.input_shape[2:]) if stream else built.front.input_shape
    lead: tuple[None, ...] = (None, None) if stream else (None,)
    return [tf.TensorSpec(s, tf.float32) for s in (shape, (None, 8, 8), (*lead, 63), lead, (None,))]


def _train_step(built: Built, optimizer: Any, training: TrainingConfig) -> Any:
    loss_of = LOSSES[training.loss]
    variables = built.body.trainable_variables
    # XLA makes convolutions a third faster and loops over an LSTM's steps slower.
    compiled = built.front is None and built.every == 1

    # Traced with the sizes of its batches, which are all alike: with open sizes XLA now and then mixes shapes up.
    @tf.function(jit_compile=compiled)  # type: ignore[untyped-decorator]
    def step(emg: Any, mix: Any, pose: Any, weight: Any, asked: Any) -> Any:
        with tf.GradientTape() as tape:
            guess = labelled(built, built.body(envelopes(built, emg, mix), training=True))
            loss = loss_of(pose, guess, weight, asked)
            if training.smooth and built.front is None:
                loss += training.smooth * movement(pose, guess, weight)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))
        return loss

    return step


def _judge_step(built: Built) -> Any:
    @tf.function(input_signature=_signature(built))  # type: ignore[untyped-decorator]
    def step(emg: Any, mix: Any, pose: Any, weight: Any, asked: Any) -> tuple[Any, Any, Any]:
        guess = labelled(built, built.body(envelopes(built, emg, mix), training=False))
        count = tf.reduce_sum(weight)
        square = tf.reduce_mean(tf.square(pose - guess), axis=-1)
        return weighted(distances(pose, guess), weight) * count, weighted(square, weight) * count, count

    return step
