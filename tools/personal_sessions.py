"""Sessions for the measures of personal models: synthetic people, a recorded one, and a shipped model on both."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.data.personal_session import cue_levels_of, run_session
from models.forward.generator import session
from models.forward.motion import Step
from models.hand import CHANNELS, MIRRORED_CHANNELS
from models.kinematics import ANGLES, points
from models.onnx_edit import read_initializers
from models.onnx_file import ALIGNMENT, PERSONAL, read_spec
from models.personal import apply
from models.personal_labels import Labels
from models.personal_pairs import PersonalSession, earlier, lag_of, weighted_statistics_of
from models.recording import Marker, Recording

ROOT: Final = Path(__file__).parents[1]
NINE: Final = ("rest", "fist", "extension", "flexion", "open", "index", "middle", "ring", "thumb")
MOVES: Final = {"extension": "wrist_extension", "flexion": "wrist_flexion", "thumb": "thumb_in"}
CUE_S: Final = 2.8
LATE_S: Final = 0.06
NOISE_MM: Final = 8.0
WEBCAM_HZ: Final = 20.0
MISSING: Final = 0.1
REAL_ANGLES: Final = tuple(
    f"{finger}_{joint}" for finger in ("index", "middle", "ring", "pinky") for joint in ("mcp_fe", "pip_fe")
)
"""Angles that the recorded files measure, in the order of their columns."""
JUDGED_FROM_S: Final = 190.0
"""Seconds of a synthetic session after which it is judged; what is learned from comes before."""
OTHER_WAY: Final = [MIRRORED_CHANNELS[channel] for channel in range(CHANNELS)]


class Model:
    """A shipped model, and sessions run through it."""

    def __init__(self, name: str) -> None:
        self.content = (ROOT / "service" / "weights" / f"{name}.onnx").read_bytes()
        self.spec, self.values = read_spec(self.content, name), read_initializers(self.content)

    def run(self, recording: Recording, matrix: Float32Array | None = None) -> PersonalSession:
        values = self.values if matrix is None else {**self.values, ALIGNMENT: matrix}
        return run_session(self.content, self.spec, values, recording)

    def learn(self, runs: Sequence[PersonalSession]) -> tuple[Float32Array, float]:
        """Head and lag, as `myocast calibrate` finds them."""
        zero = self.values[PERSONAL]
        lags = [lag_of(run) for run in runs]
        learned = [earlier(run, lag) for run, lag in zip(runs, lags, strict=True)]
        return weighted_statistics_of(learned, zero).solve(), float(np.median(lags))


def part(run: PersonalSession, start: float, stop: float) -> PersonalSession:
    """The labels between two moments, seconds."""
    kept = (run.labels.t >= start) & (run.labels.t < stop)
    joints = None if run.labels.joints is None else run.labels.joints[kept]
    return replace(run, labels=Labels(run.labels.t[kept], run.labels.angles[kept], joints))


def mpjpe(run: PersonalSession, head: Float32Array, bones: Float32Array) -> float:
    """Mean distance in mm of 20 points at the labels."""
    assert run.labels.joints is not None
    row = run.rows(run.labels.t)
    used = row >= 0
    pose = points(apply(run.x[row[used]], run.shipped[row[used]], head), bones)
    return float(np.linalg.norm(pose - run.labels.joints[used], axis=-1)[:, 1:].mean())


def as_webcam(recording: Recording, seed: int, late_s: float = LATE_S) -> Recording:
    """The same session with labels as a webcam gives them, so many seconds late."""
    assert recording.label_t is not None
    rng = np.random.default_rng(seed)
    t = np.arange(recording.label_t[0], recording.label_t[-1], 1.0 / WEBCAM_HZ)
    t = t[rng.random(len(t)) >= MISSING]
    joints = recording.joints_at(t)
    assert joints is not None
    noisy = joints + rng.normal(0.0, NOISE_MM, joints.shape).astype(np.float32)
    noisy[:, :3] = 0.0
    return replace(recording, label_t=t + late_s, joints=noisy)


def cue_levels(user: int, number: int, turn: float = 0.0, *, other_way: bool = False) -> dict[str, Float64Array]:
    """Levels of nine cues of two seconds in one donning of a synthetic person.

    Args:
        user: number of the person.
        number: of the donning.
        turn: by which the band is turned further, in channels.
        other_way: the band is worn the other way round.
    """
    script = tuple(Step(MOVES.get(cue, cue), 0.5, CUE_S - 0.5) for cue in NINE)
    made = session(user, number, CUE_S * len(NINE), seed=1, script=script, losses=False, rotation_channels=turn)
    marked = replace(made, markers=tuple(Marker(CUE_S * k, cue) for k, cue in enumerate(NINE)))
    found = cue_levels_of(worn(marked, other_way), np.eye(CHANNELS, dtype=np.float32))
    assert found is not None
    return found


def worn(recording: Recording, other_way: bool) -> Recording:
    """The same with the band the other way round."""
    return replace(recording, emg=recording.emg[:, OTHER_WAY]) if other_way else recording


def real_recording(path: Path) -> Recording:
    """A file of sEMG-myo-python: eight envelopes and eight angles in degrees, 50 a second."""
    values = np.loadtxt(path, delimiter=",", skiprows=1, dtype=np.float32)
    angles = np.full((len(values), len(ANGLES)), np.nan, np.float32)
    angles[:, [ANGLES.index(name) for name in REAL_ANGLES]] = np.deg2rad(values[:, 8:16])
    t = np.arange(len(values)) / 50.0
    return Recording(
        emg=values[:, :8], t=t, sample=np.arange(len(values)), rate_hz=50.0, emg_mode="envelope",
        name=path.name, angle_t=t, angles=angles,
    )  # fmt: skip
