"""What can go wrong when a network is exported."""

from __future__ import annotations

from models.errors import MyocastError


class ExportError(MyocastError):
    """The exported graph is not as docs/protocol.md#graph says."""

    exit_code = 1
