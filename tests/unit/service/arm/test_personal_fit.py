"""What labels teach: the head, its judgement on seconds held back, and the bones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from drivers.events import Label
from models.forward.generator import session
from models.hand import mirror
from models.kinematics import ANGLES, ROM, bones, points
from models.onnx_edit import read_initializers
from models.onnx_file import ANGLES as SHIPPED
from models.onnx_file import (
    BONES,
    CONFIDENCE_PERSONAL,
    EXPECTED_ERROR,
    FEATURE_MEAN,
    FEATURE_SCALE,
    PERSONAL,
    read_spec,
)
from models.onnx_file import FEATURES as HIDDEN
from models.onnx_runner import OnnxRunner, open_session
from models.spec import ModelError
from service.arm import personal_fit as module
from service.arm.personal_fit import BLOCK_S, EVERY, PersonalFit, Row, Target, target
from service.engine.pose import Hidden
from service.experiments.personal_calibration import calibrate

WEIGHTS = Path(__file__).parents[4] / "service" / "weights"
FEATURES = 6
VALUES = {
    FEATURE_MEAN: np.zeros(FEATURES, np.float32),
    FEATURE_SCALE: np.ones(FEATURES, np.float32),
    PERSONAL: np.zeros((FEATURES + 1, len(ANGLES)), np.float32),
    BONES: bones(180.0),
}
RNG = np.random.default_rng(1)
TRUE = RNG.normal(0.0, 0.05, (FEATURES, len(ANGLES)))
MIDDLE = ROM.mean(axis=1)
HZ = 20.0
SPEEDS_HZ, PHASES = RNG.uniform(0.1, 0.8, FEATURES), RNG.random(FEATURES)


def taught(first_s: float, last_s: float, joints: bool = True) -> tuple[list[Row], list[Target]]:
    """A hand whose angles are the middle of their ranges and a known mix of the features."""
    rows, targets = [], []
    for t in np.arange(round(first_s * HZ), round(last_s * HZ)) / HZ:
        features = 1.4 * np.sin(2.0 * np.pi * (SPEEDS_HZ * t + PHASES))
        angles = MIDDLE + features @ TRUE
        rows.append(Row(float(t), Hidden(features.astype(np.float32), MIDDLE.astype(np.float32))))
        seen = points(angles[None], bones(200.0))[0] if joints else None
        known = np.full(len(ANGLES), np.nan) if joints else angles
        targets.append(Target(float(t), known.astype(np.float32), seen))
    return rows, targets


def test_it_learns_what_the_hand_does_as_far_ahead_as_the_model_aims() -> None:
    heads = []
    for ahead_s in (0.0, 0.2):
        fit = PersonalFit(VALUES, ahead_s)
        rows, targets = taught(0.0, 60.0)
        fit.learn(rows, [replace(one, t=one.t + ahead_s) for one in targets], last=True)
        assert fit.head is not None
        heads.append(fit.head)
    np.testing.assert_allclose(heads[0], heads[1], atol=0.02)


def test_it_learns_what_the_labels_say_and_judges_on_other_seconds() -> None:
    fit = PersonalFit(VALUES)
    for start in range(0, 120, 3):
        fit.learn(*taught(start, start + 3), last=start == 117)
    assert fit.seconds == pytest.approx(120.0, rel=0.01)
    assert fit.labels == 120 * HZ
    assert fit.head is not None
    before, after = fit.before["angle_mae_deg"], fit.after["angle_mae_deg"]
    assert before is not None
    assert after is not None
    assert after < 0.6 * before
    far, near = fit.before["mpjpe_mm"], fit.after["mpjpe_mm"]
    assert far is not None
    assert near is not None
    assert near < 0.6 * far
    assert fit.bones is not None
    np.testing.assert_allclose(fit.bones, bones(200.0), atol=0.1)


def test_labels_wait_for_the_signal_after_them() -> None:
    fit = PersonalFit(VALUES)
    rows, targets = taught(0.0, 10.0)
    fit.learn(rows[:100], targets)
    assert 0 < fit.labels < 100
    early = fit.labels
    fit.learn(rows[100:], [])
    assert early < fit.labels < 200
    fit.learn([], [], last=True)
    assert fit.labels == 200


def test_pieces_teach_what_the_whole_teaches() -> None:
    whole, pieces = PersonalFit(VALUES), PersonalFit(VALUES)
    whole.learn(*taught(0.0, 60.0), last=True)
    for start in range(0, 60, 2):
        pieces.learn(*taught(start, start + 2))
    on_the_way = pieces.head
    pieces.learn([], [], last=True)
    assert on_the_way is not None
    assert pieces.head is not None
    assert whole.head is not None
    np.testing.assert_allclose(pieces.head, whole.head, atol=1e-5)
    np.testing.assert_allclose(on_the_way, whole.head, atol=0.01)
    assert pieces.after == whole.after


def test_an_hour_takes_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_ROWS", 400)
    fit = PersonalFit(VALUES)
    for start in range(0, 120, 3):
        fit.learn(*taught(start, start + 3), last=start == 117)
        assert len(fit._t) <= 400 + 3 * HZ
    assert fit.labels == 120 * HZ
    everything = PersonalFit(VALUES)
    monkeypatch.setattr(module, "MAX_ROWS", 10_000)
    everything.learn(*taught(0, 120), last=True)
    assert fit.head is not None
    assert everything.head is not None
    np.testing.assert_allclose(fit.head, everything.head, atol=0.01)


def test_nothing_is_judged_before_a_second_was_held_back() -> None:
    fit = PersonalFit(VALUES)
    fit.learn(*taught(0.0, BLOCK_S * (EVERY - 1)), last=True)
    assert fit.head is not None
    assert fit.after == {"angle_mae_deg": None, "mpjpe_mm": None}
    fit.learn(*taught(BLOCK_S * (EVERY - 1), BLOCK_S * EVERY, joints=False), last=True)
    assert fit.after["angle_mae_deg"] is not None
    assert fit.after["mpjpe_mm"] is None


def test_it_goes_on_from_the_head_of_the_file() -> None:
    own = np.concatenate([TRUE, np.zeros((1, len(ANGLES)))]).astype(np.float32)
    fit = PersonalFit(VALUES | {PERSONAL: own})
    fit.learn(*taught(0.0, 30.0), last=True)
    assert fit.before["angle_mae_deg"] == pytest.approx(0.0, abs=0.05)
    assert fit.head is not None
    np.testing.assert_allclose(fit.head, own, atol=1e-4)


def test_a_left_hands_points_and_single_angles() -> None:
    right = points(MIDDLE[None], bones())[0].reshape(63)
    found, same = target(Label(1.0, mirror(right)), "left"), target(Label(1.0, right), "right")
    assert found.joints is not None
    assert same.joints is not None
    np.testing.assert_allclose(found.joints, same.joints, atol=1e-4)
    some = target(Label(1.0, None, {"index_mcp_fe": 90.0}), "left")
    assert some.angles[ANGLES.index("index_mcp_fe")] == pytest.approx(np.pi / 2)
    assert np.isnan(np.delete(some.angles, ANGLES.index("index_mcp_fe"))).all()
    assert some.joints is None


@pytest.mark.slow
@pytest.mark.parametrize(("name", "hop", "off"), [("envelope50", 1, 1e-3), ("raw200", 4, 1e-3)])
def test_it_finds_what_calibrate_finds(name: str, hop: int, off: float) -> None:
    """The same session, trembling and late: once as a file, once row by row and label by label."""
    content = (WEIGHTS / f"{name}.onnx").read_bytes()
    spec = read_spec(content, name)
    made = session(3200, 0, 40.0, seed=1, rate_hz=spec.rate_hz, emg_mode=spec.emg_mode, losses=False)
    assert made.label_t is not None
    assert made.joints is not None
    some = slice(None, None, 2)
    rng = np.random.default_rng(0)
    joints = made.joints[some] + rng.normal(0.0, 6.0, made.joints[some].shape).astype(np.float32)
    label_t = made.label_t[some] + 0.15
    late = replace(made, label_t=label_t, joints=joints)
    expected = calibrate(content, spec, (name, ""), [late], [late])
    values = read_initializers(content)
    fit = PersonalFit(values)
    runner = OnnxRunner(open_session(content))
    fed = 0
    piece = round(2 * spec.rate_hz)
    for start in range(0, len(late.emg), piece):
        rows = []
        for first in range(start, min(start + piece, len(late.emg)), hop):
            emg = np.asarray(late.emg[None, first : first + hop], np.float32)
            features, angles, told = (out[0, -1] for out in runner.step_outputs(emg, (HIDDEN, SHIPPED, EXPECTED_ERROR)))
            rows.append(Row(float(late.t[first + len(emg[0]) - 1]), Hidden(features, angles, told.item())))
        until = int(np.searchsorted(label_t, rows[-1].t))
        heard = [Label(float(label_t[k]), joints[k]) for k in range(fed, until)]
        fit.learn(rows, [target(one, "right") for one in heard], late_s=expected.lag_s)
        fed = until
    rest = [target(Label(float(label_t[k]), joints[k]), "right") for k in range(fed, len(joints))]
    fit.learn([], rest, late_s=expected.lag_s, last=True)
    found = read_initializers(expected.content)
    assert fit.head is not None
    assert fit.bones is not None
    np.testing.assert_allclose(fit.bones, found[BONES], atol=1e-3)
    np.testing.assert_allclose(fit.head, found[PERSONAL], atol=off)
    assert fit.confidence is not None
    np.testing.assert_allclose(fit.confidence, found[CONFIDENCE_PERSONAL], atol=10 * off)


def test_a_model_without_room() -> None:
    with pytest.raises(ModelError, match="export it again"):
        PersonalFit({})
