"""Cues, driven by samples: what is measured, what is asked for again, and when it is given up."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.events import Frame
from models.arrays import Float32Array
from service.arm.alignment_session import MAX_TRIES, PREPARE_S, AlignmentSession, Continuity
from service.arm.cues import NINE_CUES

RATE_HZ = 50.0
LEVELS = {"rest": 2.0, "fist": 20.0, "extension": 12.0}


def emg(seconds: float, level: float, seed: int = 0) -> Float32Array:
    """(n, 8) noise of a level; channel c is c / 8 stronger."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0.0, 1.0, (round(seconds * RATE_HZ), 8)) * (1.0 + np.arange(8) / 8)
    return (level * noise).astype(np.float32)


def follow(session: AlignmentSession, levels: dict[str, float], rows: int = 2, cues: int = 99) -> None:
    """Do what is asked for, in frames of so many rows."""
    for _ in range(cues):
        if session.is_over():
            return
        cue = session.cue
        assert cue is not None
        signal = emg(PREPARE_S + session.seconds, levels[cue], len(session.measured))
        for start in range(0, len(signal), rows):
            session.push(signal[start : start + rows])


@pytest.mark.parametrize("rows", [1, 2, 7, 10_000])
def test_each_cue_is_measured_after_a_moment_to_get_there(rows: int) -> None:
    session = AlignmentSession(("rest", "fist", "extension"), 2.0, RATE_HZ)
    follow(session, LEVELS, rows)
    assert session.is_over()
    assert session.failure is None
    assert list(session.measured) == ["rest", "fist", "extension"]
    skipped = round(PREPARE_S * RATE_HZ)
    if rows < 7:
        for number, (cue, measured) in enumerate(session.measured.items()):
            np.testing.assert_array_equal(measured, emg(3.0, LEVELS[cue], number)[skipped:])


def test_what_is_shown_while_it_runs() -> None:
    session = AlignmentSession(("rest", "fist"), 2.0, RATE_HZ)
    assert (session.cue, session.phase, session.left_s) == ("rest", "prepare", 3.0)
    session.push(emg(0.5, 2.0))
    assert (session.cue, session.phase, session.left_s) == ("rest", "prepare", 2.5)
    session.push(emg(1.0, 2.0))
    assert (session.cue, session.phase, session.left_s) == ("rest", "hold", 1.5)
    session.push(emg(1.5, 2.0))
    assert (session.cue, session.phase, session.left_s) == ("fist", "prepare", 3.0)
    session.push(emg(3.0, 20.0))
    assert (session.cue, session.left_s, session.is_over()) == (None, 0.0, True)


def test_a_gap_begins_the_cue_anew_and_keeps_those_that_are_done() -> None:
    session = AlignmentSession(("rest", "fist"), 2.0, RATE_HZ)
    follow(session, LEVELS, cues=1)
    session.push(emg(2.5, 20.0))
    session.push(emg(0.5, 20.0), gap=True)
    assert (session.cue, session.phase, session.left_s) == ("fist", "prepare", 2.5)
    assert session.again is not None
    assert (session.again.cue, session.again.code) == ("fist", "interrupted")
    session.push(emg(2.5, 20.0))
    assert session.is_over()
    assert [session.again, session.failure] == [None, None]
    assert list(session.measured) == ["rest", "fist"]


def test_gaps_are_no_failed_tries() -> None:
    session = AlignmentSession(("rest", "fist"), 2.0, RATE_HZ)
    for _ in range(2 * MAX_TRIES):
        session.push(emg(2.5, 2.0), gap=True)
    assert (session.cue, session.failure) == ("rest", None)


@pytest.mark.parametrize(
    ("first_sample", "gap", "broken"),
    [(10, False, False), (12, True, False), (10 + 12, True, False), (10 + 13, True, True), (10, True, True)],
)
def test_a_lost_packet_is_no_lost_link(first_sample: int, gap: bool, broken: bool) -> None:
    """At 50 Hz 12 samples are a quarter of a second. A reconnect does not say how much is missing."""
    continuity = Continuity(RATE_HZ)
    assert not continuity.broken(Frame(0, 1000.0, emg(0.2, 1.0), 1000.0))
    assert continuity.broken(Frame(first_sample, 1001.0, emg(0.04, 1.0), 1001.0, gap=gap)) is broken


def test_a_movement_without_a_muscle_is_asked_for_again_and_no_other() -> None:
    session = AlignmentSession(("rest", "fist", "extension"), 2.0, RATE_HZ)
    follow(session, LEVELS, cues=1)
    follow(session, LEVELS | {"fist": 2.0}, cues=1)
    assert session.again is not None
    assert (session.cue, session.again.cue, session.again.code) == ("fist", "fist", "nothing_moved")
    follow(session, LEVELS, cues=1)
    assert session.cue == "extension"
    follow(session, LEVELS)
    assert [session.again, session.failure] == [None, None]


def test_a_movement_during_rest() -> None:
    session = AlignmentSession(("rest", "fist"), 2.0, RATE_HZ)
    session.push(emg(2.5, 2.0))
    session.push(emg(0.3, 30.0))
    session.push(emg(0.2, 2.0))
    assert session.again is not None
    assert (session.cue, session.again.code) == ("rest", "moved_during_rest")


def test_a_dead_channel_is_named() -> None:
    session = AlignmentSession(("rest", "fist"), 2.0, RATE_HZ)
    for level in (2.0, 20.0):
        signal = emg(3.0, level)
        signal[:, 4] = 1.0
        session.push(signal)
    assert session.again is not None
    assert session.again.code == "dead_channel"
    assert "channel 5" in session.again.message
    assert session.cue == "fist"


def test_rest_may_come_last_and_the_movements_are_judged_then() -> None:
    session = AlignmentSession(("fist", "rest"), 2.0, RATE_HZ)
    follow(session, {"fist": 2.0, "rest": 2.0}, cues=2)
    assert (session.cue, session.again and session.again.cue) == ("fist", "fist")


def test_a_cue_that_always_fails_ends_it() -> None:
    session = AlignmentSession(NINE_CUES, 2.0, RATE_HZ)
    follow(session, dict.fromkeys(NINE_CUES, 2.0), cues=1 + MAX_TRIES)
    assert session.is_over()
    assert session.failure is not None
    assert (session.failure.cue, session.failure.code) == ("fist", "nothing_moved")
    assert session.cue is None
