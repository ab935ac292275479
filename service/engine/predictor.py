"""A model file that can be run: onnxruntime behind one small interface for both kinds of model.

`load` copies samples in, on the caller's thread; `run` infers, on the worker's. Buffers are allocated once and bound to
the session, so a run allocates only its result.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from models.alignment import template_of_model
from models.arrays import BoolArray, Float32Array
from models.file_limits import MAX_STATE, MAX_STATES, read_model_file
from models.front_end import FrontEnd, find_front_end
from models.hand import CHANNELS, MIRRORED_CHANNELS, VALUES, mirror
from models.kinematics import ANGLES as ANGLE_NAMES
from models.onnx_digest import graph_digest
from models.onnx_file import (
    ALIGNMENT,
    ANGLES,
    BONES,
    CONFIDENCE,
    CONFIDENCE_PERSONAL,
    EXPECTED_ERROR,
    FEATURES,
    PERSONAL,
    read_spec,
)
from models.onnx_runner import EMG, POSE, STATE_IN, STATE_OUT, BoundStep, OnnxRunner, open_session, state_names
from models.spec import ModelError, ModelSpec
from service.engine.model_trial import prove
from service.engine.pose import Hidden

INFERENCE_ERRORS: Final = (
    ort_errors.Fail,
    ort_errors.InvalidArgument,
    ort_errors.InvalidGraph,
    ort_errors.InvalidProtobuf,
    ort_errors.NotImplemented,
    ort_errors.RuntimeException,
    RuntimeError,
)
"""What onnxruntime raises; a run with bound buffers that fails raises a plain RuntimeError."""


class Predictor(Protocol):
    """Turns samples into the newest pose."""

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def sha256(self) -> str: ...

    mirrored: bool
    """Whether the band is on the other arm than the model's: channels and pose are then mirrored."""
    gain: float
    """Factor that brings samples to the model's level; it may change between two runs."""

    def load(self, samples: Float32Array) -> None:
        """Copy samples (n, 8) in: exactly one window, or for a streaming model all new ones (n >= 1)."""
        ...

    def run(self) -> Float32Array:
        """Infer from what was loaded; return the pose, (63,) mm, frame `hand`."""
        ...

    def between(self, hop: int, count: int) -> Float32Array:
        """Poses of the last run for windows before its newest, `hop` samples apart: at most `count`, the oldest first.

        Returns (k, 63) mm; k is 0 where the model sees one window at a time.
        """
        ...

    @property
    def hidden(self) -> Hidden | None:
        """Intermediate outputs of the last run, if the predictor was opened with `hidden`."""
        ...

    @property
    def confidence(self) -> float | None:
        """Confidence 0..1 of the last run's pose, from what the network saw; None where the model has no measure."""
        ...

    def reset(self) -> None:
        """Forget the past: the next samples begin a new stretch of signal."""
        ...

    def terminate(self) -> None:
        """Let the run that goes on fail; called on another thread than `run`."""
        ...

    def allow(self) -> None:
        """Let runs go on after `terminate`."""
        ...

    def go_on_from(self, other: Predictor) -> bool:
        """Take over another predictor's memory of the signal, if it is just what this one would remember.

        Neither may be running. Returns whether it was taken over, or is not needed.
        """
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """What stands in place of a model file's initializers while it is served; None keeps the file's own."""

    alignment: Float32Array | None = None
    """(8, 8)."""
    personal: Float32Array | None = None
    """(features + 1, 20) radians."""
    bones: Float32Array | None = None
    """(20,) mm."""
    confidence: Float32Array | None = None
    """(features + 2, 1), of a model with a measure of confidence."""
    gain: float | None = None
    """Factor to the model's level that was found with the alignment, for a signal of another unit or rate."""

    def initializers(self) -> dict[str, Float32Array]:
        """Those that are set, by name."""
        values = {
            ALIGNMENT: self.alignment,
            PERSONAL: self.personal,
            BONES: self.bones,
            CONFIDENCE_PERSONAL: self.confidence,
        }
        return {name: value for name, value in values.items() if value is not None}


AS_IN_FILE: Final = Fitted()
LEAST_RAW_HZ: Final = 100.0
"""Samples per second of raw EMG that any model needs."""
LEAST_ENVELOPE_HZ: Final = 20.0
"""The same of envelopes."""


Memory = tuple[str, bytes]
"""What a stream's states depend on: the graph, and the alignment where it comes before one of them."""
BEFORE_ALIGNMENT: Final = ("0",)
"""States of graphs in which only the front end remembers: its running averages, which alignment does not change."""


class ModelFile:
    """A checked model file: its bytes, specification and hash. Raises ModelError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        self.data = read_model_file(path)
        self.path = path
        self.spec = read_spec(self.data, path.name)
        self._tried = False
        self._shared: ort.InferenceSession | None = None

    def prove(self) -> None:
        """Try it in a process of its own, once, where it may take neither much memory nor much time.

        Raises:
            ModelError: `open` would raise it, or the model takes too much.
        """
        if not self._tried:
            prove(self.data, self.path.name)
            self._tried = True

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def graph_digest(self) -> str:
        """The same for files that differ only in what fits them to a person."""
        return graph_digest(self.data)

    @cached_property
    def front_end(self) -> FrontEnd | None:
        """Its running averages, where all that it remembers is in them: then it serves any rate."""
        return find_front_end(self.data, self.spec.rate_hz) if self.spec.kind == "stream" else None

    def mismatch(self, rate_hz: float, unit: str, emg_mode: str, gain: float | None = None) -> str | None:
        """Why this model cannot serve a source, its rate and unit adapted to, or None if it can.

        Args:
            gain: factor to the model's level, where the user gave it.
        """
        spec = self.spec
        why = spec.mismatch(rate_hz, unit, emg_mode)
        if why is None or spec.emg_mode not in ("any", emg_mode):
            return why
        if gain is None and template_of_model(spec) is None:
            return f"{why}, and it does not say the level of its own armband; give the factor, as in ?gain=0.5"
        if not spec.fits_rate(rate_hz):
            if self.front_end is None:
                return (
                    f"expected {spec.rate_hz:g} Hz, found {rate_hz:g} Hz (any rate is served by streaming models whose "
                    "memory is running averages, as in stream_mlp)"
                )
            least = LEAST_ENVELOPE_HZ if emg_mode == "envelope" else LEAST_RAW_HZ
            if rate_hz < least:
                return f"expected at least {least:g} Hz of {emg_mode} EMG, found {rate_hz:g} Hz"
        return None

    def open(
        self,
        fitted: Fitted = AS_IN_FILE,
        *,
        hidden: bool = False,
        trial: bool = True,
        rate_hz: float | None = None,
        gain: float = 1.0,
    ) -> Predictor:
        """Load it into onnxruntime.

        Args:
            fitted: what stands in place of the file's initializers.
            trial: run it once on zeros, the first time.
            rate_hz: of the source, where it is another than the model's and `mismatch` finds nothing.
            gain: factor that brings the source's samples to the model's level.
            hidden: tell what the network computes on the way to a pose (a streaming model with these outputs only).

        Raises:
            ModelError: onnxruntime refuses the graph, its inputs and outputs do not match the contract, or it fails
                on zeros, which are tried once.
        """
        spec, constants = self._at_rate(rate_hz)
        session = self._open_session({**fitted.initializers(), **constants})
        if trial and not self._tried:
            try_out(session, self.spec, self.path.name)
            self._tried = True
        predictor: Predictor
        if self.spec.kind == "window":
            predictor = WindowPredictor(OnnxRunner(session), spec, self.sha256)
        else:
            features = _features(session, self.path.name) if hidden else 0
            memory, measures = self._memory(session, fitted), _measures(session)
            predictor = StreamPredictor(OnnxRunner(session), spec, self.sha256, memory, features, measures)
            predictor.levels = None if self.front_end is None else self.front_end.levels
        predictor.gain = gain
        return predictor

    def _at_rate(self, rate_hz: float | None) -> tuple[ModelSpec, dict[str, Float32Array]]:
        """The specification for a rate, and the initializers that make it so."""
        front = self.front_end
        if rate_hz is None or front is None or self.spec.fits_rate(rate_hz):
            return self.spec, {}
        return self.spec.at_rate(rate_hz), {front.bias: front.at(rate_hz)}

    def _open_session(self, values: dict[str, Float32Array]) -> ort.InferenceSession:
        """Predictors of the file as it is share a session: the weights are in memory once, and states are theirs."""
        if not values and self._shared is not None:
            return self._shared
        try:
            session = open_session(self.data, values, bounded=True)
        except INFERENCE_ERRORS as error:
            raise ModelError(
                f"{self.path.name}: onnxruntime refuses the graph ({first_line(error)}); export it again"
            ) from None
        check_graph(session, self.spec, self.path.name)
        if not values:
            self._shared = session
        return session

    def _memory(self, session: ort.InferenceSession, fitted: Fitted) -> Memory:
        if state_names(session) == BEFORE_ALIGNMENT:
            return self.graph_digest, b""
        return self.sha256, b"" if fitted.alignment is None else fitted.alignment.tobytes()


class WindowPredictor:
    """A model without a state, which sees one window at a time."""

    def __init__(self, runner: OnnxRunner, spec: ModelSpec, sha256: str) -> None:
        self.spec = spec
        self.sha256 = sha256
        self.mirrored = False
        self.gain = 1.0
        self._runner = runner
        self._input = np.zeros((1, spec.window, CHANNELS), dtype=np.float32)
        self._output = np.zeros((1, VALUES), dtype=np.float32)
        self._bound = runner.bind(self._input, self._output)

    def load(self, samples: Float32Array) -> None:
        _copy(samples, self._input[0], self.mirrored, self.gain)

    def run(self) -> Float32Array:
        self._runner.run(self._bound)
        return mirror(self._output[0]) if self.mirrored else self._output[0].copy()

    def between(self, hop: int, count: int) -> Float32Array:
        return np.empty((0, VALUES), np.float32)

    @property
    def hidden(self) -> Hidden | None:
        return None

    @property
    def confidence(self) -> float | None:
        return None

    def reset(self) -> None:
        """Do nothing: a window carries no past."""

    def terminate(self) -> None:
        self._runner.terminate()

    def allow(self) -> None:
        self._runner.allow()

    def go_on_from(self, other: Predictor) -> bool:
        return True


class StreamPredictor:
    """A model that sees every sample once and in order, and keeps its state from run to run."""

    ROWS: Final = 64
    """Samples that are run from bound buffers at most; more of them, after a stall, take new ones."""

    def __init__(
        self,
        runner: OnnxRunner,
        spec: ModelSpec,
        sha256: str,
        memory: Memory = ("", b""),
        features: int = 0,
        measures: Collection[str] = (),
    ) -> None:
        """With `features`, their number, it tells what the network computes on the way to a pose.

        `measures` names outputs of the graph that say how far off a pose probably is.
        """
        self.spec = spec
        self.sha256 = sha256
        self.mirrored = False
        self.gain = 1.0
        self.levels: BoolArray | None = None
        """(s,) which values of a state of running averages are levels, where the state is nothing else."""
        self._remembered_gain = 1.0
        self._memory = memory
        self._runner = runner
        self._features = features
        self._measures = measures
        self._hidden: Hidden | None = None
        self._confidence: float | None = None
        self._allocate(self.ROWS)
        self._rows = 0
        self._bound: dict[int, BoundStep] = {}

    def load(self, samples: Float32Array) -> None:
        self._rows = len(samples)
        if self._rows > len(self._samples):
            self._allocate(2 * self._rows)
            self._bound.clear()
        self._scale_memory()
        _copy(samples, self._samples[: self._rows], self.mirrored, self.gain)

    def run(self) -> Float32Array:
        self._runner.run(self._bound.get(self._rows) or self._bind())
        if self._features:
            features, angles = (self._more[name][self._rows - 1].copy() for name in (FEATURES, ANGLES))
            self._hidden = Hidden(features, angles, self._told(EXPECTED_ERROR))
        self._confidence = self._told(CONFIDENCE)
        newest = self._poses[self._rows - 1]
        return mirror(newest) if self.mirrored else newest.copy()

    def between(self, hop: int, count: int) -> Float32Array:
        newest = self._rows - 1
        poses = self._poses[[row for row in range(newest - count * hop, newest, hop) if row >= 0]]
        return mirror(poses) if self.mirrored else poses

    @property
    def hidden(self) -> Hidden | None:
        return self._hidden

    @property
    def confidence(self) -> float | None:
        return self._confidence

    def reset(self) -> None:
        self._runner.reset()

    def terminate(self) -> None:
        self._runner.terminate()

    def allow(self) -> None:
        self._runner.allow()

    def go_on_from(self, other: Predictor) -> bool:
        same = isinstance(other, StreamPredictor) and other._memory == self._memory and other.mirrored == self.mirrored
        if same and isinstance(other, StreamPredictor):
            self._runner.copy_states(other._runner)
            self._remembered_gain = other._remembered_gain
        return same

    def _scale_memory(self) -> None:
        """Bring what is remembered to a gain that has changed, as if it had always been this."""
        if self.gain != self._remembered_gain:
            if self.levels is not None:
                self._runner.scale_state(np.where(self.levels, self.gain / self._remembered_gain, 1.0))
            self._remembered_gain = self.gain

    def _told(self, name: str) -> float | None:
        return self._more[name].item(self._rows - 1) if name in self._measures else None

    def _allocate(self, rows: int) -> None:
        self._samples = np.zeros((rows, CHANNELS), dtype=np.float32)
        self._poses = np.zeros((rows, VALUES), dtype=np.float32)
        sizes = {FEATURES: self._features, ANGLES: len(ANGLE_NAMES)} if self._features else {}
        sizes |= dict.fromkeys(self._measures, 1)
        self._more = {name: np.zeros((rows, size), dtype=np.float32) for name, size in sizes.items()}

    def _bind(self) -> BoundStep:
        """A step for the number of rows that was loaded."""
        if len(self._bound) >= 2 * self.ROWS:
            self._bound.clear()
        more = {name: output[None, : self._rows] for name, output in self._more.items()}
        bound = self._runner.bind(self._samples[None, : self._rows], self._poses[None, : self._rows], more)
        self._bound[self._rows] = bound
        return bound


def _features(session: ort.InferenceSession, name: str) -> int:
    """The number of features in a graph's intermediate output.

    Raises:
        ModelError: it tells none.
    """
    outputs = {node.name: node.shape for node in session.get_outputs()}
    if not {FEATURES, ANGLES} <= outputs.keys() or not isinstance(outputs[FEATURES][-1], int):
        raise ModelError(f"{name}: it has no outputs to learn a person's own model from; export it again")
    return int(outputs[FEATURES][-1])


def _measures(session: ort.InferenceSession) -> frozenset[str]:
    """Outputs of a graph that say how far off a pose probably is."""
    return frozenset(
        node.name
        for node in session.get_outputs()
        if node.name in (CONFIDENCE, EXPECTED_ERROR)
        and len(node.shape) == 3
        and node.shape[2] == 1
        and node.type == "tensor(float)"
    )


def _copy(samples: Float32Array, into: Float32Array, mirrored: bool, gain: float) -> None:
    if mirrored:
        np.take(samples, MIRRORED_CHANNELS, axis=1, out=into)
    else:
        into[:] = samples
    if gain != 1.0:
        into *= np.float32(gain)


def check_graph(session: ort.InferenceSession, spec: ModelSpec, name: str) -> None:
    inputs = {i.name: i for i in session.get_inputs()}
    outputs = {o.name: o for o in session.get_outputs()}
    rows: int | None = spec.window if spec.kind == "window" else None
    wanted = (
        (inputs, EMG, [None, rows, CHANNELS]),
        (outputs, POSE, [None, VALUES] if spec.kind == "window" else [None, None, VALUES]),
    )
    for nodes, key, shape in wanted:
        if key not in nodes:
            raise ModelError(
                f"{name}: expected an input `emg` and an output `pose`, found {', '.join([*inputs, *outputs])}"
            )
        _check_shape(nodes[key], shape, name)
    states = state_names(session)
    if len(states) > MAX_STATES:
        raise ModelError(f"{name}: {len(states)} states; expected at most {MAX_STATES}")
    for state in states:
        _check_state(inputs[STATE_IN + state], outputs.get(STATE_OUT + state), name)
    extra = set(inputs) - {EMG} - {STATE_IN + state for state in states}
    if extra or bool(states) != (spec.kind == "stream"):
        raise ModelError(
            f"{name}: a {spec.kind} model with inputs {', '.join(inputs)} does not match the contract; export it again"
        )


def try_out(session: ort.InferenceSession, spec: ModelSpec, name: str, emg: Float32Array | None = None) -> None:
    """Run once: a graph with open dimensions shows only then that it takes no windows of this size.

    Args:
        emg: (1, n, 8); None = zeros, as many as the model is given while it serves.
    """
    if emg is None:
        emg = np.zeros((1, spec.window if spec.kind == "window" else spec.hop, CHANNELS), np.float32)
    rows, kind = emg.shape[1], "" if emg.any() else "of zeros "
    try:
        pose = OnnxRunner(session).step(emg)
    except INFERENCE_ERRORS as error:
        raise ModelError(
            f"{name}: fails in a trial run on {rows} samples {kind}({first_line(error)}); give it the window that "
            "it was made for in its metadata, or export it again"
        ) from None
    expected = (1, VALUES) if spec.kind == "window" else (1, rows, VALUES)
    if pose.shape != expected:
        raise ModelError(f"{name}: gives {pose.shape} for {rows} samples; expected {expected}: export it again")


def _check_state(given: ort.NodeArg, result: ort.NodeArg | None, name: str) -> None:
    """Check that a state is returned in the shape in which it was given, with everything but the batch fixed."""
    fixed = all(isinstance(size, int) for size in given.shape[1:])
    if result is None or not fixed or result.shape[1:] != given.shape[1:] or result.type != given.type:
        found = "nothing" if result is None else f"{result.type} {result.shape}"
        raise ModelError(
            f"{name}: expected `{given.name}` {given.shape} to come out in the same fixed shape, found {found}; "
            "export it again"
        )
    _check_shape(given, [None, *given.shape[1:]], name)
    if math.prod(given.shape[1:]) > MAX_STATE:
        raise ModelError(f"{name}: expected `{given.name}` of at most {MAX_STATE} values, found {given.shape}")


def _check_shape(node: ort.NodeArg, shape: list[int | None], name: str) -> None:
    """Check a shape. Dimensions that the graph leaves open fit anything; a batch fixed to 1 does too."""
    found = node.shape
    fits = len(found) == len(shape) and node.type == "tensor(float)"
    for at, (have, want) in enumerate(zip(found, shape, strict=False)):
        fits = fits and (not isinstance(have, int) or have == want or (want is None and (at > 0 or have == 1)))
    if not fits:
        text = ["batch" if at == 0 else ("n" if size is None else size) for at, size in enumerate(shape)]
        raise ModelError(
            f"{name}: expected `{node.name}` as float32 {text}, found {node.type} {found}; export it again"
        )


def first_line(error: Exception) -> str:
    """What an error says, shortened."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
