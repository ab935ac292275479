"""What can go wrong when a network is exported."""

from __future__ import annotations

from models.errors import MyocastError


class ExportError(MyocastError):
    """The exported graph does not conform to docs/protocol.md#graph."""

    exit_code = 1
