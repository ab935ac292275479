"""Advice that works as it is typed."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Final

NAME: Final = "myocast"


def as_typed(message: str) -> str:
    """Name this program in advice by its path where the shell does not find it by its name."""
    program, found = Path(sys.argv[0]), shutil.which(NAME)
    if program.stem != NAME or (found is not None and program.exists() and program.samefile(found)):
        return message
    return message.replace(f"`{NAME} ", f"`{program} ")
