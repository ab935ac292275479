"""`myocast emulate`: a recorded session as a dongle with a Myo behind it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from pathlib import Path
from typing import Annotated

import typer

from drivers.emulation.dongle import EmulatedDongle, FaultConfig
from drivers.emulation.myo import EmulatedMyo
from drivers.myo.bgapi import pack_address, unpack_address
from drivers.sessions import read_session
from service.cli.arguments import session_file


def command(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            parser=session_file,
            help="A session of a Myo, 200 Hz raw or its 50 Hz envelope; or demo:",
        ),
    ],
    drop: Annotated[
        float, typer.Option(metavar="P", min=0.0, max=1.0, help="Lose a notification with this probability.")
    ] = 0.0,
    corrupt: Annotated[
        float, typer.Option(metavar="P", min=0.0, max=1.0, help="Damage a message on the wire with this probability.")
    ] = 0.0,
    disconnect_every: Annotated[
        float, typer.Option(metavar="S", min=0.0, help="Lose the link after so many seconds of connection; 0: never.")
    ] = 0.0,
    battery: Annotated[int, typer.Option(metavar="N", min=0, max=100, help="Battery, percent.")] = 87,
    name: Annotated[str, typer.Option(help="The armband's name; eight bytes are advertised.")] = "Myo",
    address: Annotated[str, typer.Option(help="The armband's address.")] = "C6:05:04:03:02:01",
    loop: Annotated[
        bool, typer.Option("--loop/--once", help="Play the session again at its end, or fall silent.")
    ] = True,
    seed: Annotated[int, typer.Option(metavar="N", help="Seed of the faults.")] = 0,
) -> None:
    """Play a session as a BLED112 dongle with a Myo does, on a pseudo-terminal, for any program that speaks to one.

    Prints the port on stdout; connect to it with `myocast serve dongle:PORT`. Linux and macOS.
    """

    try:
        known = unpack_address(pack_address(address))
    except ValueError:
        raise typer.BadParameter(
            f"{address!r}: expected six bytes, AA:BB:CC:DD:EE:FF", param_hint="--address"
        ) from None
    armband = EmulatedMyo(read_session(file), name=name, address=known, battery=battery, loop=loop)
    dongle = EmulatedDongle(armband, FaultConfig(drop, corrupt, disconnect_every, seed))
    with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
        asyncio.run(_serve(dongle))


async def _serve(dongle: EmulatedDongle) -> None:
    """Until SIGINT or SIGTERM."""
    from drivers.emulation.pseudo_terminal import PseudoTerminal

    stop = asyncio.Event()
    async with PseudoTerminal(dongle) as terminal:
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        typer.echo(terminal.path)
        armband = dongle.armband
        typer.echo(f"{armband.name} {armband.address} waits there: myocast serve dongle:{terminal.path}", err=True)
        await stop.wait()
    told = f"{dongle.sent} notifications sent, {dongle.dropped} dropped, {terminal.overrun} bytes not read in time"
    typer.echo(told, err=True)
