"""Read a session in any of the known layouts, recognised by content rather than name."""

from __future__ import annotations

import dataclasses
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from collections.abc import Callable
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, TypeVar, cast

import numpy as np

from drivers.events import EmgMode
from drivers.sessions.file_options import split_options
from drivers.sessions.formats.kinds import HEAD_BYTES, archive_reader, check_known, reader_of
from drivers.sessions.labels_file import with_labels
from drivers.sessions.mcap.reader import read_mcap
from drivers.sessions.mcap.records import MAGIC
from drivers.sessions.read_config import FileUnit, LabelsConfig, ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import blocks, open_file
from drivers.sessions.table import lines_of
from drivers.sessions.text.layout import Layout
from drivers.sessions.text.reader import Text, read_table, read_text
from drivers.sessions.units import to_kept_unit
from drivers.uri import shown
from models.hand import Side
from models.recording import Recording

R = TypeVar("R")

_FORMATS: Final = "expected a session (.mcap, .csv, .txt, .xdf, .edf, .bdf, .mat, .h5, .npz, .json, also packed)"
NAME: Final = "{name}"
"""Stands in the name of a file of labels for that of the session."""
_GESTURE_FOLDER: Final = re.compile(r"(?P<user>\d+)-(?P<session>\d+)")
_HAND_FOLDER: Final = re.compile(r"_readings_(left|right)_hand")


def read_session(
    path: str | Path,
    *,
    device: int = 0,
    rate: float | None = None,
    mode: EmgMode | None = None,
    unit: FileUnit | None = None,
    hand: Side | None = None,
    columns: str | None = None,
    channels: str | None = None,
    scale: float | None = None,
    part: str | None = None,
    labels: str | Path | LabelsConfig | None = None,
) -> Recording:
    """Read one device's session from a file.

    MCAP; CSV, bare columns and other text; XDF, EDF, BDF, MATLAB, HDF5, NumPy, JSON; plain or packed. What was dropped
    and why is in `meta["dropped"]` (list of {reason, count, lines, place}) and `meta["notes"]` (list of text);
    `meta["format"]` names the layout, `meta["events"]` are the `Battery` and `Notice` events of the device, and
    the rest of `meta` is the metadata of the file or its folder (text).

    Args:
        path: the file; options may follow its name, as in `FILE?rate=50&mode=envelope`, and those given here win.
        device: index of the armband in a file of several.
        rate: nominal samples per second, if the file lacks it or has it wrong.
        mode: `raw`, `filtered` or `envelope`, likewise.
        unit: `adc`, `nV`, `uV`, `mV` or `V`, likewise; all but `adc` become `uV`.
        hand: `left` or `right`, likewise.
        columns: what each column of a table is, from the left, as in `t,ch1-8,label`.
        channels: which eight of more channels, by their place from 1, as in `9-16`.
        scale: by which the samples are multiplied; then they are in `unit`.
        part: which stream, array or group of a file of several.
        labels: labels in a second file, which may have options behind its name; `LabelsConfig` says how clocks differ.

    Raises:
        SessionError: it is missing, empty, of no known layout, or too much of it cannot be read.
        DriverError: an option behind its name is unknown or has no such value.
    """
    file, said, index = split_options(path)
    second = LabelsConfig(Path(labels)) if isinstance(labels, str | Path) else labels
    config = ReadConfig(
        rate or said.rate,
        mode or said.mode,
        unit or said.unit,
        hand or said.hand,
        columns or said.columns,
        channels or said.channels,
        scale or said.scale,
        part or said.part,
        second or said.labels,
    )
    return read_configured(file, config, device or index)


def read_configured(path: Path, config: ReadConfig, device: int = 0) -> Recording:
    """Read one device's session from a file, with what the user says of it; as `read_session`."""
    report = ReadReport()
    return finished(path, read_with(path, config, report, device, read_table), config, report)


def finished(path: Path, recording: Recording, config: ReadConfig, report: ReadReport) -> Recording:
    """The recording with labels of a second file, and with what its folder and the report say of it."""
    if config.labels is not None:
        labels = dataclasses.replace(config.labels, file=_labels_of(path, config.labels.file))
        recording = with_labels(recording, labels, config.hand, report)
    placed = _from_folder(path)
    side = recording.hand or _hand_of_folder(path)
    meta = {**placed, **recording.meta, **report.as_meta(), "path": shown(str(path))}
    return dataclasses.replace(recording, name=shown(recording.name), hand=side, meta=meta)


def _labels_of(path: Path, labels: Path) -> Path:
    """The file of labels that belongs to a session, where one name stands for those of many."""
    if NAME not in str(labels):
        return labels
    return path.parent / str(labels).replace(NAME, path.name.partition(".")[0])


def read_with(
    path: Path, config: ReadConfig, report: ReadReport, device: int, on_table: Callable[[Text, Layout], R]
) -> Recording | R:
    """Read a file; a table of text by `on_table`, which is given its lines and which columns it has."""
    with open_file(path) as file:
        return _read(path, file, config, report, device, on_table)


def _read(
    path: Path,
    file: BinaryIO,
    config: ReadConfig,
    report: ReadReport,
    device: int,
    on_table: Callable[[Text, Layout], R],
) -> Recording | R:
    head = file.read(HEAD_BYTES)
    file.seek(0)
    if head.startswith(MAGIC):
        return _scaled(read_mcap(path, file, config, report, device), path, config, report)
    if read := archive_reader(file) or reader_of(head):
        _check_device(path, device)
        return read(path, file, config, report)
    content = blocks(file, report)
    first = next(content, b"")
    if not first:
        raise SessionError(f"{path}: holds nothing that can be unpacked; expected a session")
    if first.startswith(MAGIC):
        inner = BytesIO(b"".join((first, *content)))
        return _scaled(read_mcap(path, inner, config, report, device), path, config, report)
    _check_device(path, device)
    if inside := reader_of(first[:HEAD_BYTES]):
        return inside(path, BytesIO(b"".join((first, *content))), config, report)
    check_known(path, first[:HEAD_BYTES])
    if b"\0" in first[:4096] and not first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise SessionError(f"{path}: is neither MCAP nor text, nor of another known format; {_FORMATS}")
    return read_text(path, lines_of(chain([first], content), path.name), config, report, on_table)


def _check_device(path: Path, device: int) -> None:
    if device:
        raise SessionError(f"{path}: holds one device; expected device 0, not {device}")


def _scaled(recording: Recording, path: Path, config: ReadConfig, report: ReadReport) -> Recording:
    """An MCAP session with the samples times `scale`, in the unit that the user says."""
    if config.scale is None and config.unit in (None, "adc", "uV"):
        return recording
    emg = recording.emg if config.scale is None else np.multiply(recording.emg, config.scale, dtype=np.float32)
    unit, emg = to_kept_unit(emg, config.unit or cast(FileUnit, recording.unit), config.mode, path.name, report)
    return dataclasses.replace(recording, emg=emg, unit=unit or recording.unit)


def _from_folder(path: Path) -> dict[str, str]:
    """Take user and session from the folders of myo-readings-dataset: `PERSON-SESSION/GESTURE.txt`."""
    found = _GESTURE_FOLDER.fullmatch(path.parent.name)
    if not found:
        return {}
    return {**found.groupdict(), "gesture": path.name.partition(".")[0]}


def _hand_of_folder(path: Path) -> Side | None:
    found = _HAND_FOLDER.fullmatch(path.parent.parent.name)
    return cast(Side, found[1]) if found else None
