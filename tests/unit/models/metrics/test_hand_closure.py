from __future__ import annotations

import numpy as np
import pytest

from models.data.gesture_labels import poses_by_label
from models.metrics.hand_closure import auc, closed_share, over_sessions, session_closure, settled

POSES = poses_by_label("0=rest,7=fist")


def test_closure_runs_from_rest_to_fist() -> None:
    poses = np.stack([POSES[0], POSES[7], (POSES[0] + POSES[7]) / 2])
    np.testing.assert_allclose(closed_share(poses, POSES[0], POSES[7]), [0.0, 1.0, 0.5], atol=1e-5)


def test_auc_counts_ties_as_half() -> None:
    assert auc([2.0, 3.0], [0.0, 1.0]) == 1.0
    assert auc([0.0, 1.0], [2.0, 3.0]) == 0.0
    assert auc([1.0], [1.0]) == 0.5
    assert auc([1.0, 3.0], [2.0]) == 0.5


def test_the_first_second_after_a_switch_is_not_evaluated() -> None:
    kept = settled(np.array([0] * 100 + [7] * 100))
    assert kept[:100].all()
    assert not kept[100:150].any()
    assert kept[150:].all()


@pytest.mark.parametrize(("fist", "wrist", "works"), [(0.9, 0.1, True), (0.9, 0.6, False), (0.3, 0.1, False)])
def test_a_session_works_when_fists_close_and_wrists_do_not(fist: float, wrist: float, works: bool) -> None:
    values = np.concatenate([np.full(100, 0.0), np.full(100, fist), np.full(100, wrist)]).astype(np.float32)
    classes = np.repeat([0, 7, 2], 100)
    one = session_closure("p", "1", [values], [classes])
    assert one is not None
    assert one.works is works
    assert over_sessions([one])["works"] == float(works)


def test_a_session_without_fists_is_not_evaluated() -> None:
    assert session_closure("p", "1", [np.zeros(4, np.float32)], [np.array([0, 0, 2, 2])]) is None
