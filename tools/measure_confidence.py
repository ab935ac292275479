"""Measure whether confidence ranks the error, on people that nothing was trained on, into docs/results/data.

    python tools/measure_confidence.py [--users 12] [--first 3000] [--real ../shared/data/sEMG-myo-python]

Each figure is the mean error when the least confident fifth is left out, against the mean of all, in percent. Beside it
what other orders give: the error itself (an oracle, which nothing can beat) and movement alone. Synthetic people
(generator A1, seed 1) are none that a network or a head was trained on (users 0 to 249 and 250 to 849).
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.arrays import Float32Array, Float64Array
from models.confidence import error_without, of_person
from models.forward.generator import session
from models.kinematics import points
from models.onnx_file import CONFIDENCE, CONFIDENCE_PERSONAL, PERSONAL
from models.onnx_runner import POSE, OnnxRunner
from models.personal import apply
from models.personal_confidence import confidence_weights
from models.personal_labels import bones_of
from models.personal_pairs import PersonalSession, earlier, lag_of
from tools.personal_sessions import JUDGED_FROM_S, Model, part, real_recording

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = 300.0
LEARNED_S: Final = 180.0
MOVING_S: Final = 0.2
WHAT_HAPPENS: Final = ("nothing", "one channel flat", "three channels flat", "one channel railed",
                       "band turned by two channels", "five times louder")  # fmt: skip


def left_out(error: Float64Array, confidence: Float64Array) -> float:
    """Change of the mean error without the least confident fifth, percent."""
    return 100.0 * (error_without(error, confidence) - 1.0)


def orders(angles: Float32Array, error: Float64Array, confidence: dict[str, Float64Array]) -> dict[str, float]:
    """What each order gives, and the mean error."""
    speed = np.abs(np.diff(angles, axis=0, prepend=angles[:1])).mean(axis=1)
    width = round(MOVING_S * 50.0)
    moving = np.convolve(speed, np.ones(width) / width)[: len(speed)]
    found = {"error": float(error.mean()), "oracle": left_out(error, -error), "movement": left_out(error, -moving)}
    return found | {name: left_out(error, one) for name, one in confidence.items()}


def ranking(
    run: PersonalSession, head: Float32Array, weights: dict[str, Float32Array], bones: Float32Array | None
) -> dict[str, float]:
    """Orders of one session's poses: error in mm with `bones`, else in degrees of the labelled angles."""
    row = run.rows(run.labels.t)
    used = row >= 0
    at = row[used]
    assert run.expected is not None
    bent = apply(run.x[at], run.shipped[at], head)
    if bones is None:
        error = np.rad2deg(np.nanmean(np.abs(bent - run.labels.angles[used]), axis=1)).astype(np.float64)
    else:
        assert run.labels.joints is not None
        off = np.linalg.norm(points(bent, bones) - run.labels.joints[used], axis=-1)
        error = off[:, 1:].mean(axis=1).astype(np.float64)
    return orders(bent, error, {key: of_person(run.expected[at], run.x[at], one) for key, one in weights.items()})


def synthetic(model: Model, user: int) -> dict[str, Any]:
    """One person: the shipped model, and one fitted to the first 180 s."""
    run = model.run(session(user, 0, SECONDS, seed=1, losses=False))
    zero, own = model.values[PERSONAL], {"confidence": model.values[CONFIDENCE_PERSONAL]}
    bones = bones_of(run.labels)
    learned, judged = part(run, 0.0, LEARNED_S), part(run, JUDGED_FROM_S, np.inf)
    head, lag = model.learn([learned])
    found = {"shipped": ranking(run, zero, own, bones)}
    fitted = confidence_weights([earlier(learned, lag)], zero)
    assert fitted is not None
    found["personal"] = ranking(judged, head, {"inherited": own["confidence"], "confidence": fitted}, bones)
    other = model.run(session(user, 1, LEARNED_S, seed=1, losses=False))
    found["shipped, another donning"] = ranking(other, zero, own, bones)
    return found


def real(folder: Path) -> list[dict[str, Any]]:
    """One recorded person: each file judged, the others learned from."""
    model = Model("envelope50")
    zero, shipped = model.values[PERSONAL], model.values[CONFIDENCE_PERSONAL]
    runs = [model.run(real_recording(path)) for path in sorted(folder.glob("*.csv.gz"))]
    runs = [earlier(run, lag_of(run)) for run in runs]
    rows = []
    for judged in runs:
        learned = [run for run in runs if run is not judged]
        head, _ = model.learn(learned)
        of_shipped, of_fitted = (confidence_weights(learned, zero, fitted=one) for one in (False, True))
        assert of_shipped is not None
        assert of_fitted is not None
        rows.append(
            {
                "file": judged.name,
                "shipped": ranking(judged, zero, {"inherited": shipped, "confidence": of_shipped}, None),
                "personal": ranking(judged, head, {"inherited": shipped, "confidence": of_fitted}, None),
            }
        )
    return rows


def damaged(model: Model, users: Sequence[int]) -> dict[str, dict[str, float]]:
    """What the graph says, and the error, where something is wrong from the start."""
    runner = OnnxRunner.open(model.content)
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in WHAT_HAPPENS}
    for user in users:
        made = session(user, 0, 60.0, seed=1, losses=False)
        assert made.label_t is not None
        assert made.joints is not None
        row = np.searchsorted(made.t, made.label_t + 1e-6) - 1
        for name, emg in zip(WHAT_HAPPENS, _damages(made.emg), strict=True):
            runner.reset()
            pose, confidence = (output[0][row] for output in runner.step_outputs(emg[None], (POSE, CONFIDENCE)))
            off = np.linalg.norm((pose - made.joints).reshape(-1, 21, 3), axis=-1)[:, 1:].mean()
            found[name].append((float(confidence.mean()), float(off)))
    return {
        name: dict(zip(("confidence", "mpjpe_mm"), np.mean(rows, axis=0).tolist(), strict=True))
        for name, rows in found.items()
    }


def _damages(emg: Float32Array) -> list[Float32Array]:
    one, three, railed = emg.copy(), emg.copy(), emg.copy()
    one[:, 2], three[:, [1, 4, 6]], railed[:, 2] = 0.0, 0.0, 127.0
    return [emg, one, three, railed, np.roll(emg, 2, axis=1), np.clip(5.0 * emg, -128.0, 127.0).astype(np.float32)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--first", type=int, default=3000)
    parser.add_argument("--real", type=Path, default=ROOT / ".." / "shared" / "data" / "sEMG-myo-python")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "data" / "confidence.json")
    parser.add_argument("--recorded", action="store_true", help="only the recorded person; the other figures stay")
    options = parser.parse_args()
    if options.recorded:
        kept = json.loads(options.out.read_text())
        options.out.write_text(json.dumps({**kept, "real": real(options.real)}, indent=1) + "\n")
        return
    found: dict[str, Any] = {"first": options.first, "real": real(options.real), "synthetic": []}
    for row in found["real"]:
        print({key: _rounded(value) if isinstance(value, dict) else value for key, value in row.items()}, flush=True)
    model, users = Model("raw200"), range(options.first, options.first + options.users)
    found["damaged"] = damaged(model, users)
    print({key: _rounded(value) for key, value in found["damaged"].items()}, flush=True)
    for user in users:
        found["synthetic"].append(synthetic(model, user))
        print(user, {key: _rounded(value) for key, value in found["synthetic"][-1].items()}, flush=True)
    for which in found["synthetic"][0]:
        keys = found["synthetic"][0][which]
        print(which, {key: round(float(np.mean([one[which][key] for one in found["synthetic"]])), 1) for key in keys})
    options.out.write_text(json.dumps(found, indent=1) + "\n")


def _rounded(values: dict[str, float]) -> dict[str, float]:
    return {key: round(value, 2) for key, value in values.items()}


if __name__ == "__main__":
    main()
