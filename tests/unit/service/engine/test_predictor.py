"""A model file as a callable: what it refuses, and that it gives exactly what the model gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.hand import MIRRORED_CHANNELS, mirror
from models.spec import ModelError
from service.engine.predictor import INFERENCE_ERRORS, ModelFile, StreamPredictor
from tests.fakes.models_onnx import (
    WINDOW,
    offline,
    offline_stream,
    spec_of,
    stream_model,
    window_model,
    with_external_data,
)
from tests.fakes.sources import ramp


def error_message(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        ModelFile(path).open()
    message = str(refused.value)
    assert "\n" not in message
    assert message.startswith((path.name, str(path)))
    assert refused.value.exit_code == 2
    return message


def test_no_such_file(tmp_path: Path) -> None:
    assert "no such file" in error_message(tmp_path / "none.onnx")
    assert "not a file" in error_message(tmp_path)


def test_an_empty_file(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").touch()
    assert "not an ONNX file" in error_message(tmp_path / "m.onnx")


def test_external_data(tmp_path: Path) -> None:
    assert "another file" in error_message(with_external_data(window_model(tmp_path / "m.onnx")))


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ({"metadata": None}, "no `myocast` metadata"),
        ({"rows": WINDOW + 1}, f"['batch', {WINDOW}, 8]"),
        ({"channels": 16}, f"['batch', {WINDOW}, 8]"),
        ({"values": 60}, "['batch', 63]"),
        ({"input_name": "x"}, "an input `emg` and an output `pose`"),
        ({"unknown_operator": True}, "onnxruntime refuses the graph"),
        ({"input_type": np.float64}, "m.onnx: "),
    ],
    ids=str,
)
def test_a_window_model_that_is_not_the_contracts(tmp_path: Path, how: dict[str, Any], expected: str) -> None:
    assert expected in error_message(window_model(tmp_path / "m.onnx", **how))


@pytest.mark.parametrize(
    "how",
    [
        {"state_out": "memory"},
        {"state_out": "state_out_other"},
        {"state_sizes": ("size", "size")},
        {"stateless": True},
    ],
    ids=str,
)
def test_a_streaming_model_that_is_not_the_contracts(tmp_path: Path, how: dict[str, Any]) -> None:
    message = error_message(stream_model(tmp_path / "m.onnx", **how))
    assert ("state_in_h" if how != {"stateless": True} else "a stream model with inputs emg") in message


def test_a_model_of_the_other_kind_than_it_says(tmp_path: Path) -> None:
    assert "expected" in error_message(window_model(tmp_path / "m.onnx", spec_of("stream"), rows=WINDOW))
    assert "expected" in error_message(stream_model(tmp_path / "m.onnx", spec_of("window")))


def test_its_hash_is_that_of_the_file(tiny_window: Path) -> None:
    import hashlib

    model = ModelFile(tiny_window)
    assert model.sha256 == hashlib.sha256(tiny_window.read_bytes()).hexdigest() == model.open().sha256


def test_a_window_gives_bit_for_bit_what_the_model_gives(tiny_window: Path) -> None:
    windows = np.stack([ramp(start, WINDOW) for start in (0, 3, 40)])
    predictor = ModelFile(tiny_window).open()
    for window, expected in zip(windows, offline(tiny_window, windows), strict=True):
        predictor.load(window)
        np.testing.assert_array_equal(predictor.run(), expected)


def test_what_was_given_out_is_not_overwritten(tiny_window: Path) -> None:
    predictor = ModelFile(tiny_window).open()
    predictor.load(ramp(0, WINDOW))
    first = predictor.run()
    kept = first.copy()
    predictor.load(ramp(50, WINDOW))
    assert not np.array_equal(predictor.run(), kept)
    np.testing.assert_array_equal(first, kept)


def test_a_stream_gives_bit_for_bit_what_the_model_gives_in_the_same_chunks(tiny_stream: Path) -> None:
    sizes = [4, 4, 8, 1, 63, 64, 65, 4, 200, 4]
    starts = np.cumsum([0, *sizes])
    chunks = [ramp(int(start), size) for start, size in zip(starts, sizes, strict=False)]
    predictor = ModelFile(tiny_stream).open()
    for chunk, expected in zip(chunks, offline_stream(tiny_stream, chunks), strict=True):
        predictor.load(chunk)
        np.testing.assert_array_equal(predictor.run(), expected)


def test_a_stream_cut_otherwise_agrees_within_a_hundredth_of_a_millimetre(tiny_stream: Path) -> None:
    samples = ramp(0, 60)
    whole = offline_stream(tiny_stream, [samples])[-1]
    predictor = ModelFile(tiny_stream).open()
    for row in range(60):
        predictor.load(samples[row : row + 1])
        newest = predictor.run()
    np.testing.assert_allclose(newest, whole, atol=0.01)


def test_reset_forgets_the_past(tiny_stream: Path) -> None:
    predictor = ModelFile(tiny_stream).open()
    for _ in range(3):
        predictor.load(ramp(30, 5))
        predictor.run()
    predictor.reset()
    predictor.load(ramp(0, 4))
    np.testing.assert_array_equal(predictor.run(), offline_stream(tiny_stream, [ramp(0, 4)])[0])


def test_bindings_are_bounded_however_chunks_vary(tiny_stream: Path) -> None:
    predictor = ModelFile(tiny_stream).open()
    assert isinstance(predictor, StreamPredictor)
    for _ in range(3):
        for size in range(1, 3 * StreamPredictor.ROWS):
            predictor.load(ramp(0, size))
            assert predictor.run().shape == (63,)
    assert sum(map(len, predictor._bound.values())) <= 4 * StreamPredictor.ROWS


@pytest.mark.parametrize("kind", ["window", "stream"])
def test_on_the_other_arm_channels_and_x_are_turned_round(tiny_window: Path, tiny_stream: Path, kind: str) -> None:
    path = tiny_window if kind == "window" else tiny_stream
    samples = ramp(0, WINDOW)
    turned = np.ascontiguousarray(samples[:, MIRRORED_CHANNELS])
    plain = offline(path, turned[None])[0] if kind == "window" else offline_stream(path, [turned])[0]
    predictor = ModelFile(path).open()
    predictor.mirrored = True
    predictor.load(samples)
    np.testing.assert_array_equal(predictor.run(), mirror(plain))


def test_two_devices_do_not_share_a_state(tiny_stream: Path) -> None:
    model = ModelFile(tiny_stream)
    one, other = model.open(), model.open()
    one.load(ramp(50, 20))
    one.run()
    other.load(ramp(0, 4))
    np.testing.assert_array_equal(other.run(), offline_stream(tiny_stream, [ramp(0, 4)])[0])


def test_a_failing_run_is_one_of_the_errors_that_the_engine_expects(tmp_path: Path) -> None:
    path = window_model(tmp_path / "m.onnx", spec_of(window=WINDOW), rows="rows", channels=8, breaks=True)
    predictor = ModelFile(path).open(trial=False)
    predictor.load(ramp(0, WINDOW))
    with pytest.raises(INFERENCE_ERRORS):
        predictor.run()
