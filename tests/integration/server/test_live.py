"""Live devices through the whole service: lost in every way and back again, and stopped in every state.

`MYOCAST_OUTAGE_SECONDS=30 pytest -s tests/integration/server/test_live.py` makes each outage last so long, with the
back-off as users have it, and prints how long after the return the next pose came, and how long a stop took. Without it
outages are short, and the back-off is an hour: poses can come again only because the source says that its device is
there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np
import pytest
import pytest_asyncio

from drivers.clock import now
from drivers.cyton.source import BAUD, CytonSource
from drivers.emulation.dongle import EmulatedDongle
from drivers.emulation.myo import EmulatedMyo
from drivers.emulation.pseudo_terminal import PseudoTerminal
from drivers.events import SourceInfo
from drivers.myo.bled112_transport import Bled112Transport
from drivers.myo.gatt import MYO
from drivers.myo.source import MyoSource
from drivers.myo.stream import MyoConfig
from drivers.sessions import read_session
from drivers.source import Source
from drivers.text.source import TextSource
from drivers.transport.bleak_transport import BleakTransport
from drivers.transport.gatt import SCAN_S
from drivers.transport.network import UdpLink
from drivers.transport.serial_port import SerialLink
from service import wiring
from service.devices.supervisor import Backoff, Supervisor
from tests.fakes.bluez import FakeBluez
from tests.fakes.boards import Board, CytonBoard, TextBoard, text_lines
from tests.fakes.hardware import PATIENCE_S
from tests.fakes.models_onnx import spec_of, window_model
from tests.fakes.network_boards import UdpBoard
from tests.fakes.private_bus import NEEDS_DAEMON, close_bleak, dbus_daemon
from tests.support.console import TIMEOUT_S, Console, Server
from tests.support.live_server import receive, serving
from tests.support.signals import made_up

OUTAGE_S: Final = float(os.environ.get("MYOCAST_OUTAGE_SECONDS", "0"))
BAND: Final = {"address": "C6:05:04:03:02:01"}
EMG: Final = made_up(20_000).emg


def report(text: str) -> None:
    """A figure for who runs this with -s."""
    print(f"\n{text}", end="")  # noqa: T201


class Hour(Backoff):
    """A back-off that no test lives to see the end of."""

    def next(self) -> float:
        return 3600.0


class Peer:
    """A device and the source that reads it: `go` makes it away, `come` brings it back."""

    def __init__(self, source: Source, go: Callable[[], Awaitable[Any]], come: Callable[[], Awaitable[Any]]) -> None:
        self.source, self.go, self.come = source, go, come


Scenario = Callable[[AsyncExitStack, Path], Awaitable[Peer]]


@pytest_asyncio.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    """Where there is no daemon, the tests that need none go on without a bus."""
    if shutil.which("dbus-daemon") is None:
        yield "unix:path=/none"
        return
    with dbus_daemon(tmp_path) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield address
        await close_bleak()


def myo() -> MyoSource:
    return MyoSource("myo:", MyoConfig(), BleakTransport(MYO, scan_s=2.0))


def over_dongle(path: str, scan_s: float = SCAN_S) -> MyoSource:
    return MyoSource("dongle:", MyoConfig(), Bled112Transport(path, scan_s=scan_s))


async def out_of_range(stack: AsyncExitStack, _: Path) -> Peer:
    bluez = await stack.enter_async_context(FakeBluez(BAND))
    return Peer(myo(), partial(bluez.do, "hide"), partial(bluez.do, "show"))


async def armband_restarts(stack: AsyncExitStack, _: Path) -> Peer:
    """The computer is not told that the link is gone."""
    bluez = await stack.enter_async_context(FakeBluez(BAND))
    return Peer(myo(), partial(bluez.do, "silence"), partial(bluez.do, "restart"))


async def bluetoothd_dies(stack: AsyncExitStack, _: Path) -> Peer:
    first = await stack.enter_async_context(FakeBluez(BAND))
    return Peer(myo(), first.vanish, lambda: stack.enter_async_context(FakeBluez(BAND)))


class Socket:
    """A port whose name stays while what is plugged into it comes and goes."""

    def __init__(self, stack: AsyncExitStack, folder: Path, make: Callable[[], Any]) -> None:
        self.path = folder / "port"
        self.plugged: Any = None
        self._stack, self._make = stack, make

    async def plug(self) -> None:
        self.plugged = await self._stack.enter_async_context(self._make())
        self.path.symlink_to(self.plugged.path)

    async def unplug(self) -> None:
        self.path.unlink()
        self.plugged.unplug()


def dongle() -> PseudoTerminal:
    return PseudoTerminal(EmulatedDongle(EmulatedMyo(made_up())))


async def dongle_unplugged(stack: AsyncExitStack, folder: Path) -> Peer:
    socket = Socket(stack, folder, dongle)
    await socket.plug()
    return Peer(over_dongle(str(socket.path)), socket.unplug, socket.plug)


async def dongle_out_of_range(stack: AsyncExitStack, _: Path) -> Peer:
    terminal = await stack.enter_async_context(dongle())
    armband = terminal.dongle.armband

    async def go() -> None:
        armband.address = "AA:BB:CC:DD:EE:FF"
        terminal.lose_link()

    async def come() -> None:
        armband.address = BAND["address"]

    return Peer(over_dongle(terminal.path, scan_s=2.0), go, come)


async def dongle_hangs(stack: AsyncExitStack, _: Path) -> Peer:
    """It says nothing and hears nothing; then all at once."""
    terminal = await stack.enter_async_context(dongle())

    async def go() -> None:
        asyncio.get_running_loop().remove_reader(terminal._master)
        assert terminal._timer is not None
        terminal._timer.cancel()

    async def come() -> None:
        asyncio.get_running_loop().add_reader(terminal._master, terminal._read)
        terminal._tick()

    return Peer(over_dongle(terminal.path), go, come)


def cyton() -> CytonBoard:
    return CytonBoard(EMG, now, 1.0)


async def cyton_unplugged(stack: AsyncExitStack, folder: Path) -> Peer:
    socket = Socket(stack, folder, cyton)
    await socket.plug()
    return Peer(CytonSource("cyton:", SerialLink(str(socket.path), BAUD, now)), socket.unplug, socket.plug)


async def cyton_switched_off(stack: AsyncExitStack, _: Path) -> Peer:
    """Its dongle stays in the computer, and answers for it."""
    board = await stack.enter_async_context(cyton())

    async def go() -> None:
        board.on = False
        board.stop()

    async def come() -> None:
        board.on = True

    return Peer(CytonSource("cyton:", SerialLink(board.path, BAUD, now)), go, come)


def printer() -> TextBoard:
    return TextBoard(text_lines(EMG), 200.0, now, 1.0)


def text_source(path: str) -> TextSource:
    return TextSource(SourceInfo("serial:", "board", 200.0), SerialLink(path, 115200, now), first_line_s=2.0)


async def text_unplugged(stack: AsyncExitStack, folder: Path) -> Peer:
    socket = Socket(stack, folder, printer)
    await socket.plug()
    return Peer(text_source(str(socket.path)), socket.unplug, socket.plug)


async def text_silent(stack: AsyncExitStack, _: Path) -> Peer:
    board: Board = await stack.enter_async_context(printer())

    async def go() -> None:
        board.stop()

    async def come() -> None:
        board.start()

    return Peer(text_source(board.path), go, come)


async def datagrams_stop(stack: AsyncExitStack, _: Path) -> Peer:
    board = await stack.enter_async_context(UdpBoard(text_lines(EMG), 200.0, now, 1.0))
    info = SourceInfo("udp:", "board", 200.0)
    return Peer(TextSource(info, UdpLink("127.0.0.1", board.port, now)), board.switch_off, board.switch_on)


SCENARIOS: Final = [
    *(pytest.param(each, marks=NEEDS_DAEMON) for each in (out_of_range, armband_restarts, bluetoothd_dies)),
    dongle_unplugged, dongle_out_of_range, dongle_hangs,
    cyton_unplugged, cyton_switched_off, text_unplugged, text_silent, datagrams_stop,
]  # fmt: skip
SILENT: Final = (armband_restarts, bluetoothd_dies, dongle_hangs, cyton_switched_off, text_silent, datagrams_stop)


@pytest.mark.alone
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_a_device_that_went_away_gives_poses_again_as_soon_as_it_is_back(
    scenario: Scenario, bus: str, tmp_path: Path, tiny_window: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not OUTAGE_S:
        monkeypatch.setattr(wiring, "Supervisor", partial(Supervisor, backoff=Hour()))
    async with AsyncExitStack() as stack:
        peer = await scenario(stack, tmp_path)
        model = tiny_window
        if isinstance(peer.source, CytonSource):
            model = window_model(tmp_path / "cyton.onnx", spec_of(rate_hz=250.0, unit="uV"))
        live = await stack.enter_async_context(serving([peer.source], model=model, record=tmp_path / "all.mcap"))
        client = await stack.enter_async_context(live.connect("?streams=pose,status"))
        assert (session := (await receive(client))["session"])
        states: list[str] = []

        async def wait_for(accepts: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    message: dict[str, Any] = await receive(client)
                    if message["type"] == "status" and message["state"] not in states[-1:]:
                        states.append(message["state"])
                    if accepts(message):
                        return message

        before = await wait_for(lambda message: message["type"] == "pose" and message["seq"] > 20)
        await peer.go()
        if scenario is not armband_restarts:
            await wait_for(lambda message: message.get("state") == "reconnecting")
            await asyncio.sleep(OUTAGE_S)
        returned = now()
        await peer.come()
        after = await wait_for(lambda message: message["type"] == "pose" and message.get("gap"))
        report(f"{scenario.__name__}: next pose {now() - returned:.2f} s after the return")
        await wait_for(lambda message: message["type"] == "status" and message["state"] == "live")
        assert after["sample"] > before["sample"]
        assert after["seq"] > before["seq"]
        assert (await live.http.get("/api/v1/status")).json()["session"] == session
    recorded = read_session(tmp_path / "all.mcap")
    assert recorded.sample[0] <= before["sample"] < after["sample"] <= recorded.sample[-1], "the recorder goes on"
    assert np.diff(recorded.sample).max() > 1
    assert [state for state in states if state != "connecting"] == [
        "live", *(["stalled"] if scenario in SILENT else []), "reconnecting", "live",
    ]  # fmt: skip


@pytest.mark.peer
@pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="needs dbus-daemon")
async def test_two_armbands_are_two_devices_and_one_does_not_wait_for_the_other(bus: str, tiny_window: Path) -> None:
    """`serve myo:A myo:B`: each message names its device; while one is away, the other one's link is made again."""
    other = {"address": "D6:15:14:13:12:11"}
    async with AsyncExitStack() as stack:
        bluez = await stack.enter_async_context(FakeBluez(BAND, other))
        sources = [
            MyoSource(f"myo:{each['address']}", MyoConfig(), BleakTransport(MYO, each["address"]))
            for each in (BAND, other)
        ]
        live = await stack.enter_async_context(serving(sources, model=tiny_window))
        client = await stack.enter_async_context(live.connect("?streams=pose,emg,status"))
        hello = await receive(client)

        async def wait_for(kind: str, device: int, accepts: Callable[[dict[str, Any]], object]) -> None:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    message = await receive(client)
                    if (message["type"], message.get("device")) == (kind, device) and accepts(message):
                        return

        for device in (0, 1):
            for kind in ("pose", "emg"):
                await wait_for(kind, device, lambda message: True)
        assert len(hello["devices"]) == 2
        await bluez.do("hide", 0)
        await wait_for("status", 0, lambda status: status["state"] == "reconnecting")
        await bluez.do("drop", 1)
        start = now()
        await wait_for("pose", 1, lambda pose: pose.get("gap"))
        report(f"the second of two armbands: next pose {now() - start:.2f} s after its loss, the first still away")
        addresses = [source.info.address for source in sources]
    assert addresses == [BAND["address"], other["address"]]


class Stoppable:
    """What `myocast` is given as a source, the fake behind it, and what must be left of it."""

    def __init__(
        self, uri: str, show: Callable[[], Awaitable[Any]], hide: Callable[[], Awaitable[Any]],
        left: Callable[[], Awaitable[dict[str, bool]]], scans: Callable[[], Awaitable[bool]],
    ) -> None:  # fmt: skip
        self.uri, self.show, self.hide, self.left, self.scans = uri, show, hide, left, scans
        self.away = False

    async def freed(self) -> bool:
        """One that is out of reach cannot be told to sleep again; one that is not has been told so."""
        left = await self.left()
        return not any(left[what] for what in left if what != "never_sleeps" or not self.away)


@asynccontextmanager
async def over_bluetooth() -> AsyncIterator[Stoppable]:
    async with FakeBluez(BAND | {"advertises": False}) as bluez:

        async def state() -> dict[str, bool]:
            found = await bluez.do("state")
            return {key: bool(found[key]) for key in ("connected", "streams", "never_sleeps", "scanners")}

        async def scans() -> bool:
            return (await state())["scanners"]

        yield Stoppable("myo:", partial(bluez.do, "show"), partial(bluez.do, "hide"), state, scans)


@asynccontextmanager
async def over_the_dongle() -> AsyncIterator[Stoppable]:
    async with dongle() as terminal:
        link, armband = terminal.dongle, terminal.dongle.armband
        advertisement = armband.advertisement

        async def show() -> None:
            armband.advertisement = advertisement  # type: ignore[method-assign]

        async def hide() -> None:
            armband.advertisement = lambda: b"\x02\x01\x06"  # type: ignore[method-assign]
            armband.address = "AA:BB:CC:DD:EE:FF"
            terminal.lose_link()

        async def scans() -> bool:
            return link._advertise_at is not None

        async def left() -> dict[str, bool]:
            return {
                "connected": link.connected, "streams": armband.streams, "never_sleeps": armband.never_sleeps,
                "scanners": await scans(),
            }  # fmt: skip

        armband.advertisement = lambda: b"\x02\x01\x06"  # type: ignore[method-assign]
        yield Stoppable(f"dongle:{terminal.path}", show, hide, left, scans)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def until_status(running: Server, accepts: Callable[[dict[str, Any]], object]) -> None:
    """Until the server's status is as wished; each look is a round trip."""
    async with httpx.AsyncClient(base_url=running.url) as http, asyncio.timeout(TIMEOUT_S):
        while True:
            if accepts((await http.get("/api/v1/status")).json()):
                return


@pytest.mark.parametrize(
    ("transport", "when", "number"),
    [
        pytest.param(over_bluetooth, "scanning", signal.SIGINT, marks=NEEDS_DAEMON),
        pytest.param(over_bluetooth, "connected", signal.SIGTERM, marks=NEEDS_DAEMON),
        pytest.param(over_bluetooth, "reconnecting", signal.SIGINT, marks=NEEDS_DAEMON),
        (over_the_dongle, "scanning", signal.SIGTERM),
        (over_the_dongle, "connected", signal.SIGINT),
        (over_the_dongle, "reconnecting", signal.SIGTERM),
    ],
    ids=lambda value: getattr(value, "__name__", None) or str(getattr(value, "name", value)),
)
async def test_a_signal_ends_it_cleanly(
    transport: Any, when: str, number: signal.Signals, bus: str, console: Console, tmp_path: Path, tiny_window: Path
) -> None:
    """Exit code 0, the stream off, the link closed, no scan left on, the file whole."""
    console.environment["DBUS_SYSTEM_BUS_ADDRESS"] = bus
    async with transport() as device:
        running = await asyncio.to_thread(console.serve, device.uri, "--model", tiny_window, "--record", "all.mcap")
        await until(device.scans)
        if when != "scanning":
            await device.show()
            await until_status(running, lambda status: status["state"] == "live" and status["rate_hz"] > 100)
            assert (await device.left())["streams"]
        if when == "reconnecting":
            await device.hide()
            device.away = True
            await until_status(running, lambda status: status["state"] == "reconnecting")
        start = now()
        assert await asyncio.to_thread(running.stop, number) == 0
        report(f"{transport.__name__}, {when}, {number.name}: ended after {now() - start:.2f} s")
        await until(device.freed)
        assert "Traceback" not in running.stderr()
    if when != "scanning":
        assert len(read_session(tmp_path / "all.mcap")) > 20
