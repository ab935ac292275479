"""Read the records of an MCAP file, whole, cut off or damaged (https://mcap.dev/spec).

`mcap.stream_reader` reads the records. It stops at a damaged record and at the end of a file that a killed recorder
left, so records are separated here, and each is read as a file of its own.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from io import BytesIO
from typing import BinaryIO, Final

import zstandard
from mcap.exceptions import McapError
from mcap.opcode import Opcode
from mcap.records import Attachment, Channel, Chunk, McapRecord, Message, Metadata, Schema
from mcap.stream_reader import StreamReader, breakup_chunk

from drivers.sessions.crash_safe_file import END
from drivers.sessions.libraries import library
from drivers.sessions.report import ReadReport, SessionError
from drivers.sessions.source_bytes import most_unpacked

MAGIC: Final = b"\x89MCAP0\r\n"
_HEADER: Final = struct.Struct("<BQ")
"""Header of a record: opcode, bytes in the body."""
LARGEST_CHUNK: Final = 1 << 26
"""Bytes unpacked; a chunk that becomes more is taken for damage, whatever size it states, since it fills the memory.
Writers close chunks at about a megabyte."""
_ALWAYS: Final = 1 << 29
"""Bytes that the chunks of a file of any size may unpack to: two days of a band that lies on a table."""
_PIECE: Final = 1 << 20
_DAMAGE: Final = (McapError, ValueError, OverflowError, struct.error, zstandard.ZstdError, RuntimeError)
"""Errors that the library raises on a damaged record (RuntimeError: lz4)."""


@dataclass(slots=True)
class RecordReader:
    """One pass over a file; channels, schemas and metadata are collected on the way.

    Args:
        file: at its beginning, seekable.
        report: takes what is damaged or missing.
    """

    file: BinaryIO
    report: ReadReport
    channels: dict[int, Channel] = field(default_factory=dict)
    """By id."""
    schemas: dict[int, Schema] = field(default_factory=dict)
    """By id."""
    metadata: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Name and values of each metadata record, in order."""
    attachments: list[Attachment] = field(default_factory=list)
    """Those that came since the last message."""
    _unpacked: int = 0

    def batches(self) -> Iterator[list[Message]]:
        """Yield the messages, chunk by chunk.

        Raises:
            SessionError: its chunks unpack to far more than the file, as those of no recording do.
        """
        for record, offset in self._records():
            try:
                contents = self._contents(record)
            except _DAMAGE:
                self.report.drop("damaged record", offset, place="byte")
                continue
            messages = [one for one in contents if isinstance(one, Message)]
            self._keep(contents)
            if messages:
                yield messages

    def _records(self) -> Iterator[tuple[bytes, int]]:
        """Yield each record with its header, and its offset."""
        end = self.file.seek(0, 2)
        offset = self.file.seek(len(MAGIC))
        ended = False
        while offset + _HEADER.size <= end:
            header = self.file.read(_HEADER.size)
            opcode, length = _HEADER.unpack(header)
            if length > end - offset - _HEADER.size:
                break
            if opcode in (Opcode.FOOTER, 0):
                ended = opcode == Opcode.FOOTER
                break
            yield header + self.file.read(length), offset
            offset += _HEADER.size + length
        if not ended:
            left = f", {end - offset} bytes of an incomplete record were left out" if end > offset else ""
            self.report.note(f"the file was cut off: it has no end mark{left}")

    def _contents(self, record: bytes) -> list[McapRecord]:
        """The record, or the records in it if it is a chunk. Raises one of `_DAMAGE`."""
        found: list[McapRecord] = []
        for one in StreamReader(BytesIO(record + END), skip_magic=True, emit_chunks=True).records:
            if not isinstance(one, Chunk):
                found.append(one)
                continue
            if one.compression:
                plain = _unpack(one)
                self._count(len(plain))
                one = replace(one, compression="", data=plain)
            found += breakup_chunk(one, validate_crc=True)
        return found

    def _count(self, size: int) -> None:
        self._unpacked += size
        if self._unpacked > (most := max(_ALWAYS, most_unpacked(self.file))):
            name = getattr(self.file, "name", "session")
            raise SessionError(f"{name}: its chunks unpack to more than {most >> 20} MB, as those of no recording do")

    def _keep(self, contents: list[McapRecord]) -> None:
        for record in contents:
            match record:
                case Message():
                    continue
                case Channel():
                    self.channels[record.id] = record
                case Schema():
                    self.schemas[record.id] = record
                case Attachment():
                    self.attachments.append(record)
                case Metadata():
                    self.metadata.append((record.name, dict(record.metadata)))


def _unpack(chunk: Chunk) -> bytes:
    """The records of a packed chunk.

    The size that a zstd frame states is not believed: the library would allocate it. Raises one of `_DAMAGE`.
    """
    most = min(chunk.uncompressed_size, LARGEST_CHUNK) + 1
    if chunk.compression == "zstd":
        reader = zstandard.ZstdDecompressor(max_window_size=LARGEST_CHUNK).stream_reader(BytesIO(chunk.data))
        plain = bytearray()
        while len(plain) < most and (piece := reader.read(min(most - len(plain), _PIECE))):
            plain += piece
    elif chunk.compression == "lz4":
        frame = library("lz4.frame", "a session packed by lz4")
        plain = bytearray(frame.LZ4FrameDecompressor().decompress(chunk.data, max_length=most))
    else:
        raise ValueError(f"a chunk packed by {chunk.compression!r}")
    if len(plain) != chunk.uncompressed_size:
        raise ValueError(f"a chunk of {chunk.uncompressed_size} bytes unpacks to {len(plain)} or more")
    return bytes(plain)
