"""Copy a session message by message, and so give a file that was cut off an index."""

from __future__ import annotations

from pathlib import Path

from mcap.writer import CompressionType, Writer

from drivers.sessions.crash_safe_file import CrashSafeFile, as_file
from drivers.sessions.mcap.records import MAGIC, RecordReader
from drivers.sessions.mcap.scenes import SCENES, SceneWriter
from drivers.sessions.mcap.topics import PROFILE
from drivers.sessions.mcap.writer import create
from drivers.sessions.report import ReadReport, SessionError, refused
from drivers.sessions.source_bytes import open_file


def is_mcap(path: Path) -> bool:
    """Whether a file is a plain MCAP file, whole or cut off.

    Raises:
        SessionError: it cannot be read.
    """
    with open_file(path) as file:
        return file.read(len(MAGIC)) == MAGIC


def copy_mcap(source: Path, target: Path, *, scenes: bool = False) -> tuple[ReadReport, int]:
    """Copy all messages, metadata and attachments of an MCAP file, whatever their topics.

    Args:
        source: an MCAP file.
        target: must not exist.
        scenes: add the hand as Foxglove shows it (`drivers.sessions.mcap.scenes`).

    Returns:
        What was damaged or missing, and the number of messages copied.

    Raises:
        SessionExists: the target exists.
        SessionError: the source cannot be read, or there is no pose in it for a scene.
        SessionWriteError: the disk refused; nothing is left of the target.
    """
    report = ReadReport()
    with open_file(source) as file:
        stream = CrashSafeFile(create(target))
        try:
            messages = _copy(RecordReader(file, report), stream, target if scenes else None)
            stream.finish()
        except BaseException as error:
            target.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise refused(target, error) from None
            raise
        finally:
            stream.close()
    return report, messages


def _copy(records: RecordReader, stream: CrashSafeFile, scenes_of: Path | None) -> int:
    writer = Writer(as_file(stream), compression=CompressionType.ZSTD)
    writer.start(profile=PROFILE)
    scenes = None if scenes_of is None else SceneWriter(writer, scenes_of)
    schemas: dict[int, int] = {0: 0}
    channels: dict[int, int] = {}
    copied = messages = 0
    for batch in records.batches():
        for name, values in records.metadata[copied:]:
            writer.add_metadata(name, values)
        copied = len(records.metadata)
        _attach(writer, records)
        for message in batch:
            if message.channel_id not in channels:
                channels[message.channel_id] = _register(writer, records, message.channel_id, schemas)
            writer.add_message(
                channels[message.channel_id], message.log_time, message.data, message.publish_time, message.sequence
            )
            if scenes is not None and (channel := records.channels.get(message.channel_id)) is not None:
                scenes.write(channel.topic, message.data, message.log_time, message.publish_time)
        messages += len(batch)
        # An hour of messages must not collect in memory.
        stream.flush()
    for name, values in records.metadata[copied:]:
        writer.add_metadata(name, values)
    _attach(writer, records)
    if scenes is not None and not scenes.written:
        raise SessionError(f"{scenes_of}: there is no pose in the session ({' or '.join(SCENES)}) that could be shown")
    writer.finish()
    return messages


def _attach(writer: Writer, records: RecordReader) -> None:
    for one in records.attachments:
        writer.add_attachment(one.create_time, one.log_time, one.name, one.media_type, one.data)
    records.attachments.clear()


def _register(writer: Writer, records: RecordReader, number: int, schemas: dict[int, int]) -> int:
    channel = records.channels.get(number)
    if channel is None:
        return writer.register_channel(f"/unknown/{number}", "", 0)
    schema = records.schemas.get(channel.schema_id)
    if schema is not None and channel.schema_id not in schemas:
        schemas[channel.schema_id] = writer.register_schema(schema.name, schema.encoding, schema.data)
    return writer.register_channel(
        channel.topic, channel.message_encoding, schemas.get(channel.schema_id, 0), dict(channel.metadata)
    )
