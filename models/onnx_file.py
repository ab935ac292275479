"""Inputs, outputs, initializers and metadata of an ONNX file, read without any ONNX library.

Only the protobuf fields that serving must know before it trusts a file: the metadata properties and
whether tensors lie outside the file. Field numbers: onnx.proto3 (ModelProto.graph = 7,
ModelProto.metadata_props = 14, training_info = 20, functions = 25, TrainingInfoProto.initialization = 1, algorithm = 2,
GraphProto.node = 1, initializer = 5, sparse_initializer = 15, FunctionProto.node = 7, attribute_proto = 11,
NodeProto.attribute = 5, AttributeProto.t = 5, g = 6, tensors = 10, graphs = 11, sparse_tensor = 22,
sparse_tensors = 23, SparseTensorProto.values = 1, indices = 2, TensorProto.external_data = 13,
data_location = 14 with DEFAULT = 0, StringStringEntryProto.key = 1, value = 2).

What onnxruntime's protobuf reads in another way than this is refused, not read: keys of more than 32 bits, groups, and
field 0. Numbers count as protobuf keeps them (https://protobuf.dev/programming-guides/encoding/): of an enumeration the
lower 32 bits.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from models.file_limits import MAX_FIELDS
from models.spec import METADATA_KEY, ModelError, ModelSpec

PERSONAL: Final = "personal"
"""(features + 1, 20) initializer: what standardised features add to the angles, radians; the last row is the bias."""
PERSONAL_LAYERS: Final = "personal_layers"
"""Prefix of the initializers of layers that were trained on one person, where a file has some."""
BONES: Final = "bones"
"""(20,) initializer: bone lengths, mm."""
FEATURE_MEAN: Final = "feature_mean"
FEATURE_SCALE: Final = "feature_scale"
"""(features,) initializers that features are standardised with."""
FEATURES: Final = "features"
"""(batch, n, features) output of a streaming model, before standardising: what a personal fit learns from."""
ANGLES: Final = "angles"
"""(batch, n, 20) output of a streaming model: the shipped angles, radians, before `personal` adds to them.

Of a file with layers of a person what these add is in it."""
CONFIDENCE: Final = "confidence"
"""(batch, n, 1) output of a streaming model with a measure for it: 0..1."""
EXPECTED_ERROR: Final = "expected_error"
"""(batch, n, 1) output beside it: the error that the shipped head expects, as a share of a still hand's."""
CONFIDENCE_PERSONAL: Final = "confidence_personal"
"""(features + 2, 1) initializer: weight of the expected error, of the standardised features, and bias."""
ALIGNMENT: Final = "alignment"
"""Name of the (8, 8) initializer that aligns the band (docs/protocol.md#graph)."""

_VARINT: Final = 0
_FIXED64: Final = 1
_BYTES: Final = 2
_FIXED32: Final = 5
_EXTERNAL_DATA: Final = 13
_DATA_LOCATION: Final = 14
_LARGEST_KEY: Final = 0xFFFFFFFF
_ENUM_BITS: Final = 0xFFFFFFFF


def read_spec(data: bytes, name: str) -> ModelSpec:
    """The specification that a model file carries.

    Args:
        data: the whole file.
        name: the file's name, for messages.

    Raises:
        ModelError: not an ONNX file, no `myocast` metadata, or tensors kept outside the file.
    """
    properties, external = _scan(data, name)
    if external:
        raise ModelError(
            f"{name}: the model keeps tensors in another file; export it as one file with `myocast export`"
        )
    text = properties.get(METADATA_KEY)
    if text is None:
        raise ModelError(
            f"{name}: no `{METADATA_KEY}` metadata, so not a Myocast model; say what it was trained on, as in "
            f"`myocast export {name} mine.onnx --rate 200 --unit adc`"
        )
    try:
        return ModelSpec.from_json(text)
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from None


def _scan(data: bytes, name: str) -> tuple[dict[str, str], bool]:
    properties: dict[str, str] = {}
    walk = _TensorWalk()
    graphs = 0
    try:
        for number, value in message_fields(memoryview(data)):
            if number == 14 and isinstance(value, memoryview):
                entry = {key: bytes(text) for key, text in message_fields(value) if isinstance(text, memoryview)}
                properties[entry.get(1, b"").decode()] = entry.get(2, b"").decode()
            graphs += number == 7 and isinstance(value, memoryview)
        external = walk.has_external(memoryview(data), "model")
    except (ValueError, IndexError, RecursionError):
        graphs = 0
    if not graphs:
        raise ModelError(f"{name}: not an ONNX file, or a damaged one; export the model again")
    return properties, external


_INSIDE: Final[dict[str, dict[int, str]]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node", 11: "attribute"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
"""Which fields of which message lead on to a tensor."""


class _TensorWalk:
    """Looks at every tensor of a file; raises ValueError with more than `MAX_FIELDS` fields."""

    def __init__(self) -> None:
        self._left = MAX_FIELDS

    def has_external(self, message: memoryview, kind: str) -> bool:
        """Whether a message holds a tensor that lies, or may lie, outside the file."""
        if kind == "tensor":
            return any(
                number == _EXTERNAL_DATA
                or (number == _DATA_LOCATION and (not isinstance(value, int) or value & _ENUM_BITS != 0))
                for number, value in self._fields(message)
            )
        inside = _INSIDE[kind]
        return any(
            number in inside and isinstance(value, memoryview) and self.has_external(value, inside[number])
            for number, value in self._fields(message)
        )

    def _fields(self, message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
        for field in message_fields(message):
            self._left -= 1
            if self._left < 0:
                raise ValueError("too many fields")
            yield field


def message_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """The fields of one protobuf message: number, and an integer or bytes.

    Raises ValueError or IndexError where it is none.
    """
    return ((number, value) for number, value, _ in whole_fields(message))


def whole_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview, memoryview]]:
    """The fields of one protobuf message as `message_fields` gives them, and the bytes of each with its key."""
    start = 0
    while start < len(message):
        key, at = read_varint(message, start)
        number, wire = key >> 3, key & 7
        if number == 0 or key > _LARGEST_KEY or at - start > 5:
            raise ValueError("not a protobuf message")
        value: int | memoryview
        if wire == _VARINT:
            value, end = read_varint(message, at)
        else:
            size, at = (
                read_varint(message, at)
                if wire == _BYTES
                else ({_FIXED64: 8, _FIXED32: 4}[wire] if wire in (_FIXED64, _FIXED32) else -1, at)
            )
            end = at + size
            if size < 0 or end > len(message):
                raise ValueError("not a protobuf message")
            value = message[at:end]
        yield number, value, message[start:end]
        start = end


def read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """An integer of variable length at this place, and the place after it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:
            return value, at
        shift += 7
        if shift > 63:
            raise ValueError("not a varint")
