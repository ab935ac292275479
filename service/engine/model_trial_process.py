"""The process in which an unknown model file is tried: the file on stdin, a JSON object with `error` on stdout."""

from __future__ import annotations

import json
import os
import sys
from typing import Final

import numpy as np

from models.arrays import Float32Array
from models.hand import CHANNELS
from models.onnx_file import read_spec
from models.onnx_runner import open_session
from models.spec import ModelError, ModelSpec
from service.engine.model_trial import EXIT_MEMORY
from service.engine.predictor import INFERENCE_ERRORS, check_graph, first_line, try_out
from service.engine.successor import WARM_ROWS

SIGNAL: Final = 40.0
"""Spread of the samples of the second run, in the middle of what a Myo sends."""


def main() -> None:
    """Try what comes on stdin; the arguments are the file's name and the bytes that this process may take."""
    name, memory = sys.argv[1], int(sys.argv[2])
    _limit_memory(memory)
    try:
        error = trial(sys.stdin.buffer.read(), name)
    except MemoryError:
        os._exit(EXIT_MEMORY)
    sys.stdout.write(json.dumps({"error": error}))
    sys.stdout.flush()
    # Without onnxruntime's own end, which may wait for what the model left behind.
    os._exit(0)


def trial(data: bytes, name: str) -> str:
    """Why a model cannot be served, or nothing."""
    try:
        spec = read_spec(data, name)
        session = open_session(data, bounded=True)
        check_graph(session, spec, name)
        for emg in _signals(spec):
            try_out(session, spec, name, emg)
    except ModelError as error:
        return str(error)
    except INFERENCE_ERRORS as error:
        return f"{name}: onnxruntime refuses the graph ({first_line(error)}); export it again"
    return ""


def _signals(spec: ModelSpec) -> list[Float32Array]:
    rows = [spec.window] if spec.kind == "window" else [spec.hop, WARM_ROWS]
    noise = np.random.default_rng(1).normal(0.0, SIGNAL, (1, max(rows), CHANNELS)).astype(np.float32)
    return [np.zeros((1, rows[0], CHANNELS), np.float32), *(noise[:, :count] for count in rows)]


def _limit_memory(memory: int) -> None:
    """Let allocations fail beyond a limit, where the system can (Linux); elsewhere the parent watches."""
    try:
        import resource
    except ModuleNotFoundError:
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))


if __name__ == "__main__":
    main()
