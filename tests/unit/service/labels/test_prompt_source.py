"""Prompts as they are played: labels of the ghost hand, and a simulated wearer who is asked to do the same."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pytest

from models.forward.poses import POSES
from service.labels.prompts.schedule import parse
from service.labels.prompts.source import PromptLabels, degrees
from service.labels.source import SeenHand
from tests.fakes.virtual_time import VirtualLoop

SCHEDULE = parse("""
prepare_s = 1
rest_s = 0.5
[[block]]
pose = "fist"
levels = [0.5, 1.0]
move_s = 0.4
hold_s = 0.6
""")


class Wearer:
    def __init__(self) -> None:
        self.asked: list[tuple[str | None, float, float | None]] = []

    def follow(self, cue: str | None, level: float = 1.0, seconds: float | None = None) -> None:
        self.asked.append((cue, level, seconds))


def test_labels_are_what_the_ghost_hand_did_and_the_wearer_is_asked_to() -> None:
    wearer, seen = Wearer(), list[SeenHand]()
    with VirtualLoop() as loop:
        labels, began = PromptLabels(SCHEDULE, loop.now), loop.now()
        labels.wearer = wearer
        loop.run(labels.run(seen.append))
        assert loop.now() - began == pytest.approx(SCHEDULE.duration_s, abs=0.021)
    assert SCHEDULE.duration_s == pytest.approx(3.9)
    np.testing.assert_allclose(np.diff([hand.t for hand in seen]), 0.02, atol=1e-6)
    for hand in seen:
        assert (hand.joints, hand.hand) == (None, None)
        assert hand.angles == degrees(SCHEDULE.at(hand.t - began).angles)
    assert wearer.asked == [("fist", 0.5, 0.4), ("fist", 1.0, 0.4), ("fist", 0.0, 0.4), (None, 1.0, None)]


def test_what_a_page_needs_to_show_it() -> None:
    found: list[dict[str, Any] | None] = []

    async def main(labels: PromptLabels) -> None:
        found.append(labels.describe())
        playing = asyncio.create_task(labels.run(lambda _: None))
        for seconds in (0.5, 0.7, 2.0):
            await asyncio.sleep(seconds)
            found.append(labels.describe())
        await playing
        found.append(labels.describe())

    with VirtualLoop() as loop:
        loop.run(main(PromptLabels(SCHEDULE, loop.now)))
    before, waiting, rising, last, after = found
    assert (before, after) == (None, None)
    assert waiting is not None
    assert (waiting["pose"], waiting["now"], waiting["left_s"]) == ("rest", 0.0, 3.4)
    assert waiting["next"] == {"pose": "fist", "level": 0.5, "in_s": 0.5}
    assert rising is not None
    assert (rising["pose"], rising["level"], rising["now"]) == ("fist", 0.5, 0.25)
    assert rising["next"] == {"pose": "fist", "level": 1.0, "in_s": 0.8}
    quarter = POSES["rest"] + 0.25 * (POSES["fist"] - POSES["rest"])
    assert rising["angles"] == pytest.approx(degrees(quarter), abs=0.02)
    assert last is not None
    assert last["next"] is None
