"""Where the viewer draws the channels of a band: as the generator and the real recordings have them, on either arm."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Final

import pytest

import hatch_build
from models.forward.electrodes import CHANNEL_ONE_DEG, PITCH_DEG
from models.hand import CHANNELS, MIRRORED_CHANNELS

VIEWER: Final = Path(__file__).resolve().parents[3] / "service" / "viewer"
TIMEOUT_S: Final = 60.0
PROGRAM: Final = """
const ts = require("typescript");
const source = require("fs").readFileSync("src/guide/bandGeometry.ts", "utf8");
const module_ = { exports: {} };
const options = { compilerOptions: { module: ts.ModuleKind.CommonJS, target: ts.ScriptTarget.ES2022 } };
new Function("exports", ts.transpileModule(source, options).outputText)(module_.exports);
const ring = (...more) => Array.from({ length: 8 }, (_, i) => module_.exports.channelDeg(more[0], i, ...more.slice(1)));
const turned = [ring("right", -45), ring("left", -45)];
console.log(JSON.stringify([ring("right"), ring("left"), ...turned, ring("right", 0, true)]));
"""

pytestmark = pytest.mark.peer


@pytest.fixture(scope="module")
def rings() -> list[list[float]]:
    """Degrees clockwise from the back of the arm: right, left, each turned towards the thumb, the other way round."""
    found = hatch_build.find_node()
    hatch_build.install(found, VIEWER)
    done = subprocess.run(
        [found.node, "-e", PROGRAM], cwd=VIEWER, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
    )
    made: list[list[float]] = json.loads(done.stdout)
    return made


def towards_thumb(channel: int) -> float:
    """Degrees from the back of the arm towards the thumb: of a channel of a right arm, as the generator has it."""
    return CHANNEL_ONE_DEG + PITCH_DEG * channel


def same(one: float, other: float) -> bool:
    return abs((one - other + 180.0) % 360.0 - 180.0) < 1e-6


def test_a_right_arm_has_its_thumb_to_the_left(rings: list[list[float]]) -> None:
    assert all(same(-rings[0][channel], towards_thumb(channel)) for channel in range(CHANNELS))


def test_a_left_arm_is_the_mirror_image_with_the_channels_that_the_service_takes(rings: list[list[float]]) -> None:
    assert all(same(rings[1][MIRRORED_CHANNELS[channel]], towards_thumb(channel)) for channel in range(CHANNELS))


def test_a_negative_turn_goes_towards_the_thumb_on_both_arms(rings: list[list[float]]) -> None:
    for channel in range(CHANNELS):
        assert same(rings[2][channel] - rings[0][channel], -45.0), "the thumb of a right arm is to the left"
        assert same(rings[3][channel] - rings[1][channel], 45.0)


def test_the_other_way_round_the_ring_runs_back(rings: list[list[float]]) -> None:
    assert all(same(rings[4][MIRRORED_CHANNELS[channel]], rings[0][channel]) for channel in range(CHANNELS))
