"""Read the records of an MCAP file, whole or cut off (https://mcap.dev/spec).

The library's own reader needs the end of the file; a recorder that was killed may not have written it.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO, Final

import zstandard
from mcap.data_stream import ReadDataStream
from mcap.exceptions import EndOfFile
from mcap.opcode import Opcode
from mcap.records import Channel, Metadata, Schema

from drivers.sessions.report import ReadReport

MAGIC: Final = b"\x89MCAP0\r\n"
_HEAD: Final = struct.Struct("<BQ")
_CHUNK: Final = struct.Struct("<QQQII")
_LENGTH: Final = struct.Struct("<Q")
_MESSAGE: Final = struct.Struct("<HIQQ")
_LARGEST: Final = 1 << 30


@dataclass(frozen=True, slots=True)
class Message:
    channel: int
    log_time: int
    publish_time: int
    sequence: int
    data: bytes


@dataclass(slots=True)
class RecordReader:
    """One pass over a file. Channels, schemas and metadata fill up while it goes on.

    Args:
        file: at its beginning, seekable.
        report: what is damaged or missing is put there.
    """

    file: BinaryIO
    report: ReadReport
    channels: dict[int, Any] = field(default_factory=dict)
    """`mcap.records.Channel` by id."""
    schemas: dict[int, Any] = field(default_factory=dict)
    """`mcap.records.Schema` by id."""
    metadata: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    """Name and values of each metadata record, in order."""

    def batches(self) -> Iterator[list[Message]]:
        """The messages, chunk by chunk."""
        for opcode, body, offset in self._records():
            try:
                if opcode == Opcode.CHUNK:
                    yield list(self._inside(_unpack(body)))
                elif opcode == Opcode.MESSAGE:
                    yield [_message(body)]
                else:
                    self._keep(opcode, body)
            except (ValueError, struct.error, zstandard.ZstdError, EndOfFile):
                self.report.drop("damaged record", offset, place="byte")

    def _records(self) -> Iterator[tuple[int, bytes, int]]:
        end = self.file.seek(0, 2)
        offset = self.file.seek(len(MAGIC))
        ended = False
        while offset + _HEAD.size <= end:
            opcode, length = _HEAD.unpack(self.file.read(_HEAD.size))
            if length > end - offset - _HEAD.size:
                break
            if opcode in (Opcode.FOOTER, 0):
                ended = opcode == Opcode.FOOTER
                break
            yield opcode, self.file.read(length), offset
            offset += _HEAD.size + length
        if not ended:
            left = f", {end - offset} bytes of an incomplete record were left out" if end > offset else ""
            self.report.note(f"the file was cut off: it has no end mark{left}")

    def _inside(self, data: bytes) -> Iterator[Message]:
        at, end = 0, len(data)
        while at + _HEAD.size <= end:
            opcode, length = _HEAD.unpack_from(data, at)
            at += _HEAD.size
            if opcode == Opcode.MESSAGE:
                channel, sequence, log_time, publish_time = _MESSAGE.unpack_from(data, at)
                yield Message(channel, log_time, publish_time, sequence, data[at + _MESSAGE.size : at + length])
            else:
                self._keep(opcode, data[at : at + length])
            at += length

    def _keep(self, opcode: int, body: bytes) -> None:
        stream = ReadDataStream(BytesIO(body))
        if opcode == Opcode.CHANNEL:
            channel = Channel.read(stream)
            self.channels[channel.id] = channel
        elif opcode == Opcode.SCHEMA:
            schema = Schema.read(stream)
            self.schemas[schema.id] = schema
        elif opcode == Opcode.METADATA:
            record = Metadata.read(stream)
            self.metadata.append((record.name, dict(record.metadata)))


def _message(body: bytes) -> Message:
    channel, sequence, log_time, publish_time = _MESSAGE.unpack_from(body)
    return Message(channel, log_time, publish_time, sequence, body[_MESSAGE.size :])


def _unpack(chunk: bytes) -> bytes:
    _, _, size, crc, width = _CHUNK.unpack_from(chunk)
    at = _CHUNK.size + width
    compression = chunk[_CHUNK.size : at].decode()
    (length,) = _LENGTH.unpack_from(chunk, at)
    at += _LENGTH.size
    data = _decompress(chunk[at : at + length], compression, size)
    if crc and zlib.crc32(data) != crc:
        raise ValueError("checksum")
    return data


def _decompress(packed: bytes, compression: str, size: int) -> bytes:
    if size > _LARGEST:
        raise ValueError(f"a chunk of {size} bytes")
    if compression == "":
        return packed
    if compression == "zstd":
        return zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
    raise ValueError(f"compression {compression!r}")
