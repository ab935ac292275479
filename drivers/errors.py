"""What goes wrong with a source."""

from __future__ import annotations

from models.errors import MyocastError


class DriverError(MyocastError):
    """A source that cannot be used as asked (wrong address, port busy, no permission, bad file)."""


class DeviceLost(DriverError):
    """The link to a device went away; making it again may help."""

    exit_code = 1
