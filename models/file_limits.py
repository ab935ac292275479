"""What a model file may ask for; whoever made it need not be trusted (docs/limits.md)."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Final

from models.spec import ModelError

MAX_FILE: Final = 128 << 20
"""Bytes of a model file."""
MAX_FIELDS: Final = 2_000_000
"""Fields in its protobuf messages, nodes and tensors among them; so many are read in seconds."""
MAX_STATE: Final = 1 << 20
"""Values of one state of a streaming model."""
MAX_STATES: Final = 256
"""States of a streaming model."""
MAX_MEMORY: Final = 256 << 20
"""Bytes that the models of a process may take for what they compute."""
MAX_TRIAL_MEMORY: Final = 768 << 20
"""Bytes of data that the process may take in which an unknown model is tried."""
TRIAL_S: Final = 20.0
"""Seconds that an unknown model has to be loaded and run once."""


def read_model_file(path: Path) -> bytes:
    """The bytes of a model file.

    Raises:
        ModelError: there is none, it is no plain file, or a larger one than `MAX_FILE`.
    """
    try:
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(f"{path}: not a file; expected a model made by `myocast export`")
        with path.open("rb") as file:
            data = file.read(MAX_FILE + 1)
    except FileNotFoundError:
        raise ModelError(f"{path}: no such file; expected a model made by `myocast export`") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not a file name"
        raise ModelError(f"{path}: cannot be read ({reason}); expected a model file") from None
    if len(data) > MAX_FILE:
        raise ModelError(f"{path}: larger than {MAX_FILE >> 20} MB; expected a model made by `myocast export`")
    return data
