"""Failed cues, told from done ones on the signal of real people: nothing moved, moved at rest, a dead channel."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
import pytest

from drivers.sessions import read_session
from models.arrays import Float32Array
from service.arm.alignment_session import MAX_TRIES, PREPARE_S, AlignmentSession
from service.arm.cues import check

GESTURES: Final = Path(__file__).resolve().parents[5] / "shared" / "data" / "myo-readings-dataset"
RATE_HZ: Final = 200.0
PEOPLE: Final = ("10101-1", "12548-3", "32185-3", "45612-1", "46666-1", "95142-1")
"""Of the half on which no limit was chosen: a few good ones and a few that fit badly."""
REST, FIST, EXTENSION = 0, 7, 2
HOLD = round(2.0 * RATE_HZ)

pytestmark = pytest.mark.skipif(not GESTURES.is_dir(), reason=f"no recordings of real people in {GESTURES}")


def holds(person: str, gesture: int, label: int) -> list[Float32Array]:
    """Holds of two seconds, each a second after its command."""
    folder = next(GESTURES.glob(f"_readings_*/{person}"))
    (file,) = folder.glob(f"{gesture}.txt*")
    recording = read_session(file)
    assert recording.classes is not None
    edges = np.flatnonzero(np.diff(recording.classes)) + 1
    parts = np.split(recording.emg, edges)
    labels = [int(part[0]) for part in np.split(recording.classes, edges)]
    settled = [part[round(RATE_HZ) :][:HOLD] for part, one in zip(parts, labels, strict=True) if one == label]
    return [part for part in settled if len(part) == HOLD]


def codes(person: str) -> dict[str, list[str]]:
    """What is said of cues that were done, and of three ways in which they were not."""
    found: dict[str, list[str]] = {"done": [], "nothing moved": [], "moved": [], "dead": []}
    for gesture in (FIST, EXTENSION):
        moves = holds(person, gesture, gesture)
        rests = [rest for rest in holds(person, gesture, REST) if check({"rest": rest}, RATE_HZ) is None]
        assert rests, "no rest of this person was quiet"
        for number, move in enumerate(moves):
            rest = rests[number % len(rests)]
            found["done"].append(code(rest, move))
            found["nothing moved"].append(code(rest, rests[(number + 1) % len(rests)]))
            disturbed = rest.copy()
            disturbed[HOLD // 4 : HOLD // 2] = move[HOLD // 4 : HOLD // 2]
            found["moved"].append(code(disturbed, move))
            found["dead"].append(code(open_input(rest, number % 8), open_input(move, number % 8)))
    return found


def code(rest: Float32Array, move: Float32Array) -> str:
    failed = check({"rest": rest, "fist": move}, RATE_HZ)
    return "" if failed is None else failed.code


def open_input(emg: Float32Array, channel: int) -> Float32Array:
    """The same with one channel that flickers between two neighbouring numbers."""
    out = emg.copy()
    out[:, channel] = np.random.default_rng(channel).integers(-1, 1, len(emg))
    return out


def test_most_cues_that_were_done_pass_and_most_that_were_not_do_not() -> None:
    everyone = [codes(person) for person in PEOPLE]

    def share(what: str, wanted: str) -> float:
        said = [one for person in everyone for one in person[what]]
        assert len(said) > 50
        return said.count(wanted) / len(said)

    assert share("done", "") >= 0.95
    assert share("nothing moved", "nothing_moved") >= 0.75
    assert share("moved", "moved_during_rest") >= 0.8
    assert share("dead", "dead_channel") >= 0.98


def test_only_the_failed_cue_is_asked_for_again_and_its_second_time_counts() -> None:
    rest, moves = holds("21547-2", FIST, REST), holds("21547-2", FIST, FIST)
    extension = holds("21547-2", EXTENSION, EXTENSION)[0]
    session = AlignmentSession(("rest", "fist", "extension"), 2.0, RATE_HZ)
    ready = np.zeros((round(PREPARE_S * RATE_HZ), 8), np.float32)
    said = []
    for hold in (rest[0], rest[1], moves[0], extension):
        said.append((session.cue, None if session.again is None else session.again.code))
        session.push(np.concatenate([ready, hold]))
    assert said == [("rest", None), ("fist", None), ("fist", "nothing_moved"), ("extension", None)]
    assert session.is_over()
    assert session.failure is None
    np.testing.assert_array_equal(session.measured["fist"], moves[0])


def test_a_channel_that_stays_dead_ends_it_with_its_number() -> None:
    rest, move = holds("21547-2", FIST, REST)[0], holds("21547-2", FIST, FIST)[0]
    session = AlignmentSession(("rest", "fist"), 2.0, RATE_HZ)
    ready = np.zeros((round(PREPARE_S * RATE_HZ), 8), np.float32)
    for hold in (rest, *[move] * MAX_TRIES):
        session.push(np.concatenate([ready, open_input(hold, 2)]))
    assert session.failure is not None
    assert (session.failure.code, "channel 3" in session.failure.message) == ("dead_channel", True)
