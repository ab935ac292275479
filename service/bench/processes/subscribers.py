"""The client process of the latency run: N clients of the Python client library."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AsyncExitStack

import numpy as np

from myocast_client import ClientError, Pose, connect
from service.bench.errors import BenchError
from service.bench.processes.worker_process import Channel, Message, call_in, usage
from service.event_loop import loop_factory

ROW = tuple[int, int, int, int, int, float]


class ReceivedPoses:
    """What the clients have received."""

    def __init__(self) -> None:
        self.rows: list[ROW] = []
        self.first = threading.Event()

    def add(self, number: int, pose: Pose) -> None:
        self.rows.append((number, pose.seq, pose.sample, pose.skipped, pose.gap, time.perf_counter()))
        if len(self.rows) == 1:
            self.first.set()


def subscribe(channel: Channel, request: Message) -> None:
    """Connect `clients` clients to `url` until the command `stop`.

    Other commands: usage, poses (how many have come), first (whether one has come, waiting up to `within_s`).
    At the end the file `file` gets an array `poses` with columns client, seq, sample, skipped, gap, time
    (system-wide monotonic).
    """
    received = ReceivedPoses()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_subscribe(channel, request["url"], request["clients"], received))
    np.savez(request["file"], poses=np.array(received.rows, dtype=np.float64).reshape(-1, 6))
    channel.send(stopped=True)


async def _subscribe(channel: Channel, url: str, clients: int, received: ReceivedPoses) -> None:
    async with AsyncExitStack() as stack:
        # One after the other: the server numbers its clients in the order in which they come.
        for number in range(clients):
            client = connect(url, reconnect=False, queue=1)
            client.on(Pose, lambda pose, number=number: received.add(number, pose))  # type: ignore[misc]
            try:
                await stack.enter_async_context(client)
            except ClientError as error:
                raise BenchError(f"a client could not connect: {error}") from None
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        threading.Thread(target=_serve_commands, args=(channel, received, loop, stop), daemon=True).start()
        channel.send(connected=clients)
        await stop.wait()


def _serve_commands(
    channel: Channel, received: ReceivedPoses, loop: asyncio.AbstractEventLoop, stop: asyncio.Event
) -> None:
    def halt(_: Message) -> None:
        call_in(loop, stop.set)

    def first(arguments: Message) -> Message:
        return {"came": received.first.wait(arguments["within_s"])}

    def poses(_: Message) -> Message:
        return {"poses": len(received.rows)}

    channel.serve({"usage": lambda _: usage(), "poses": poses, "first": first, "stop": halt})
    call_in(loop, stop.set)
