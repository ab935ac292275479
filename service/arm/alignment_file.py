"""An alignment in a JSON file: as `GET /api/v1/alignment` gives it, or its result alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import MyocastError
from models.hand import CHANNELS
from service.arm.alignment import AlignmentResult, given
from service.engine.predictor import AS_IN_FILE, Fitted


class AlignmentFileError(MyocastError):
    """A file that holds no alignment."""


def read_alignment(path: Path) -> AlignmentResult:
    """Read the result of an alignment.

    Raises:
        AlignmentFileError: it cannot be read, or holds no matrix.
    """
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise AlignmentFileError(
            f"{path}: cannot be read ({error.strerror}); give the answer of `GET /api/v1/alignment`"
        ) from None
    except ValueError:
        raise AlignmentFileError(f"{path}: not JSON; give the answer of `GET /api/v1/alignment`") from None
    inside = value.get("result", value) if isinstance(value, dict) else None
    return _result(inside if isinstance(inside, dict) else {}, path)


def aligned_by(result: AlignmentResult | None) -> Fitted:
    """What a device starts with that is aligned so."""
    if result is None:
        return AS_IN_FILE
    return Fitted(np.array(result["matrix"], np.float32).reshape(CHANNELS, CHANNELS), gain=result["gain"])


def _result(value: dict[str, Any], path: Path) -> AlignmentResult:
    try:
        matrix = np.array(value.get("matrix"), np.float32).reshape(CHANNELS, CHANNELS)
    except (TypeError, ValueError):
        matrix = np.full((CHANNELS, CHANNELS), np.nan, np.float32)
    if not np.isfinite(matrix).all():
        raise AlignmentFileError(
            f"{path}: no `matrix` of {CHANNELS * CHANNELS} numbers; give the answer of `GET /api/v1/alignment`"
        )
    result = given(matrix)
    for key in ("turn_channels", "turn_deg", "mirrored", "score", "gains"):
        result[key] = value.get(key)
    gain = value.get("gain")
    if isinstance(gain, int | float) and not isinstance(gain, bool) and 0 < gain < float("inf"):
        result["gain"] = float(gain)
    return result
