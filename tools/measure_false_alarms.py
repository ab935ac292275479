"""Count how often the hand on the screen closes, or pinches, when the wearer's does not, by the hour.

    python tools/measure_false_alarms.py [--people DIR ...]

Recorded people at rest and in gestures of the wrist (myo-readings-dataset; the shipped models were trained on them),
and synthetic people (generator A1, seed 1, users 1100 on; nothing was trained on them) who rest, type, walk, carry and
move freely; poses are raw. What was found stands in docs/results/data/false_alarms.json; `tools/result_tables.py` makes
the table of it.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any, Final

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from models.architectures.base import NetworkConfig
from models.evaluation.passes import evaluation_pass
from models.forward.activities import ACTIVITIES
from models.onnx_file import read_spec
from service.experiments.datasets import items
from service.experiments.training_data import load_segments

ROOT: Final = Path(__file__).parents[1]
FREE: Final = "free movement"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="envelope50")
    parser.add_argument("--people", action="append", default=[], metavar="DIR", help="recorded people; several times")
    parser.add_argument("--users", type=int, default=6)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "data" / "false_alarms.json")
    options = parser.parse_args()
    content = (ROOT / "service" / "weights" / f"{options.model}.onnx").read_bytes()
    spec = read_spec(content, options.model)
    rows: list[dict[str, Any]] = []
    if options.people:
        found = evaluation_pass(content, spec, load_segments(items(options.people), NetworkConfig.of(spec)))
        rows += [{"time": kind, **alarms.row()} for kind, alarms in found.alarms.items()]
    for name in (*ACTIVITIES, ""):
        data = f"synthetic:users={options.users},first=1100,sessions=1,seconds={options.seconds},seed=1"
        segments = load_segments(items([f"{data},activity={name}" if name else data]), NetworkConfig.of(spec))
        (alarms,) = evaluation_pass(content, spec, segments).alarms.values()
        rows.append({"time": f"synthetic people: {name or FREE}", **alarms.row()})
        print(rows[-1], flush=True)
    options.out.write_text(json.dumps({"model": options.model, "users": options.users, "rows": rows}, indent=1) + "\n")


if __name__ == "__main__":
    main()
