"""A fake bluetoothd: `org.bluez` on a private bus, with emulated armbands, in a process of its own.

As a program (`python tests/fakes/bluez.py SETUP`, SETUP being JSON) it claims the name, prints `ready`, and answers
each line of JSON on stdin by a line of JSON on stdout. As a module it starts that program:
`async with FakeBluez(...) as bluez: await bluez.do("drop")`.
"""

from __future__ import annotations

import asyncio
import json
import os
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import numpy as np

ROOT: Final = Path(__file__).resolve().parents[2]
ADAPTER: Final = "/org/bluez/hci0"
ADVERTISE_S: Final = 0.05


class FakeBluez:
    """The fake as a process. Needs `DBUS_SYSTEM_BUS_ADDRESS` in the environment.

    Args:
        *devices: each `{"address", "name", "emg": path of an int8 (n, 8) array, "battery", "firmware",
            "without": [short UUIDs], "is_myo": bool, "hand", "advertises": bool, "gforce": {"mtu", "resolutions"}}`;
            all but the address have defaults.
        adapter: properties of the adapter that differ, or None: there is no adapter.
        time_scale: seconds of the armbands per second.
    """

    def __init__(self, *devices: dict[str, Any], adapter: dict[str, Any] | None = {}, time_scale: float = 1.0) -> None:  # noqa: B006
        self._setup = json.dumps({"devices": devices, "adapter": adapter, "time_scale": time_scale})
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            __file__,
            self._setup,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        assert await self._read_line() == "ready"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.vanish()

    async def vanish(self) -> None:
        """Kill the process, as when a daemon crashes."""
        process, self._process = self._process, None
        if process is not None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            assert process.stdin is not None
            process.stdin.close()

    async def do(self, what: str, device: int = 0, **more: Any) -> dict[str, Any]:
        """Send a request; return its answer."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": what, "device": device, **more}).encode() + b"\n")
        answer: dict[str, Any] = json.loads(await self._read_line())
        return answer

    async def until(self, condition: Callable[[dict[str, Any]], object], device: int = 0, seconds: float = 20) -> None:
        """Ask for the state until the condition holds; each answer is a round trip, so this does not spin."""
        async with asyncio.timeout(seconds):
            while not condition(await self.do("state", device)):
                pass

    async def _read_line(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        async with asyncio.timeout(30):
            return (await self._process.stdout.readline()).decode().strip()


def _main() -> None:
    from dbus_fast import BusType, Message, MessageType, Variant
    from dbus_fast.aio import MessageBus

    from drivers.emulation.myo import EmulatedMyo
    from drivers.myo.protocol import SERVICE_UUID, Characteristic, uuid
    from models.recording import Recording
    from tests.fakes import gforce
    from tests.support.signals import fast_clock, made_up

    class GForceCharacteristic(IntEnum):
        COMMAND = gforce.COMMAND
        DATA = gforce.DATA

        @property
        def uuid(self) -> str:
            return gforce.COMMAND_UUID if self == gforce.COMMAND else gforce.DATA_UUID

    gforce_services = {0x20: (gforce.SERVICE, tuple(GForceCharacteristic))}
    services = {
        0x01: ("00001800-0000-1000-8000-00805f9b34fb", (Characteristic.NAME,)),
        0x0F: ("0000180f-0000-1000-8000-00805f9b34fb", (Characteristic.BATTERY,)),
        0x13: (uuid(0x0001), (Characteristic.INFO, Characteristic.FIRMWARE, Characteristic.COMMAND)),
        0x1A: (uuid(0x0002), (Characteristic.IMU, Characteristic.MOTION)),
        0x21: (uuid(0x0003), (Characteristic.CLASSIFIER,)),
        0x25: (uuid(0x0004), (Characteristic.ENVELOPE,)),
        0x29: (uuid(0x0005), (Characteristic.EMG0, Characteristic.EMG1, Characteristic.EMG2, Characteristic.EMG3)),
    }
    readable = (Characteristic.NAME, Characteristic.BATTERY, Characteristic.INFO, Characteristic.FIRMWARE)

    def flag_names(characteristic: IntEnum) -> list[str]:
        if isinstance(characteristic, GForceCharacteristic):
            return ["write", "notify"] if characteristic == gforce.COMMAND else ["notify"]
        assert isinstance(characteristic, Characteristic)
        if characteristic == Characteristic.COMMAND:
            return ["write"]
        if characteristic == Characteristic.BATTERY:
            return ["read", "notify"]
        return ["read"] if characteristic in readable else ["indicate" if characteristic.indicates else "notify"]

    # dbus-fast gives up its connection when the daemon is slow to read: so everything goes out one after the
    # other, and only while there is room.
    outbox: asyncio.Queue[Message] = asyncio.Queue()

    async def post(bus: MessageBus) -> None:
        socket = bus._sock
        assert socket is not None
        while True:
            message = await outbox.get()
            await asyncio.to_thread(select.select, (), (socket,), ())
            await bus.send(message)

    class Device:
        def __init__(self, setup: dict[str, Any], time_scale: float) -> None:
            self.time_scale, self.clock = time_scale, fast_clock(time_scale)
            self.address = setup["address"]
            self.path = f"{ADAPTER}/dev_{self.address.replace(':', '_')}"
            self.is_myo = setup.get("is_myo", True)
            self.without = set(setup.get("without", ()))
            recording = made_up(hand=setup.get("hand", "right"))
            if "emg" in setup:
                emg = np.load(setup["emg"]).astype(np.float32)
                index = np.arange(len(emg))
                recording = Recording(emg, index / 200.0, index, 200.0, hand=recording.hand)
            self.services: dict[int, tuple[str, tuple[Any, ...]]] = dict(services)
            self.advertised = SERVICE_UUID if self.is_myo else "0000180d-0000-1000-8000-00805f9b34fb"
            self.myo: Any = EmulatedMyo(
                recording,
                name=setup.get("name", "Myo"),
                address=self.address,
                battery=setup.get("battery", 87),
                firmware=tuple(setup.get("firmware", (1, 5, 1970, 2))),
            )
            if "gforce" in setup:
                shown = {key: setup[key] for key in ("name", "battery") if key in setup}
                self.myo = gforce.EmulatedGForce(made_up(4000).emg, **shown, **setup["gforce"])
                self.services, self.advertised = gforce_services, gforce.ADVERTISED
            self.advertises = setup.get("advertises", True)
            self.known = self.connected = self.silent = False
            self.restarted = False
            self.connect_error = ""
            self.sent = 0
            self.timer: asyncio.TimerHandle | None = None
            self.objects: dict[str, Any] = {}

        def properties(self) -> dict[str, Variant]:
            return {
                "Address": Variant("s", self.address),
                "AddressType": Variant("s", "public"),
                "Alias": Variant("s", self.myo.name),
                "Name": Variant("s", self.myo.name),
                "Adapter": Variant("o", ADAPTER),
                "Connected": Variant("b", self.connected),
                "ServicesResolved": Variant("b", self.connected),
                "Paired": Variant("b", False),
                "UUIDs": Variant("as", [self.advertised]),
                "RSSI": Variant("n", -56),
            }

        def gatt(self) -> dict[str, dict[str, dict[str, Variant]]]:
            found: dict[str, dict[str, dict[str, Variant]]] = {}
            self.objects.clear()
            for start, (service, characteristics) in self.services.items():
                if not self.is_myo and start >= 0x13:
                    continue
                path = f"{self.path}/service{start:04x}"
                found[path] = {
                    "org.bluez.GattService1": {
                        "UUID": Variant("s", service),
                        "Device": Variant("o", self.path),
                        "Primary": Variant("b", True),
                    }
                }
                for one in characteristics:
                    if one.uuid in self.without:
                        continue
                    child = f"{path}/char{one - 1:04x}"
                    self.objects[child] = one
                    found[child] = {
                        "org.bluez.GattCharacteristic1": {
                            "UUID": Variant("s", one.uuid),
                            "Service": Variant("o", path),
                            "Flags": Variant("as", flag_names(one)),
                            "NotifyAcquired": Variant("b", False),
                            "MTU": Variant("q", 23),
                        }
                    }
            return found

        def signal(self, path: str, interface: str, member: str, signature: str, body: list[Any]) -> None:
            outbox.put_nowait(
                Message(
                    path=path,
                    interface=interface,
                    member=member,
                    message_type=MessageType.SIGNAL,
                    signature=signature,
                    body=body,
                )
            )

        def changed(self, path: str, interface: str, values: dict[str, Variant]) -> None:
            body = [interface, values, []]
            self.signal(path, "org.freedesktop.DBus.Properties", "PropertiesChanged", "sa{sv}as", body)

        def added(self, path: str, interfaces: dict[str, dict[str, Variant]]) -> None:
            manager = "org.freedesktop.DBus.ObjectManager"
            self.signal("/", manager, "InterfacesAdded", "oa{sa{sv}}", [path, interfaces])

        def advertise(self) -> None:
            if not self.advertises or (self.connected and not self.restarted):
                return
            if not self.known:
                self.known = True
                self.added(self.path, {"org.bluez.Device1": self.properties()})
            else:
                self.changed(self.path, "org.bluez.Device1", {"RSSI": Variant("n", -56)})

        def connect(self) -> None:
            self.connected = True
            self.changed(self.path, "org.bluez.Device1", {"Connected": Variant("b", True)})

        def resolve(self) -> None:
            for path, interfaces in self.gatt().items():
                self.added(path, interfaces)
            self.changed(self.path, "org.bluez.Device1", {"ServicesResolved": Variant("b", True)})

        def hang_up(self) -> None:
            if not self.connected:
                return
            self.connected = self.silent = self.restarted = False
            self.myo.hang_up()
            off = {"Connected": Variant("b", False), "ServicesResolved": Variant("b", False)}
            self.changed(self.path, "org.bluez.Device1", off)
            manager = "org.freedesktop.DBus.ObjectManager"
            for path in self.objects:
                body = [path, ["org.bluez.GattCharacteristic1"]]
                self.signal("/", manager, "InterfacesRemoved", "oas", body)

        def tick(self) -> None:
            self.timer = None
            for notification in self.myo.due(self.clock()):
                path = next(path for path, one in self.objects.items() if one == notification.characteristic)
                if not self.silent:
                    self.sent += 1
                    value = {"Value": Variant("ay", notification.data)}
                    self.changed(path, "org.bluez.GattCharacteristic1", value)
            self.schedule()

        def schedule(self) -> None:
            if self.timer is not None:
                self.timer.cancel()
            due = self.myo.next_due()
            if due is not None:
                wait = max(0.0, due - self.clock()) / self.time_scale
                self.timer = asyncio.get_running_loop().call_later(wait, self.tick)

        def state(self) -> dict[str, Any]:
            return {
                "connected": self.connected,
                "streams": self.myo.streams,
                "never_sleeps": self.myo.never_sleeps,
                "vibrations": self.myo.vibrations,
                "sent": self.sent,
                "played": self.myo.played,
            }

    class Daemon:
        def __init__(self, setup: dict[str, Any]) -> None:
            self.adapter = setup["adapter"]
            self.devices = [Device(device, setup["time_scale"]) for device in setup["devices"]]
            self.scanners: set[str] = set()
            self.mute = False

        def adapter_properties(self) -> dict[str, Variant]:
            assert self.adapter is not None
            return {
                "Address": Variant("s", "00:00:00:00:00:01"),
                "Alias": Variant("s", "fake"),
                "Powered": Variant("b", self.adapter.get("powered", True)),
                "Discovering": Variant("b", bool(self.scanners)),
                "Roles": Variant("as", self.adapter.get("roles", ["central", "peripheral"])),
            }

        def objects(self) -> dict[str, dict[str, dict[str, Variant]]]:
            found: dict[str, dict[str, dict[str, Variant]]] = {}
            if self.adapter is not None:
                found[ADAPTER] = {"org.bluez.Adapter1": self.adapter_properties()}
            for device in self.devices:
                if device.known:
                    found[device.path] = {"org.bluez.Device1": device.properties()}
                if device.connected:
                    found |= device.gatt()
            return found

        def handle(self, message: Message) -> bool:
            if message.message_type != MessageType.METHOD_CALL or message.destination != "org.bluez":
                return False
            if self.mute:
                return True
            handler = getattr(self, f"on_{message.member}", None)
            unknown = "org.freedesktop.DBus.Error.UnknownMethod"
            outbox.put_nowait(handler(message) if handler else Message.new_error(message, unknown, "unknown"))
            return True

        def on_GetManagedObjects(self, message: Message) -> Message:
            return Message.new_method_return(message, "a{oa{sa{sv}}}", [self.objects()])

        def on_SetDiscoveryFilter(self, message: Message) -> Message:
            return Message.new_method_return(message)

        def on_StartDiscovery(self, message: Message) -> Message:
            assert self.adapter is not None
            if message.sender in self.scanners:
                return Message.new_error(message, "org.bluez.Error.InProgress", "Operation already in progress")
            if self.adapter.get("refuses"):
                return Message.new_error(message, self.adapter["refuses"], "refused")
            if not self.scanners:
                asyncio.get_running_loop().call_soon(self.advertise)
            self.scanners.add(str(message.sender))
            return Message.new_method_return(message)

        def on_StopDiscovery(self, message: Message) -> Message:
            self.scanners.discard(str(message.sender))
            return Message.new_method_return(message)

        def advertise(self) -> None:
            if self.scanners:
                for device in self.devices:
                    device.advertise()
                asyncio.get_running_loop().call_later(ADVERTISE_S, self.advertise)

        def device_of(self, message: Message) -> Device:
            return next(device for device in self.devices if str(message.path).startswith(device.path))

        def on_Connect(self, message: Message) -> Message:
            device = self.device_of(message)
            if device.connect_error:
                return Message.new_error(message, "org.bluez.Error.Failed", device.connect_error)
            device.connect()
            asyncio.get_running_loop().call_soon(device.resolve)
            return Message.new_method_return(message)

        def on_Disconnect(self, message: Message) -> Message:
            asyncio.get_running_loop().call_soon(self.device_of(message).hang_up)
            return Message.new_method_return(message)

        def on_ReadValue(self, message: Message) -> Message:
            device = self.device_of(message)
            value = device.myo.read(device.objects[str(message.path)])
            if isinstance(value, int):
                return Message.new_error(message, "org.bluez.Error.NotPermitted", "Read not permitted")
            return Message.new_method_return(message, "ay", [value])

        def on_WriteValue(self, message: Message) -> Message:
            device = self.device_of(message)
            assert message.body[1]["type"].value == "request", "0401 can only be written with response"
            device.myo.write(device.objects[str(message.path)], bytes(message.body[0]), device.clock())
            device.schedule()
            return Message.new_method_return(message)

        def on_StartNotify(self, message: Message) -> Message:
            device = self.device_of(message)
            device.myo.subscribe(device.objects[str(message.path)], 1)
            device.schedule()
            return Message.new_method_return(message)

        def on_StopNotify(self, message: Message) -> Message:
            device = self.device_of(message)
            device.myo.subscribe(device.objects[str(message.path)], 0)
            return Message.new_method_return(message)

        def answer(self, request: dict[str, Any]) -> dict[str, Any]:
            device = self.devices[request["device"]] if self.devices else None
            assert device is not None
            match request["do"]:
                case "drop":
                    device.hang_up()
                case "hide":
                    device.advertises = False
                    device.hang_up()
                case "show":
                    device.advertises = True
                case "silence":
                    device.silent = True
                case "restart":
                    # The armband drops the link, and the computer gets no event.
                    device.silent = device.restarted = True
                case "mute":
                    self.mute = True
                case "lose":
                    device.myo.lose = set(request["notifications"])
                case "refuse":
                    device.connect_error = request["error"]
            state: dict[str, Any] = device.state()
            return state | {"scanners": len(self.scanners)}

    async def main() -> None:
        setup = json.loads(sys.argv[1])
        bus = await MessageBus(bus_type=BusType.SYSTEM).connect()
        daemon = Daemon(setup)
        bus.add_message_handler(daemon.handle)
        posting = asyncio.ensure_future(post(bus))
        await bus.request_name("org.bluez")
        print("ready", flush=True)  # noqa: T201
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        async for line in reader:
            print(json.dumps(daemon.answer(json.loads(line))), flush=True)  # noqa: T201
        posting.cancel()

    asyncio.run(main())


if __name__ == "__main__":
    _main()
