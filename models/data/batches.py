"""Batches for the two kinds of networks, gathered from segments by index."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

from models.architectures.base import NetworkConfig, Scaling
from models.arrays import Float32Array, Int64Array
from models.data.augment import Augmentation
from models.data.segments import DataError, Segment


@dataclass(frozen=True, slots=True)
class Batch:
    """Inputs, targets in mm, and how much each target counts."""

    emg: Float32Array
    """Windows (b, window, 8) of EMG, or running averages (b, steps, k, 8)."""
    mix: Float32Array
    """(b, 8, 8) for envelopes as row vectors."""
    pose: Float32Array
    """(b, 63) or (b, steps, 63)."""
    weight: Float32Array
    """(b,) or (b, steps)."""
    commanded: Float32Array
    """(b,) 1 where the pose is the commanded one, 0 where it was measured."""


class Batches(Protocol):
    """A data set that gives batches by index."""

    def __len__(self) -> int: ...

    def draw(self, count: int, rng: np.random.Generator, share: float | None) -> Int64Array:
        """(count,) random places; `share` of them from sessions with commanded poses, None = as they come."""
        ...

    def batch(self, index: Int64Array, augmentation: Augmentation, rng: np.random.Generator) -> Batch:
        """The examples at the places `index` (b,), augmented."""
        ...


class Windows:
    """Overlapping windows that never cross a gap or a file; each is cut when its batch is made."""

    def __init__(self, segments: Sequence[Segment], steps: int, config: NetworkConfig, hop: int = 1) -> None:
        """`steps` per window and `hop`, in steps of 20 ms."""
        self._every = config.decimation
        self._raw = config.emg_mode != "envelope"
        self._steps = steps
        self._segments = list(segments)
        ends = [_usable(segment, steps, hop) for segment in segments]
        self._segment = (
            np.concatenate([np.full(len(end), i) for i, end in enumerate(ends)]) if ends else np.zeros(0, np.int64)
        )
        self._end = np.concatenate(ends) if ends else np.zeros(0, np.int64)
        if not len(self._end):
            raise DataError(
                f"no window of {steps * 0.02:g} s with a pose in the data; give longer sessions with ground truth"
            )

        self._kind = np.array([_kind(segment) for segment in self._segments])[self._segment]

    def __len__(self) -> int:
        return len(self._end)

    def draw(self, count: int, rng: np.random.Generator, share: float | None) -> Int64Array:
        """(count,) random places, as in `Batches`."""
        return _draw(self._kind, count, rng, share)

    def batch(self, index: Int64Array, augmentation: Augmentation, rng: np.random.Generator) -> Batch:
        """The examples at the places `index` (b,), augmented."""
        rows = [(self._segments[t], int(e)) for t, e in zip(self._segment[index], self._end[index], strict=True)]
        emg = np.stack(
            [segment.emg[(end + 1 - self._steps) * self._every : (end + 1) * self._every] for segment, end in rows]
        )
        if self._raw:
            emg = augmentation.spoil(emg, rng)
        pose = np.stack([segment.pose[end] for segment, end in rows])
        weight = np.array([segment.weight[end] for segment, end in rows], np.float32)
        mixes, commanded = _of_rows(augmentation, [segment for segment, _ in rows], rng)
        return Batch(emg, mixes, pose, weight, commanded)


@dataclass(frozen=True, slots=True)
class Averages:
    """A segment as a stream sees it."""

    bank: npt.NDArray[np.float16]
    """(n, k, 8) running averages at the network's own rate; half precision is far finer than EMG repeats itself."""
    pose: Float32Array
    weight: Float32Array
    every: int
    """Rows of `bank` per step of `pose`."""
    canonical: bool = False
    aligned: Float32Array | None = None


class Sequences:
    """Runs of `steps` steps from random places; a run from inside a segment is not evaluated on its first steps."""

    def __init__(self, averages: Sequence[Averages], steps: int, burn_in: int) -> None:
        self._averages = [a for a in averages if len(a.pose) >= steps]
        if not self._averages:
            raise DataError(f"no run of {steps * 0.02:g} s without a gap in the data; give longer sessions")
        self._steps, self._burn_in, self._hop = steps, burn_in, max(1, steps // 4)
        starts = [np.arange(0, len(a.pose) - steps + 1, self._hop) for a in self._averages]
        self._segment = np.repeat(np.arange(len(starts)), [len(s) for s in starts])
        self._start = np.concatenate(starts)
        self._last = np.array([len(a.pose) - steps for a in self._averages])
        self._kind = np.array([_kind(a) for a in self._averages])[self._segment]

    def __len__(self) -> int:
        return len(self._start)

    def draw(self, count: int, rng: np.random.Generator, share: float | None) -> Int64Array:
        """(count,) random places, as in `Batches`."""
        return _draw(self._kind, count, rng, share)

    def batch(self, index: Int64Array, augmentation: Augmentation, rng: np.random.Generator) -> Batch:
        """The examples at the places `index` (b,), augmented."""
        segment, start = self._segment[index], self._start[index]
        jitter = np.where(start > 0, rng.integers(0, self._hop, len(index)), 0)
        start = np.minimum(start + jitter, self._last[segment])
        rows = [(self._averages[t], s, s + self._steps) for t, s in zip(segment.tolist(), start.tolist(), strict=True)]
        bank = np.stack([a.bank[s * a.every : e * a.every] for a, s, e in rows]).astype(np.float32)
        if augmentation.noise:
            bank *= np.exp(0.05 * rng.standard_normal((len(bank), 1, *bank.shape[2:]))).astype(np.float32)
        pose = np.stack([a.pose[s:e] for a, s, e in rows])
        weight = np.stack([a.weight[s:e] for a, s, e in rows])
        weight[start > 0, : self._burn_in] = 0.0
        mixes, commanded = _of_rows(augmentation, [a for a, _, _ in rows], rng)
        return Batch(bank, mixes, pose, weight, commanded)


def scaling(segments: Sequence[Segment], raw: bool) -> Scaling:
    """The constants of the graph, from training segments alone: quantiles of the envelope, moments of the pose."""
    levels = np.concatenate([_coarse_envelope(segment.emg, raw) for segment in segments]).ravel()
    levels = levels[np.isfinite(levels)]
    floor = float(max(np.percentile(levels, 5.0), 0.01 * levels.mean(), 1e-6))
    logs = np.log(levels + floor)
    poses = [segment.pose[segment.weight > 0] for segment in segments]
    count = sum(len(pose) for pose in poses)
    if not count:
        raise DataError("no pose in the data; give sessions with ground truth")
    mean = sum(pose.sum(axis=0, dtype=np.float64) for pose in poses) / count
    variance = sum(((pose - mean) ** 2).sum(axis=0, dtype=np.float64) for pose in poses) / count
    return Scaling(
        floor=floor,
        mean=float(logs.mean()),
        std=float(logs.std()) or 1.0,
        pose_mean=tuple(float(v) for v in np.broadcast_to(mean, (63,))),
        pose_std=float(np.sqrt(np.mean(variance))) or 1.0,
    )


def _coarse_envelope(emg: Float32Array, raw: bool) -> Float32Array:
    """One level per 50 ms, enough for quantiles."""
    block = 10 if raw else 2
    kept = len(emg) // block * block
    return np.asarray(np.abs(emg[:kept]).reshape(-1, block, emg.shape[1]).mean(axis=1), np.float32)[::4]


_MEASURED, _STILL, _MOVING = range(3)
MOVING: Final = 0.55
"""Share of canonical runs from sessions with gestures that have poses of their own, which are rare among rest."""


def _kind(part: Segment | Averages) -> int:
    """Measured poses, or canonical ones: of rest alone, or of gestures with poses of their own."""
    if not part.canonical:
        return _MEASURED
    return _MOVING if np.ptp(part.pose[part.weight > 0], axis=0).any() else _STILL


def _draw(kind: Int64Array, count: int, rng: np.random.Generator, share: float | None) -> Int64Array:
    """Random places, `share` of them canonical ones."""
    pools = [np.flatnonzero(kind == one) for one in (_MEASURED, _STILL, _MOVING)]
    if share is None or not len(pools[_MEASURED]) or not len(pools[_STILL]) + len(pools[_MOVING]):
        return rng.integers(0, len(kind), count)
    chances = np.array([1.0 - share, share * (1.0 - MOVING), share * MOVING]) * [len(pool) > 0 for pool in pools]
    wanted = rng.choice(len(pools), count, p=chances / chances.sum())
    return np.array([pools[one][rng.integers(len(pools[one]))] for one in wanted])


def _of_rows(
    augmentation: Augmentation, owners: Sequence[Segment | Averages], rng: np.random.Generator
) -> tuple[Float32Array, Float32Array]:
    """`mix` and `commanded` of a batch: a row's augmentation comes after its alignment, where it is aligned."""
    known = np.array([owner.aligned is not None for owner in owners])
    commanded = np.array([owner.canonical for owner in owners])
    chosen = known & (rng.random(len(owners)) < np.where(commanded, augmentation.align_asked, augmentation.align))
    mixes = augmentation.mixes(len(owners), rng, chosen)
    for row, owner in enumerate(owners):
        if chosen[row] and owner.aligned is not None:
            mixes[row] = owner.aligned @ mixes[row]
    return mixes, commanded.astype(np.float32)


def _usable(segment: Segment, steps: int, hop: int) -> Int64Array:
    ends = np.arange(steps - 1, segment.steps, hop)
    return ends[segment.weight[ends] > 0]
