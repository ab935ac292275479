"""onnxruntime as Myocast uses it everywhere: one thread, no spinning, quiet; so results agree bit for bit.

Inputs and outputs of a model file have fixed names: `emg`, `pose`, and for a stream `state_in_*` and `state_out_*`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from models.arrays import Float32Array, Float64Array
from models.file_limits import MAX_MEMORY

EMG: Final = "emg"
POSE: Final = "pose"
STATE_IN: Final = "state_in_"
STATE_OUT: Final = "state_out_"


def session_options() -> ort.SessionOptions:
    """One thread that sleeps when there is nothing to do, and no words on stderr: errors are raised."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return options


@cache
def _bound_memory() -> None:
    """Let all sessions that ask for it take their memory from one allocator, which gives `MAX_MEMORY` at most."""
    memory = ort.OrtMemoryInfo("Cpu", ort.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, ort.OrtMemType.DEFAULT)
    as_usual = {"arena_extend_strategy": -1, "initial_chunk_size_bytes": -1, "max_dead_bytes_per_chunk": -1}
    ort.create_and_register_allocator(memory, ort.OrtArenaCfg({"max_mem": MAX_MEMORY, **as_usual}))


def open_session(
    content: bytes, initializers: Mapping[str, npt.ArrayLike] | None = None, *, bounded: bool = False
) -> ort.InferenceSession:
    """A model file's bytes, ready to run on the processor.

    Args:
        content: the whole file.
        initializers: values (float32) that take the place of the file's own, by name: `alignment`, `personal`, `bones`.
            The poses are those of a file rewritten with them.
        bounded: take no more memory than `MAX_MEMORY`, together with all other sessions that were opened so; a run
            that would need more fails.

    Raises what onnxruntime raises.
    """
    options = session_options()
    if bounded:
        _bound_memory()
        options.add_session_config_entry("session.use_env_allocators", "1")
    values = {
        name: ort.OrtValue.ortvalue_from_numpy(np.ascontiguousarray(value, np.float32))
        for name, value in (initializers or {}).items()
    }
    for name, value in values.items():
        options.add_initializer(name, value)
    session = ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    # onnxruntime reads the values where they are: they must live as long as the session.
    session.overriding_initializers = values
    return session


def state_names(session: ort.InferenceSession) -> tuple[str, ...]:
    """Names of a stream's states, without their prefixes; empty for a window model."""
    names = [node.name for node in session.get_inputs()]
    return tuple(name.removeprefix(STATE_IN) for name in names if name.startswith(STATE_IN))


BoundStep = tuple[ort.IOBinding, ort.IOBinding]
"""A step between fixed arrays: one binding for each of the two sets of states that take turns."""


class OnnxRunner:
    """A model that is run step by step; a stream's states are carried from one step to the next.

    A step either makes new arrays (`step`) or writes into arrays that were bound before (`bind`, `run`). A runner is
    used in one of the two ways: bound steps keep to the states' first arrays.
    """

    def __init__(self, session: ort.InferenceSession, batch: int = 1) -> None:
        """`batch` sequences are run side by side."""
        self._session = session
        inputs = {node.name: node for node in session.get_inputs()}
        self._names = state_names(session)
        self._outputs = [POSE, *(STATE_OUT + name for name in self._names)]
        shapes = {STATE_IN + name: (batch, *inputs[STATE_IN + name].shape[1:]) for name in self._names}
        self._states: list[dict[str, Float32Array]] = [
            {name: np.zeros(shape, np.float32) for name, shape in shapes.items()} for _ in range(2)
        ]
        self._newest = 0
        self._run_options = ort.RunOptions()
        self._run_options.log_severity_level = 4

    @classmethod
    def open(cls, content: bytes, batch: int = 1) -> OnnxRunner:
        """Of a model file's bytes. Raises what onnxruntime raises."""
        return cls(open_session(content), batch)

    def step(self, emg: Float32Array) -> Float32Array:
        """Run once.

        Args:
            emg: (batch, n, 8) in the model's unit: whole windows, or for a stream the next n samples.

        Returns:
            (batch, 63) or for a stream (batch, n, 63) mm, frame `hand`; a new array.
        """
        return self.step_outputs(emg, (POSE,))[0]

    def step_outputs(self, emg: Float32Array, names: Sequence[str]) -> list[Float32Array]:
        """Run once, as `step` does, and return the outputs of these names."""
        states = self._states[self._newest]
        found = self._session.run([*names, *self._outputs[1:]], {EMG: emg, **states})
        states.update(zip(states, found[len(names) :], strict=True))
        return found[: len(names)]  # type: ignore[no-any-return]

    def bind(self, emg: Float32Array, pose: Float32Array, more: Mapping[str, Float32Array] | None = None) -> BoundStep:
        """Prepare steps that read one array and write others; none is copied.

        Args:
            emg: (batch, n, 8), filled before each run.
            pose: (batch, 63) or (batch, n, 63), written by each run.
            more: further outputs of the graph, written by each run.
        """
        written = {POSE: pose, **(more or {})}
        return self._binding(emg, written, 0), self._binding(emg, written, 1)

    def run(self, bound: BoundStep) -> None:
        """Run once between bound arrays; makes no new array."""
        self._session.run_with_iobinding(bound[self._newest], self._run_options)
        self._newest = 1 - self._newest

    def terminate(self) -> None:
        """Let the run that goes on, on another thread, fail at its next node, and those after it until `allow`."""
        self._run_options.terminate = True

    def allow(self) -> None:
        """Let runs go on after `terminate`."""
        self._run_options.terminate = False

    def reset(self) -> None:
        """Forget the past: the next step begins a new sequence."""
        for state in self._states[self._newest].values():
            state[:] = 0.0

    def copy_states(self, other: OnnxRunner) -> None:
        """Go on from where another runner of the same graph stands."""
        for name, state in self._states[self._newest].items():
            state[:] = other._states[other._newest][name]

    def scale_state(self, factors: Float64Array) -> None:
        """Multiply the first state (batch, s) by factors (s,)."""
        self._states[self._newest][STATE_IN + self._names[0]][:] *= factors

    def _binding(self, emg: Float32Array, written: Mapping[str, Float32Array], newest: int) -> ort.IOBinding:
        binding = self._session.io_binding()
        for name, array in {EMG: emg, **self._states[newest]}.items():
            binding.bind_ortvalue_input(name, ort.OrtValue.ortvalue_from_numpy(array))
        after = dict(zip(self._outputs[1:], self._states[1 - newest].values(), strict=True))
        for name, array in {**written, **after}.items():
            binding.bind_ortvalue_output(name, ort.OrtValue.ortvalue_from_numpy(array))
        return binding
