"""Shrink what a streaming model file tells of strangers towards its mean (`exporters/shrinkage.py`).

    python tools/shrink_angles.py service/weights/envelope50.onnx

Only the layer of angles and the errors in the metadata change, and that once for a file. By how much is told by
synthetic people whom no shipped network was trained on (users 250 to 279); the errors are those of users 1000 to 1023,
before and after.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Final

from exporters.shrinkage import SHARE, shrink_angles
from models.architectures.base import NetworkConfig
from models.evaluation.passes import figures_of_file
from models.onnx_edit import rewrite
from models.onnx_file import read_spec
from models.whole_file import write_whole
from service.experiments.datasets import items
from service.experiments.training_data import load_segments

UNSEEN: Final = "synthetic:users=24,first=1000,sessions=1,seconds=60,seed=1"
KEY: Final = "shrinkage"
"""In `validation`: by what share the angles were shrunk."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--share", type=float, default=SHARE)
    parser.add_argument("--users", type=int, default=30, help="synthetic people, from number 250 on")
    options = parser.parse_args()
    for path in options.models:
        content = path.read_bytes()
        spec = read_spec(content, path.name)
        if KEY in spec.validation:
            print(f"{path}: is shrunk already")
            continue
        shrunk = shrink_angles(content, spec, range(250, 250 + options.users), options.share)
        judged = load_segments(items([UNSEEN]), NetworkConfig.of(spec))
        before, after = (figures_of_file(one, spec, judged) for one in (content, shrunk))
        figures = {key: round(after[key], 3) for key in ("mpjpe_mm", "rmse_mm", "mpjpe_mm_sd", "r2")}
        about = replace(spec, validation={**spec.validation, **figures, KEY: options.share})
        write_whole(path, rewrite(shrunk, {}, about))
        for key in ("mpjpe_mm", "mpjpe_own_bones_mm", "angle_mae_deg", "jerk_m_s3", "lag_ms"):
            print(f"{path}: {key} {before[key]:.2f} -> {after[key]:.2f}")


if __name__ == "__main__":
    main()
