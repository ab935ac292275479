"""From recordings to segments: runs of EMG without gaps at one rate, with a pose for every step.

Segments keep EMG once, as it came, and one pose per step of 20 ms: nothing is copied per window.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.architectures.base import STEP_HZ, NetworkConfig
from models.arrays import Float32Array
from models.errors import MyocastError
from models.forward.signal import Envelope
from models.hand import CHANNELS, MIRRORED_CHANNELS, VALUES, mirror
from models.recording import Recording
from models.spec import RATE_TOLERANCE

USER_KEYS: Final = ("user", "subject")
"""Metadata of a session that say who wore the band."""
SETTLE_S: Final = 1.0
"""After a class label switches, the hand has not followed yet: reaction time lies inside the label."""


class DataError(MyocastError):
    """Recordings that cannot be trained or evaluated on."""


@dataclass(frozen=True, slots=True)
class Segment:
    """One run of EMG without gaps, on a right arm."""

    emg: Float32Array
    """(steps * decimation, 8) in the device's unit."""
    pose: Float32Array
    """(steps, 63) mm at the last sample of each step."""
    weight: Float32Array
    """(steps,) 0 where the pose is not known."""
    user: str
    session: str
    name: str
    block: int = 0
    classes: npt.NDArray[np.int64] | None = None
    """(steps,) class label, where the session has them."""
    canonical: bool = False
    """The pose is the commanded one, not a measured one."""
    synthetic: bool = False
    aligned: Float32Array | None = None
    """(8, 8) matrix that aligns this donning to the template, where it was fitted."""
    named: bool = True
    """Whether the data say who wore the band; otherwise `user` is only the name of the recording."""
    bent: bool = False
    """Its labels are angles alone, so that there is no pose."""

    @property
    def steps(self) -> int:
        return len(self.pose)


def segments_of(
    recordings: Iterable[Recording], config: NetworkConfig, gestures: Mapping[int, Float32Array] | None = None
) -> Iterator[Segment]:
    """Segments of every recording, one recording at a time.

    Args:
        recordings: consumed lazily.
        config: the rate and mode to bring them to.
        gestures: class label -> (63,) pose, for sessions that have class labels instead of a pose.
            The label -1 stands for all others.

    Raises:
        DataError: a recording whose rate or mode cannot be brought to those of the network.
    """
    for recording in recordings:
        fitted = right_handed(conform(recording, config))
        for part in fitted.segments():
            segment = _segment(fitted, part, config, gestures or {})
            if segment is not None:
                yield segment


def conform(recording: Recording, config: NetworkConfig) -> Recording:
    """The same session at the rate and in the mode that a network is built for.

    Raw EMG becomes the envelope that the Myo's own 50 Hz mode gives; another rate is interpolated
    linearly, causally enough: a sample only uses its two neighbours.

    Raises:
        DataError: an envelope where raw EMG is needed.
    """
    if recording.emg_mode != "envelope" and config.emg_mode == "envelope":
        recording = emulate_envelope(recording)
    if recording.emg_mode == "envelope" and config.emg_mode != "envelope":
        raise DataError(
            f"{recording.name}: holds envelopes, expected {config.emg_mode} EMG; train with `--mode envelope`"
        )
    if abs(recording.rate_hz - config.rate_hz) > RATE_TOLERANCE * config.rate_hz:
        recording = resample(recording, config.rate_hz)
    return recording


def emulate_envelope(recording: Recording) -> Recording:
    """What the Myo's 50 Hz mode would have given: rectified, smoothed over about 50 ms, every fourth sample."""
    every = max(1, round(recording.rate_hz / STEP_HZ))
    parts = [part for part in recording.segments() if part.stop - part.start >= every]
    kept = [np.arange(part.start + every - 1, part.stop, every) for part in parts]
    emg = [Envelope(recording.rate_hz).feed(recording.emg[part]) for part in parts]
    rows = np.concatenate(kept) if kept else np.zeros(0, np.int64)
    return replace(
        recording,
        emg=np.concatenate(emg) if emg else np.zeros((0, CHANNELS), np.float32),
        t=recording.t[rows],
        sample=recording.sample[rows] // every,
        rate_hz=recording.rate_hz / every,
        emg_mode="envelope",
        classes=None if recording.classes is None else recording.classes[rows],
        breaks=np.cumsum([len(k) for k in kept])[:-1],
        frame_start=None,
        arrival=None,
    )


def resample(recording: Recording, rate_hz: float) -> Recording:
    """The same session at another rate; every run without gaps is interpolated on its own."""
    parts, times, classes = [], [], []
    for part in recording.segments():
        t = recording.t[part]
        if len(t) < 2:
            continue
        grid = np.arange(t[0], t[-1], 1.0 / rate_hz)
        parts.append(np.stack([np.interp(grid, t, recording.emg[part, c]) for c in range(CHANNELS)], axis=1))
        times.append(grid)
        if recording.classes is not None:
            nearest = np.minimum(np.searchsorted(t, grid), len(t) - 1)
            classes.append(recording.classes[part][nearest])
    lengths = np.cumsum([len(p) for p in parts])
    return replace(
        recording,
        emg=np.concatenate(parts).astype(np.float32) if parts else np.zeros((0, CHANNELS), np.float32),
        t=np.concatenate(times) if times else np.zeros(0),
        sample=np.arange(lengths[-1] if parts else 0),
        rate_hz=rate_hz,
        classes=np.concatenate(classes) if classes else None,
        breaks=lengths[:-1],
        frame_start=None,
        arrival=None,
    )


def right_handed(recording: Recording) -> Recording:
    """A left arm's session as its mirror image on a right arm."""
    if recording.hand != "left":
        return recording
    joints = None if recording.joints is None else mirror(recording.joints)
    return replace(recording, emg=recording.emg[:, list(MIRRORED_CHANNELS)], joints=joints, hand="right")


def _segment(
    recording: Recording, part: slice, config: NetworkConfig, gestures: Mapping[int, Float32Array]
) -> Segment | None:
    every = config.decimation
    steps = (part.stop - part.start) // every
    if not steps:
        return None
    last = part.start + np.arange(1, steps + 1) * every - 1
    classes = None if recording.classes is None else recording.classes[last]
    pose = recording.joints_at(recording.t[last])
    weight = np.ones(steps, np.float32)
    if pose is None:
        pose, weight = _canonical(classes, steps, gestures)
    elif recording.label_t is not None:
        inside = (recording.t[last] >= recording.label_t[0]) & (recording.t[last] <= recording.label_t[-1])
        weight = inside.astype(np.float32)
    meta = recording.meta
    named = _wearer(recording) is not None
    return Segment(
        emg=recording.emg[part.start : part.start + steps * every],
        pose=pose,
        weight=weight,
        user=_user(recording),
        # A file without names is a session of its own, also where all were recorded with the same armband.
        session=str(meta.get("session", recording.name if named else meta.get("path", recording.name))),
        name=recording.name,
        block=int(meta.get("block") or 0),
        classes=classes,
        canonical=recording.joints is None and bool(gestures),
        synthetic=is_synthetic(meta),
        named=named,
        bent=recording.joints is None and recording.angles is not None,
    )


def aim_ahead(segment: Segment, steps: int) -> Segment:
    """The segment with the pose of so many steps later at each step; the last steps have none."""
    if not steps:
        return segment
    pose, weight = np.zeros_like(segment.pose), np.zeros_like(segment.weight)
    pose[:-steps], weight[:-steps] = segment.pose[steps:], segment.weight[steps:]
    return replace(segment, pose=pose, weight=weight)


def is_synthetic(meta: Mapping[str, object]) -> bool:
    """Whether the metadata of a session says that the generator made it."""
    return str(meta.get("synthetic", "")).lower() in ("true", "1", "yes")


def _user(recording: Recording) -> str:
    """Who wore the band; people of other seeds or generators are other people."""
    meta = recording.meta
    name = _wearer(recording) or recording.name
    return f"{meta.get('generator', 'synthetic')}-{meta.get('seed', 0)}-{name}" if is_synthetic(meta) else name


def _wearer(recording: Recording) -> str | None:
    """The name of the wearer, as the file or its folder tells it."""
    names = (str(recording.meta.get(key, "")) for key in USER_KEYS)
    return next(filter(None, names), None)


def _canonical(
    classes: npt.NDArray[np.int64] | None, steps: int, gestures: Mapping[int, Float32Array]
) -> tuple[Float32Array, Float32Array]:
    """Class labels as poses: the gesture's, or that of label -1."""
    pose = np.zeros((steps, VALUES), np.float32)
    weight = np.zeros(steps, np.float32)
    if classes is None or not gestures:
        return pose, weight
    for label in np.unique(classes):
        target = gestures.get(int(label), gestures.get(-1))
        if target is not None:
            pose[classes == label] = target
            weight[classes == label] = 1.0
    weight[unsettled(classes)] = 0.0
    return pose, weight


def unsettled(classes: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """(steps,) the first second after each switch of the class label."""
    settle = round(SETTLE_S * STEP_HZ)
    out = np.zeros(len(classes), bool)
    for switch in np.flatnonzero(np.diff(classes)) + 1:
        out[switch : switch + settle] = True
    return out
