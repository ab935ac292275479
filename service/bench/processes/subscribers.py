"""The client process of the latency run: N of the Python clients that people use."""

from __future__ import annotations

import asyncio
import threading
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np

from myocast_client import ClientError, Pose, connect
from service.bench.processes.worker_process import BenchError, Line, call_in, usage
from service.event_loop import loop_factory

ROW = tuple[int, int, int, int, int, float]


class Notes:
    """What the clients have received."""

    def __init__(self) -> None:
        self.rows: list[ROW] = []
        self.any = threading.Event()

    def add(self, number: int, pose: Pose) -> None:
        self.rows.append((number, pose.seq, pose.sample, pose.skipped, pose.gap, time.perf_counter()))
        if len(self.rows) == 1:
            self.any.set()


def subscribe(line: Line, request: dict[str, Any]) -> None:
    """Connect `clients` clients to `url` until the order `stop`.

    Other orders: usage, poses (how many have come), first (whether one has come, waiting up to `within_s`).
    At the end the file `notes` gets an array `poses` with columns client, seq, sample, skipped, gap, time
    (system-wide monotonic).
    """
    notes = Notes()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_subscribe(line, request["url"], request["clients"], notes))
    np.savez(Path(request["notes"]), poses=np.array(notes.rows, dtype=np.float64).reshape(-1, 6))
    line.send(stopped=True)


async def _subscribe(line: Line, url: str, clients: int, notes: Notes) -> None:
    async with AsyncExitStack() as stack:
        # One after the other: the server numbers its clients in the order in which they come.
        for number in range(clients):
            client = connect(url, reconnect=False, queue=1)
            client.on(Pose, lambda pose, number=number: notes.add(number, pose))  # type: ignore[misc]
            try:
                await stack.enter_async_context(client)
            except ClientError as error:
                raise BenchError(f"a client could not connect: {error}") from None
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        threading.Thread(target=_obey, args=(line, notes, loop, stop), daemon=True).start()
        line.send(connected=clients)
        await stop.wait()


def _obey(line: Line, notes: Notes, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    def halt(_: dict[str, Any]) -> None:
        call_in(loop, stop.set)

    def first(order: dict[str, Any]) -> dict[str, Any]:
        return {"came": notes.any.wait(order["within_s"])}

    def poses(_: dict[str, Any]) -> dict[str, Any]:
        return {"poses": len(notes.rows)}

    line.obey({"usage": lambda _: usage(), "poses": poses, "first": first, "stop": halt})
    call_in(loop, stop.set)
