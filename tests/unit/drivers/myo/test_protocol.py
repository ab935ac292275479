"""What a Myo says and is told: published examples, every length, any bytes."""

from __future__ import annotations

import itertools
import struct
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.events import EmgMode
from drivers.myo import protocol
from drivers.myo.protocol import Characteristic, MyoDecoder
from tests.fakes import transports

SHAPES = [
    *((one, 16) for one in protocol.EMG), (Characteristic.ENVELOPE, 16), (Characteristic.ENVELOPE, 17),
    (Characteristic.IMU, 20), (Characteristic.BATTERY, 1), (Characteristic.CLASSIFIER, 3),
    (Characteristic.CLASSIFIER, 6), (Characteristic.MOTION, 3), (Characteristic.FIRMWARE, 8),
    (Characteristic.INFO, 20), (Characteristic.NAME, 248),
]  # fmt: skip


def decode(characteristic: int, data: bytes | str) -> protocol.Packet | None:
    packets = MyoDecoder().feed(characteristic, bytes.fromhex(data) if isinstance(data, str) else data)
    return packets[0] if packets else None


@pytest.mark.parametrize(
    ("characteristic", "wire", "rows", "index"),
    [
        (
            Characteristic.EMG0,
            "FEFDF5FF00000104 02051C0AFFFF0080",
            ([-2, -3, -11, -1, 0, 0, 1, 4], [2, 5, 28, 10, -1, -1, 0, -128]),
            0,
        ),
        (
            Characteristic.EMG1,
            "01FF02FE03FD04FC 05FB06FA07F908F8",
            ([1, -1, 2, -2, 3, -3, 4, -4], [5, -5, 6, -6, 7, -7, 8, -8]),
            1,
        ),
        (Characteristic.EMG2, "0A141E28323C4650 F6ECE2D8CEC4BAB0", (range(10, 90, 10), range(-10, -90, -10)), 2),
        (Characteristic.EMG3, "7F80000001FF40C0 0000000000000000", ([127, -128, 0, 0, 1, -1, 64, -64], [0] * 8), 3),
    ],
)
def test_an_emg_notification_is_two_samples(
    characteristic: int, wire: str, rows: Sequence[Sequence[int]], index: int
) -> None:
    packet = decode(characteristic, wire)
    assert isinstance(packet, protocol.EmgPacket)
    assert packet.samples.tolist() == [list(row) for row in rows]
    assert packet.samples.dtype == np.float32
    assert packet.characteristic_index == index


@pytest.mark.parametrize(("tail", "moved"), [("00", 0), ("05", 5), ("", 0)])
def test_the_envelope_is_one_unsigned_sample_and_a_mask(tail: str, moved: int) -> None:
    packet = decode(Characteristic.ENVELOPE, "2800 2300 7000 2C01 0004 5800 3D00 2DFF" + tail)
    assert isinstance(packet, protocol.EmgPacket)
    assert packet.samples.tolist() == [[40, 35, 112, 300, 1024, 88, 61, 0xFF2D]]
    assert (packet.characteristic_index, packet.moved) == (None, moved)


def test_inertial_values_are_scaled() -> None:
    packet = decode(Characteristic.IMU, "0040000000000000 000000000008 1000E0FF0000")
    assert packet == protocol.ImuPacket((1.0, 0.0, 0.0, 0.0), (0.0, 0.0, 1.0), (1.0, -2.0, 0.0))


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        ("010201", protocol.ArmPacket("left", "wrist")),
        ("010102000000", protocol.ArmPacket("right", "elbow")),
        ("01FF00", protocol.ArmPacket(None)),
        ("020000", protocol.ArmPacket(None)),
        ("030100000000", protocol.GesturePacket("fist")),
        ("030500", protocol.GesturePacket("double_tap")),
        ("03FFFF", protocol.GesturePacket("unknown")),
        ("037700", None),
        ("040000", protocol.GesturePacket("unlocked")),
        ("060000000000", protocol.GesturePacket("sync_failed")),
        ("070000000000", protocol.GesturePacket("warmed_up")),
        ("FF0000", None),
    ],
)
def test_classifier_events_have_three_or_six_bytes(wire: str, expected: protocol.Packet | None) -> None:
    assert decode(Characteristic.CLASSIFIER, wire) == expected


def test_battery_firmware_info_name_and_taps() -> None:
    assert decode(Characteristic.BATTERY, "5B") == protocol.BatteryPacket(91)
    assert decode(Characteristic.BATTERY, "FF") == protocol.BatteryPacket(100)
    firmware = decode(Characteristic.FIRMWARE, "0100 0500 B207 0200")
    assert firmware == protocol.FirmwarePacket((1, 5, 1970), 2)
    assert firmware.text == "1.5.1970.2"
    info = bytes.fromhex("0102030405C6") + struct.pack("<HBBBBB", 5, 0, 0, 0, 1, 2) + bytes(7)
    assert decode(Characteristic.INFO, info) == protocol.InfoPacket("C6:05:04:03:02:01", True, 2)
    assert decode(Characteristic.NAME, b"PiMyo\0\0\x07") == protocol.NamePacket("PiMyo")
    assert decode(Characteristic.MOTION, "000203") == protocol.TapPacket(2, 3)
    assert decode(Characteristic.MOTION, "010203") is None


@pytest.mark.parametrize("characteristic", list(Characteristic))
def test_any_value_of_any_length_is_decoded_or_counted(characteristic: Characteristic) -> None:
    for length in range(300):
        decoder = MyoDecoder()
        packets = decoder.feed(characteristic, bytes(range(256))[:length].ljust(length, b"\xa5"))
        assert len(packets) + decoder.malformed <= 1
        for packet in packets:
            if isinstance(packet, protocol.EmgPacket):
                assert np.isfinite(packet.samples).all()


@settings(deadline=None)
@given(characteristic=st.integers(-1, 0xFFFF), data=st.binary(max_size=300))
def test_no_value_raises(characteristic: int, data: bytes) -> None:
    decoder = MyoDecoder()
    assert len(decoder.feed(characteristic, data)) <= 1


@pytest.mark.slow
def test_ten_million_random_bytes_never_raise_and_keep_no_memory() -> None:
    """Every byte is decoded, most of them in values of the length that their characteristic has."""
    decoder = MyoDecoder()
    turns = itertools.cycle([*SHAPES, (Characteristic.EMG0, 15), (Characteristic.IMU, 21), (0x99, 7)])
    data = memoryview(b"".join(transports.random_bytes(2)))
    at = fed = packets = 0
    while at < len(data):
        handle, size = next(turns)
        value = bytes(data[at : at + size])
        packets += len(decoder.feed(handle, value))
        at += size
        fed += len(value)
    assert fed == 10_000_000
    assert packets > decoder.malformed > 0
    assert vars(decoder) == {"malformed": decoder.malformed}


@pytest.mark.parametrize(
    ("command", "wire"),
    [
        (protocol.set_mode("raw"), "0103030100"),
        (protocol.set_mode("filtered", classifier=True), "0103020101"),
        (protocol.set_mode("envelope", imu=False), "0103010000"),
        (protocol.STREAM_OFF, "0103000000"),
        (protocol.NEVER_SLEEP, "090101"),
        (protocol.NORMAL_SLEEP, "090100"),
        (protocol.vibrate("short"), "030101"),
        (protocol.vibrate("long"), "030103"),
        (protocol.led((0x80, 0x80, 0xFF), (0x80, 0x80, 0xFF)), "06068080FF8080FF"),
    ],
)
def test_commands_are_packed_as_published(command: bytes, wire: str) -> None:
    assert command == bytes.fromhex(wire)
    assert command[1] == len(command) - 2


def test_a_colour_is_a_byte() -> None:
    with pytest.raises(ValueError):
        protocol.led((256, 0, 0), (0, 0, 0))


@pytest.mark.parametrize(("mode", "count", "rate"), [("raw", 4, 200), ("filtered", 4, 200), ("envelope", 1, 50)])
def test_each_mode_has_its_characteristics_and_rate(mode: EmgMode, count: int, rate: float) -> None:
    characteristics = protocol.emg_characteristics(mode)
    assert len({characteristic.uuid for characteristic in characteristics}) == count
    assert protocol.RATE_HZ[mode] == rate


def test_handles_follow_the_published_table() -> None:
    assert Characteristic.EMG0.configuration == 0x2C
    assert Characteristic.CLASSIFIER.configuration == 0x24
    assert Characteristic.EMG3.uuid == "d5060405-a904-deb9-4748-2c7f4a124842"
    assert [c for c in Characteristic if c.indicates] == [Characteristic.MOTION, Characteristic.CLASSIFIER]
