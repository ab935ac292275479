"""The dongle's messages: real captures, built examples, nasty transports."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.myo import bgapi
from drivers.myo.bgapi import FROM_DONGLE, TO_DONGLE, BgapiParser, Kind, Message
from drivers.myo.protocol import SERVICE_UUID, Characteristic
from tests.fakes import transports
from tests.fakes.transports import Transport

VECTORS = Path(__file__).parents[5] / "shared" / "data" / "protocol-vectors" / "bgapi_vectors.json"


def emg_message(rng: np.random.Generator, index: int = 0) -> bytes:
    handle = (0x2B, 0x2E, 0x31, 0x34)[index % 4]
    # The header's own bytes (0x80, 0x00, 0x04, 0x05) are common in EMG: quiet muscles and clipped ones.
    values = np.concatenate([rng.integers(-6, 7, 12), rng.choice([-128, 4, 5, 21], 4)]).astype(np.int8)
    rng.shuffle(values)
    payload = bytes((0, handle, 0, 1, 16)) + values.tobytes()
    return bytes(Message(bgapi.ATTRIBUTE_VALUE, payload))


def imu_message(rng: np.random.Generator) -> bytes:
    return bytes(Message(bgapi.ATTRIBUTE_VALUE, bytes((0, 0x1C, 0, 1, 20)) + rng.bytes(20)))


def traffic(seed: int, count: int = 240) -> list[bytes]:
    """EMG and IMU as a dongle sends them, with an event now and then."""
    rng = np.random.default_rng(seed)
    stream = [imu_message(rng) if n % 3 == 2 else emg_message(rng, n) for n in range(count)]
    stream[count // 2] = bytes(Message(bgapi.PROCEDURE_COMPLETED, b"\x00\x00\x00\x2c\x00"))
    return stream


def feed_all(parser: BgapiParser, chunks: transports.Chunks) -> list[bytes]:
    return [bytes(message) for chunk in chunks for message in parser.feed(chunk)]


@pytest.mark.parametrize("transport", transports.GENTLE, ids=str)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_message_comes_out_however_it_is_cut(transport: Transport, seed: int) -> None:
    packets = traffic(seed)
    parser = BgapiParser()
    assert feed_all(parser, transport.deliver(packets, np.random.default_rng(seed))) == packets
    assert (parser.messages, parser.skipped) == (len(packets), 0)


@pytest.mark.parametrize("transport", transports.NOISY, ids=str)
@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_garbage_around_messages_costs_at_most_the_message_it_runs_into(transport: Transport, seed: int) -> None:
    packets = traffic(seed)
    parser = BgapiParser()
    found = feed_all(parser, transport.deliver(packets, np.random.default_rng(seed)))
    assert missing(packets, found) <= 3
    assert parser.skipped > 0


@pytest.mark.parametrize("transport", transports.HARMFUL, ids=str)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_one_harmed_byte_costs_at_most_two_messages(transport: Transport, seed: int) -> None:
    packets = traffic(seed)
    found = feed_all(BgapiParser(), transport.deliver(packets, np.random.default_rng(seed)))
    harmed = transports.harmed_packets(packets)
    assert missing(packets, found) <= 2 * harmed
    assert len(found) <= len(packets)


def test_each_single_lost_byte_costs_at_most_two_messages() -> None:
    packets = traffic(7, 30)
    stream = b"".join(packets)
    tail = b"".join(packets[-3:])
    costs = []
    for at in range(len(stream) - len(tail)):
        found = BgapiParser().feed(stream[:at] + stream[at + 1 :] + tail)
        costs.append(missing(packets, [bytes(message) for message in found]))
    assert max(costs) <= 2


def missing(sent: list[bytes], found: list[bytes]) -> int:
    return sum((Counter(sent) - Counter(found)).values())


def test_ten_million_random_bytes_never_raise_and_keep_no_memory() -> None:
    parser = BgapiParser()
    kept = 0
    for chunk in transports.random_bytes(1):
        parser.feed(chunk)
        kept = max(kept, len(parser._buffer))
    assert kept < bgapi.HEADER + bgapi.LONGEST
    assert parser.skipped > 9_000_000


@settings(deadline=None)
@given(st.lists(st.binary(max_size=80), max_size=60))
def test_no_byte_is_forgotten(chunks: list[bytes]) -> None:
    parser = BgapiParser()
    found = feed_all(parser, iter(chunks))
    assert sum(map(len, found)) + parser.skipped + len(parser._buffer) == sum(map(len, chunks))


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_any_message_of_either_direction_comes_through(data: st.DataObject) -> None:
    shapes = data.draw(st.sampled_from([FROM_DONGLE, TO_DONGLE]))
    messages = data.draw(st.lists(st.sampled_from(sorted(shapes)).flatmap(lambda kind: message_of(shapes, kind))))
    found = BgapiParser(shapes).feed(b"".join(map(bytes, messages)))
    assert found == messages


def message_of(shapes: Mapping[Kind, bgapi.Shape], kind: Kind) -> st.SearchStrategy[Message]:
    shape = shapes[kind]
    fixed = st.binary(min_size=shape.fixed, max_size=shape.fixed)
    if not shape.array:
        return fixed.map(lambda payload: Message(kind, payload))
    array = st.binary(max_size=bgapi.LONGEST - shape.fixed - 1)
    return st.tuples(fixed, array).map(lambda parts: Message(kind, parts[0] + bytes((len(parts[1]),)) + parts[1]))


@pytest.mark.parametrize(
    ("built", "wire"),
    [
        (bgapi.end_procedure(), "00 00 06 04"),
        (bgapi.disconnect(0), "00 01 03 00 00"),
        (bgapi.discover(), "00 01 06 02 01"),
        (bgapi.connect_direct("C6:05:04:03:02:01"), "00 0F 06 03 01 02 03 04 05 C6 00 06 00 06 00 40 00 00 00"),
        (bgapi.read_by_handle(0, 0x17), "00 03 04 04 00 17 00"),
        (bgapi.attribute_write(0, 0x2C, b"\x01\x00"), "00 06 04 05 00 2C 00 02 01 00"),
        (bgapi.attribute_write(0, 0x19, b"\x01\x03\x03\x01\x00"), "00 09 04 05 00 19 00 05 01 03 03 01 00"),
        (bgapi.indicate_confirm(2), "00 01 04 07 02"),
    ],
)
def test_commands_are_packed_as_published(built: bytes, wire: str) -> None:
    assert built == bytes.fromhex(wire)
    assert [bytes(m) for m in BgapiParser(TO_DONGLE).feed(built)] == [built]


def test_a_scan_response_has_the_address_that_advertises() -> None:
    wire = (
        "80 2A 06 00 C8 00 01 02 03 04 05 C6 00 FF 1F 09 08 4D 79 6F 00 00 00 00 00 "
        "02 01 06 11 06 42 48 12 4A 7F 2C 48 47 B9 DE 04 A9 01 00 06 D5"
    )
    (message,) = BgapiParser().feed(bytes.fromhex(wire))
    response = bgapi.scan_response(message)
    assert (response.rssi_dbm, response.address, response.address_type) == (-56, "C6:05:04:03:02:01", 0)
    assert response.records()[0x06] == bytes.fromhex(SERVICE_UUID.replace("-", ""))[::-1]
    assert response.records()[0x08].rstrip(b"\0") == b"Myo"


@settings(deadline=None)
@given(st.binary(max_size=31))
def test_advertising_records_never_raise(data: bytes) -> None:
    records = bgapi.ScanResponse(0, "", 0, data).records()
    assert all(len(value) < len(data) for value in records.values())


def test_a_connection_status_has_address_and_interval() -> None:
    (message,) = BgapiParser().feed(bytes.fromhex("80 10 03 00 00 05 01 02 03 04 05 C6 00 06 00 40 00 00 00 FF"))
    status = bgapi.connection_status(message)
    assert status == bgapi.ConnectionStatus(0, 5, "C6:05:04:03:02:01", 7.5)
    assert status.connected


@pytest.mark.parametrize(("kind", "confirm"), [(0, False), (1, False), (2, False), (5, True)])
def test_an_attribute_value_has_its_handle_and_kind(kind: int, confirm: bool) -> None:
    (message,) = BgapiParser().feed(bytes.fromhex(f"80 06 04 05 00 11 00 0{kind} 01 5B"))
    value = bgapi.attribute_value(message)
    assert value == bgapi.AttributeValue(0, Characteristic.BATTERY, kind, b"\x5b")
    assert value.needs_confirmation is confirm


@pytest.mark.parametrize("text", ["", "AA:BB", "no address", "AA:BB:CC:DD:EE:FF:00"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        bgapi.pack_address(text)


@pytest.mark.skipif(not VECTORS.exists(), reason="the published captures are not beside this repository")
def test_published_captures_are_understood() -> None:
    seen = 0
    for vector in json.loads(VECTORS.read_text()):
        if vector["dir"] == "dongle->host":
            (message,) = BgapiParser().feed(bytes.fromhex(vector["wire_bytes_reconstructed"]))
            assert message.payload == bytes.fromhex(vector["payload"])
            check_contents(message, vector["decoded"])
        elif vector["dir"] == "host->dongle":
            found = BgapiParser(TO_DONGLE).feed(bytes.fromhex(vector["wire_bytes"]))
            assert len(found) == (0 if "WRONG" in vector["name"] else 1)
        seen += 1
    assert seen == 9


def check_contents(message: Message, decoded: dict[str, object]) -> None:
    if message.kind == bgapi.SCAN_RESPONSE:
        response = bgapi.scan_response(message)
        assert (response.rssi_dbm, response.address) == (decoded["rssi"], decoded["addr"])
    elif message.kind == bgapi.ATTRIBUTE_VALUE:
        value = bgapi.attribute_value(message)
        assert (value.connection, value.handle, value.type) == (1, decoded["handle"], decoded["type"])
    else:
        assert message.kind == bgapi.DISCONNECTED
        assert int.from_bytes(message.payload[1:], "little") == decoded["reason"]
