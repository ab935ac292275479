"""MATLAB files up to version 7 (https://www.mathworks.com/help/pdf_doc/matlab/matfile_format.pdf), read by SciPy.

Version 7.3 is HDF5 (`drivers.sessions.formats.hdf5`).
"""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np
import numpy.typing as npt

from drivers.sessions.formats.arrays import recording_of_arrays
from drivers.sessions.libraries import library
from drivers.sessions.read_config import ReadConfig
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import most_unpacked
from models.recording import Recording

_HEADER_BYTES: Final = 128
_COMPRESSED: Final = 15
_PIECE: Final = 1 << 16
_DEEPEST: Final = 3


def read(path: Path, file: BinaryIO, config: ReadConfig, report: ReadReport) -> Recording:
    """Read the arrays of a MATLAB file, those in structures by `structure.field`.

    Raises:
        SessionError: SciPy is not installed, the file is damaged, or it cannot be told which array is the EMG.
    """
    scipy_io = library("scipy.io", f"{path}: is a MATLAB file, which")
    plain = _unpacked(path, file)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = scipy_io.loadmat(BytesIO(plain), struct_as_record=True, squeeze_me=False)
    except Exception as error:
        # The library raises whatever a damaged file makes of it.
        raise SessionError(f"{path}: is a MATLAB file that cannot be read ({_short(error)}); save it again") from None
    arrays = dict(_arrays(found, "", 0))
    return recording_of_arrays(path, arrays, config, report, format="mat")


def _arrays(found: object, prefix: str, depth: int) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
    """Numeric arrays by name; of structures of one element, their fields."""
    items = found.items() if isinstance(found, dict) else ()
    for name, value in items:
        if str(name).startswith("__") or not isinstance(value, np.ndarray):
            continue
        if value.dtype.kind in "biuf":
            yield f"{prefix}{name}", value
        elif value.dtype.names and value.size == 1 and depth < _DEEPEST:
            inner = {field: value.reshape(-1)[0][field] for field in value.dtype.names}
            yield from _arrays(inner, f"{prefix}{name}.", depth + 1)


def _unpacked(path: Path, file: BinaryIO) -> bytes:
    """The file with its packed elements unpacked, as far as that fits in memory: SciPy believes the sizes they state.

    Raises:
        SessionError: they unpack to far more than the file, or are damaged.
    """
    most = most_unpacked(file)
    head = file.read(_HEADER_BYTES)
    if len(head) < _HEADER_BYTES or head[126:128] not in (b"IM", b"MI"):
        raise SessionError(
            f"{path}: is a MATLAB file that is cut off, or of a version that is not known; save it again"
        )
    order = "<" if head[126:128] == b"IM" else ">"
    plain = bytearray(head)
    while tag := file.read(8):
        if len(tag) < 8:
            break
        kind, size = struct.unpack(f"{order}II", tag)
        if kind != _COMPRESSED:
            body = file.read(size) if size <= most else b""
            if len(body) < size:
                raise SessionError(f"{path}: is cut off or damaged: an element of {size} bytes ends too soon")
            plain += tag + body
            continue
        inflate = zlib.decompressobj()
        left, out = size, bytearray()
        try:
            while left and not inflate.eof:
                piece = file.read(min(left, _PIECE))
                if not piece:
                    break
                left -= len(piece)
                while piece and len(plain) + len(out) <= most:
                    out += inflate.decompress(piece, _PIECE)
                    piece = inflate.unconsumed_tail
        except zlib.error as error:
            raise SessionError(f"{path}: is damaged ({error}); save it again") from None
        file.seek(left, 1)
        if len(plain) + len(out) > most:
            raise SessionError(f"{path}: unpacks to more than {most >> 20} MB, as EMG does not")
        _check_element(path, out, order)
        plain += out
    return bytes(plain)


def _check_element(path: Path, element: bytearray, order: str) -> None:
    if len(element) < 8 or struct.unpack(f"{order}I", element[4:8])[0] > len(element) - 8:
        raise SessionError(f"{path}: is damaged: a packed element is shorter than it says; save it again")


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:120] or type(error).__name__
