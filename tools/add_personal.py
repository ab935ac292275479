"""Bring a streaming model file of an earlier version up to date, as `myocast export` writes it today.

    python tools/add_personal.py service/weights/raw200.onnx service/weights/envelope50.onnx

Adds the initializers `personal` and `bones` and the outputs `features` and `angles`, and moves the template of the band
from `validation` to `alignment`. The poses stay the same; how far they differ is printed.
"""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx

from exporters.export import STREAM_PROBE
from exporters.parity import WINDOWS, probe
from exporters.personal import add_personal
from exporters.write import write
from models.alignment import template_of_model
from models.onnx_file import PERSONAL, read_spec
from models.onnx_runner import OnnxRunner
from models.spec import ModelSpec


def main() -> None:
    for path in map(Path, sys.argv[1:]):
        before = path.read_bytes()
        spec, model = read_spec(before, path.name), onnx.load_from_string(before)
        if any(tensor.name == PERSONAL for tensor in model.graph.initializer):
            print(f"{path}: is up to date")
            continue
        size = write(add_personal(model, spec), with_alignment_key(spec), path)
        emg = probe(WINDOWS, STREAM_PROBE, spec.emg_mode)
        poses = [OnnxRunner.open(content, len(emg)).step(emg) for content in (before, path.read_bytes())]
        print(f"{path}: {size:,} bytes, poses differ by at most {np.abs(poses[0] - poses[1]).max():.2g} mm")


def with_alignment_key(spec: ModelSpec) -> ModelSpec:
    """The specification with its template where protocol.md says."""
    template = template_of_model(spec)
    cues = None if template is None else {cue: list(level) for cue, level in template.levels.items()}
    return replace(
        spec,
        validation={key: value for key, value in spec.validation.items() if key != "template"},
        alignment=None if cues is None else {"cues": cues},
    )


if __name__ == "__main__":
    main()
