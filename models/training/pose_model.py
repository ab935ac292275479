"""A network as `keras.Model.fit` trains it: channels mixed as if the band sat otherwise, poses in mm, weighted rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Final

import keras
import tensorflow as tf

from models.architectures.base import Built
from models.arrays import Float32Array
from models.data.batches import Batch
from models.training.losses import LOSSES, distances, movement

if TYPE_CHECKING:
    from tensorflow import Tensor

MPJPE: Final = "mpjpe_mm"
RMSE: Final = "rmse_mm"


class PoseModel(keras.Model):  # type: ignore[misc]
    """The front end, the mix of channels and the body of a network.

    Inputs are EMG (batch, window, 8), or for a stream its running averages (batch, steps, k, 8); the mix (batch, 8, 8)
    of the channels; and which rows hold a commanded pose (batch,). The output is (batch, 63) or (batch, steps, 63) mm.
    """

    def __init__(self, built: Built, loss: str, smooth: float = 0.0, *, tuning: bool = False) -> None:
        """`tuning` trains without dropout and with fixed batch statistics."""
        super().__init__(name="training")
        self.front, self.body = built.front, built.body
        self._every, self._tuning = built.every, tuning
        self._loss_of, self._smooth = LOSSES[loss], smooth if built.front is None else 0.0
        # All weights are the body's and are there: a checkpoint can be read before the first batch.
        self.built = True

    def call(self, inputs: tuple[Tensor, Tensor, Tensor], training: bool = False) -> Tensor:
        """Poses (batch, 63) or (batch, steps, 63) in mm of the labelled rows: the last one of each step."""
        emg, mix, _ = inputs
        rows = tf.matmul(emg, mix[:, tf.newaxis]) if self.front is None else tf.matmul(self.front(emg), mix)
        pose = self.body(rows, training=training and not self._tuning)
        return pose[:, self._every - 1 :: self._every] if self._every > 1 else pose

    def compute_loss(
        self,
        x: tuple[Tensor, Tensor, Tensor],
        y: Tensor,
        y_pred: Tensor,
        sample_weight: Tensor,
        training: bool = True,
    ) -> Tensor:
        """Error of poses (batch, ...) and, for a stream, of their movement, mm."""
        loss = self._loss_of(y, y_pred, sample_weight, x[2])
        return loss + self._smooth * movement(y, y_pred, sample_weight) if self._smooth else loss


def compiled(model: PoseModel, optimizer: keras.optimizers.Optimizer, *, xla: bool = False) -> PoseModel:
    """The model with its optimizer's state made, so that a checkpoint can be read before the first step."""
    model.compile(
        optimizer=optimizer,
        weighted_metrics=[
            keras.metrics.MeanMetricWrapper(distances, name=MPJPE),
            keras.metrics.RootMeanSquaredError(name=RMSE),
        ],
        jit_compile=xla,
    )
    optimizer.build(model.trainable_variables)
    return model


def dataset(batches: Callable[[], Iterator[Batch]], steps: int | None = None) -> tf.data.Dataset:
    """What `fit` reads: ((emg, mix, commanded), pose, weight) of each batch.

    Args:
        batches: starts anew; all batches have the size of the first, because XLA now and then mixes up open sizes.
        steps: how many there are; None = any number.
    """
    signature = keras.tree.map_structure(lambda array: tf.TensorSpec(array.shape, tf.float32), _rows(next(batches())))
    out = tf.data.Dataset.from_generator(lambda: map(_rows, batches()), output_signature=signature)
    known = out if steps is None else out.apply(tf.data.experimental.assert_cardinality(steps))
    return known.prefetch(1)


def _rows(batch: Batch) -> tuple[tuple[Float32Array, Float32Array, Float32Array], Float32Array, Float32Array]:
    return (batch.emg, batch.mix, batch.commanded), batch.pose, batch.weight
