"""Measure how much of the error remains when a band that is turned by any amount, on either side, has been aligned.

    python tools/measure_turns.py [--users 12] [--first 3000]

The page of results is written anew after each person.

Synthetic people (generator A1, seed 1) whom no shipped model was trained on; the generator turns the electrodes around
the arm, so a turn by half a channel is what it would be on skin, and no mixing of channels. Each person wears the band
once to learn from (180 s of labels, nine cues) and once more to be judged (180 s, nine cues), turned further by so many
channels, as it is worn or the other way round. Everything is worn, aligned and judged anew for each turn.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

from models.alignment import Fit, Template, fit, template_of_model
from models.forward.generator import session
from models.hand import CHANNELS
from models.onnx_file import PERSONAL
from models.personal_labels import bones_of
from models.tables import markdown
from tools.personal_sessions import NINE, Model, cue_levels, mpjpe, worn

ROOT: Final = Path(__file__).parents[1]
THREE: Final = NINE[:3]
SECONDS: Final = 180.0
TURNS: Final = (0.0, 0.25, 0.5, 0.75, 1.5, 2.5, -0.5, -1.25)
"""Channels, towards the thumb."""
LIMIT: Final = 0.03


def one_user(model: Model, user: int, turns: Sequence[float]) -> dict[tuple[float, bool], Mapping[str, float]]:
    """Errors in mm, with the wearer's own bones, and what the alignment found."""
    learned = model.run(session(user, 0, SECONDS, seed=1, losses=False))
    zero, bones = model.values[PERSONAL], bones_of(learned.labels)
    assert bones is not None
    head = zero + model.learn([learned])[0]
    own = Template({cue: tuple(map(float, level)) for cue, level in cue_levels(user, 0).items()})
    people = template_of_model(model.spec)
    assert people is not None
    found: dict[tuple[float, bool], Mapping[str, float]] = {}
    for turn in turns:
        made = session(user, 1, SECONDS, seed=1, losses=False, rotation_channels=turn)
        for other_way in (False, True):
            levels = cue_levels(user, 1, turn, other_way=other_way)
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
    changes = [float(row[key].removesuffix(" %")) for row in rows for key in (3, 5)]
    within = sum(change <= 100.0 * LIMIT for change in changes)
    return PAGE.format(
        users=len(found),
        first=first,
        last=first + len(found) - 1,
        table="\n".join(markdown(titles, rows)),
        within=within,
        of=len(changes),
        worst=max(changes),
    )


PAGE: Final = """# A band that is turned

How much of the error remains when a band is worn turned, or the other way round, and is then aligned. This page is
written by

```text
python tools/measure_turns.py --users {users} --first {first}
```

{users} people of the generator (A1, seed 1, users {first} to {last}) whom no shipped model was trained on; `raw200`,
MPJPE in mm with the wearer's own bone lengths, mean over people. The generator turns the electrodes around the arm,
so a turn by half a channel is what it would be on skin, and no mixing of channels. Each person wears the band once to
learn from (180 s of labels, nine cues) and once more to be judged (180 s), turned further and on either side;
everything is worn, aligned and judged anew for each row. *Three cues*: the shipped model, aligned to its template.
*Nine cues*: the personal model, aligned to the wearer's own first donning. The changes are against the first row.

{table}

Of {of} changes {within} are within 3 %; the largest is {worst:+.1f} %.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--users", type=int, default=12)
    parser.add_argument("--first", type=int, default=3000)
    parser.add_argument("--page", type=Path, default=ROOT / "docs" / "results" / "turns.md")
    options = parser.parse_args()
    model, found = Model("raw200"), []
    for user in range(options.first, options.first + options.users):
        found.append(one_user(model, user, TURNS))
        print(user, {key: round(row["own"], 2) for key, row in found[-1].items()}, flush=True)
        options.page.write_text(page(found, options.first), encoding="utf-8")
    print(options.page.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
