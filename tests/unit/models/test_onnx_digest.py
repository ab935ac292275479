"""Files that differ only in what fits them to a person are one network."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from models.onnx_digest import graph_digest
from tests.fakes.models_onnx import spec_of, stream_model


def rewritten(path: Path, name: str) -> bytes:
    """The file with another value in an initializer."""
    import onnx
    from onnx import numpy_helper

    model = onnx.load_model(path)
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor) + np.float32(1), name))
    return bytes(model.SerializeToString())


def test_alignment_and_metadata_do_not_count_and_weights_do(tmp_path: Path) -> None:
    path = stream_model(tmp_path / "a.onnx")
    digest = graph_digest(path.read_bytes())
    other = stream_model(tmp_path / "b.onnx", spec_of("stream", name="another"))
    assert other.read_bytes() != path.read_bytes()
    assert graph_digest(other.read_bytes()) == digest
    assert graph_digest(rewritten(path, "alignment")) == digest
    assert graph_digest(rewritten(path, "weights")) != digest
