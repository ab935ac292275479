"""UDP for Godot: the ancestor's message word for word, at most 60 a second, truth on the next port."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from service.broadcast.rate_limiter import RateLimiter
from service.outputs.udp import MAX_RATE_HZ, UdpError, UdpOutput, encode, parse_address
from tests.fakes.simple_hand import make_hand


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call: Callable[[], None] | None = call

    def cancel(self) -> None:
        self.call = None


class FakeLoop:
    """Time and timers of a loop, moved by hand; timers fire `late` seconds after they are due."""

    def __init__(self, late: float = 0.0) -> None:
        self.now, self.late = 100.0, late
        self._timers: list[tuple[float, int, Timer]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        timer = Timer(call)
        heapq.heappush(self._timers, (when + self.late, len(self._timers), timer))
        return timer

    def move_to(self, now: float) -> None:
        while self._timers and self._timers[0][0] <= now:
            when, _, timer = heapq.heappop(self._timers)
            self.now = max(self.now, when)
            if timer.call is not None:
                timer.call()
        self.now = now


def paced(rate_hz: float, seconds: float, late: float = 0.0) -> list[tuple[float, int]]:
    """What a 60 Hz limiter sends of values that come at `rate_hz`: (time, value)."""
    loop, sent = FakeLoop(late), cast(list[tuple[float, int]], [])
    limiter: RateLimiter[int] = RateLimiter(MAX_RATE_HZ, lambda v: sent.append((loop.now, v)), cast(Any, loop))
    for k in range(int(rate_hz * seconds)):
        loop.move_to(100.0 + k / rate_hz)
        limiter.put(k)
    return sent


@pytest.mark.parametrize("late", [0.0, 0.004])
@pytest.mark.parametrize("rate_hz", [50.0, 59.0, 61.0, 100.0, 200.0, 1000.0])
def test_at_most_60_a_second_and_no_less_than_there_are(rate_hz: float, late: float) -> None:
    sent = paced(rate_hz, 10.0, late)
    assert len(sent) == pytest.approx(10 * min(rate_hz, 60.0), rel=0.02)
    assert len(sent) <= 601
    values = [value for _, value in sent]
    assert values == sorted(set(values))


def test_the_newest_is_sent() -> None:
    for time, value in paced(1000.0, 2.0):
        assert -1e-6 <= (time - 100.0) - value / 1000 <= 0.001 + 1e-6


def test_after_a_pause_the_next_goes_at_once_and_no_burst_follows() -> None:
    loop, sent = FakeLoop(), cast(list[float], [])
    limiter: RateLimiter[int] = RateLimiter(60.0, lambda _: sent.append(loop.now), cast(Any, loop))
    for time in (100.0, 105.0, 105.001, 105.002, 105.03):
        loop.move_to(time)
        limiter.put(0)
    assert sent == pytest.approx([100.0, 105.0, 105.0 + 1 / 60])
    limiter.close()
    loop.move_to(106.0)
    assert len(sent) == 3


def test_the_message_is_the_ancestors() -> None:
    joints = make_hand(0.4)
    text = encode(joints).decode("ascii")
    message = json.loads(text)
    fingers = [f"{finger}_{bone}" for finger in ("thumb", "index", "middle", "ring", "pinky") for bone in "pidt"]
    assert list(message) == ["wrist", *fingers, "exit"]
    assert message.pop("exit") == 2
    np.testing.assert_allclose(list(message.values()), joints.reshape(21, 3) / 10, atol=6e-5)
    assert len(text) < 1500


@pytest.mark.parametrize(
    ("text", "expected"),
    [("127.0.0.1:4243", ("127.0.0.1", 4243)), ("[::1]:1", ("::1", 1)), ("game.local:65534", ("game.local", 65534))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert parse_address(text) == expected


@pytest.mark.parametrize("text", ["", "4243", ":4243", "host:", "host:0", "host:65535", "host:x", "host:-1", "h:٣"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(UdpError, match="expected HOST:PORT"):
        UdpOutput(text)
