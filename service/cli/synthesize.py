"""`myocast synthesize`: sessions of synthetic people, with the true pose in every file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from drivers.sessions import SessionError, write_session
from drivers.sessions.save import check_target
from models.forward.generator import MODES, session
from models.forward.variants import VARIANTS
from service.cli.progress import progress_bar


def command(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="A folder for the sessions; it is made if need be.")],
    users: Annotated[int, typer.Option(metavar="N", min=1, max=100_000, help="How many people.")] = 4,
    sessions: Annotated[
        int, typer.Option(metavar="N", min=1, max=1000, help="Sessions of each; every one a new donning.")
    ] = 2,
    seconds: Annotated[float, typer.Option(metavar="N", min=1.0, max=86_400.0, help="Length of a session.")] = 120.0,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Other seeds are other people.")] = 1,
    rate: Annotated[float | None, typer.Option(metavar="HZ", min=50.0, max=1000.0, help="Samples a second.")] = None,
    mode: Annotated[str, typer.Option(metavar="MODE", help="raw, filtered or envelope (50 Hz).")] = "raw",
    variant: Annotated[str, typer.Option(metavar="A|B", help="The generator, or the one to test shifts on.")] = "A",
) -> None:
    """Write synthetic sessions: EMG at 200 Hz, the hand's true pose at 50 Hz, user and donning in the metadata.

    The same arguments give the same files. Nothing is overwritten.
    """
    _check(mode, rate, variant)
    files = _files(folder, users, sessions)
    with progress_bar("sessions", len(files)) as advance:
        for (user, number), file in files.items():
            made = session(user, number, seconds, seed=seed, rate_hz=rate or 200.0, emg_mode=mode, variant=variant)
            write_session(file, made)
            advance()
    typer.echo(f"{folder}: {len(files)} synthetic sessions of {seconds:g} s ({users} people, {sessions} each)")


def _check(mode: str, rate: float | None, variant: str) -> None:
    for option, value, known in (("--mode", mode, MODES), ("--variant", variant, tuple(VARIANTS))):
        if value not in known:
            raise typer.BadParameter(f"{option} {value}: expected one of {', '.join(known)}")
    if mode == "envelope" and rate not in (None, 50.0):
        raise typer.BadParameter(f"--rate {rate:g}: mode envelope always has 50 Hz; leave --rate out")


def _files(folder: Path, users: int, sessions: int) -> dict[tuple[int, int], Path]:
    """Where each session goes, none of them there yet, so that nothing is found out half-way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SessionError(f"{folder}: no folder can be made there ({error.strerror}); choose another") from None
    pairs = [(user, number) for user in range(users) for number in range(sessions)]
    files = {(user, number): folder / f"user{user:03d}-session{number}.mcap" for user, number in pairs}
    for file in files.values():
        check_target(file)
    return files
