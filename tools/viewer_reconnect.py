"""Measure how soon the viewer shows poses again after its server was restarted.

Run: .venv/bin/python -m tools.viewer_reconnect [OUTAGE_S …]

Stops a server and starts it again on the same port. Prints the time from the moment at which the port accepts
connections again to the next pose that the page in Chromium has drawn; 1 if one is above the limit.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.chromium import chromium
from tests.support.console import Console, Server

if TYPE_CHECKING:
    from playwright.sync_api import Page

REPOSITORY: Final = Path(__file__).resolve().parents[1]
OUTAGES_S: Final = (10.0, 10.0, 10.0)
LIMIT_S: Final = 2.0


def measure(page: Page, console: Console, server: Server, outage_s: float) -> tuple[Server, float]:
    """Restart the server after an outage; returns the new one, and the seconds until the next pose was drawn."""
    page.wait_for_function("() => window.myocast?.phase === 'open' && myocast.pose")
    server.stop()
    page.wait_for_function("() => myocast.phase !== 'open'")
    threading.Event().wait(outage_s)
    again = Server(console.start("serve", "demo:", "--port", server.port))
    returned = time.perf_counter()
    drawn, received = page.evaluate("() => [myocast.frames, myocast.received]")
    page.wait_for_function(
        f"() => myocast.phase === 'open' && myocast.received > {received} && myocast.frames > {drawn}", polling=20
    )
    return again, time.perf_counter() - returned


def main(outages_s: list[float]) -> int:
    """Print every time; 1 if one is above the limit."""
    times = []
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        console = Console(REPOSITORY, Path(folder))
        server = console.serve("demo:")
        page = browser.new_page(viewport={"width": 800, "height": 500})
        page.goto(server.url)
        for outage_s in outages_s:
            server, seconds = measure(page, console, server, outage_s)
            times.append(seconds)
            print(f"outage of {outage_s:g} s: next pose drawn {seconds:.2f} s after the server was back")
        page.close()
        console.close()
    print(f"limit {LIMIT_S:g} s: {'met' if max(times) < LIMIT_S else 'missed'}")
    return int(max(times) >= LIMIT_S)


if __name__ == "__main__":
    sys.exit(main([float(text) for text in sys.argv[1:]] or list(OUTAGES_S)))
