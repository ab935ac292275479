"""Measure `myocast train` on little data: what an epoch costs, and what a person's own minute gives.

    python tools/measure_training.py [--users 2] [--first 3000] [--real ../shared/data/sEMG-myo-python]
    python tools/measure_training.py --epochs-only

Everything goes the way of the verbs `train` and `calibrate`. The synthetic people (generator A1, seed 1) are none that
the shipped models were trained on (users 0 to 249), and none that the settings for little data were chosen on (users
4000 to 4001).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from models.architectures import network
from models.architectures.base import NetworkConfig
from models.arrays import Float32Array
from models.data.segments import segments_of
from models.forward.generator import session
from models.hand import POINTS, VALUES
from models.kinematics import ANGLES, bones, points
from models.kinematics import angles as angles_of
from models.metrics.predict import from_onnx
from models.onnx_file import read_spec
from models.onnx_runner import OnnxRunner
from models.recording import Recording
from models.training.config import Epoch, TrainingConfig, default_training, fine_tuning, override
from service.engine.model_selection import shipped
from service.experiments.datasets import in_memory
from service.experiments.keras_setup import prepare_keras
from tools.personal_sessions import JUDGED_FROM_S, REAL_ANGLES, real_recording

ROOT: Final = Path(__file__).parents[1]
NETWORK: Final = "stream_mlp"
MINUTE_S: Final = 60.0
SYNTHETIC_S: Final = 300.0
GUARD_S: Final = 2.0
MINUTES: Final = (1, 10)
EPOCHS: Final = 4
"""Of the measure of an epoch's cost; the first one builds the graph and is left out."""


class Silent:
    """Takes what a training tells and keeps its epochs."""

    def __init__(self) -> None:
        self.epochs: list[Epoch] = []
        self.notes: list[str] = []
        self.cpu_s: list[float] = []
        """Processor time of each epoch, with what is written after it."""
        self._began = time.process_time()

    def reading(self, name: str, total: int) -> None: ...

    def note(self, text: str) -> None:
        self.notes.append(text)

    def start(self, training: TrainingConfig, done: int) -> None:
        self.steps = training.steps_per_epoch

    def on_step(self, step: int, total: int, loss: float) -> None: ...

    def on_epoch(self, epoch: Epoch) -> None:
        self.epochs.append(epoch)
        self.cpu_s.append(time.process_time() - self._began)
        self._began = time.process_time()

    def stop(self) -> None: ...


def cut(recording: Recording, start: float, stop: float) -> Recording:
    """What lies between two moments, in seconds since the first sample."""
    begin = recording.t[0]
    rows = (recording.t >= begin + start) & (recording.t < begin + stop)
    values: dict[str, Any] = {"emg": recording.emg[rows], "t": recording.t[rows], "sample": recording.sample[rows]}
    for times, labels in (("label_t", "joints"), ("angle_t", "angles")):
        t, found = getattr(recording, times), getattr(recording, labels)
        if t is not None and found is not None:
            kept = (t >= begin + start) & (t < begin + stop)
            values |= {times: t[kept], labels: found[kept]}
    return replace(recording, **values, frame_start=None, arrival=None, breaks=None)


def train(minute: Recording, out: Path, mode: str, **changes: Any) -> tuple[Any, Silent]:
    """`myocast train --split block` on one session."""
    from service.experiments.training import TrainingRunConfig, train_network

    chosen, silent = network(NETWORK), Silent()
    training, fine = (override(usual(chosen), **changes) for usual in (default_training, fine_tuning))
    run = TrainingRunConfig(
        chosen, NetworkConfig.for_mode(mode), training, in_memory([minute]), [], out, "block",
        fine_tuning=fine,
    )  # fmt: skip
    return train_network(run, silent, lambda: False), silent


def exported(keras: Path) -> bytes:
    from exporters.network_export import export_file

    export_file(keras, keras.with_suffix(".onnx"))
    return keras.with_suffix(".onnx").read_bytes()


def calibrated(minute: Recording, content: bytes, name: str) -> bytes:
    """`myocast calibrate` on one session."""
    from service.experiments.personal_calibration import calibrate

    return calibrate(content, read_spec(content, name), (name, ""), [minute]).content


def poses(content: bytes, recording: Recording) -> tuple[Float32Array, Float32Array, Float32Array]:
    """Poses of a model file (n, 63), the truth (n, 63) where it has points, and the times (n,)."""
    spec = read_spec(content, "model")
    config = NetworkConfig.of(spec)
    predict = from_onnx(OnnxRunner.open(content), spec)
    found, truth, times, at = [], [], [], 0
    for segment in segments_of([recording], config):
        found.append(predict(segment))
        truth.append(np.where(segment.weight[:, None] > 0, segment.pose, np.nan))
        rows = at + np.arange(1, segment.steps + 1) * config.decimation - 1
        times.append(recording.t[rows])
        at += len(segment.emg)
    return np.concatenate(found), np.concatenate(truth), np.concatenate(times)


def epoch_costs(folder: Path) -> list[dict[str, float]]:
    """Seconds of an epoch of the default network for sessions of several lengths."""
    rows = []
    for minutes in MINUTES:
        made = session(4000, 0, 60.0 * minutes, seed=1, losses=False)
        _, silent = train(made, folder / f"{minutes}.keras", "raw", epochs=EPOCHS, patience=EPOCHS)
        later = [i for i, epoch in enumerate(silent.epochs) if epoch.epoch > 1]
        wall, cpu = ([values[i] for i in later] for values in ([e.seconds for e in silent.epochs], silent.cpu_s))
        rows.append(
            {
                "minutes": minutes,
                "batches": float(silent.steps or 0),
                "epoch_s": float(np.median(wall)),
                "epoch_cpu_s": float(np.median(cpu)),
            }
        )
    return rows


def synthetic(user: int, folder: Path) -> dict[str, float]:
    """MPJPE in mm from `JUDGED_FROM_S` on, of what each way makes of the first minute."""
    made = session(user, 0, SYNTHETIC_S, seed=1, losses=False)
    minute = cut(made, 0.0, MINUTE_S)
    base = _shipped("raw")
    models = {"shipped": base, "calibrate": calibrated(minute, base, "raw200")}
    row: dict[str, float] = {}
    result, silent = train(minute, folder / f"{user}.keras", "raw")
    models["train"] = exported(result.out)
    row |= {"train_s": sum(epoch.seconds for epoch in silent.epochs), "train_said_worse": result.worse_than_still_hand}
    assert minute.joints is not None
    for name, content in models.items():
        found, truth, t = poses(content, made)
        used = (t >= made.t[0] + JUDGED_FROM_S) & np.isfinite(truth).all(axis=1)
        row[name] = _distance(found[used], truth[used])
        row["still_hand"] = _distance(np.broadcast_to(minute.joints.mean(axis=0), truth[used].shape), truth[used])
    return row


def recorded(path: Path, folder: Path) -> dict[str, Any]:
    """MAE in degrees of the eight measured angles after the first minute of a file."""
    whole = real_recording(path)
    assert whole.angles is not None
    used = [ANGLES.index(name) for name in REAL_ANGLES]
    minute = cut(whole, 0.0, MINUTE_S)
    base = _shipped("envelope")
    row: dict[str, Any] = {"file": path.name, "minutes_judged": (len(whole) / 50.0 - MINUTE_S - GUARD_S) / 60.0}
    models = {"shipped": base, "calibrate": calibrated(minute, base, "envelope50")}
    result, silent = train(_with_points(minute), folder / f"{path.name}.keras", "envelope")
    models["train"] = exported(result.out)
    row |= {"train_s": sum(epoch.seconds for epoch in silent.epochs), "train_said_worse": result.worse_than_still_hand}
    judged = whole.t >= whole.t[0] + MINUTE_S + GUARD_S
    truth = np.rad2deg(whole.angles[judged][:, used])
    still = np.rad2deg(whole.angles[whole.t < whole.t[0] + MINUTE_S][:, used].mean(axis=0))
    row["still_hand"] = float(np.abs(truth - still).mean())
    for name, content in models.items():
        bent = np.rad2deg(angles_of(poses(content, whole)[0].reshape(-1, POINTS, 3))[judged][:, used])
        row[name] = float(np.abs(truth - bent).mean())
    return row


def _with_points(recording: Recording) -> Recording:
    """The same with labels that are points, as `train` needs them: angles that nobody measured are held at zero."""
    assert recording.angles is not None
    joints = points(np.nan_to_num(recording.angles), bones()).reshape(-1, VALUES).astype(np.float32)
    return replace(recording, label_t=recording.angle_t, joints=joints, angle_t=None, angles=None)


def _shipped(mode: str) -> bytes:
    for path in shipped():
        content = path.read_bytes()
        if read_spec(content, path.name).emg_mode == mode:
            return content
    raise SystemExit(f"no model ships for {mode} EMG")


def _distance(found: Float32Array, truth: Float32Array) -> float:
    apart = (found - truth).reshape(-1, POINTS, 3)[:, 1:]
    return float(np.linalg.norm(apart, axis=-1).mean())


def page(found: dict[str, Any]) -> str:
    """The page of results, Markdown."""
    people, files, costs = found["synthetic"], found["real"], found["epochs"]
    ways = ("still_hand", "shipped", "train", "calibrate")
    rows = [
        f"| {found['first'] + i} | " + " | ".join(f"{row[way]:.1f}" for way in ways) + " |"
        for i, row in enumerate(people)
    ]
    real = [
        f"| {row['file']} ({row['minutes_judged']:.1f} min) | "
        + " | ".join(f"{row[way]:.1f}" for way in ways if way in row) + " |"
        for row in files
    ]  # fmt: skip
    cost = [
        f"| {row['minutes']:g} min | {row['batches']:.0f} | {row['epoch_s']:.1f} | {row['epoch_cpu_s']:.1f} |"
        for row in costs
    ]
    all_rows = [*people, *files]
    return PAGE.format(
        costs="\n".join(cost),
        ratio=costs[-1]["epoch_cpu_s"] / costs[0]["epoch_cpu_s"],
        people="\n".join(rows),
        real="\n".join(real),
        worse=sum(row["train"] >= row["still_hand"] for row in all_rows),
        said=sum(row["train_said_worse"] for row in all_rows),
        all=len(all_rows),
    )


PAGE: Final = """# A minute of training

What `myocast train` makes of a person's own minute of labels, beside `myocast calibrate` on the same minute and a hand
that never moves. Everything on this page is written by

```text
python tools/measure_training.py
```

## What an epoch costs

An epoch is one pass over the data. `stream_mlp`, one synthetic person, median of the epochs after the first one;
seconds on a machine that had other work, and seconds of processor with what is written after each epoch:

| data | batches | s | s of processor |
|---|---|---|---|
{costs}

Ten times the data cost {ratio:.1f} times as much processor; a part of every epoch is writing the network and the
checkpoint.

## A synthetic person's minute

Generator A1, seed 1, people whom no shipped model was trained on; `raw200`. The first 60 s of a session are learned
from (`train --split block` and `calibrate` both hold back their last fifth), 190 s to 300 s are judged. MPJPE in mm;
the still hand is the mean pose of the minute, the shipped model has bone lengths of its own.

| person | still hand | shipped | train | calibrate |
|---|---|---|---|---|
{people}

## A recorded person's minute

[sEMG-myo-python](https://github.com/maxgraf96/sEMG-myo-python), `envelope50`: the first 60 s of each file, judged on
what comes 2 s after them to its end. Mean absolute error of the eight measured angles, degrees. `train` needs points:
the angles that nobody measured are held at zero. `train` takes the labels as they come, about 0.1 s late; `calibrate`
finds that out.

| file (judged) | still hand | shipped | train | calibrate |
|---|---|---|---|---|
{real}

`train` came out worse than a still hand in {worse} of {all}; by the fifth of the minute that it held back it said so in
{said}.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=2)
    parser.add_argument("--first", type=int, default=3000)
    parser.add_argument("--real", type=Path, default=ROOT / ".." / "shared" / "data" / "sEMG-myo-python")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "data" / "training.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "training.md")
    parser.add_argument("--epochs-only", action="store_true", help="Only print what an epoch costs.")
    options = parser.parse_args()
    prepare_keras(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        costs = epoch_costs(folder)
        for row in costs:
            print(
                f"{row['minutes']:g} min: {row['batches']:g} batches, {row['epoch_s']:.2f} s an epoch, "
                f"{row['epoch_cpu_s']:.2f} s of processor",
                flush=True,
            )
        for key in ("epoch_s", "epoch_cpu_s"):
            print(
                f"ratio of {key}: {costs[-1][key] / costs[0][key]:.1f} for {MINUTES[-1] / MINUTES[0]:g} times the data"
            )
        if options.epochs_only:
            return
        found: dict[str, Any] = {"first": options.first, "epochs": costs, "synthetic": [], "real": []}
        for user in range(options.first, options.first + options.users):
            found["synthetic"].append(synthetic(user, folder))
            print(user, json.dumps(found["synthetic"][-1]), flush=True)
        for path in sorted(options.real.glob("*.csv.gz")):
            found["real"].append(recorded(path, folder))
            print(json.dumps(found["real"][-1]), flush=True)
    options.out.write_text(json.dumps(found, indent=1) + "\n")
    options.page.write_text(page(found), encoding="utf-8")


if __name__ == "__main__":
    main()
