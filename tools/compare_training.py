"""Train the same networks from two checkouts and put their validation errors beside each other.

Run: .venv/bin/python tools/compare_training.py BEFORE AFTER [--networks lstm_fc,stream_mlp] [--seeds 3]

BEFORE and AFTER are folders of checkouts (`git worktree add ../before COMMIT`). Both train on the same synthetic
sessions with the same seeds through the command line, whose options and log have stayed the same. Exit code 1 if the
means over seeds differ by more than twice the standard error of their difference.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy as np

DATA: Final = "synthetic:users=6,sessions=1,seconds=40,seed=31"
TRAIN: Final = """
import sys
from service.cli import main
out, data, network, epochs, steps, *seeds = sys.argv[1:]
for seed in seeds:
    sys.argv = ["myocast", "train", "--architecture", network, "--data", data, "--epochs", epochs, "--steps", steps,
                "--mode", "envelope", "--seed", seed, "--out", f"{out}/{seed}.keras"]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise
"""


def train(checkout: Path, network: str, seeds: int, epochs: int, steps: int) -> list[list[float]]:
    """Validation MPJPE in mm of every epoch, for each seed."""
    with tempfile.TemporaryDirectory() as folder:
        words = [folder, DATA, network, str(epochs), str(steps), *map(str, range(seeds))]
        environment = {"PYTHONPATH": str(checkout), "PATH": "/usr/bin:/bin"}
        subprocess.run([sys.executable, "-c", TRAIN, *words], cwd=checkout, env=environment, check=True)
        return [errors(Path(folder) / f"{seed}.run" / "log.csv") for seed in range(seeds)]


def errors(log: Path) -> list[float]:
    with log.open(newline="") as file:
        return [float(row["mpjpe_mm"]) for row in csv.DictReader(file)]


def compare(network: str, before: list[list[float]], after: list[list[float]]) -> bool:
    """Print one network's errors; whether the two agree."""
    for name, runs in (("before", before), ("after", after)):
        for seed, run in enumerate(runs):
            print(f"{network:16} {name:6} seed {seed}: " + " ".join(f"{error:6.2f}" for error in run))
    ends = [np.array([run[-1] for run in runs]) for runs in (before, after)]
    difference = float(ends[1].mean() - ends[0].mean())
    noise = float(np.sqrt(sum(end.var(ddof=1) / len(end) for end in ends)))
    print(
        f"{network:16} last epoch: {ends[0].mean():.2f} before, {ends[1].mean():.2f} after, "
        f"difference {difference:+.2f} mm, standard error {noise:.2f} mm"
    )
    return abs(difference) <= 2.0 * noise


def main() -> int:
    parser = argparse.ArgumentParser(description="Train from two checkouts and compare.")
    parser.add_argument("before", type=Path)
    parser.add_argument("after", type=Path)
    parser.add_argument("--networks", default="lstm_fc,stream_tcn,stream_mlp")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--steps", type=int, default=50)
    chosen = parser.parse_args()
    agree = True
    for network in chosen.networks.split(","):
        before, after = (
            train(checkout.resolve(), network, chosen.seeds, chosen.epochs, chosen.steps)
            for checkout in (chosen.before, chosen.after)
        )
        agree = compare(network, before, after) and agree
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())
