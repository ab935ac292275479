"""Errors of sources."""

from __future__ import annotations

from models.errors import MyocastError


class DriverError(MyocastError):
    """A source that cannot be used as given (wrong address, port busy, no permission, bad file)."""


class DeviceLost(DriverError):
    """The link to a device is lost; connecting again may succeed."""

    exit_code = 1


def connection_error(text: str, *, connected_before: bool) -> DriverError:
    """Make the error of a connection that fails: `DeviceLost`, and so another try, if the device was there before."""
    return DeviceLost(text) if connected_before else DriverError(text)
