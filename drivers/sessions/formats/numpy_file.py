"""NumPy arrays: `.npy`, and `.npz` as Myocast and others write it.

Myocast's own `.npz` (docs/protocol.md#npz) holds a whole recording. Of another's, the array of the EMG is told by its
name, or by being the only one of its shape.
"""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import IO, BinaryIO, Final

import numpy as np
import numpy.typing as npt

from drivers.sessions.formats import arrays
from drivers.sessions.formats.columns import LARGEST_ARRAY
from drivers.sessions.formats.own_npz import MARK, recording_of_npz
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import most_unpacked
from models.recording import Recording

_MAGIC: Final = b"\x93NUMPY"


def read(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport) -> Recording:
    """Read an array or an archive of arrays.

    Raises:
        SessionError: it is damaged, holds objects, or it cannot be told which array is the EMG.
    """
    head = file.read(len(_MAGIC))
    file.seek(0)
    try:
        found = {"array": _array(file)} if head == _MAGIC else _archive(file)
    except Exception as error:
        # The library raises whatever a damaged header makes of it.
        raise SessionError(
            f"{path}: is a NumPy array, or several, that cannot be read ({_short(error)}); save it again"
        ) from None
    if MARK in found:
        return recording_of_npz(path, found, config, report)
    return arrays.recording_of_arrays(path, found, config, report, format="npz" if head != _MAGIC else "npy")


def _archive(file: BinaryIO) -> Mapping[str, npt.NDArray[np.generic]]:
    found = {}
    most = most_unpacked(file)
    with zipfile.ZipFile(file) as archive:
        if sum(info.file_size for info in archive.infolist()) > most:
            raise ValueError(f"more than {most >> 20} MB when it is unpacked")
        for info in archive.infolist():
            with archive.open(info) as member:
                array = _array(member)
            if array is not None:
                found[info.filename.removesuffix(".npy")] = array
    return found


def _array(file: IO[bytes]) -> npt.NDArray[np.generic]:
    """One array; its header is checked before memory is taken for it."""
    version = np.lib.format.read_magic(file)
    header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = header(file)
    if dtype.hasobject:
        raise ValueError("it holds Python objects")
    size = math.prod(shape) * dtype.itemsize
    if size > LARGEST_ARRAY:
        raise ValueError(f"an array of {shape}")
    data = bytearray()
    while len(data) < size and (piece := file.read(min(size - len(data), 1 << 20))):
        data += piece
    if len(data) < size:
        raise ValueError(f"it ends within an array of {shape}")
    flat = np.frombuffer(bytes(data), dtype=dtype)
    return flat.reshape(shape[::-1]).T if fortran else flat.reshape(shape)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
