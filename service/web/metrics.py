"""`GET /metrics`: counters of the service as Prometheus text, read at each request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from service.broadcast.hub import Hub
from service.devices.device import Device
from service.engine.engine import Engine

Value = Callable[[Device], float]


def _engine(count: Callable[[Engine], int]) -> Value:
    return lambda device: float(count(device.engine)) if device.engine is not None else 0.0


COUNTERS: Sequence[tuple[str, str, Value]] = (
    ("samples", "EMG samples received", lambda device: device.status.samples),
    ("samples_lost", "EMG samples that never came, by the source's count", lambda device: device.status.lost),
    ("frames", "EMG frames received", lambda device: device.frames),
    ("windows_due", "windows that fell due", _engine(lambda engine: engine.due)),
    ("poses", "poses made", _engine(lambda engine: engine.poses)),
    ("poses_held", "poses repeated while no samples came", _engine(lambda engine: engine.repeated)),
    ("windows_skipped", "windows skipped because a newer one was due", _engine(lambda engine: engine.skipped)),
    ("windows_invalid", "windows from which the model made no pose", _engine(lambda engine: engine.invalid)),
)


class ServiceCollector(Collector):
    """Reads the counters of devices and hub at each scrape, so that nothing is counted twice where samples pass."""

    def __init__(self, devices: Sequence[Device], hub: Hub) -> None:
        self._devices, self._hub = devices, hub

    def collect(self) -> Iterable[Metric]:
        for name, text, value in COUNTERS:
            family = CounterMetricFamily(f"myocast_{name}", text, labels=["device"])
            for device in self._devices:
                family.add_metric([str(device.index)], value(device))
            yield family
        yield from self._gauges()
        yield CounterMetricFamily(
            "myocast_dropped", "messages that slow clients cost themselves", value=self._hub.dropped
        )
        yield GaugeMetricFamily("myocast_clients", "clients connected to the stream", value=len(self._hub.clients))

    def _gauges(self) -> Iterable[Metric]:
        rate = GaugeMetricFamily("myocast_rate_hz", "samples per second of real time", labels=["device"])
        state = GaugeMetricFamily("myocast_state", "1 for the state that the device is in", labels=["device", "state"])
        battery = GaugeMetricFamily("myocast_battery_percent", "charge of the armband", labels=["device"])
        for device in self._devices:
            label = str(device.index)
            rate.add_metric([label], device.status.rate_hz())
            state.add_metric([label, device.status.state], 1.0)
            if device.status.battery is not None:
                battery.add_metric([label], device.status.battery)
        yield from (rate, state, battery)


def exposition(devices: Sequence[Device], hub: Hub) -> Callable[[], bytes]:
    """A function that gives the metrics as Prometheus text."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(devices, hub))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return lambda: generate_latest(registry)
