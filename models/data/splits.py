"""Who is trained on and who is judged on: by whole users, sessions or blocks, never by windows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from models.architectures.base import STEP_HZ
from models.data.segments import DataError, Segment

GUARD_S: Final = 2.0
"""Dropped on both sides of a border inside a session: longer than any network's window."""

KINDS: Final = ("user", "session", "block")


@dataclass(frozen=True, slots=True)
class Split:
    """Tracks by part; the two share no user (`user`), no session (`session`), no moment within a guard (`block`)."""

    kind: str
    train: tuple[Segment, ...]
    held_out: tuple[Segment, ...]

    def describe(self) -> dict[str, object]:
        """For the manifest."""
        return {
            "kind": self.kind,
            "train": {"users": _names(self.train, _user), "sessions": _names(self.train, _session)},
            "held_out": {"users": _names(self.held_out, _user), "sessions": _names(self.held_out, _session)},
            "guard_s": GUARD_S if self.kind == "block" else 0.0,
        }


def split(tracks: Sequence[Segment], kind: str, share: float = 0.2, seed: int = 0) -> Split:
    """Hold out a share of the users, the last session of every user, or the end of every track.

    Args:
        tracks: all of them.
        kind: `user`, `session` or `block`.
        share: of users or of each track's time.
        seed: which users.

    Raises:
        DataError: too few users or sessions for that.
    """
    if kind == "user":
        return _by_user(tracks, share, seed)
    if kind == "session":
        return _by_session(tracks)
    if kind == "block":
        return _by_block(tracks, share)
    raise DataError(f"no split by {kind!r}; there are {', '.join(KINDS)}")


def cut(track: Segment, start: int, stop: int) -> Segment:
    """Steps start..stop of a track; views, not copies."""
    every = len(track.emg) // max(track.steps, 1)
    return Segment(
        emg=track.emg[start * every : stop * every],
        pose=track.pose[start:stop],
        weight=track.weight[start:stop],
        user=track.user,
        session=track.session,
        name=track.name,
        block=track.block,
        classes=None if track.classes is None else track.classes[start:stop],
        canonical=track.canonical,
        synthetic=track.synthetic,
        aligned=track.aligned,
    )


def _by_user(tracks: Sequence[Segment], share: float, seed: int) -> Split:
    users = sorted({track.user for track in tracks})
    if len(users) < 2:
        raise DataError(f"a split by user needs two users, found {len(users)}; choose --split session or block")
    held = max(1, round(share * len(users)))
    chosen = set(np.random.default_rng(seed).permutation(users)[:held].tolist())
    return Split("user", tuple(t for t in tracks if t.user not in chosen), tuple(t for t in tracks if t.user in chosen))


def _by_session(tracks: Sequence[Segment]) -> Split:
    sessions: dict[str, set[str]] = {}
    for track in tracks:
        sessions.setdefault(track.user, set()).add(track.session)
    last = {user: max(names, key=_natural) for user, names in sessions.items() if len(names) > 1}
    if not last:
        raise DataError("a split by session needs a user with two sessions; choose --split user or block")
    held = tuple(t for t in tracks if last.get(t.user) == t.session)
    return Split("session", tuple(t for t in tracks if last.get(t.user) != t.session), held)


def _by_block(tracks: Sequence[Segment], share: float) -> Split:
    guard = round(GUARD_S * STEP_HZ)
    train, held = [], []
    for track in tracks:
        border = round(track.steps * (1.0 - share))
        train.append(cut(track, 0, max(0, border - guard // 2)))
        held.append(cut(track, min(track.steps, border + guard - guard // 2), track.steps))
    return Split("block", tuple(t for t in train if t.steps), tuple(t for t in held if t.steps))


def _natural(name: str) -> tuple[int, str]:
    digits = "".join(c for c in name if c.isdigit())
    return int(digits or 0), name


def _names(tracks: Sequence[Segment], key: Callable[[Segment], str]) -> list[str]:
    return sorted({key(track) for track in tracks})


def _user(track: Segment) -> str:
    return track.user


def _session(track: Segment) -> str:
    return f"{track.user}/{track.session}"
