"""Events from the values of a Myo's characteristics. No I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from drivers.errors import DriverError
from drivers.events import EMG_MODES, Battery, EmgMode, Emit, Event, Frame, Imu, Notice, Raw, SourceInfo
from drivers.myo.protocol import (
    OLDEST_FIRMWARE,
    RATE_HZ,
    SAMPLES_PER_NOTIFICATION,
    ArmPacket,
    BatteryPacket,
    Characteristic,
    EmgPacket,
    FirmwarePacket,
    GesturePacket,
    ImuPacket,
    MyoDecoder,
    NamePacket,
    Packet,
    TapPacket,
    emg_characteristics,
    set_mode,
)
from drivers.sample_clock import SampleClock
from drivers.uri import SourceUri, hand_option
from models.hand import Side

IMU_RATE_HZ: Final = 50.0
OPTIONS: Final = ("mode", "imu", "classifier", "hand")


@dataclass(frozen=True, slots=True)
class MyoConfig:
    """What a Myo is set to stream."""

    mode: EmgMode = "raw"
    imu: bool = True
    classifier: bool = False
    """Whether it sends arm sync and gestures; in mode `raw` the armband itself switches them off."""
    hand: Side | None = None
    """The arm that wears it, which overrides the armband's own sync."""

    @classmethod
    def from_uri(cls, uri: SourceUri) -> MyoConfig:
        """Read the options of a URI. Raises DriverError if one has no such value."""
        mode = uri.choice("mode", "raw", EMG_MODES)
        return cls(mode, uri.flag("imu", True), uri.flag("classifier", mode != "raw"), hand_option(uri))

    @property
    def start(self) -> bytes:
        """The command that starts the stream."""
        return set_mode(self.mode, imu=self.imu, classifier=self.classifier)

    @property
    def optional(self) -> tuple[Characteristic, ...]:
        """The characteristics to subscribe to besides EMG, if the armband has them."""
        imu = (Characteristic.IMU,) if self.imu else ()
        events = (Characteristic.CLASSIFIER,) if self.classifier else ()
        return (Characteristic.BATTERY, *imu, *events)

    @property
    def emg(self) -> tuple[Characteristic, ...]:
        """The characteristics to subscribe to for EMG."""
        return emg_characteristics(self.mode)


class MyoStream:
    """The stream of one armband across its reconnects.

    Args:
        uri: as the user gave it.
        config: what the armband is set to stream.
    """

    def __init__(self, uri: str, config: MyoConfig) -> None:
        self.config = config
        self.info = SourceInfo(uri, "Myo", RATE_HZ[config.mode], emg_mode=config.mode, hand=config.hand)
        self._decoder = MyoDecoder()
        self._clock = SampleClock(RATE_HZ[config.mode], loss_unit=SAMPLES_PER_NOTIFICATION[config.mode])
        self._imu_clock = SampleClock(IMU_RATE_HZ, loss_unit=1)

    @property
    def lost(self) -> int:
        """Samples lost so far, as estimated."""
        return self._clock.lost

    @property
    def malformed(self) -> int:
        """Values that could not be decoded."""
        return self._decoder.malformed

    def connected(self, name: str, address: str, arrival: float) -> list[Event]:
        """Events of a new link, before its first sample."""
        self._clock.restart()
        self._imu_clock.restart()
        self.info = replace(self.info, name=name or "Myo", address=address)
        return [self.info, Notice(arrival, "connect", self.info.name)]

    def feed(self, characteristic: int, data: bytes, arrival: float) -> list[Event]:
        """Events of one value: its bytes, then what they decode to."""
        raw = Raw(arrival, f"{characteristic:04x}", data)
        packets = self._decoder.feed(characteristic, data)
        return [raw, *(event for packet in packets for event in self._events(packet, arrival))]

    def _events(self, packet: Packet, arrival: float) -> list[Event]:
        match packet:
            case EmgPacket():
                return [self._frame(packet, arrival)]
            case ImuPacket():
                t = self._imu_clock.stamp(1, arrival).t
                return [Imu(t, packet.quaternion, packet.acceleration_g, packet.gyro_dps)]
            case BatteryPacket():
                return [Battery(arrival, packet.percent)]
            case ArmPacket():
                return self._arm(packet, arrival)
            case GesturePacket():
                return [Notice(arrival, "gesture", packet.name)]
            case TapPacket():
                return [Notice(arrival, "tap", f"{packet.count} times, direction {packet.direction}")]
            case FirmwarePacket():
                return [Notice(arrival, "firmware", packet.text)]
            case _:
                return []

    def _frame(self, packet: EmgPacket, arrival: float) -> Frame:
        stamp = self._clock.stamp(len(packet.samples), arrival, characteristic_index=packet.characteristic_index)
        return Frame(stamp.sample, stamp.t, packet.samples, arrival, stamp.gap)

    def _arm(self, packet: ArmPacket, arrival: float) -> list[Event]:
        if packet.arm is None:
            return [Notice(arrival, "unsynced")]
        toward = f", toward the {packet.toward}" if packet.toward else ""
        synced = Notice(arrival, "synced", f"{packet.arm} arm{toward}")
        if self.config.hand is not None or packet.arm == self.info.hand:
            return [synced]
        self.info = replace(self.info, hand=packet.arm)
        return [synced, self.info]


def check_firmware(data: bytes) -> str:
    """Decode a firmware version as text; "" if the value is malformed.

    Raises:
        DriverError: the firmware is older than 1.0.
    """
    packets = MyoDecoder().feed(Characteristic.FIRMWARE, data)
    if not packets or not isinstance(packets[0], FirmwarePacket):
        return ""
    firmware = packets[0]
    if firmware.version[:2] < OLDEST_FIRMWARE:
        raise DriverError(
            f"this Myo has firmware {firmware.text}; expected 1.0 or newer: update it with Myo Connect over USB"
        )
    return firmware.text


def read_name(data: bytes) -> str:
    """Decode a device name; "" if the value is malformed."""
    packets = MyoDecoder().feed(Characteristic.NAME, data)
    return packets[0].name if packets and isinstance(packets[0], NamePacket) else ""


def emit_all(events: Sequence[Event], emit: Emit) -> None:
    """Emit the events in order."""
    for event in events:
        emit(event)
