"""A connection to the stream that keeps itself up."""

from __future__ import annotations

import asyncio
import contextlib
import json
import random
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from functools import partial
from types import TracebackType
from typing import Any, Final, Literal, TypeVar, cast
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as _dial
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.frames import Frame, Opcode
from websockets.protocol import Event
from websockets.typing import Subprotocol

from myocast_client.messages import Bye, DecodeError, Emg, Fault, Hello, Imu, Message, Pong, Pose, Status, decode

Encoding = Literal["binary", "json"]
Stream = Literal["pose", "emg", "imu", "status"]
M = TypeVar("M", Pose, Emg, Imu, Status, Hello, Bye, Fault)

_FIRST_DELAY_S, _LONGEST_DELAY_S = 0.1, 1.0
_POLICY: Final = 1008
_ANCHOR: Final = time.time() - time.perf_counter()


class ClientError(Exception):
    """What keeps this client from the stream; the message is the server's own where it gave one."""

    def __init__(self, message: str, *, status: int | None = None, code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.code = code


class Unreachable(ClientError):
    """No Myocast server answers there (now)."""


class Refused(ClientError):
    """The server will not serve this client; trying again will not help."""


class BadRequest(Refused):
    """400: an unknown stream, encoding or `max_rate`."""


class Unauthorized(Refused):
    """401: the token is missing or wrong."""


class Forbidden(Refused):
    """403: the server does not answer to this host name or origin."""


class BadSubscription(ClientError):
    """The server refused a change of subscription; the old one goes on."""


def now() -> float:
    """Unix seconds from the monotonic clock, anchored once: the clock of `received`."""
    return time.perf_counter() + _ANCHOR


class ClockOffset:
    """The server's clock minus ours: the answer with the shortest round trip among the last eight."""

    def __init__(self) -> None:
        self._answers: deque[tuple[float, float]] = deque(maxlen=8)

    def add(self, sent: float, received: float, server: float) -> None:
        """Take in one ping (times in seconds: ours when sent and answered, the server's when it read it)."""
        self._answers.append((received - sent, server - (sent + received) / 2))

    @property
    def seconds(self) -> float | None:
        """Add this to our time to get the server's; None before the first answer."""
        return min(self._answers)[1] if self._answers else None

    @property
    def round_trip_s(self) -> float | None:
        return min(self._answers)[0] if self._answers else None


def stream_url(url: str, streams: Iterable[str], max_rate: float | None) -> tuple[str, str | None]:
    """The WebSocket address that an address as people have it means, and the token it carries.

    `http://HOST:PORT/#token=T` (what `myocast serve` prints), `ws://HOST:PORT` and full stream URLs
    are all taken.

    Raises:
        ClientError: not an address.
    """
    try:
        parts = urlsplit(url if "://" in url else f"ws://{url}")
        scheme = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss"}[parts.scheme]
        missing = not parts.hostname or parts.port == 0
    except (KeyError, ValueError):
        missing = True
    if missing:
        raise ClientError(f"{url!r} is no address of a stream: give one like http://127.0.0.1:8765/")
    query = dict(parse_qsl(parts.query)) | {"streams": ",".join(streams)}
    token = query.pop("token", None) or dict(parse_qsl(parts.fragment)).get("token")
    if max_rate is not None:
        query["max_rate"] = f"{max_rate:g}"
    path = parts.path if parts.path not in ("", "/") else "/v1/stream"
    return urlunsplit((scheme, parts.netloc, path, urlencode(query, safe=","), "")), token and unquote(token)


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
    clock: Callable[[], float] = now,
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


class _Socket(ClientConnection):
    """Hands whole messages over as they are read, without a task that first has to wake.

    What is left to `recv` are messages in fragments, texts that are none, and the end.
    """

    def __init__(self, *args: Any, take: Callable[[bytes | str], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.first: asyncio.Future[bytes | str] = self.loop.create_future()
        self.failure: Exception | None = None
        """What `take` raised; it ended the connection."""
        self._take = take

    def process_event(self, event: Event) -> None:
        message = _whole(event)
        if message is None:
            super().process_event(event)
        elif self.failure is None:
            try:
                self._take(message)
            except Exception as error:
                self.failure = error
                self.transport.abort()
            if not self.first.done():
                self.first.set_result(message)


def _whole(event: Event) -> bytes | str | None:
    if not isinstance(event, Frame) or not event.fin:
        return None
    data = bytes(event.data)
    if event.opcode is Opcode.BINARY:
        return data
    try:
        return data.decode() if event.opcode is Opcode.TEXT else None
    except UnicodeDecodeError:
        return None


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
        self.offset = ClockOffset()
        self._url, self._streams, self._max_rate, self._token = url, streams, max_rate, token
        self._encoding: Encoding = encoding
        self._reconnect, self._open_timeout = reconnect, open_timeout
        self._ping_interval, self._silence, self._clock = ping_interval, silence, clock
        self._waiting: deque[Message] = deque(maxlen=max(queue, 1))
        self._kinds: tuple[type[Message], ...] = (Pose, Emg, Imu, Status, Hello, Bye)
        self._callbacks: dict[type, list[Callable[[Any], None]]] = {}
        self._wake = asyncio.Event()
        self._socket: _Socket | None = None
        self._task: asyncio.Task[None] | None = None
        self._answer: tuple[set[str], asyncio.Future[None]] | None = None
        self._heard = 0.0

    async def __aenter__(self) -> Client:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __aiter__(self) -> AsyncIterator[Pose]:
        self._kinds = (Pose,)
        self._waiting = deque((m for m in self._waiting if isinstance(m, Pose)), self._waiting.maxlen)
        return cast(AsyncIterator[Pose], self._each())

    def messages(self) -> AsyncIterator[Message]:
        """Everything that arrives, the hello first."""
        return self._each()

    def on(self, kind: type[M], callback: Callable[[M], None]) -> None:
        """Call `callback` for each message of a kind as it arrives, on the event loop; it must return at once."""
        self._callbacks.setdefault(kind, []).append(callback)

    @property
    def connected(self) -> bool:
        return self._socket is not None

    def latency_s(self, pose: Pose) -> float | None:
        """Seconds from the newest EMG sample of a pose to its arrival here; None before the first pong."""
        offset = self.offset.seconds
        return None if offset is None else pose.received + offset - pose.t

    async def open(self) -> None:
        """Connect, and return when the hello is there. Does nothing if already open.

        Raises:
            Unreachable: nothing answers at the address.
            Unauthorized, Forbidden, BadRequest: the server refused, with its own words.
        """
        if self._task is None:
            socket = await self._dial()
            self._task = asyncio.create_task(self._run(socket), name="myocast-client")
            self._task.add_done_callback(lambda _: self._wake.set())

    async def close(self) -> None:
        """Close the connection; iterators end."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.wait([task])
            self._wake.set()
        if self._socket is not None:  # cancelled before its first step, the task closed nothing
            socket, self._socket = self._socket, None
            await socket.close()

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
        if self._socket is None:
            raise Unreachable("not connected now; subscribe again once the connection is back")
        streams = tuple(streams)
        request: dict[str, object] = {"type": "subscribe", "streams": streams}
        if max_rate is not None:
            request["max_rate"] = max_rate
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answer = (set(streams), answer)
        try:
            await self._socket.send(json.dumps(request))
            await asyncio.wait_for(answer, self._open_timeout)
        except (ConnectionClosed, TimeoutError):
            raise Unreachable("the connection was lost before the server answered the subscription") from None
        finally:
            self._answer = None
        self._streams, self._max_rate = streams, max_rate

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

    async def _run(self, socket: _Socket) -> None:
        while True:
            try:
                await self._pump(socket)
            finally:
                self._socket = None
                self._settle(Unreachable("the connection was lost before the server answered the subscription"))
            if not self._reconnect:
                return
            socket = await self._dial_again()

    async def _pump(self, socket: _Socket) -> None:
        heartbeat = asyncio.create_task(self._heartbeat(socket), name="myocast-heartbeat")
        try:
            with contextlib.suppress(ConnectionClosed):
                while True:
                    self._take(await socket.recv())
        finally:
            heartbeat.cancel()
            await socket.close()
        if socket.failure is not None:
            raise socket.failure
        if socket.close_code == _POLICY:
            raise Refused(f"the server closed the connection: {socket.close_reason or 'policy'}", code="policy")

    async def _heartbeat(self, socket: _Socket) -> None:
        with contextlib.suppress(ConnectionClosed):
            while self._clock() - self._heard <= self._silence:
                await socket.send(json.dumps({"type": "ping", "id": self._clock()}))
                await asyncio.sleep(self._ping_interval)
            socket.transport.abort()

    def _take(self, raw: bytes | str) -> None:
        self._heard = received = self._clock()
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
                self.offset.add(message.id, message.received, message.t)
        elif isinstance(message, Hello):
            self.hello = message
            if self._answer is not None and self._answer[0] == set(message.streams):
                self._settle(None)
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

    async def _dial_again(self) -> _Socket:
        delay = _FIRST_DELAY_S
        while True:
            await asyncio.sleep(delay * random.uniform(0.5, 1.0))
            try:
                return await self._dial()
            except Unreachable:
                delay = min(delay * 2, _LONGEST_DELAY_S)

    async def _dial(self) -> _Socket:
        url, token = stream_url(self._url, self._streams, self._max_rate)
        token = self._token or token
        try:
            async with asyncio.timeout(self._open_timeout):
                socket = await _dial(
                    url,
                    subprotocols=[Subprotocol(f"myocast.v1.{self._encoding}")],
                    additional_headers={"Authorization": f"Bearer {token}"} if token else None,
                    compression=None, proxy=None, ping_interval=None, close_timeout=1.0, open_timeout=None,
                    create_connection=partial(_Socket, take=self._take),  # type: ignore[arg-type]
                )  # fmt: skip
                return await self._greet(cast(_Socket, socket))
        except InvalidStatus as error:
            raise _refusal(error.response.status_code, error.response.body) from None
        except InvalidURI as error:
            raise ClientError(str(error)) from None
        except (OSError, TimeoutError, InvalidHandshake, ConnectionClosed) as error:
            reason = str(error) or "no answer in time"
            raise Unreachable(f"no Myocast stream at {url.partition('?')[0]}: {reason}") from None

    async def _greet(self, socket: _Socket) -> _Socket:
        closed = asyncio.ensure_future(socket.wait_closed())
        try:
            await asyncio.wait((socket.first, closed), return_when=asyncio.FIRST_COMPLETED)
            first = socket.first.result() if socket.first.done() else await socket.recv()
            if not isinstance(first, str) or '"hello"' not in first:
                raise Unreachable("the server there does not begin with a hello: it is not Myocast")
        except BaseException:
            socket.transport.abort()
            raise
        finally:
            closed.cancel()
        self._socket = socket
        self.connections += 1
        return socket


def _result(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.result()


def _refusal(status: int, body: bytes | bytearray) -> ClientError:
    kind: type[ClientError] = {400: BadRequest, 401: Unauthorized, 403: Forbidden}.get(status, Unreachable)
    code, message = "", f"the server answered {status}"
    with contextlib.suppress(ValueError, KeyError, TypeError):
        error = json.loads(body)["error"]
        code, message = str(error["code"]), str(error["message"])
    return kind(message, status=status, code=code)
