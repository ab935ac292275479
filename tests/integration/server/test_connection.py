"""The listening socket, and what becomes of clients that do not read: gone within the time, their sockets too."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from service import server
from service.cli.serve import loop_factory
from service.web import connection
from service.web.connection import PortError, listen, raise_descriptor_limit
from tests.fakes.models_onnx import HOP
from tests.fakes.sources import Puppet, frame
from tests.support.live_server import Live, receive, serving
from tests.unit.service.web.test_stream import RawClient

linux = pytest.mark.skipif(sys.platform != "linux", reason="what the kernel still holds is only known on Linux")


@asynccontextmanager
async def impatient(model: Path, monkeypatch: pytest.MonkeyPatch, **times: float) -> AsyncIterator[tuple[Live, Puppet]]:
    """A server that waits a twentieth of the usual time, and a band that moves all the while."""
    for name, value in {"UNREAD_S": 0.5, "CHECK_S": 0.125, "UNANSWERED_S": 3.0, **times}.items():
        monkeypatch.setattr(connection, name, value)
    monkeypatch.setattr(server, "CHECK_S", connection.CHECK_S)
    puppet = Puppet()
    async with serving([puppet], model=model) as live:
        await puppet.running.wait()
        moving = asyncio.ensure_future(_move(puppet))
        yield live, puppet
        moving.cancel()
        await asyncio.gather(moving, return_exceptions=True)


async def _move(puppet: Puppet) -> None:
    sample = 0
    while True:
        puppet.emit(frame(sample, HOP))
        sample += HOP
        await asyncio.sleep(0.002)


def sockets_of(raw: RawClient) -> int:
    """How many sockets of this process the server holds towards a client."""
    mine = raw.writer.get_extra_info("sockname")
    return sum(c.raddr == mine for c in psutil.Process().net_connections("tcp"))


@linux
@pytest.mark.parametrize("buffer", [4096, None], ids=["small buffer", "usual buffer"])
async def test_a_client_that_never_reads_is_gone_and_so_is_its_socket(
    tiny_window: Path, monkeypatch: pytest.MonkeyPatch, buffer: int | None
) -> None:
    async with impatient(tiny_window, monkeypatch) as (live, _), live.connect() as good:
        raw = RawClient(live, buffer=buffer)
        await raw.open("?streams=pose,emg")
        raw.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await live.until(lambda: len(live.service.hub.clients) == 2)
        assert sockets_of(raw) == 1
        while len(live.service.hub.clients) == 2:
            await receive(good)
        await live.until(lambda: sockets_of(raw) == 0)
        seqs = [(await receive(good))["seq"] for _ in range(20)]
        assert seqs == list(range(seqs[0], seqs[0] + 20))
        raw.close()


async def test_a_client_that_reads_and_answers_stays(tiny_window: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with impatient(tiny_window, monkeypatch, UNANSWERED_S=0.6) as (live, _), live.connect() as client:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while loop.time() < begun + 1.5:
            await receive(client)
        assert len(live.service.hub.clients) == 1


@linux
async def test_a_client_that_reads_but_never_answers_pings_has_longer(
    tiny_window: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with impatient(tiny_window, monkeypatch, UNANSWERED_S=2.0) as (live, _):
        raw = RawClient(live)
        await raw.open()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        while await raw.reader.read(65536):
            pass
        assert loop.time() - begun >= 2.0
        raw.close()
        await live.until(lambda: not live.service.hub.clients)


@linux
async def test_a_client_that_has_answered_and_falls_silent_is_gone_though_hardly_anything_is_sent(
    tiny_window: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with impatient(tiny_window, monkeypatch, UNANSWERED_S=600.0) as (live, _):
        raw = RawClient(live)
        await raw.open("?streams=status")
        heard = b""
        while b"\x89\x04" not in heard[:-4]:
            heard += await raw.reader.read(1024)
        ping = heard.partition(b"\x89\x04")[2][:4]
        raw.send(b"\x8a\x84\0\0\0\0" + ping)
        while await raw.reader.read(65536):
            pass
        raw.close()
        await live.until(lambda: not live.service.hub.clients)


async def test_a_client_whose_link_is_cut_is_gone(tiny_window: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with impatient(tiny_window, monkeypatch) as (live, _):
        raw = RawClient(live)
        await raw.open()
        await live.until(lambda: len(live.service.hub.clients) == 1)
        raw.close()
        await live.until(lambda: not live.service.hub.clients)


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
