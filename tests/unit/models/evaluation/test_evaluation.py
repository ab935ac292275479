"""Turned bands, gestures, smoothing and the tables of the report: numpy only."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from models.arrays import Float32Array
from models.data.segments import Segment
from models.evaluation.evaluation import Evaluation
from models.evaluation.report import write
from models.evaluation.report_tables import overview, tables
from models.evaluation.rotations import rotated
from models.filter_config import OneEuroConfig
from models.forward.generator import session
from models.hand import CHANNELS, VALUES
from models.kinematics import ANGLES, bones, points
from models.metrics.gestures import by_gesture, gestures_left_out, label_by_markers
from models.metrics.hand_closure import amplitude, session_closure
from models.metrics.pose_error import EvaluatedSegment
from models.metrics.predict import from_onnx
from models.metrics.smoothness import best_filter, recommendation, smoothed
from models.onnx_runner import OnnxRunner
from models.spec import ModelSpec
from tests.fakes.models_onnx import window_model

RNG = np.random.default_rng(0)


def segment(emg: Float32Array) -> Segment:
    pose = np.zeros((len(emg) // 4, VALUES), np.float32)
    return Segment(emg, pose, pose[:, 0] + 1, "a", "1", "a", aligned=np.eye(CHANNELS, dtype=np.float32))


def moving(n: int, seed: int = 0) -> Float32Array:
    rng = np.random.default_rng(seed)
    t = np.arange(n)[:, None] / 50.0
    bend = 0.5 + 0.4 * np.sin(2 * np.pi * rng.uniform(0.2, 0.5, len(ANGLES)) * t + rng.uniform(0, 6, len(ANGLES)))
    return points(bend.astype(np.float32), bones()).reshape(n, VALUES)


def run(truth: Float32Array, pose: Float32Array, user: str = "a") -> EvaluatedSegment:
    return EvaluatedSegment(truth, pose, np.ones(len(truth), bool), user)


@pytest.mark.parametrize(("degrees", "whole"), [(45.0, -1), (90.0, -2), (-45.0, 1)])
def test_whole_channels_move_when_the_band_turns(degrees: float, whole: int) -> None:
    emg = RNG.normal(0, 10, (40, CHANNELS)).astype(np.float32)
    found = rotated([segment(emg)], degrees, rectified=False)[0]
    np.testing.assert_allclose(found.emg, np.roll(emg, whole, axis=1), atol=1e-4)
    assert found.aligned is None


def test_half_a_channel_keeps_the_power_of_raw_emg_and_the_sum_of_an_envelope() -> None:
    raw = RNG.normal(0, 10, (20_000, CHANNELS)).astype(np.float32)
    assert rotated([segment(raw)], 22.5, rectified=False)[0].emg.std() == pytest.approx(raw.std(), rel=0.02)
    envelope = np.abs(raw)
    assert rotated([segment(envelope)], 22.5, rectified=True)[0].emg.sum() == pytest.approx(envelope.sum(), rel=1e-3)


def test_time_belongs_to_the_marker_before_it() -> None:
    recording = session(0, 0, 6.0, seed=3, losses=False)
    names: list[str] = []
    labelled = label_by_markers(recording, names)
    assert labelled.classes is not None
    for marker, after in zip(recording.markers, [*recording.markers[1:], None], strict=True):
        inside = (recording.t >= marker.t) & (recording.t < (after.t if after else np.inf))
        assert {names[i] for i in labelled.classes[inside]} == {marker.label}
    assert label_by_markers(replace(recording, markers=()), names).classes is None


def test_errors_are_reported_by_gesture_with_both_constant_hands() -> None:
    truth = np.zeros((200, VALUES), np.float32)
    pose = truth.copy()
    pose[100:, 3:] = np.tile([3.0, 4.0, 0.0], 20)
    mean, own = truth[0] + 1.0, {"a": truth[0] + 2.0}
    classes = np.repeat([0, 1], 100)
    rows = by_gesture([run(truth, pose)], [classes], ["ok", "fist", "never"], mean, own, frozenset({"fist"}))
    assert [row["gesture"] for row in rows] == ["fist", "ok"]
    assert [row["mpjpe_mm"] for row in rows] == pytest.approx([5.0, 0.0])
    assert [row["trained"] for row in rows] == [False, True]
    assert rows[0]["mean_pose_mpjpe_mm"] == pytest.approx(np.sqrt(3.0))
    assert rows[0]["user_mean_mpjpe_mm"] == pytest.approx(2 * np.sqrt(3.0))
    assert rows[0]["seconds"] == 2.0


@pytest.mark.parametrize(
    ("content", "unseen", "says"),
    [
        (None, None, "no manifest"),
        ("{", None, "cannot be read"),
        ({"data": [{"file": "x"}]}, None, "recorded files"),
        ({"data": [{"synthetic": {"user": 0}}]}, frozenset(), "all gestures"),
        ({"data": [{"synthetic": {"leave_out": ["ok", "fist"]}}]}, frozenset({"ok", "fist"}), "without fist, ok"),
        ({"data": [{"synthetic": {"leave_out": ["ok"]}}, {"synthetic": {}}]}, frozenset(), "all gestures"),
    ],
)
def test_only_the_manifest_says_what_was_left_out(
    tmp_path: Path, content: object, unseen: frozenset[str] | None, says: str
) -> None:
    path = tmp_path / "manifest.json"
    if content is not None:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    found, words = gestures_left_out(path)
    assert found == unseen
    assert says in words


def test_smoothing_takes_jerk_and_adds_lag() -> None:
    truth = moving(1500)
    pose = truth + RNG.normal(0, 2.0, truth.shape).astype(np.float32)
    raw, light, strong = (
        smoothed([run(truth, pose)], config) for config in (None, OneEuroConfig(2.0, 0.02), OneEuroConfig(0.5, 0.0))
    )
    assert raw["added_lag_ms"] == 0.0
    assert raw["jerk_ratio"] > light["jerk_ratio"] > strong["jerk_ratio"]
    assert 0.0 < light["added_lag_ms"] < strong["added_lag_ms"]
    assert light["true_jerk_m_s3"] == raw["true_jerk_m_s3"]


def test_the_filter_to_recommend_is_calm_first_and_then_in_time() -> None:
    rows = [
        {"jerk_ratio": 4.0, "lag_ms": 60.0}, {"jerk_ratio": 2.9, "lag_ms": 80.0}, {"jerk_ratio": 1.5, "lag_ms": 110.0},
    ]  # fmt: skip
    assert best_filter(rows) == 1
    assert best_filter([{**row, "lag_ms": row["lag_ms"] - 100.0} for row in rows]) == 2
    assert best_filter(rows[:1]) == 0
    assert best_filter([{**row, "jerk_ratio": row["jerk_ratio"] * 9} for row in rows]) == 2


def test_what_a_model_file_says_of_its_filter() -> None:
    config = OneEuroConfig(7.0, 0.01, 3)
    found = recommendation(config, {"lag_ms": 60.04}, {"lag_ms": 112.42})
    assert found == ({"min_cutoff_hz": 7.0, "beta": 0.01, "stages": 3, "lag_ms": 52.4}, 60.0)
    assert recommendation(config, {}, {}) == ({"min_cutoff_hz": 7.0, "beta": 0.01, "stages": 3}, None)


def test_what_is_served_stands_beside_the_networks_own_output() -> None:
    found = everything()
    found.baselines = {}
    found.served = {"min_cutoff_hz": 7.0, "beta": 0.01, "stages": 3, "mpjpe_mm": 9.1, "jerk_ratio": 2.0, "lag_ms": 90.0}
    rows = {name: value for name, value, _ in overview(found).rows}
    assert rows["as served: MPJPE over 20 points"] == "9.10 mm"
    assert rows["as served: fingertip jerk"] == "2.00 times the truth's"
    assert rows["as served: lag"] == "90.00 ms"
    note = next(table.note for table in tables(found) if table.title == "Smoothing")
    assert note.startswith("`serve` sends what 7,0.01,3 gives")


def test_a_run_that_is_shorter_than_a_window_has_no_pose(tmp_path: Path) -> None:
    spec = ModelSpec("net", "cnn_lstm", 1000, "window", 188, 4, 200.0)
    runner = OnnxRunner.open(window_model(tmp_path / "net.onnx", spec).read_bytes())
    poses = from_onnx(runner, spec)(segment(np.zeros((100, CHANNELS), np.float32)))
    assert poses.shape == (25, VALUES)
    assert np.isnan(poses).all()


def test_amplitude_is_the_loudness_of_the_band() -> None:
    emg = np.repeat([[2.0], [-6.0]], 400, axis=0).astype(np.float32) * np.ones(CHANNELS, np.float32)
    found = amplitude(emg, 200)
    assert found.shape == (200,)
    # A step's value is that of its last sample: four samples of the louder half are in step 100.
    assert found[[99, 100, 199]] == pytest.approx([2.0, 6.0 - 4.0 * np.exp(-4 / 50), 6.0], rel=0.02)


def everything() -> Evaluation:
    truth = moving(300)
    one = session_closure("p", "1", [np.linspace(0, 1, 300, dtype=np.float32)], [np.repeat([0, 2, 7], 100)])
    assert one is not None
    return Evaluation(
        "net", "3 synthetic sessions", {"mpjpe_mm": 9.0}, {"a": {"mpjpe_mm": 9.0, "index_mm": 8.0, "lag_ms": 40.0}},
        {"mean pose": {"mpjpe_mm": 20.0, "r2": 0.0, "rmse_mm": 15.0}},
        calibration=[
            {"seconds": 0.0, "users": 2.0, "mpjpe_mm": 20.0, "mean_pose_mpjpe_mm": 22.0},
            {"seconds": 30.0, "users": 2.0, "mpjpe_mm": 17.0, "mean_pose_mpjpe_mm": 22.0, "user_mean_mpjpe_mm": 19.0},
        ],
        rotations=[{"degrees": 0.0, "mpjpe_mm": 9.0}, {"degrees": 45.0, "mpjpe_mm": 12.0}],
        smoothing=[{"mpjpe_mm": 9.0}, {"min_cutoff_hz": 2.0, "beta": 0.02, "mpjpe_mm": 9.1, "jerk_ratio": 2.5}],
        gestures=[
            {"gesture": "ok", "seconds": 3.0, "mpjpe_mm": 11.0, "trained": False},
            {"gesture": "fist", "seconds": 4.0, "mpjpe_mm": 7.0, "trained": True},
        ],
        gestures_note="the network was trained without ok",
        closure={"auc_median": 0.9, "works": 0.5}, closure_baseline={"auc_median": 0.8, "works": 0.0},
        sessions=[one], runs=[run(truth, truth + 1)],
    )  # fmt: skip


def test_the_report_has_every_table_and_picture_that_was_requested(tmp_path: Path) -> None:
    text = write(everything(), tmp_path).read_text()
    for words in (
        "Error by gesture", "the network was trained without ok", "| ok | 3.00 | 11.00 | no |", "Turned band",
        "| 45.00 | 12.00 |", "Smoothing", "| 2.00 | 0.02 | 9.10 | 2.50 |", "Calibration", "user's mean pose mm",
        "session by session", "| auc_median | 0.9 | 0.8 |", "| works | 0.5 |  |", "index",
    ):  # fmt: skip
        assert words in text
    pictures = [line.split("(")[1].rstrip(")") for line in text.splitlines() if line.startswith("![")]
    assert len(pictures) == 5
    for picture in pictures:
        assert (tmp_path / picture).stat().st_size > 5000


def test_programs_get_every_row() -> None:
    found = json.loads(json.dumps(everything().to_json()))
    assert found["gestures"][0]["trained"] is False
    assert found["sessions"][0]["user"] == "p"
    assert found["closure_baseline"] == {"auc_median": 0.8}
    assert {"calibration", "rotations", "smoothing"} <= set(found)


def test_nothing_that_was_not_requested_is_shown() -> None:
    assert not list(tables(Evaluation("net", "x", {"mpjpe_mm": 9.0}, {})))
