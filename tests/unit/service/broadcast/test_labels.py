"""Labels and markers of clients: docs/protocol.md#labels-and-markers."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from models.kinematics import ANGLES
from service.broadcast.labels import LabelMessage, MarkerMessage
from service.broadcast.messages import MAX_CLIENT_MESSAGE, InvalidMessage, parse_client

GOLDEN = Path(__file__).parents[3] / "golden"
LABEL: dict[str, Any] = json.loads((GOLDEN / "client/label.json").read_text())
ANGLE_LABEL: dict[str, Any] = json.loads((GOLDEN / "client/label_angles.json").read_text())


def parsed(value: dict[str, Any]) -> object:
    return parse_client(json.dumps(value))


def test_golden_labels_and_marker() -> None:
    label = parse_client((GOLDEN / "client/label.json").read_text())
    assert isinstance(label, LabelMessage)
    assert (label.device, label.t, label.hand, label.source, label.confidence) == (
        0, 1763900016.5, "right", "webcam", 0.875,
    )  # fmt: skip
    assert label.joints is not None
    np.testing.assert_array_equal(label.joints.reshape(63), LABEL["joints"])
    angles = parse_client((GOLDEN / "client/label_angles.json").read_text())
    assert isinstance(angles, LabelMessage)
    assert (angles.device, angles.hand, angles.joints, angles.source) == (1, "left", None, "")
    assert angles.angles == {"index_mcp_fe": 42.0, "thumb_cmc_aa": -7.5}
    marker = parse_client((GOLDEN / "client/marker.json").read_text())
    assert marker == MarkerMessage(0, 1763900016.5, "second donning")


def test_the_longest_label_fits_into_a_clients_message() -> None:
    joints = [float(np.float64(value) + 1 / 3) for value in LABEL["joints"]]
    assert len(json.dumps(LABEL | {"joints": joints})) < MAX_CLIENT_MESSAGE
    assert isinstance(parsed(LABEL | {"joints": joints}), LabelMessage)
    every = dict.fromkeys(ANGLES, 1.0 / 3)
    assert isinstance(parsed({"type": "label", "t": 1, "angles": every}), LabelMessage)


def without(key: str) -> dict[str, Any]:
    return {name: value for name, value in LABEL.items() if name != key}


def with_joint(index: int, value: float) -> dict[str, Any]:
    joints = list(LABEL["joints"])
    joints[index] = value
    return LABEL | {"joints": joints}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (without("joints"), "neither"), (LABEL | {"angles": {"index_mcp_fe": 1}}, "both"),
        (without("t"), "t None"), (LABEL | {"t": "now"}, "t 'now'"), (LABEL | {"t": True}, "t True"),
        (LABEL | {"hand": "up"}, "left nor right"), (LABEL | {"hand": ["left"]}, "left nor right"),
        (LABEL | {"device": -1}, "device -1"), (LABEL | {"device": 1.0}, "device 1.0"),
        (LABEL | {"confidence": 1.1}, "0 to 1"), (LABEL | {"confidence": "high"}, "not a number"),
        (LABEL | {"source": 5}, "source"), (LABEL | {"joints": [1.0] * 62}, "63 numbers"),
        (LABEL | {"joints": [[0.0] * 3] * 21}, "63 numbers"), (LABEL | {"joints": ["1"] * 63}, "not a number"),
        (LABEL | {"joints": [0.0] * 63}, "in mm"), (LABEL | {"joints": list(range(63))}, "one line"),
        (LABEL | {"joints": [value / 1000 for value in LABEL["joints"]]}, "in mm"),
        (LABEL | {"t": -1}, "Unix seconds"), (LABEL | {"t": 1e300}, "Unix seconds"),
        (LABEL | {"t": 2e10}, "Unix seconds"),
        (with_joint(5, 600.0), "a point"), (with_joint(51, 1e308), "in mm"), (with_joint(27, -1e308), "in mm"),
        ({"type": "marker", "label": "x", "t": -1}, "Unix seconds"),
        ({"type": "marker", "label": "x", "t": 1e300}, "Unix seconds"),
        (ANGLE_LABEL | {"angles": {}}, "index_mcp_fe"), (ANGLE_LABEL | {"angles": [1.0]}, "index_mcp_fe"),
        (ANGLE_LABEL | {"angles": {"elbow": 1.0}}, "elbow"), (ANGLE_LABEL | {"angles": {"index_mcp_fe": None}}, "None"),
        (ANGLE_LABEL | {"angles": {"index_mcp_fe": 200}}, "degrees"),
        ({"type": "marker", "label": ""}, "empty"), ({"type": "marker"}, "label"),
        ({"type": "marker", "label": "x" * 1001}, "1000"), ({"type": "marker", "label": "x", "t": "y"}, "t 'y'"),
    ],
)  # fmt: skip
def test_a_wrong_one_is_a_bad_label_that_says_why(value: dict[str, Any], words: str) -> None:
    found = parsed(value)
    assert isinstance(found, InvalidMessage)
    assert found.code == "bad_label"
    assert words in found.message
