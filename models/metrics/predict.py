"""Poses of whole segments, as a live stream would have given them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import numpy as np

from models.architectures.base import STEP_HZ, Built, NetworkConfig
from models.arrays import Float32Array
from models.data.segments import Segment
from models.hand import CHANNELS, VALUES
from models.metrics.pose_error import EvaluatedSegment
from models.onnx_runner import OnnxRunner
from models.spec import ModelSpec

SegmentPredictor = Callable[[Segment], Float32Array]
"""A segment -> (steps, 63), NaN where no pose is due yet."""

BATCH: Final = 512
CHUNK: Final = 2000


def predict_segments(
    predictor: SegmentPredictor, segments: Iterable[Segment], skip: int = 0
) -> Iterator[EvaluatedSegment]:
    """Run a predictor over segments, one at a time.

    Args:
        predictor: gives every segment's poses.
        segments: with their truth.
        skip: first steps of each segment that are not evaluated (the same for all that are compared).
    """
    for segment in segments:
        pose = predictor(segment)
        valid = (segment.weight > 0) & np.isfinite(pose).all(axis=1)
        valid[:skip] = False
        yield EvaluatedSegment(segment.pose, pose, valid, segment.user, segment.session)


def constant(pose: Float32Array) -> SegmentPredictor:
    """The same pose (63,) in mm at every step."""
    return lambda segment: np.broadcast_to(pose, (segment.steps, VALUES)).astype(np.float32)


def from_keras(built: Built, config: NetworkConfig) -> SegmentPredictor:
    """A network in training."""
    import tensorflow as tf

    if built.front is not None:
        window = built.front.input_shape[1]
        spec = tf.TensorSpec((None, window, CHANNELS), tf.float32)
        run = tf.function(lambda emg: built.body(built.front(emg), training=False), input_signature=[spec])
        return lambda segment: _windowed(run, segment, window, config.decimation)
    spec = tf.TensorSpec((1, None, len(built.time_constants_s), CHANNELS), tf.float32)
    body = tf.function(lambda averages: built.body(averages, training=False), input_signature=[spec])

    def stream(segment: Segment) -> Float32Array:
        from models.data.features import bank

        averages = bank(segment.emg, config.rate_hz, built.time_constants_s)
        rows = averages if built.every > 1 else averages[config.decimation - 1 :: config.decimation]
        pose = np.asarray(body(tf.constant(rows[np.newaxis])))[0]
        return np.asarray(pose[built.every - 1 :: built.every], np.float32)

    return stream


def from_onnx(runner: OnnxRunner, spec: ModelSpec) -> SegmentPredictor:
    """A model file."""
    every = round(spec.rate_hz / STEP_HZ)
    if spec.kind == "window":
        return lambda segment: _windowed(runner.step, segment, spec.window, every)

    def stream(segment: Segment) -> Float32Array:
        runner.reset()
        starts = range(0, len(segment.emg), CHUNK)
        return np.concatenate([runner.step(segment.emg[None, at : at + CHUNK])[0] for at in starts])[every - 1 :: every]

    return stream


def _windowed(run: Callable[[Float32Array], Any], segment: Segment, window: int, every: int) -> Float32Array:
    """One pose per step, each from the window that ends there."""
    out = np.full((segment.steps, VALUES), np.nan, np.float32)
    first = window // every - 1
    if segment.steps <= first:
        return out
    views = np.lib.stride_tricks.sliding_window_view(segment.emg, window, axis=0)[::every].transpose(0, 2, 1)
    for start in range(0, segment.steps - first, BATCH):
        emg = np.ascontiguousarray(views[start : start + BATCH][: segment.steps - first - start], np.float32)
        out[first + start : first + start + len(emg)] = np.asarray(run(emg.reshape(-1, window, CHANNELS)))
    return out
