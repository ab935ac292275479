"""A connection to the stream that keeps itself up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, cast

import numpy as np
import numpy.typing as npt
from websockets.exceptions import ConnectionClosed

from myocast_client.address import stream_url
from myocast_client.clock import ClockOffset, local_now
from myocast_client.connection import Connection, Dialer, Encoding
from myocast_client.deprecated import deprecated
from myocast_client.errors import BadSubscription, ClientError, Refused, Unreachable, close_error
from myocast_client.messages import Bye, DecodeError, Emg, Fault, Hello, Imu, Message, Pong, Pose, Status, decode

Stream = Literal["pose", "emg", "imu", "status"]
M = TypeVar("M", Pose, Emg, Imu, Status, Hello, Bye, Pong, Fault)

_FIRST_DELAY_S: Final = 0.1
_LONGEST_DELAY_S: Final = 1.0


def connect(
    url: str,
    *,
    streams: Iterable[Stream] = ("pose",),
    max_rate: float | None = None,
    token: str | None = None,
    encoding: Encoding = "binary",
    reconnect: bool = True,
    queue: int = 64,
    open_timeout: float = 10.0,
    ping_interval: float = 1.0,
    silence: float = 5.0,
    clock: Callable[[], float] = local_now,
) -> Client:
    """A client of the stream at `url`; it connects when it is entered (`async with`) or iterated.

    Args:
        url: what `myocast serve` prints, or a ws:// address.
        streams: `pose`, `emg`, `imu`, `status`.
        max_rate: poses per second at most; None = every pose.
        token: else the one in the address, if any.
        encoding: `binary` (a third of the size) or `json`.
        reconnect: come back by itself after the first connection was made.
        queue: messages that wait while the program is busy; the oldest go first. 1 = newest only.
        open_timeout: seconds for a connection, its hello, and the answer to `subscribe`.
        ping_interval: seconds between pings, which measure the clock offset and show that the link lives.
        silence: seconds without a word from the server, answers to pings included, after which the
            link is given up. A paused replay is no silence: its server answers pings.
        clock: Unix seconds that never step back.
    """
    return Client(
        url, tuple(streams), max_rate, token, encoding,
        reconnect=reconnect, queue=queue, open_timeout=open_timeout,
        ping_interval=ping_interval, silence=silence, clock=clock,
    )  # fmt: skip


class Client:
    """One connection that keeps itself up. Iterate it for poses, or `messages()` for everything."""

    def __init__(
        self, url: str, streams: tuple[str, ...], max_rate: float | None, token: str | None, encoding: Encoding, *,
        reconnect: bool, queue: int, open_timeout: float, ping_interval: float, silence: float,
        clock: Callable[[], float],
    ) -> None:  # fmt: skip
        self.hello: Hello | None = None
        self.latest: Pose | None = None
        """The newest pose so far, whether or not it was iterated."""
        self.connections = 0
        self.dropped = 0
        """Messages that this program was too slow to take."""
        self.malformed = 0
        self.connection_error: ClientError | None = None
        """Why there is no connection; None while there is one and before the first attempt has failed."""
        self._clock_offset = ClockOffset()
        self._url, self._streams, self._max_rate, self._token = url, streams, max_rate, token
        self._dialer = Dialer(encoding, open_timeout, self._take)
        self._reconnect, self._open_timeout = reconnect, open_timeout
        self._ping_interval, self._silence, self._clock = ping_interval, silence, clock
        self._waiting: deque[Message] = deque(maxlen=max(queue, 1))
        self._kinds: tuple[type[Message], ...] = (Pose, Emg, Imu, Status, Hello, Bye)
        self._callbacks: dict[type, list[Callable[[Any], None]]] = {}
        self._wake = asyncio.Event()
        self._connection: Connection | None = None
        self._task: asyncio.Task[None] | None = None
        self._answer: tuple[set[str], asyncio.Future[None]] | None = None
        self._last_received = 0.0
        self._goodbye: str | None = None

    async def __aenter__(self) -> Client:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Pose]:
        self._keep_poses_only()
        return cast(AsyncIterator[Pose], self._each())

    def messages(self) -> AsyncIterator[Message]:
        """Everything that arrives, the hello first."""
        return self._each()

    def _keep_poses_only(self) -> None:
        self._kinds = (Pose,)
        self._waiting = deque((m for m in self._waiting if isinstance(m, Pose)), self._waiting.maxlen)

    def on(self, kind: type[M], callback: Callable[[M], None]) -> None:
        """Call `callback` for each message of a kind as it arrives, on the event loop; it must return at once."""
        self._callbacks.setdefault(kind, []).append(callback)

    @property
    def connected(self) -> bool:
        """Whether messages can come now."""
        return self._connection is not None

    @property
    def clock_offset(self) -> float | None:
        """Seconds to add to this machine's time to get the server's; None before the first pong."""
        return self._clock_offset.offset

    @property
    def round_trip(self) -> float | None:
        """Round trip of the ping that `clock_offset` comes from, seconds: it is off by half of that at most."""
        return self._clock_offset.round_trip

    def server_now(self) -> float | None:
        """Unix seconds on the server's clock now; None before the first pong."""
        offset = self.clock_offset
        return None if offset is None else self._clock() + offset

    def latency(self, message: Pose | Emg | Imu | Status) -> float | None:
        """Seconds from the sample behind a message to now, here; None before the first pong.

        Unlike the message's own `age_ms`, which ends when the server has encoded it, this counts the network and
        whatever the message waited in this program.
        """
        now = self.server_now()
        return None if now is None else now - message.t

    @property
    def offset(self) -> ClockOffset:
        """Deprecated: use `clock_offset` and `round_trip`; goes with version 0.2."""
        deprecated("client.offset", "client.clock_offset and client.round_trip")
        return self._clock_offset

    def latency_s(self, pose: Pose) -> float | None:
        """Deprecated: seconds from a pose's sample to its arrival here; use `latency`. Goes with version 0.2."""
        deprecated("client.latency_s(pose)", "client.latency(pose), which counts until now")
        offset = self.clock_offset
        return None if offset is None else pose.received + offset - pose.t

    async def open(self) -> None:
        """Connect, and return when the hello is there. Does nothing if already open.

        Raises:
            Unreachable: nothing answers at the address.
            Unauthorized, Forbidden, BadRequest: the server refused, with its own words.
        """
        if self._task is None:
            connection = await self._dial()
            self._task = asyncio.create_task(self._run(connection), name="myocast-client")
            self._task.add_done_callback(lambda _: self._wake.set())

    async def close(self) -> None:
        """Close the connection; iterators end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            self._wake.set()
        if self._connection is not None:  # cancelled before its first step, the task closed nothing
            connection, self._connection = self._connection, None
            await connection.close()

    async def wait_closed(self) -> None:
        """Until the stream is over for good; for programs that only use callbacks.

        Raises:
            ClientError: why it is over, if not by `close()`.
        """
        if self._task is not None:
            await asyncio.wait([self._task])
            _result(self._task)

    async def subscribe(self, streams: Iterable[Stream] = ("pose",), max_rate: float | None = None) -> None:
        """Replace the subscription; it holds over reconnects.

        Raises:
            BadSubscription: the server's reason; nothing has changed.
            Unreachable: there is no connection now, or no answer came.
        """
        if self._connection is None:
            raise Unreachable("not connected now; subscribe again once the connection is back")
        streams = tuple(streams)
        request: dict[str, object] = {"type": "subscribe", "streams": streams}
        if max_rate is not None:
            request["max_rate"] = max_rate
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = (set(streams), answer)
        try:
            await self._connection.send(json.dumps(request))
            await asyncio.wait_for(answer, self._open_timeout)
        except (ConnectionClosed, TimeoutError):
            raise Unreachable("the connection was lost before the server answered the subscription") from None
        finally:
            self._answer = None
        self._streams, self._max_rate = streams, max_rate

    async def send_label(
        self,
        joints: npt.ArrayLike | None = None,
        *,
        angles: Mapping[str, float] | None = None,
        t: float | None = None,
        hand: Literal["left", "right"] | None = None,
        source: str = "",
        confidence: float | None = None,
        device: int = 0,
    ) -> None:
        """Tell the server where the hand really was, for it to learn from while a fit runs and to record.

        The server answers only what it cannot use, with a `Fault` `bad_label`.

        Args:
            joints: (21, 3) or (63,) in mm, in any right-handed frame.
            angles: instead of joints, some of the joints' angles by name, degrees.
            t: when it was so, Unix seconds on the server's clock; None = now.
            hand: the hand that was seen; None = the one that wears the band.
            source: what saw it: `webcam`, `leap`.
            confidence: 0..1.
            device: index of the armband.

        Raises:
            Unreachable: there is no connection now, or no `t` is given and the server's clock is not known yet.
        """
        t = self.server_now() if t is None else t
        if t is None:
            raise Unreachable("the server's clock is not known yet; give `t`, or wait for the first pong")
        label: dict[str, object] = {"type": "label", "device": device, "t": t}
        if hand is not None:
            label["hand"] = hand
        if joints is not None:
            label["joints"] = np.asarray(joints, np.float64).reshape(63).tolist()
        if angles is not None:
            label["angles"] = dict(angles)
        if source:
            label["source"] = source
        if confidence is not None:
            label["confidence"] = confidence
        await self._send(label)

    async def send_marker(self, label: str, t: float | None = None) -> None:
        """Put a note into the server's recording, at `t` on the server's clock (None = now).

        Raises:
            Unreachable: there is no connection now.
        """
        await self._send({"type": "marker", "label": label} | ({} if t is None else {"t": t}))

    async def _send(self, message: Mapping[str, object]) -> None:
        if self._connection is None:
            raise Unreachable("not connected now; what was to be sent is lost")
        try:
            await self._connection.send(json.dumps(message))
        except ConnectionClosed:
            raise Unreachable("the connection was lost, and what was to be sent with it") from None

    async def _each(self) -> AsyncIterator[Message]:
        mine = self._task is None
        await self.open()
        try:
            while (message := await self._next()) is not None:
                yield message
        finally:
            if mine:
                await self.close()

    async def _next(self) -> Message | None:
        while not self._waiting:
            task = self._task
            if task is None or task.done():
                if task is not None:
                    _result(task)
                return None
            self._wake.clear()
            await self._wake.wait()
        return self._waiting.popleft()

    async def _run(self, connection: Connection) -> None:
        while True:
            try:
                await self._read(connection)
            finally:
                self._connection = None
                self._settle(Unreachable("the connection was lost before the server answered the subscription"))
            if not self._reconnect:
                return
            connection = await self._dial_again()

    async def _read(self, connection: Connection) -> None:
        heartbeat = asyncio.create_task(self._heartbeat(connection), name="myocast-heartbeat")
        try:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    self._take(await connection.recv())
        finally:
            heartbeat.cancel()
            await connection.close()
        if connection.failure is not None:
            raise connection.failure
        if connection.silent:
            self.connection_error = Unreachable("the server fell silent", code="silent")
        else:
            self.connection_error = close_error(connection.close_code, connection.close_reason, self._goodbye)
        if isinstance(self.connection_error, Refused):
            raise self.connection_error

    async def _heartbeat(self, connection: Connection) -> None:
        with contextlib.suppress(ConnectionClosed):
            while self._clock() - self._last_received <= self._silence:
                await connection.send(json.dumps({"type": "ping", "id": self._clock()}))
                await asyncio.sleep(self._ping_interval)
            connection.silent = True
            connection.transport.abort()

    def _take(self, raw: bytes | str) -> None:
        self._last_received = received = self._clock()
        try:
            message = decode(raw, received)
        except DecodeError:
            self.malformed += 1
            return
        if message is not None:
            self._note(message)
            self._deliver(message)

    def _note(self, message: Message) -> None:
        if isinstance(message, Pose):
            self.latest = message
        elif isinstance(message, Pong):
            if isinstance(message.id, float):
                self._clock_offset.add(message.id, message.received, message.t)
        elif isinstance(message, Hello):
            self.hello = message
            if self._answer is not None and self._answer[0] == set(message.streams):
                self._settle(None)
        elif isinstance(message, Bye):
            self._goodbye = message.reason
        elif isinstance(message, Fault) and message.code == "bad_subscription":
            self._settle(BadSubscription(message.message, code=message.code))

    def _settle(self, error: ClientError | None) -> None:
        if self._answer is None or self._answer[1].done():
            return
        if error is None:
            self._answer[1].set_result(None)
        else:
            self._answer[1].set_exception(error)

    def _deliver(self, message: Message) -> None:
        if isinstance(message, self._kinds):
            self.dropped += len(self._waiting) == self._waiting.maxlen
            self._waiting.append(message)
            self._wake.set()
        for callback in self._callbacks.get(type(message), ()):
            callback(message)

    async def _dial_again(self) -> Connection:
        delay = _FIRST_DELAY_S
        while True:
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            try:
                return await self._dial()
            except Unreachable:
                delay = min(delay * 2, _LONGEST_DELAY_S)

    async def _dial(self) -> Connection:
        url, token = stream_url(self._url, self._streams, self._max_rate)
        self._goodbye = None
        try:
            self._connection = await self._dialer.dial(url, self._token or token)
        except ClientError as error:
            self.connection_error = error
            raise
        self.connection_error = None
        self.connections += 1
        return self._connection


def _result(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()
