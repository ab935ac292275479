"""EDF, EDF+ and BDF (https://www.edfplus.info/specs), read and written by edfio.

What Myocast writes beside the channels: points as signals `x0` to `z20` (mm), angles by name (degrees), inertial
samples as `qw` to `gz`; classes as annotations `class N` with their duration, markers as annotations of their text.
Samples that are missing are filled with the one before and marked `BAD_ACQ_SKIP`, as MNE does; they are left out when
it is read.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as changed
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from drivers.events import EMG_MODES
from drivers.sessions.formats import bids
from drivers.sessions.formats.columns import Columns, recording_of_columns
from drivers.sessions.formats.imu_columns import IMU_NAMES, IMU_UNITS, imu_at, imu_of
from drivers.sessions.libraries import library
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.text.layout import CHANNEL_NAMES, JOINT_NAMES
from drivers.uri import SIDES
from models.arrays import BoolArray, Float64Array, Int64Array
from models.hand import CHANNELS
from models.kinematics import ANGLES
from models.recording import Marker, Recording

if TYPE_CHECKING:
    from edfio import Bdf, BdfSignal, Edf, EdfAnnotation, EdfSignal

SKIP: Final = "BAD_ACQ_SKIP"
EQUIPMENT: Final = "Myocast"
"""Equipment in the header of a file that Myocast wrote; behind it stand mode and hand."""
UNKNOWN_DEG: Final = -180.0
"""An angle without a label in a file that Myocast wrote: EDF has no NaN."""
_CLASS: Final = re.compile(r"class (-?\d{1,9})")
_BDF_MARK: Final = b"\xff"
_HEADER_BYTES: Final = 256
_MOST_SIGNALS: Final = 4096
_LONGEST_FILL_S: Final = 600.0
_BITS: Final = {"edf": 16, "bdf": 24}
_ONSET: Final = re.compile(rb"([+-]\d+(?:\.\d+)?)\x14")


def read(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport) -> Recording:
    """Read an EDF or BDF file.

    Raises:
        SessionError: edfio is not installed, the file is damaged, or it cannot be told which signals are the channels.
    """
    edfio = library("edfio", f"{path}: is {'BDF' if file.read(1) == _BDF_MARK else 'EDF'}, which")
    file.seek(0)
    content = file.read()
    kind = "BDF" if content.startswith(_BDF_MARK) else "EDF"
    _check_header(path, content, kind)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            opened = (edfio.read_bdf if kind == "BDF" else edfio.read_edf)(content, header_encoding="latin-1")
            file_of = _File.of(opened)
            recording = _recording(path, file_of, kind.lower(), config, report)
        if any("runcated" in str(one.message) or "Incomplete" in str(one.message) for one in caught):
            report.note("the file ends within a data record, which was left out")
    except SessionError:
        raise
    except Exception as error:
        # The library raises whatever a damaged file makes of it.
        raise SessionError(f"{path}: is {kind} that cannot be read ({' '.join(str(error).split())[:120]})") from None
    return recording


def _check_header(path: Path, content: bytes, kind: str) -> None:
    try:
        signals = int(content[252:256])
        size = int(content[184:192])
    except ValueError:
        signals = size = 0
    if not 0 < signals <= _MOST_SIGNALS or size != _HEADER_BYTES * (signals + 1) or size > len(content):
        raise SessionError(f"{path}: is {kind} with a damaged header, or cut off in it; export it again")


@dataclass(frozen=True, slots=True)
class _File:
    """Signals and annotations of a file."""

    signals: Sequence[EdfSignal | BdfSignal]
    annotations: Sequence[EdfAnnotation]
    onsets: Float64Array
    """(r,) seconds from the start to each data record."""
    record_s: float
    start_s: float
    said: str
    """Identification of the recording, from the header."""

    @classmethod
    def of(cls, opened: Edf | Bdf) -> _File:
        records = int(opened.num_data_records)
        record_s = float(opened.data_record_duration)
        if records < 1 or not record_s > 0:
            raise ValueError("it has no data record")
        onsets: Float64Array = np.arange(records, dtype=np.float64) * record_s
        every: Iterable[EdfSignal | BdfSignal] = opened._annotation_signals
        keeping = next(iter(every), None)
        if keeping is not None:
            found = [_ONSET.match(row.tobytes()) for row in keeping.digital.reshape(records, -1)]
            if all(found):
                onsets = np.array([float(one[1]) for one in found if one])
                onsets -= onsets[0]
        return cls(
            opened.signals, opened.annotations, onsets, record_s, _start(opened), opened.local_recording_identification
        )


def _start(opened: Edf | Bdf) -> float:
    """Unix seconds of the start, taken as UTC; 0 where the header does not say it."""
    try:
        when = datetime.combine(opened.startdate, opened.starttime, UTC)
    except ValueError:
        return 0.0
    # 1985 and before stand for a date that was left out.
    return when.timestamp() if when.year > 1985 else 0.0


def _recording(path: Path, file: _File, kind: str, config: ReadConfig, report: ReadReport) -> Recording:
    types = bids.channel_types(path)
    sizes = [int(signal.samples_per_data_record) for signal in file.signals]
    if not sizes:
        raise SessionError(f"{path}: holds annotations only; expected EMG")
    usual = _usual_size(file, sizes, types)
    chosen = [signal for signal, size in zip(file.signals, sizes, strict=True) if size == usual]
    if others := len(file.signals) - len(chosen):
        report.note(f"left out: {others} signals of another rate")
    rate = usual / file.record_s
    within = np.arange(usual) / rate
    t = (file.onsets[:, None] + within).reshape(-1)
    keep = _kept(t, file.annotations, rate)
    t = t[keep] + file.start_s
    if not len(t):
        raise SessionError(f"{path}: holds no samples that are not marked as missing")
    ours = {signal.label: place for place, signal in enumerate(chosen)}
    own = all(name in ours for name in IMU_NAMES)
    emg = [place for place, signal in enumerate(chosen) if types.get(signal.label, "EMG") == "EMG"]
    emg = [place for place in emg if not (own and chosen[place].label in IMU_NAMES)]
    points = [place for place, signal in enumerate(chosen) if signal.label in JOINT_NAMES or signal.label in ANGLES]
    used = sorted({*emg, *points})
    only = [chosen[place] for place in used]
    if len(emg) > CHANNELS or all(types.get(chosen[place].label) is None for place in emg):
        emg_names = [signal.label for signal in only]
    else:
        # The sidecar says which eight they are, whatever they are called.
        eight = iter(CHANNEL_NAMES)
        emg_names = [next(eight, s.label) if types.get(s.label) == "EMG" else s.label for s in only]
        if emg_names != [signal.label for signal in only]:
            report.note("channels 1 to 8 are those of type EMG in the channels.tsv beside the file")
    with np.errstate(all="ignore"):
        recording = recording_of_columns(
            path,
            Columns(
                length=len(t),
                width=len(only),
                column=lambda place: _values(only[place], file.said)[keep],
                names=emg_names,
                units=[signal.physical_dimension for signal in only],
                t=t,
                rate=rate,
                mode=next((mode for mode in EMG_MODES if EQUIPMENT in file.said and f"mode_{mode}" in file.said), None),
                hand=next((side for side in SIDES if EQUIPMENT in file.said and f"hand_{side}" in file.said), None),
                format=kind,
            ),
            config,
            report,
        )
        imu = None
        if own:
            values = np.stack([np.asarray(chosen[ours[name]].data)[keep] for name in IMU_NAMES], axis=1)
            imu = imu_of(values.astype(np.float32), t)
    classes = _classes(t - file.start_s, file.annotations)
    markers = tuple(
        Marker(float(one.onset) + file.start_s, str(one.text)[:1000])
        for one in file.annotations
        if one.text and one.text != SKIP and not _CLASS.fullmatch(one.text)
    )
    if len(recording) != len(t):
        classes = None
    return changed(recording, imu=imu, markers=markers, classes=recording.classes if classes is None else classes)


def _values(signal: EdfSignal | BdfSignal, said: str) -> Float64Array:
    values = np.asarray(signal.data, dtype=np.float64)
    if EQUIPMENT in said and signal.label in ANGLES:
        return np.where(values < UNKNOWN_DEG + 1.0, np.nan, values)
    return values


def _usual_size(file: _File, sizes: Sequence[int], types: Mapping[str, str]) -> int:
    """Samples in a record of the signals that are most likely EMG: as the sidecar says, else the fastest eight."""
    told = {size for signal, size in zip(file.signals, sizes, strict=True) if types.get(signal.label) == "EMG"}
    many = {size for size in sizes if sizes.count(size) >= CHANNELS}
    return max(told or many or set(sizes))


def _kept(t: Float64Array, annotations: Iterable[EdfAnnotation], rate: float) -> BoolArray:
    keep = np.ones(len(t), dtype=np.bool_)
    for one in annotations:
        if one.text == SKIP and one.duration:
            keep &= ~((t >= one.onset - 0.5 / rate) & (t < one.onset + one.duration - 0.5 / rate))
    return keep


def _classes(t: Float64Array, annotations: Iterable[EdfAnnotation]) -> Int64Array | None:
    """Class of each sample, -1 where none was said; None if there is no annotation of one."""
    classes = np.full(len(t), -1, dtype=np.int64)
    said = False
    for one in annotations:
        if found := _CLASS.fullmatch(one.text or ""):
            first, last = np.searchsorted(t, [one.onset - 1e-4, one.onset + (one.duration or 0.0) - 1e-4])
            classes[first:last] = int(found[1])
            said = True
    return classes if said else None


@dataclass(frozen=True, slots=True)
class _Signal:
    """A signal to be written."""

    name: str
    kind: str
    unit: str
    values: npt.NDArray[np.generic]


def write(file: BinaryIO, path: Path, recording: Recording) -> tuple[list[str], list[tuple[Path, bytes]]]:
    """Write EDF+ or BDF+, as the name of the file says.

    Returns:
        What it cannot hold, and the sidecars that belong beside it.

    Raises:
        SessionError: edfio is not installed, or so much is missing that it cannot be filled.
    """
    edfio = library("edfio", f"{path}: {path.suffix[1:].upper()}")
    kind = path.suffix[1:].lower()
    grid = _Grid.of(path, recording)
    signals, lost = _signals(recording, grid)
    annotations, events = _annotations(edfio, recording, grid)
    made: list[EdfSignal | BdfSignal] = []
    worst = 0.0
    for signal in signals:
        one, error = _encoded(edfio, kind, signal, grid)
        made.append(one)
        worst = max(worst, error if signal.kind == "EMG" else 0.0)
    if worst:
        unit = f" {recording.unit}" if recording.unit != "adc" else ""
        lost.append(f"digits of the EMG beyond {_BITS[kind]} bits: it is off by up to {worst:.2g}{unit}")
    start = datetime.fromtimestamp(recording.t.item(0) if recording.t.item(0) > 1e8 else 0.0, UTC)
    if start.year < 1986 and recording.t.item(0):
        lost.append("the origin of the times: they begin at 0")
    said = (f"mode_{recording.emg_mode}", *((f"hand_{recording.hand}",) if recording.hand else ()))
    header = edfio.Recording(
        startdate=start.date() if start.year >= 1986 else None, equipment_code=EQUIPMENT, additional=said
    )
    clock = start.time() if start.year >= 1986 else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        whole = (edfio.Bdf if kind == "bdf" else edfio.Edf)(
            made,
            recording=header,
            starttime=clock,
            data_record_duration=grid.record_s,
            annotations=annotations,
        )
        file.write(whole.to_bytes())
    rows = [(signal.name, signal.kind, signal.unit) for signal in signals]
    beside = [] if bids.stem_of(path) is None else list(bids.sidecars(path, recording, rows, events))
    return lost, beside


@dataclass(frozen=True, slots=True)
class _Grid:
    """Samples on a grid without gaps, in whole data records."""

    place: Int64Array
    """(n,) index on the grid of each sample of the recording."""
    source: Int64Array
    """(g,) row of the recording that each point of the grid repeats."""
    filled: list[tuple[int, int]]
    """First and length of each stretch that repeats the sample before."""
    rate: float
    record_s: float

    @classmethod
    def of(cls, path: Path, recording: Recording) -> _Grid:
        heads = [segment.start for segment in recording.segments()]
        place = np.arange(len(recording), dtype=np.int64)
        for head in heads[1:]:
            lost = int(recording.sample[head] - recording.sample[head - 1] - 1)
            # A break in the count of samples leaves a mark of one sample.
            place[head:] += max(lost, 1)
        size = int(place[-1]) + 1
        if size - len(recording) > _LONGEST_FILL_S * recording.rate_hz + len(recording):
            raise SessionError(
                f"{path}: {size - len(recording)} samples are missing, which EDF would have to fill; write .mcap"
            )
        samples, record_s = _record(recording.rate_hz)
        whole = math.ceil(size / samples) * samples
        source = np.searchsorted(place, np.arange(whole), side="right") - 1
        missing = np.setdiff1d(np.arange(whole), place)
        cuts = np.flatnonzero(np.diff(missing) != 1) + 1
        filled = [(int(part[0]), len(part)) for part in np.split(missing, cuts) if len(part)]
        return cls(place, source.astype(np.int64), filled, samples / record_s, record_s)


def _record(rate: float) -> tuple[int, float]:
    """Samples in a data record, and its seconds: about a second, less where that is too much for one."""
    for seconds in (1.0, 0.5, 0.2, 0.1):
        samples = rate * seconds
        if samples <= 300 and abs(samples - round(samples)) < 1e-9:
            return round(samples), seconds
    samples = max(1, min(300, round(rate)))
    return samples, float(f"{samples / rate:.6g}")


def _signals(recording: Recording, grid: _Grid) -> tuple[list[_Signal], list[str]]:
    unit = "uV" if recording.unit == "uV" else ""
    signals = [_Signal(name, "EMG", unit, recording.emg[:, place]) for place, name in enumerate(CHANNEL_NAMES)]
    lost: list[str] = []
    steps = np.abs(np.diff(recording.t - recording.t[0]) - np.diff(recording.sample) / recording.rate_hz)
    if len(steps) and float(np.abs(np.cumsum(steps)).max()) > 0.5 / recording.rate_hz:
        lost.append("times that are not on the grid of the rate, and arrival times")
    joints = recording.joints_at(recording.t)
    if joints is not None:
        signals += [_Signal(name, "MISC", "mm", joints[:, place]) for place, name in enumerate(JOINT_NAMES)]
        lost.append("the times of hand poses: they stand at the samples")
    bent = recording.angles_at(recording.t)
    if bent is not None:
        degrees = np.where(np.isfinite(bent), np.rad2deg(bent.astype(np.float64)), UNKNOWN_DEG)
        known = np.flatnonzero(np.isfinite(bent).any(axis=0)).tolist()
        signals += [_Signal(ANGLES[k], "MISC", "deg", degrees[:, k]) for k in known]
        lost.append("the times of joint angles: they stand at the samples")
    if recording.imu is not None and len(recording.imu):
        imu = imu_at(recording.imu, recording.t)
        signals += [
            _Signal(name, "MISC", unit, imu[:, place])
            for place, (name, unit) in enumerate(zip(IMU_NAMES, IMU_UNITS, strict=True))
        ]
        lost.append("the times of inertial samples: they stand at the samples of the EMG")
    if recording.meta.get("events"):
        lost.append("events")
    return signals, lost


def _encoded(edfio: ModuleType, kind: str, signal: _Signal, grid: _Grid) -> tuple[EdfSignal | BdfSignal, float]:
    """A signal of the library, and by how much its numbers are off at most."""
    make = edfio.BdfSignal if kind == "bdf" else edfio.EdfSignal
    limit = 1 << (_BITS[kind] - 1)
    values = signal.values.astype(np.float64)
    on_grid = values[grid.source]
    about = {"label": signal.name, "physical_dimension": signal.unit}
    low, high = float(values.min()), float(values.max())
    if (values == np.rint(values)).all() and -limit <= low and high < limit:
        # Whole numbers stand as they are; the range of a Myo where they fit, so that files of one band are alike.
        first, last = (-128, 127) if low >= -128 and high <= 127 else (-limit, limit - 1)
        digital = on_grid.astype(np.int32 if kind == "bdf" else np.int16)
        return (
            make.from_digital(digital, grid.rate, physical_range=(first, last), digital_range=(first, last), **about),
            0.0,
        )
    most = max(abs(low), abs(high))
    # Eight characters of the header hold it.
    most = float(f"{most * 1.001:.4g}") if most else 1.0
    encoded = make(on_grid, grid.rate, physical_range=(-most, most), digital_range=(-limit, limit - 1), **about)
    return encoded, float(np.abs(encoded.data[grid.place] - values).max())


def _annotations(edfio: ModuleType, recording: Recording, grid: _Grid) -> tuple[list[EdfAnnotation], list[bids.Event]]:
    make = edfio.EdfAnnotation
    start = recording.t.item(0)
    made = [make(round(first / grid.rate, 6), round(rows / grid.rate, 6), SKIP) for first, rows in grid.filled]
    events = [
        bids.Event(first / grid.rate, rows / grid.rate, "missing", "n/a")
        for first, rows in grid.filled
        if first < grid.place[-1]
    ]
    if recording.classes is not None:
        changes = np.flatnonzero(np.diff(recording.classes, prepend=recording.classes[0] - 1))
        stops = [*changes[1:].tolist(), len(recording)]
        for row, stop in zip(changes.tolist(), stops, strict=True):
            onset = grid.place.item(row) / grid.rate
            duration = (grid.place.item(stop - 1) + 1) / grid.rate - onset
            name = recording.classes.item(row)
            made.append(make(round(onset, 6), round(duration, 6), f"class {name}"))
            events.append(bids.Event(onset, duration, f"class {name}", str(name)))
    for marker in recording.markers:
        text = " ".join(marker.label.replace("\x14", " ").replace("\x00", " ").split())
        made.append(make(round(max(0.0, marker.t - start), 6), None, text or "marker"))
        events.append(bids.Event(marker.t - start, 0.0, text or "marker"))
    return made, sorted(events, key=lambda event: event.onset)
