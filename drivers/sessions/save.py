"""Write a recording as MCAP or CSV."""

from __future__ import annotations

import gzip
import heapq
import io
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final, cast

import numpy as np
import numpy.typing as npt
import orjson

from drivers.events import Battery, Event, Frame, Imu, Label, Marker, Notice
from drivers.sessions.mcap.reader import ARRIVAL
from drivers.sessions.mcap.topics import LABEL_LAG
from drivers.sessions.mcap.writer import SessionWriter, create
from drivers.sessions.report import DERIVED, SessionError, SessionExists, refused
from drivers.sessions.text.layout import CLASS_NAME, HEADER, JOINT_NAMES
from models.arrays import Float32Array, Float64Array, Int64Array
from models.kinematics import ANGLES
from models.recording import Recording

Progress = Callable[[int], None]
"""Called with the number of samples written so far."""

_MESSAGE_S: Final = 0.05
_CHUNK_S: Final = 10.0
_CSV_ROWS: Final = 8192
_ANGLE_DECIMALS: Final = 3
_REWRITTEN: Final = DERIVED | {"version", "device", LABEL_LAG}


def write_session(
    path: str | Path,
    recording: Recording,
    meta: Mapping[str, str] | None = None,
    *,
    progress: Progress | None = None,
) -> None:
    """Write a recording to a new file, in the format of its name: `.mcap`, `.csv` or `.csv.gz`.

    MCAP keeps everything. CSV keeps times, EMG, class labels, and joints and labelled angles at the samples' times, and
    no more. The same recording gives the same bytes.

    Args:
        path: must not exist.
        recording: at least one sample.
        meta: added to `recording.meta` (MCAP only).
        progress: called after each part written.

    Raises:
        SessionExists: there is such a file.
        SessionError: another suffix, no such folder, or no samples.
        SessionWriteError: the disk refused; nothing is left of the file.
    """
    path = Path(path)
    write = _writer_of(path)
    check_target(path)
    if not len(recording):
        raise SessionError(f"{path}: the recording has no samples")
    file = create(path)
    try:
        write(file, path, recording, meta or {}, progress or (lambda rows: None))
    except BaseException as error:
        file.close()
        path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise refused(path, error) from None
        raise
    finally:
        file.close()


def check_target(path: Path) -> None:
    """Check that a session can be written there, before one is read.

    Raises:
        SessionExists: there is such a file.
        SessionError: an unknown suffix, or no such folder.
    """
    _writer_of(path)
    if path.exists():
        raise SessionExists(f"{path}: exists already and is never overwritten; choose another name")
    if not path.parent.is_dir():
        raise SessionError(f"{path.parent}: no such folder; make it first")


def _writer_of(path: Path) -> Callable[[BinaryIO, Path, Recording, Mapping[str, str], Progress], None]:
    if path.name.endswith(".mcap"):
        return _write_mcap
    if path.name.endswith((".csv", ".csv.gz")):
        return _write_csv
    raise SessionError(f"{path}: the name must end in .mcap, .csv or .csv.gz")


def _write_mcap(file: BinaryIO, path: Path, recording: Recording, meta: Mapping[str, str], progress: Progress) -> None:
    at = float(recording.t[0])
    with SessionWriter(file, _texts(recording, meta), clock=lambda: at, flush_every_s=_CHUNK_S) as writer:
        writer.write_metadata(_metadata(recording))
        streams = (
            _classes(recording), _frames(recording), _labels(recording), _angles(recording), _others(recording)
        )  # fmt: skip
        for at, event in heapq.merge(*streams, key=lambda pair: pair[0]):
            match event:
                case np.ndarray():
                    writer.write_label(at, event)
                case int():
                    writer.write_class(at, event)
                case Frame():
                    writer.write(event)
                    progress(writer.samples_written)
                case _:
                    writer.write(event)


def _texts(recording: Recording, meta: Mapping[str, str]) -> dict[str, str]:
    kept = {
        key: str(value)
        for key, value in recording.meta.items()
        if key not in _REWRITTEN and isinstance(value, str | int | float)
    }
    return {**kept, **meta}


def _metadata(recording: Recording) -> dict[str, str]:
    values = {
        "device": recording.name,
        "rate": f"{recording.rate_hz:.10g}",
        "unit": recording.unit,
        "emg_mode": recording.emg_mode,
        "channels": str(recording.emg.shape[1]),
    }
    if recording.hand:
        values["hand"] = recording.hand
    if recording.arrival is None:
        values[ARRIVAL] = "unknown"
    return values


def _frames(recording: Recording) -> Iterator[tuple[float, Event]]:
    heads = np.array([segment.start for segment in recording.segments()], dtype=np.int64)
    start = np.union1d(_message_starts(recording, heads), heads)
    arrival = recording.t[start]
    if recording.arrival is not None and recording.frame_start is not None:
        frame = np.searchsorted(recording.frame_start, start, side="right") - 1
        arrival = recording.arrival[np.maximum(frame, 0)]
    gap = np.isin(start, heads[1:])
    stops = [*start[1:].tolist(), len(recording)]
    for row, stop, arrived, broken in zip(start.tolist(), stops, arrival.tolist(), gap.tolist(), strict=True):
        t = recording.t.item(row)
        yield t, Frame(recording.sample.item(row), t, recording.emg[row:stop], arrived, broken)


def _message_starts(recording: Recording, heads: Int64Array) -> Int64Array:
    if recording.frame_start is not None and recording.arrival is not None:
        return recording.frame_start
    rows = max(1, round(_MESSAGE_S * recording.rate_hz))
    stops = [*heads[1:].tolist(), len(recording)]
    start = np.concatenate(
        [np.arange(head, stop, rows, dtype=np.int64) for head, stop in zip(heads.tolist(), stops, strict=True)]
    )
    # A message has the time of its first row only: it ends where the rate does not give the other rows' times to 1 us.
    wanted = np.rint(recording.t * 1e6)
    for _ in range(rows):
        first = np.repeat(start, np.diff(start, append=len(recording)))
        within = np.arange(len(recording)) - first
        off = np.flatnonzero(np.rint((recording.t[first] + within / recording.rate_hz) * 1e6) != wanted)
        if not len(off):
            break
        _, earliest = np.unique(first[off], return_index=True)
        start = np.union1d(start, off[earliest])
    return start


def _labels(recording: Recording) -> Iterator[tuple[float, Float32Array]]:
    if recording.joints is not None and recording.label_t is not None:
        yield from zip(recording.label_t.tolist(), recording.joints, strict=True)


def _angles(recording: Recording) -> Iterator[tuple[float, Label]]:
    if recording.angles is None or recording.angle_t is None:
        return
    for t, row in zip(recording.angle_t.tolist(), np.rad2deg(recording.angles).tolist(), strict=True):
        known = {name: round(value, _ANGLE_DECIMALS) for name, value in zip(ANGLES, row, strict=True) if value == value}
        yield t, Label(t, angles=known)


def _others(recording: Recording) -> Iterator[tuple[float, Event]]:
    events: list[Imu | Battery | Marker | Notice] = [*recording.markers, *recording.meta.get("events", ())]
    for t, w, x, y, z, ax, ay, az, gx, gy, gz in recording.imu if recording.imu is not None else ():
        events.append(Imu(t, (w, x, y, z), (ax, ay, az), (gx, gy, gz)))
    yield from sorted(((event.t, event) for event in events), key=lambda pair: pair[0])


def _classes(recording: Recording) -> Iterator[tuple[float, int]]:
    if recording.classes is not None:
        changes = np.flatnonzero(np.diff(recording.classes, prepend=recording.classes[0] - 1))
        yield from zip(recording.t[changes].tolist(), recording.classes[changes].tolist(), strict=True)


def _write_csv(file: BinaryIO, path: Path, recording: Recording, meta: Mapping[str, str], progress: Progress) -> None:
    whole = bool((recording.emg == np.rint(recording.emg)).all())
    with ExitStack() as stack:
        file = stack.enter_context(io.BufferedWriter(cast(io.RawIOBase, file)))
        if path.suffix == ".gz":
            # Without time and name in the header: the same recording gives the same bytes.
            file = cast(BinaryIO, stack.enter_context(gzip.GzipFile("", "wb", fileobj=file, mtime=0)))
        angles = [] if recording.angles is None else np.flatnonzero(np.isfinite(recording.angles).any(axis=0)).tolist()
        names = [*HEADER, *(JOINT_NAMES if recording.joints is not None else ()), *(ANGLES[k] for k in angles)]
        if recording.classes is not None:
            names.append(CLASS_NAME)
        file.write(",".join(names).encode() + b"\n")
        for start in range(0, len(recording), _CSV_ROWS):
            rows = slice(start, min(start + _CSV_ROWS, len(recording)))
            emg = recording.emg[rows].astype(np.int32) if whole else recording.emg[rows]
            columns = [_rows(np.round(recording.t[rows, None], 6)), _rows(emg)]
            joints = recording.joints_at(recording.t[rows])
            if joints is not None:
                # Adding zero turns -0.0 into 0.0.
                columns.append(_rows(np.round(joints, 3) + 0.0))
            bent = recording.angles_at(recording.t[rows])
            if bent is not None:
                degrees = _rows(np.round(np.rad2deg(bent[:, angles].astype(np.float64)), _ANGLE_DECIMALS) + 0.0)
                columns.append([row.replace(b"null", b"") for row in degrees])
            if recording.classes is not None:
                columns.append(_rows(recording.classes[rows, None]))
            file.write(b"\n".join(map(b",".join, zip(*columns, strict=True))) + b"\n")
            progress(rows.stop)


def _rows(values: Float32Array | Float64Array | Int64Array | npt.NDArray[np.int32]) -> list[bytes]:
    """Format each row with the shortest numbers; orjson is ten times faster than `numpy.savetxt`."""
    return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")
