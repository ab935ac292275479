"""Names of recordings, and whether a file can be created under one."""

from __future__ import annotations

import os
import re
from datetime import datetime
from pathlib import Path
from typing import Final

from service.recording.errors import RecordingError, RecordingExists, RecordingNameError

SUFFIX: Final = ".mcap"
CONVERTIBLE: Final = (".csv.gz", ".csv", ".npz", ".xdf", ".edf", ".bdf")
"""How names end that `myocast convert` can write."""
NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
"""Names that a client may give a recording."""


_RESERVED: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")
"""Names that Windows keeps for devices, whatever follows a point
(https://learn.microsoft.com/windows/win32/fileio/naming-a-file). They are refused everywhere, for files travel."""


def is_reserved(name: str) -> bool:
    """Whether Windows keeps a name for a device."""
    return _RESERVED.fullmatch(name) is not None


def new_name(name: str | None) -> str:
    """Check the name of a recording; return the date and time if there is none.

    Raises:
        RecordingNameError: it is not a plain file name.
    """
    return datetime.now().strftime("%Y-%m-%d_%H-%M-%S") if name is None else check_name(name)


def check_name(name: str) -> str:
    """Return the name of a recording.

    Raises:
        RecordingNameError: it is not a plain file name.
    """
    if not NAME.fullmatch(name):
        raise RecordingNameError(
            f"recording name {name!r}: expected letters, digits, `.`, `_`, `-` (64 at most), e.g. session-1"
        )
    if is_reserved(name):
        raise RecordingNameError(f"recording name {name!r}: Windows keeps it for a device; choose another")
    return name


def check_place(path: Path) -> None:
    """Check that a file could be created here, without creating it.

    Raises:
        RecordingNameError: its name says another format.
        RecordingExists: the file exists.
        RecordingError: it could not be created.
    """
    check_suffix(path)
    check_new(path)
    folder = next(parent for parent in path.absolute().parents if exists(parent))
    if not folder.is_dir():
        raise RecordingError(f"{path}: cannot be written ({folder} is not a folder); choose another place")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise RecordingError(f"{path}: cannot be written (no permission to write in {folder}); choose another place")


def check_suffix(path: Path) -> None:
    """Check that the name of a recording does not say another format than MCAP.

    Raises:
        RecordingNameError: it does.
    """
    if path.suffix.lower() in ("", SUFFIX):
        return
    ending = next((one for one in CONVERTIBLE if path.name.lower().endswith(one)), path.suffix)
    recorded = path.with_name(path.name[: -len(ending)] + SUFFIX)
    raise RecordingNameError(
        f"{path}: a recording is MCAP, and its name ends in {SUFFIX}; record {recorded}, "
        f"then `myocast convert {recorded} {path}`"
        if ending in CONVERTIBLE
        else f"{path}: a recording is MCAP, and its name ends in {SUFFIX}; name it {recorded}"
    )


def check_new(path: Path) -> None:
    """Check that no such file exists.

    Raises:
        RecordingExists: it exists.
        RecordingError: the system refuses to look.
    """
    if exists(path):
        raise RecordingExists(f"{path} exists already; recordings are never overwritten, choose another name")


def exists(path: Path) -> bool:
    """Return whether a file exists.

    Raises:
        RecordingError: the system refuses to look.
    """
    try:
        return path.exists()
    except OSError as error:
        raise cannot_write(path, error) from None


def cannot_write(path: Path, error: OSError) -> RecordingError:
    """Return the error for a path that the system refuses."""
    return RecordingError(f"{path}: cannot be written ({error.strerror}); choose another place")


def recording_name(path: Path) -> str:
    """Return the name of the recording in a file."""
    return path.name.removesuffix(".mcap")
