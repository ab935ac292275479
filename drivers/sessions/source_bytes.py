"""Read a session's bytes, plain or gzip'ed, as far as they are undamaged."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from drivers.sessions.report import ReadReport, SessionError

_GZIP: Final = b"\x1f\x8b"
_BLOCK: Final = 1 << 20
_PIECE: Final = 1 << 12
_GZIP_FORMAT: Final = 31


def open_file(path: Path) -> BinaryIO:
    """Open a session file for reading.

    Raises:
        SessionError: there is no such file, it is a folder or a pipe, may not be read, or is empty.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SessionError(f"{path}: no such file; give the path of a session (.mcap, .csv, .txt, also .gz)") from None
    except IsADirectoryError:
        raise SessionError(f"{path}: is a folder; give the path of one session in it") from None
    except OSError as error:
        raise SessionError(f"{path}: cannot be read ({error.strerror}); check its permissions") from None
    if not file.read(1):
        file.close()
        raise SessionError(f"{path}: is empty; expected a session (MCAP, CSV or eight columns of numbers)")
    if not file.seekable():
        file.close()
        raise SessionError(f"{path}: is a pipe, which cannot be read twice; save what comes out of it as a file")
    file.seek(0)
    return file


def is_gzip(file: BinaryIO) -> bool:
    """Whether the content is gzip'ed."""
    head = file.read(2)
    file.seek(0)
    return head == _GZIP


def blocks(file: BinaryIO, report: ReadReport) -> Iterator[bytes]:
    """Yield the content in blocks, unpacked if it is gzip'ed.

    A damaged or truncated archive gives what can be unpacked; the report then says so.
    """
    if not is_gzip(file):
        yield from iter(lambda: file.read(_BLOCK), b"")
        return
    plain = bytearray()
    for piece in _inflate(file, report):
        plain += piece
        if len(plain) >= _BLOCK:
            yield bytes(plain)
            plain.clear()
    yield bytes(plain)


def _inflate(file: BinaryIO, report: ReadReport) -> Iterator[bytes]:
    # In small pieces, because the part of a piece before a damage in it is lost.
    inflate = None
    while packed := file.read(_PIECE):
        while packed:
            # Several members may follow each other, and zeros may follow the last.
            if inflate is None:
                packed = packed.lstrip(b"\0")
                inflate = zlib.decompressobj(wbits=_GZIP_FORMAT) if packed else None
                continue
            try:
                yield inflate.decompress(packed)
            except zlib.error as error:
                report.note(f"the gzip archive is damaged ({error}): only what comes before was read")
                return
            packed = inflate.unused_data
            inflate = None if inflate.eof else inflate
    if inflate is not None:
        report.note("the gzip archive is truncated: only what comes before was read")
