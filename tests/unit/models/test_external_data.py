"""Tensors that lie outside a model file are refused wherever they stand and however they are written."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.onnx_edit import _delimited, _varint
from models.onnx_file import read_spec
from models.spec import ModelError

DATA_LOCATION = 14 << 3
TENSOR = b"\x08\x01\x10\x01" + _delimited(8, b"offset")
"""dims 1, data_type FLOAT, and a name."""


def spelled(value: int) -> bytes:
    """`data_location` as a varint of any length."""
    return _varint(DATA_LOCATION) + _varint(value)


EXTERNAL = {
    "1": spelled(1),
    "2^32 + 1": spelled(2**32 + 1),
    "2^63 + 1": spelled(2**63 + 1),
    "2^40 + 2^32 + 1": spelled(2**40 + 2**32 + 1),
    "-1": spelled(2**64 - 1),
    "an unknown place": spelled(7),
    "overlong": _varint(DATA_LOCATION) + b"\x81\x80\x80\x80\x80\x00",
    "after the default": spelled(0) + spelled(1),
    "before the default": spelled(1) + spelled(0),
    "only where it is": _delimited(13, _delimited(1, b"location") + _delimited(2, b"/etc/passwd")),
}
DAMAGED = {
    "a key of 33 bits": _varint(DATA_LOCATION + (1 << 32)) + b"\x01",
    "an overlong key": b"\xf0\x80\x80\x80\x80\x00\x01",
    "a key of 64 bits": _varint(DATA_LOCATION + (1 << 63)) + b"\x01",
    "a group": bytes([14 << 3 | 3, 0x08, 0x01, 14 << 3 | 4]),
    "field 0": b"\x00\x01",
}


def graph(inside: bytes) -> bytes:
    """A second `graph` field, which protobuf merges with the first."""
    return _delimited(7, inside)


PLACES = {
    "initializer": lambda tensor: graph(_delimited(5, tensor)),
    "sparse values": lambda tensor: graph(_delimited(15, _delimited(1, tensor))),
    "sparse indices": lambda tensor: graph(_delimited(15, _delimited(2, tensor))),
    "attribute": lambda tensor: graph(_delimited(1, _delimited(5, _delimited(5, tensor)))),
    "attributes": lambda tensor: graph(_delimited(1, _delimited(5, _delimited(10, tensor)))),
    "sparse attribute": lambda tensor: graph(_delimited(1, _delimited(5, _delimited(22, _delimited(1, tensor))))),
    "subgraph": lambda tensor: graph(_delimited(1, _delimited(5, _delimited(6, _delimited(5, tensor))))),
    "node of a function": lambda tensor: _delimited(25, _delimited(7, _delimited(5, _delimited(5, tensor)))),
    "attribute of a function": lambda tensor: _delimited(25, _delimited(11, _delimited(5, tensor))),
    "training": lambda tensor: _delimited(20, _delimited(2, _delimited(5, tensor))),
}


@pytest.mark.case("F3")
@pytest.mark.parametrize("spelling", EXTERNAL)
def test_however_it_is_written(tiny_window: Path, spelling: str) -> None:
    content = tiny_window.read_bytes() + PLACES["initializer"](TENSOR + EXTERNAL[spelling])
    with pytest.raises(ModelError, match="in another file"):
        read_spec(content, "evil.onnx")


@pytest.mark.case("F3")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("spelling", ["1", "2^32 + 1"])
def test_wherever_it_stands(tiny_window: Path, place: str, spelling: str) -> None:
    with pytest.raises(ModelError, match="in another file"):
        read_spec(tiny_window.read_bytes() + PLACES[place](TENSOR + EXTERNAL[spelling]), "evil.onnx")
    inside = PLACES[place](TENSOR + spelled(0))
    assert read_spec(tiny_window.read_bytes() + inside, "good.onnx").name == "tiny"


@pytest.mark.case("F3")
@pytest.mark.parametrize("spelling", DAMAGED)
def test_what_another_reader_may_take_for_it(tiny_window: Path, spelling: str) -> None:
    content = tiny_window.read_bytes() + PLACES["initializer"](TENSOR + DAMAGED[spelling])
    with pytest.raises(ModelError, match="not an ONNX file, or a damaged one"):
        read_spec(content, "evil.onnx")


def test_a_file_of_nothing_but_fields_is_refused(tiny_window: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.onnx_file.MAX_FIELDS", 1000)
    with pytest.raises(ModelError, match="damaged"):
        read_spec(tiny_window.read_bytes() + graph(b"\x58\x00" * 2000), "many.onnx")
