"""Logs on stderr, as text or as JSON. Query strings are never logged, because they may hold tokens."""

from __future__ import annotations

import json
import logging
import sys
from typing import Final

from models.errors import MyocastError

FORMATS: Final = ("text", "json")


class LogFormatError(MyocastError):
    """An unknown --log-format."""


class _JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry = {
            "t": round(record.created, 3),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def configure(log_format: str) -> None:
    """Send logs to stderr.

    Raises:
        LogFormatError: neither `text` nor `json`.
    """
    if log_format not in FORMATS:
        raise LogFormatError(f"--log-format {log_format}: expected text or json")
    handler = logging.StreamHandler(sys.stderr)
    text = logging.Formatter("%(asctime)s %(levelname)s %(message)s", "%H:%M:%S")
    handler.setFormatter(_JsonFormatter() if log_format == "json" else text)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("myocast").setLevel(logging.INFO)
