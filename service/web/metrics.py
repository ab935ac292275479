"""`GET /metrics`: counters of the service as Prometheus text, read at each request."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
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
    ("gaps", "times that the signal began anew after something was missing", lambda device: device.status.gaps),
    ("reconnects", "times that the link was lost and sought again", lambda device: device.status.reconnects),
    ("frames", "EMG frames received", lambda device: device.frames),
    ("windows_due", "windows that fell due", _engine(lambda engine: engine.due)),
    ("poses", "poses made", _engine(lambda engine: engine.poses)),
    ("poses_held", "poses repeated while no samples came", _engine(lambda engine: engine.repeated)),
    ("windows_skipped", "windows skipped because a newer one was due", _engine(lambda engine: engine.skipped)),
    ("windows_invalid", "windows from which the model made no pose", _engine(lambda engine: engine.invalid)),
)


@dataclass(frozen=True, slots=True)
class LimitCounts:
    """What limits and the guard have counted."""

    connections: int
    unfinished: int
    refused: Mapping[str, int]
    """By the limit."""
    faults: Mapping[str, int]
    """By the part that failed."""
    recording_bytes: int = 0
    """Written to the recording that is going on; 0 without one."""


NO_COUNTS: Final = LimitCounts(0, 0, {}, {})


class ServiceCollector(Collector):
    """Reads the counters of devices and hub at each scrape, so that nothing is counted twice where samples pass."""

    def __init__(self, devices: Sequence[Device], hub: Hub, counts: Callable[[], LimitCounts]) -> None:
        self._devices, self._hub, self._counts = devices, hub, counts

    def collect(self) -> Iterable[Metric]:
        for name, text, value in COUNTERS:
            family = CounterMetricFamily(f"myocast_{name}", text, labels=["device"])
            for device in self._devices:
                family.add_metric([str(device.index)], value(device))
            yield family
        yield from self._gauges()
        yield from self._latency()
        yield CounterMetricFamily(
            "myocast_dropped", "messages that slow clients cost themselves", value=self._hub.dropped
        )
        yield from self._limits()
        yield GaugeMetricFamily("myocast_clients", "clients connected to the stream", value=len(self._hub.clients))

    def _limits(self) -> Iterable[Metric]:
        counts = self._counts()
        yield GaugeMetricFamily(
            "myocast_recording_bytes", "bytes of the recording that is going on", value=counts.recording_bytes
        )
        yield GaugeMetricFamily("myocast_connections", "open connections of all kinds", value=counts.connections)
        yield GaugeMetricFamily(
            "myocast_connections_unfinished", "connections that have asked for nothing yet", value=counts.unfinished
        )
        refused = CounterMetricFamily(
            "myocast_refused", "clients, connections and requests refused or cut because of a limit", labels=["limit"]
        )
        faults = CounterMetricFamily("myocast_faults", "faults inside, by the part that failed", labels=["part"])
        for family, values in ((refused, counts.refused), (faults, counts.faults)):
            for name, value in values.items():
                family.add_metric([name], value)
        yield from (refused, faults)

    def _latency(self) -> Iterable[Metric]:
        text = "time of a pose's stages, from the arrival of its newest sample on"
        family = HistogramMetricFamily("myocast_latency_seconds", text, labels=["device", "stage"])
        for device in self._devices:
            for stage, histogram in device.stage_times.stages.items():
                family.add_metric([str(device.index), stage], histogram.buckets(), histogram.sum)
        yield family

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


def exposition(
    devices: Sequence[Device], hub: Hub, counts: Callable[[], LimitCounts] = lambda: NO_COUNTS
) -> Callable[[], bytes]:
    """A function that gives the metrics as Prometheus text."""
    registry = CollectorRegistry()
    registry.register(ServiceCollector(devices, hub, counts))
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    return lambda: generate_latest(registry)
