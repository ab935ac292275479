"""Clients that do not read or do not answer are closed in time, and so are their sockets."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from service.web import uvicorn_adapter
from tests.fakes.models_onnx import HOP
from tests.fakes.sources import Puppet, frame
from tests.support.live_server import Live, RawClient, receive, serving

pytestmark = pytest.mark.alone

linux = pytest.mark.skipif(sys.platform != "linux", reason="what the kernel still holds is only known on Linux")


@asynccontextmanager
async def impatient(model: Path, monkeypatch: pytest.MonkeyPatch, **times: float) -> AsyncIterator[tuple[Live, Puppet]]:
    """A server that waits a twentieth of the usual time, and a band that moves all the while."""
    for name, value in {"UNREAD_S": 0.5, "CHECK_S": 0.125, "UNANSWERED_S": 3.0, **times}.items():
        monkeypatch.setattr(uvicorn_adapter, name, value)
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
        received = b""
        while b"\x89\x04" not in received[:-4]:
            received += await raw.reader.read(1024)
        ping = received.partition(b"\x89\x04")[2][:4]
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
