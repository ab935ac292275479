"""Read and write session files (docs/protocol.md#the-session-file)."""

from drivers.sessions.mcap.writer import SessionWriter
from drivers.sessions.read_config import LabelsConfig
from drivers.sessions.reader import read_session
from drivers.sessions.report import SessionError, SessionExists, SessionWriteError
from drivers.sessions.save import write_session

__all__ = [
    "LabelsConfig",
    "SessionError",
    "SessionExists",
    "SessionWriteError",
    "SessionWriter",
    "read_session",
    "write_session",
]
