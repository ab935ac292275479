"""The client for programs without an event loop: the same names, in plain `for` and `with`.

    from myocast_client.sync import connect

    for pose in connect("http://127.0.0.1:8765/"):
        print(pose.joints[8])          # index fingertip, mm

A thread runs the asynchronous client, so both come back after a loss in the same way. Messages are received while the
program does other things; of those that wait, the oldest go first.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Literal, TypeVar, cast

import numpy.typing as npt

from myocast_client import client as asynchronous
from myocast_client.client import M, Stream
from myocast_client.clock import local_now
from myocast_client.connection import Encoding
from myocast_client.errors import ClientError, Unreachable
from myocast_client.messages import Emg, Hello, Imu, Message, Pose, Status

T = TypeVar("T")


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
    """A client of the stream at `url`; it connects when it is entered (`with`) or iterated.

    The arguments are those of `myocast_client.connect`.
    """
    return Client(
        asynchronous.connect(
            url, streams=streams, max_rate=max_rate, token=token, encoding=encoding, reconnect=reconnect, queue=queue,
            open_timeout=open_timeout, ping_interval=ping_interval, silence=silence, clock=clock,
        )
    )  # fmt: skip


class Client:
    """One connection that keeps itself up. Iterate it for poses, or `messages()` for everything.

    It may be used from any thread, but not from its own callbacks.
    """

    def __init__(self, client: asynchronous.Client) -> None:
        self._client = client
        self._thread: _LoopThread | None = None

    def __enter__(self) -> Client:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Iterator[Pose]:
        self._client._keep_poses_only()
        return cast(Iterator[Pose], self._each())

    def messages(self) -> Iterator[Message]:
        """Everything that arrives, the hello first."""
        return self._each()

    def on(self, kind: type[M], callback: Callable[[M], None]) -> None:
        """Call `callback` for each message of a kind as it arrives, on the client's thread; it must return at once."""
        self._client.on(kind, callback)

    @property
    def hello(self) -> Hello | None:
        """The last hello."""
        return self._client.hello

    @property
    def latest(self) -> Pose | None:
        """The newest pose so far, whether or not it was iterated."""
        return self._client.latest

    @property
    def connected(self) -> bool:
        """Whether messages can come now."""
        return self._client.connected

    @property
    def connection_error(self) -> ClientError | None:
        """Why there is no connection; None while there is one and before the first attempt has failed."""
        return self._client.connection_error

    @property
    def connections(self) -> int:
        """Connections made so far."""
        return self._client.connections

    @property
    def dropped(self) -> int:
        """Messages that this program was too slow to take."""
        return self._client.dropped

    @property
    def malformed(self) -> int:
        """Messages that could not be decoded."""
        return self._client.malformed

    @property
    def clock_offset(self) -> float | None:
        """Seconds to add to this machine's time to get the server's; None before the first pong."""
        return self._client.clock_offset

    @property
    def round_trip(self) -> float | None:
        """Round trip of the ping that `clock_offset` comes from, seconds: it is off by half of that at most."""
        return self._client.round_trip

    def server_now(self) -> float | None:
        """Unix seconds on the server's clock now; None before the first pong."""
        return self._client.server_now()

    def latency(self, message: Pose | Emg | Imu | Status) -> float | None:
        """Seconds from the sample behind a message to now, here; None before the first pong."""
        return self._client.latency(message)

    def open(self) -> None:
        """Connect, and return when the hello is there. Does nothing if already open.

        Raises:
            Unreachable: nothing answers at the address.
            Unauthorized, Forbidden, BadRequest: the server refused, with its own words.
        """
        if self._thread is not None:
            return
        self._thread = _LoopThread()
        try:
            self._thread.run(self._client.open())
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection; iterators end."""
        thread, self._thread = self._thread, None
        if thread is not None:
            try:
                thread.run(self._client.close())
            finally:
                thread.stop()

    def wait_closed(self) -> None:
        """Block until the stream is over for good; for programs that only use callbacks.

        Raises:
            ClientError: why it is over, if not by `close()`.
        """
        if self._thread is not None:
            self._thread.run(self._client.wait_closed())

    def subscribe(self, streams: Iterable[Stream] = ("pose",), max_rate: float | None = None) -> None:
        """Replace the subscription; it holds over reconnects.

        Raises:
            BadSubscription: the server's reason; nothing has changed.
            Unreachable: there is no connection now, or no answer came.
        """
        if self._thread is None:
            raise Unreachable("not connected now; open the client first")
        self._thread.run(self._client.subscribe(streams, max_rate))

    def send_label(
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
        """Tell the server where the hand really was; see the asynchronous client.

        Raises:
            Unreachable: there is no connection now, or no `t` is given and the server's clock is not known yet.
        """
        self._run(
            self._client.send_label(
                joints, angles=angles, t=t, hand=hand, source=source, confidence=confidence, device=device
            )
        )

    def send_marker(self, label: str, t: float | None = None) -> None:
        """Put a note into the server's recording, at `t` on the server's clock (None = now).

        Raises:
            Unreachable: there is no connection now.
        """
        self._run(self._client.send_marker(label, t))

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        if self._thread is None:
            work.close()
            raise Unreachable("not connected now; open the client first")
        self._thread.run(work)

    def _each(self) -> Iterator[Message]:
        mine = self._thread is None
        self.open()
        try:
            while (thread := self._thread) is not None:
                message = thread.run(self._client._next())
                if message is None:
                    return
                yield message
        finally:
            if mine:
                self.close()


class _LoopThread:
    """A thread with an event loop that runs coroutines for others."""

    def __init__(self) -> None:
        started: Future[asyncio.AbstractEventLoop] = Future()
        self._stopped = asyncio.Event()
        # A daemon, so that a program that forgets to close can end.
        self._thread = threading.Thread(
            target=asyncio.run, args=(self._serve(started),), name="myocast-client", daemon=True
        )
        self._thread.start()
        self._loop = started.result()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine on the loop and return what it does; it is cancelled when the caller is interrupted."""
        if threading.current_thread() is self._thread:
            work.close()
            raise RuntimeError("a callback of the client may not call the client: do it in another thread")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def stop(self) -> None:
        """End the loop, cancelling what still runs on it, and its thread."""
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join()

    async def _serve(self, started: Future[asyncio.AbstractEventLoop]) -> None:
        started.set_result(asyncio.get_running_loop())
        await self._stopped.wait()
