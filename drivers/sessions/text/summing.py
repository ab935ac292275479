"""Summary of a table that is too large to be held in memory: it is read in parts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np

from drivers.sessions.assemble import BACK, recording_of
from drivers.sessions.report import JsonObject, ReadReport
from drivers.sessions.text.layout import CLASSES, Layout
from drivers.sessions.text.reader import Columns, TableReader, Text, joined_columns
from drivers.sessions.timeline import CORRECTION_S
from models.arrays import Float64Array
from models.hand import CHANNELS
from models.recording import Recording

_PART_ROWS: Final = 200_000
_MOST_PLACES: Final = 1000
"""Gaps whose times are kept."""
_INT8: Final = (-128.0, 127.0)
_COUNTED: Final = re.compile(r"(?P<before>time goes back )?(?P<count>\d+)(?P<after> times: .*| rows have no label)")


def summarize_table(text: Text, layout: Layout) -> JsonObject:
    """Read a table in parts, and return what `drivers.sessions.summary.summary` says of it, but its metadata.

    The rate is told by the first part.

    Raises:
        SessionError: as for reading it.
    """
    reader = TableReader(text, layout)
    sums = _Sums(layout.time is not None)
    own = text.report
    counted: Counter[str] = Counter()
    classes = ""
    for part in _large(reader.blocks()):
        said = ReadReport()
        reader.text = replace(text, report=said)
        config = replace(text.config, rate=sums.rate or text.config.rate)
        samples = reader.samples(part)
        recording = recording_of(text.path.name, samples, config, said)
        sums.add(recording, recording.t if samples.t is None else samples.t)
        for note in said.notes:
            found = _COUNTED.fullmatch(note)
            if note.startswith(CLASSES):
                classes = note
            elif found is None:
                own.note(note)
            else:
                counted[f"{found['before'] or ''}{{}}{found['after']}"] += int(found["count"])
    if sums.breaks:
        counted[BACK] += sums.breaks
    for phrase, count in counted.items():
        own.note(phrase.format(count))
    if classes:
        own.note(classes)
    return sums.as_summary(text.path.name)


def _large(parts: Iterator[Columns]) -> Iterator[Columns]:
    """The parts, several as one."""
    held: list[Columns] = []
    rows = 0
    for part in parts:
        held.append(part)
        rows += len(part.values)
        if rows >= _PART_ROWS:
            yield joined_columns(held)
            rows = 0
    if held:
        yield joined_columns(held)


@dataclass(slots=True)
class _Sums:
    """Sums over the parts of a recording."""

    timed: bool
    """Whether the table has times; otherwise they are made from the rows' numbers."""
    samples: int = 0
    rate: float = 0.0
    about: Recording | None = None
    """The first sample, with what is said of all."""
    first_t: float = 0.0
    last_t: float = 0.0
    last_sample: int = 0
    seconds: float = 0.0
    """Without gaps."""
    steps: int = 0
    breaks: int = 0
    """Steps back of the time from part to part."""
    gaps: int = 0
    lost: int = 0
    longest: int = 0
    places: list[float] = field(default_factory=list)
    duration: float = 0.0
    base: Float64Array = field(default_factory=lambda: np.zeros(CHANNELS))
    total: Float64Array = field(default_factory=lambda: np.zeros(CHANNELS))
    squares: Float64Array = field(default_factory=lambda: np.zeros(CHANNELS))
    low: Float64Array = field(default_factory=lambda: np.full(CHANNELS, np.inf))
    high: Float64Array = field(default_factory=lambda: np.full(CHANNELS, -np.inf))
    clipped: Float64Array = field(default_factory=lambda: np.zeros(CHANNELS))
    classes: Counter[int] = field(default_factory=Counter)
    truth: list[float] = field(default_factory=list)
    angles: list[float] = field(default_factory=list)
    """Of the labels: how many, the first time, the last."""

    def add(self, part: Recording, t: Float64Array) -> None:
        """Add the next part; `t` (n,) are its times before those that go back were moved."""
        emg = part.emg.astype(np.float64)
        if self.about is None:
            self.rate, self.about = part.rate_hz, replace(part, emg=part.emg[:1], t=part.t[:1], sample=part.sample[:1])
            self.first_t, self.base = part.t.item(0), emg[0]
        else:
            self._border(part, t.item(0))
        self._within(part)
        centred = emg - self.base
        self.total += centred.sum(axis=0)
        self.squares += (centred**2).sum(axis=0)
        self.low, self.high = np.minimum(self.low, emg.min(axis=0)), np.maximum(self.high, emg.max(axis=0))
        self.clipped += np.isin(emg, _INT8).sum(axis=0)
        self.samples += len(emg)
        if part.classes is not None:
            self.classes.update(part.classes.tolist())
        _count(self.truth, part.label_t)
        _count(self.angles, part.angle_t)
        self.last_t, self.last_sample = t.item(-1), part.sample.item(-1)

    def _border(self, part: Recording, first_t: float) -> None:
        """What lies between the last part and this one."""
        step = first_t - self.last_t
        jump = round(step * self.rate) if self.timed else part.sample.item(0) - self.last_sample
        if step < -CORRECTION_S:
            self.breaks += 1
            step = 1.0 / self.rate
            self._gap(0, self.duration + step)
        elif jump > 1:
            self._gap(jump - 1, self.duration + step)
        else:
            self.seconds += max(step, 0.0)
            self.steps += 1
        self.duration += max(step, 0.0)

    def _within(self, part: Recording) -> None:
        heads = [segment.start for segment in part.segments()]
        stops = [*heads[1:], len(part)]
        for head, stop in zip(heads, stops, strict=True):
            self.seconds += part.t.item(stop - 1) - part.t.item(head)
            self.steps += stop - head - 1
        for head in heads[1:]:
            lost = part.sample.item(head) - part.sample.item(head - 1) - 1
            self._gap(lost, self.duration + part.t.item(head) - part.t.item(0))
        self.duration += part.t.item(-1) - part.t.item(0)

    def _gap(self, lost: int, at: float) -> None:
        self.gaps += 1
        self.lost += lost
        self.longest = max(self.longest, lost)
        if len(self.places) < _MOST_PLACES:
            self.places.append(round(at, 6))

    def as_summary(self, name: str) -> JsonObject:
        """What `summary` says of a recording."""
        about = self.about
        assert about is not None  # A table without a row is refused.
        int8 = about.unit == "adc" and about.emg_mode != "envelope"
        mean = self.total / self.samples
        variance = np.maximum(self.squares / self.samples - mean**2, 0.0)
        mean += self.base
        rows = [
            {
                "channel": channel + 1,
                "mean": round(float(mean[channel]), 4),
                "sd": round(float(np.sqrt(variance[channel])), 4),
                "rms": round(float(np.sqrt(variance[channel] + mean[channel] ** 2)), 4),
                "min": float(self.low[channel]),
                "max": float(self.high[channel]),
                "clipped_percent": round(100.0 * float(self.clipped[channel]) / self.samples, 4)
                if int8 and self.low[channel] >= _INT8[0] and self.high[channel] <= _INT8[1]
                else None,
            }
            for channel in range(CHANNELS)
        ]
        return {
            "file": name,
            "format": about.meta.get("format"),
            "device": about.name,
            "index": 0,
            "devices": [0],
            "duration_s": round(self.duration + 1.0 / self.rate, 6),
            "samples": self.samples,
            "rate_hz": self.rate,
            "measured_rate_hz": round(self.steps / self.seconds, 3) if self.seconds > 0 else None,
            "unit": about.unit,
            "emg_mode": about.emg_mode,
            "hand": about.hand,
            "gaps": {
                "count": self.gaps,
                "lost_samples": self.lost,
                "longest_s": round(self.longest / self.rate, 6),
                "at_s": self.places,
            },
            "channels": rows,
            "classes": {str(label): count for label, count in sorted(self.classes.items())} or None,
            "truth": _labels(self.truth),
            "angles": _labels(self.angles),
            "markers": [],
            "poses": [],
            "imu_samples": 0,
            "bursts": 0,
            "events": 0,
            "metadata": {},
        }


def _count(labels: list[float], t: Float64Array | None) -> None:
    if t is None or not len(t):
        return
    if labels:
        labels[0] += len(t)
        labels[2] = t.item(-1)
    else:
        labels[:] = [float(len(t)), t.item(0), t.item(-1)]


def _labels(labels: list[float]) -> JsonObject | None:
    if not labels:
        return None
    count, first, last = labels
    return {"labels": int(count), "rate_hz": round((count - 1) / (last - first), 3) if last > first else None}
