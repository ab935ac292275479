"""XDF, the files of LabRecorder (https://github.com/sccn/xdf/wiki/Specifications): read by pyxdf, written here.

pyxdf believes the sizes in a file, so its chunks are checked before; there is no library that writes XDF.
"""

from __future__ import annotations

import logging
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any, BinaryIO, Final
from xml.sax.saxutils import escape

import numpy as np
import numpy.typing as npt

from drivers.sessions.assemble import OUTAGE_S
from drivers.sessions.formats.columns import Columns, recording_of_columns
from drivers.sessions.formats.imu_columns import IMU_NAMES
from drivers.sessions.libraries import library
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.text.layout import CHANNEL_NAMES, JOINT_NAMES
from drivers.sessions.timeline import on_grid
from models.arrays import Float64Array, Int64Array
from models.hand import CHANNELS, VALUES
from models.kinematics import ANGLES
from models.recording import Marker, Recording

MAGIC: Final = b"XDF:"
CLASS_STREAM: Final = "class"
"""Channel of a stream whose values are classes from their times on."""
_FILE_HEADER, _STREAM_HEADER, _SAMPLES, _CLOCK, _BOUNDARY, _FOOTER = range(1, 7)
_BYTES: Final = {"double64": 8, "float32": 4, "int64": 8, "int32": 4, "int16": 2, "int8": 1, "string": 2}
"""Bytes of a value of each format; of a text, those of its length at least."""
_MOST_CHANNELS: Final = 4096
_EMG_TYPES: Final = ("emg", "semg", "exg", "eeg", "signal", "raw", "")
_HANDS: Final = {"left", "right"}
_MODES: Final = {"raw", "filtered", "envelope"}
_ROWS: Final = 500
_MOST_MARKERS: Final = 100_000


def read(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport) -> Recording:
    """Read the EMG of an XDF file, its markers, and what Myocast writes beside them.

    Raises:
        SessionError: pyxdf is not installed, the file is damaged, or it cannot be told which stream is the EMG.
    """
    pyxdf = library("pyxdf", f"{path}: is XDF (LabRecorder), which")
    content = _checked(path, file.read(), report)
    logger = logging.getLogger("pyxdf.pyxdf")
    before, logger.disabled = logger.disabled, True
    try:
        with np.errstate(all="ignore"):
            streams = _streams_of(pyxdf, content)
    except Exception as error:
        # The library raises whatever a damaged file makes of it.
        raise SessionError(f"{path}: is XDF that cannot be read ({' '.join(str(error).split())[:120]})") from None
    finally:
        logger.disabled = before
    return _recording(path, streams, config, report)


def _streams_of(pyxdf: ModuleType, content: bytes) -> list[_Stream]:
    """The streams on one clock; the times of those that came in bursts are laid on the grid of their rate.

    pyxdf would do that to all of them, and so hide short gaps in those that are on a grid.
    """
    found, _ = pyxdf.load_xdf(BytesIO(content), dejitter_timestamps=False)
    streams = [_Stream.of(one) for one in found]
    jittery = [one.rate > 0 and len(one.t) > 1 and not on_grid(np.diff(one.t) * one.rate) for one in streams]
    if not any(jittery):
        return streams
    slowest = min(one.rate for one, late in zip(streams, jittery, strict=True) if late)
    found, _ = pyxdf.load_xdf(
        BytesIO(content),
        jitter_break_threshold_seconds=OUTAGE_S,
        jitter_break_threshold_samples=max(1, round(OUTAGE_S * slowest)),
    )
    smooth = [_Stream.of(one) for one in found]
    return [two if late else one for one, two, late in zip(streams, smooth, jittery, strict=True)]


@dataclass(frozen=True, slots=True)
class _Stream:
    """A stream of a file."""

    name: str
    type: str
    rate: float
    t: Float64Array
    values: Any
    """(n, channels) numbers, or a list of lists of text."""
    labels: tuple[str, ...]
    units: tuple[str, ...]
    desc: Mapping[str, str]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> _Stream:
        info = found["info"]
        desc = (info.get("desc") or [None])[0] or {}
        channels = []
        if isinstance(desc, Mapping) and isinstance((desc.get("channels") or [None])[0], Mapping):
            channels = [one for one in desc["channels"][0].get("channel", []) if isinstance(one, Mapping)]
        texts = {
            key: str(value[0]) for key, value in desc.items() if isinstance(value, list) and isinstance(value[0], str)
        }
        return cls(
            str(info["name"][0] or ""),
            str(info["type"][0] or "").lower(),
            float(info["nominal_srate"][0] or 0),
            np.asarray(found["time_stamps"], dtype=np.float64),
            found["time_series"],
            tuple(str((one.get("label") or [""])[0] or "") for one in channels),
            tuple(str((one.get("unit") or [""])[0] or "") for one in channels),
            texts,
        )

    @property
    def width(self) -> int:
        return int(self.values.shape[1]) if isinstance(self.values, np.ndarray) and self.values.ndim == 2 else 0

    def is_called(self, names: Sequence[str]) -> bool:
        return self.labels == tuple(names) and self.width == len(names)


def _recording(path: Path, streams: Sequence[_Stream], config: ReadConfig, report: ReadReport) -> Recording:
    emg = _emg(path, streams, config, report)
    columns = Columns(
        length=len(emg.t),
        width=emg.width,
        column=lambda place: np.asarray(emg.values[:, place]),
        names=emg.labels if len(emg.labels) == emg.width else (),
        units=emg.units if len(emg.units) == emg.width else (),
        t=emg.t,
        rate=emg.rate if 1.0 <= emg.rate <= 100_000.0 else None,
        mode=emg.desc.get("emg_mode") if emg.desc.get("emg_mode") in _MODES else None,
        hand="left" if emg.desc.get("hand") == "left" else "right" if emg.desc.get("hand") == "right" else None,
        format="xdf",
    )
    recording = recording_of_columns(path, columns, config, report)
    others = [one for one in streams if one is not emg and len(one.t)]
    used: list[_Stream] = []
    points = next((one for one in others if one.is_called(JOINT_NAMES)), None)
    bent = next(
        (one for one in others if one.width and set(one.labels) <= set(ANGLES) and len(one.labels) == one.width), None
    )
    imu = next((one for one in others if one.is_called(IMU_NAMES)), None)
    classes = next((one for one in others if one.is_called((CLASS_STREAM,))), None)
    label_t, joints = _rows(points, VALUES)
    angle_t, angles = _rows(bent, len(bent.labels) if bent else 0)
    if bent is not None and angles is not None:
        radians = np.full((len(angles), len(ANGLES)), np.nan, np.float32)
        for place, name in enumerate(bent.labels):
            radians[:, ANGLES.index(name)] = np.deg2rad(angles[:, place].astype(np.float64))
        angles = radians
    imu_t, inertial = _rows(imu, len(IMU_NAMES))
    used += [one for one in (points, bent, imu, classes) if one is not None]
    markers = [one for one in others if one not in used and isinstance(one.values, list)]
    used += markers
    if left := [f"`{one.name}` ({one.type or 'no type'})" for one in others if not any(one is taken for taken in used)]:
        report.note(f"left out: the streams {', '.join(left[:6])}")
    return changed(
        recording,
        name=emg.desc.get("device") or emg.name or path.name,
        label_t=label_t,
        joints=joints,
        angle_t=angle_t,
        angles=angles,
        imu=None if inertial is None or imu_t is None else np.column_stack((imu_t, inertial.astype(np.float64))),
        classes=recording.classes if classes is None else _classes(classes, recording.t, recording.rate_hz),
        markers=_markers(markers),
    )


def _emg(path: Path, streams: Sequence[_Stream], config: ReadConfig, report: ReadReport) -> _Stream:
    can = [one for one in streams if one.width >= CHANNELS and len(one.t) and not one.is_called(JOINT_NAMES)]
    can = [
        one for one in can if not one.is_called(IMU_NAMES) and not (set(one.labels) and set(one.labels) <= set(ANGLES))
    ]
    there = ", ".join(
        f"`{one.name}` ({one.type or 'no type'}, {one.width or 'text'}{' channels' if one.width else ''})"
        for one in streams[:8]
    )
    if config.part is not None:
        found = [one for one in streams if one.name == config.part]
        if len(found) != 1 or not found[0].width:
            raise SessionError(f"{path}: holds no stream of numbers `{config.part}`; it holds {there or 'none'}")
        return found[0]
    for kind in _EMG_TYPES:
        of_kind = [one for one in can if one.type == kind]
        if len(of_kind) == 1:
            report.note(f"the stream `{of_kind[0].name}` ({of_kind[0].type or 'no type'}) was taken for the EMG")
            return of_kind[0]
        if len(of_kind) > 1:
            can = of_kind
            break
    if len(can) == 1:
        report.note(f"the stream `{can[0].name}` ({can[0].type}) was taken for the EMG")
        return can[0]
    if not can:
        raise SessionError(f"{path}: holds no stream of eight channels; it holds {there or 'none'}")
    raise SessionError(
        f"{path}: holds {len(can)} streams that can be the EMG ({', '.join(f'`{one.name}`' for one in can)}); "
        f"say which, as in `?part={can[0].name}`"
    )


def _rows(stream: _Stream | None, width: int) -> tuple[Float64Array | None, npt.NDArray[np.float32] | None]:
    """Times and numbers of a stream, without rows that are none; None where there is no row."""
    if stream is None or stream.width != width:
        return None, None
    with np.errstate(over="ignore"):
        values = np.asarray(stream.values, dtype=np.float32)
    good = np.isfinite(stream.t) & (
        np.isfinite(values).all(axis=1) if width == VALUES else np.isfinite(values).any(axis=1)
    )
    if not good.any():
        return None, None
    order = np.argsort(stream.t[good], kind="stable")
    return stream.t[good][order], np.ascontiguousarray(values[good][order])


def _classes(stream: _Stream, t: Float64Array, rate: float) -> Int64Array | None:
    values = np.asarray(stream.values, dtype=np.float64).reshape(-1)
    good = np.isfinite(stream.t) & (np.abs(values) <= 1 << 31)
    if not good.any():
        return None
    since, labels = stream.t[good] - 0.5 / rate, values[good].astype(np.int64)
    order = np.argsort(since, kind="stable")
    return labels[order][np.maximum(np.searchsorted(since[order], t, side="right") - 1, 0)]


def _markers(streams: Sequence[_Stream]) -> tuple[Marker, ...]:
    found = [
        Marker(t, str(row[0])[:1000])
        for one in streams
        for t, row in zip(one.t.tolist(), one.values, strict=False)
        if row and row[0] is not None and np.isfinite(t)
    ]
    return tuple(sorted(found[:_MOST_MARKERS], key=lambda marker: marker.t))


def _checked(path: Path, content: bytes, report: ReadReport) -> bytes:
    """The chunks of a file whose sizes are those of their contents; what is damaged is left out and said.

    Raises:
        SessionError: there is no whole chunk.
    """
    kept = bytearray(MAGIC)
    sizes: dict[int, int] = {}
    offset = len(MAGIC)
    while offset < len(content):
        head, length = _length(content, offset)
        stop = offset + head + length
        if not head or length < 2 or stop > len(content):
            report.note(f"the file was cut off or damaged: {len(content) - offset} bytes at its end were left out")
            break
        if _is_sound(content[offset + head : stop], sizes):
            kept += content[offset:stop]
        else:
            report.drop("damaged chunk", offset, place="byte")
        offset = stop
    if not sizes:
        raise SessionError(f"{path}: is XDF without a whole stream in it; record it again")
    return bytes(kept)


def _length(content: bytes, offset: int) -> tuple[int, int]:
    """Bytes of a variable-length integer, and its value; (0, 0) if there is none."""
    size = content[offset] if offset < len(content) else 0
    if size not in (1, 4, 8) or offset + 1 + size > len(content):
        return 0, 0
    return 1 + size, int.from_bytes(content[offset + 1 : offset + 1 + size], "little")


def _is_sound(chunk: bytes, sizes: dict[int, int]) -> bool:
    """Whether a chunk (from its tag on) is what its tag says; a stream header adds its samples' bytes to `sizes`."""
    (tag,) = struct.unpack_from("<H", chunk)
    if tag == _FILE_HEADER:
        return _is_xml(chunk[2:])
    if tag == _BOUNDARY:
        return True
    if tag not in (_STREAM_HEADER, _SAMPLES, _CLOCK, _FOOTER) or len(chunk) < 6:
        return False
    (stream,) = struct.unpack_from("<I", chunk, 2)
    body = chunk[6:]
    if tag == _STREAM_HEADER:
        size = _sample_bytes(body)
        if size is None or not _is_xml(body) or stream in sizes:
            return False
        sizes[stream] = size
        return True
    if stream not in sizes:
        return False
    if tag == _SAMPLES:
        head, count = _length(body, 0)
        return bool(head) and count * (1 + sizes[stream]) <= len(body) - head
    return len(body) == 16 if tag == _CLOCK else _is_xml(body)


def _sample_bytes(header: bytes) -> int | None:
    """Bytes that a sample has at least, without its time; None for a header that states none."""
    count = re.search(rb"<channel_count>\s*(\d{1,6})\s*</channel_count>", header)
    form = re.search(rb"<channel_format>\s*(\w+)\s*</channel_format>", header)
    if count is None or form is None or not 0 < int(count[1]) <= _MOST_CHANNELS:
        return None
    each = _BYTES.get(form[1].decode("ascii", "replace"))
    return None if each is None else each * int(count[1])


def _is_xml(data: bytes) -> bool:
    from xml.etree.ElementTree import ParseError, fromstring

    # A document type may define entities that grow without bound.
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data or data.count(b"<") > 200_000:
        return False
    try:
        fromstring(data.decode("utf-8", "replace"))
    except (ParseError, ValueError, RecursionError):
        return False
    return True


@dataclass(frozen=True, slots=True)
class _Out:
    """A stream to be written."""

    name: str
    type: str
    rate: float
    labels: Sequence[str]
    unit: str
    t: Float64Array
    values: npt.NDArray[np.generic] | Sequence[str]
    """(n, channels) numbers, or a text for each time."""
    desc: Mapping[str, str]


def write(file: BinaryIO, recording: Recording) -> list[str]:
    """Write the streams of a recording as LabRecorder does.

    Returns:
        What it cannot hold.
    """
    file.write(MAGIC)
    file.write(_chunk(_FILE_HEADER, b'<?xml version="1.0"?><info><version>1.0</version></info>'))
    streams = list(_streams(recording))
    for number, stream in enumerate(streams, 1):
        file.write(_chunk(_STREAM_HEADER, _header(stream), number))
    for number, stream in enumerate(streams, 1):
        for start in range(0, len(stream.t), _ROWS):
            file.write(_chunk(_SAMPLES, _samples(stream, slice(start, start + _ROWS)), number))
    for number, stream in enumerate(streams, 1):
        file.write(_chunk(_FOOTER, _footer(stream), number))
    lost = ["events"] if recording.meta.get("events") else []
    if recording.frame_start is not None:
        lost.append("arrival times")
    return lost


def _streams(recording: Recording) -> Iterator[_Out]:
    about = {"unit": recording.unit, "emg_mode": recording.emg_mode, "device": recording.name}
    about |= {"hand": recording.hand} if recording.hand else {}
    whole = bool((recording.emg == np.rint(recording.emg)).all() and np.abs(recording.emg).max() < 1 << 31)
    emg = recording.emg.astype(np.int32) if whole else recording.emg
    unit = "microvolts" if recording.unit == "uV" else "counts"
    yield _Out("Myocast EMG", "EMG", recording.rate_hz, CHANNEL_NAMES, unit, recording.t, emg, about)
    if recording.joints is not None and recording.label_t is not None:
        yield _Out(
            "Myocast joints", "MoCap", 0.0, JOINT_NAMES, "mm", recording.label_t, recording.joints, {"frame": "hand"}
        )
    if recording.angles is not None and recording.angle_t is not None:
        degrees = np.rad2deg(recording.angles.astype(np.float64)).astype(np.float32)
        yield _Out("Myocast angles", "MoCap", 0.0, ANGLES, "degrees", recording.angle_t, degrees, {})
    if recording.imu is not None and len(recording.imu):
        imu = recording.imu
        yield _Out("Myocast IMU", "IMU", 0.0, IMU_NAMES, "", imu[:, 0], imu[:, 1:], {})
    if recording.classes is not None:
        rows = np.flatnonzero(np.diff(recording.classes, prepend=recording.classes[0] - 1))
        classes = recording.classes[rows][:, None]
        yield _Out("Myocast classes", "Class", 0.0, (CLASS_STREAM,), "", recording.t[rows], classes, {})
    if recording.markers:
        t = np.array([marker.t for marker in recording.markers])
        yield _Out("Myocast markers", "Markers", 0.0, ("marker",), "", t, [m.label for m in recording.markers], {})


def _chunk(tag: int, content: bytes, stream: int | None = None) -> bytes:
    body = struct.pack("<H", tag) + (b"" if stream is None else struct.pack("<I", stream)) + content
    return _counted(len(body)) + body


def _counted(number: int) -> bytes:
    """A variable-length integer."""
    if number < 1 << 8:
        return struct.pack("<BB", 1, number)
    return struct.pack("<BI", 4, number) if number < 1 << 32 else struct.pack("<BQ", 8, number)


def _format(stream: _Out) -> str:
    if not isinstance(stream.values, np.ndarray):
        return "string"
    return {"int32": "int32", "int64": "int64", "float32": "float32"}.get(stream.values.dtype.name, "double64")


def _header(stream: _Out) -> bytes:
    unit = f"<unit>{stream.unit}</unit>" if stream.unit else ""
    channels = "".join(f"<channel><label>{escape(label)}</label>{unit}</channel>" for label in stream.labels)
    desc = "".join(f"<{key}>{escape(_printable(value))}</{key}>" for key, value in stream.desc.items())
    return (
        f'<?xml version="1.0"?><info><name>{stream.name}</name><type>{stream.type}</type>'
        f"<channel_count>{len(stream.labels)}</channel_count><nominal_srate>{stream.rate:.10g}</nominal_srate>"
        f"<channel_format>{_format(stream)}</channel_format><source_id>myocast</source_id>"
        f"<desc>{desc}<channels>{channels}</channels></desc></info>"
    ).encode()


def _footer(stream: _Out) -> bytes:
    first, last = (stream.t.item(0), stream.t.item(-1)) if len(stream.t) else (0.0, 0.0)
    return (
        f'<?xml version="1.0"?><info><first_timestamp>{first!r}</first_timestamp>'
        f"<last_timestamp>{last!r}</last_timestamp>"
        f"<sample_count>{len(stream.t)}</sample_count><clock_offsets></clock_offsets></info>"
    ).encode()


def _samples(stream: _Out, rows: slice) -> bytes:
    times = stream.t[rows].tolist()
    parts = [_counted(len(times))]
    if isinstance(stream.values, np.ndarray):
        data = np.ascontiguousarray(stream.values[rows])
        data = data.astype(data.dtype.newbyteorder("<"))
        for t, row in zip(times, data, strict=True):
            parts += [struct.pack("<Bd", 8, t), row.tobytes()]
    else:
        for t, text in zip(times, stream.values[rows], strict=True):
            encoded = text.encode("utf-8", "replace")
            parts += [struct.pack("<Bd", 8, t), _counted(len(encoded)), encoded]
    return b"".join(parts)


def _printable(text: str) -> str:
    """Without characters that XML cannot hold."""
    return "".join(character for character in text if character.isprintable())
