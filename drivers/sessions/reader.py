"""Read a session in any of the known layouts, recognised by content rather than name."""

from __future__ import annotations

import dataclasses
import re
from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from io import BytesIO
from itertools import chain
from pathlib import Path
from typing import BinaryIO, Final, cast

from drivers.events import EmgMode
from drivers.sessions.file_options import split_options
from drivers.sessions.mcap.reader import read_mcap
from drivers.sessions.mcap.records import MAGIC
from drivers.sessions.other_formats import HEAD_BYTES, name_of
from drivers.sessions.read_config import FileUnit, ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import blocks, open_file
from drivers.sessions.table import lines_of
from drivers.sessions.text.reader import read_text
from drivers.uri import shown
from models.hand import Side
from models.recording import Recording

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
) -> Recording:
    """Read one device's session from a file.

    MCAP, CSV, bare columns, the joined CSV of earlier projects or sEMG-MANUS, plain or packed. What was dropped
    and why is in `meta["dropped"]` (list of {reason, count, lines, place}) and `meta["notes"]` (list of text);
    `meta["format"]` names the layout, `meta["events"]` are the `Battery` and `Notice` events of the device, and
    the rest of `meta` is the metadata of the file or its folder (text).

    Args:
        path: the file; options may follow its name, as in `FILE?rate=50&mode=envelope`, and those given here win.
        device: index of the armband in a file of several.
        rate: nominal samples per second, if the file lacks it or has it wrong.
        mode: `raw`, `filtered` or `envelope`, likewise.
        unit: `adc`, `uV`, `mV` or `V`, likewise; the last two become `uV`.
        hand: `left` or `right`, likewise.
        columns: what each column of a text file is, from the left, as in `t,ch1-8,label`.

    Raises:
        SessionError: it is missing, empty, of no known layout, or too much of it cannot be read.
        DriverError: an option behind its name is unknown or has no such value.
    """
    path, said, index = split_options(path)
    report = ReadReport()
    config = ReadConfig(
        rate or said.rate, mode or said.mode, unit or said.unit, hand or said.hand, columns or said.columns
    )
    with open_file(path) as file:
        recording = _read(path, file, config, report, device or index)
    placed = _from_folder(path)
    side = recording.hand or _hand_of_folder(path)
    meta = {**placed, **recording.meta, **report.as_meta(), "path": shown(str(path))}
    return dataclasses.replace(recording, name=shown(recording.name), hand=side, meta=meta)


def _read(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport, device: int) -> Recording:
    if _starts_with_magic(file):
        return read_mcap(path, file, config, report, device)
    content = blocks(file, report)
    first = next(content, b"")
    if first.startswith(MAGIC):
        return read_mcap(path, BytesIO(b"".join((first, *content))), config, report, device)
    if not first:
        raise SessionError(f"{path}: holds nothing that can be unpacked; expected a session")
    if known := name_of(first[:HEAD_BYTES]):
        raise SessionError(f"{path}: {known}")
    if b"\0" in first[:4096] and not first.startswith((BOM_UTF16_LE, BOM_UTF16_BE)):
        raise SessionError(f"{path}: is neither MCAP nor text; expected a session (.mcap, .csv, .txt, also .gz)")
    if device:
        raise SessionError(f"{path}: is a text file of one device; expected device 0, not {device}")
    return read_text(path, lines_of(chain([first], content), path.name), config, report)


def _starts_with_magic(file: BinaryIO) -> bool:
    head = file.read(len(MAGIC))
    file.seek(0)
    return head == MAGIC


def _from_folder(path: Path) -> dict[str, str]:
    """Take user and session from the folders of myo-readings-dataset: `PERSON-SESSION/GESTURE.txt`."""
    found = _GESTURE_FOLDER.fullmatch(path.parent.name)
    if not found:
        return {}
    return {**found.groupdict(), "gesture": path.name.partition(".")[0]}


def _hand_of_folder(path: Path) -> Side | None:
    found = _HAND_FOLDER.fullmatch(path.parent.parent.name)
    return cast(Side, found[1]) if found else None
