"""A trained network -> one Myocast model file that is checked against it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from exporters.confidence import add_confidence
from exporters.convert import operators, to_onnx
from exporters.errors import ExportError
from exporters.parity import LIMIT_MM, WINDOWS, parity, probe
from exporters.personal import add_personal
from exporters.write import write
from models.architectures.base import Built
from models.spec import ModelSpec
from models.training.network_file import Card
from models.version import package_version

STREAM_PROBE: Final = 400
"""Samples of each sequence that a streaming network is compared on."""


@dataclass(frozen=True, slots=True)
class Exported:
    """What came out."""

    spec: ModelSpec
    bytes: int
    nodes: int
    parity_mm: float


def export(built: Built, card: Card, path: Path, *, name: str = "", extra: Mapping[str, Any] | None = None) -> Exported:
    """Write `path`, after comparing it with Keras.

    Args:
        built: the network with its weights.
        card: what its file says.
        path: the `.onnx` file to write; it appears complete or not at all.
        name: the model's name, default the architecture's.
        extra: more figures for `validation`.

    Raises:
        ExportError: the graph does not conform to docs/protocol.md#graph or differs from Keras by more than 0.01 mm.
    """
    built.sync()
    window = card.network.window(card.config.rate_hz)
    model = to_onnx(built, window)
    spec = describe(card, name=name)
    if spec.kind == "stream":
        model, spec = add_confidence(add_personal(model, spec), spec)
    emg = probe(WINDOWS, window or STREAM_PROBE, card.config.emg_mode)
    worst = parity(built, model.SerializeToString(), emg)
    if worst > LIMIT_MM:
        raise ExportError(
            f"Keras and ONNX differ by {worst:.4f} mm, expected at most {LIMIT_MM} mm; nothing was written"
        )
    spec = replace(spec, validation={**spec.validation, **(extra or {})}, parity_max_abs_mm=worst)
    size = write(model, spec, path)
    return Exported(spec, size, len(operators(model.graph)), worst)


def describe(card: Card, *, name: str = "") -> ModelSpec:
    """The specification of a network's model file."""
    network = card.network
    elsewhere = ("template", "smoothing", "lag_ms")
    validation = {key: value for key, value in card.validation.items() if key not in elsewhere}
    cues = card.validation.get("template")
    return ModelSpec(
        name=name or card.architecture,
        architecture=card.architecture,
        parameters=network.parameters,
        kind=network.kind,
        window=network.window(card.config.rate_hz),
        hop=card.hop,
        rate_hz=card.config.rate_hz,
        emg_mode=card.config.emg_mode,
        trained_on=card.trained_on,
        validation=validation,
        alignment={"cues": cues} if cues else None,
        ahead_ms=card.ahead_ms or None,
        smoothing=card.validation.get("smoothing"),
        lag_ms=card.validation.get("lag_ms"),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        myocast_version=package_version(),
    )
