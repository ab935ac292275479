"""The Leap endpoint under the policy and the limits of the stream."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.typing import Origin

from service.limits import Limits
from service.outputs.leap import LeapOutput
from tests.support.attack import close_code


@pytest.mark.case("W2")
async def test_null_must_be_listed() -> None:
    async with LeapOutput(0) as output:
        with pytest.raises(InvalidStatus) as refused:
            await connect(output.address, origin=Origin("null"))
        assert refused.value.response.status_code == 403
    async with LeapOutput(0, ("null",)) as output, connect(output.address, origin=Origin("null")) as client:
        assert "version" in str(await client.recv())


@pytest.mark.case("W2", "W3")
async def test_another_host_is_refused() -> None:
    async with LeapOutput(0) as output:
        port = int(output.address.split(":")[2].partition("/")[0])
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"ws://rebound.example:{port}/v6.json", host="127.0.0.1", port=port)
        assert refused.value.response.status_code == 403


@pytest.mark.case("W2", "F12")
async def test_clients_and_messages_and_pings_are_limited() -> None:
    limits = Limits(clients=2, messages_per_s=1, message_burst=20, control_frames_per_s=1, control_frame_burst=20)
    async with LeapOutput(0, (), limits) as output:
        async with connect(output.address) as one, connect(output.address) as two:
            await one.recv()
            await two.recv()
            async with connect(output.address) as third:
                assert await close_code(third) == 1013
            for _ in range(40):
                await one.send('{"background":true}')
            assert await close_code(one) == 1008
            with contextlib.suppress(ConnectionClosed):
                for _ in range(40):
                    await two.ping()
                    await asyncio.sleep(0)
            assert await close_code(two) == 1008
        assert output.clients == 0


@pytest.mark.case("W2", "F12")
async def test_a_header_that_never_ends() -> None:
    async with LeapOutput(0, (), Limits(header_s=0.2)) as output:
        port = int(output.address.split(":")[2].partition("/")[0])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /v6.json HTTP/1.1\r\n")
        async with asyncio.timeout(20):
            assert (await reader.read()).startswith(b"HTTP/1.1 408")
        writer.close()


async def test_it_ends_with_1000() -> None:
    async with LeapOutput(0) as output:
        client = await connect(output.address)
        await client.recv()
    assert await close_code(client) == 1000
