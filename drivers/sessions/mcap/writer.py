"""Write a session: MCAP with JSON messages, in zstd chunks (https://mcap.dev/spec)."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from pathlib import Path
from time import monotonic
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt
import orjson
from mcap.writer import CompressionType, Writer

from drivers.events import Battery, Event, Frame, Imu, Label, LabelLag, Marker, Notice, Playback, Raw, SourceInfo
from drivers.sessions.crash_safe_file import CrashSafeFile, as_file
from drivers.sessions.mcap import topics
from drivers.sessions.report import JsonObject, SessionError, SessionExists, refused
from models.arrays import Float32Array
from models.hand import VALUES
from models.version import package_version

_DUMP: Final = orjson.OPT_SERIALIZE_NUMPY
_CHUNK_BYTES: Final = 1 << 20
_LABEL_DECIMALS: Final = 3
_LATEST_NS: Final = (1 << 64) - 1


class SessionWriter:
    """A writer of one session file of one or several devices.

    Not thread-safe: call everything from one thread. A chunk is closed and written at the first call after
    `flush_every_s`; after each the file is complete and readable by any MCAP tool. When the disk refuses, a
    method raises OSError: the file then holds what was flushed before, `samples_lost` counts the EMG samples
    that it does not hold, and only `close` may still be called.

    Args:
        file: a path, which must not exist; or a binary file open for writing, seekable and unbuffered.
        meta: further values of the metadata record (orientation, subject, user, session …), as text.
        clock: seconds, for `flush_every_s`.
        keep_address: write the device's address; otherwise it is left out, also of the source's URI.

    Raises:
        SessionExists: there is such a file.
        SessionWriteError: it cannot be created.
    """

    def __init__(
        self,
        file: str | Path | BinaryIO,
        meta: Mapping[str, str] | None = None,
        *,
        clock: Callable[[], float] = monotonic,
        flush_every_s: float = 0.5,
        keep_address: bool = False,
    ) -> None:
        self._clock = clock
        self._flush_every_s = flush_every_s
        self._keep_address = keep_address
        self._meta = {"version": package_version(), **(meta or {})}
        self._known: dict[int, dict[str, str]] = {}
        self._units: dict[int, str] = {}
        self._lags: dict[int, dict[str, str]] = {}
        self._pending_samples = 0
        self._broken = self._closed = False
        self.samples_saved = 0
        """EMG samples (of all devices) in the file on disk."""
        self.samples_lost = 0
        """EMG samples given to `write` that the disk refused."""
        self.path = Path(file) if isinstance(file, str | Path) else None
        self._stream = CrashSafeFile(create(Path(file)) if isinstance(file, str | Path) else file)
        self._start()
        self._last_flush = clock()

    @property
    def samples_written(self) -> int:
        """EMG samples given to `write`, of all devices."""
        return self.samples_saved + self.samples_lost + self._pending_samples

    @property
    def bytes_written(self) -> int:
        """Bytes written, including those not yet flushed."""
        return int(self._stream.tell())

    def write(self, event: Event, *, device: int = 0) -> None:
        """Write one event of device `device`; a frame's truth goes to `/label`, its gap to `/event`.

        `Playback` is not an event of the device and is left out.

        Raises:
            OSError: the disk refused (see the class).
        """
        match event:
            case Frame():
                self._frame(event, device)
            case Imu():
                self._imu(event, device)
            case Raw():
                self._raw(event, device)
            case SourceInfo():
                self._info(event, device)
            case Marker():
                payload = {"device": device, "t": float(event.t), "label": event.label}
                self._message(topics.MARKER, payload, _arrival(event), event.t)
            case Label():
                self._label(event, device)
            case LabelLag():
                self._lags[device] = {topics.LABEL_LAG: f"{event.seconds * 1000:.6g}"}
                self.write_metadata({**self._known.get(device, self._meta), **self._lags[device]}, device=device)
            case Battery():
                self._event(event.t, {"kind": "battery", "percent": int(event.percent)}, device)
            case Notice():
                self._event(event.t, {"kind": event.kind, "detail": event.detail}, device)
            case Playback():
                pass
        self.flush_if_due()

    def write_pose(
        self,
        t: float,
        sample: int,
        joints: Float32Array,
        *,
        seq: int = 0,
        arrival: float | None = None,
        device: int = 0,
        confidence: float | None = None,
        filtered: Mapping[str, str | float] = topics.NO_FILTER,
    ) -> None:
        """Write a pose that a model estimated.

        Args:
            t: time of EMG sample `sample`.
            joints: (63,) or (21, 3) in mm, frame `hand`.
            filtered: the filter behind the model as `hello.pose.filter` has it; empty where there was none. Every
                filter has a channel of its own, whose metadata name it.
        """
        flat = np.round(np.ascontiguousarray(joints, dtype=np.float32).reshape(VALUES), 2)
        payload = {"device": device, "seq": int(seq), "sample": int(sample), "t": float(t), "joints": flat}
        if confidence is not None:
            payload["confidence"] = round(confidence, 3)
        self._message(topics.POSE, payload, t if arrival is None else arrival, t, self._pose_channel(device, filtered))
        self.flush_if_due()

    def write_label(self, t: float, joints: Float32Array, *, arrival: float | None = None, device: int = 0) -> None:
        """Write the hand's true pose at one time: joints (63,) or (21, 3) in mm, frame `hand`."""
        flat = np.round(np.ascontiguousarray(joints, dtype=np.float32).reshape(VALUES), _LABEL_DECIMALS)
        payload = {"device": device, "t": float(t), "joints": flat}
        self._message(topics.LABEL, payload, t if arrival is None else arrival, t)

    def write_class(self, t: float, label: int, *, device: int = 0) -> None:
        """Write that the samples from time `t` on belong to class `label`."""
        payload = {"device": device, "t": float(t), "label": str(label), "kind": topics.CLASS}
        self._message(topics.MARKER, payload, t, t)

    def write_gap(self, t: float, sample: int, *, arrival: float | None = None, device: int = 0) -> None:
        """Write that samples are missing before EMG sample `sample`."""
        payload = {"device": device, "t": float(t), "kind": "gap", "sample": int(sample)}
        self._message(topics.EVENT, payload, t if arrival is None else arrival, t)

    def flush_if_due(self, at: float | None = None) -> bool:
        """Flush if `flush_every_s` have passed at time `at` (default: now); return whether it did."""
        at = self._clock() if at is None else at
        if at - self._last_flush < self._flush_every_s:
            return False
        self._last_flush = at
        self.flush()
        return True

    def check(self) -> None:
        """Look whether the file is still there, and as it was written.

        Raises:
            FileChanged: another program removed or changed it.
        """
        if not self._broken and not self._closed:
            self._stream.check()

    def flush(self) -> None:
        """Close the chunk and write it.

        Raises:
            OSError: the disk refused (see the class).
        """
        if self._broken or self._closed:
            return
        try:
            self._mcap.flush()
        except OSError:
            self._broken = True
            self.samples_lost += self._pending_samples
            self._pending_samples = 0
            raise
        self.samples_saved += self._pending_samples
        self._pending_samples = 0

    def close(self) -> None:
        """Finish the file with its index; without room for the index it stays readable.

        Raises:
            OSError: the disk refused the last samples, which `samples_lost` then counts.
        """
        if self._closed:
            return
        try:
            self.flush()
            if not self._broken:
                self._finish()
        finally:
            self._closed = True
            self._stream.close()

    def __enter__(self) -> SessionWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self) -> None:
        self._mcap = Writer(as_file(self._stream), chunk_size=_CHUNK_BYTES, compression=CompressionType.ZSTD)
        try:
            self._mcap.start(profile=topics.PROFILE, library=f"myocast {package_version()}")
            self._mcap.add_metadata(topics.METADATA, self._meta)
            self._mcap.flush()
        except OSError as error:
            self._stream.close()
            if self.path:
                self.path.unlink(missing_ok=True)
            raise refused(self.path or self._stream.path, error) from None
        self._schemas = {topic: self._register(topic) for topic in topics.SCHEMAS}
        self._channels = {topic: self._channel(topic) for topic in topics.SCHEMAS if topic != topics.POSE}
        self._pose_channels: dict[tuple[int, tuple[str | float, ...]], int] = {}

    def _register(self, topic: str) -> int:
        name, schema = topics.SCHEMAS[topic]
        return int(self._mcap.register_schema(name, "jsonschema", orjson.dumps(schema)))

    def _channel(self, topic: str, metadata: Mapping[str, str] | None = None) -> int:
        return int(self._mcap.register_channel(topic, "json", self._schemas[topic], dict(metadata or {})))

    def _pose_channel(self, device: int, filtered: Mapping[str, str | float]) -> int:
        key = device, tuple(filtered.values())
        channel = self._pose_channels.get(key)
        if channel is None:
            values = {
                name: f"{value:.10g}" if isinstance(value, float | int) else value for name, value in filtered.items()
            }
            channel = self._channel(topics.POSE, topics.pose_metadata(device, values))
            self._pose_channels[key] = channel
        return channel

    def _finish(self) -> None:
        # The index only makes seeking faster; without room for it, it is left out.
        try:
            self._mcap.finish()
            self._stream.finish()
        except OSError:
            self._broken = True
        self._stream.sync()

    def _message(self, topic: str, payload: JsonObject, arrival: float, t: float, channel: int | None = None) -> None:
        if self._broken or self._closed:
            raise ValueError("the session is closed")
        data = orjson.dumps(payload, option=_DUMP)
        number = self._channels[topic] if channel is None else channel
        self._mcap.add_message(number, _nanoseconds(arrival), data, _nanoseconds(t))

    def _frame(self, frame: Frame, device: int) -> None:
        if frame.gap:
            self.write_gap(frame.t, frame.first_sample, arrival=frame.arrival, device=device)
        payload = {
            "device": device,
            "sample": int(frame.first_sample),
            "t": float(frame.t),
            "samples": self._numbers(frame.samples, device),
        }
        self._message(topics.EMG, payload, frame.arrival, frame.t)
        self._pending_samples += len(frame.samples)
        if frame.truth is not None:
            self._truth(frame, frame.truth, device)

    def _label(self, label: Label, device: int) -> None:
        payload: JsonObject = {"device": device, "t": float(label.t)}
        if label.joints is None:
            payload["angles"] = dict(label.angles)
        else:
            payload["joints"] = np.round(label.joints, _LABEL_DECIMALS)
        if label.source:
            payload["source"] = label.source
        if label.confidence is not None:
            payload["confidence"] = label.confidence
        self._message(topics.LABEL, payload, _arrival(label), label.t)

    def _truth(self, frame: Frame, truth: Float32Array, device: int) -> None:
        period = self._period(device)
        for row, joints in enumerate(truth):
            self.write_label(frame.t + row * period, joints, arrival=frame.arrival, device=device)

    def _period(self, device: int) -> float:
        rate = float(self._known.get(device, {}).get("rate", 0))
        return 1.0 / rate if rate > 0 else 0.0

    def _numbers(self, samples: Float32Array, device: int) -> Float32Array | npt.NDArray[np.int32]:
        if self._units.get(device, "adc") == "adc":
            with np.errstate(invalid="ignore"):
                whole = samples.astype(np.int32)
            if (whole == samples).all():
                return np.ascontiguousarray(whole)
        return np.ascontiguousarray(samples, dtype=np.float32)

    def _imu(self, imu: Imu, device: int) -> None:
        payload = {
            "device": device,
            "t": imu.t,
            "quaternion": imu.quaternion,
            "acceleration_g": imu.acceleration_g,
            "gyro_dps": imu.gyro_dps,
        }
        self._message(topics.IMU, payload, imu.t, imu.t)

    def _raw(self, raw: Raw, device: int) -> None:
        data = base64.b64encode(raw.data).decode()
        payload = {"device": device, "t": raw.arrival, "port": raw.port, "data": data}
        self._message(topics.RAW, payload, raw.arrival, raw.arrival)

    def _event(self, t: float, values: JsonObject, device: int) -> None:
        self._message(topics.EVENT, {"device": device, "t": float(t), **values}, t, t)

    def _info(self, info: SourceInfo, device: int) -> None:
        shown = self._keep_address or info.nature == "synthetic"
        values = {
            "index": str(device),
            "device": info.name,
            "source": info.uri if shown else info.uri.partition(":")[0] + ":",
            "nature": info.nature,
            "rate": f"{info.rate_hz:.10g}",
            "unit": info.unit,
            "emg_mode": info.emg_mode,
            "channels": str(info.channels),
        }
        if info.hand:
            values["hand"] = info.hand
        if info.address and self._keep_address:
            values["address"] = info.address
        self.write_metadata({**values, **self._meta, **self._lags.get(device, {})}, device=device)

    def write_metadata(self, values: Mapping[str, str], *, device: int = 0) -> None:
        """Write a `myocast` metadata record of one device if it differs from the last; readers take the last."""
        record = {**values, "index": str(device)}
        self._units[device] = record.get("unit", "adc")
        if self._known.get(device) != record:
            self._known[device] = record
            self._mcap.add_metadata(topics.METADATA, record)


def _arrival(event: Label | Marker) -> float:
    return event.t if event.arrival is None else event.arrival


def _nanoseconds(seconds: float) -> int:
    # Whole seconds and the rest apart: the product alone would round to 256 ns. MCAP's times are 64 bits
    # without a sign.
    whole = int(seconds // 1)
    return min(max(0, whole * 1_000_000_000 + round((seconds - whole) * 1e9)), _LATEST_NS)


def create(path: Path) -> BinaryIO:
    """Create a file, open for writing, unbuffered.

    Raises:
        SessionExists: there is such a file.
        SessionError: there is no such folder.
        SessionWriteError: it cannot be created.
    """
    try:
        return path.open("xb", buffering=0)
    except FileExistsError:
        raise SessionExists(f"{path}: exists already and is never overwritten; choose another name") from None
    except FileNotFoundError:
        raise SessionError(f"{path.parent}: no such folder; make it first") from None
    except OSError as error:
        raise refused(path, error) from None
