from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from models.data.segments import DataError, Segment
from models.data.splits import GUARD_S, split
from models.hand import CHANNELS, VALUES


def make_tracks(users: int = 5, sessions: int = 3, steps: int = 1000) -> list[Segment]:
    return [
        Segment(
            emg=np.repeat(np.arange(steps * 4, dtype=np.float32)[:, None], CHANNELS, axis=1),
            pose=np.zeros((steps, VALUES), np.float32),
            weight=np.ones(steps, np.float32),
            user=f"u{user}",
            session=str(number),
            name=f"u{user}-{number}",
        )
        for user in range(users)
        for number in range(sessions)
    ]


def test_a_split_by_user_shares_no_user() -> None:
    parts = split(make_tracks(), "user", 0.4, seed=3)
    train, held = ({t.user for t in part} for part in (parts.train, parts.held_out))
    assert not train & held
    assert len(held) == 2
    assert len(parts.train) + len(parts.held_out) == 15


def test_a_split_by_session_holds_out_every_users_last() -> None:
    parts = split(make_tracks(sessions=12), "session")
    assert {t.session for t in parts.held_out} == {"11"}
    assert len(parts.held_out) == 5


def test_a_split_by_block_leaves_a_guard() -> None:
    parts = split(make_tracks(1, 1), "block", 0.2)
    gap = parts.held_out[0].emg[0, 0] - parts.train[0].emg[-1, 0]
    assert gap >= GUARD_S * 200
    assert parts.held_out[0].steps <= 200


def test_a_split_says_who_is_where() -> None:
    said = split(make_tracks(2, 1), "user", 0.5).describe()
    assert said["kind"] == "user"
    assert said["train"] != said["held_out"]


def test_pieces_of_one_recording_are_not_users() -> None:
    pieces = [replace(segment, named=False) for segment in make_tracks(users=4, sessions=1)]
    pieces = [replace(segment, session=segment.name) for segment in pieces]
    with pytest.raises(DataError, match=r"u0-0 \(and 3 more\) does not say .*PERSON-SESSION.*--split session"):
        split(pieces, "user")
    parts = split(pieces, "session")
    assert {t.session for t in parts.held_out} == {"u3-0"}
    assert len(parts.train) == 3


@pytest.mark.parametrize(("kind", "users", "sessions"), [("user", 1, 2), ("session", 3, 1), ("window", 3, 3)])
def test_a_split_that_cannot_be_is_refused(kind: str, users: int, sessions: int) -> None:
    with pytest.raises(DataError):
        split(make_tracks(users, sessions), kind)
