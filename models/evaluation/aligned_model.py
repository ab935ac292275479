"""A copy of a model file for one band: its `alignment` initializer with another matrix."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import numpy_helper

from models.arrays import Float32Array
from models.hand import CHANNELS
from models.onnx_file import ALIGNMENT
from models.spec import ModelError


class AlignedModelError(ModelError):
    """A model or a matrix that cannot be put together."""

    exit_code = 1


def with_alignment(model: bytes, matrix: Float32Array) -> bytes:
    """The same model with another alignment.

    Args:
        model: content of a model file.
        matrix: (8, 8), applied to envelopes as row vectors: `envelope @ matrix`.

    Returns:
        Content of a model file.

    Raises:
        AlignedModelError: the model has no such initializer, or the matrix is not 8 x 8 numbers.
    """
    value = np.asarray(matrix, np.float32)
    if value.shape != (CHANNELS, CHANNELS) or not np.isfinite(value).all():
        raise AlignedModelError(f"an alignment is {CHANNELS} x {CHANNELS} numbers, got {value.shape}; fit it again")
    proto = onnx.load_from_string(model)
    for tensor in proto.graph.initializer:
        if tensor.name == ALIGNMENT:
            tensor.CopyFrom(numpy_helper.from_array(value, ALIGNMENT))
            return bytes(proto.SerializeToString())
    raise AlignedModelError("the model has no `alignment` initializer; export it again with `myocast export`")
