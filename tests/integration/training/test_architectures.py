"""Every network goes through one harness: build, count, train, save, load, export, parity, causality."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnxruntime
import pytest

from models.architectures import NETWORKS, ArchitectureError, network, networks
from models.architectures.base import Network, NetworkConfig
from models.hand import CHANNELS, VALUES
from models.kinematics import ANGLES as ANGLE_NAMES
from models.kinematics import points
from models.onnx_edit import read_initializers, rewrite
from models.onnx_file import ANGLES, BONES, FEATURE_MEAN, FEATURE_SCALE, FEATURES, PERSONAL, read_spec
from models.onnx_runner import POSE, OnnxRunner, open_session
from models.personal import apply, standardise
from models.spec import ModelSpec
from tests.support.training import needs_training, prepare, small_segments, small_training

if TYPE_CHECKING:
    from models.architectures.base import Built
    from models.training.run import Run

pytestmark = needs_training

KERAS_COUNTS = {
    "dense": 216_639,
    "lstm_ae": 55_080,
    "lstm_ae_small": 3_618,
    "lstm_fc": 69_427,
    "lstm_fc_large": 1_474_623,
    "cnn_lstm": 805_215,
    "conv_lstm": 214_463,
    "lstm_attention": 82_863,
}


STREAMS = [name for name in NETWORKS if name.startswith("stream")]
WINDOWS = [name for name in NETWORKS if name not in STREAMS]


@dataclass(frozen=True)
class Made:
    """One network, trained for two batches, saved, loaded and exported."""

    network: Network
    run: Run
    trained: Built
    loaded: Built
    onnx: Path
    bytes: int
    before: list[Any]

    @property
    def session(self) -> Any:
        return open_session(self.onnx.read_bytes())

    @property
    def spec(self) -> ModelSpec:
        return read_spec(self.onnx.read_bytes(), self.onnx.name)


@pytest.fixture(scope="module", params=list(NETWORKS))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    prepare()
    import keras

    from exporters.export import export
    from models.data.splits import split
    from models.training.config import Progress
    from models.training.network_file import load
    from models.training.run import Run

    folder = tmp_path_factory.mktemp(request.param)
    chosen = network(request.param)
    config = NetworkConfig()
    run = Run(
        chosen, config, split(small_segments(config), "user", 0.5), small_training(chosen.kind), folder / "net.keras"
    )
    run.prepare()
    before = run.built.body.get_weights()
    run.train(Progress())
    run.finish([], "test")
    loaded, card = load(folder / "net.keras")
    done = export(loaded, card, folder / "net.onnx")
    yield Made(chosen, run, run.built, loaded, folder / "net.onnx", done.bytes, before)
    keras.backend.clear_session()


def test_it_has_the_parameters_that_the_table_names(made: Made) -> None:
    assert made.trained.core.count_params() == made.network.parameters
    assert made.network.parameters == KERAS_COUNTS.get(made.network.name, made.network.parameters)


def test_training_changes_the_weights_and_gives_numbers(made: Made) -> None:
    after = made.trained.body.get_weights()
    assert any(not np.array_equal(a, b) for a, b in zip(made.before, after, strict=True))
    assert all(np.isfinite(w).all() for w in after)


def test_what_is_loaded_is_what_was_saved(made: Made) -> None:
    for saved, loaded in zip(made.trained.serve.get_weights(), made.loaded.serve.get_weights(), strict=True):
        np.testing.assert_array_equal(saved, loaded)


def test_the_exported_file_keeps_the_contract(made: Made) -> None:
    spec, session = made.spec, made.session
    window = made.network.window(200.0)
    assert (spec.architecture, spec.parameters, spec.kind, spec.window) == (
        made.network.name,
        made.network.parameters,
        made.network.kind,
        window,
    )
    assert (spec.rate_hz, spec.emg_mode, spec.frame, spec.hop) == (200.0, "raw", "hand", 4)
    assert spec.mismatch(200.0, "adc", "raw") is None
    assert spec.parity_max_abs_mm is not None
    assert spec.parity_max_abs_mm < 0.01
    assert {"mpjpe_mm", "rmse_mm", "mean_pose_mpjpe_mm", "split"} <= set(spec.validation)
    emg, *states = session.get_inputs()
    pose, *others = session.get_outputs()
    out, fitted = others[: len(states)], others[len(states) :]
    assert [one.name for one in fitted] == ([] if window else ["features", "angles", "confidence", "expected_error"])
    assert (emg.name, emg.type, emg.shape[1:] if window else emg.shape[2:]) == (
        "emg",
        "tensor(float)",
        [window, CHANNELS] if window else [CHANNELS],
    )
    assert pose.name == "pose"
    assert [(s.name, s.shape) for s in out] == [(s.name.replace("in", "out", 1), s.shape) for s in states]


def test_the_graph_has_no_loop_and_nothing_outside_its_file(made: Made) -> None:
    import onnx

    from exporters.convert import operators

    model = onnx.load(made.onnx)
    assert not {"Loop", "Scan", "If"} & set(operators(model.graph))
    assert all(tensor.data_location != onnx.TensorProto.EXTERNAL for tensor in model.graph.initializer)
    assert [entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")] == [17]


@pytest.mark.parametrize("batch", [1, 3])
def test_onnx_gives_what_keras_gives_for_any_batch(made: Made, batch: int) -> None:
    from exporters.parity import parity, probe

    emg = probe(batch, made.network.window(200.0) or 77, "raw", seed=3)
    assert parity(made.loaded, made.onnx.read_bytes(), emg) < 0.01


def test_the_alignment_turns_the_channels(made: Made) -> None:
    """Permuting the channels of the input is undone by a permutation in the `alignment` initializer."""
    import onnx
    from onnx import numpy_helper

    from exporters.parity import probe

    emg = probe(2, made.network.window(200.0) or 100, "raw", seed=4)
    plain = run_onnx(made.session, emg)
    model = onnx.load(made.onnx)
    matrix = next(tensor for tensor in model.graph.initializer if tensor.name == "alignment")
    np.testing.assert_array_equal(numpy_helper.to_array(matrix), np.eye(CHANNELS, dtype=np.float32))
    order = np.random.default_rng(0).permutation(CHANNELS)
    back = np.eye(CHANNELS, dtype=np.float32)[np.argsort(order)].T
    matrix.CopyFrom(numpy_helper.from_array(back.copy(), "alignment"))
    turned = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    assert np.abs(run_onnx(made.session, emg[:, :, order]) - plain).max() > 1e-3
    np.testing.assert_allclose(run_onnx(turned, emg[:, :, order]), plain, atol=0.01)


@pytest.mark.parametrize("made", STREAMS, indirect=True)
@pytest.mark.parametrize("kind", ["fp32", "int8"])
def test_a_stream_has_room_for_one_person(made: Made, kind: str, tmp_path: Path) -> None:
    """`personal` is zero as exported and changes nothing; another one adds to the angles what the closed form says."""
    from exporters.parity import probe
    from exporters.quantize import quantize

    content = made.onnx.read_bytes()
    if kind == "int8":
        quantize(made.onnx, tmp_path / "int8.onnx")
        content = (tmp_path / "int8.onnx").read_bytes()
    values = read_initializers(content)
    width = len(values[FEATURE_MEAN])
    assert values[PERSONAL].shape == (width + 1, len(ANGLE_NAMES))
    assert not values[PERSONAL].any()
    emg = probe(1, 100, "raw", seed=8)
    rng = np.random.default_rng(0)
    head = np.asarray(rng.normal(0.0, 0.02, values[PERSONAL].shape), np.float32)
    lengths = np.asarray(rng.uniform(20.0, 80.0, 20), np.float32)
    plain = OnnxRunner.open(content).step(emg)
    nothing = OnnxRunner(open_session(content, {PERSONAL: np.zeros_like(head)})).step(emg)
    np.testing.assert_array_equal(nothing, plain)
    fitted = {PERSONAL: head, BONES: lengths}
    features, angles, pose = (
        output[0] for output in OnnxRunner(open_session(content, fitted)).step_outputs(emg, (FEATURES, ANGLES, POSE))
    )
    bent = apply(standardise(features, values[FEATURE_MEAN], values[FEATURE_SCALE]), angles, head)
    np.testing.assert_allclose(pose.reshape(-1, 21, 3), points(bent, lengths), atol=2e-3)
    np.testing.assert_array_equal(OnnxRunner.open(rewrite(content, fitted)).step(emg)[0], pose)
    assert np.abs(pose - plain[0]).max() > 1.0


@pytest.mark.parametrize("made", STREAMS, indirect=True)
def test_later_samples_never_change_earlier_poses(made: Made) -> None:
    from exporters.parity import probe

    emg = probe(1, 300, "raw", seed=5)
    changed = emg.copy()
    changed[:, 200:] = 100.0
    first, second = run_onnx(made.session, emg), run_onnx(made.session, changed)
    np.testing.assert_allclose(first[:, :200], second[:, :200], atol=1e-4)
    assert np.abs(first[:, 250:] - second[:, 250:]).max() > 1e-3


@pytest.mark.parametrize("made", WINDOWS, indirect=True)
def test_features_of_a_window_never_see_later_samples(made: Made) -> None:
    """What the network reads at a step (an envelope, an image) ends at that step."""
    from exporters.parity import probe

    features = features_of(made)
    window = made.network.window(200.0)
    emg = probe(1, window, "raw", seed=5)
    changed = emg.copy()
    cut = window // 2
    changed[:, cut:] = 100.0
    first, second = features(emg), features(changed)
    steps = first.shape[1]
    offset = made.network.steps - steps
    same = (np.abs(first - second).reshape(steps, -1).max(axis=1) < 1e-5).nonzero()[0]
    assert set(range(max(0, cut // 4 - offset))) <= set(same.tolist())
    assert steps - 1 not in same


@pytest.mark.parametrize("made", STREAMS, indirect=True)
def test_a_stream_gives_the_same_poses_however_it_is_cut(made: Made) -> None:
    from exporters.parity import probe

    emg = probe(1, 240, "raw", seed=6)
    whole = run_onnx(made.session, emg)
    for sizes in ([1] * 240, [4] * 60, [7, 1, 100, 2, 130]):
        np.testing.assert_allclose(in_pieces(made.session, emg, sizes), whole, atol=0.01)


@pytest.mark.parametrize("made", STREAMS, indirect=True)
def test_serving_a_stream_at_its_rate_is_what_was_trained(made: Made) -> None:
    """The trained body on running averages, and the served graph on raw samples, agree at every step."""
    from models.metrics.predict import from_keras, from_onnx

    segment = small_segments(made.run.config, users=1, seconds=12.0)[0]
    trained = from_keras(made.trained, made.run.config)(segment)
    served = from_onnx(OnnxRunner(made.session), made.spec)(segment)
    np.testing.assert_allclose(served, trained, atol=0.05)


@pytest.mark.parametrize("made", ["stream_mlp"], indirect=True)
def test_a_network_without_slow_averages_has_one_hand_for_all(made: Made) -> None:
    from exporters.parity import probe
    from models.kinematics import measure

    lengths = measure(run_onnx(made.session, probe(3, 200, "raw", seed=7)).reshape(-1, 21, 3))
    np.testing.assert_allclose(lengths, np.broadcast_to(lengths[0], lengths.shape), atol=0.01)
    np.testing.assert_allclose(lengths[0], made.run.config.scaling.bones, rtol=0.05)


def test_of_several_branches_each_run_trains_one_and_all_are_averaged() -> None:
    from models.architectures.stream import OneOf

    branches = [np.full((64, 3, 2), value, np.float32) for value in (-1.0, 2.0, 5.0)]
    chosen = np.asarray(OneOf()(branches, training=True))
    assert {float(v) for v in np.unique(chosen)} == {-1.0, 2.0, 5.0}
    np.testing.assert_array_equal(chosen, np.broadcast_to(chosen[:, :1, :1], chosen.shape))
    np.testing.assert_allclose(np.asarray(OneOf()(branches)), 2.0)


def run_onnx(session: Any, emg: Any) -> Any:
    return in_pieces(session, emg, [emg.shape[1]])


def in_pieces(session: Any, emg: Any, sizes: list[int]) -> Any:
    runner = OnnxRunner(session, len(emg))
    ends = np.cumsum(sizes)
    poses = [runner.step(np.ascontiguousarray(emg[:, end - size : end])) for end, size in zip(ends, sizes, strict=True)]
    return np.concatenate(poses, axis=1) if poses[0].ndim == 3 else poses[0]


def features_of(made: Made) -> Any:
    """What the core of a window network reads, of (batch, window, 8): (1, steps, ...)."""
    import keras

    core = next(layer for layer in made.loaded.body.layers if layer.name == made.loaded.core.name)
    inner = keras.Model(
        made.loaded.body.input, made.loaded.body.get_layer(core.name)._inbound_nodes[-1].input_tensors[0]
    )
    front = made.loaded.front
    assert front is not None
    return lambda emg: np.asarray(inner(front(emg)))


def test_names_are_unique_and_unknown_ones_are_refused() -> None:
    assert [n.name for n in networks()] == list(NETWORKS)
    with pytest.raises(ArchitectureError, match="lstm_fc_large"):
        network("transformer")


@pytest.mark.parametrize(("mode", "rate"), [("raw", 1000.0), ("envelope", 200.0), ("fft", 200.0)])
def test_a_setting_without_a_front_end_is_refused(mode: str, rate: float) -> None:
    with pytest.raises(ArchitectureError, match="no front end"):
        NetworkConfig(rate, mode)


def test_a_setting_survives_being_written() -> None:
    config = NetworkConfig(50.0, "envelope")
    assert NetworkConfig.from_dict(config.to_dict()) == config
    assert len(config.scaling.pose_mean) == VALUES
