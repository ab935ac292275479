"""Measure how well the shipped 50 Hz model follows the fingers of a person whom it was not trained on.

Run: .venv/bin/python tools/stranger_angles.py ../shared/data/sEMG-myo-python > docs/results/data/stranger_angles.md

The recordings are those of https://github.com/maxgraf96/sEMG-myo-python (MIT): a Myo's 50 Hz envelopes beside the
flexion of eight joints, in degrees, that a headset's hand tracker saw.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path
from typing import Final

import numpy as np

from models.arrays import Float32Array
from models.hand import CHANNELS, POINTS
from models.kinematics import ANGLES, angles
from models.onnx_runner import OnnxRunner

ROOT: Final = Path(__file__).parents[1]
MODEL: Final = ROOT / "service" / "weights" / "envelope50.onnx"
JOINTS: Final = [
    ANGLES.index(f"{f}_{joint}") for f in ("index", "middle", "ring", "pinky") for joint in ("mcp_fe", "pip_fe")
]
"""The eight joints of the recordings, in their order."""
HEADER: Final = (
    "file",
    "seconds",
    "model, deg",
    "model's own mean, deg",
    "better by",
    "person's own mean, deg",
    "correlation",
)
SKIPPED: Final = 50
"""Rows at the start of a file (1 s) that are not evaluated: the model's averages are still filling."""


def read(file: Path) -> tuple[Float32Array, Float32Array]:
    """Envelopes (n, 8) in `adc`, and angles (n, 8) in degrees."""
    with gzip.open(file, "rt") as text:
        rows = np.loadtxt(text, delimiter=",", skiprows=1, dtype=np.float32)
    return rows[:, :CHANNELS], rows[:, CHANNELS : CHANNELS + len(JOINTS)]


def predict(emg: Float32Array) -> Float32Array:
    """The model's angles (n, 8), degrees, from envelopes (n, 8), streamed causally from an empty state."""
    pose = OnnxRunner.open(MODEL.read_bytes()).step(emg[None])
    return np.degrees(angles(pose[0].reshape(-1, POINTS, 3)))[:, JOINTS].astype(np.float32)


def row(file: Path) -> str:
    """One line of the table."""
    emg, truth = read(file)
    predicted, truth = predict(emg)[SKIPPED:], truth[SKIPPED:]
    errors = (
        np.abs(predicted - truth).mean(),
        np.abs(predicted.mean(axis=0) - truth).mean(),
        np.abs(truth.mean(axis=0) - truth).mean(),
    )
    correlation = [np.corrcoef(predicted[:, joint], truth[:, joint])[0, 1] for joint in range(len(JOINTS))]
    cells = [
        file.name,
        f"{len(emg) / 50.0:.0f}",
        *(f"{error:.1f}" for error in errors[:2]),
        f"{100.0 * (1.0 - errors[0] / errors[1]):.1f} %",
        f"{errors[2]:.1f}",
        f"{np.median(correlation):.2f}",
    ]
    return f"| {' | '.join(cells)} |"


def main(folder: Path) -> None:
    """Print the command and the table."""
    print(f"`python tools/stranger_angles.py {folder}`\n")
    print(f"| {' | '.join(HEADER)} |")
    print(f"|{'---|' * len(HEADER)}")
    for file in sorted(folder.glob("data_*.csv.gz")):
        print(row(file))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
