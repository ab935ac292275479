"""The UDP output on real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterable, AsyncIterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from myocast_client import Pose, connect
from service.outputs.udp import UdpError, UdpOutput, encode
from tests.fakes.simple_hand import make_hand, make_pose
from tests.fakes.small_session import write_session
from tests.support.console import Console
from tests.support.udp import neighbours, receive


async def test_an_unknown_host_is_an_error_of_one_line() -> None:
    with pytest.raises(UdpError, match=r"--udp 'no-such-host.invalid:4243': ") as caught:
        await UdpOutput("no-such-host.invalid:4243").__aenter__()
    assert "\n" not in str(caught.value)


async def test_truth_goes_to_the_next_port_and_the_second_armband_to_the_next_pair() -> None:
    with ExitStack() as stack:
        listeners = neighbours(stack, 4)
        port = listeners[0].getsockname()[1]
        async with UdpOutput(f"127.0.0.1:{port}") as output:
            assert output.address == f"udp://127.0.0.1:{port}"
            output.on_event(0, make_pose(1.0, make_hand(0.1), truth=make_hand(0.2)))
            output.on_event(1, make_pose(1.0, make_hand(0.3, "left"), "left", device=1, truth=make_hand(0.4, "left")))
            for listener, joints in zip(
                listeners, (make_hand(0.1), make_hand(0.2), make_hand(0.3, "left"), make_hand(0.4, "left")), strict=True
            ):
                assert await receive(listener) == json.loads(encode(joints))
        assert output.sent == 4


async def test_nobody_need_listen() -> None:
    with ExitStack() as stack:
        port = neighbours(stack, 2)[0].getsockname()[1]
    async with UdpOutput(f"127.0.0.1:{port}") as output:
        for k in range(3):
            output.on_event(0, make_pose(float(k), make_hand(0.1), truth=make_hand(0.2)))
            await asyncio.sleep(0)
        assert output.sent >= 2
    output.on_event(0, make_pose(9.0, make_hand(0.1)))


async def test_the_server_itself(console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 60)
    with ExitStack() as stack:
        listener = neighbours(stack, 2)[0]
        target = f"127.0.0.1:{listener.getsockname()[1]}"
        server = console.serve(f"replay:{session}", "--model", tiny_window, "--udp", target)
        assert server.process.stdout is not None
        assert server.process.stdout.readline() == f"UDP is ready: udp://{target}\n"
        async with connect(server.url, queue=1000) as client:
            poses = [encode(pose.joints.reshape(63)) async for _, pose in azip(range(60), client)]
        messages = [await receive(listener) for _ in range(60)]
    streamed = [json.loads(pose) for pose in poses]
    assert sum(message in streamed for message in messages) >= 10


async def azip(count: range, items: AsyncIterable[Pose]) -> AsyncIterator[tuple[int, Pose]]:
    iterator = aiter(items)
    for k in count:
        yield k, await anext(iterator)
