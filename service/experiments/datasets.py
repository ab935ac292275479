"""Data sets: session files, folders of them, people that the generator makes on the spot, sessions in memory."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from drivers.sessions.file_options import split_query
from models.errors import MyocastError
from models.recording import Recording

SCHEME: Final = "synthetic:"
SUFFIXES: Final = (".mcap", ".csv", ".txt", ".tsv", ".npz", ".xdf", ".edf", ".bdf", ".mat", ".h5", ".hdf5")
SIDECARS: Final = ("_channels.tsv", "_events.tsv", "_electrodes.tsv", "participants.tsv")
"""Files of BIDS beside sessions."""
CUE_SETTLE_S: Final = 1.2
CUE_MOVE_S: Final = 0.4
_NUMBERS: Final = {"users": 8, "first": 0, "sessions": 2, "seconds": 120, "seed": 1, "rotation": 0}
_WORDS: Final = {"variant": "A", "hand": "right", "without": "", "activity": ""}


class DatasetError(MyocastError):
    """A `--data` argument that names no usable sessions."""


@dataclass(frozen=True, slots=True)
class Item:
    """One session that can be read when its turn comes."""

    name: str
    path: Path | None = None
    synthetic: dict[str, Any] = field(default_factory=dict)
    recording: Recording | None = None
    """A session that is in memory already; it may be in any mode and rate."""
    options: str = ""
    """Behind the name of the file: `?rate=50&mode=envelope`."""

    @property
    def wearer(self) -> str:
        """Who wore the band, where the folder says so (`PERSON-SESSION`); empty otherwise."""
        return "" if self.path is None else self.path.parent.name.rpartition("-")[0]

    def read(self, mode: str, rate_hz: float) -> Recording:
        """The session in memory; a synthetic one is made in this mode and rate."""
        if self.recording is not None:
            return self.recording
        if self.path is not None:
            from drivers.sessions import read_session

            return read_session(f"{self.path}{self.options}")
        from models.forward.activities import activity_script
        from models.forward.generator import session

        recipe = dict(self.synthetic)
        name = recipe.pop("activity", "")
        who = (recipe["user"], recipe["session"], recipe["seed"])
        script = activity_script(name, recipe["seconds"], *who) if name else None
        return session(**recipe, emg_mode=mode, rate_hz=rate_hz, script=script)

    def calibration(self, seconds: float, mode: str, rate_hz: float) -> Recording | None:
        """The same synthetic wearer and donning, asked to rest, make a fist and extend the wrist; None for others."""
        if not self.synthetic:
            return None
        from models.data.alignment_cues import CLASS_CUES
        from models.forward.generator import session
        from models.forward.motion import Step

        steps = {"rest": "rest", "fist": "fist", "extension": "wrist_extension"}
        each = seconds / len(steps) + CUE_SETTLE_S
        script = tuple(Step(steps[cue], CUE_MOVE_S, each - CUE_MOVE_S) for cue in CLASS_CUES.values())
        recipe = {**self.synthetic, "seconds": each * len(steps), "leave_out": ()}
        recipe.pop("activity", None)
        made = session(**recipe, emg_mode=mode, rate_hz=rate_hz, script=script)
        labels = np.array(list(CLASS_CUES))[np.minimum((made.t / each).astype(int), len(steps) - 1)]
        return replace(made, joints=None, label_t=None, classes=labels)

    def describe(self) -> dict[str, Any]:
        """For the manifest: what it is, and the hash of its content or recipe."""
        if self.recording is not None:
            return {"recording": self.name, "sha256": hashlib.sha256(self.recording.emg.tobytes()).hexdigest()}
        if self.path is None:
            recipe = ",".join(f"{key}={value}" for key, value in sorted(self.synthetic.items()))
            return {"synthetic": self.synthetic, "sha256": hashlib.sha256(recipe.encode()).hexdigest()}
        with self.path.open("rb") as file:
            return {"file": f"{self.path}{self.options}", "sha256": hashlib.file_digest(file, "sha256").hexdigest()}


def recipe_key(recipe: object) -> str:
    """By which a saved result is known again: a hash of the data, the training configuration and the network that it came from."""
    return hashlib.sha256(json.dumps(recipe, sort_keys=True, default=str).encode()).hexdigest()


def items(paths: Sequence[str]) -> list[Item]:
    """Every session that the arguments name, in order, each once.

    Args:
        paths: files, folders (searched through), or
            `synthetic:users=24,sessions=2,seconds=120,seed=1,first=0,rotation=0,variant=A,without=ok+fist`
            (`without`: gestures that these people never make; `activity=typing` in place of free movement: what they
            do without meaning anything by it).

    Raises:
        DatasetError: nothing there, or not understood.
    """
    found: dict[str, Item] = {}
    for path in paths:
        for item in _synthetic(path) if path.startswith(SCHEME) else _files(path):
            found.setdefault(item.name, item)
    if not found:
        raise DatasetError(
            "no data; give --data with session files, folders, or synthetic:users=24,sessions=2,seconds=120,seed=1"
        )
    return list(found.values())


def in_memory(recordings: Sequence[Recording]) -> list[Item]:
    """Sessions that are in memory already, in order."""
    return [Item(one.name or f"session {number}", recording=one) for number, one in enumerate(recordings)]


def read(found: Sequence[Item], mode: str, rate_hz: float) -> Iterator[Recording]:
    """The sessions, one in memory at a time."""
    for item in found:
        yield item.read(mode, rate_hz)


def _files(text: str) -> Iterator[Item]:
    path, options = split_query(text)
    if path.is_dir():
        inside = sorted(file for file in path.rglob("*") if _is_session(file) and file.is_file())
        if not inside:
            raise DatasetError(f"{path}: no session in this folder; expected {', '.join(SUFFIXES)}, also .gz")
        for file in inside:
            yield Item(f"{file}{options}", file, options=options)
    elif path.exists():
        yield Item(f"{path}{options}", path, options=options)
    else:
        raise DatasetError(f"{path}: no such file or folder; give session files, folders, or {SCHEME}users=24,…")


def _is_session(path: Path) -> bool:
    name = path.name.lower().removesuffix(".gz")
    return os.path.splitext(name)[1] in SUFFIXES and not name.endswith(SIDECARS)


def _synthetic(text: str) -> Iterator[Item]:
    values = _parse_options(text)
    left_out, activity = _gestures(text, values["without"]), _activity(text, values["activity"])
    for user in range(values["first"], values["first"] + values["users"]):
        for number in range(values["sessions"]):
            recipe = {
                "user": user,
                "session": number,
                "seconds": float(values["seconds"]),
                "seed": values["seed"],
                "rotation_channels": float(values["rotation"]),
                "variant": values["variant"],
                "hand": values["hand"],
                # Absent, not empty: the hashes of recipes that leave nothing out stay what they were.
                **({"leave_out": left_out} if left_out else {}),
                **({"activity": activity} if activity else {}),
            }
            yield Item("synthetic:" + ",".join(f"{key}={value}" for key, value in recipe.items()), None, recipe)


def _gestures(text: str, words: str) -> list[str]:
    from models.forward.poses import POSES

    names = sorted(filter(None, words.split("+")))
    unknown = [name for name in names if name not in POSES]
    if unknown:
        raise DatasetError(f"{text}: no gesture {unknown[0]!r}; there are {', '.join(POSES)}")
    return names


def _activity(text: str, name: str) -> str:
    from models.forward.activities import ACTIVITIES

    if name and name not in ACTIVITIES:
        raise DatasetError(f"{text}: no activity {name!r}; there are {', '.join(ACTIVITIES)}")
    return name


def _parse_options(text: str) -> dict[str, Any]:
    values: dict[str, Any] = {**_NUMBERS, **_WORDS}
    for part in filter(None, text.removeprefix(SCHEME).lstrip("?").replace("&", ",").split(",")):
        key, _, value = part.partition("=")
        if key in _NUMBERS:
            try:
                values[key] = float(value) if key in ("seconds", "rotation") else int(value)
            except ValueError:
                raise DatasetError(f"{text}: `{key}` must be a number, got {value!r}") from None
        elif key in _WORDS:
            values[key] = value
        else:
            raise DatasetError(f"{text}: unknown `{key}`; there are {', '.join((*_NUMBERS, *_WORDS))}")
    if values["users"] < 1 or values["sessions"] < 1 or values["seconds"] < 1:
        raise DatasetError(f"{text}: users, sessions and seconds must be at least 1")
    return values
