"""The emulated dongle as other clients use it: byte by byte, and on its pseudo-terminal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.emulation.dongle import EmulatedDongle, FaultConfig
from drivers.emulation.myo import ADDRESS, EmulatedMyo
from drivers.emulation.pseudo_terminal import PseudoTerminal
from drivers.errors import DriverError
from drivers.myo import bgapi, protocol
from drivers.myo.bgapi import BgapiParser, Message
from drivers.myo.protocol import Characteristic
from models.recording import Recording
from tests.fakes import transports
from tests.support.signals import made_up


class Host:
    """A client that knows the time."""

    def __init__(
        self, recording: Recording | None = None, faults: FaultConfig | None = None, **armband: object
    ) -> None:
        self.armband = EmulatedMyo(recording or made_up(), **armband)  # type: ignore[arg-type]
        self.dongle = EmulatedDongle(self.armband, faults)
        self.parser = BgapiParser()
        self.time = 100.0

    def send(self, wire: bytes | str) -> list[str]:
        return self._hex(self.dongle.feed(bytes.fromhex(wire) if isinstance(wire, str) else wire, self.time))

    def wait(self, seconds: float) -> list[Message]:
        """Everything until then, each when it is due."""
        until, received = self.time + seconds, []
        while (due := self.dongle.next_due()) is not None and due <= until:
            self.time = max(self.time, due)
            received += self.parser.feed(self.dongle.due(self.time))
        self.time = until
        return received

    def connect(self) -> None:
        self.send(bgapi.connect_direct(ADDRESS))
        assert [message.kind for message in self.wait(0.1)] == [bgapi.CONNECTION_STATUS]

    def stream(self, mode: bytes = protocol.set_mode("raw"), *characteristics: Characteristic) -> None:
        self.connect()
        for characteristic in characteristics or protocol.EMG:
            self.send(bgapi.attribute_write(0, characteristic.configuration, b"\x01\x00"))
        self.send(bgapi.attribute_write(0, Characteristic.COMMAND, mode))

    def _hex(self, data: bytes) -> list[str]:
        return [bytes(message).hex(" ").upper() for message in self.parser.feed(data)]


def values(messages: list[Message]) -> list[bgapi.AttributeValue]:
    return [bgapi.attribute_value(message) for message in messages if message.kind == bgapi.ATTRIBUTE_VALUE]


def test_it_answers_as_published_before_a_connection() -> None:
    host = Host()
    assert host.send("00 00 06 04") == ["00 02 06 04 81 01"], "nothing to end: wrong state"
    assert host.send("00 00 00 06") == ["00 01 00 06 03"]
    assert host.send("00 01 03 00 00") == ["00 03 03 00 00 86 01"], "not connected"
    assert host.send("00 01 06 02 01") == ["00 02 06 02 00 00"]
    received = host.wait(0.35)
    assert [bytes(message).hex(" ").upper() for message in received] == [
        "80 2A 06 00 C8 00 01 02 03 04 05 C6 00 FF 1F 09 08 4D 79 6F 00 00 00 00 00 "
        "02 01 06 11 06 42 48 12 4A 7F 2C 48 47 B9 DE 04 A9 01 00 06 D5"
    ] * 3
    assert host.send("00 00 06 04") == ["00 02 06 04 00 00"]
    assert host.wait(1.0) == []


def test_it_connects_reads_and_writes_as_published() -> None:
    host = Host(battery=91)
    assert host.send("00 0F 06 03 01 02 03 04 05 C6 00 06 00 06 00 40 00 00 00") == ["00 03 06 03 00 00 00"]
    (status,) = host.wait(0.1)
    assert bytes(status).hex(" ").upper() == "80 10 03 00 00 05 01 02 03 04 05 C6 00 06 00 40 00 00 00 FF"
    assert host.send("00 03 04 04 00 17 00") == [
        "00 03 04 04 00 00 00",
        "80 0D 04 05 00 17 00 00 08 01 00 05 00 B2 07 02 00",
    ]
    assert host.send("00 03 04 04 00 03 00") == ["00 03 04 04 00 00 00", "80 08 04 05 00 03 00 00 03 4D 79 6F"]
    assert host.send("00 03 04 04 00 11 00") == ["00 03 04 04 00 00 00", "80 06 04 05 00 11 00 00 01 5B"]
    assert host.send("00 06 04 05 00 2C 00 02 01 00") == ["00 03 04 05 00 00 00", "80 05 04 01 00 00 00 2C 00"]
    assert host.send("00 06 04 05 00 7C 00 02 01 00")[1] == "80 05 04 01 00 01 04 7C 00", "invalid handle"
    assert host.send("00 03 04 04 00 19 00")[1] == "80 05 04 01 00 02 04 19 00", "the command cannot be read"
    assert host.send("00 07 04 05 00 19 00 03 09 01 01") == ["00 03 04 05 00 00 00", "80 05 04 01 00 00 00 19 00"]
    assert host.armband.never_sleeps
    host.send("00 07 04 05 00 19 00 03 03 01 02")
    assert host.armband.vibrations == [2]
    assert host.send("00 01 03 00 00") == ["00 03 03 00 00 00 00", "80 03 03 04 00 16 02"], "closed by the host"


def test_an_armband_that_is_not_there_never_connects() -> None:
    host = Host()
    assert host.send(bgapi.connect_direct("AA:AA:AA:AA:AA:AA")) == ["00 03 06 03 00 00 00"]
    assert host.wait(10.0) == []
    assert host.send(bgapi.read_by_handle(0, 0x17)) == ["00 03 04 04 00 86 01"]


def test_emg_comes_at_200_hz_in_turns_of_two_samples() -> None:
    recording = made_up()
    host = Host(recording)
    host.stream()
    received = values(host.wait(1.005))
    assert [value.handle for value in received] == [0x2B, 0x2E, 0x31, 0x34] * 25
    samples = np.frombuffer(b"".join(value.data for value in received), np.int8).reshape(-1, 8)
    assert np.array_equal(samples, recording.emg[:200])


def test_nothing_comes_unless_it_is_subscribed_to() -> None:
    host = Host()
    host.stream(protocol.set_mode("raw"), Characteristic.EMG1)
    assert {value.handle for value in values(host.wait(0.5))} == {Characteristic.EMG1}
    host.send(bgapi.attribute_write(0, Characteristic.EMG1.configuration, b"\x00\x00"))
    assert values(host.wait(0.5)) == []
    assert host.send(bgapi.read_by_handle(0, Characteristic.EMG1.configuration))[1].endswith("02 00 00")


def test_the_envelope_is_rectified_and_comes_at_50_hz() -> None:
    host = Host()
    host.stream(protocol.set_mode("envelope", imu=False), Characteristic.ENVELOPE)
    received = values(host.wait(1.005))
    assert [len(value.data) for value in received] == [17] * 50
    assert host.armband.played == 200


def test_a_recorded_envelope_comes_as_it_is() -> None:
    emg = np.random.default_rng(2).integers(0, 1000, (100, 8)).astype(np.float32)
    index = np.arange(100)
    host = Host(Recording(emg, index / 50.0, index, 50.0, emg_mode="envelope"))
    host.stream(protocol.set_mode("envelope", imu=False), Characteristic.ENVELOPE)
    received = values(host.wait(1.005))
    rows = [np.frombuffer(value.data, "<u2", 8) for value in received]
    assert np.array_equal(np.stack(rows), emg[:50])


def test_the_other_characteristics_notify_too() -> None:
    host = Host(made_up(hand="left"))
    host.stream(
        protocol.set_mode("filtered", classifier=True),
        Characteristic.IMU,
        Characteristic.BATTERY,
        Characteristic.CLASSIFIER,
    )
    received = values(host.wait(60.005))
    by_handle = {handle: [v for v in received if v.handle == handle] for handle in {v.handle for v in received}}
    assert len(by_handle[Characteristic.IMU]) == 3000
    assert [value.data for value in by_handle[Characteristic.BATTERY]] == [b"\x57"]
    (sync,) = by_handle[Characteristic.CLASSIFIER]
    assert (sync.type, sync.data[:2]) == (2, b"\x01\x02"), "indicated: on the left arm"


def test_a_session_ends_or_begins_again() -> None:
    for loop, expected in ((True, 500), (False, 200)):
        host = Host(made_up(400), loop=loop)
        host.stream()
        assert len(values(host.wait(5.005))) == expected


def test_a_disconnect_ends_streaming_and_subscriptions() -> None:
    host = Host(faults=FaultConfig(disconnect_every_s=2.0))
    host.stream()
    received = host.wait(10.0)
    assert bytes(received[-1]) == bytes.fromhex("80 03 03 04 00 08 02"), "connection timeout"
    assert len(values(received)) == pytest.approx(200, abs=10)
    host.connect()
    host.send(bgapi.attribute_write(0, Characteristic.COMMAND, protocol.set_mode("raw")))
    assert values(host.wait(1.0)) == [], "not subscribed any more"


def test_dropped_notifications_are_missing_and_counted() -> None:
    host = Host(faults=FaultConfig(drop=0.1, seed=3))
    host.stream()
    received = values(host.wait(20.005))
    assert len(received) + host.dongle.dropped == 2000
    assert 100 < host.dongle.dropped < 300


def test_corrupted_messages_harm_their_neighbours_at_most() -> None:
    host = Host(faults=FaultConfig(corrupt=0.02, seed=4))
    host.stream()
    received = values(host.wait(20.005))
    harmed = 2000 - len(received)
    assert 0 < harmed < 2 * 0.02 * 2000 * 1.5
    assert host.parser.skipped > 0


def test_reset_get_info_and_the_rest_of_what_clients_send() -> None:
    host = Host()
    host.connect()
    assert host.send("00 00 00 06") == ["00 01 00 06 03", "80 10 03 00 00 01 01 02 03 04 05 C6 00 06 00 40 00 00 00 FF"]
    for kind, payload in (
        (bgapi.HELLO, b""),
        (bgapi.GET_INFO, b""),
        (bgapi.GET_RSSI, b"\0"),
        (bgapi.SET_BONDABLE, b"\x01"),
        (bgapi.SET_GAP_MODE, b"\0\0"),
        (bgapi.SET_SCAN_PARAMETERS, bytes(5)),
        (bgapi.INDICATE_CONFIRM, b"\0"),
    ):
        command = Message(kind, payload)
        (answer,) = BgapiParser().feed(host.dongle.feed(bytes(command), host.time))
        assert answer.kind == kind
    assert host.send(Message(bgapi.WRITE_COMMAND, b"\0\x19\0\x03\x03\x01\x01").__bytes__()) == ["00 03 04 06 00 00 00"]
    assert host.armband.vibrations == [1]
    assert host.send("00 01 00 00 00")[0].startswith("80 0C 00 00")
    assert not host.dongle.connected


def test_services_and_attributes_can_be_discovered() -> None:
    host = Host()
    host.connect()
    groups = BgapiParser().feed(
        host.dongle.feed(bytes(Message(bgapi.READ_BY_GROUP_TYPE, b"\0\x01\0\xff\xff\x02\x00\x28")), host.time)
    )
    assert [m.kind for m in groups[1:-1]] == [bgapi.GROUP_FOUND] * 8
    assert any(m.payload.endswith(bytes.fromhex("4248124A7F2C4847B9DE04A9010006D5")) for m in groups)
    found = BgapiParser().feed(host.dongle.feed(bytes(Message(bgapi.FIND_INFORMATION, b"\0\x01\0\xff\xff")), host.time))
    uuids = {m.payload[1]: m.payload[4:] for m in found if m.kind == bgapi.FOUND_INFORMATION}
    assert uuids[Characteristic.EMG0] == bytes.fromhex(protocol.uuid(0x0105).replace("-", ""))[::-1]
    assert uuids[Characteristic.EMG0.configuration] == b"\x02\x29"
    assert uuids[Characteristic.BATTERY] == b"\x19\x2a"
    assert found[-1].kind == bgapi.PROCEDURE_COMPLETED


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(max_size=60), max_size=20))
def test_no_bytes_from_a_host_raise(chunks: list[bytes]) -> None:
    host = Host()
    host.stream()
    for chunk in chunks:
        host.dongle.feed(chunk, host.time)
        host.wait(0.01)


def test_ten_million_random_bytes_from_a_host_never_raise_and_keep_no_memory() -> None:
    host = Host()
    kept = 0
    for chunk in transports.random_bytes(5):
        host.dongle.feed(chunk, host.time)
        kept = max(kept, len(host.dongle._parser._buffer), len(host.dongle._out))
    assert host.dongle._parser.skipped > 9_000_000
    assert kept < bgapi.HEADER + bgapi.LONGEST


@pytest.mark.parametrize(
    ("rate", "unit", "mode"),
    [(250.0, "uV", "raw"), (200.0, "uV", "raw"), (1000.0, "adc", "raw"), (200.0, "adc", "envelope")],
)
def test_what_no_myo_could_have_recorded_is_refused(rate: float, unit: str, mode: str) -> None:
    index = np.arange(100)
    recording = Recording(np.zeros((100, 8), np.float32), index / rate, index, rate, unit, mode)
    with pytest.raises(DriverError, match="choose a session of a Myo"):
        EmulatedMyo(recording)


async def test_the_terminal_gives_back_what_is_not_read_in_time() -> None:
    """A client that died while streaming must not stop the dongle."""
    dongle = EmulatedDongle(EmulatedMyo(made_up()))
    time = 0.0

    def clock() -> float:
        nonlocal time
        time += 10.0
        return time

    async with PseudoTerminal(dongle, clock=clock) as terminal:
        dongle.feed(bgapi.connect_direct(ADDRESS), 0.0)
        dongle.due(0.1)
        for characteristic in protocol.EMG:
            dongle.feed(bgapi.attribute_write(0, characteristic.configuration, b"\x01\x00"), 0.1)
        dongle.feed(bgapi.attribute_write(0, Characteristic.COMMAND, protocol.set_mode("raw")), 0.1)
        for _ in range(10):
            terminal._tick()
        assert terminal.overrun > 10_000
