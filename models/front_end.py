"""The running averages at the beginning of a streaming model file, and their constants for another rate.

Such a network knows time through nothing else: it averages rectified EMG with several time constants, and what
follows sees one row at a time. In the graph the averages are one LSTM whose gates are constants
(`models.architectures.stream`), so its bias alone says how much of the past is kept from one sample to the next.
Written for another rate, the averages have the same time constants in seconds, and the network serves that rate
without resampling and without delay.

ONNX keeps gates in the order input, output, forget, cell; the bias holds those of W, then those of R. Field numbers, as
in `models.onnx_file`: GraphProto.node = 1, NodeProto.input = 1, op_type = 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from models.arrays import BoolArray, Float32Array, Float64Array
from models.hand import CHANNELS
from models.onnx_edit import read_initializers
from models.onnx_file import message_fields
from models.spec import ModelError

_GRAPH: Final = 7
_NODE: Final = 1
_INPUT: Final = 1
_OP_TYPE: Final = 4
_GATES: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class FrontEnd:
    """The running averages of one model file."""

    bias: str
    """Name of the initializer that holds the gates' biases."""
    rate_hz: float
    """Samples per second that the file's own biases are for."""
    logits: Float64Array
    """(k (8 + 1),) of the share that one sample keeps of an average, at that rate."""
    rest: Float32Array
    """(8 k (8 + 1),) the biases as they are in the file."""

    @property
    def time_constants_s(self) -> Float64Array:
        """(k,) seconds."""
        return np.asarray(-1.0 / (self.rate_hz * _log_kept(self.logits[:: CHANNELS + 1])), np.float64)

    @property
    def levels(self) -> BoolArray:
        """(k (8 + 1),) which values of the state are averages of EMG; the others count samples."""
        return np.arange(len(self.logits)) % (CHANNELS + 1) < CHANNELS

    def at(self, rate_hz: float) -> Float32Array:
        """The biases (1, 8 k (8 + 1)) for another rate."""
        log_kept = _log_kept(self.logits) * (self.rate_hz / rate_hz)
        logits = log_kept - np.log(-np.expm1(log_kept))
        units = len(logits)
        bias = self.rest.copy()
        bias[_GATES * units :] = 0.0
        bias[:units] = -logits
        bias[2 * units : 3 * units] = logits
        return bias[None].astype(np.float32)


def find_front_end(content: bytes, rate_hz: float) -> FrontEnd | None:
    """The running averages of a model file, if all that it remembers is in them.

    Args:
        content: the whole file, which `read_spec` has accepted.
        rate_hz: that the file is for.
    """
    try:
        values = read_initializers(content)
        for inputs in _lstm_inputs(content):
            found = _averages(values, inputs, rate_hz)
            if found is not None:
                return found
    except (ModelError, ValueError, IndexError, RecursionError):
        pass
    return None


def _lstm_inputs(content: bytes) -> list[list[str]]:
    """Names of what each LSTM node of the graph takes."""
    found = []
    for number, graph in message_fields(memoryview(content)):
        if number != _GRAPH or not isinstance(graph, memoryview):
            continue
        for field, node in message_fields(graph):
            if field != _NODE or not isinstance(node, memoryview):
                continue
            parts = [(key, bytes(value)) for key, value in message_fields(node) if isinstance(value, memoryview)]
            if (_OP_TYPE, b"LSTM") in parts:
                found.append([value.decode() for key, value in parts if key == _INPUT])
    return found


def _averages(values: dict[str, Float32Array], inputs: list[str], rate_hz: float) -> FrontEnd | None:
    """The averages that an LSTM computes, or None where its gates are no constants."""
    if len(inputs) < 4 or not {*inputs[1:4]} <= values.keys():
        return None
    kernel, recurrent, both = (values[name] for name in inputs[1:4])
    if kernel.ndim != 3 or kernel.shape[0] != 1 or kernel.shape[2] != CHANNELS + 1:
        return None
    units = kernel.shape[1] // _GATES
    if units % (CHANNELS + 1) or both.shape != (1, 2 * _GATES * units) or recurrent.any():
        return None
    bias = both[0, : _GATES * units] + both[0, _GATES * units :]
    taken, forget = bias[:units], bias[2 * units : 3 * units]
    if kernel[0, : 3 * units].any() or not np.allclose(taken, -forget, atol=1e-5) or bias[3 * units :].any():
        return None
    rest = np.concatenate([bias, np.zeros(_GATES * units, np.float32)])
    return FrontEnd(inputs[3], rate_hz, forget.astype(np.float64), rest)


def _log_kept(logits: Float64Array) -> Float64Array:
    """Logarithm of the sigmoid."""
    return np.asarray(-np.log1p(np.exp(-logits)), np.float64)
