"""The specification is read from a model file without an ONNX library, and never trusts the file."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.onnx_file import message_fields, read_spec, whole_fields
from models.spec import ModelError
from tests.fakes.models_onnx import spec_of, window_model, with_external_data


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return window_model(tmp_path_factory.mktemp("model") / "m.onnx").read_bytes()


def error_message(data: bytes) -> str:
    with pytest.raises(ModelError, match=r"^m\.onnx: ") as refused:
        read_spec(data, "m.onnx")
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_it_reads_what_the_file_says(model: bytes) -> None:
    assert read_spec(model, "m.onnx") == spec_of()


def test_fields_come_with_all_their_bytes(model: bytes) -> None:
    found = list(whole_fields(memoryview(model)))
    assert b"".join(bytes(whole) for _, _, whole in found) == model
    assert [(number, value) for number, value, _ in found] == list(message_fields(memoryview(model)))


def test_without_metadata(tmp_path: Path) -> None:
    message = error_message(window_model(tmp_path / "m.onnx", metadata=None).read_bytes())
    assert "no `myocast` metadata" in message
    assert "myocast export" in message


def test_with_metadata_that_is_wrong(tmp_path: Path) -> None:
    assert "not JSON" in error_message(window_model(tmp_path / "m.onnx", metadata="{").read_bytes())


@pytest.mark.parametrize("inside", ["initializer", "constant"])
def test_tensors_in_another_file(tmp_path: Path, inside: str) -> None:
    path = with_external_data(window_model(tmp_path / "m.onnx"), inside)
    assert "another file" in error_message(path.read_bytes())


@pytest.mark.parametrize("data", [b"", b"\0", b"hello", b"\xff" * 64, b"PK\x03\x04" + b"\0" * 40, b"\x89HDF\r\n\x1a\n"])
def test_something_else(data: bytes) -> None:
    assert "not an ONNX file" in error_message(data)


def test_a_truncated_file(model: bytes) -> None:
    for size in random.Random(1).sample(range(len(model) - 1), 200):
        error_message(model[:size])


@given(st.integers(0, 2**32), st.integers(1, 20))
@settings(max_examples=200)
def test_a_damaged_file_is_taken_or_refused(seed: int, count: int) -> None:
    rng = random.Random(seed)
    data = bytearray(_MODEL)
    for _ in range(count):
        data[rng.randrange(len(data))] = rng.randrange(256)
    try:
        read_spec(bytes(data), "m.onnx")
    except ModelError as error:
        assert "\n" not in str(error)  # noqa: PT017


@given(st.binary(max_size=300))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(ModelError):
        read_spec(data, "m.onnx")


def _small_model() -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return window_model(Path(folder) / "m.onnx", rows=1).read_bytes()


_MODEL = _small_model()
