"""Write a recording as MCAP, CSV, NumPy arrays, XDF, EDF or BDF."""

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
from drivers.sessions.formats import edf, xdf
from drivers.sessions.formats.own_npz import write_npz
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
) -> list[str]:
    """Write a recording to a new file, in the format of its name: one of `SUFFIXES`.

    MCAP and NPZ keep everything. CSV keeps times, EMG, class labels, and joints and labelled angles at the samples'
    times, and no more; XDF and EDF see `drivers.sessions.formats`. The same recording gives the same bytes.

    Args:
        path: must not exist. An EDF or BDF file that is named as BIDS wants it (`sub-01_task-x_emg.edf`) gets its
            sidecars beside it.
        recording: at least one sample.
        meta: added to `recording.meta` (MCAP only).
        progress: called after each part written.

    Returns:
        What the format cannot hold of it, each as a phrase.

    Raises:
        SessionExists: there is such a file.
        SessionError: another suffix, no such folder, no samples, or a library that is needed is not installed.
        SessionWriteError: the disk refused; nothing is left of the file.
    """
    path = Path(path)
    write = _writer_of(path)
    check_target(path)
    if not len(recording):
        raise SessionError(f"{path}: the recording has no samples")
    made: list[Path] = []
    file = create(path)
    made.append(path)
    try:
        lost, beside = write(file, path, recording, meta or {}, progress or (lambda rows: None))
        for name, content in beside:
            with create(name) as sidecar:
                made.append(name)
                sidecar.write(content)
    except BaseException as error:
        file.close()
        for name in made:
            name.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise refused(path, error) from None
        raise
    finally:
        file.close()
    others = [index for index in recording.meta.get("devices", [0]) if index != recording.meta.get("index", 0)]
    return [*lost, *([f"device {', '.join(map(str, others))}"] if others else [])]


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


Beside = list[tuple[Path, bytes]]
"""Names and contents of files that belong beside the one that is written."""
_Write = Callable[[BinaryIO, Path, Recording, Mapping[str, str], Progress], tuple[list[str], Beside]]


def _writer_of(path: Path) -> _Write:
    name = path.name.lower()
    for suffix, write in _WRITERS.items():
        if name.endswith(suffix):
            return write
    raise SessionError(f"{path}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")


def _whole(write: Callable[[BinaryIO, Recording], list[str] | None]) -> _Write:
    """A writer that writes all at once, has no sidecars and knows no further metadata."""

    def written(
        file: BinaryIO, path: Path, recording: Recording, meta: Mapping[str, str], progress: Progress
    ) -> tuple[list[str], Beside]:
        with io.BufferedWriter(cast(io.RawIOBase, file)) as buffered:
            lost = write(cast(BinaryIO, buffered), recording) or []
        progress(len(recording))
        return lost, []

    return written


def _write_edf(
    file: BinaryIO, path: Path, recording: Recording, meta: Mapping[str, str], progress: Progress
) -> tuple[list[str], Beside]:
    with io.BufferedWriter(cast(io.RawIOBase, file)) as buffered:
        lost, beside = edf.write(cast(BinaryIO, buffered), path, recording)
    progress(len(recording))
    return lost, beside


def _write_mcap(
    file: BinaryIO, path: Path, recording: Recording, meta: Mapping[str, str], progress: Progress
) -> tuple[list[str], Beside]:
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
    return [], []


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


def beyond_csv(recording: Recording) -> list[str]:
    """What CSV cannot hold of a recording."""
    breaks = recording.breaks if recording.breaks is not None else ()
    there = {
        "breaks without a pause": any(_no_time_between(recording, row) for row in breaks),
        "markers": bool(recording.markers),
        "inertial samples": recording.imu is not None,
        "events": bool(recording.meta.get("events")),
    }
    return [*stated(recording), *(name for name, present in there.items() if present)]


def stated(recording: Recording) -> list[str]:
    """What of mode, unit and hand is not what a file without them is taken for, and must be said when it is read."""
    usual = {"mode": (recording.emg_mode, "raw"), "unit": (recording.unit, "adc"), "hand": (recording.hand, "right")}
    lost = [f"{key}={value}" for key, (value, known) in usual.items() if value not in (None, known)]
    return [f"what its EMG is (say so when it is read: `?{'&'.join(lost)}`)"] if lost else []


def _no_time_between(recording: Recording, row: int) -> bool:
    """Whether a break before this row leaves no hole in the count of samples."""
    return row > 0 and bool(recording.sample[row] == recording.sample[row - 1] + 1)


def _write_csv(
    file: BinaryIO, path: Path, recording: Recording, meta: Mapping[str, str], progress: Progress
) -> tuple[list[str], Beside]:
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
    return beyond_csv(recording), []


def _rows(values: Float32Array | Float64Array | Int64Array | npt.NDArray[np.int32]) -> list[bytes]:
    """Format each row with the shortest numbers; orjson is ten times faster than `numpy.savetxt`."""
    return orjson.dumps(np.ascontiguousarray(values), option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")


_WRITERS: Final[dict[str, _Write]] = {
    ".mcap": _write_mcap,
    ".csv": _write_csv,
    ".csv.gz": _write_csv,
    ".npz": _whole(write_npz),
    ".xdf": _whole(xdf.write),
    ".edf": _write_edf,
    ".bdf": _write_edf,
}
SUFFIXES: Final = tuple(_WRITERS)
"""How the name of a file that can be written ends."""
