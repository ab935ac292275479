"""Read and replace single values of a model file without any ONNX library.

The file stays as it is, byte by byte, but for the initializers and the metadata that are replaced. Field numbers, as in
`models.onnx_file`: onnx.proto3 (ModelProto.graph = 7, metadata_props = 14; GraphProto.initializer = 5;
TensorProto.dims = 1, data_type = 2 with FLOAT = 1, float_data = 4, name = 8, raw_data = 9; StringStringEntryProto.key =
1, value = 2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from models.arrays import Float32Array
from models.onnx_file import message_fields, read_varint, whole_fields
from models.spec import METADATA_KEY, ModelError, ModelSpec

_GRAPH: Final = 7
_METADATA: Final = 14
_INITIALIZER: Final = 5
_DIMS: Final = 1
_DATA_TYPE: Final = 2
_FLOAT_DATA: Final = 4
_NAME: Final = 8
_RAW_DATA: Final = 9
_FLOAT: Final = 1
_LENGTH_DELIMITED: Final = 2


def read_initializers(content: bytes) -> dict[str, Float32Array]:
    """The float32 initializers of a model file, by name, each of its own shape.

    Raises:
        ModelError: not an ONNX file, or a damaged one.
    """
    found: dict[str, Float32Array] = {}
    try:
        for number, graph in message_fields(memoryview(content)):
            if number == _GRAPH and isinstance(graph, memoryview):
                tensors = (value for field, value in message_fields(graph) if field == _INITIALIZER)
                found.update(
                    named for tensor in tensors if isinstance(tensor, memoryview) for named in _read_tensor(tensor)
                )
    except (ValueError, IndexError) as error:
        raise _damaged() from error
    return found


def rewrite(content: bytes, initializers: Mapping[str, npt.ArrayLike], spec: ModelSpec | None = None) -> bytes:
    """A copy of a model file with other initializers and, where `spec` is given, another specification.

    Args:
        content: the model file.
        initializers: name -> values (float32) of the shape that the file's have.
        spec: what the `myocast` metadata of the copy says; None keeps it.

    Raises:
        ModelError: not an ONNX file, no such initializer in it, one of another shape, or values that are not numbers.
    """
    values = {name: np.ascontiguousarray(value, "<f4") for name, value in initializers.items()}
    try:
        _check(values, {name: value.shape for name, value in read_initializers(content).items()})
        return b"".join(_rewrite_model(memoryview(content), values, spec))
    except (ValueError, IndexError) as error:
        raise _damaged() from error


def _check(values: Mapping[str, Float32Array], shapes: Mapping[str, tuple[int, ...]]) -> None:
    for name, value in values.items():
        if name not in shapes:
            raise ModelError(f"the model has no `{name}` initializer; export it again with `myocast export`")
        if value.shape != shapes[name]:
            raise ModelError(f"expected {name} of shape {shapes[name]}, got {value.shape}; make it for this model")
        if not np.isfinite(value).all():
            raise ModelError(f"{name} holds values that are not numbers; make it again")


def _damaged() -> ModelError:
    return ModelError("not an ONNX file, or a damaged one; export the model again")


def _rewrite_model(model: memoryview, values: Mapping[str, Float32Array], spec: ModelSpec | None) -> Iterator[bytes]:
    for number, value, whole in whole_fields(model):
        if number == _GRAPH and isinstance(value, memoryview):
            yield _delimited(_GRAPH, b"".join(_rewrite_graph(value, values)))
        elif not (number == _METADATA and spec is not None and _key(value) == METADATA_KEY):
            yield bytes(whole)
    if spec is not None:
        entry = _delimited(1, METADATA_KEY.encode()) + _delimited(2, spec.to_json().encode())
        yield _delimited(_METADATA, entry)


def _rewrite_graph(graph: memoryview, values: Mapping[str, Float32Array]) -> Iterator[bytes]:
    for number, value, whole in whole_fields(graph):
        name = _tensor_name(value) if number == _INITIALIZER and isinstance(value, memoryview) else ""
        yield _delimited(_INITIALIZER, _tensor(name, values[name])) if name in values else bytes(whole)


def _key(entry: int | memoryview) -> str:
    parts = dict(message_fields(entry)) if isinstance(entry, memoryview) else {}
    key = parts.get(1, b"")
    return bytes(key).decode() if isinstance(key, memoryview) else ""


def _tensor_name(tensor: memoryview) -> str:
    names = [bytes(value).decode() for number, value in message_fields(tensor) if number == _NAME and _is_bytes(value)]
    return names[-1] if names else ""


def _is_bytes(value: int | memoryview) -> bool:
    return isinstance(value, memoryview)


def _read_tensor(tensor: memoryview) -> Iterator[tuple[str, Float32Array]]:
    """Name and values of a float32 tensor; nothing of any other."""
    dims: list[int] = []
    kind, data = 0, b""
    for number, value in message_fields(tensor):
        if number == _DIMS:
            dims += _packed(value)
        elif number == _DATA_TYPE and isinstance(value, int):
            kind = value
        elif number in (_RAW_DATA, _FLOAT_DATA) and isinstance(value, memoryview):
            data += bytes(value)
    if kind == _FLOAT and len(data) == 4 * math.prod(dims):
        yield _tensor_name(tensor), np.frombuffer(data, "<f4").reshape(dims).astype(np.float32)


def _packed(value: int | memoryview) -> list[int]:
    if isinstance(value, int):
        return [value]
    found, at = [], 0
    while at < len(value):
        number, at = read_varint(value, at)
        found.append(number)
    return found


def _tensor(name: str, value: Float32Array) -> bytes:
    dims = b"".join(_varint(_DIMS << 3) + _varint(size) for size in value.shape)
    kind = _varint(_DATA_TYPE << 3) + _varint(_FLOAT)
    return dims + kind + _delimited(_NAME, name.encode()) + _delimited(_RAW_DATA, value.tobytes())


def _delimited(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH_DELIMITED) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
