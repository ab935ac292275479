"""What training verbs do before they import Keras."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

from models.errors import MyocastError
from models.installation import install_command


class ExtraMissing(MyocastError):
    """A verb that needs packages which serving does not."""


def prepare_keras(threads: int | None = None, *, keras: bool = True) -> None:
    """Silence TensorFlow, choose it as Keras' backend, and limit its threads.

    Args:
        threads: of TensorFlow; None = all.
        keras: False where only what stands around Keras is needed (scipy, scikit-learn, onnx).

    Raises:
        ExtraMissing: Keras or TensorFlow is not installed.
    """
    needed = ("tensorflow", "keras", "tf2onnx", "onnx", "scipy", "sklearn") if keras else ("onnx", "scipy", "sklearn")
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise ExtraMissing(f"{', '.join(missing)} not installed, which training needs; run: {install_command('train')}")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    os.environ["KERAS_BACKEND"] = "tensorflow"
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|tf2onnx|google|h5py|numpy)\b.*")
    _quiet_loggers()
    if not keras:
        return
    with _no_stderr():
        import tensorflow as tf
    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    with _no_stderr():
        tf.constant(0.0)


@contextmanager
def _no_stderr() -> Iterator[None]:
    """Point stderr's descriptor at the null device: TensorFlow's libraries write to it before a log level is set."""
    sys.stderr.flush()
    kept, sink = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(sink, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(sink)


def _quiet_loggers() -> None:
    import logging

    for name in ("tensorflow", "tf2onnx", "absl"):
        logging.getLogger(name).setLevel(logging.ERROR)
