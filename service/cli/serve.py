"""`myocast serve`: from a source to clients, until stopped."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import threading
import webbrowser
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Final

import typer

from drivers.uri import source_from_uri
from models.errors import MyocastError
from service.cli.arguments import source_uri
from service.cli.signals import stopping_at_once
from service.devices.hold import DEFAULT_HOLD_S, parse_hold
from service.engine.model_selection import ModelSelector
from service.engine.output_stage import Smoothing
from service.event_loop import loop_factory
from service.limits import with_options
from service.logs import configure
from service.loopback import is_loopback
from service.run import READY, run
from service.settings import ServiceConfig
from service.web import tls
from service.web.access import AccessPolicy, check_length, is_origin

log = logging.getLogger("myocast")

STOP_S: Final = 20.0
"""Seconds that everything gets to end after SIGTERM."""

Sources = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="[SOURCE]...",
        help="The file of a recording, or demo:, synthetic:, myo:, dongle:, gforce:, cyton:PORT, chords:PORT, "
        "serial:PORT, tcp://HOST:PORT, udp://:PORT, lsl:NAME, brainflow:BOARD, mindrove:, "
        "nats://HOST/NAME, replay:FILE?speed=2.",
        show_default="demo:",
    ),
]
Model = Annotated[
    Path | None,
    typer.Option(metavar="FILE", envvar="MYOCAST_MODEL", help="A model file, or none; else the shipped one that fits."),
]
Host = Annotated[str, typer.Option(metavar="ADDRESS", help="Address to listen on; beyond loopback with a token.")]
Port = Annotated[
    int,
    typer.Option(
        metavar="PORT", envvar="MYOCAST_PORT", min=0, max=65535, help="Port to listen on; 0 takes a free one."
    ),
]
Hop = Annotated[int | None, typer.Option(metavar="N", min=1, help="Samples between poses; else as the model says.")]
Smooth = Annotated[
    str,
    typer.Option(
        metavar="auto|off|MINCUTOFF,BETA[,STAGES]",
        envvar="MYOCAST_SMOOTH",
        help="The filter behind the model: as its file recommends, none, or a One Euro filter (7,0.01,3).",
    ),
]
Hold = Annotated[
    str,
    typer.Option(
        metavar="SECONDS|off",
        envvar="MYOCAST_HOLD",
        help="When the signal is lost: repeat the last pose so long before the hand goes to rest; off sends nothing.",
    ),
]
Record = Annotated[Path | None, typer.Option(metavar="FILE", help="Record everything into this file.")]
Recordings = Annotated[
    Path,
    typer.Option(
        metavar="DIR", envvar="MYOCAST_RECORDINGS", help="Folder for recordings started by the viewer or a program."
    ),
]
Align = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Start aligned as this JSON file says, for the first armband.")
]
Models = Annotated[
    Path,
    typer.Option(
        metavar="DIR", envvar="MYOCAST_MODELS", help="Folder of models to choose from and to keep personal ones in."
    ),
]
Token = Annotated[
    str | None, typer.Option(metavar="TOKEN", envvar="MYOCAST_TOKEN", help="Clients must show this token.")
]
TokenFile = Annotated[Path | None, typer.Option(metavar="FILE", help="A file with the token in it.")]
WatchToken = Annotated[
    str | None, typer.Option(metavar="TOKEN", envvar="MYOCAST_WATCH_TOKEN", help="A token that allows to watch only.")
]
LabelToken = Annotated[
    str | None, typer.Option(metavar="TOKEN", envvar="MYOCAST_LABEL_TOKEN", help="One to watch and to send labels.")
]
Origin = Annotated[
    list[str] | None,
    typer.Option(
        metavar="URL",
        help="Pages from here may connect; also `localhost` (any port of this machine), `null`, `*`. Repeatable.",
    ),
]
Leap = Annotated[
    int | None,
    typer.Option(metavar="PORT", min=0, max=65535, help="Leap Motion's protocol for old web apps; theirs is 6437."),
]
Udp = Annotated[str | None, typer.Option(metavar="HOST:PORT", help="Poses as UDP JSON, e.g. 127.0.0.1:4243.")]
Publish = Annotated[
    str | None,
    typer.Option(metavar="nats://HOST", help="EMG and poses to a NATS broker, for other machines (needs [nats])."),
]
Lsl = Annotated[bool, typer.Option("--lsl", help="Lab Streaming Layer outlets (needs the [lsl] extra).")]
TlsCert = Annotated[Path | None, typer.Option(metavar="FILE", help="Serve https: a certificate with its chain, PEM.")]
TlsKey = Annotated[Path | None, typer.Option(metavar="FILE", help="Its key, PEM; without it in the same file.")]
TlsSelfSigned = Annotated[
    bool, typer.Option("--tls-self-signed", help="Serve https with a certificate made here; prints its fingerprint.")
]
Limit = Annotated[
    list[str] | None, typer.Option(metavar="NAME=VALUE", help="A limit, like clients=100 (docs/limits.md). Repeatable.")
]
Open = Annotated[bool, typer.Option("--open", help="Open the viewer in a browser once the server is ready.")]
LogFormat = Annotated[str, typer.Option(metavar="text|json", help="How logs on stderr look.")]


class UsageError(MyocastError):
    """Options that do not go together."""


def command(
    sources: Sources = None,
    model: Model = None,
    host: Host = "127.0.0.1",
    port: Port = 8765,
    hop: Hop = None,
    smooth: Smooth = "auto",
    hold: Hold = f"{DEFAULT_HOLD_S:g}",
    record: Record = None,
    recordings: Recordings = Path("recordings"),
    models: Models = Path("my-models"),
    align: Align = None,
    token: Token = None,
    token_file: TokenFile = None,
    watch_token: WatchToken = None,
    label_token: LabelToken = None,
    origin: Origin = None,
    leap: Leap = None,
    udp: Udp = None,
    publish: Publish = None,
    lsl: Lsl = False,
    tls_cert: TlsCert = None,
    tls_key: TlsKey = None,
    tls_self_signed: TlsSelfSigned = False,
    limit: Limit = None,
    open_viewer: Open = False,
    log_format: LogFormat = "text",
) -> None:
    """Serve poses from an armband, a recording or the built-in demo to browsers, Unity and other programs."""
    # Before there is a loop: a large file takes a while to read, and a signal need not wait for it.
    with stopping_at_once():
        configure(log_format)
        _check_origins(origin or ())
        if not host.strip():
            raise UsageError("--host is empty; give an address of this machine, such as 127.0.0.1 or 0.0.0.0")
        secret = _token(token, token_file)
        others = [_checked("--watch-token", watch_token), _checked("--label-token", label_token)]
        if secret is None and (not is_loopback(host) or any(others)):
            secret = secrets.token_urlsafe(16)
        given = [one for one in (secret, *others) if one is not None]
        if len(set(given)) < len(given):
            raise UsageError("two tokens are the same; give each its own, for they allow different things")
        config = ServiceConfig(
            sources=tuple(map(source_uri, sources or ["demo:"])),
            policy=AccessPolicy(host, tuple(origin or ()), secret, label_token=label_token, watch_token=watch_token),
            port=port,
            model=model,
            hop=hop,
            smoothing=Smoothing.parse(smooth),
            hold_s=parse_hold(hold),
            record=record,
            recordings=recordings,
            models=models,
            align=align,
            leap=leap,
            udp=udp,
            publish=publish,
            lsl=lsl,
            tls=_certificate(host, tls_cert, tls_key, self_signed=tls_self_signed),
            limits=with_options(limit or ()),
        )
        opened, model_selector = [source_from_uri(text) for text in config.sources], ModelSelector(model, prove=True)
    with _bounded_stop() as stopping, asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(
            run(
                config,
                partial(_announce, open_viewer),
                sources=opened,
                model_selector=model_selector,
                stopping=stopping,
            )
        )


@contextmanager
def _bounded_stop() -> Iterator[Callable[[], None]]:
    """Bound the time from calling what is yielded to the end of the block: then the process ends.

    Whatever a model, a disk or a driver does that does not come back.
    """

    def end() -> None:
        log.error("not everything had ended %g s after the stop; ending all the same", STOP_S)
        logging.shutdown()
        os._exit(1)

    timer = threading.Timer(STOP_S, end)
    timer.daemon = True
    try:
        yield timer.start
    finally:
        timer.cancel()


def _announce(open_viewer: bool, line: str) -> None:
    """Print one of the lines that say where the server is; open the viewer at the address of the first."""
    typer.echo(line)
    if line.startswith(READY):
        address = line.removeprefix(READY)
        log.info("messages and HTTP API are described at %sdocs", address.partition("#")[0])
        if open_viewer:
            asyncio.get_running_loop().run_in_executor(None, _open, address)


def _open(address: str) -> None:
    """Open a browser; a text browser keeps this thread until it is left."""
    if not webbrowser.open(address):
        log.warning("no browser could be opened; open %s yourself", address)


def _check_origins(origins: Iterable[str]) -> None:
    for origin in origins:
        if not is_origin(origin):
            raise UsageError(
                f"--origin {origin!r}: expected the beginning of an address, like https://example.org, or localhost "
                "(this machine at any port), or null (pages opened from a file), or *"
            )


def _token(token: str | None, token_file: Path | None) -> str | None:
    if token is not None and token_file is not None:
        raise UsageError("--token (or MYOCAST_TOKEN) and --token-file were both given; give one of them")
    if token_file is not None:
        try:
            token = token_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            raise UsageError(f"--token-file {token_file}: cannot be read ({why}); give a file with the token") from None
    return _checked("--token-file" if token_file is not None else "--token", token)


def _certificate(host: str, cert: Path | None, key: Path | None, *, self_signed: bool) -> tls.Certificate | None:
    if self_signed and (cert is not None or key is not None):
        raise UsageError("--tls-self-signed and --tls-cert were both given; give one of them")
    if key is not None and cert is None:
        raise UsageError("--tls-key without --tls-cert; give both")
    if self_signed:
        return tls.self_signed(host)
    return None if cert is None else tls.load(cert, key)


def _checked(option: str, token: str | None) -> str | None:
    try:
        return None if token is None else check_length(token)
    except MyocastError as error:
        raise UsageError(f"{option}: {error}") from None
