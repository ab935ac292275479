"""Measure how well the lag between labels and EMG is found, and write the page of results.

    python tools/measure_label_lag.py [--users 12] [--first 3000] [--real ../shared/data/sEMG-myo-python]

The synthetic people (generator A1, seed 1) are none on whom `models.label_lag` was set (users 2000 to 2011).
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from drivers.synthetic.source import step_of
from models.arrays import Float32Array, Float64Array
from models.forward.generator import Stream, session
from models.label_lag import CLOCKS, REACTION, LagData, LagRange
from models.personal_labels import Labels, labels_of
from models.recording import Recording
from service.labels.prompts.schedule import default_schedule
from tools.personal_sessions import as_webcam, real_recording

ROOT: Final = Path(__file__).parents[1]
RATES: Final = {"raw": 200.0, "envelope": 50.0}
SECONDS: Final = (30, 60, 120, 180)
DELAYS_S: Final = (-0.05, 0.05, 0.1, 0.2)
REACTIONS_S: Final = (0.15, 0.25, 0.4)
WITHIN_S: Final = 0.02


def estimate(
    recording: Recording, labels: Labels, seconds: float, delay_s: float, lags: LagRange = CLOCKS
) -> float | None:
    """The lag of labels that come later than they are, from the first seconds of a session."""
    heard, seen = recording.t < recording.t[0] + seconds, labels.t < recording.t[0] + seconds
    data = LagData(
        recording.t[heard],
        recording.emg[heard],
        labels.t[seen] + delay_s,
        labels.angles[seen],
        recording.emg_mode,
        lags,
    )
    lag = data.estimate()
    return None if lag is None else lag.seconds


def one_user(user: int, mode: str) -> dict[str, Any]:
    """Estimates for one wearer, seconds."""
    made = session(user, 0, max(SECONDS), seed=1, emg_mode=mode, rate_hz=RATES[mode])
    row: dict[str, Any] = {"user": user, "muscles_ahead": Stream(user, 0, seed=1).person.wiring.delay_s}
    for kind, labels in (("exact", labels_of(made)), ("webcam", labels_of(as_webcam(made, user, late_s=0.0)))):
        for seconds in SECONDS:
            row[f"{kind}_{seconds}"] = [estimate(made, labels, seconds, delay) for delay in (0.0, *DELAYS_S)]
    return row


def follow_prompts(user: int, reaction_s: float) -> tuple[Recording, Labels, float]:
    """A synthetic wearer who does what the built-in prompts ask for, its labels, and how late the hand is."""
    schedule, stream = default_schedule(), Stream(user, 0, seed=1, losses=False)
    starts = [round((one.start_s + reaction_s) * stream.rate_hz) for one in schedule.waypoints]
    end = round(schedule.duration_s * stream.rate_hz)
    parts = [stream.take(starts[0])]
    for one, start, stop in zip(schedule.waypoints, starts, [*starts[1:], end], strict=True):
        stream.command(step_of(one.pose, one.level, one.move_s))
        parts.append(stream.take(stop - start))
    emg = np.concatenate([part.emg for part in parts])
    t = np.arange(len(emg)) / stream.rate_hz
    label_t = np.arange(0.0, schedule.duration_s, 0.02)
    angles = np.array([schedule.at(at).angles for at in label_t.tolist()], np.float32)
    recording = Recording(emg=emg, t=t, sample=np.arange(len(emg)), rate_hz=stream.rate_hz)
    return (
        recording,
        Labels(label_t, angles, None),
        _behind(t, np.concatenate([part.angles for part in parts]), label_t, angles),
    )


def _behind(t: Float64Array, hand: Float32Array, label_t: Float64Array, asked: Float32Array) -> float:
    """Seconds by which the hand is behind what was asked for: where the two are most alike."""
    shifts = np.arange(0.0, 0.8, 0.005)
    inside = label_t < label_t[-1] - shifts[-1]
    target = asked[inside] - asked[inside].mean(axis=0)
    alike = []
    for shift in shifts.tolist():
        moved = np.stack([np.interp(label_t[inside] + shift, t, column) for column in hand.T], axis=1)
        alike.append(float((target * (moved - moved.mean(axis=0))).sum()))
    return float(shifts[int(np.argmax(alike))])


def prompted(user: int) -> dict[str, Any]:
    """Reaction times that are found, seconds."""
    found = {}
    for reaction in REACTIONS_S:
        recording, labels, behind = follow_prompts(user, reaction)
        lag = estimate(recording, labels, 1e9, 0.0, REACTION)
        found[str(reaction)] = {"hand": behind, "found": None if lag is None else -lag}
    return {"user": user, "reactions": found}


def real(folder: Path) -> list[dict[str, Any]]:
    """Estimates for the files of a recorded person."""
    rows = []
    for path in sorted(folder.glob("*.csv.gz")):
        recording = real_recording(path)
        assert recording.angles is not None
        t, labels = recording.t, Labels(recording.t, recording.angles, None)
        whole = [estimate(recording, labels, 1e9, delay) for delay in (0.0, *DELAYS_S)]
        parts = [_part(recording, labels, start) for start in np.arange(0.0, t[-1] - 60.0, 60.0).tolist()]
        rows.append({"file": path.name, "whole": whole, "minutes": parts})
    return rows


def _part(recording: Recording, labels: Labels, start: float) -> float | None:
    """The lag in one minute."""
    heard, seen = (recording.t >= start) & (recording.t < start + 60.0), (labels.t >= start) & (labels.t < start + 60.0)
    lag = LagData(
        recording.t[heard], recording.emg[heard], labels.t[seen], labels.angles[seen], recording.emg_mode
    ).estimate()
    return None if lag is None else lag.seconds


def _row(people: list[dict[str, Any]], key: str) -> str:
    """One row of the table: how far off, in ms."""
    table = np.array([[np.nan if one is None else one for one in row[key]] for row in people], np.float64)
    zero = table[:, 0] * 1000
    known = np.isfinite(zero)
    if not known.any():
        return f"| {key.replace('_', ', ')} s | | | | {len(people)} |"
    moved = np.nanmax(np.abs(table[:, 1:] - table[:, :1] - np.array(DELAYS_S))) * 1000
    on_time = f"{zero[known].mean():+.0f} ({zero[known].std():.0f})"
    return (
        f"| {key.replace('_', ', ')} s | {moved:.1f} | {on_time} | "
        f"{(np.abs(zero[known]) <= WITHIN_S * 1000).sum()} of {known.sum()} | {(~known).sum()} |"
    )


def _ms(values: list[float | None]) -> str:
    return ", ".join("-" if value is None else f"{value * 1000:.0f}" for value in values)


def page(found: dict[str, Any]) -> str:
    """The page of results, Markdown."""
    tables = {
        mode: "\n".join(_row(found[mode], f"{kind}_{seconds}") for kind in ("exact", "webcam") for seconds in SECONDS)
        for mode in RATES
    }
    ahead = np.array([row["muscles_ahead"] for row in found["raw"]]) * 1000
    zero = np.array([row["exact_180"][0] for row in found["raw"]], np.float64) * 1000
    reactions = "\n".join(
        f"| {float(reaction) * 1000:.0f} | {hand.mean():.0f} | {np.nanmean(values):.0f} | "
        f"{np.nanmean(values - hand):+.0f} ({np.nanstd(values - hand):.0f}) | {int(np.isnan(values).sum())} |"
        for reaction in map(str, REACTIONS_S)
        for rows in [[row["reactions"][reaction] for row in found["prompts"]]]
        for values, hand in [(_numbers([one["found"] for one in rows]), _numbers([one["hand"] for one in rows]))]
    )
    files = "\n".join(f"| {row['file']} | {_ms(row['whole'])} | {_ms(row['minutes'])} |" for row in found["real"])
    return PAGE.format(
        raw=tables["raw"], envelope=tables["envelope"], reactions=reactions, files=files, users=len(found["raw"]),
        first=found["first"], last=found["first"] + len(found["raw"]) - 1, low=ahead.min(), high=ahead.max(),
        together=np.corrcoef(ahead, zero)[0, 1], added=", ".join(f"{delay * 1000:+.0f}" for delay in DELAYS_S),
    )  # fmt: skip


def _numbers(values: list[float | None]) -> Float64Array:
    return np.array([np.nan if value is None else value * 1000 for value in values], np.float64)


PAGE: Final = """# How late labels are

A tracker has a clock and delays of its own; `models/label_lag.py` finds by how much its labels are behind the EMG. This
page is written by

```text
python tools/measure_label_lag.py
```

## Synthetic people

{users} people of the generator (A1, seed 1, users {first} to {last}), from whom nothing in the estimate was chosen.
Labels came {added} ms later than they were. *Added*: how far off, in ms, the difference to the estimate for the same
labels on time was, the worst of all people and delays. *On time*: what is found for labels without any delay, mean and
SD over people. *Within 20 ms*: people for whom that is at most 20 ms from none. Where an estimate is too uncertain,
there is none.

Labels as a webcam gives them: 20 a second, noise of 8 mm (SD per axis), one in ten missing.

| raw EMG, 200 Hz | added | on time | within 20 ms | unknown |
|---|---|---|---|---|
{raw}

| envelopes, 50 Hz | added | on time | within 20 ms | unknown |
|---|---|---|---|---|
{envelope}

What is left for labels on time is mostly the people: their muscles are ahead of their hands by {low:.0f} to {high:.0f}
ms, which no program can tell from a tracker's delay (correlation {together:.2f} after 180 s).

## Prompts

The same people (raw EMG) do what the built-in schedule of `record --labels prompts` asks for, later by a reaction
time: their muscles by just that, the hand by more. What is to be found is how late the hand is.

| muscles late, ms | hand late, mean | found, mean | apart, mean (SD) | unknown |
|---|---|---|---|---|
{reactions}

## A recorded person

[sEMG-myo-python](https://github.com/maxgraf96/sEMG-myo-python): one person, a Myo in its 50 Hz mode, angles from a
headset's hand tracker. How late the labels are is not known; it should be the same within a file, and a delay that is
added should be found again.

| file | lag found with 0, {added} ms added | each minute alone |
|---|---|---|
{files}
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--first", type=int, default=3000)
    parser.add_argument("--real", type=Path, default=ROOT / ".." / "shared" / "data" / "sEMG-myo-python")
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "label_lag.md")
    parser.add_argument("--json", type=Path, help="Write the estimates, too.")
    options = parser.parse_args()
    people = range(options.first, options.first + options.users)
    found: dict[str, Any] = {"first": options.first, "real": real(options.real)}
    for mode in RATES:
        found[mode] = [one_user(user, mode) for user in people]
    found["prompts"] = [prompted(user) for user in people]
    if options.json is not None:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    text = page(found)
    options.page.write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
