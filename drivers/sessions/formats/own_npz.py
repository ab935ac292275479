"""A whole recording as NumPy arrays (docs/protocol.md#npz): what `convert` writes into `.npz`, and reads again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

import numpy as np
import numpy.typing as npt
import orjson

from drivers.events import Battery, Notice
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import DERIVED, JsonObject, ReadReport, SessionError
from drivers.sessions.units import to_kept_unit
from models.hand import CHANNELS, VALUES, Side
from models.kinematics import ANGLES
from models.recording import Marker, Recording

MARK: Final = "myocast"
"""Name of the array that tells a whole recording: JSON as bytes."""
_SHAPES: Final[dict[str, tuple[int | None, ...]]] = {
    "emg": (None, CHANNELS),
    "t": (None,),
    "sample": (None,),
    "label_t": (None,),
    "joints": (None, VALUES),
    "angle_t": (None,),
    "angles": (None, len(ANGLES)),
    "classes": (None,),
    "frame_start": (None,),
    "arrival": (None,),
    "imu": (None, 11),
    "breaks": (None,),
}
"""Arrays that are fields of `Recording`, and the lengths of their axes (None: any)."""
_LIKE: Final = (
    ("t", "emg"),
    ("sample", "emg"),
    ("classes", "emg"),
    ("joints", "label_t"),
    ("angles", "angle_t"),
    ("arrival", "frame_start"),
)
"""Pairs of arrays of one length."""
_WHOLE: Final = ("sample", "classes", "frame_start", "breaks")
_NARROW: Final = ("emg", "joints", "angles")


def write_npz(file: BinaryIO, recording: Recording) -> None:
    """Write a recording, packed; everything that it holds."""
    arrays: dict[str, npt.NDArray[np.generic]] = {
        name: values for name in _SHAPES if (values := getattr(recording, name)) is not None
    }
    text = np.frombuffer(orjson.dumps(_about(recording)), dtype=np.uint8)
    np.savez_compressed(file, **cast(dict[str, Any], {**arrays, MARK: text}))


def _about(recording: Recording) -> JsonObject:
    events: list[JsonObject] = []
    for event in recording.meta.get("events", ()):
        match event:
            case Battery():
                events.append({"t": float(event.t), "kind": "battery", "percent": event.percent})
            case Notice():
                events.append({"t": float(event.t), "kind": event.kind, "detail": event.detail})
    return {
        "rate_hz": float(recording.rate_hz),
        "unit": recording.unit,
        "emg_mode": recording.emg_mode,
        "hand": recording.hand,
        "name": recording.name,
        "angle_names": list(ANGLES),
        "markers": [[float(marker.t), marker.label] for marker in recording.markers],
        "events": events,
        "meta": {
            key: str(value)
            for key, value in recording.meta.items()
            if key not in DERIVED and isinstance(value, str | int | float)
        },
    }


def recording_of_npz(
    path: Path, found: Mapping[str, npt.NDArray[np.generic]], config: ReadConfig, report: ReadReport
) -> Recording:
    """Read what `write_npz` wrote.

    Raises:
        SessionError: an array is missing or has another shape.
    """
    try:
        about = orjson.loads(found[MARK].tobytes())
        fields = {name: _field(name, found[name]) for name in _SHAPES if name in found}
        for name, other in _LIKE:
            if (name in fields) != (other in fields) and name in ("t", "sample", "joints", "angles", "arrival"):
                raise ValueError(f"no `{name}` or no `{other}`")
            if name in fields and len(fields[name]) != len(fields[other]):
                raise ValueError(f"`{name}` is as long as `{other}` is not")
        if not len(fields["emg"]) or (np.diff(fields["t"]) < 0).any() or (np.diff(fields["sample"]) <= 0).any():
            raise ValueError("times or indices go back, or there are no samples")
        rate = float(about["rate_hz"])
        if not 1e-3 <= rate <= 1e6:
            raise ValueError(f"a rate of {rate:g}")
        events = tuple(
            Battery(float(one["t"]), int(one["percent"]) % 101)
            if one["kind"] == "battery"
            else Notice(float(one["t"]), str(one["kind"]), str(one["detail"]))
            for one in about["events"]
        )
        markers = tuple(Marker(float(t), str(label)) for t, label in about["markers"])
        hand = about["hand"] if about["hand"] in ("left", "right") else None
        texts = {str(key): str(value) for key, value in dict(about["meta"]).items() if key not in DERIVED}
        unit, name, mode = str(about["unit"]), str(about["name"])[:200], str(about["emg_mode"])
    except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
        raise SessionError(f"{path}: is no session in NumPy arrays ({error}); convert it again") from None
    kept, emg = to_kept_unit(
        np.asarray(fields.pop("emg")), config.unit or ("uV" if unit == "uV" else "adc"), config.mode, path.name, report
    )
    if config.scale is not None:
        emg = np.multiply(emg, config.scale, dtype=np.float32)
    return Recording(
        emg=emg,
        rate_hz=config.rate or rate,
        unit=kept or "adc",
        emg_mode=config.mode or (mode if mode in ("raw", "filtered", "envelope") else "raw"),
        hand=config.hand or cast(Side | None, hand),
        name=name,
        markers=markers,
        meta={**texts, "format": "npz", "events": events},
        **cast(dict[str, Any], fields),
    )


def _field(name: str, array: npt.NDArray[np.generic]) -> npt.NDArray[np.generic]:
    shape = _SHAPES[name]
    if array.ndim != len(shape) or any(
        given not in (None, there) for given, there in zip(shape, array.shape, strict=True)
    ):
        raise ValueError(f"`{name}` of {array.shape}")
    if array.dtype.kind not in "iuf":
        raise ValueError(f"`{name}` of {array.dtype}")
    if name in _WHOLE:
        whole = np.ascontiguousarray(array, dtype=np.int64)
        if (whole < (-(1 << 53) if name == "classes" else 0)).any() or (whole > 1 << 53).any():
            raise ValueError(f"`{name}` beyond what it can be")
        return whole
    values = np.ascontiguousarray(array, dtype=np.float32 if name in _NARROW else np.float64)
    # An angle without a label is NaN.
    if name != "angles" and not (np.isfinite(values).all() and (np.abs(values) <= 3e38).all()):
        raise ValueError(f"`{name}` with NaN or infinite values")
    return values
