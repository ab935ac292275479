"""Read a session's bytes, plain or packed (gzip, bzip2, xz, zstd, zip), as far as they are undamaged."""

from __future__ import annotations

import bz2
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, Protocol

import zstandard

from drivers.sessions.report import ReadReport, SessionError

_BLOCK: Final = 1 << 20
_PIECE: Final = 1 << 12
_GZIP_FORMAT: Final = 31
_LARGEST_WINDOW: Final = 1 << 27
_LARGEST: Final = 1 << 30
"""Bytes unpacked at most, whatever the size of the file."""
_ALWAYS: Final = 1 << 27
"""Bytes unpacked that are taken from a file of any size, since they fit in memory."""
_RATIO: Final = 16
"""Times its size that a larger file may unpack to: rows of numbers pack to a third, and seldom to a tenth. An archive
of a few kilobytes can hold more than the memory."""


class _Decompressor(Protocol):
    """What `bz2` and `lzma` have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1, /) -> bytes: ...


def open_file(path: Path) -> BinaryIO:
    """Open a session file for reading.

    Raises:
        SessionError: there is no such file, it is a folder or a pipe, may not be read, or is empty.
    """
    try:
        file = path.open("rb")
    except FileNotFoundError:
        raise SessionError(
            f"{path}: no such file; give the path of a session (.mcap, .csv, .txt, .xdf, .edf, .mat, .h5, .npz, .json)"
        ) from None
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


def most_unpacked(file: BinaryIO) -> int:
    """Bytes that a packed file may unpack to; the position in the file stays as it is."""
    place = file.tell()
    size = file.seek(0, 2)
    file.seek(place)
    return min(_LARGEST, max(_ALWAYS, _RATIO * size))


def blocks(file: BinaryIO, report: ReadReport) -> Iterator[bytes]:
    """Yield the content in blocks, unpacked if it is packed.

    A damaged or truncated archive gives what can be unpacked; the report then says so.

    Raises:
        SessionError: it unpacks to far more than its size (`most_unpacked`), or is a zip of several files.
    """
    head = file.read(8)
    file.seek(0)
    unpacked = next((unpack(file, report) for mark, unpack in _PACKED if head.startswith(mark)), None)
    if unpacked is None:
        yield from iter(lambda: file.read(_BLOCK), b"")
        return
    plain = bytearray()
    total, most = 0, most_unpacked(file)
    for piece in unpacked:
        plain += piece
        total += len(piece)
        if total > most:
            raise SessionError(
                f"{file.name}: unpacks to more than {most >> 20} MB, as EMG does not; unpack it, and give it in parts"
            )
        if len(plain) >= _BLOCK:
            yield bytes(plain)
            plain.clear()
    yield bytes(plain)


def _gzip(file: BinaryIO, report: ReadReport) -> Iterator[bytes]:
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


def _stepwise(
    kind: str, make: Callable[[], _Decompressor], damage: type[Exception]
) -> Callable[[BinaryIO, ReadReport], Iterator[bytes]]:
    def unpack(file: BinaryIO, report: ReadReport) -> Iterator[bytes]:
        one: _Decompressor | None = None
        packed = b""
        while True:
            if one is None or one.needs_input:
                packed = packed or file.read(_PIECE)
                if not packed:
                    break
            one = one or make()
            try:
                yield one.decompress(packed, _BLOCK)
            except damage as error:
                report.note(f"the {kind} archive is damaged ({error}): only what comes before was read")
                return
            packed = b""
            if one.eof:
                packed, one = one.unused_data, None
        if one is not None:
            report.note(f"the {kind} archive is truncated: only what comes before was read")

    return unpack


def _zstd(file: BinaryIO, report: ReadReport) -> Iterator[bytes]:
    reader = zstandard.ZstdDecompressor(max_window_size=_LARGEST_WINDOW).stream_reader(file, read_across_frames=True)
    try:
        yield from iter(lambda: reader.read(_BLOCK), b"")
    except zstandard.ZstdError as error:
        report.note(f"the zstd archive is damaged ({error}): only what comes before was read")


def _zip(file: BinaryIO, report: ReadReport) -> Iterator[bytes]:
    try:
        archive = zipfile.ZipFile(file)
        names = [one for one in archive.namelist() if not one.endswith("/") and not one.startswith("__MACOSX/")]
    except (zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise SessionError(f"{file.name}: is a zip that cannot be unpacked ({error}); expected a session") from None
    if "[Content_Types].xml" in names:
        raise SessionError(f"{file.name}: is a spreadsheet or a document; save the sheet as CSV")
    if len(names) != 1:
        shown = ", ".join(PurePosixPath(name).name for name in names[:4]) or "none"
        raise SessionError(f"{file.name}: is a zip of {len(names)} files ({shown}); unpack it, and give one of them")
    try:
        with archive.open(names[0]) as member:
            yield from iter(lambda: member.read(_BLOCK), b"")
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, OSError, EOFError) as error:
        report.note(f"the zip archive is damaged ({error}): only what comes before was read")
    except (RuntimeError, NotImplementedError) as error:
        raise SessionError(f"{file.name}: is a zip that cannot be unpacked ({error}); unpack it yourself") from None


_PACKED: Final[tuple[tuple[bytes, Callable[[BinaryIO, ReadReport], Iterator[bytes]]], ...]] = (
    (b"\x1f\x8b", _gzip),
    (b"BZh", _stepwise("bzip2", bz2.BZ2Decompressor, OSError)),
    (b"\xfd7zXZ\x00", _stepwise("xz", lzma.LZMADecompressor, lzma.LZMAError)),
    (b"\x28\xb5\x2f\xfd", _zstd),
    (b"PK\x03\x04", _zip),
)
