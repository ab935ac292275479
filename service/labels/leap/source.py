"""Labels from a Leap or Ultraleap tracking service, over its WebSocket (`leap[:URL]`)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

from drivers.clock import Clock, now
from drivers.errors import DeviceLost, DriverError
from service.labels.leap.protocol import HELLO, LeapProtocolError, parse
from service.labels.source import EmitHand, LabelSource, SeenHand
from service.labels.source_clock import SourceClock

DEFAULT_URL: Final = "ws://127.0.0.1:6437/v6.json"
PATH: Final = "/v6.json"
OPEN_S: Final = 5.0
"""Seconds that connecting may take."""
LARGEST_MESSAGE: Final = 1 << 20
"""Bytes; a frame of two hands has about 7,000."""


def from_target(target: str) -> LeapLabels:
    """The source of `leap`, `leap:URL`, `leap:HOST:PORT` or `leap:PORT`.

    Raises:
        DriverError: it is none of these.
    """
    url = target or DEFAULT_URL
    if url.isdecimal():
        url = f"127.0.0.1:{url}"
    if "://" not in url:
        url = f"ws://{url}"
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable:
        raise DriverError(f"--labels leap:{target}: expected the address of a Leap service, like {DEFAULT_URL}")
    if parts.path in ("", "/"):
        url = parts._replace(path=PATH).geturl()
    return LeapLabels(url)


class LeapLabels:
    """A client of one tracking service."""

    name = "leap"

    def __init__(self, url: str = DEFAULT_URL, clock: Clock = now) -> None:
        self._url, self._clock = url, clock

    @property
    def address(self) -> str:
        return self._url

    async def __aenter__(self) -> LabelSource:
        return self

    async def __aexit__(self, *_: object) -> None:
        return None

    def describe(self) -> dict[str, Any] | None:
        return None

    async def run(self, emit: EmitHand) -> None:
        clock = SourceClock()
        try:
            # A proxy for the web must not come between programs of this machine.
            async with connect(
                self._url, open_timeout=OPEN_S, max_size=LARGEST_MESSAGE, compression=None, proxy=None
            ) as service:
                for wish in HELLO:
                    await service.send(wish)
                async for message in service:
                    self._on_message(message, clock, emit)
        except ConnectionClosed as error:
            raise DeviceLost(f"the connection to {self._url} was closed ({error})") from None
        except InvalidURI:
            raise DriverError(f"{self._url} is not the address of a Leap service; expected {DEFAULT_URL}") from None
        except (InvalidHandshake, LeapProtocolError) as error:
            raise DeviceLost(f"what answers at {self._url} is no Leap service ({error})") from None
        except OSError as error:
            raise DeviceLost(
                f"nothing answers at {self._url} ({error.strerror or error}); is the service running?"
            ) from None
        raise DeviceLost(f"the connection to {self._url} was closed")

    def _on_message(self, message: str | bytes, clock: SourceClock, emit: EmitHand) -> None:
        frame, arrival = parse(message), self._clock()
        if frame is None:
            return
        t = clock.at(frame.timestamp_s, arrival)
        for hand in frame.hands:
            emit(SeenHand(t, arrival, hand.side, hand.joints, confidence=hand.confidence))
