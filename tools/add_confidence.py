"""Give a streaming model file of an earlier version a measure of its error, as `myocast export` does today.

    python tools/add_confidence.py service/weights/raw200.onnx --users 300
    python tools/add_confidence.py service/weights/envelope50.onnx --users 500

It is trained on more synthetic people than `export` takes. Nothing else in the file changes; how far the poses
differ is printed.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper

from exporters.confidence import add_confidence
from exporters.export import STREAM_PROBE
from exporters.parity import WINDOWS, probe
from exporters.write import write
from models.onnx_file import CONFIDENCE, read_spec
from models.onnx_runner import OnnxRunner


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("--users", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=60.0)
    options = parser.parse_args()
    for path in options.models:
        before = path.read_bytes()
        spec, model = read_spec(before, path.name), onnx.load_from_string(before)
        if any(output.name == CONFIDENCE for output in model.graph.output):
            print(f"{path}: has one already")
            continue
        size = write(*add_confidence(model, spec, users=options.users, seconds=options.seconds), path)
        after = onnx.load(path)
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in after.graph.initializer}
        same = all(np.array_equal(numpy_helper.to_array(t), values[t.name]) for t in model.graph.initializer)
        emg = probe(WINDOWS, STREAM_PROBE, spec.emg_mode)
        poses = [OnnxRunner.open(content, len(emg)).step(emg) for content in (before, path.read_bytes())]
        print(
            f"{path}: {len(before):,} -> {size:,} bytes, "
            f"poses differ by at most {np.abs(poses[0] - poses[1]).max():.2g} mm, "
            f"every other initializer {'stays' if same else 'DIFFERS'}"
        )


if __name__ == "__main__":
    main()
