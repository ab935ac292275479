"""Poses from samples in pieces, as a live server gives them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest

import myocast
from models.arrays import Float32Array
from models.filter_config import OneEuroConfig
from models.hand import MIRRORED_CHANNELS, mirror
from models.smoothing import smooth as smooth_run
from tests.fakes.models_onnx import HOP, WINDOW, offline, offline_stream, spec_of, stream_model

EMG = np.random.default_rng(3).normal(0.0, 20.0, (200, 8)).astype(np.float32)


def in_pieces(stream: myocast.PoseStream, emg: Float32Array) -> Float32Array:
    """Poses of samples that come in pieces of 0 to 16."""
    sizes = np.random.default_rng(4).integers(0, 17, len(emg))
    ends = np.minimum(np.cumsum(sizes), len(emg))
    return np.concatenate([stream.push(piece) for piece in np.split(emg, ends)])


def test_a_window_model_gives_its_first_pose_when_the_window_is_full(tiny_window: Path) -> None:
    stream = myocast.load_model(tiny_window).stream()
    assert stream.push(EMG[: WINDOW - 1]).shape == (0, 63)
    poses = stream.push(EMG[WINDOW - 1 :])
    windows = np.lib.stride_tricks.sliding_window_view(EMG, WINDOW, axis=0)[::HOP].transpose(0, 2, 1)
    np.testing.assert_allclose(poses, offline(tiny_window, np.ascontiguousarray(windows)), atol=1e-4)


def test_a_streaming_model_gives_a_pose_every_hop(tiny_stream: Path) -> None:
    poses = myocast.load_model(tiny_stream).stream().push(EMG)
    expected = offline_stream(tiny_stream, np.split(EMG, len(EMG) // HOP))
    np.testing.assert_allclose(poses, expected, atol=1e-4)


@pytest.mark.parametrize("hop", [None, 1, 3, WINDOW, WINDOW + 5])
@pytest.mark.parametrize("kind", [0, 1])
def test_the_size_of_the_pieces_does_not_matter(tiny_models: tuple[Path, Path], kind: int, hop: int | None) -> None:
    model = myocast.load_model(tiny_models[kind])
    whole = model.stream(hop=hop).push(EMG)
    first, step = (WINDOW if kind == 0 else hop or HOP), hop or HOP
    assert len(whole) == 1 + (len(EMG) - first) // step
    np.testing.assert_array_equal(in_pieces(model.stream(hop=hop), EMG), whole)


def test_a_hop_longer_than_the_window_skips_samples(tiny_window: Path) -> None:
    hop = WINDOW + 5
    poses = myocast.load_model(tiny_window).stream(hop=hop).push(EMG)
    windows = np.stack([EMG[start : start + WINDOW] for start in range(0, len(EMG) - WINDOW + 1, hop)])
    np.testing.assert_allclose(poses, offline(tiny_window, windows), atol=1e-4)


def test_later_samples_do_not_change_earlier_poses(tiny_stream: Path) -> None:
    model = myocast.load_model(tiny_stream)
    other = EMG.copy()
    other[100:] *= -3.0
    np.testing.assert_array_equal(model.stream().push(EMG)[:25], model.stream().push(other)[:25])


@pytest.mark.parametrize("kind", [0, 1])
def test_reset_forgets_everything(tiny_models: tuple[Path, Path], kind: int) -> None:
    stream = myocast.load_model(tiny_models[kind]).stream()
    first = stream.push(EMG)
    stream.push(EMG[:3])
    stream.reset()
    np.testing.assert_array_equal(stream.push(EMG), first)


def test_a_band_on_the_other_arm_is_mirrored(tiny_window: Path) -> None:
    model = myocast.load_model(tiny_window)
    mirrored = model.stream(hand="left").push(EMG[:, MIRRORED_CHANNELS])
    np.testing.assert_array_equal(mirrored, [mirror(pose) for pose in model.stream(hand="right").push(EMG)])


def test_integers_are_samples_too(tiny_window: Path) -> None:
    rows = np.round(EMG).astype(np.int8)
    stream = myocast.load_model(tiny_window).stream
    np.testing.assert_array_equal(stream().push(rows), stream().push(rows.astype(np.float32)))


def test_wrong_shapes_and_hops_are_refused(tiny_window: Path) -> None:
    model = myocast.load_model(tiny_window)
    with pytest.raises(ValueError, match=r"\(n, 8\), got \(5, 7\)"):
        model.stream().push(np.zeros((5, 7)))
    with pytest.raises(ValueError, match="at least 1 sample, got 0"):
        model.stream(hop=0)


@pytest.mark.parametrize(("name", "rate", "mode"), [("raw200", 200.0, "raw"), ("envelope50", 50.0, "envelope")])
def test_the_shipped_models_have_names(name: str, rate: float, mode: Literal["raw", "envelope"]) -> None:
    model = myocast.load_model(name)
    assert (model.spec.rate_hz, model.spec.emg_mode, model.path.stem) == (rate, mode, name)
    session = myocast.synthesize(1000, 0, 2.0, emg_mode=mode, losses=False)
    poses = model.stream().push(session.emg)
    assert poses.shape == (len(session) // model.spec.hop, 63)
    assert np.isfinite(poses).all()


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(myocast.ModelError, match="no such file"):
        myocast.load_model(tmp_path / "none.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(myocast.ModelError, match=r"text\.onnx"):
        myocast.load_model(tmp_path / "text.onnx")


def test_poses_are_filtered_as_a_server_does(tmp_path: Path) -> None:
    path = stream_model(
        tmp_path / "m.onnx", spec_of("stream", smoothing={"min_cutoff_hz": 3.0, "beta": 0.01, "stages": 2})
    )
    model = myocast.load_model(path)
    raw, served = (model.stream(smooth=smooth).push(EMG) for smooth in ("off", "auto"))
    np.testing.assert_allclose(raw, offline_stream(path, np.split(EMG, len(EMG) // HOP)), atol=1e-4)
    np.testing.assert_allclose(served, smooth_run(raw, 50.0, OneEuroConfig(3.0, 0.01, 2)), atol=0.02)
    stream = model.stream()
    stream.push(EMG)
    stream.reset()
    np.testing.assert_array_equal(stream.push(EMG[:HOP])[0], raw[0])
