"""Addresses of a broker and subjects of an armband: `nats://[USER:PASSWORD@]HOST[:PORT][/DEVICE]`.

Subjects are `myocast.<device>.emg|imu|pose|status|hello`; a device's name is one word of letters, digits, `-` and `_`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote, urlsplit

from drivers.errors import DriverError

DEFAULT_PORT: Final = 4222
ANY: Final = "*"
"""In place of a device's name: any armband that nobody else of the group serves."""
STREAM: Final = "MYOCAST"
"""Name of the JetStream stream that keeps EMG and inertial samples."""
KEPT: Final = ("myocast.*.emg", "myocast.*.imu")
"""Subjects that it keeps."""
OFFERS: Final = "myocast.work"
"""Subject on which an armband's gateway asks for somebody to serve its hand."""
EXPECTED: Final = "nats://HOST[:PORT]/DEVICE"
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True, slots=True)
class NatsAddress:
    """Where a broker is, and the armband that is meant."""

    host: str
    port: int
    device: str
    """Name of the armband; empty where none is given."""
    user: str | None = None
    password: str | None = None
    """With `user`; a user without one is a token."""

    @property
    def server(self) -> str:
        """Address of the broker, without what identifies us."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"nats://{host}:{self.port}"

    @property
    def shown(self) -> str:
        """The whole address, without what identifies us."""
        return f"{self.server}/{self.device}" if self.device else self.server


def subject(device: str, kind: str) -> str:
    """Subject of one kind of message of an armband."""
    return f"myocast.{device}.{kind}"


def is_name(text: str) -> bool:
    """Return whether an armband can be called so."""
    return _NAME.fullmatch(text) is not None


def parse_address(text: str, expected: str = EXPECTED) -> NatsAddress:
    """Read an address.

    Raises:
        DriverError: no host, a port that is none, or a name with other characters.
    """
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port or DEFAULT_PORT
    except ValueError:
        host, port = None, DEFAULT_PORT
    device = parts.path.strip("/") if host else ""
    hidden = without_user(text)
    if not host or parts.scheme != "nats":
        raise DriverError(f"{hidden!r} names no broker; expected {expected}")
    if device and device != ANY and not is_name(device):
        raise DriverError(f"{hidden!r}: a device's name is one word of letters, digits, - and _; expected {expected}")
    user = None if parts.username is None else unquote(parts.username)
    return NatsAddress(host, port, device, user, None if parts.password is None else unquote(parts.password))


def without_user(text: str) -> str:
    """The text of an address without user and password, as it can be shown, logged and sent."""
    return re.sub(r"//[^/@]*@", "//", text, count=1)
