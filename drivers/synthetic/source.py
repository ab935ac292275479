"""The synthetic armband: `synthetic:?seed=1&rate=200`. It emits the EMG of a simulated moving hand, and its joints.

Options: `seed`, `user`, `session` (who wears it, and how it was put on), `rate` (50 to 1000), `mode` (raw,
filtered, envelope), `hand`, `rotation` (of the band about the arm, in channels), `losses=1` (the radio loses packets),
`reaction` (seconds by which the wearer follows a prompt later, 0 to 2).
"""

from __future__ import annotations

import asyncio
from collections import deque
from math import cos, pi, sin
from typing import Final, cast

import numpy as np

from drivers.clock import Clock, now
from drivers.clock_shift import shifted
from drivers.events import EMG_MODES, Battery, EmgMode, Emit, Frame, Imu, Marker, SourceInfo
from drivers.uri import SIDES, SourceUri
from models.arrays import Float32Array
from models.forward.generator import FIRST_UNSEEN_USER, HIGHEST_RATE_HZ, LOWEST_RATE_HZ, Block, Stream
from models.forward.motion import Step
from models.forward.signal import ENVELOPE_RATE_HZ, SPECTRUM_RATE_HZ

OPTIONS: Final = ("seed", "user", "session", "rate", "mode", "hand", "rotation", "losses", "reaction")
DEFAULT_SEED: Final = 1
DEFAULT_USER: Final = FIRST_UNSEEN_USER
"""A simulated person on whose EMG no shipped model was trained."""
IMU_HZ: Final = 50.0
LATE_S: Final = 5.0
"""Seconds of samples that are emitted late; after a longer pause (a computer that slept) they count as lost."""

_PAIR: Final = 2
_AHEAD: Final = 200
_BATTERY_S: Final = 600.0
_EARLY_S: Final = 1e-6

MOVE_S: Final = 0.4
"""Seconds that the simulated wearer takes to do what is asked for."""
_POSES: Final = {"extension": "wrist_extension", "flexion": "wrist_flexion", "thumb": "thumb_in"}
"""Cues that the generator knows by another name."""

Quaternion = tuple[float, float, float, float]
"""w, x, y, z."""


def from_uri(uri: SourceUri) -> SyntheticSource:
    """Make the source of a `synthetic:` URI.

    Raises:
        DriverError: an unknown option, or a value outside the range of the generator.
    """
    uri.allow(OPTIONS)
    uri.no_target("`synthetic:?seed=1`")
    mode = uri.choice("mode", "raw", EMG_MODES)
    usual = ENVELOPE_RATE_HZ if mode == "envelope" else SPECTRUM_RATE_HZ
    rate_hz = uri.number("rate", usual, LOWEST_RATE_HZ, HIGHEST_RATE_HZ)
    if mode == "envelope" and rate_hz != ENVELOPE_RATE_HZ:
        raise uri.problem("rate", f"mode envelope always has {ENVELOPE_RATE_HZ:g} Hz; leave `rate` out")
    return SyntheticSource(
        Stream(
            int(uri.number("user", DEFAULT_USER, 0, 1e6)),
            int(uri.number("session", 0, 0, 1e6)),
            seed=int(uri.number("seed", DEFAULT_SEED, 0, 2**53)),
            rate_hz=rate_hz,
            emg_mode=mode,
            rotation_channels=uri.number("rotation", 0.0, -8.0, 8.0),
            hand=uri.choice("hand", "right", SIDES),
            losses=uri.flag("losses", False),
        ),
        uri=uri.text,
        reaction_s=uri.number("reaction", 0.0, 0.0, 2.0),
    )


class SyntheticSource:
    """A `Stream` of the generator in real time, two samples in each frame.

    Sample i of a run is due at start + i / rate, however late earlier ones were: the rate does not drift.
    A second run goes on with the next sample, marked as a gap.
    """

    def __init__(self, stream: Stream, *, uri: str = "synthetic:", reaction_s: float = 0.0, clock: Clock = now) -> None:
        """`reaction_s`: seconds between a prompt and the first sample that shows it."""
        self._stream, self._clock = stream, clock
        self._reaction = round(reaction_s * stream.rate_hz)
        self._prompts: deque[tuple[int, Step | None]] = deque()
        self._info = SourceInfo(
            uri=uri,
            name="Synthetic armband",
            rate_hz=stream.rate_hz,
            emg_mode=cast(EmgMode, stream.emg_mode),
            hand=stream.hand,
            nature="synthetic",
        )
        self._block: Block | None = None
        self._truth: Float32Array = np.zeros((0, 0), dtype=np.float32)
        self._labels: deque[tuple[float, str]] = deque()
        self._row = 0
        self._sample = 0
        self._gap = False

    @property
    def info(self) -> SourceInfo:
        """Description of the armband; it does not change."""
        return self._info

    async def run(self, emit: Emit) -> None:
        """Emit frames as they fall due, until cancelled."""
        emit(self._info)
        rate = self._info.rate_hz
        begun = self._clock()
        start = begun - self._sample / rate
        self._gap = self._sample > 0
        imu_step = 0
        moved_s = shifted()
        while True:
            if shifted() != moved_s:
                start, begun, moved_s = start + shifted() - moved_s, begun + shifted() - moved_s, shifted()
            late = self._clock() - (start + (self._sample + _PAIR) / rate)
            if late > LATE_S:
                self._skip(int(late * rate))
                imu_step = int((self._clock() - begun) * IMU_HZ)
            while begun + imu_step / IMU_HZ <= self._clock() + _EARLY_S:
                _emit_imu_and_battery(emit, begun, imu_step)
                imu_step += 1
            while start + (self._sample + _PAIR) / rate <= self._clock() + _EARLY_S:
                self._emit_pair(emit, start)
            await asyncio.sleep(max(0.0, start + (self._sample + _PAIR) / rate - self._clock()))

    def follow(self, cue: str | None, level: float = 1.0, seconds: float | None = None) -> None:
        """Do this from the next sample on, or a reaction time later; None: move freely."""
        step = None if cue is None else step_of(cue, level, MOVE_S if seconds is None else seconds)
        self._prompts.append((self._sample + self._reaction, step))
        self._do_what_is_due()

    def _do_what_is_due(self) -> None:
        while self._prompts and self._prompts[0][0] <= self._sample:
            self._stream.command(self._prompts.popleft()[1])
            self._block = None
            self._labels.clear()

    def _emit_pair(self, emit: Emit, start: float) -> None:
        self._do_what_is_due()
        block = self._ready()
        rows = slice(self._row, self._row + _PAIR)
        rate = self._info.rate_hz
        t = start + self._sample / rate
        here = float(block.t[rows.start])
        while self._labels and self._labels[0][0] < here + _PAIR / rate:
            at, label = self._labels.popleft()
            emit(Marker(t + at - here, label))
        kept = bool(block.kept[rows].all())
        if kept:
            emg, truth = block.emg[rows], self._truth[rows]
            emit(Frame(self._sample, t, emg, self._clock(), gap=self._gap, truth=truth))
        self._gap = not kept
        self._row += _PAIR
        self._sample += _PAIR

    def _ready(self) -> Block:
        if self._block is None or self._row >= len(self._block.t):
            self._block, self._row = self._stream.take(_AHEAD), 0
            self._truth = self._stream.joints(self._block.angles)
            self._labels.extend(self._block.labels)
        return self._block

    def _skip(self, samples: int) -> None:
        self._sample += samples - samples % _PAIR
        self._gap = True


def step_of(cue: str, level: float, seconds: float) -> Step:
    """What the simulated wearer does when asked for a cue, or for a part of it (0..1), within so many seconds."""
    return Step(_POSES.get(cue, cue), seconds, 0.0, level)


def _emit_imu_and_battery(emit: Emit, begun: float, imu_step: int) -> None:
    """Emit inertial sample `imu_step` of an arm that sways a little, and now and then the battery."""
    t = imu_step / IMU_HZ
    if imu_step % int(_BATTERY_S * IMU_HZ) == 0:
        emit(Battery(begun + t, max(5, 96 - int(t / _BATTERY_S))))
    emit(_imu(begun + t, t))


def _imu(stamp: float, t: float) -> Imu:
    """Inertial sample of a swaying arm: gravity rotated by its orientation, angular rates from its change."""
    before, here, after = _orientation(t - 0.5 / IMU_HZ), _orientation(t), _orientation(t + 0.5 / IMU_HZ)
    w, x, y, z = here
    down = (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y))
    return Imu(stamp, here, down, _rates(before, after))


def _orientation(t: float) -> Quaternion:
    roll, pitch, yaw = 0.125 * sin(0.9 * t), 0.075 * sin(0.53 * t + 1.0), 0.15 * sin(0.31 * t + 2.0)
    cr, cp, cy, sr, sp, sy = cos(roll), cos(pitch), cos(yaw), sin(roll), sin(pitch), sin(yaw)
    return (
        cr * cp * cy + sr * sp * sy,
        sr * cp * cy - cr * sp * sy,
        cr * sp * cy + sr * cp * sy,
        cr * cp * sy - sr * sp * cy,
    )


def _rates(before: Quaternion, after: Quaternion) -> tuple[float, float, float]:
    """Degrees per second about the band's axes: twice the vector part of conj(before) * after, per sample time."""
    w, x, y, z = before
    a, b, c, d = after
    scale = 2.0 * IMU_HZ * 180.0 / pi
    return (
        scale * (w * b - x * a - y * d + z * c),
        scale * (w * c + x * d - y * a - z * b),
        scale * (w * d - x * c + y * b - z * a),
    )
