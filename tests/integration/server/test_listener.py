"""The listening socket, and the limit of open files."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable

import pytest

from service.event_loop import loop_factory
from service.web.listener import PortError, listen, raise_descriptor_limit


def test_a_free_port() -> None:
    with listen("127.0.0.1", 0) as sock:
        assert sock.getsockname()[1] > 0
        assert not sock.getblocking()


def test_a_port_in_use() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(PortError) as refused:
        listen("127.0.0.1", taken.getsockname()[1])
    message = str(refused.value)
    assert "\n" not in message
    assert "--port" in message
    assert refused.value.exit_code == 2


def test_a_port_is_free_again_at_once() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)), first.accept()[0]:
            pass
    listen("127.0.0.1", port).close()


@pytest.mark.parametrize(
    ("host", "port"), [("192.0.2.1", 0), ("no such host", 0), ("127.0.0.1", 70000), ("127.0.0.1", -1)]
)
def test_an_address_that_cannot_be_listened_on(host: str, port: int) -> None:
    with pytest.raises(PortError) as refused:
        listen(host, port)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, loop_factory() or asyncio.new_event_loop])
def test_small_messages_go_out_at_once_on_every_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """Nagle's algorithm would hold each pose back until the client has acknowledged the one before."""

    async def held_back() -> bool:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            sock: socket.socket = writer.get_extra_info("socket")
            found.set_result(not sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        sock = listen("127.0.0.1", 0)
        address = sock.getsockname()
        async with await asyncio.start_server(accept, sock=sock):
            with socket.create_connection(address):
                return await found

    with asyncio.Runner(loop_factory=new_loop) as runner:
        assert not runner.run(held_back())


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6() -> None:
    try:
        sock = listen("::1", 0)
    except PortError as error:
        pytest.skip(f"no IPv6 loopback here: {error}")
    with sock:
        assert sock.family == socket.AF_INET6


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit on Windows")
def test_the_limit_of_open_files_is_raised_as_far_as_it_goes() -> None:
    import resource

    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    low = min(256, before[1] if before[1] != resource.RLIM_INFINITY else 256)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (low, before[1]))
        raise_descriptor_limit()
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert soft == (65536 if hard == resource.RLIM_INFINITY else hard)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
