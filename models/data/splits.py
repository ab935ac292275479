"""Who is trained on and who is evaluated on: by whole users, sessions or blocks, never by windows.

The splits are ours, not scikit-learn's: a block ends in a guard, which scikit-learn's splitters do not have; a split by
session takes each user's last; and a seed must keep naming the same users as in the published figures, which another
splitter's generator would not.
"""

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
    """Segments by part; the two share no user (`user`), no session (`session`), no moment within a guard (`block`)."""

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


def split(segments: Sequence[Segment], kind: str, share: float = 0.2, seed: int = 0) -> Split:
    """Hold out a share of the users, the last session of every user, or the end of every segment.

    Args:
        segments: all of them.
        kind: `user`, `session` or `block`.
        share: of users or of each segment's time.
        seed: which users.

    Raises:
        DataError: too few users or sessions for that.
    """
    if kind == "user":
        return _by_user(segments, share, seed)
    if kind == "session":
        return _by_session(segments)
    if kind == "block":
        return _by_block(segments, share)
    raise DataError(f"no split by {kind!r}; there are {', '.join(KINDS)}")


def cut(segment: Segment, start: int, stop: int) -> Segment:
    """Steps start..stop of a segment; views, not copies."""
    every = len(segment.emg) // max(segment.steps, 1)
    return Segment(
        emg=segment.emg[start * every : stop * every],
        pose=segment.pose[start:stop],
        weight=segment.weight[start:stop],
        user=segment.user,
        session=segment.session,
        name=segment.name,
        block=segment.block,
        classes=None if segment.classes is None else segment.classes[start:stop],
        canonical=segment.canonical,
        synthetic=segment.synthetic,
        aligned=segment.aligned,
        named=segment.named,
    )


def _by_user(segments: Sequence[Segment], share: float, seed: int) -> Split:
    unnamed = sorted({segment.session for segment in segments if not segment.named})
    if unnamed:
        raise DataError(
            f"a split by user needs to know who wore the band, which {unnamed[0]}{_and_more(unnamed)} does not say "
            "(pieces of one recording are not users); record with --user NAME, name its folder PERSON-SESSION, two "
            "numbers such as 1-1, or choose --split session (files of one person) or block"
        )
    users = sorted({segment.user for segment in segments})
    if len(users) < 2:
        raise DataError(f"a split by user needs two users, found {len(users)}; choose --split session or block")
    held = max(1, round(share * len(users)))
    chosen = set(np.random.default_rng(seed).permutation(users)[:held].tolist())
    return Split(
        "user", tuple(t for t in segments if t.user not in chosen), tuple(t for t in segments if t.user in chosen)
    )


def _by_session(segments: Sequence[Segment]) -> Split:
    sessions: dict[str, set[str]] = {}
    for segment in segments:
        sessions.setdefault(_person(segment), set()).add(segment.session)
    last = {user: max(names, key=_natural) for user, names in sessions.items() if len(names) > 1}
    if not last:
        raise DataError("a split by session needs a user with two sessions; choose --split user or block")
    held = tuple(t for t in segments if last.get(_person(t)) == t.session)
    return Split("session", tuple(t for t in segments if last.get(_person(t)) != t.session), held)


def _by_block(segments: Sequence[Segment], share: float) -> Split:
    guard = round(GUARD_S * STEP_HZ)
    train, held = [], []
    for segment in segments:
        border = round(segment.steps * (1.0 - share))
        train.append(cut(segment, 0, max(0, border - guard // 2)))
        held.append(cut(segment, min(segment.steps, border + guard - guard // 2), segment.steps))
    return Split("block", tuple(t for t in train if t.steps), tuple(t for t in held if t.steps))


def _person(segment: Segment) -> str:
    """Who is known to have worn the band; sessions that do not say are taken for one person's."""
    return segment.user if segment.named else ""


def _and_more(names: Sequence[str]) -> str:
    return f" (and {len(names) - 1} more)" if len(names) > 1 else ""


def _natural(name: str) -> tuple[int, str]:
    digits = "".join(c for c in name if c.isdigit())
    return int(digits or 0), name


def _names(segments: Sequence[Segment], key: Callable[[Segment], str]) -> list[str]:
    return sorted({key(segment) for segment in segments})


def _user(segment: Segment) -> str:
    return segment.user


def _session(segment: Segment) -> str:
    return f"{segment.user}/{segment.session}"
