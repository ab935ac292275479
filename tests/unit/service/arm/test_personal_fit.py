"""What labels teach: the head, its judgement on seconds held back, and the bones."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.events import Label
from models.hand import mirror
from models.kinematics import ANGLES, ROM, bones, points
from models.onnx_file import BONES, FEATURE_MEAN, FEATURE_SCALE, PERSONAL
from models.spec import ModelError
from service.arm.personal_fit import BLOCK_S, EVERY, Lesson, PersonalFit, lesson
from service.engine.pose import Hidden

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


def lessons(first_s: float, last_s: float, rate_hz: float = 20.0, joints: bool = True) -> list[Lesson]:
    """A hand whose angles are the middle of their ranges and a known mix of the features."""
    made = []
    for t in np.arange(first_s, last_s, 1.0 / rate_hz):
        features = np.clip(np.random.default_rng(int(1000 * t)).normal(0.0, 1.0, FEATURES), -3.0, 3.0)
        angles = MIDDLE + features @ TRUE
        hidden = Hidden(features.astype(np.float32), MIDDLE.astype(np.float32))
        label = points(angles[None], bones(200.0))[0]
        made.append(Lesson(float(t), hidden, angles, label if joints else None))
    return made


def test_it_learns_what_the_labels_say_and_judges_on_other_seconds() -> None:
    fit = PersonalFit(VALUES)
    for start in range(0, 120, 3):
        fit.learn(lessons(start, start + 3))
    assert fit.seconds == pytest.approx(120.0, rel=0.01)
    assert fit.labels == 120 * 20
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


def test_nothing_is_judged_before_a_second_was_held_back() -> None:
    fit = PersonalFit(VALUES)
    fit.learn(lessons(0.0, BLOCK_S * (EVERY - 1)))
    assert fit.head is not None
    assert fit.after == {"angle_mae_deg": None, "mpjpe_mm": None}
    fit.learn(lessons(BLOCK_S * (EVERY - 1), BLOCK_S * EVERY, joints=False))
    assert fit.after["angle_mae_deg"] is not None
    assert fit.after["mpjpe_mm"] is None


def test_it_goes_on_from_the_head_of_the_file() -> None:
    own = np.concatenate([TRUE, np.zeros((1, len(ANGLES)))]).astype(np.float32)
    fit = PersonalFit(VALUES | {PERSONAL: own})
    fit.learn(lessons(0.0, 30.0))
    assert fit.before["angle_mae_deg"] == pytest.approx(0.0, abs=0.05)
    assert fit.head is not None
    np.testing.assert_allclose(fit.head, own, atol=1e-4)


def test_a_left_hands_points_and_single_angles() -> None:
    right = points(MIDDLE[None], bones())[0].reshape(63)
    hidden = Hidden(np.zeros(FEATURES, np.float32), np.zeros(20, np.float32))
    found = lesson(Label(1.0, mirror(right)), hidden, "left")
    np.testing.assert_allclose(found.angles, lesson(Label(1.0, right), hidden, "right").angles, atol=1e-5)
    some = lesson(Label(1.0, None, {"index_mcp_fe": 90.0}), hidden, "left")
    assert some.angles[ANGLES.index("index_mcp_fe")] == pytest.approx(np.pi / 2)
    assert np.isnan(np.delete(some.angles, ANGLES.index("index_mcp_fe"))).all()
    assert some.joints is None


def test_a_model_without_room() -> None:
    with pytest.raises(ModelError, match="export it again"):
        PersonalFit({})
