"""Libraries that read and write the formats of other programs: the extra `formats`."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from drivers.sessions.report import SessionError
from models.installation import install_command

EXTRA = "formats"


def library(module: str, subject: str) -> ModuleType:
    """Import a library of the extra.

    It is imported by its name, so that nothing that serves depends on it.

    Args:
        module: its name.
        subject: file and format, the beginning of the message.

    Raises:
        SessionError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise SessionError(
            f"{subject} needs the package `{error.name}`, which is not installed; run: {install_command(EXTRA)}"
        ) from None
