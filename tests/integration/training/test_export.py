from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.architectures import network
from models.architectures.base import NetworkConfig
from models.hand import CHANNELS
from models.onnx_file import read_spec
from models.onnx_runner import OnnxRunner
from tests.support.training import needs_training, prepare

if TYPE_CHECKING:
    from models.architectures.base import Built
    from models.training.network_file import Card

pytestmark = needs_training

NAMES = ["lstm_fc", "stream_lstm", "stream_tcn"]


def untrained(name: str) -> tuple[Built, Card]:
    prepare()
    from models.training.network_file import Card
    from models.training.trainer import seed_everything

    seed_everything(3)
    config = NetworkConfig()
    return network(name).assemble(config), Card(name, config, hop=4, trained_on=("nothing",))


@pytest.fixture(scope="module", params=NAMES)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    built, card = untrained(request.param)
    from exporters.export import export

    path: Path = tmp_path_factory.mktemp("onnx") / f"{request.param}.onnx"
    export(built, card, path, name="mine")
    return path


def test_the_file_says_what_it_is(exported: Path) -> None:
    spec = read_spec(exported.read_bytes(), exported.name)
    assert (spec.name, spec.architecture, spec.trained_on) == ("mine", exported.stem, ("nothing",))
    assert spec.created
    assert spec.myocast_version


def test_int8_is_smaller_close_and_says_how_close(exported: Path, tmp_path: Path) -> None:
    from exporters.convert import operators
    from exporters.quantize import quantize

    done = quantize(exported, tmp_path / "int8.onnx")
    assert done.bytes < 0.6 * exported.stat().st_size
    assert 0.0 < done.mean_mm < 1.0
    spec = read_spec((tmp_path / "int8.onnx").read_bytes(), "int8")
    assert spec.validation["int8_mean_mm"] == done.mean_mm
    assert spec.name == "mine_int8"
    import onnx

    model = onnx.load(tmp_path / "int8.onnx")
    assert any("Integer" in op or "Quantize" in op for op in operators(model.graph))
    assert any(tensor.name == "alignment" and list(tensor.dims) == [8, 8] for tensor in model.graph.initializer)


def test_a_band_is_fitted_by_writing_one_matrix(exported: Path) -> None:
    from exporters.parity import probe
    from models.alignment import roll
    from models.evaluation.aligned_model import with_alignment

    content = exported.read_bytes()
    spec = read_spec(content, "plain")
    emg = probe(1, spec.window or 200, "raw")
    turned = with_alignment(content, roll(3.0))
    assert read_spec(turned, "turned") == spec
    worn = np.roll(emg, 3, axis=2)
    poses = []
    for model, samples in ((content, emg), (turned, worn), (content, worn)):
        poses.append(OnnxRunner.open(model).step(samples))
    np.testing.assert_allclose(poses[1], poses[0], atol=0.01)
    assert np.abs(poses[2] - poses[0]).max() > 0.01


@pytest.mark.parametrize("matrix", [np.eye(7), np.full((CHANNELS, CHANNELS), np.nan)])
def test_an_alignment_that_is_none_is_refused(exported: Path, matrix: np.ndarray) -> None:
    from models.evaluation.aligned_model import AlignedModelError, with_alignment

    with pytest.raises(AlignedModelError, match="8 x 8"):
        with_alignment(exported.read_bytes(), matrix)


def test_a_graph_that_differs_from_keras_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built, card = untrained("dense")
    from exporters import export as module
    from exporters.errors import ExportError

    monkeypatch.setattr(module, "parity", lambda *_: 0.02)
    with pytest.raises(ExportError, match=r"differ by 0.0200 mm"):
        module.export(built, card, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_network_of_numbers_that_are_none_is_not_written(tmp_path: Path) -> None:
    built, card = untrained("dense")
    from exporters.errors import ExportError
    from exporters.export import export

    built.core.set_weights([np.full_like(weight, np.nan) for weight in built.core.get_weights()])
    with pytest.raises(ExportError, match="not numbers"):
        export(built, card, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_loop_in_the_graph_is_refused() -> None:
    prepare()
    import keras
    from keras import layers

    from exporters.convert import to_onnx
    from exporters.errors import ExportError
    from models.architectures.window import assemble

    inputs = keras.Input((32, CHANNELS))
    core = keras.Model(inputs, layers.Dense(63)(layers.GRU(4)(inputs)))
    built: Built = assemble(core, 32, NetworkConfig())
    with pytest.raises(ExportError, match="Loop"):
        to_onnx(built, 128)


def test_rewired_products_leave_no_shape_arithmetic_behind(exported: Path) -> None:
    """What the converter puts around `Dense` on sequences is gone: every product reads its input directly."""
    import onnx

    model = onnx.load(exported)
    made = {output: node for node in model.graph.node for output in node.output}
    products = [node for node in model.graph.node if node.op_type == "MatMul"]
    assert products
    flattened = [node for node in products if node.input[0] in made and "Tensordot/Reshape" in node.input[0]]
    assert not flattened


def test_an_exported_stream_measures_its_error_and_keeps_its_poses(exported: Path) -> None:
    import onnx

    model = onnx.load(exported)
    spec = read_spec(exported.read_bytes(), exported.name)
    outputs = {output.name for output in model.graph.output}
    assert ("confidence" in outputs) == (spec.kind == "stream") == (spec.confidence is not None)
    if spec.kind == "window":
        return
    emg = np.random.default_rng(5).normal(0.0, 20.0, (1, 600, CHANNELS)).astype(np.float32)
    found = OnnxRunner.open(exported.read_bytes()).step_outputs(emg, ("confidence",))[0]
    assert found.shape == (1, 600, 1)
    assert np.isfinite(found).all()
    assert ((found >= 0.0) & (found <= 1.0)).all()
