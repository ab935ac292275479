"""A model file gets other values without any ONNX library, and everything else in it stays."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.arrays import Float32Array
from models.onnx_edit import read_initializers, rewrite
from models.onnx_file import ALIGNMENT, ANGLES, BONES, FEATURE_MEAN, FEATURE_SCALE, FEATURES, PERSONAL, read_spec
from models.onnx_runner import OnnxRunner, open_session
from models.personal import apply, standardise
from models.spec import ModelError
from tests.fakes.models_onnx import window_model

SHIPPED = Path(__file__).parents[3] / "service" / "weights"


@pytest.fixture(scope="module", params=["raw200", "envelope50"])
def model(request: pytest.FixtureRequest) -> bytes:
    return (SHIPPED / f"{request.param}.onnx").read_bytes()


def emg(seed: int = 0) -> Float32Array:
    rng = np.random.default_rng(seed)
    return np.asarray(30 * np.abs(rng.standard_normal((1, 200, 8))), np.float32)


def values(model: bytes, seed: int = 1) -> dict[str, Float32Array]:
    """Somebody's alignment, head and bones."""
    rng = np.random.default_rng(seed)
    shapes = {name: value.shape for name, value in read_initializers(model).items()}
    return {
        ALIGNMENT: np.asarray(np.roll(np.eye(8), 1, axis=0) + 0.1 * rng.random((8, 8)), np.float32),
        PERSONAL: np.asarray(rng.normal(0, 0.02, shapes[PERSONAL]), np.float32),
        BONES: np.asarray(rng.uniform(20, 80, 20), np.float32),
    }


def test_a_shipped_file_has_room_for_one_person(model: bytes) -> None:
    found = read_initializers(model)
    features = len(found[FEATURE_MEAN])
    assert found[PERSONAL].shape == (features + 1, 20)
    assert not found[PERSONAL].any()
    np.testing.assert_array_equal(found[ALIGNMENT], np.eye(8))
    assert found[BONES].shape == (20,)
    assert ((found[BONES] > 5) & (found[BONES] < 120)).all()
    spec = read_spec(model, "shipped")
    assert spec.alignment is not None
    assert set(spec.alignment["cues"]) == {"rest", "fist", "extension"}
    assert spec.personal is None


def test_the_copy_says_what_was_put_into_it(model: bytes) -> None:
    put = values(model)
    copy = rewrite(model, put)
    found, before = read_initializers(copy), read_initializers(model)
    for name, value in {**before, **put}.items():
        np.testing.assert_array_equal(found[name], value)
    assert read_spec(copy, "copy") == read_spec(model, "model")


def test_nothing_else_changes(model: bytes) -> None:
    put = values(model)
    back = rewrite(rewrite(model, put), {name: read_initializers(model)[name] for name in put})
    first, second = (OnnxRunner.open(content).step(emg()) for content in (model, back))
    np.testing.assert_array_equal(first, second)
    assert len(back) == len(model)


def test_a_rewritten_file_and_an_overridden_session_give_the_same_poses(model: bytes) -> None:
    put = values(model)
    rewritten = OnnxRunner.open(rewrite(model, put)).step(emg())
    overridden = OnnxRunner(open_session(model, put)).step(emg())
    np.testing.assert_array_equal(rewritten, overridden)
    assert np.abs(rewritten - OnnxRunner.open(model).step(emg())).max() > 1


def test_the_graph_adds_what_the_closed_form_adds(model: bytes) -> None:
    from models.kinematics import points

    put = values(model)
    names = (FEATURES, ANGLES, "pose")
    features, angles, pose = (output[0] for output in OnnxRunner(open_session(model, put)).step_outputs(emg(), names))
    found = read_initializers(model)
    x = standardise(features, found[FEATURE_MEAN], found[FEATURE_SCALE])
    bent = apply(x, angles, put[PERSONAL])
    np.testing.assert_allclose(pose.reshape(-1, 21, 3), points(bent, put[BONES]), atol=2e-3)


def test_the_specification_can_be_replaced(model: bytes) -> None:
    spec = replace(read_spec(model, "m"), name="anna", personal={"seconds": 60.0, "labels": 3000})
    assert read_spec(rewrite(model, {}, spec), "m") == spec


@pytest.mark.parametrize(
    ("put", "message"),
    [
        ({"nothing": np.zeros(3)}, "no `nothing` initializer"),
        ({ALIGNMENT: np.eye(7)}, r"shape \(8, 8\), got \(7, 7\)"),
        ({ALIGNMENT: np.full((8, 8), np.nan)}, "not numbers"),
    ],
)
def test_what_does_not_belong_in_it_is_refused(model: bytes, put: dict[str, Float32Array], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        rewrite(model, put)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    content = window_model(tmp_path / "m.onnx").read_bytes()
    for size in random.Random(1).sample(range(1, len(content) - 1), 100):
        with pytest.raises(ModelError):
            rewrite(content[:size], {ALIGNMENT: np.eye(8)})
