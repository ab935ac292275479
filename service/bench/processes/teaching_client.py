"""The client process of the swap run: it keeps every pose, and sends the true hand as labels while it is to teach."""

from __future__ import annotations

import asyncio
import threading
from typing import Final

import numpy as np

from models.arrays import Float32Array
from models.hand import VALUES
from myocast_client import Client, ClientError, Pose, connect
from service.bench.errors import BenchError
from service.bench.processes.worker_process import Channel, Message, call_in, usage
from service.event_loop import loop_factory

LABEL_EVERY: Final = 2
"""Poses for each label: 25 labels a second at 50 poses a second."""


class Teacher:
    """What one client has received, and the labels that it sends."""

    def __init__(self) -> None:
        self.seq: list[tuple[int, int]] = []
        """Number and newest sample of each pose."""
        self.joints: list[Float32Array] = []
        self.first = threading.Event()
        self.teaching = False
        self.labels = 0
        self._sending: set[asyncio.Task[None]] = set()

    def take(self, client: Client, pose: Pose) -> None:
        """Keep a pose, and send its true hand as a label if it is a label's turn."""
        self.seq.append((pose.seq, pose.sample))
        self.joints.append(pose.joints.reshape(VALUES))
        self.first.set()
        if self.teaching and pose.truth is not None and pose.seq % LABEL_EVERY == 0:
            self.labels += 1
            task = asyncio.get_running_loop().create_task(client.send_label(pose.truth, t=pose.t))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)


def teach(channel: Channel, request: Message) -> None:
    """Connect one client to `url` until the command `stop`.

    Other commands: usage, first (whether a pose has come, waiting up to `within_s`), teach (`on`: send labels or stop
    to), poses (how many have come). At the end the file `file` gets arrays `seq` (n, 2) and `joints` (n, 63).
    """
    teacher = Teacher()
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_run(channel, request["url"], teacher))
    joints = np.array(teacher.joints, np.float32).reshape(-1, VALUES)
    np.savez(request["file"], seq=np.array(teacher.seq, np.int64).reshape(-1, 2), joints=joints)
    channel.send(stopped=True)


async def _run(channel: Channel, url: str, teacher: Teacher) -> None:
    client = connect(url, reconnect=False, queue=1)
    client.on(Pose, lambda pose: teacher.take(client, pose))
    try:
        async with client:
            loop, stop = asyncio.get_running_loop(), asyncio.Event()
            threading.Thread(target=_serve_commands, args=(channel, teacher, loop, stop), daemon=True).start()
            channel.send(connected=1)
            await stop.wait()
    except ClientError as error:
        raise BenchError(f"a client could not connect: {error}") from None


def _serve_commands(channel: Channel, teacher: Teacher, loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    def halt(_: Message) -> None:
        call_in(loop, stop.set)

    def first(arguments: Message) -> Message:
        return {"came": teacher.first.wait(arguments["within_s"])}

    def switch(arguments: Message) -> Message:
        teacher.teaching = bool(arguments["on"])
        return {"labels": teacher.labels}

    def poses(_: Message) -> Message:
        return {"poses": len(teacher.seq)}

    channel.serve({"usage": lambda _: usage(), "first": first, "teach": switch, "poses": poses, "stop": halt})
    call_in(loop, stop.set)
