"""Sidecars of BIDS for EMG (https://bids-specification.readthedocs.io, modality `emg`, since 1.11).

`sub-01_task-x_emg.edf` has beside it `…_emg.json`, `…_channels.tsv` and, where something happened, `…_events.tsv` and
`…_events.json`; above it stand `dataset_description.json` and a README.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from drivers.sessions.report import JsonObject
from models.recording import Recording

_STEM: Final = re.compile(r"(?P<stem>sub-[A-Za-z0-9]+(?:_[a-z]+-[A-Za-z0-9]+)*)_emg\.(?:edf|bdf)")
_TASK: Final = re.compile(r"_task-([A-Za-z0-9]+)")
_VERSION: Final = "1.11.1"
_EVENT_COLUMNS: Final = {
    "trial_type": {"Description": "Class of movement, `missing` where samples were lost, or a note"},
    "value": {"Description": "Number of the class"},
}


@dataclass(frozen=True, slots=True)
class Event:
    """A row of `_events.tsv`."""

    onset: float
    """Seconds from the first sample."""
    duration: float
    kind: str
    value: str = "n/a"


def stem_of(path: Path) -> str | None:
    """The name that sidecars share, of a file named as BIDS wants it; None for another."""
    found = _STEM.fullmatch(path.name)
    return found["stem"] if found and "_task-" in path.name else None


def sidecars(
    path: Path, recording: Recording, rows: Sequence[tuple[str, str, str]], events: Sequence[Event]
) -> Iterator[tuple[Path, bytes]]:
    """Name and content of each sidecar.

    Args:
        path: of the EDF or BDF file, named as BIDS wants it.
        recording: what is in it.
        rows: name, type and unit of each channel.
        events: what happened.
    """
    stem = stem_of(path) or path.stem
    task = _TASK.search(path.name)
    about: JsonObject = {
        "TaskName": task[1] if task else "recording",
        "EMGPlacementScheme": "Other",
        "EMGPlacementSchemeDescription": "Eight electrodes evenly spaced around the forearm, as the armband has them",
        "EMGReference": "n/a: bipolar electrodes of the armband",
        "SamplingFrequency": recording.rate_hz,
        "PowerLineFrequency": "n/a",
        "SoftwareFilters": "n/a",
        "HardwareFilters": "n/a",
        "RecordingType": "discontinuous" if len(list(recording.segments())) > 1 else "continuous",
        "RecordingDuration": round(recording.duration_s, 6),
        "EMGChannelCount": sum(kind == "EMG" for _, kind, _ in rows),
        "MiscChannelCount": sum(kind == "MISC" for _, kind, _ in rows),
        "Manufacturer": "n/a",
        "DeviceSerialNumber": "n/a",
    }
    yield path.with_name(f"{stem}_emg.json"), orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n"
    lines = ["name\ttype\tunits", *("\t".join((name, kind, unit or "n/a")) for name, kind, unit in rows)]
    yield path.with_name(f"{stem}_channels.tsv"), _tsv(lines)
    if events:
        lines = ["onset\tduration\ttrial_type\tvalue"]
        lines += [f"{one.onset:.6f}\t{one.duration:.6f}\t{_cell(one.kind)}\t{_cell(one.value)}" for one in events]
        yield path.with_name(f"{stem}_events.tsv"), _tsv(lines)
        described = orjson.dumps(_EVENT_COLUMNS, option=orjson.OPT_INDENT_2) + b"\n"
        yield path.with_name(f"{stem}_events.json"), described
    yield from _dataset(path)


def channel_types(path: Path) -> Mapping[str, str]:
    """Type of each channel by its name, of `…_channels.tsv` beside an EDF or BDF file; empty without one."""
    stem = stem_of(path)
    if stem is None:
        return {}
    try:
        lines = path.with_name(f"{stem}_channels.tsv").read_text("utf-8-sig", errors="replace").splitlines()
    except OSError:
        return {}
    if not lines:
        return {}
    names = lines[0].split("\t")
    if "name" not in names or "type" not in names:
        return {}
    rows = [line.split("\t") for line in lines[1:]]
    name, kind = names.index("name"), names.index("type")
    return {row[name]: row[kind] for row in rows if len(row) > max(name, kind)}


def _dataset(path: Path) -> Iterator[tuple[Path, bytes]]:
    """Files of the data set that are not there yet, where the folders are those of one: `ROOT/sub-01[/ses-1]/emg`."""
    if path.absolute().parent.name != "emg":
        return
    root = next((one for one in path.absolute().parents if one.name.startswith("sub-")), None)
    if root is None:
        return
    described = root.parent / "dataset_description.json"
    if not described.exists():
        about = {"Name": root.parent.name or "EMG", "BIDSVersion": _VERSION, "DatasetType": "raw", "Authors": ["n/a"]}
        yield described, orjson.dumps(about, option=orjson.OPT_INDENT_2) + b"\n"
    if not any((root.parent / name).exists() for name in ("README", "README.md", "README.txt")):
        yield (
            root.parent / "README",
            b"EMG of a forearm armband, converted by Myocast. Say here who was recorded, and how.\n",
        )


def _cell(text: str) -> str:
    return " ".join(text.split()) or "n/a"


def _tsv(lines: Sequence[str]) -> bytes:
    return ("\n".join(lines) + "\n").encode()
