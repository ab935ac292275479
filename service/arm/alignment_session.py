"""One round of cues, driven by samples: nothing in it knows a clock."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from typing import Final, Literal

import numpy as np

from drivers.events import Frame
from models.arrays import Float32Array
from service.arm.cues import FailedCue, check

PREPARE_S: Final = 1.0
"""Seconds between the prompt and the first sample that counts: a wearer reads, and gets there."""
MAX_TRIES: Final = 3
"""Times that a cue is asked for; if it fails each time, the alignment fails."""
LONGEST_GAP_S: Final = 0.25
"""Seconds of lost samples within a cue that do not matter to its mean; after more of them it begins anew."""

Phase = Literal["prepare", "hold"]


class Continuity:
    """Tells a packet that the radio lost from a link that was lost."""

    def __init__(self, rate_hz: float) -> None:
        self._rate_hz = rate_hz
        self._next_sample: int | None = None

    def broken(self, frame: Frame) -> bool:
        """Whether more than `LONGEST_GAP_S` is missing before a frame, or nobody knows how much (reconnect, seek)."""
        missing = 0 if self._next_sample is None else frame.first_sample - self._next_sample
        self._next_sample = frame.first_sample + len(frame.samples)
        return frame.gap and not 0 < missing <= LONGEST_GAP_S * self._rate_hz


class AlignmentSession:
    """Asks for one cue after the other, and once more for each that was not done.

    Args:
        cues: rest and at least one movement, without repeats.
        seconds: that each one is held.
        rate_hz: samples per second of the signal.
    """

    def __init__(self, cues: Sequence[str], seconds: float, rate_hz: float) -> None:
        self.cues = tuple(cues)
        self.seconds, self.rate_hz = seconds, rate_hz
        self.measured: dict[str, Float32Array] = {}
        """cue -> (n, 8) EMG, of those that are done."""
        self.again: FailedCue | None = None
        """Why the cue that runs now is asked for again."""
        self.failure: FailedCue | None = None
        """The cue that failed each time."""
        self.phase: Phase = "prepare"
        self._waiting = deque(self.cues)
        self._tries: Counter[str] = Counter()
        self._parts: list[Float32Array] = []
        self._rows_left = self._rows(PREPARE_S)

    def is_over(self) -> bool:
        """Whether every cue is done, or one failed each time."""
        return not self._waiting or self.failure is not None

    @property
    def cue(self) -> str | None:
        """What the wearer is asked to do now."""
        return None if self.is_over() else self._waiting[0]

    @property
    def left_s(self) -> float:
        """Seconds of signal until the cue is over."""
        rows = self._rows_left + (self._rows(self.seconds) if self.phase == "prepare" else 0)
        return 0.0 if self.is_over() else rows / self.rate_hz

    def push(self, samples: Float32Array, *, gap: bool = False) -> None:
        """Take samples (n, 8). After a gap the cue begins anew; those that are done stay, and no try is counted."""
        if gap and not self.is_over():
            self._cut_short()
        while len(samples) and not self.is_over():
            part, samples = samples[: self._rows_left], samples[self._rows_left :]
            if self.phase == "hold":
                self._parts.append(part.copy())
            self._rows_left -= len(part)
            if not self._rows_left:
                self._advance()

    def _rows(self, seconds: float) -> int:
        return max(1, round(seconds * self.rate_hz))

    def _prepare(self) -> None:
        self.phase, self._parts, self._rows_left = "prepare", [], self._rows(PREPARE_S)

    def _cut_short(self) -> None:
        if self._parts:
            cue = self._waiting[0]
            message = f"the signal broke off during {cue}; do it once more"
            self.again = FailedCue(cue, "interrupted", message)
        self._prepare()

    def _advance(self) -> None:
        if self.phase == "prepare":
            self.phase, self._rows_left = "hold", self._rows(self.seconds)
            return
        cue = self._waiting.popleft()
        self.measured[cue] = np.concatenate(self._parts)
        self._tries[cue] += 1
        self.again = check(self.measured, self.rate_hz)
        if self.again is not None:
            self._ask_again(self.again)
        self._prepare()

    def _ask_again(self, failed: FailedCue) -> None:
        del self.measured[failed.cue]
        self._waiting.appendleft(failed.cue)
        if self._tries[failed.cue] >= MAX_TRIES:
            self.failure, self.again = failed, None
