"""From `--data` to segments in memory, with their bands aligned where the wearers were asked for the cues."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Final

from models.alignment import Template
from models.architectures.base import NetworkConfig
from models.data.alignment_cues import aligned_segments, template_of
from models.data.gesture_labels import poses_by_label
from models.data.segments import Segment, is_synthetic, segments_of
from models.data.splits import Split
from service.experiments.datasets import Item, read

TEMPLATE_CUES_S: Final = 12.0
"""How long synthetic wearers follow the cues."""
ALIGN: Final = 0.3
"""Share of training on measured poses whose band is aligned to the template first."""
ALIGN_GESTURES: Final = 0.8
"""The same for sessions of people who were asked for gestures."""


def calibrations(found: Sequence[Item], seconds: float, config: NetworkConfig) -> list[Segment]:
    """Segments of the cues of synthetic wearers; files have theirs among their own class labels."""
    made = (item.calibration(seconds, config.emg_mode, config.rate_hz) for item in found)
    return [segment for recording in made if recording is not None for segment in segments_of([recording], config)]


def load_segments(
    found: Sequence[Item], config: NetworkConfig, gestures: str = "", reading: Callable[[str, int], None] | None = None
) -> list[Segment]:
    """Segments of all sessions, read one at a time.

    Args:
        found: the sessions.
        config: the rate and mode to bring them to.
        gestures: poses for class labels, such as `7=fist,-1=rest`.
        reading: called with the name of each session that was read, and how many there are.
    """
    return [segment for _, segments in load_items(found, config, gestures, reading) for segment in segments]


def load_items(
    found: Sequence[Item], config: NetworkConfig, gestures: str = "", reading: Callable[[str, int], None] | None = None
) -> list[tuple[Item, list[Segment]]]:
    """The same, each session beside its segments."""
    out: list[tuple[Item, list[Segment]]] = []
    poses = poses_by_label(gestures)
    for item, recording in zip(found, read(found, config.emg_mode, config.rate_hz), strict=True):
        out.append((item, list(segments_of([recording], config, poses))))
        if reading is not None:
            reading(item.name, len(found))
    return out


def trained_on(found: Sequence[Item]) -> tuple[str, ...]:
    """One line per kind of data, for the model file."""
    files = [item for item in found if item.path is not None]
    made = [item.synthetic for item in found if item.synthetic]
    held = [item.recording for item in found if item.recording is not None]
    lines = []
    for seed, variant in sorted({(recipe["seed"], recipe["variant"]) for recipe in made}):
        some = [r for r in made if (r["seed"], r["variant"]) == (seed, variant)]
        hours = sum(r["seconds"] for r in some) / 3600
        lines.append(
            f"synthetic, generator {variant}, seed {seed}: {len({r['user'] for r in some})} users, {len(some)} sessions, {hours:.1f} h"
        )
    if files:
        folders = sorted({str(item.path.parent.name) for item in files if item.path})
        lines.append(f"{len(files)} recorded files from {len(folders)} folders")
    if held:
        synthetic = sum(is_synthetic(recording.meta) for recording in held)
        lines.append(f"{len(held)} sessions from memory, {synthetic} of them synthetic")
    return tuple(lines)


def aligned(parts: Split, cues: Sequence[Segment]) -> tuple[Split, Template | None]:
    """The same split with every donning's matrix, aligned to the template of the people who are trained on.

    Args:
        parts: of one network.
        cues: segments of the same donnings in which the wearers follow the cues; sessions with class labels
            hold theirs.

    Returns:
        the split, and the template; None where nobody was asked for the cues.
    """
    people = {segment.user for segment in parts.train}
    known = [segment for segment in (*cues, *parts.train) if segment.classes is not None and segment.user in people]
    target = template_of(known)
    if target is None:
        return parts, None
    train, held_out = (tuple(aligned_segments(part, cues, target)) for part in (parts.train, parts.held_out))
    return replace(parts, train=train, held_out=held_out), target


def kind_of(segments: Iterable[Segment]) -> str:
    """`real`, `synthetic`, or both."""
    made = {segment.synthetic for segment in segments}
    return "real and synthetic" if len(made) == 2 else "synthetic" if True in made else "real"
