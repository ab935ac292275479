"""Write a model file."""

from __future__ import annotations

from pathlib import Path

import onnx

from exporters.errors import ExportError
from models.spec import METADATA_KEY, ModelSpec
from models.whole_file import write_whole


def write(model: onnx.ModelProto, spec: ModelSpec, path: Path) -> int:
    """Put the specification into the model and write one file. Returns its bytes."""
    del model.metadata_props[:]
    model.metadata_props.add(key=METADATA_KEY, value=spec.to_json())
    model.producer_name = "myocast"
    model.producer_version = spec.myocast_version
    data: bytes = model.SerializeToString()
    try:
        write_whole(path, data)
    except OSError as error:
        raise ExportError(f"{path}: cannot be written ({error.strerror})") from None
    return len(data)
