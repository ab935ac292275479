"""Prometheus text, read from counters that are kept anyway."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from drivers.events import Battery
from service.broadcast.hub import Hub
from service.broadcast.messages import Subscription
from service.devices.device import Device
from service.engine.model_selection import ModelSelector
from service.web.metrics import COUNTERS, exposition
from tests.fakes.sources import Puppet, frame
from tests.unit.service.devices.test_device import Changes


def values(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def test_it_is_valid_and_counts_per_device() -> None:
    hub = Hub()
    devices = [Device(index, Puppet(), ModelSelector(), hub, Changes()) for index in range(2)]
    scrape = exposition(devices, hub)
    for sample in (0, 2, 10):
        devices[1].status.on_frame(frame(sample))
        devices[1].frames += 1
    devices[1].status.on_battery(Battery(0.0, 77))
    client = hub.connect(Subscription(), "json")
    client.dropped = 3
    found = values(scrape().decode())
    for name, _, _ in COUNTERS:
        for index in "01":
            assert (f"myocast_{name}_total", (("device", index),)) in found
    assert found["myocast_samples_total", (("device", "1"),)] == 6.0
    assert found["myocast_samples_lost_total", (("device", "1"),)] == 6.0
    assert found["myocast_battery_percent", (("device", "1"),)] == 77.0
    assert ("myocast_battery_percent", (("device", "0"),)) not in found
    assert found["myocast_state", (("device", "0"), ("state", "connecting"))] == 1.0
    assert found["myocast_state", (("device", "1"), ("state", "live"))] == 1.0
    assert (found["myocast_dropped_total", ()], found["myocast_clients", ()]) == (3.0, 1.0)


async def test_counters_never_fall_when_clients_leave() -> None:
    hub = Hub()
    scrape = exposition([], hub)
    client = hub.connect(Subscription(), "json")
    client.dropped = 3
    hub.disconnect(client)
    assert values(scrape().decode())["myocast_dropped_total", ()] == 3.0


async def test_two_services_in_one_process_do_not_meet() -> None:
    first, second = exposition([], Hub()), exposition([], Hub())
    assert first() != b""
    assert second() != b""
