"""`myocast calibrate --deep`: layers of a person, trained, put into a model file that is one like any other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from models.arrays import Float32Array
from models.forward.generator import session
from models.onnx_edit import read_initializers
from models.onnx_file import ANGLES, FEATURE_MEAN, FEATURE_SCALE, FEATURES, PERSONAL, PERSONAL_LAYERS, read_spec
from models.onnx_runner import OnnxRunner, open_session
from models.personal import apply, standardise
from models.recording import Recording
from models.spec import ModelError
from service.engine.predictor import ModelFile
from tests.support.training import needs_training, prepare

if TYPE_CHECKING:
    from service.experiments.personal_calibration import Calibration

pytestmark = needs_training

WEIGHTS = Path(__file__).parents[3] / "service" / "weights"


@pytest.fixture(scope="module")
def base() -> bytes:
    return (WEIGHTS / "envelope50.onnx").read_bytes()


@pytest.fixture(scope="module")
def recording() -> Recording:
    return session(3200, 0, 30.0, seed=1, rate_hz=50.0, emg_mode="envelope", losses=False)


@pytest.fixture(scope="module")
def made(base: bytes, recording: Recording) -> Calibration:
    """An epoch on half a minute, and layers that count whatever they are worth."""
    prepare()
    from models.training import personal_layers as layers
    from service.experiments import personal_calibration, personal_layers

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "MAX_EPOCHS", 1)
        patch.setattr(layers, "LEAST_STEPS", 1)
        patch.setattr(layers, "NETWORKS", 2)
        patch.setattr(personal_layers, "SHARES", (0.5,))
        patch.setattr(personal_calibration.DeepReport, "kept", True)
        return personal_calibration.calibrate(
            base, read_spec(base, "envelope50"), ("envelope50", "0" * 64), [recording], deep=True
        )


def emg(seed: int = 0) -> Float32Array:
    return np.asarray(30 * np.abs(np.random.default_rng(seed).standard_normal((1, 200, 8))), np.float32)


def test_the_file_says_what_it_has(made: Calibration, base: bytes) -> None:
    spec, values = read_spec(made.content, "anna"), read_initializers(made.content)
    assert spec.personal is not None
    assert spec.personal["layers"] == {"kind": "gru", "share": 0.5}
    assert spec.parameters > read_spec(base, "b").parameters
    assert spec.parity_max_abs_mm is not None
    assert spec.parity_max_abs_mm < 0.01
    assert any(name.startswith(PERSONAL_LAYERS) for name in values)
    assert values[PERSONAL].any()
    assert made.deep is not None
    assert made.after == made.deep.deep


def test_several_networks_side_by_side_give_their_mean_and_stay_apart() -> None:
    prepare()
    from models.training.personal_layers import LabelledRun, average, run_layers, side_by_side, train

    rng = np.random.default_rng(0)
    x, residual = rng.normal(size=(300, 12)).astype(np.float32), rng.normal(0.0, 0.1, (300, 20)).astype(np.float32)
    run = LabelledRun(x, residual, np.zeros((300, 20), np.float32), 300)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.training.personal_layers.NETWORKS", 2)
        trained = train([run], 50.0, epochs=1).model
    recurrent = trained.get_layer("gru").get_weights()[1].reshape(2, 48, 3, 2, 48)
    assert not recurrent[0, :, :, 1].any()
    assert recurrent[0, :, :, 0].all()
    apart = side_by_side(12, 2)
    kernel, bias = apart.get_layer("angles").get_weights()
    blocks = np.kron(np.eye(2), np.ones((48, 20))) * rng.normal(size=kernel.shape)
    apart.get_layer("angles").set_weights([blocks, rng.normal(size=bias.shape)])
    outputs = apart.predict_on_batch(x[None])
    assert np.abs(outputs[:, :, 0] - outputs[:, :, 1]).max() > 0.1
    np.testing.assert_allclose(run_layers(average(apart), x), outputs[0].mean(axis=1), atol=1e-5)


def test_its_poses_do_not_depend_on_how_the_stream_is_cut(made: Calibration) -> None:
    whole = OnnxRunner.open(made.content).step(emg())
    for size in (1, 7, 64):
        runner = OnnxRunner.open(made.content)
        cut = np.concatenate([runner.step(emg()[:, i : i + size]) for i in range(0, 200, size)], axis=1)
        np.testing.assert_allclose(cut, whole, atol=0.01)


def test_personal_and_alignment_keep_their_meaning(made: Calibration) -> None:
    values = read_initializers(made.content)
    head = np.asarray(np.random.default_rng(1).normal(0.0, 0.02, values[PERSONAL].shape), np.float32)
    runner = OnnxRunner(open_session(made.content, {PERSONAL: head}))
    features, angles = runner.step_outputs(emg(), (FEATURES, ANGLES))
    x = standardise(features[0], values[FEATURE_MEAN], values[FEATURE_SCALE])
    lengths = np.asarray(made.spec.personal["bones_mm"]) if made.spec.personal else None
    from models.kinematics import points

    assert lengths is not None
    pose = OnnxRunner(open_session(made.content, {PERSONAL: head})).step(emg())[0].reshape(-1, 21, 3)
    np.testing.assert_allclose(pose, points(apply(x, angles[0], head), lengths), atol=0.02)
    turned = np.roll(np.eye(8, dtype=np.float32), 1, axis=1)
    worn = np.roll(emg(), -1, axis=2)
    aligned = OnnxRunner(open_session(made.content, {"alignment": turned})).step(worn)
    np.testing.assert_allclose(aligned, OnnxRunner.open(made.content).step(emg()), atol=0.02)


def test_it_is_served_like_any_other(made: Calibration, tmp_path: Path) -> None:
    path = tmp_path / "anna.onnx"
    path.write_bytes(made.content)
    predictor = ModelFile(path).open(hidden=True)
    for row in range(20):
        predictor.load(emg()[0, row : row + 1])
        pose = predictor.run()
    np.testing.assert_allclose(pose, OnnxRunner.open(made.content).step(emg()[:, :20])[0, -1], atol=0.01)
    assert predictor.hidden is not None


def test_it_is_fitted_further_in_closed_form_but_not_deepened_twice(made: Calibration, recording: Recording) -> None:
    from service.experiments.personal_calibration import calibrate

    again = calibrate(made.content, made.spec, ("anna", "0" * 64), [recording])
    assert again.before["angle_mae_deg"] == pytest.approx(made.after["angle_mae_deg"], rel=0.02)
    with pytest.raises(ModelError, match="has layers of a person already"):
        calibrate(made.content, made.spec, ("anna", "0" * 64), [recording], deep=True)


def test_layers_that_are_not_better_are_left_out(
    base: bytes, recording: Recording, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare()
    from service.experiments import personal_calibration, personal_layers

    monkeypatch.setattr(personal_layers, "deepen", lambda *_: None)
    arguments = (base, read_spec(base, "b"), ("b", "0" * 64), [recording])
    deep, closed = (personal_calibration.calibrate(*arguments, deep=asked) for asked in (True, False))
    assert deep.deep is not None
    assert not deep.deep.kept
    assert deep.content == closed.content
