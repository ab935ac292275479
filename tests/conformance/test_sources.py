"""The contract of a source (`drivers/source.py`), held by every scheme that a URI can have.

A new source gets a line in `RIGS`: how what it reads is set up, and how that goes away and comes back. It is made from
its URI, as for a user.
"""

from __future__ import annotations

import asyncio
import shutil
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import pytest_asyncio

from drivers.clock import now
from drivers.emulation.dongle import EmulatedDongle
from drivers.emulation.myo import EmulatedMyo
from drivers.emulation.pseudo_terminal import PseudoTerminal
from drivers.errors import DeviceLost, DriverError
from drivers.events import Frame, SourceInfo
from drivers.source import Source, SupportsPresence
from drivers.uri import SCHEMES, source_from_uri
from tests.fakes.bluez import FakeBluez
from tests.fakes.boards import ChordsFirmware, CytonBoard, TextBoard, text_lines
from tests.fakes.hardware import PATIENCE_S, EventCollector, running
from tests.fakes.network_boards import TcpBoard, UdpBoard
from tests.fakes.private_bus import NEEDS_DAEMON, close_bleak, dbus_daemon
from tests.support.signals import made_up

EMG: Final = made_up(20_000).emg
LINES: Final = text_lines(EMG)
MYO: Final = {"address": "C6:05:04:03:02:01"}
GFORCE: Final = {"address": "E6:05:04:03:02:01", "name": "gForcePro+", "gforce": {}}

Act = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Rig:
    """What a source reads."""

    uri: str
    go: Act | None = None
    """Makes it go away, so that a run ends by itself; None: that cannot be, or nothing tells."""
    come: Act | None = None


class Plug:
    """A port whose name stays while what is plugged into it comes and goes."""

    def __init__(self, stack: AsyncExitStack, folder: Path, make: Callable[[], Any]) -> None:
        self.path = folder / "port"
        self._stack, self._make = stack, make
        self._plugged: Any = None

    async def come(self) -> None:
        self._plugged = await self._stack.enter_async_context(self._make())
        self.path.symlink_to(self._plugged.path)

    async def go(self) -> None:
        self.path.unlink()
        self._plugged.unplug()


async def on_port(scheme: str, make: Callable[[], Any], stack: AsyncExitStack, folder: Path) -> Rig:
    plug = Plug(stack, folder, make)
    await plug.come()
    target, _, query = scheme.partition("?")
    return Rig(f"{target}:{plug.path}" + (f"?{query}" if query else ""), plug.go, plug.come)


async def over_bluetooth(scheme: str, device: dict[str, Any], stack: AsyncExitStack, _: Path) -> Rig:
    bluez = await stack.enter_async_context(FakeBluez(device))
    return Rig(f"{scheme}:{device['address']}", partial(bluez.do, "hide"), partial(bluez.do, "show"))


async def over_tcp(stack: AsyncExitStack, _: Path) -> Rig:
    board = await stack.enter_async_context(TcpBoard(LINES, 200.0, now, 1.0))
    return Rig(f"tcp://127.0.0.1:{board.port}?rate=200", board.switch_off, board.switch_on)


async def over_udp(stack: AsyncExitStack, _: Path) -> Rig:
    board = await stack.enter_async_context(UdpBoard(LINES, 200.0, now, 1.0))
    return Rig(f"udp://127.0.0.1:{board.port}?rate=200")


async def on_lsl(stack: AsyncExitStack, _: Path) -> Rig:
    lsl = pytest.importorskip("pylsl")
    name = f"conformance-{uuid.uuid4()}"
    outlet = lsl.StreamOutlet(lsl.StreamInfo(name, "EMG", 8, 200.0, lsl.cf_float32, name))

    async def push() -> None:
        for row in EMG.tolist():
            outlet.push_sample(row)
            await asyncio.sleep(0.005)

    task = asyncio.create_task(push())
    stack.callback(task.cancel)
    return Rig(f"lsl:{name}")


async def from_file(stack: AsyncExitStack, folder: Path) -> Rig:
    file = folder / "emg.csv"
    file.write_bytes(b"ch1,ch2,ch3,ch4,ch5,ch6,ch7,ch8\n" + b"".join(LINES[:4000]))
    return Rig(f"replay:{file}?rate=200")


async def library(scheme: str, stack: AsyncExitStack, _: Path) -> Rig:
    pytest.importorskip(scheme)
    return Rig(f"{scheme}:-1?other_info=conformance")


async def made(uri: str, stack: AsyncExitStack, _: Path) -> Rig:
    return Rig(uri)


RIGS: Final[dict[str, Callable[[AsyncExitStack, Path], Awaitable[Rig]]]] = {
    "demo": partial(made, "demo:"),
    "replay": from_file,
    "synthetic": partial(made, "synthetic:"),
    "myo": partial(over_bluetooth, "myo", MYO),
    "gforce": partial(over_bluetooth, "gforce", GFORCE),
    "dongle": partial(on_port, "dongle", lambda: PseudoTerminal(EmulatedDongle(EmulatedMyo(made_up())))),
    "cyton": partial(on_port, "cyton", lambda: CytonBoard(EMG, now, 1.0)),
    "chords": partial(on_port, "chords", lambda: ChordsFirmware(EMG, now, 1.0)),
    "serial": partial(on_port, "serial?rate=200", lambda: TextBoard(LINES, 200.0, now, 1.0)),
    "tcp": over_tcp,
    "udp": over_udp,
    "lsl": on_lsl,
    "brainflow": partial(library, "brainflow"),
    "mindrove": partial(library, "mindrove"),
}
RADIO: Final = ("myo", "gforce")
ELSEWHERE: Final = {"nats"}
"""Its samples are another Myocast's, kept by a broker: `tests/integration/nats`."""


@pytest_asyncio.fixture
async def bus(
    scheme: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[None]:
    """A bus for those that need one; where there is no daemon, they are skipped."""
    if scheme not in RADIO or shutil.which("dbus-daemon") is None:
        yield
        return
    with dbus_daemon(tmp_path_factory.mktemp("dbus")) as address:
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        yield
        await close_bleak()


def test_every_scheme_has_a_rig() -> None:
    assert set(RIGS) | ELSEWHERE == set(SCHEMES)


@pytest.mark.parametrize(
    "scheme", [pytest.param(scheme, marks=NEEDS_DAEMON if scheme in RADIO else ()) for scheme in RIGS]
)
async def test_a_source_keeps_the_contract(scheme: str, bus: None, tmp_path: Path) -> None:
    """It streams, stops when cancelled, goes on in another run, tells of a loss, and of what is there again."""
    async with AsyncExitStack() as stack:
        rig = await RIGS[scheme](stack, tmp_path)
        source = source_from_uri(rig.uri)
        collector = EventCollector()
        async with running(source, collector):
            await collector.until_samples(40)
        assert source.info.uri == rig.uri
        stopped = collector.samples
        await asyncio.sleep(0)
        assert collector.samples == stopped, "nothing is emitted after a run"
        async with running(source, collector) as run:
            await collector.until_samples(stopped + 20)
            if rig.go is not None:
                await rig.go()
                assert isinstance(await run.ended(), DeviceLost)
        if rig.come is not None:
            await there_again(source, rig.come)
            before = collector.samples
            async with running(source, collector):
                await collector.until_samples(before + 20)
    check(collector, source, runs=3 if rig.come else 2)


async def there_again(source: Source, come: Act) -> None:
    assert isinstance(source, SupportsPresence)
    watch = asyncio.ensure_future(source.reachable())
    await asyncio.sleep(0)
    assert not watch.done(), "it is away"
    await come()
    await asyncio.wait_for(watch, PATIENCE_S)


def check(collector: EventCollector, source: Source, runs: int) -> None:
    frames = collector.of(Frame)
    assert isinstance(collector.events[0], SourceInfo), "it says first what it is"
    first_frame = collector.events.index(frames[0])
    assert any(isinstance(event, SourceInfo) and event.rate_hz > 0 for event in collector.events[:first_frame])
    assert source.info.channels == 8
    for frame in frames:
        assert frame.samples.dtype == np.float32
        assert frame.samples.ndim == 2
        assert frame.samples.shape[1] == 8
        assert len(frame.samples)
        assert np.isfinite(frame.samples).all()
        assert frame.arrival <= now() + 1e-3
    assert (np.diff(collector.index) > 0).all(), "an index is given once, and never goes back"
    t = [frame.t for frame in frames]
    assert t == sorted(t)
    for before, after in pairwise(frames):
        assert after.gap or after.first_sample == before.first_sample + len(before.samples), "a loss is a gap"
    assert not frames[0].gap
    # A replay goes on where it was.
    assert sum(frame.gap for frame in frames) >= (runs - 1) * (source.info.nature != "replay"), "so is another run"


@pytest.mark.parametrize(
    "uri",
    [
        "demo:",
        "replay:x.csv",
        "synthetic:",
        "myo:",
        "gforce:",
        "dongle:",
        "cyton:/dev/x",
        "chords:/dev/x",
        "serial:/dev/x",
        "tcp://x:1",
        "udp://:1",
        "lsl:x",
        "brainflow:-1",
        "mindrove:",
    ],
)
@pytest.mark.parametrize("option", ["nonsense=1", "channels=1-7", "channels=1,1,2-7", "gain=-1", "hand=both"])
def test_a_wrong_option_is_one_line_for_a_person(uri: str, option: str) -> None:
    with pytest.raises(DriverError) as caught:
        source_from_uri(f"{uri}?{option}")
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2
