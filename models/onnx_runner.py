"""onnxruntime as Myocast uses it everywhere: one thread, no spinning, quiet; so results agree bit for bit."""

from __future__ import annotations

import onnxruntime as ort


def session_options() -> ort.SessionOptions:
    """One thread that sleeps when there is nothing to do, and no words on stderr: errors are raised."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 4
    return options


def open_session(content: bytes) -> ort.InferenceSession:
    """A model file's bytes, ready to run on the processor. Raises what onnxruntime raises."""
    return ort.InferenceSession(content, session_options(), providers=["CPUExecutionProvider"])
