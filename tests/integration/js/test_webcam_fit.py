"""The hand that the viewer fits to the webcam's picture, under Node: against hands of known angles."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest

import hatch_build
from models import kinematics
from models.arrays import Float64Array
from models.forward.poses import POSES

REPOSITORY: Final = Path(__file__).resolve().parents[3]
VIEWER: Final = REPOSITORY / "service" / "viewer"
TIMEOUT_S: Final = 60
DISTANCE_MM: Final = 500.0
HEIGHT_TO_WIDTH: Final = 0.75
BESIDE_MM: Final = 40.0

ENTRY: Final = """
import {{ readFileSync }} from "node:fs";
import {{ Correction }} from "{viewer}/src/webcam/correction";
import {{ fitHand, seenRightHand }} from "{viewer}/src/webcam/handFit";
import {{ averageBones, bonesOfHand }} from "{viewer}/src/webcam/kinematics";

const {{ hands, flat, fist, angles }} = JSON.parse(readFileSync(0, "utf8"));
const rows = (given) => given.map((row) => Float64Array.from(row));
const fitted = (hands ?? []).map(({{ side, picture, depth, points }}) => {{
  const seen = {{ side, confidence: 1, picture: Float64Array.from(picture), depth: Float64Array.from(depth),
    points: Float64Array.from(points) }};
  const found = fitHand(seenRightHand(seen, side, {shape}), averageBones(185));
  return {{ angles: [...found.angles], missMm: found.missMm }};
}});
const correction = flat ? new Correction(rows(flat), rows(fist)) : null;
const bones = [...bonesOfHand(190)];
console.log(JSON.stringify({{ bones, fitted, corrected: (angles ?? []).map((row) => [...correction.apply(row)]) }}));
"""
BUNDLE: Final = """
import {{ build }} from "{viewer}/node_modules/vite/dist/node/index.js";
await build({{
  root: "{viewer}", configFile: "{viewer}/vite.config.ts", logLevel: "warn",
  build: {{
    ssr: "{folder}/entry.ts", outDir: "{folder}/out",
    rollupOptions: {{ output: {{ entryFileNames: "fit.mjs" }} }},
  }},
}});
"""

pytestmark = pytest.mark.peer


class Fit:
    """The viewer's modules as a program: JSON in, JSON out."""

    def __init__(self, folder: Path) -> None:
        self._node = hatch_build.find_node()
        hatch_build.install(self._node, VIEWER)
        text = {"viewer": VIEWER.as_posix(), "folder": folder.as_posix(), "shape": HEIGHT_TO_WIDTH}
        (folder / "entry.ts").write_text(ENTRY.format(**text), encoding="utf-8")
        (folder / "build.mjs").write_text(BUNDLE.format(**text), encoding="utf-8")
        self._run(folder / "build.mjs", "")
        self._program = folder / "out" / "fit.mjs"

    def __call__(self, **given: Any) -> Any:
        return json.loads(self._run(self._program, json.dumps(given)))

    def _run(self, program: Path, text: str) -> str:
        result = subprocess.run(
            [str(self._node.node), str(program)],
            input=text,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
        assert result.returncode == 0, result.stderr
        return result.stdout


@pytest.fixture(scope="module")
def fit(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    return Fit(tmp_path_factory.mktemp("fit"))


def seen(pose: str, side: str = "right", turn_deg: float = -25.0, depth_mm: float = 0.0) -> dict[str, Any]:
    """A hand in front of a camera, palm to it and fingers up, as the tracker would tell of it.

    Args:
        pose: name of a pose.
        side: of the hand; a left one is the right one's mirror image.
        turn_deg: about the forearm.
        depth_mm: SD of what the tracker is wrong by in depth; its points in space are those of a hand at rest.
    """
    points = kinematics.points(np.stack([POSES[pose], POSES["rest"]]), kinematics.bones()).astype(np.float64)
    # Frame `hand` to the camera's: x right, y down, z away. The palm (-Y) faces it, so the thumb (-X) is on the right.
    upright = np.array([[-1.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    c, s = np.cos(np.deg2rad(turn_deg)), np.sin(np.deg2rad(turn_deg))
    there, rest = points @ (np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]) @ upright).T
    there += [BESIDE_MM, 80.0, DISTANCE_MM]
    wrong = np.random.default_rng(3).normal(0.0, 1.0, 21) * depth_mm
    picture = there[:, :2] / there[:, 2:] / [1.0, HEIGHT_TO_WIDTH] + 0.5
    if side == "left":
        picture[:, 0] = 1.0 - picture[:, 0]
        rest[:, 0] *= -1.0
    depth = (there[:, 2] + wrong) / DISTANCE_MM
    return {"side": side, "picture": picture.ravel().tolist(), "depth": depth.tolist(), "points": rest.ravel().tolist()}


def error(found: dict[str, Any], pose: str) -> Float64Array:
    """(20,) degrees."""
    difference: Float64Array = np.abs(np.array(found["angles"]) - np.rad2deg(POSES[pose]))
    return difference


def test_angles_come_from_the_picture_where_the_trackers_depth_is_wrong(fit: Fit) -> None:
    poses = ("flat", "rest", "open", "point", "two", "hook", "ok", "pinch", "index", "fist")
    found = fit(hands=[seen(pose, depth_mm=12.0) for pose in poses])["fitted"]
    errors = np.array([error(one, pose).mean() for one, pose in zip(found, poses, strict=True)])
    rest = np.array([np.rad2deg(np.abs(POSES["rest"] - POSES[pose])).mean() for pose in poses])
    assert errors.mean() < 6.0
    assert errors.mean() < 0.4 * rest.mean()
    assert max(one["missMm"] for one in found) < 5.0


def test_a_left_hand_is_the_mirror_image(fit: Fit) -> None:
    right, left = fit(hands=[seen("ok"), seen("ok", side="left")])["fitted"]
    np.testing.assert_allclose(left["angles"], right["angles"], atol=1e-6)


def test_what_is_no_hand_misses_the_picture(fit: Fit) -> None:
    wrong = seen("flat")
    wrong["picture"] = np.random.default_rng(1).uniform(0.3, 0.7, 42).tolist()
    assert fit(hands=[wrong])["fitted"][0]["missMm"] > 10.0


def test_angles_stay_within_their_ranges(fit: Fit) -> None:
    low, high = np.rad2deg(kinematics.ROM).T
    for one in fit(hands=[seen(pose, depth_mm=40.0) for pose in ("open", "fist", "thumb_in")])["fitted"]:
        assert np.all(np.array(one["angles"]) >= low - 1e-3)
        assert np.all(np.array(one["angles"]) <= high + 1e-3)


def test_labels_measure_what_was_entered_along_the_middle_finger(fit: Fit) -> None:
    bones = np.array(fit()["bones"])
    assert bones[8:12].sum() == pytest.approx(190.0)
    np.testing.assert_allclose(bones / bones[8], kinematics.bones() / kinematics.bones()[8], rtol=1e-6)


def reference(pose: str, off: float = 0.0) -> list[list[float]]:
    return [(np.rad2deg(POSES[pose]) + off).tolist()] * 3


def test_references_as_expected_change_nothing(fit: Fit) -> None:
    angles = [np.rad2deg(POSES[pose]).tolist() for pose in ("rest", "ok", "fist")]
    found = fit(flat=reference("flat"), fist=reference("fist"), angles=angles)["corrected"]
    np.testing.assert_allclose(found, angles, atol=0.5)


def test_a_common_error_is_taken_out_in_part(fit: Fit) -> None:
    true = np.rad2deg(POSES["rest"])
    found = fit(flat=reference("flat", -8.0), fist=reference("fist", -8.0), angles=[(true - 8.0).tolist()])["corrected"]
    left = np.abs(np.array(found[0]) - true)
    assert left.mean() < 7.0
    assert np.all(left < 8.5)


def test_one_misread_reference_does_not_spoil_the_rest(fit: Fit) -> None:
    """A fist that is read as a flat hand moves other poses by a few degrees, and never turns their order."""
    low, high = np.rad2deg(kinematics.ROM).T
    steps = [(low + share * (high - low)).tolist() for share in np.linspace(0.0, 1.0, 20)]
    found = fit(flat=reference("flat"), fist=reference("flat"), angles=[*steps, np.rad2deg(POSES["rest"]).tolist()])
    *ramp, rest = np.array(found["corrected"])
    assert np.abs(rest - np.rad2deg(POSES["rest"])).mean() < 15.0
    assert np.all(np.diff(ramp, axis=0) >= 0.0)
