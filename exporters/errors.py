"""What can go wrong when a network is exported."""

from __future__ import annotations

from models.errors import MyocastError


class ExportError(MyocastError):
    """The exported graph is not what the contract asks for."""

    exit_code = 1
