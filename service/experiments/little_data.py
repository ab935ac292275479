"""What `myocast train` does where there is little data: it says what is better, and begins with a shipped network."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from exporters.network_import import read_start
from models.architectures import DEFAULT, Network
from models.architectures.base import STEP_HZ, NetworkConfig
from models.data.segments import DataError, Segment
from models.onnx_file import read_spec
from models.training.run import Start
from service.engine.model_selection import shipped
from service.experiments.datasets import Item

LITTLE_S: Final = 600.0
"""Seconds of labels below which a fit in closed form gives about as much as a training, in seconds."""


def labelled_seconds(segments: Sequence[Segment]) -> float:
    """Seconds of EMG that have a pose."""
    return float(sum(segment.weight.sum() for segment in segments)) / STEP_HZ


def check_poses(segments: Sequence[Segment], gestures: str) -> None:
    """Refuse data without any pose before anything else is said of them.

    Raises:
        DataError: there is none.
    """
    if labelled_seconds(segments):
        return
    if any(segment.classes is not None for segment in segments) and not gestures:
        raise DataError(
            "no pose in the data, only class labels; say what poses they stand for, such as --gestures 7=fist,-1=rest"
        )
    raise DataError(
        "no pose in the data; give sessions with labels that are points (`myocast info FILE` shows what a session holds; "
        "from angles `myocast calibrate` learns)"
    )


def shipped_model(config: NetworkConfig) -> Path | None:
    """The model that ships for a rate and a mode."""
    for path in shipped():
        spec = read_spec(path.read_bytes(), path.name)
        if (spec.rate_hz, spec.emg_mode) == (config.rate_hz, config.emg_mode):
            return path
    return None


def shipped_start(network: Network, config: NetworkConfig) -> Start | None:
    """The shipped network of this architecture, rate and mode; None where there is none."""
    path = shipped_model(config)
    if path is None or read_spec(path.read_bytes(), path.name).architecture != network.name:
        return None
    return read_start(path.read_bytes(), path.stem)


def note_on_start(start: Start | None) -> str:
    """Say in one line what a training on little data begins with."""
    if start is None:
        return f"begins with random weights: no network of this architecture and mode ships (of {DEFAULT} there is one)"
    return f"begins with the shipped network {start.name}; --from-scratch begins with random weights"


def better_way(
    loaded: Sequence[tuple[Item, Sequence[Segment]]], config: NetworkConfig, out: Path
) -> tuple[str, list[str]] | None:
    """Say that a fit in closed form is the better way, and how it is made.

    Args:
        loaded: sessions with their segments.
        config: rate and mode.
        out: the .keras file that training writes.

    Returns:
        a line, and the words of the command that ends it; None where no session file has poses or no model ships.
    """
    model = shipped_model(config)
    by_person: dict[str, dict[Path, float]] = {}
    for item, segments in loaded:
        seconds = labelled_seconds([segment for segment in segments if not segment.canonical])
        if item.path is not None and seconds:
            person = next((segment.user for segment in segments if segment.named), "")
            by_person.setdefault(person, {})[item.path] = seconds
    if model is None or not by_person:
        return None
    person = max(by_person, key=lambda name: sum(by_person[name].values()))
    words = ["myocast", "calibrate", "--model", _shown(model), *_sessions(by_person[person])]
    words += ["--out", str(out.with_suffix(".onnx"))]
    whose = f" (for {person}; each person has a model of their own)" if len(by_person) > 1 else ""
    text = (
        f"with less than {LITTLE_S / 60:g} min of labels calibrate is the better way: about as good, in seconds{whose}:"
    )
    return text, words


def command_line(words: Sequence[str]) -> str:
    """The words of a command as a shell takes them."""
    return shlex.join(words)


def _sessions(paths: Mapping[Path, float]) -> list[str]:
    return [word for path in paths for word in ("--session", str(path))]


def _shown(path: Path) -> str:
    """A path as one would type it here."""
    near = os.path.relpath(path)
    return near if not near.startswith("..") else str(path)
