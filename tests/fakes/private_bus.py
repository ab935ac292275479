"""A D-Bus daemon of our own, on which unmodified bleak meets a fake bluetoothd."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

NEEDS_DAEMON: Final = [
    pytest.mark.peer,
    pytest.mark.skipif(shutil.which("dbus-daemon") is None, reason="needs dbus-daemon"),
]


@contextmanager
def dbus_daemon(folder: Path) -> Iterator[str]:
    """Its address, for `DBUS_SYSTEM_BUS_ADDRESS`."""
    address = f"unix:path={folder}/bus"
    daemon = subprocess.Popen(
        [
            "dbus-daemon",
            "--session",
            "--nofork",
            "--nosyslog",
            "--print-address=1",
            f"--address={address}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert daemon.stdout is not None
    try:
        yield daemon.stdout.readline().decode().strip()
    finally:
        daemon.kill()
        daemon.wait()
        daemon.stdout.close()


async def close_bleak() -> None:
    """Close the connection that bleak keeps for this loop."""
    from bleak.backends.bluezdbus import manager

    instance = manager._global_instances.pop(asyncio.get_running_loop(), None)
    bus = instance._bus if instance else None
    if bus is not None:
        bus.disconnect()
        await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]
