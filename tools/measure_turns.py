"""Measure how much of the error remains when a band that is turned by any amount, on either side, has been aligned.

    python tools/measure_turns.py [--users 12] [--first 3000]

Synthetic people (generator A1, seed 1) whom no shipped model was trained on; the generator turns the electrodes around
the arm, so a turn by half a channel is what it would be on skin, and no mixing of channels. Each person wears the band
once to learn from (180 s of labels, nine cues) and once more to be judged (180 s, nine cues), turned further by so many
channels, as it is worn or the other way round. Everything is worn, aligned and judged anew for each turn.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from models.alignment import Fit, Template, fit, template_of_model
from models.arrays import Float32Array, Float64Array
from models.data.personal_session import cue_levels_of, run_session
from models.forward.generator import session
from models.forward.motion import Step
from models.hand import CHANNELS, MIRRORED_CHANNELS
from models.kinematics import points
from models.onnx_edit import read_initializers
from models.onnx_file import ALIGNMENT, PERSONAL, read_spec
from models.personal import apply
from models.personal_labels import bones_of
from models.personal_pairs import PersonalSession, statistics_of
from models.recording import Marker, Recording
from models.tables import markdown

ROOT: Final = Path(__file__).parents[1]
NINE: Final = ("rest", "fist", "extension", "flexion", "open", "index", "middle", "ring", "thumb")
THREE: Final = NINE[:3]
MOVES: Final = {"extension": "wrist_extension", "flexion": "wrist_flexion", "thumb": "thumb_in"}
CUE_S: Final = 2.8
SECONDS: Final = 180.0
TURNS: Final = (0.0, 0.25, 0.5, 0.75, 1.5, 2.5, -0.5, -1.25)
"""Channels, towards the thumb."""
LIMIT: Final = 0.03
OTHER_WAY: Final = [MIRRORED_CHANNELS[channel] for channel in range(CHANNELS)]


class Model:
    """The shipped model, and sessions run through it."""

    def __init__(self, name: str = "raw200") -> None:
        self.content = (ROOT / "service" / "weights" / f"{name}.onnx").read_bytes()
        self.spec, self.values = read_spec(self.content, name), read_initializers(self.content)

    def run(self, recording: Recording, matrix: Float32Array | None = None) -> PersonalSession:
        values = self.values if matrix is None else {**self.values, ALIGNMENT: matrix}
        return run_session(self.content, self.spec, values, recording)


def worn(recording: Recording, other_way: bool) -> Recording:
    """The same with the band the other way round."""
    return replace(recording, emg=recording.emg[:, OTHER_WAY]) if other_way else recording


def cue_levels(user: int, number: int, turn: float, other_way: bool) -> dict[str, Float64Array]:
    """Levels of nine cues of two seconds in one donning."""
    script = tuple(Step(MOVES.get(cue, cue), 0.5, CUE_S - 0.5) for cue in NINE)
    made = session(
        user, number, CUE_S * len(NINE), seed=1, script=script, losses=False, rotation_channels=turn
    )  # fmt: skip
    marked = replace(made, markers=tuple(Marker(CUE_S * k, cue) for k, cue in enumerate(NINE)))
    found = cue_levels_of(worn(marked, other_way), np.eye(CHANNELS, dtype=np.float32))
    assert found is not None
    return found


def mpjpe(run: PersonalSession, head: Float32Array, bones: Float32Array) -> float:
    """Mean distance in mm of 20 points at the labels."""
    assert run.labels.joints is not None
    row = run.rows(run.labels.t)
    used = row >= 0
    pose = points(apply(run.x[row[used]], run.shipped[row[used]], head), bones)
    return float(np.linalg.norm(pose - run.labels.joints[used], axis=-1)[:, 1:].mean())


def one_user(model: Model, user: int, turns: Sequence[float]) -> dict[tuple[float, bool], Mapping[str, float]]:
    """Errors in mm, with the wearer's own bones, and what the alignment found."""
    learned = model.run(session(user, 0, SECONDS, seed=1, losses=False))
    zero, bones = model.values[PERSONAL], bones_of(learned.labels)
    assert bones is not None
    head = statistics_of([learned], zero).solve() + zero
    own = Template({cue: tuple(map(float, level)) for cue, level in cue_levels(user, 0, 0.0, False).items()})
    people = template_of_model(model.spec)
    assert people is not None
    found: dict[tuple[float, bool], Mapping[str, float]] = {}
    for turn in turns:
        made = session(user, 1, SECONDS, seed=1, losses=False, rotation_channels=turn)
        for other_way in (False, True):
            levels = cue_levels(user, 1, turn, other_way)
            three = fit({cue: levels[cue] for cue in THREE}, people)
            nine = fit(levels, own)
            recording = worn(made, other_way)
            found[turn, other_way] = {
                "worn": mpjpe(model.run(recording), zero, bones),
                "people": mpjpe(model.run(recording, three.matrix()), zero, bones),
                "own": mpjpe(model.run(recording, nine.matrix()), head, bones),
                "turn_three": signed(three), "turn_nine": signed(nine), "side_nine": float(nine.mirrored),
                "side_three": float(three.mirrored),
            }  # fmt: skip
    return found


def signed(found: Fit) -> float:
    """Channels by which the band was found to be turned, towards the thumb."""
    return -found.turn


def page(found: Sequence[Mapping[tuple[float, bool], Mapping[str, float]]], first: int) -> str:
    """The table, and the command that made it."""
    rows = []
    base = {key: np.array([one[0.0, False][key] for one in found]) for key in ("people", "own")}
    for turn, other_way in found[0]:
        mine = {key: np.array([one[turn, other_way][key] for one in found]) for key in found[0][turn, other_way]}
        cells = [f"{turn:+g} channels ({45 * turn:+.0f}°){', other way round' if other_way else ''}"]
        for key in ("people", "own"):
            change = 100.0 * (mine[key].mean() / base[key].mean() - 1.0)
            cells += [f"{mine[key].mean():.2f}", f"{change:+.1f} %"]
        moved = mine["turn_nine"] - np.array([one[0.0, False]["turn_nine"] for one in found]) - turn
        moved = (moved + CHANNELS / 2) % CHANNELS - CHANNELS / 2
        right = int((mine["side_nine"] == float(other_way)).sum())
        rows.append(
            [
                *cells[:1],
                f"{mine['worn'].mean():.2f}",
                *cells[1:],
                f"{np.abs(moved).mean():.2f}",
                f"{right}/{len(found)}",
            ]
        )
    titles = (
        "band turned towards the thumb", "as worn, mm", "three cues, shipped model, mm", "change",
        "nine cues, personal model, mm", "change", "turn found, off by (channels)", "side found",
    )  # fmt: skip
    return "\n".join(
        [
            f"`python tools/measure_turns.py --users {len(found)} --first {first}`",
            "",
            *markdown(titles, rows),
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--first", type=int, default=3000)
    options = parser.parse_args()
    model = Model()
    found = [one_user(model, user, TURNS) for user in range(options.first, options.first + options.users)]
    print(page(found, options.first))


if __name__ == "__main__":
    main()
