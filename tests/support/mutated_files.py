"""Small files for every reader of sessions, and what can happen to their bytes."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import zipfile
from collections.abc import Callable
from importlib import import_module
from io import BytesIO
from pathlib import Path
from random import Random
from typing import Any

import h5py
import hypothesis
import hypothesis.strategies as st
import numpy as np
import orjson
import zstandard
from mcap.writer import CompressionType, Writer

from drivers.events import Battery, Notice
from drivers.sessions import SessionError, read_session, write_session
from drivers.sessions.datasets import uci
from drivers.sessions.datasets.manus import COLUMNS
from drivers.sessions.summary import summary
from models.errors import MyocastError
from models.hand import JOINTS
from models.kinematics import ANGLES
from models.recording import Marker, Recording

N = 120
_RANDOM = np.random.default_rng(11)
_EMG = _RANDOM.integers(-90, 90, (N, 8))
_EXTREMES = (
    b"\xff" * 8,
    b"\xff" * 4,
    b"\0" * 8,
    b"\x7f" + b"\xff" * 7,
    b"\xff" * 7 + b"\x7f",
    b"\0\0\0\x80",
    b"\x80\0\0\0",
    (1 << 40).to_bytes(8, "little"),
    (1 << 31).to_bytes(4, "little"),
    (1 << 24).to_bytes(4, "little"),
)
_TOKENS = (
    b"nan",
    b"inf",
    b"-1e400",
    b"1e30",
    b"9" * 40,
    b"",
    b"null",
    b'""',
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b"2026-11-28T00:00:00",
    b"0x10",
    b",,,",
    b"\n\n",
    b"\r",
    b"{",
    b"]",
    b"1_0",
    b"99999999999999999999",
    b"-",
    b"%",
)


def full_recording() -> Recording:
    """A recording that has everything that one can have."""
    t = 1.7e9 + np.arange(N) / 200
    label_t = t[::4]
    return Recording(
        emg=_EMG.astype(np.float32),
        t=t,
        sample=np.arange(N, dtype=np.int64),
        rate_hz=200.0,
        hand="right",
        name="band",
        label_t=label_t,
        joints=_RANDOM.normal(0, 40, (len(label_t), 63)).astype(np.float32),
        angle_t=label_t,
        angles=_RANDOM.normal(0, 0.5, (len(label_t), len(ANGLES))).astype(np.float32),
        classes=np.repeat([0, 3, 0, 7], N // 4).astype(np.int64),
        markers=(Marker(1.7e9 + 0.2, "squeeze"),),
        imu=np.column_stack((t[::4], _RANDOM.normal(size=(len(label_t), 10)))),
        meta={"user": "p1", "events": (Battery(1.7e9 + 0.1, 55), Notice(1.7e9 + 0.3, "sync", "left"))},
    )


def samples(folder: Path) -> dict[str, bytes]:
    """Files by name, each of a kind that another reader reads."""
    recording = full_recording()
    found: dict[str, bytes] = {}
    for name in ("full.mcap", "full.npz", "full.xdf", "full.edf", "full.bdf", "full.csv"):
        write_session(folder / name, recording)
        found[name] = (folder / name).read_bytes()
        (folder / name).unlink()
    found["lz4.mcap"] = _mcap(CompressionType.LZ4)
    found["plain.mcap"] = _mcap(CompressionType.NONE)
    found |= _texts() | _arrays() | _json()
    plain = found["bare.csv"]
    found["bare.csv.gz"], found["bare.csv.xz"] = gzip.compress(plain), lzma.compress(plain)
    found["bare.csv.bz2"], found["bare.csv.zst"] = bz2.compress(plain), zstandard.compress(plain)
    packed = BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bare.csv", plain)
    found["bare.csv.zip"] = packed.getvalue()
    found["full.xdfz"] = gzip.compress(found["full.xdf"])
    return found


def _mcap(compression: CompressionType) -> bytes:
    stream = BytesIO()
    writer = Writer(stream, compression=compression, chunk_size=2000)
    writer.start()
    channels = {
        topic: writer.register_channel(topic, "json", 0) for topic in ("/emg", "/label", "/marker", "/event", "/imu")
    }
    writer.add_metadata(
        "myocast", {"rate": "200", "unit": "adc", "emg_mode": "raw", "hand": "left", "label_lag_ms": "20"}
    )
    for row in range(0, N, 10):
        t = 1.7e9 + row / 200
        at = int(t * 1e9)
        emg = {"device": 0, "sample": row, "t": t, "samples": _EMG[row : row + 10].tolist()}
        said = [
            ("/emg", emg),
            ("/label", {"t": t, "joints": [1.0] * 63}),
            ("/label", {"t": t, "angles": {"index_mcp_fe": 20.0}, "source": "webcam"}),
            ("/marker", {"t": t, "label": "3", "kind": "class"}),
            ("/event", {"t": t, "kind": "battery", "percent": 50}),
            ("/event", {"t": t, "kind": "gap", "sample": row}),
            ("/imu", {"t": t, "quaternion": [1, 0, 0, 0], "acceleration_g": [0, 0, 1], "gyro_dps": [0, 0, 0]}),
        ]
        for topic, payload in said:
            writer.add_message(channels[topic], at, orjson.dumps(payload), at)
    writer.finish()
    return stream.getvalue()


def _rows(*before: Any, separator: str = ",", after: tuple[Any, ...] = ()) -> str:
    lines = []
    for number, row in enumerate(_EMG.tolist()):
        head = [one(number) if callable(one) else one for one in before]
        tail = [one(number) if callable(one) else one for one in after]
        lines.append(separator.join(map(str, [*head, *row, *tail])))
    return "\n".join(lines) + "\n"


def _texts() -> dict[str, bytes]:
    names = ",".join(f"emg{channel}" for channel in range(1, 9))
    exg = ", ".join(f"EXG Channel {channel}" for channel in range(8))
    board = _rows(lambda n: n % 256, separator=", ", after=(lambda n: 1.7e9 + n / 250,))
    words = _rows(lambda n: n / 200, after=(lambda n: "rest" if n < 60 else "fist",))
    volts = ["\t".join([str(n), *(f"{value}e-05" for value in row), "1"]) for n, row in enumerate(_EMG.tolist())]
    joints = [f"{joint.title()} {axis}" for joint in JOINTS for axis in "xyz"]
    joined = [
        "Leap timestamp",
        "timestamp diff",
        "emg timestamp",
        *(f"ch{k}" for k in range(1, 9)),
        "Wrist x",
        "Wrist y",
        "Wrist z",
        *joints[3:],
    ]
    manus = "#" + ",".join(COLUMNS) + "\n" + _rows(after=tuple([1.5] * (len(COLUMNS) - 8)))
    texts = {
        "bare.csv": _rows(),
        "class.txt": _rows(separator="\t", after=(lambda n: n // 40,)),
        "sdk.csv": f"timestamp,{names}\n{_rows(lambda n: 1424390400000000 + 5000 * n)}",
        "words.csv": f"time,{names},gesture\n{words}",
        "iso.csv": f"time,{names}\n{_rows(lambda n: f'2026-11-28T00:35:47.{n * 5:03d}')}",
        "german.csv": _rows(lambda n: f"{n / 200:.3f}", separator=";").replace(".", ","),
        "uci.txt": "\t".join(uci.NAMES) + "\n" + "\n".join(volts),
        "openbci.txt": f"%OpenBCI Raw EXG Data\n%Sample Rate = 250 Hz\nSample Index, {exg}, Timestamp\n{board}",
        "joined.csv": ",".join(joined) + "\n" + _rows(1, 2, lambda n: n / 50, after=tuple(range(63))),
        "manus.csv": manus,
    }
    return {name: text.encode() for name, text in texts.items()}


def _arrays() -> dict[str, bytes]:
    scipy_io = import_module("scipy.io")
    found: dict[str, bytes] = {}
    for name, packed in (("a.mat", False), ("packed.mat", True)):
        stream = BytesIO()
        scipy_io.savemat(
            stream, {"emg": _EMG, "fs": 200, "restimulus": np.zeros((N, 1)), "s": {"x": 1.0}}, do_compression=packed
        )
        found[name] = stream.getvalue()
    stream = BytesIO()
    np.savez(stream, emg=_EMG, t=np.arange(N) / 200, y=np.zeros(N))
    found["other.npz"] = stream.getvalue()
    stream = BytesIO()
    np.save(stream, _EMG)
    found["a.npy"] = stream.getvalue()
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        file.create_dataset("emg", data=_EMG, compression="gzip")
        file["fs"] = 200.0
    found["a.h5"] = stream.getvalue()
    table = np.zeros(N, dtype=[("time", "f8"), ("joint_angles", "f4", (20,)), ("emg", "f4", (8,))])
    table["time"], table["emg"] = np.arange(N) / 2000, _EMG
    stream = BytesIO()
    with h5py.File(stream, "w") as file:
        group = file.create_group("emg2pose")
        group.create_dataset("timeseries", data=table)
        group.attrs.update(side="left", sample_rate=2000)
    found["emg2pose.hdf5"] = stream.getvalue()
    return found


def _json() -> dict[str, bytes]:
    trial = {
        "emg": {f"ch{k + 1}": _EMG[:, k].tolist() for k in range(8)},
        "gestureName": "fist",
        "groundTruth": [1] * N,
    }
    epn = {"generalInfo": {"samplingFrequencyInHertz": 200}, "trainingSamples": {"idx_1": trial}, "testingSamples": {}}
    return {"epn.json": json.dumps(epn).encode(), "lists.json": json.dumps({"emg": _EMG.tolist(), "fs": 200}).encode()}


class Damaged(bytes):
    """The bytes of a damaged file; a failure need not print them all."""

    def __repr__(self) -> str:
        return f"<{len(self)} bytes>"


_THINGS = ("flip", "byte", "extreme", "token", "cut", "remove", "repeat", "zeros", "swap")


def damaged(random: Random, content: bytes) -> Damaged:
    """The bytes with one to six things done to them, anywhere."""
    data = bytearray(content)
    for _ in range(random.randint(1, 6)):
        if not data:
            break
        at = random.randrange(len(data))
        match random.choice(_THINGS):
            case "flip":
                data[at] ^= 1 << random.randrange(8)
            case "byte":
                data[at] = random.randrange(256)
            case "extreme":
                value = random.choice(_EXTREMES)
                data[at : at + len(value)] = value
            case "token":
                data[at : at + random.randrange(7)] = random.choice(_TOKENS)
            case "cut":
                del data[at:]
            case "remove":
                del data[at : at + random.randint(1, 300)]
            case "repeat":
                data[at:at] = data[at : at + random.randint(1, 300)] * random.randint(1, 50)
            case "zeros":
                length = random.randint(1, 64)
                data[at : at + length] = b"\0" * length
            case "swap":
                other = random.randrange(len(data))
                data[at], data[other] = data[other], data[at]
    return Damaged(data)


def try_damaged(
    name: str, content: bytes, folder: Path, count: int, seed: int, then: Callable[[str, int], None]
) -> None:
    """Damage a file `count` times, and read what comes out.

    Args:
        name: of the file.
        content: its bytes.
        folder: where the damaged files are written, one after the other; the one that fails stays there.
        count: how often.
        seed: of the damage.
        then: called with the outcome (`read` or `refused`) and the number of bytes of each.
    """

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=count,
        deadline=None,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    # Uniform places: what hypothesis draws itself is mostly near the beginning.
    @hypothesis.given(st.randoms(use_true_random=True).map(lambda random: damaged(random, content)))
    def run(data: Damaged) -> None:
        then(check_one(folder / name, data), len(data))

    run()


def check_one(path: Path, data: bytes) -> str:
    """Read a file: `read`, or `refused` in one line. Whatever else happens is raised."""
    path.write_bytes(data)
    try:
        recording = read_session(path)
        orjson.dumps(summary(recording))
    except SessionError as error:
        if "\n" in str(error) or not str(error).strip():
            raise AssertionError(f"not one line: {error}") from error
        return "refused"
    except MyocastError as error:
        raise AssertionError(f"no error of a session: {error!r}") from error
    if not (np.isfinite(recording.emg).all() and np.isfinite(recording.t).all() and (np.diff(recording.t) >= 0).all()):
        raise AssertionError("a recording with values that are none, or with times that go back")
    return "read"
