"""What `myocast compare --jhu` runs: finger angles of a real person (JHU-NTX-2023) by several learners."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from drivers.sessions.datasets.jhu import read_jhu
from models.errors import MyocastError
from models.evaluation.jhu import LEARNERS, evaluate_learner, markdown, table


class FingerAnglesError(MyocastError):
    """A folder without the data set."""


def compare_learners(folder: Path, out: Path, command_line: str, note: Callable[[str], None]) -> str:
    """Evaluate every learner on ten blocks, and write `jhu.md` and `jhu.json` into `out`.

    Args:
        folder: with EMG_data_….csv and mediapipe_….csv.
        out: made if missing.
        command_line: written above the table.
        note: called with one line for each learner that is done.

    Returns:
        The table as Markdown.
    """
    files = [sorted(folder.glob(pattern)) for pattern in ("EMG_data_*.csv*", "mediapipe_*.csv*")]
    if not all(files):
        raise FingerAnglesError(f"{folder}: expected EMG_data_….csv and mediapipe_….csv of JHU-NTX-2023 there")
    session = read_jhu(files[0][0], files[1][0])
    data = table(session.emg_t, session.emg, session.angle_t, session.angles)
    results = []
    for name, fit in LEARNERS.items():
        results.append(evaluate_learner(data, name, fit))
        note(f"{name}: {results[-1].mean_deg:.2f} deg")
    out.mkdir(parents=True, exist_ok=True)
    (out / "jhu.md").write_text(f"`{command_line}`\n\n{markdown(results)}")
    (out / "jhu.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    return markdown(results)
