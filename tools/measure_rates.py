"""Measure what a shipped model makes of the same arms at other rates and in other units, before and after alignment.

    python tools/measure_rates.py --users 16 --out docs/results/data/rates.json

The same simulated people wear the same band at 200, 250, 500 and 1,000 Hz; no model was trained on them. `uV` is an
amplifier with microvolts, an offset and the mains. Samples go through the code that serves (`SignalAdapter`, then the
model file as it is opened for that rate) in frames of 20 ms. Before alignment the gain is the running level's; the
alignment is found from nine cues of two seconds of another stretch of the same donning.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, cast

import numpy as np

from drivers.events import EmgMode, Frame, SourceInfo, Unit
from drivers.signal_options import SignalOptions
from drivers.synthetic.source import MOVE_S, step_of
from models.alignment import template_of_model
from models.arrays import Float32Array
from models.forward.generator import FIRST_UNSEEN_USER, session
from models.hand import POINTS
from models.recording import Recording
from service.arm.alignment import fit_cues
from service.arm.cues import NINE_CUES
from service.engine.model_selection import ModelSelector
from service.engine.predictor import AS_IN_FILE, Fitted, ModelFile
from service.engine.signal_adapter import SignalAdapter

SEED: Final = 1
SECONDS: Final = 60.0
SKIP_S: Final = 5.0
"""Seconds at the beginning that do not count: the averages of 5 and 25 s begin, and the gain becomes known."""
HELD_S: Final = 3.0
SETTLE_S: Final = 1.0
MICROVOLTS: Final = 7.3
"""Of a count, in the `uV` rows; any other figure would do."""
OFFSET_UV: Final = 18_000.0
MAINS_UV: Final = 90.0


@dataclass(frozen=True, slots=True)
class Signal:
    """What a source sends of an arm."""

    name: str
    rate_hz: float
    unit: Unit = "adc"
    emg_mode: EmgMode = "raw"
    worn_s: float = 0.0
    """Seconds that the band is worn before the cues: mains are found in two."""

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("synthetic:", self.name, self.rate_hz, unit=self.unit, emg_mode=self.emg_mode)

    def of(self, recording: Recording) -> Float32Array:
        """EMG (n, 8) in the source's unit."""
        if self.unit == "adc":
            return recording.emg
        hum = MAINS_UV * np.sin(2.0 * np.pi * 50.0 * recording.t)[:, None] * np.linspace(0.5, 1.5, 8)
        return np.asarray(recording.emg * MICROVOLTS + OFFSET_UV * np.linspace(-1.0, 1.0, 8) + hum, np.float32)


SIGNALS: Final = (
    Signal("200 Hz", 200.0),
    Signal("250 Hz", 250.0),
    Signal("500 Hz", 500.0),
    Signal("1,000 Hz", 1000.0),
    Signal("250 Hz, uV, offset and mains", 250.0, "uV", worn_s=4.0),
)


@dataclass(frozen=True, slots=True)
class Measured:
    """One person's errors at one signal, mm."""

    before: float
    after: float
    still: float
    gain: float
    aligned_gain: float


def frames(emg: Float32Array, rate_hz: float) -> Iterator[Frame]:
    """Frames of 20 ms."""
    rows = max(1, round(rate_hz / 50.0))
    for start in range(0, len(emg) - rows + 1, rows):
        t = start / rate_hz
        yield Frame(start, t, emg[start : start + rows], t)


def error_of(signal: Signal, recording: Recording, model: ModelFile, fitted: Fitted) -> tuple[float, float]:
    """MPJPE in mm over a recording as it would be served, and the gain at its end."""
    adapter = SignalAdapter(signal.info, model, SignalOptions())
    adapter.use(model, fitted)
    predictor = model.open(fitted, rate_hz=adapter.rate_hz)
    hop, poses, times = predictor.spec.hop, [], []
    rows = np.zeros((0, 8), np.float32)
    for frame in frames(signal.of(recording), signal.rate_hz):
        taken = adapter.take(frame)
        if taken is None:
            continue
        rows = np.concatenate([rows, taken.samples])
        while len(rows) >= hop:
            predictor.gain = adapter.gain
            predictor.load(rows[:hop])
            rows = rows[hop:]
            poses.append(predictor.run())
            times.append(frame.t + (len(frame.samples) - 1 - len(rows)) / signal.rate_hz)
    at = np.array(times)
    assert recording.label_t is not None
    assert recording.joints is not None
    truth = np.stack([np.interp(at, recording.label_t, column) for column in recording.joints.T], axis=1)
    counted = at >= SKIP_S
    away = (np.stack(poses) - truth)[counted].reshape(-1, POINTS, 3)
    return float(np.linalg.norm(away, axis=-1).mean()), adapter.gain


def still_error(recording: Recording, model: ModelFile) -> float:
    """MPJPE in mm of the mean pose of the model's training data."""
    assert recording.joints is not None
    assert recording.label_t is not None
    away = (recording.joints - np.asarray(model.spec.validation["mean_pose"]))[recording.label_t >= SKIP_S]
    return float(np.linalg.norm(away.reshape(-1, POINTS, 3), axis=-1).mean())


def aligned(signal: Signal, user: int, model: ModelFile) -> Fitted:
    """What the cues of this person give."""
    script = [replace(step_of(cue, 1.0, MOVE_S), hold=HELD_S) for cue in NINE_CUES]
    if signal.worn_s:
        script.insert(0, replace(step_of("rest", 1.0, MOVE_S), hold=signal.worn_s))
    seconds = sum(step.move + step.hold for step in script)
    made = session(user, 0, seconds, seed=SEED, rate_hz=signal.rate_hz, script=script, losses=False)
    adapter = SignalAdapter(signal.info, model, SignalOptions())
    taken = [frame for frame in map(adapter.take, frames(signal.of(made), signal.rate_hz)) if frame is not None]
    t = np.concatenate([frame.t + np.arange(len(frame.samples)) / signal.rate_hz for frame in taken])
    emg = np.concatenate([frame.samples for frame in taken])
    starts = [marker.t for marker in made.markers][-len(NINE_CUES) :]
    ends = [*starts[1:], float(made.t[-1])]
    measured: dict[str, Float32Array] = {
        cue: emg[(t >= start + SETTLE_S) & (t < end)] for cue, start, end in zip(NINE_CUES, starts, ends, strict=True)
    }
    template = template_of_model(model.spec)
    assert template is not None
    _, gain, fit = fit_cues(measured, template, level=not adapter.fixed)
    return Fitted(alignment=fit.matrix(), gain=None if adapter.fixed else gain)


def measure(signal: Signal, users: int) -> list[Measured]:
    """Each person's errors."""
    model = ModelSelector().fit(signal.info)
    assert model is not None
    found = []
    for user in range(FIRST_UNSEEN_USER, FIRST_UNSEEN_USER + users):
        made = session(user, 0, SECONDS, seed=SEED, rate_hz=signal.rate_hz, losses=False)
        before, gain = error_of(signal, made, model, AS_IN_FILE)
        fitted = aligned(signal, user, model)
        after, _ = error_of(signal, made, model, fitted)
        found.append(Measured(before, after, still_error(made, model), gain, fitted.gain or 1.0))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=16, help="simulated people, from 1000")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; signals that it has already are kept")
    options = parser.parse_args()
    command = f"python tools/measure_rates.py --users {options.users} --out {options.out}"
    known = json.loads(options.out.read_text()) if options.out.exists() else {}
    rows = known["rows"] if known.get("command") == command else {}
    for signal in SIGNALS:
        if signal.name not in rows:
            people = measure(signal, options.users)
            rows[signal.name] = {
                key: [round(cast(float, getattr(one, key)), 4) for one in people] for key in Measured.__slots__
            }
            document = {"command": command, "seconds": SECONDS, "skipped_s": SKIP_S, "rows": rows}
            options.out.write_text(json.dumps(document) + "\n")
        print(signal.name, {key: round(float(np.mean(of)), 3) for key, of in rows[signal.name].items()}, flush=True)


if __name__ == "__main__":
    main()
