"""Measure personal models on people that no model was trained on, and write the page of results.

    python tools/measure_personal.py                    # recorded data and all groups of synthetic people
    python tools/measure_personal.py --users 3000-3011  # these people alone; the other figures stay
    python tools/measure_personal.py --deep             # recorded data with `--deep` alone
    python tools/measure_personal.py --recorded         # recorded data without it alone

Everything goes the way of `myocast calibrate`. The synthetic people (generator A1, seed 1) are none that the shipped
models were trained on (users 0 to 249). What was measured stands in docs/results/data/personal.json; the page is made
of that.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from models.alignment import Template, fit
from models.arrays import Float32Array, Float64Array
from models.forward.generator import session
from models.hand import MIRRORED_CHANNELS
from models.kinematics import ANGLES
from models.onnx_file import PERSONAL
from models.personal import apply
from models.personal_labels import bones_of
from models.personal_pairs import PersonalSession, lag_of
from tools.personal_sessions import (
    JUDGED_FROM_S,
    Model,
    as_webcam,
    cue_levels,
    mpjpe,
    part,
    real_recording,
)

ROOT: Final = Path(__file__).parents[1]
SECONDS: Final = {0: 300.0, 1: 300.0, 2: 180.0, 3: 180.0}


def matrix_of(levels: dict[str, Float64Array], template: Template) -> Float32Array:
    return fit(levels, template).matrix()


def one_user(model: Model, user: int, *, turned: bool = True) -> dict[str, float]:
    """Errors in mm, with the wearer's own bones.

    Args:
        model: the shipped model.
        user: number of the person.
        turned: measure bands that are turned as well.
    """
    made = {number: session(user, number, seconds, seed=1, losses=number == 0) for number, seconds in SECONDS.items()}
    cues = {number: cue_levels(user, number) for number in SECONDS}
    template = Template({cue: tuple(map(float, level)) for cue, level in cues[0].items()})
    runs = {0: model.run(made[0]), **{k: model.run(made[k], matrix_of(cues[k], template)) for k in (1, 2, 3)}}
    webcam = {0: model.run(as_webcam(made[0], user))}
    zero, judged = model.values[PERSONAL], part(runs[0], JUDGED_FROM_S, np.inf)
    bones = bones_of(runs[0].labels)
    assert bones is not None
    row = {"shipped_model_bones": mpjpe(judged, zero, model.values["bones"]), "shipped": mpjpe(judged, zero, bones)}
    row["own_mean_pose"] = _mean_pose_error(runs[0])
    unaligned = model.run(made[1])
    row["other_shipped"] = mpjpe(unaligned, zero, bones)
    for seconds in (60, 180):
        head, _ = model.learn([part(runs[0], 0, seconds)])
        row[f"same_{seconds}"] = mpjpe(judged, head, bones)
        seen = part(webcam[0], 0, seconds)
        head, lag = model.learn([seen])
        own = bones_of(seen.labels)
        assert own is not None
        row[f"webcam_{seconds}"], row[f"webcam_lag_{seconds}"] = mpjpe(judged, head, own), lag
    head, _ = model.learn([part(runs[0], 0, 180)])
    row["other_180"] = mpjpe(runs[1], head, bones)
    row["other_180_unaligned"] = mpjpe(unaligned, head, bones)
    if turned:
        for name, order in (("turned_135", [(c + 3) % 8 for c in range(8)]), ("mirrored_225", _mirrored(5))):
            levels = {cue: level[order] for cue, level in cues[1].items()}
            run = model.run(replace(made[1], emg=made[1].emg[:, order]), matrix_of(levels, template))
            row[name] = mpjpe(run, head, bones)
    head, _ = model.learn([part(runs[k], 0, 180) for k in (0, 2, 3)])
    row["three_donnings"] = mpjpe(runs[1], head, bones)
    return row


def _mirrored(turn: int) -> list[int]:
    return [MIRRORED_CHANNELS[(c + turn) % 8] for c in range(8)]


def _mean_pose_error(run: PersonalSession) -> float:
    assert run.labels.joints is not None
    learned, judged = part(run, 0, 180).labels.joints, part(run, JUDGED_FROM_S, np.inf).labels.joints
    assert learned is not None
    assert judged is not None
    return float(np.linalg.norm(judged - learned.mean(axis=0), axis=-1)[:, 1:].mean())


def real(folder: Path) -> list[dict[str, Any]]:
    """Leave one file out of the recordings of one person with eight measured angles."""
    model = Model("envelope50")
    runs = [model.run(real_recording(path)) for path in sorted(folder.glob("*.csv.gz"))]
    rows = []
    for judged in runs:
        learned = [run for run in runs if run is not judged]
        head, lag = model.learn(learned)
        known = np.concatenate([run.labels.angles for run in learned])
        used = np.isfinite(known).any(axis=0)
        mean = np.zeros(len(ANGLES))
        mean[used] = known[:, used].mean(axis=0)
        own_lag = lag_of(judged)
        row = judged.rows(judged.labels.t - own_lag)
        x, shipped, truth = judged.x[row[row >= 0]], judged.shipped[row[row >= 0]], judged.labels.angles[row >= 0]
        found = {"file": judged.name, "minutes": len(truth) / 3000, "lag_ms": lag * 1000, "own_lag_ms": own_lag * 1000}
        for name, angles in (("mean", mean), ("shipped", shipped), ("closed_form", apply(x, shipped, head))):
            found[name] = float(np.rad2deg(np.abs((angles - truth)[:, used]).mean()))
        rows.append(found)
    return rows


def fit_s(model: Model) -> float:
    """Processor time of a fit to 180 s of labels, its lag included, in seconds."""
    run = model.run(session(int(JUDGED[0].partition("-")[0]), 0, 180.0, seed=1))
    started = time.process_time()
    model.learn([run])
    return time.process_time() - started


def deep(folder: Path) -> list[dict[str, Any]]:
    """The same with layers of that person (`myocast calibrate --deep`)."""
    from service.experiments.keras_setup import prepare_keras

    prepare_keras(1)
    from service.experiments.personal_calibration import calibrate

    model = Model("envelope50")
    recordings = [real_recording(path) for path in sorted(folder.glob("*.csv.gz"))]
    rows = []
    for judged in recordings:
        learned = [recording for recording in recordings if recording is not judged]
        found = calibrate(model.content, model.spec, ("envelope50", ""), learned, [judged], deep=True)
        assert found.deep is not None
        rows.append(
            {
                "file": judged.name,
                "closed_form": found.deep.closed["angle_mae_deg"],
                "deep": found.deep.deep["angle_mae_deg"],
                "share": found.deep.share,
                "epochs": found.deep.epochs,
            }
        )
        print(rows[-1], flush=True)
    return rows


COLUMNS: Final = ("mean", "shipped", "closed_form")
ROWS: Final = (
    ("the shipped model, its own bone lengths", "shipped_model_bones", "shipped_model_bones"),
    ("the shipped model", "shipped", "shipped"),
    ("a still hand: the wearer's own mean pose", "own_mean_pose", "shipped"),
    ("60 s of labels", "same_60", "shipped"),
    ("180 s of labels", "same_180", "shipped"),
    ("60 s of labels as a webcam gives them", "webcam_60", "shipped"),
    ("180 s of labels as a webcam gives them", "webcam_180", "shipped"),
    ("another donning: the shipped model, band as worn", "other_shipped", "other_shipped"),
    ("180 s, another donning, band as worn", "other_180_unaligned", "other_shipped"),
    ("180 s, another donning aligned on nine cues", "other_180", "other_shipped"),
    ("the same, band turned by 135 degrees", "turned_135", "other_shipped"),
    ("the same, turned and the other way round", "mirrored_225", "other_shipped"),
    ("three aligned donnings of 180 s, then a fourth", "three_donnings", "other_shipped"),
)
"""What a row says, its figure, and the figure of the shipped model on the same seconds."""
CHOSEN_ON: Final = "3100-3114"
"""The people on whom the settings of the fit were chosen."""
JUDGED: Final = ("3000-3011", "3012-3023")


def page(found: dict[str, Any]) -> str:
    """The page of results, Markdown."""
    real, people, layers = found["real"], found["synthetic"], {row["file"]: row for row in found["deep"]}
    files = []
    for row in real:
        more = layers.get(row["file"])
        figures = [*(f"{row[key]:.1f}" for key in COLUMNS), "" if more is None else f"{more['deep']:.1f}"]
        files.append(f"| {row['file']} ({row['minutes']:.1f} min) | {' | '.join(figures)} |")
    over = {key: float(np.mean([row[key] for row in real])) for key in COLUMNS}
    mean = f"**{np.mean([row['deep'] for row in layers.values()]):.1f}**" if len(layers) == len(real) else ""
    files.append(f"| mean | {over['mean']:.1f} | {over['shipped']:.1f} | **{over['closed_form']:.1f}** | {mean} |")
    return PAGE.format(
        files="\n".join(files),
        tables="\n\n".join(_group(group, people[group]) for group in (*JUDGED, CHOSEN_ON) if group in people),
        chosen=CHOSEN_ON.replace("-", " to "),
        fit=found["fit_s"],
        real_lag=", ".join(f"{row['own_lag_ms']:.0f}" for row in real),
    )


def _group(group: str, people: Sequence[dict[str, float]]) -> str:
    """What a group of people gives."""
    table = [
        f"| {text} | {np.mean([row[key] for row in people]):.2f} | {sum(row[key] > row[base] for row in people)} | "
        f"{max(row[key] - row[base] for row in people):+.2f} |"
        for text, key, base in ROWS
        if key in people[0]
    ]
    lags = [f"{np.mean([row[f'webcam_lag_{s}'] for row in people]) * 1000:.0f} ms after {s} s" for s in (60, 180)]
    role = "on whom the settings were chosen" if group == CHOSEN_ON else "on whom nothing was chosen"
    return "\n".join(
        [
            f"### {len(people)} people {role}: users {group.replace('-', ' to ')}",
            "",
            "| | MPJPE, mm | people worse off | worst |",
            "|---|---|---|---|",
            *table,
            "",
            f"The lag of the webcam's labels was estimated at {' and '.join(lags)}, mean over people.",
        ]
    )


PAGE: Final = """# A personal model

How much a person's own labels help, with the fit of `myocast calibrate`
([how to](../guides/training.md#your-own-model)). Everything on this page is written by

```text
python tools/measure_personal.py
python tools/measure_personal.py --deep
```

## A recorded person

[sEMG-myo-python](https://github.com/maxgraf96/sEMG-myo-python): one person, a Myo in its 50 Hz mode, eight finger
angles from a headset's hand tracker. One file is left out and judged, the model (`envelope50`) is fitted to the others.
Mean absolute error of the eight angles, degrees; the constant is the mean of the files that were learned from.

| file left out | constant | shipped | fitted | fitted with `--deep` |
|---|---|---|---|---|
{files}

The labels were found to be {real_lag} ms late, in each file by its own labels.
Nothing of the closed form was chosen on these files. The sizes of the layers of `--deep` (a dense layer of 64,
a GRU of 48, dropout) were taken from an earlier experiment on four files of this person, so they are not independent of
it. Three such networks are trained and their mean is taken; how long runs and training are was set by the last fifth of
each file that is learned from, and that tells in each training when to stop, and how much the layers count beside the
closed form.

## Synthetic people

People of the generator (A1, seed 1) whom no shipped model was trained on; `raw200`. MPJPE in mm with the wearer's own
bone lengths. The first donning is judged from 190 s to its end at 300 s, another one as a whole. Beside the mean: for
how many people it is worse than the shipped model (in the first row: than itself) on the same seconds, and the largest
difference, negative where everybody gains.

**The settings of the fit were chosen on users {chosen}**: the strength of the pull towards the shipped model, by how
much a head is shortened, and what labels count (moving hands more, those that the head leaves far off less). The
other groups were then judged once. The turn of a band by a fraction of a channel was chosen on users 3100 to 3111,
its side on users 3100 to 3173, how the lag is told on users 2000 to 2011. What is older than that (the limit of the
features, the rest of the alignment) may have been chosen with users 3000 to 3011 in sight.

{tables}

Labels as a webcam gives them: 20 a second, 60 ms late, noise of 8 mm (SD per axis), one in ten missing; bone lengths
come from these labels, too. A fit to 180 s takes {fit:.2f} s of a processor, its lag included.
"""


def users_of(text: str) -> str:
    """A group `A-B`.

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    first, _, last = text.partition("-")
    if not (first.isdigit() and last.isdigit() and int(first) <= int(last)):
        raise argparse.ArgumentTypeError(f"expected users as A-B, such as 3000-3011, got {text}")
    return text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=users_of, action="append", help="only these synthetic people, A-B")
    parser.add_argument("--deep", action="store_true", help="only the recorded person with --deep")
    parser.add_argument("--recorded", action="store_true", help="only the recorded person without --deep")
    parser.add_argument("--real", type=Path, default=ROOT / ".." / "shared" / "data" / "sEMG-myo-python")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "data" / "personal.json")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "personal.md")
    options = parser.parse_args()
    if options.deep:
        write(options.out, options.page, {"deep": deep(options.real)})
        return
    if options.recorded:
        write(options.out, options.page, {"real": real(options.real)})
        return
    model = Model("raw200")
    if not options.users:
        write(options.out, options.page, {"real": real(options.real), "fit_s": fit_s(model)})
    for group in options.users or (*JUDGED, CHOSEN_ON):
        first, last = map(int, group.split("-"))
        rows = []
        for user in range(first, last + 1):
            rows.append(one_user(model, user, turned=group == JUDGED[0]))
            print(user, {key: round(value, 2) for key, value in rows[-1].items()}, flush=True)
        write(options.out, options.page, {}, {group: rows})


def write(file: Path, to: Path, new: dict[str, Any], people: dict[str, Any] | None = None) -> None:
    """Put what was measured in place of what stands in the file, and write the page anew."""
    found: dict[str, Any] = {"real": [], "synthetic": {}, "deep": []}
    if file.is_file():
        found |= json.loads(file.read_text())
    found |= {**new, "synthetic": found["synthetic"] | (people or {})}
    file.write_text(json.dumps(found, indent=1) + "\n")
    to.write_text(page(found), encoding="utf-8")
    print(json.dumps(new, indent=1), flush=True)


if __name__ == "__main__":
    main()
