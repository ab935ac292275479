"""`tcp:`, `udp:` and `serial:socket:` against boards on the network of this machine."""

from __future__ import annotations

import asyncio
import socket

import numpy as np
import pytest

from drivers import uri
from drivers.chords.source import ChordsSource
from drivers.clock import now
from drivers.cyton.source import CytonSource
from drivers.errors import DeviceLost, DriverError
from drivers.events import Frame, Notice, SourceInfo
from drivers.source import Source, SupportsPresence
from drivers.text.source import TextSource
from drivers.transport import network
from drivers.transport.byte_link import ByteLink
from drivers.transport.network import TcpLink, UdpLink, address_of
from models.arrays import Float32Array
from tests.fakes.boards import text_lines
from tests.fakes.hardware import PATIENCE_S, EventCollector, running
from tests.fakes.network_boards import TcpBoard, UdpBoard, free_udp_port
from tests.support.signals import fast_clock, made_up

TIME_SCALE = 6.0
EMG = made_up(20_000).emg


def numbered(emg: Float32Array) -> list[bytes]:
    return [b"%d," % n + line for n, line in enumerate(text_lines(emg))]


def tcp(lines: list[bytes] | None = None) -> TcpBoard:
    return TcpBoard(lines or text_lines(EMG), 200.0, fast_clock(TIME_SCALE), TIME_SCALE)


def udp(lines: list[bytes] | None = None) -> UdpBoard:
    return UdpBoard(lines or numbered(EMG), 200.0, fast_clock(TIME_SCALE), TIME_SCALE)


def source(link: ByteLink, first_line_s: float = 5.0) -> TextSource:
    info = SourceInfo("tcp:", "board", 200.0)
    return TextSource(info, link, clock=link.clock, first_line_s=first_line_s)  # type: ignore[attr-defined]


def over_tcp(port: int, first_line_s: float = 5.0) -> TextSource:
    return source(TcpLink("127.0.0.1", port, fast_clock(TIME_SCALE)), first_line_s)


def over_udp(port: int) -> TextSource:
    return source(UdpLink("127.0.0.1", port, fast_clock(TIME_SCALE)))


def begins_at(collector: EventCollector) -> int:
    """Which row of `EMG` came first."""
    return next(n for n in range(len(EMG)) if np.array_equal(EMG[n : n + 20], collector.emg[:20]))


async def test_lines_over_tcp_arrive_sample_for_sample() -> None:
    async with tcp() as board:
        collector = EventCollector()
        live = over_tcp(board.port)
        async with running(live, collector):
            await collector.until_samples(600)
    start = begins_at(collector)
    assert np.array_equal(collector.emg[:600], EMG[start : start + 600])
    assert live.lost == 0


async def test_a_server_that_closes_is_lost_and_found_again() -> None:
    async with tcp() as board:
        collector = EventCollector()
        live = over_tcp(board.port)
        assert isinstance(live, SupportsPresence)
        async with running(live, collector) as run:
            await collector.until_samples(100)
            await board.switch_off()
            assert isinstance(error := await run.ended(), DeviceLost)
            assert "has closed the connection" in str(error)
        async with running(live, collector) as run:
            assert isinstance(error := await run.ended(), DeviceLost), "it was there before"
            assert "nothing listens" in str(error)
        watch = asyncio.ensure_future(live.reachable())
        await asyncio.sleep(0)
        assert not watch.done()
        await board.switch_on()
        await asyncio.wait_for(watch, PATIENCE_S)
        before = collector.samples
        async with running(live, collector):
            await collector.until_samples(before + 100)
    assert sum(frame.gap for frame in collector.of(Frame)) == 1
    assert (np.diff(collector.index) > 0).all()


async def test_a_server_that_hangs_is_told_of() -> None:
    async with tcp() as board:
        board.sending = False
        message = await error_of_run(over_tcp(board.port, first_line_s=0.2))
        assert message == f"127.0.0.1:{board.port} says nothing; check that the board runs and prints its samples"
        board.sending, board.lines = True, [b"temperature 21.5\r\n"] * 20_000
        assert "prints no lines of 8 numbers, but 'temperature 21.5'" in await error_of_run(
            over_tcp(board.port, first_line_s=0.5)
        )


async def test_a_host_that_does_not_answer_or_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    assert "nothing listens at 127.0.0.1:9" in await error_of_run(source(TcpLink("127.0.0.1", 9, fast_clock(1.0))))
    monkeypatch.setattr(network, "CONNECT_S", 0.05)
    monkeypatch.setattr(asyncio, "open_connection", never)
    assert "does not answer" in await error_of_run(source(TcpLink("10.0.0.1", 3333, fast_clock(1.0))))

    async def unknown(*_: object) -> None:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(asyncio, "open_connection", unknown)
    assert "there is no computer 'esp32.local'" in await error_of_run(
        source(TcpLink("esp32.local", 3333, fast_clock(1.0)))
    )


async def test_datagrams_arrive_sample_for_sample() -> None:
    async with udp() as board:
        collector = EventCollector()
        live = over_udp(board.port)
        async with running(live, collector):
            await collector.until_samples(600)
    start = begins_at(collector)
    assert np.array_equal(collector.emg[:600], EMG[start : start + 600])
    assert live.lost == 0


async def test_datagrams_that_are_lost_late_or_double_are_told_apart_by_their_numbers() -> None:
    lines = numbered(EMG)
    del lines[300:305]
    lines[400], lines[401] = lines[401], lines[400]
    lines.insert(500, lines[499])
    async with udp(lines) as board:
        collector = EventCollector()
        live = over_udp(board.port)
        async with running(live, collector):
            await collector.until_samples(650)
    start = begins_at(collector)
    rows = {int(n): row.tolist() for n, row in zip(collector.index, collector.emg, strict=True)}
    assert all(rows[n] == EMG[start + n].tolist() for n in rows), "each is where it belongs"
    assert live.lost == 5 + 1, "five never came, and one came too late"


async def test_of_two_senders_one_is_heard() -> None:
    other = [b"0,0,0,0,0,0,0,0"] * 20_000
    async with udp() as board, udp(other) as second:
        collector = EventCollector()
        second.port = board.port
        second.sending = False
        async with running(over_udp(board.port), collector):
            await collector.until_samples(50)
            second.sending = True
            before = second.at
            await collector.until_samples(400)
            assert second.at > before
            await collector.until(lambda collector: len(collector.of(Notice)) > 1)
    start = begins_at(collector)
    assert np.array_equal(collector.emg[:400], EMG[start : start + 400])
    (notice,) = [each for each in collector.of(Notice) if each.kind == "other sender"]
    assert notice.detail.startswith("left out: 127.0.0.1:")


async def test_a_board_that_sends_again_is_noticed() -> None:
    async with udp() as board:
        live = over_udp(board.port)
        board.sending = False
        watch = asyncio.ensure_future(live.reachable())
        await asyncio.sleep(0)
        assert not watch.done()
        board.sending = True
        await asyncio.wait_for(watch, PATIENCE_S)
        async with running(live, collector := EventCollector()):
            await collector.until_samples(30)


async def test_a_udp_port_that_cannot_be_had() -> None:
    port = free_udp_port()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", port))
        assert "is in use by another program" in await error_of_run(over_udp(port))
    assert "is no address of this computer" in await error_of_run(source(UdpLink("203.0.113.7", port, fast_clock(1.0))))


async def error_of_run(live: Source) -> str:
    with pytest.raises(DriverError) as caught:
        await live.run(EventCollector())
    assert type(caught.value) is DriverError
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "link"),
    [
        ("tcp://192.168.4.1:3333?rate=250&unit=uV", TcpLink("192.168.4.1", 3333, now)),
        ("tcp://[fe80::1]:23", TcpLink("fe80::1", 23, now)),
        ("serial:socket://esp32.local:23?baud=9600", TcpLink("esp32.local", 23, now)),
        ("udp://:9000?channels=9-16", UdpLink("", 9000, now)),
        ("udp://127.0.0.1:9000", UdpLink("127.0.0.1", 9000, now)),
    ],
)
def test_addresses(text: str, link: ByteLink) -> None:
    live = uri.source_from_uri(text)
    assert isinstance(live, TextSource)
    assert live._link == link


def test_other_boards_may_be_behind_a_socket_too() -> None:
    cyton, chords = uri.source_from_uri("cyton:socket://10.0.0.7:23"), uri.source_from_uri("chords:socket://esp:23")
    assert isinstance(cyton, CytonSource)
    assert isinstance(chords, ChordsSource)
    assert cyton._link == TcpLink("10.0.0.7", 23, now)
    assert chords._links[0] == TcpLink("esp", 23, now)


@pytest.mark.parametrize(
    "text",
    [
        "tcp:",
        "tcp://",
        "tcp://:80",
        "tcp://x",
        "tcp://x:0",
        "tcp://x:65536",
        "tcp://x:1:2",
        "tcp://x:80/y",
        "udp:",
        "udp://",
        "udp://:x",
        "serial:socket://",
        "udp://:9000?baud=9600",
        "tcp://x:1?channels=1-7",
    ],
)
def test_a_wrong_address_is_refused(text: str) -> None:
    with pytest.raises(DriverError) as caught:
        uri.source_from_uri(text)
    assert "\n" not in str(caught.value)


def test_an_address_is_shown_as_it_is_typed() -> None:
    assert TcpLink(*address_of("[::1]:23", "HOST:PORT"), now).name == "[::1]:23"
    assert UdpLink("", 9000, now).name == "UDP port 9000"
