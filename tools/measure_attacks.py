"""Attack a server of one's own for longer than the tests do, and tell what a healthy client beside it got.

Run: .venv/bin/python tools/measure_attacks.py [--seconds 20] [ATTACK]…

Prints a table: poses that the healthy client got, the longest wait between two, windows skipped, the server's memory
before and after, and its share of a processor.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import psutil

ROOT: Final = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from websockets.asyncio.client import connect  # noqa: E402

from tests.support.attack import MB, Raw, frame, healthy, memory, text  # noqa: E402
from tests.support.console import Console, Server  # noqa: E402

Attack = Callable[[Server, float], Awaitable[None]]


async def _flood(server: Server, seconds: float, data: bytes, *, sips: bool = False) -> None:
    """Connect, write without pause, and connect again whenever the server closes."""
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        raw = await Raw.open(server, buffer=4096)
        reading = asyncio.ensure_future(_sip(raw) if sips else raw.ended())
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(max(0.1, end - asyncio.get_running_loop().time())):
                while not raw.writer.is_closing():
                    raw.writer.write(data)
                    await raw.writer.drain()
                    await asyncio.sleep(0)
        reading.cancel()
        raw.close()


async def _sip(raw: Raw) -> None:
    with contextlib.suppress(ConnectionError):
        while await raw.reader.read(2048):  # noqa: ASYNC110 (slow on purpose)
            await asyncio.sleep(0.5)


async def pings(server: Server, seconds: float) -> None:
    """F1: pings without pause from one who hardly reads."""
    await _flood(server, seconds, frame(9, b"x" * 125) * 200, sips=True)


async def subscriptions(server: Server, seconds: float) -> None:
    """F2: subscriptions without pause."""
    await _flood(server, seconds, text({"type": "subscribe", "streams": ["pose", "emg"]}) * 200)


async def unfinished(server: Server, seconds: float) -> None:
    """F12: two hundred connections a second that never finish a header."""
    raws = []
    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        for _ in range(20):
            with contextlib.suppress(OSError):
                raw = await Raw.open(server, handshake=False)
                raw.writer.write(b"GET / HTTP/1.1\r\n")
                raws.append(raw)
        await asyncio.sleep(0.1)
    for raw in raws:
        raw.close()


async def rates(server: Server, seconds: float) -> None:
    """W4: two hundred clients of as many rates."""

    async def client(rate: float) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(seconds), connect(f"{server.stream}?max_rate={rate:.3f}") as one:
                async for _ in one:
                    pass

    await asyncio.gather(*(client(5.0 + 0.25 * number) for number in range(200)))


async def storm(server: Server, seconds: float) -> None:
    """Clients that come and go, a hundred at a time."""

    async def one() -> None:
        with contextlib.suppress(OSError, TimeoutError):
            async with connect(server.stream, compression=None, open_timeout=30) as client:
                await client.recv()

    end = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < end:
        await asyncio.gather(*(one() for _ in range(100)))


ATTACKS: Final[dict[str, Attack]] = {
    "pings": pings,
    "subscriptions": subscriptions,
    "unfinished": unfinished,
    "rates": rates,
    "storm": storm,
}


async def measure(name: str, seconds: float, folder: Path) -> str:
    """One attack on a fresh server; a line of the table."""
    console = Console(ROOT, folder)
    try:
        server = console.serve("synthetic:")
        process = psutil.Process(server.process.pid)
        async with healthy(server) as client:
            before, used = memory(server), sum(process.cpu_times()[:2])
            await ATTACKS[name](server, seconds)
            after, busy = memory(server), sum(process.cpu_times()[:2]) - used
            share, wait, skipped = client.share, client.longest_wait_s, client.skipped
        code = server.stop()
    finally:
        console.close()
    return (
        f"{name:14} {100 * share:6.1f} % {1000 * wait:7.0f} ms {skipped:8} {before / MB:7.0f} -> {after / MB:.0f} MB "
        f"{100 * busy / seconds:5.0f} %   exit {code}"
    )


def main() -> None:
    """Measure the attacks that are named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("attacks", nargs="*", metavar="ATTACK", help=", ".join(ATTACKS))
    parser.add_argument("--seconds", type=float, default=20.0)
    wanted = parser.parse_args()
    unknown = [name for name in wanted.attacks if name not in ATTACKS]
    if unknown:
        parser.error(f"no attack {unknown[0]}; there are {', '.join(ATTACKS)}")
    print("attack          healthy   longest  skipped      memory           CPU")
    with tempfile.TemporaryDirectory() as folder:
        for name in wanted.attacks or ATTACKS:
            print(asyncio.run(measure(name, wanted.seconds, Path(folder))), flush=True)


if __name__ == "__main__":
    main()
