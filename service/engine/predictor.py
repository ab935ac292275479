"""A model file that can be run: onnxruntime behind one small interface for both kinds of model.

`load` copies samples in, on the caller's thread; `run` infers, on the worker's. Buffers are allocated once and bound to
the session, so a run allocates only its result.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import onnxruntime as ort
from onnxruntime.capi import onnxruntime_pybind11_state as ort_errors

from models.arrays import Float32Array
from models.hand import CHANNELS, MIRRORED_CHANNELS, VALUES, mirror
from models.onnx_file import read_spec
from models.onnx_runner import EMG, POSE, STATE_IN, STATE_OUT, BoundStep, OnnxRunner, open_session, state_names
from models.spec import ModelError, ModelSpec

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

    def load(self, samples: Float32Array) -> None:
        """Copy samples (n, 8) in: exactly one window, or for a streaming model all new ones (n >= 1)."""
        ...

    def run(self) -> Float32Array:
        """Infer from what was loaded; return the pose, (63,) mm, frame `hand`."""
        ...

    def reset(self) -> None:
        """Forget the past: the next samples begin a new stretch of signal."""
        ...


class ModelFile:
    """A checked model file: its bytes, specification and hash. Raises ModelError where it cannot be used."""

    def __init__(self, path: Path) -> None:
        try:
            self.data = path.read_bytes()
        except FileNotFoundError:
            raise ModelError(f"{path}: no such file; expected a model made by `myocast export`") from None
        except OSError as error:
            raise ModelError(f"{path}: cannot be read ({error.strerror}); expected a model file") from None
        self.path = path
        self.spec = read_spec(self.data, path.name)

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()

    def open(self) -> Predictor:
        """Load it into onnxruntime.

        Raises:
            ModelError: onnxruntime refuses the graph, or its inputs and outputs do not match the contract.
        """
        try:
            session = open_session(self.data)
        except INFERENCE_ERRORS as error:
            raise ModelError(
                f"{self.path.name}: onnxruntime refuses the graph ({_first_line(error)}); export it again"
            ) from None
        _check_graph(session, self.spec, self.path.name)
        kind = WindowPredictor if self.spec.kind == "window" else StreamPredictor
        return kind(OnnxRunner(session), self.spec, self.sha256)


class WindowPredictor:
    """A model without a state, which sees one window at a time."""

    def __init__(self, runner: OnnxRunner, spec: ModelSpec, sha256: str) -> None:
        self.spec = spec
        self.sha256 = sha256
        self.mirrored = False
        self._runner = runner
        self._input = np.zeros((1, spec.window, CHANNELS), dtype=np.float32)
        self._output = np.zeros((1, VALUES), dtype=np.float32)
        self._bound = runner.bind(self._input, self._output)

    def load(self, samples: Float32Array) -> None:
        _copy(samples, self._input[0], self.mirrored)

    def run(self) -> Float32Array:
        self._runner.run(self._bound)
        return mirror(self._output[0]) if self.mirrored else self._output[0].copy()

    def reset(self) -> None:
        """Do nothing: a window carries no past."""


class StreamPredictor:
    """A model that sees every sample once and in order, and keeps its state from run to run."""

    ROWS: Final = 64
    """Samples that are run from bound buffers at most; more of them, after a stall, take new ones."""

    def __init__(self, runner: OnnxRunner, spec: ModelSpec, sha256: str) -> None:
        self.spec = spec
        self.sha256 = sha256
        self.mirrored = False
        self._runner = runner
        self._samples = np.zeros((self.ROWS, CHANNELS), dtype=np.float32)
        self._poses = np.zeros((self.ROWS, VALUES), dtype=np.float32)
        self._rows = 0
        self._bound: dict[int, BoundStep] = {}

    def load(self, samples: Float32Array) -> None:
        self._rows = len(samples)
        if self._rows > len(self._samples):
            self._samples = np.zeros((2 * self._rows, CHANNELS), dtype=np.float32)
            self._poses = np.zeros((2 * self._rows, VALUES), dtype=np.float32)
            self._bound.clear()
        _copy(samples, self._samples[: self._rows], self.mirrored)

    def run(self) -> Float32Array:
        self._runner.run(self._bound.get(self._rows) or self._bind())
        newest = self._poses[self._rows - 1]
        return mirror(newest) if self.mirrored else newest.copy()

    def reset(self) -> None:
        self._runner.reset()

    def _bind(self) -> BoundStep:
        """A step for the number of rows that was loaded."""
        if len(self._bound) >= 2 * self.ROWS:
            self._bound.clear()
        bound = self._runner.bind(self._samples[None, : self._rows], self._poses[None, : self._rows])
        self._bound[self._rows] = bound
        return bound


def _copy(samples: Float32Array, into: Float32Array, mirrored: bool) -> None:
    if mirrored:
        np.take(samples, MIRRORED_CHANNELS, axis=1, out=into)
    else:
        into[:] = samples


def _check_graph(session: ort.InferenceSession, spec: ModelSpec, name: str) -> None:
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
    for state in states:
        _check_state(inputs[STATE_IN + state], outputs.get(STATE_OUT + state), name)
    extra = set(inputs) - {EMG} - {STATE_IN + state for state in states}
    if extra or bool(states) != (spec.kind == "stream"):
        raise ModelError(
            f"{name}: a {spec.kind} model with inputs {', '.join(inputs)} does not match the contract; export it again"
        )


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


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0][:200]
