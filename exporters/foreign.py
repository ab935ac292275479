"""An ONNX file from elsewhere -> a Myocast model file: names, shapes and types of the contract around its graph.

Whoever trained it says what the file does not: rate, unit and mode of its EMG, perhaps the window. What its input looks
like is read from its shape, or tried: time first or channels first, with or without a batch, with dimensions of one,
float16 or float64. Its output is 21 points or 63 numbers. The graph itself stays as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from math import prod
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnx
import onnx.compose
from onnx import TensorProto, helper, numpy_helper

from exporters.errors import ExportError
from exporters.write import write
from models.arrays import Float32Array
from models.hand import CHANNELS, POINTS, VALUES, Side
from models.onnx_runner import EMG, POSE, STATE_IN, OnnxRunner, open_session
from models.spec import ModelSpec
from models.version import package_version

Layout = Literal["time", "channels"]
LAYOUTS: Final[tuple[Layout, ...]] = ("time", "channels")
PoseUnit = Literal["mm", "cm", "m"]
MILLIMETRES: Final[dict[PoseUnit, float]] = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
FLOATS: Final = {TensorProto.FLOAT: "float32", TensorProto.FLOAT16: "float16", TensorProto.DOUBLE: "float64"}
LONGEST: Final = 1000
"""Samples up to which windows are tried, where the file leaves the length open."""
POSES_HZ: Final = 50.0
_PREFIX: Final = "inner/"


@dataclass(frozen=True, slots=True)
class ForeignConfig:
    """What a file from elsewhere does not say."""

    rate_hz: float
    unit: str
    emg_mode: str = "raw"
    window: int | None = None
    """Samples; None: as its input says."""
    hop: int | None = None
    """Samples between two poses; None: 20 ms."""
    layout: Layout | None = None
    """Which dimension of the input comes first; None: as its shape says."""
    output: str | None = None
    """Which output is the pose; None: the one of 63 values."""
    pose_unit: PoseUnit = "mm"
    hand: Side = "right"
    name: str = ""


@dataclass(frozen=True, slots=True)
class ForeignExport:
    """What came out."""

    spec: ModelSpec
    bytes: int
    reads: str
    """How its input and output were understood, for a person."""


@dataclass(frozen=True, slots=True)
class _Input:
    """How the graph takes a window: its shape, None for a batch of any size."""

    shape: tuple[int | None, ...]
    layout: Layout
    window: int

    @property
    def channels_first(self) -> bool:
        return self.layout == "channels"

    @property
    def batch(self) -> int | None:
        """1 where the graph takes one window at a time."""
        return None if self.shape[0] is None else 1


def add_metadata(source: Path, target: Path, config: ForeignConfig) -> ForeignExport:
    """Write a Myocast model file around the graph of another.

    Args:
        source: any ONNX file whose input is a window of eight channels, or a stream that follows the contract.
        target: the model file to write; it appears complete or not at all.

    Raises:
        ExportError: the file cannot be read, has no such input or output, or gives no poses in a trial run.
    """
    model = _load(source)
    graph = model.graph
    fed = [value for value in graph.input if value.name not in {one.name for one in graph.initializer}]
    if any(value.name.startswith(STATE_IN) for value in fed):
        return _stream(source, target, model, config)
    if len(fed) != 1:
        names = ", ".join(value.name for value in fed) or "none"
        raise ExportError(
            f"{source.name}: inputs {names}; expected one, a window of {CHANNELS} channels (a stream names its states "
            f"`{STATE_IN}…`, see docs/protocol.md#graph)"
        )
    output = _pose_output(graph, config.output, source.name)
    taken = _input_of(model, fed[0], output, config, source.name)
    wrapped = _wrap(model, fed[0], output, taken, MILLIMETRES[config.pose_unit])
    poses = _try_out(wrapped, taken, source.name)
    spec = _spec(source, model, config, "window", taken.window)
    size = write(wrapped, spec, target)
    first = "channels" if taken.channels_first else "time"
    reads = (
        f"`{fed[0].name}` {_shown(fed[0])} as windows of {taken.window} samples, {first} first; `{output}` as the pose"
    )
    if not np.ptp(poses, axis=0).any():
        reads += "; it gives the same pose for noise as for nothing"
    return ForeignExport(spec, size, reads)


def _load(source: Path) -> onnx.ModelProto:
    try:
        model = onnx.load(source)
        onnx.checker.check_model(model)
    except FileNotFoundError:
        raise ExportError(f"{source}: no such file; give an .onnx file") from None
    except OSError as error:
        raise ExportError(f"{source}: cannot be read ({error.strerror}); give an .onnx file") from None
    except Exception as error:
        # protobuf, the checker and the reader of tensors have a class each for a damaged file.
        raise ExportError(
            f"{source.name}: not an ONNX file that can be used ({_first_line(error)}); export it again"
        ) from None
    return model


def _shape(value: onnx.ValueInfoProto) -> tuple[int | None, ...]:
    """A tensor's shape; None where the file leaves a dimension open."""
    return tuple(dim.dim_value if dim.HasField("dim_value") else None for dim in value.type.tensor_type.shape.dim)


def _shown(value: onnx.ValueInfoProto) -> str:
    dims = value.type.tensor_type.shape.dim
    kind = FLOATS.get(value.type.tensor_type.elem_type, "no float")
    sizes = [str(dim.dim_value) if dim.HasField("dim_value") else dim.dim_param or "?" for dim in dims]
    return f"{kind} [{', '.join(sizes)}]"


def _pose_output(graph: onnx.GraphProto, wanted: str | None, name: str) -> str:
    """The output that is the pose."""
    outputs = {value.name: value for value in graph.output}
    if wanted is not None:
        if wanted not in outputs:
            raise ExportError(f"{name}: no output `{wanted}`; there are {', '.join(outputs)}")
        return wanted
    fitting = [key for key, value in outputs.items() if _may_be_pose(value)]
    if len(fitting) != 1:
        found = ", ".join(f"`{key}` {_shown(value)}" for key, value in outputs.items())
        raise ExportError(
            f"{name}: outputs {found}; expected one pose of {VALUES} values or {POINTS} x 3: say which with --output"
        )
    return str(fitting[0])


def _may_be_pose(value: onnx.ValueInfoProto) -> bool:
    if value.type.tensor_type.elem_type not in FLOATS:
        return False
    known = [size for size in _shape(value) if size is not None]
    return not known or prod(known) % VALUES == 0 or len(known) < len(_shape(value)) - 1


def _input_of(
    model: onnx.ModelProto, value: onnx.ValueInfoProto, output: str, config: ForeignConfig, name: str
) -> _Input:
    """How the graph takes its windows: from its shape as far as that tells, else by trying."""
    if value.type.tensor_type.elem_type not in FLOATS:
        raise ExportError(f"{name}: input `{value.name}` holds no floats; expected EMG as float32, float16 or float64")
    candidates = list(_candidates(_shape(value), config))
    if not candidates:
        raise ExportError(
            f"{name}: input `{value.name}` is {_shown(value)}; expected a window of {CHANNELS} channels, such as "
            f"[batch, time, {CHANNELS}] or [batch, {CHANNELS}, time]{_given_options(config)}"
        )
    if len(candidates) == 1:
        return candidates[0]
    working: list[_Input] = []
    takes = _trial_of(model, value, output, name)
    for candidate in candidates:
        if takes(candidate):
            working.append(candidate)
        if len({one.window for one in working}) > 1:
            raise ExportError(
                f"{name}: input `{value.name}` is {_shown(value)} and takes windows of any length; say which it was "
                "trained with: --window"
            )
    if len(working) > 1:
        raise ExportError(
            f"{name}: input `{value.name}` is {_shown(value)}; say what comes first: --layout time or channels"
        )
    if not working:
        raise ExportError(
            f"{name}: input `{value.name}` is {_shown(value)} and takes no window of 1 to {LONGEST} samples"
            f"{_given_options(config)}; say which: --window, --layout"
        )
    return working[0]


def _given_options(config: ForeignConfig) -> str:
    """The options that leave nothing else."""
    given = [f"--window {config.window}" if config.window else "", f"--layout {config.layout}" if config.layout else ""]
    said = " ".join(part for part in given if part)
    return f" (with {said})" if said else ""


def _candidates(shape: tuple[int | None, ...], config: ForeignConfig) -> Iterator[_Input]:
    """All ways in which an input of this shape may take a window, those with the wrong number of values left out."""
    rank = len(shape)
    windows = [config.window] if config.window else list(range(1, LONGEST + 1))
    layouts = [config.layout] if config.layout else list(LAYOUTS)
    if rank == 2:
        for layout in layouts:
            pair = (shape[0], shape[1])
            for window in windows:
                sizes = (window, CHANNELS) if layout == "time" else (CHANNELS, window)
                if _fits(pair, sizes):
                    yield _Input(sizes, layout, window)
        flat, batch = shape[1], shape[0]
        if flat and flat % CHANNELS == 0 and flat > CHANNELS and flat // CHANNELS in windows and batch in (None, 1):
            yield from (_Input((batch, flat), layout, flat // CHANNELS) for layout in layouts)
        return
    if rank not in (3, 4) or shape[0] not in (None, 1):
        return
    # Of four dimensions one is 1, as a picture's channel.
    for extra in range(1, rank) if rank == 4 else (None,):
        if extra is not None and shape[extra] != 1:
            continue
        rest = [size for at, size in enumerate(shape) if at not in (0, extra)]
        for layout in layouts:
            for window in windows:
                sizes = (window, CHANNELS) if layout == "time" else (CHANNELS, window)
                if _fits((rest[0], rest[1]), sizes):
                    whole: list[int | None] = [shape[0], *sizes]
                    if extra is not None:
                        whole.insert(extra, 1)
                    yield _Input(tuple(whole), layout, window)


def _fits(shape: tuple[int | None, int | None], sizes: tuple[int, int]) -> bool:
    return all(known in (None, size) for known, size in zip(shape, sizes, strict=True))


def _trial_of(model: onnx.ModelProto, value: onnx.ValueInfoProto, output: str, name: str) -> Callable[[_Input], bool]:
    """Tells whether the graph, as it is, takes such a window and gives 63 values for it."""
    try:
        session = open_session(model.SerializeToString())
    except Exception as error:
        raise ExportError(f"{name}: onnxruntime refuses the graph ({_first_line(error)}); export it again") from None
    kind = np.dtype(FLOATS[value.type.tensor_type.elem_type])

    def takes(candidate: _Input) -> bool:
        shape = tuple(1 if size is None else size for size in candidate.shape)
        try:
            pose = session.run([output], {value.name: np.zeros(shape, kind)})[0]
        except Exception:
            # onnxruntime has a class for each kind of failure; all say that this is not its window.
            return False
        return bool(np.size(pose) == VALUES)

    return takes


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]


def _wrap(
    model: onnx.ModelProto, value: onnx.ValueInfoProto, output: str, taken: _Input, scale: float
) -> onnx.ModelProto:
    """The graph with the input and output of the contract around it."""
    kinds = {one.name: one.type.tensor_type.elem_type for one in (*model.graph.input, *model.graph.output)}
    inner = onnx.compose.add_prefix(model, _PREFIX)
    graph = inner.graph
    before, after = [], []
    newest = EMG
    if kinds[value.name] != TensorProto.FLOAT:
        before.append(helper.make_node("Cast", [newest], ["emg_cast"], to=kinds[value.name]))
        newest = "emg_cast"
    if taken.channels_first:
        before.append(helper.make_node("Transpose", [newest], ["emg_turned"], perm=[0, 2, 1]))
        newest = "emg_turned"
    shape = np.array([-1 if size is None else size for size in taken.shape], np.int64)
    constants = [
        numpy_helper.from_array(shape, "emg_shape"),
        numpy_helper.from_array(np.array([-1, VALUES], np.int64), "pose_shape"),
        numpy_helper.from_array(np.array(scale, np.float32), "pose_scale"),
    ]
    before.append(helper.make_node("Reshape", [newest, "emg_shape"], [_PREFIX + value.name]))
    newest = _PREFIX + output
    if kinds[output] != TensorProto.FLOAT:
        after.append(helper.make_node("Cast", [newest], ["pose_cast"], to=TensorProto.FLOAT))
        newest = "pose_cast"
    after.append(helper.make_node("Reshape", [newest, "pose_shape"], ["pose_rows"]))
    after.append(helper.make_node("Mul", ["pose_rows", "pose_scale"], [POSE]))
    nodes = [*before, *graph.node, *after]
    initializers = [*graph.initializer, *constants]
    batch = "batch" if taken.batch is None else 1
    made = helper.make_graph(
        nodes,
        graph.name or "model",
        [helper.make_tensor_value_info(EMG, TensorProto.FLOAT, [batch, taken.window, CHANNELS])],
        [helper.make_tensor_value_info(POSE, TensorProto.FLOAT, [batch, VALUES])],
        initializers,
        sparse_initializer=list(graph.sparse_initializer),
    )
    wrapped = helper.make_model(made, opset_imports=list(inner.opset_import), functions=list(inner.functions))
    wrapped.ir_version = model.ir_version
    return wrapped


def _try_out(wrapped: onnx.ModelProto, taken: _Input, name: str) -> Float32Array:
    """Run it on zeros and on noise; return the poses."""
    noise = np.random.default_rng(0).standard_normal((1, taken.window, CHANNELS)).astype(np.float32) * 20.0
    try:
        runner = OnnxRunner(open_session(wrapped.SerializeToString()))
        poses = [runner.step(emg) for emg in (np.zeros_like(noise), noise)]
    except Exception as error:
        raise ExportError(
            f"{name}: fails in a trial run on {taken.window} samples ({_first_line(error)}); check --window, --layout"
        ) from None
    for pose in poses:
        if pose.shape != (1, VALUES):
            raise ExportError(f"{name}: gives {pose.shape} for one window; expected {VALUES} values: say --output")
        if not np.isfinite(pose).all():
            raise ExportError(f"{name}: gives values that are no numbers in a trial run; check its weights")
    return np.concatenate(poses)


def _stream(source: Path, target: Path, model: onnx.ModelProto, config: ForeignConfig) -> ForeignExport:
    """A stream that has the names of the contract already: only the metadata is added."""
    spec = _spec(source, model, config, "stream", 0)
    try:
        runner = OnnxRunner(open_session(model.SerializeToString()))
        pose = runner.step(np.zeros((1, spec.hop, CHANNELS), np.float32))
    except Exception as error:
        raise ExportError(
            f"{source.name}: a stream that does not follow the contract ({_first_line(error)}); see "
            "docs/protocol.md#graph"
        ) from None
    if pose.shape != (1, spec.hop, VALUES) or not np.isfinite(pose).all():
        raise ExportError(f"{source.name}: gives {pose.shape} for {spec.hop} samples; see docs/protocol.md#graph")
    size = write(model, spec, target)
    return ForeignExport(spec, size, f"a stream with a pose every {spec.hop} samples")


def _spec(
    source: Path, model: onnx.ModelProto, config: ForeignConfig, kind: Literal["window", "stream"], window: int
) -> ModelSpec:
    return ModelSpec(
        name=config.name or source.stem,
        architecture=model.producer_name or "onnx",
        parameters=sum(prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type in FLOATS),
        kind=kind,
        window=window,
        hop=config.hop or max(1, round(config.rate_hz / POSES_HZ)),
        rate_hz=config.rate_hz,
        unit=config.unit,
        emg_mode=config.emg_mode,
        hand=config.hand,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        myocast_version=package_version(),
    )
