"""The process in which an unknown model file is tried: the file on stdin, JSON objects with `error` on stdout.

The first tells of the run on zeros, the second of runs on noise. These have little time, and one that takes longer is
no error: while serving, a run that does not end is broken off.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from typing import Final

import numpy as np
import onnxruntime as ort

from models.arrays import Float32Array
from models.hand import CHANNELS
from models.onnx_file import read_spec
from models.onnx_runner import open_session
from models.spec import ModelError, ModelSpec
from service.engine.model_trial import EXIT_MEMORY
from service.engine.predictor import INFERENCE_ERRORS, check_graph, first_line, try_out
from service.engine.successor import WARM_ROWS

NOISE_S: Final = 2.0
"""Seconds for the runs on noise."""
SIGNAL: Final = 40.0
"""Spread of the samples of the second run, in the middle of what a Myo sends."""


def main() -> None:
    """Try what comes on stdin; the arguments are the file's name and the bytes that this process may take."""
    name, memory = sys.argv[1], int(sys.argv[2])
    _limit_memory(memory)
    data = sys.stdin.buffer.read()
    try:
        session, spec = _opened(data, name)
        try_out(session, spec, name)
        _tell("")
        _limit_time()
        for emg in _noise(spec):
            try_out(session, spec, name, emg)
    except ModelError as error:
        _tell(str(error))
    except MemoryError:
        os._exit(EXIT_MEMORY)
    # Without onnxruntime's own end, which may wait for what the model left behind.
    os._exit(0)


def _tell(error: str) -> None:
    print(json.dumps({"error": error}), flush=True)  # noqa: T201 (the answer)


def _opened(data: bytes, name: str) -> tuple[ort.InferenceSession, ModelSpec]:
    try:
        spec = read_spec(data, name)
        session = open_session(data, bounded=True)
    except INFERENCE_ERRORS as error:
        raise ModelError(f"{name}: onnxruntime refuses the graph ({first_line(error)}); export it again") from None
    check_graph(session, spec, name)
    return session, spec


def _noise(spec: ModelSpec) -> list[Float32Array]:
    rows = [spec.window] if spec.kind == "window" else [spec.hop, WARM_ROWS]
    noise = np.random.default_rng(1).normal(0.0, SIGNAL, (1, max(rows), CHANNELS)).astype(np.float32)
    return [noise[:, :count] for count in rows]


def _limit_time() -> None:
    """Let the system end this process when the runs on noise take too long, in whatever they are; not on Windows."""
    if sys.platform != "win32":
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_REAL, NOISE_S)


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
