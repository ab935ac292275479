"""ONNX files from elsewhere become model files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.arrays import Float32Array
from models.onnx_file import read_spec
from models.onnx_runner import OnnxRunner

onnx: Any = pytest.importorskip("onnx")

from exporters.errors import ExportError  # noqa: E402
from exporters.foreign import ForeignConfig, add_metadata  # noqa: E402

CONFIG = ForeignConfig(200.0, "adc")
WINDOW = 20
WEIGHTS: Float32Array = (np.random.default_rng(2).normal(0.0, 0.1, (WINDOW * 8, 63))).astype(np.float32)
EMG: Float32Array = np.random.default_rng(3).normal(0.0, 20.0, (2, WINDOW, 8)).astype(np.float32)
EXPECTED: Float32Array = EMG.reshape(2, -1) @ WEIGHTS
TIME_FIRST = WEIGHTS
CHANNELS_FIRST = WEIGHTS.reshape(WINDOW, 8, 63).transpose(1, 0, 2).reshape(-1, 63)


def write(
    path: Path,
    shape: list[int | str],
    weights: Float32Array = TIME_FIRST,
    *,
    kind: str = "FLOAT",
    out: list[int | str] | None = None,
    opset: int = 17,
    names: tuple[str, str] = ("input", "output"),
) -> Path:
    """One dense layer over a window of an input of this shape."""
    helper, proto = onnx.helper, onnx.TensorProto
    out = ["batch", 63] if out is None else out
    numbers = {"FLOAT": np.float32, "FLOAT16": np.float16, "DOUBLE": np.float64}[kind]
    final = [-1 if isinstance(size, str) else size for size in out]
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", [names[0], "flat_shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "weights"], ["rows"]),
            helper.make_node("Reshape", ["rows", "out_shape"], [names[1]]),
        ],
        "net",
        [helper.make_tensor_value_info(names[0], getattr(proto, kind), shape)],
        [helper.make_tensor_value_info(names[1], getattr(proto, kind), out)],
        [
            onnx.numpy_helper.from_array(weights.astype(numbers), "weights"),
            onnx.numpy_helper.from_array(np.array([-1, len(weights)]), "flat_shape"),
            onnx.numpy_helper.from_array(np.array(final), "out_shape"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], producer_name="pytorch")
    model.ir_version = 8
    onnx.save(model, path)
    return path


def poses(path: Path, emg: Float32Array = EMG) -> Float32Array:
    return OnnxRunner.open(path.read_bytes()).step(emg)


@pytest.mark.case("B43")
@pytest.mark.parametrize(
    ("shape", "weights"),
    [
        (["batch", WINDOW, 8], TIME_FIRST),
        (["batch", 8, WINDOW], CHANNELS_FIRST),
        (["batch", 1, WINDOW, 8], TIME_FIRST),
        (["batch", 1, 8, WINDOW], CHANNELS_FIRST),
        (["batch", 8, WINDOW, 1], CHANNELS_FIRST),
        (["batch", "time", 8], TIME_FIRST),
        (["batch", 8, "time"], CHANNELS_FIRST),
    ],
    ids=str,
)
def test_any_layout(tmp_path: Path, shape: list[int | str], weights: Float32Array) -> None:
    done = add_metadata(write(tmp_path / "in.onnx", shape, weights), tmp_path / "out.onnx", CONFIG)
    np.testing.assert_allclose(poses(tmp_path / "out.onnx"), EXPECTED, rtol=1e-4, atol=1e-3)
    assert (done.spec.window, done.spec.hop, done.spec.kind) == (WINDOW, 4, "window")
    assert read_spec((tmp_path / "out.onnx").read_bytes(), "out") == done.spec


@pytest.mark.parametrize(("shape", "layout"), [([1, WINDOW, 8], None), ([WINDOW, 8], None), ([1, WINDOW * 8], "time")])
def test_one_window_at_a_time(tmp_path: Path, shape: list[int | str], layout: Any) -> None:
    config = ForeignConfig(200.0, "uV", layout=layout)
    add_metadata(write(tmp_path / "in.onnx", shape), tmp_path / "out.onnx", config)
    np.testing.assert_allclose(poses(tmp_path / "out.onnx", EMG[:1]), EXPECTED[:1], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("kind", ["FLOAT16", "DOUBLE"])
@pytest.mark.parametrize("opset", [9, 13, 17, 20])
def test_other_numbers_and_opsets(tmp_path: Path, kind: str, opset: int) -> None:
    path = write(tmp_path / "in.onnx", ["batch", WINDOW, 8], kind=kind, opset=opset)
    add_metadata(path, tmp_path / "out.onnx", CONFIG)
    np.testing.assert_allclose(poses(tmp_path / "out.onnx"), EXPECTED, rtol=0.02, atol=0.5)


@pytest.mark.parametrize("out", [["batch", 21, 3], ["batch", 63, 1], [1, 63]], ids=str)
def test_other_shapes_of_a_pose_and_metres(tmp_path: Path, out: list[int | str]) -> None:
    path = write(tmp_path / "in.onnx", ["batch", WINDOW, 8], out=out)
    add_metadata(path, tmp_path / "out.onnx", ForeignConfig(200.0, "adc", pose_unit="m", name="mine"))
    np.testing.assert_allclose(poses(tmp_path / "out.onnx", EMG[:1]), 1000.0 * EXPECTED[:1], rtol=1e-4, atol=1.0)
    assert read_spec((tmp_path / "out.onnx").read_bytes(), "out").name == "mine"


def test_names_of_the_contract_inside_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "in.onnx", ["batch", 8, WINDOW], CHANNELS_FIRST, names=("pose", "emg"))
    add_metadata(path, tmp_path / "out.onnx", CONFIG)
    np.testing.assert_allclose(poses(tmp_path / "out.onnx"), EXPECTED, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("shape", "config", "says"),
    [
        (["batch", WINDOW, 16], CONFIG, "expected a window of 8 channels"),
        ([32, WINDOW, 8], CONFIG, "expected a window of 8 channels"),
        (["batch", WINDOW * 8], CONFIG, "--layout time or channels"),
        (["batch", WINDOW, 8], ForeignConfig(200.0, "adc", window=32), r"with --window 32"),
        (["batch", WINDOW, 8], ForeignConfig(200.0, "adc", output="hand"), "no output `hand`; there are output"),
        (["batch", "time", 8], ForeignConfig(200.0, "adc", window=32), "fails in a trial run on 32 samples"),
    ],
    ids=str,
)
def test_what_cannot_be_understood_is_asked_for(
    tmp_path: Path, shape: list[int | str], config: ForeignConfig, says: str
) -> None:
    with pytest.raises(ExportError, match=says) as refused:
        add_metadata(write(tmp_path / "in.onnx", shape), tmp_path / "out.onnx", config)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out.onnx").exists()


def test_a_network_that_takes_any_window_needs_one(tmp_path: Path) -> None:
    helper, proto = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[1], keepdims=0),
            helper.make_node("MatMul", ["m", "w"], ["y"]),
        ],
        "net",
        [helper.make_tensor_value_info("x", proto.FLOAT, ["batch", "time", 8])],
        [helper.make_tensor_value_info("y", proto.FLOAT, ["batch", 63])],
        [onnx.numpy_helper.from_array(WEIGHTS[:8], "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
    model.ir_version = 8
    onnx.save(model, tmp_path / "in.onnx")
    with pytest.raises(ExportError, match="takes windows of any length; say which it was trained with: --window"):
        add_metadata(tmp_path / "in.onnx", tmp_path / "out.onnx", CONFIG)
    add_metadata(tmp_path / "in.onnx", tmp_path / "out.onnx", ForeignConfig(200.0, "adc", window=WINDOW))
    np.testing.assert_allclose(poses(tmp_path / "out.onnx"), EMG.mean(axis=1) @ WEIGHTS[:8], rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize("content", [b"", b"no onnx", b"\x08\x08\x3a\x00"])
def test_no_onnx_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "in.onnx").write_bytes(content)
    with pytest.raises(ExportError, match=r"in\.onnx: "):
        add_metadata(tmp_path / "in.onnx", tmp_path / "out.onnx", CONFIG)


def test_weights_that_are_no_numbers(tmp_path: Path) -> None:
    path = write(tmp_path / "in.onnx", ["batch", WINDOW, 8], np.full_like(WEIGHTS, np.nan))
    with pytest.raises(ExportError, match="no numbers in a trial run"):
        add_metadata(path, tmp_path / "out.onnx", CONFIG)
