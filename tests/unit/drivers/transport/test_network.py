"""Addresses, and what a UDP port keeps of what it is sent."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.errors import DriverError
from drivers.transport.network import BUFFER_BYTES, UdpPort, address_of

BOARD = ("192.168.4.2", 40_000)


async def test_a_datagram_ends_its_last_line() -> None:
    port = UdpPort(lambda: 7.0)
    for data in (b"1,2", b"3,4\n", b"5,6\r"):
        port.datagram_received(data, BOARD)
    assert await port.read() == [(b"1,2\n", 7.0), (b"3,4\n", 7.0), (b"5,6\r", 7.0)]


async def test_the_first_sender_is_the_board() -> None:
    port = UdpPort(lambda: 7.0)
    port.datagram_received(b"a", BOARD)
    for number in range(100):
        port.datagram_received(b"b", ("192.168.4.3", 1000 + number))
        port.datagram_received(b"b", ("192.168.4.3", 1000))
    assert [data for data, _ in await port.read()] == [b"a\n"]
    assert len(port.strangers) == 16
    assert port.strangers["192.168.4.3:1000"] == 101


async def test_nobody_reads_and_memory_is_bounded() -> None:
    port = UdpPort(lambda: 7.0)
    for _ in range(3 * BUFFER_BYTES // 1000):
        port.datagram_received(bytes(1000), BOARD)
    assert port.dropped > BUFFER_BYTES
    assert sum(len(data) for data, _ in await port.read()) <= BUFFER_BYTES + 2000
    waiting = asyncio.ensure_future(port.read())
    await asyncio.sleep(0)
    assert not waiting.done()
    port.datagram_received(b"1", BOARD)
    assert await waiting == [(b"1\n", 7.0)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("10.0.0.1:80", ("10.0.0.1", 80)), (":9000", ("", 9000)), ("[::1]:1", ("::1", 1)), ("a:65535/", ("a", 65535))],
)
def test_addresses(text: str, expected: tuple[str, int]) -> None:
    assert address_of(text, "HOST:PORT") == expected


@given(st.text(max_size=40))
def test_what_is_no_address_is_one_line(text: str) -> None:
    message = ""
    try:
        host, port = address_of(text, "HOST:PORT")
    except DriverError as error:
        message = str(error)
        host, port = "", 1
    assert "\n" not in message
    assert 0 < port < 65_536
    assert "/" not in host
