"""Fan-out: what a delivered message costs the server, against the least that FastAPI can do, and crowds."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from service.bench.processes.worker_process import Child, percent
from service.bench.report.statistics import Limit
from service.outputs.leap_cost import frame_cost_us

CLIENTS: Final = (1, 10, 100, 500)
RATE_HZ: Final = 100.0
TIMES_MINIMAL: Final = 1.2
CROWD: Final = 1000
CROWD_RATE_HZ: Final = 30.0
CROWD_LEAST_HZ: Final = 28.0
CROWD_SHARE: Final = 0.99
HEALTHY: Final = 20
STALL_S: Final = 20.0
FULL_RATE: Final = 0.99
"""Of the poses made: what counts as full rate."""
LEAP_US: Final = 150.0
LEAP_PERCENT: Final = 10.0
TURNS: Final = ("ours", "minimal", "minimal", "ours")
Progress = Callable[[str, float], None]


@dataclass(frozen=True, slots=True)
class Cost:
    """What one server did for N clients, over its rounds."""

    us_per_message: float
    """Server CPU, everything included, per message delivered."""
    cpu_percent: float
    rate_hz: float
    """Poses per second and client."""
    p50_ms: float
    """From publishing to the client; mean of the rounds' medians."""
    p99_ms: float
    """Of the worst round."""
    client_cpu_percent: float


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    clients: int
    ours: Cost
    minimal: Cost

    @property
    def ratio(self) -> float:
        return self.ours.us_per_message / self.minimal.us_per_message


@dataclass(frozen=True, slots=True)
class Stalled:
    """One client that never reads, among others that do."""

    healthy: int
    slowest_hz: float
    full_after_s: float | None
    """When its buffers were full and poses for it were replaced."""
    gone_after_s: float | None
    rss_growth_mb: float


@dataclass(frozen=True, slots=True)
class Crowd:
    """Many clients at a moderate rate on the whole server: source, model and all."""

    clients: int
    seconds: float
    share: float
    """Of the clients, how many got at least `CROWD_LEAST_HZ`."""
    slowest_hz: float
    p50_ms: float
    p99_ms: float
    skipped: int
    server_cpu_percent: float
    client_cpu_percent: float
    server_rss_mb: float


@dataclass(frozen=True, slots=True)
class LeapCost:
    """What a Leap frame costs the server; it is encoded once, however many clients there are."""

    us_per_frame: float
    bytes: int

    @property
    def core_percent(self) -> float:
        """Share of a core at `RATE_HZ` frames a second."""
        return self.us_per_frame * RATE_HZ * 1e-4


@dataclass(frozen=True, slots=True)
class FanOut:
    """All of it."""

    rate_hz: float
    seconds: float
    rows: tuple[Row, ...]
    stalled: Stalled | None
    crowd: Crowd | None
    leap: LeapCost | None

    def limits(self) -> list[Limit]:
        return [*self._costs(), *self._healthy(), *self._crowd(), *self._leap()]

    def _costs(self) -> list[Limit]:
        name = "CPU per message, of minimal FastAPI's, {} clients"
        return [Limit(name.format(row.clients), row.ratio, "<=", TIMES_MINIMAL, "x") for row in self.rows]

    def _healthy(self) -> list[Limit]:
        if self.stalled is None:
            return []
        share = self.stalled.slowest_hz / self.rate_hz
        return [Limit("slowest client beside one that never reads, of full rate", share, ">=", FULL_RATE)]

    def _crowd(self) -> list[Limit]:
        if self.crowd is None:
            return []
        name = f"share of {self.crowd.clients} clients with {CROWD_LEAST_HZ:g} poses a second"
        return [
            Limit(name, self.crowd.share, ">=", CROWD_SHARE),
            Limit("windows that the engine skipped meanwhile", self.crowd.skipped, "==", 0),
        ]

    def _leap(self) -> list[Limit]:
        if self.leap is None:
            return []
        name = f"Leap frames at {RATE_HZ:g} a second, of a core"
        return [
            Limit("CPU of a Leap frame", self.leap.us_per_frame, "<=", LEAP_US, "µs"),
            Limit(name, self.leap.core_percent, "<", LEAP_PERCENT, "%"),
        ]


def run(seconds: float, progress: Progress, clients: Sequence[int] = CLIENTS, stall_s: float = STALL_S) -> FanOut:
    """Both servers in turn, and one client that never reads.

    Args:
        seconds: of each round; there are four for each number of clients.
        progress: gets what is going on, and a share from 0 to 1.
        clients: how many, in turn.
        stall_s: how long one client does not read; 0 leaves that out.
    """
    with (
        Child("service.bench.processes.server_process:feed", rate=RATE_HZ) as ours,
        Child("service.bench.processes.reference_server:serve", rate=RATE_HZ) as minimal,
        Child("service.bench.processes.load_generator:crowd") as crowd,
    ):
        servers = {"ours": (ours, ours.hear()["url"]), "minimal": (minimal, minimal.hear()["url"])}
        for server, url in servers.values():
            _round(server, url, crowd, clients[0], min(1.0, seconds))
        rows = [_row(servers, crowd, count, seconds, progress) for count in clients]
        stalled = _stalled(*servers["ours"], crowd, stall_s, progress) if stall_s else None
    return FanOut(RATE_HZ, seconds, tuple(rows), stalled, None, LeapCost(*frame_cost_us()))


def crowded(
    source: str, model: Path | None, hop: int | None, seconds: float, progress: Progress, clients: int = CROWD
) -> Crowd:
    """The whole server and a crowd, each client at `CROWD_RATE_HZ`."""
    progress(f"{clients} clients at {CROWD_RATE_HZ:g} Hz", 0.0)
    with (
        Child(
            "service.bench.processes.server_process:serve", source=source, model=str(model) if model else None, hop=hop
        ) as server,
        Child("service.bench.processes.load_generator:crowd") as crowd,
    ):
        url = server.hear()["url"]
        server.ask(do="model")
        answer, before, after, of_clients = _round(server, url, crowd, clients, seconds, CROWD_RATE_HZ)
    progress(f"{clients} clients at {CROWD_RATE_HZ:g} Hz", 1.0)
    rates = [poses / answer["seconds"] for poses in answer["poses"]]
    return Crowd(
        clients=clients, seconds=answer["seconds"], share=sum(rate >= CROWD_LEAST_HZ for rate in rates) / clients,
        slowest_hz=rates[0], p50_ms=answer["latency"]["p50"], p99_ms=answer["latency"]["p99"],
        skipped=after["skipped"] - before["skipped"], server_cpu_percent=percent(before, after),
        client_cpu_percent=of_clients, server_rss_mb=after["rss"] / 2**20,
    )  # fmt: skip


def _row(servers: dict[str, tuple[Child, str]], crowd: Child, count: int, seconds: float, progress: Progress) -> Row:
    rounds: dict[str, list[Any]] = {name: [] for name in servers}
    for turn, name in enumerate(TURNS):
        progress(f"fan-out to {count}: {name}", turn / len(TURNS))
        rounds[name].append(_round(*servers[name], crowd, count, seconds))
    return Row(count, _cost(rounds["ours"], count), _cost(rounds["minimal"], count))


def _cost(rounds: list[Any], count: int) -> Cost:
    cpu_s = sum(after["cpu_s"] - before["cpu_s"] for _, before, after, _ in rounds)
    messages = sum(sum(answer["poses"]) for answer, *_ in rounds)
    return Cost(
        us_per_message=1e6 * cpu_s / max(messages, 1),
        cpu_percent=_mean([percent(before, after) for _, before, after, _ in rounds]),
        rate_hz=messages / count / sum(answer["seconds"] for answer, *_ in rounds),
        p50_ms=_mean([answer["latency"]["p50"] for answer, *_ in rounds]),
        p99_ms=max(answer["latency"]["p99"] for answer, *_ in rounds),
        client_cpu_percent=_mean([of_clients for *_, of_clients in rounds]),
    )


def _round(
    server: Child, url: str, crowd: Child, count: int, seconds: float, max_rate: float | None = None
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any], float]:
    """Clients come, count and leave: their answer, the server's usage before and after, their own CPU in percent."""
    anchor = server.ask(do="usage")["anchor"]
    crowd.ask(do="connect", url=url, clients=count, max_rate=max_rate, anchor=anchor)
    crowd.tell(do="measure", seconds=seconds)
    crowd.hear()
    before = server.ask(do="usage")
    answer = crowd.hear(seconds + 120.0)
    after = server.ask(do="usage")
    crowd.ask(do="leave")
    return answer, before, after, answer["cpu_percent"]


def _stalled(server: Child, url: str, crowd: Child, seconds: float, progress: Progress) -> Stalled:
    start = server.ask(do="usage")
    crowd.ask(do="connect", url=url, clients=HEALTHY, anchor=start["anchor"])
    crowd.ask(do="stall", url=url)
    crowd.tell(do="measure", seconds=seconds)
    crowd.hear()
    begun, full, gone = time.perf_counter(), None, None
    before = now = server.ask(do="usage")
    while (passed := time.perf_counter() - begun) < seconds:
        progress("one client never reads", passed / seconds)
        now = server.ask(do="usage")
        full = full if full is not None or now["dropped"] == start["dropped"] else passed
        gone = gone if gone is not None or now["clients"] > HEALTHY else passed
        time.sleep(min(0.25, max(0.0, seconds - passed)))
    answer = crowd.hear()
    crowd.ask(do="leave")
    slowest = answer["poses"][0] / answer["seconds"]
    return Stalled(HEALTHY, slowest, full, gone, (now["rss"] - before["rss"]) / 2**20)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
