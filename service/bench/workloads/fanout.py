"""Fan-out: CPU of the server per delivered message, compared with a FastAPI reference server; a thousand clients."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from service.bench.processes import load_generator, reference_server, server_process
from service.bench.processes.worker_process import ANSWER_TIMEOUT_S, Message, WorkerProcess, cpu_percent
from service.bench.progress import Progress
from service.bench.report.statistics import Limit
from service.outputs.leap_cost import frame_cost_us

CLIENTS: Final = (1, 10, 100, 500)
RATE_HZ: Final = 100.0
TIMES_REFERENCE: Final = 1.2
"""CPU per message, as a multiple of the reference server's: the most that ours may take."""
MANY: Final = 1000
MANY_RATE_HZ: Final = 30.0
MANY_LEAST_HZ: Final = 28.0
MANY_SHARE: Final = 0.99
HEALTHY: Final = 20
"""Clients beside the one that never reads."""
STALL_S: Final = 20.0
FULL_RATE: Final = 0.99
"""Share of the poses made that counts as full rate."""
LEAP_US: Final = 150.0
LEAP_PERCENT: Final = 10.0
LONGER_ALONE: Final = 6.0
"""Factor on the seconds of rounds with one client: 1 to 2 % of a core is too little for a short round."""
ROUNDS: Final = ("ours", "reference", "reference", "ours")


@dataclass(frozen=True, slots=True)
class Cost:
    """Cost and latency of one server with N clients, over its rounds."""

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
    """Both servers at one number of clients."""

    clients: int
    ours: Cost
    reference: Cost

    @property
    def ratio(self) -> float:
        return self.ours.us_per_message / self.reference.us_per_message


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
class ManyClients:
    """Many clients at a moderate rate on the whole server: source, model and all."""

    clients: int
    seconds: float
    share: float
    """Share of the clients that got at least `MANY_LEAST_HZ` poses a second."""
    slowest_hz: float
    p50_ms: float
    p99_ms: float
    skipped: int
    server_cpu_percent: float
    client_cpu_percent: float
    server_rss_mb: float


@dataclass(frozen=True, slots=True)
class LeapCost:
    """CPU time and size of a Leap frame, which is encoded once for all clients."""

    us_per_frame: float
    bytes: int

    @property
    def core_percent(self) -> float:
        """Share of a core at `RATE_HZ` frames a second."""
        return self.us_per_frame * RATE_HZ * 1e-4


@dataclass(frozen=True, slots=True)
class FanOut:
    """Results of the fan-out runs."""

    rate_hz: float
    seconds: float
    rows: tuple[Row, ...]
    stalled: Stalled | None
    many_clients: ManyClients | None
    leap: LeapCost | None

    def limits(self) -> list[Limit]:
        return [*self._costs(), *self._healthy(), *self._many_clients(), *self._leap()]

    def _costs(self) -> list[Limit]:
        name = "CPU per message, of the FastAPI reference server's, {} clients"
        return [Limit(name.format(row.clients), row.ratio, "<=", TIMES_REFERENCE, "x") for row in self.rows]

    def _healthy(self) -> list[Limit]:
        if self.stalled is None:
            return []
        share = self.stalled.slowest_hz / self.rate_hz
        return [Limit("slowest client beside one that never reads, of full rate", share, ">=", FULL_RATE)]

    def _many_clients(self) -> list[Limit]:
        if self.many_clients is None:
            return []
        name = f"share of {self.many_clients.clients} clients with {MANY_LEAST_HZ:g} poses a second"
        return [
            Limit(name, self.many_clients.share, ">=", MANY_SHARE),
            Limit("windows that the engine skipped meanwhile", self.many_clients.skipped, "==", 0),
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
    """Measure both servers alternately, and one client that never reads.

    Args:
        seconds: of each round; there are four for each number of clients, and longer ones with one client.
        clients: numbers of clients.
        stall_s: how long one client does not read; 0 leaves that out.
    """
    with (
        WorkerProcess(server_process.serve_synthetic_poses, rate_hz=RATE_HZ) as ours,
        WorkerProcess(reference_server.serve, rate_hz=RATE_HZ) as reference,
        WorkerProcess(load_generator.generate_load) as load,
    ):
        servers = {"ours": Server(ours, ours.recv()["url"]), "reference": Server(reference, reference.recv()["url"])}
        for server in servers.values():
            _round(server, load, clients[0], min(1.0, seconds))
        rows = [_row(servers, load, count, seconds, progress) for count in clients]
        stalled = _stalled(servers["ours"], load, stall_s, progress) if stall_s else None
    return FanOut(RATE_HZ, seconds, tuple(rows), stalled, None, LeapCost(*frame_cost_us()))


def run_many_clients(
    source: str, model: Path | None, hop: int | None, seconds: float, progress: Progress, clients: int = MANY
) -> ManyClients:
    """Measure the whole server with many clients, each at `MANY_RATE_HZ`."""
    doing = f"{clients} clients at {MANY_RATE_HZ:g} Hz"
    progress(doing, 0.0)
    with (
        WorkerProcess(server_process.serve, source=source, model=model, hop=hop) as process,
        WorkerProcess(load_generator.generate_load) as load,
    ):
        server = Server(process, process.recv()["url"])
        process.request("model")
        measured = _round(server, load, clients, seconds, MANY_RATE_HZ)
    progress(doing, 1.0)
    answer, before, after = measured
    rates = [poses / answer["seconds"] for poses in answer["poses"]]
    return ManyClients(
        clients=clients,
        seconds=answer["seconds"],
        share=sum(rate >= MANY_LEAST_HZ for rate in rates) / clients,
        slowest_hz=rates[0],
        p50_ms=answer["latency"]["p50"],
        p99_ms=answer["latency"]["p99"],
        skipped=after["skipped"] - before["skipped"],
        server_cpu_percent=measured.server_cpu_percent,
        client_cpu_percent=answer["cpu_percent"],
        server_rss_mb=after["rss"] / 2**20,
    )


class Server(NamedTuple):
    """A server process and its address."""

    process: WorkerProcess
    url: str


class Round(NamedTuple):
    """The clients' answer at the end of a round, and the usage of the server before and after it."""

    answer: Message
    before: Message
    after: Message

    @property
    def server_cpu_percent(self) -> float:
        return cpu_percent(self.before, self.after)


def _row(servers: dict[str, Server], load: WorkerProcess, count: int, seconds: float, progress: Progress) -> Row:
    rounds: dict[str, list[Round]] = {name: [] for name in servers}
    longer = LONGER_ALONE if count == 1 else 1.0
    for number, name in enumerate(ROUNDS):
        progress(f"fan-out to {count}: {name}", number / len(ROUNDS))
        rounds[name].append(_round(servers[name], load, count, longer * seconds))
    return Row(count, _cost(rounds["ours"], count), _cost(rounds["reference"], count))


def _cost(rounds: list[Round], count: int) -> Cost:
    cpu_s = sum(after["cpu_s"] - before["cpu_s"] for _, before, after in rounds)
    messages = sum(sum(answer["poses"]) for answer, *_ in rounds)
    return Cost(
        us_per_message=1e6 * cpu_s / max(messages, 1),
        cpu_percent=_mean([one.server_cpu_percent for one in rounds]),
        rate_hz=messages / count / sum(answer["seconds"] for answer, *_ in rounds),
        p50_ms=_mean([answer["latency"]["p50"] for answer, *_ in rounds]),
        p99_ms=max(answer["latency"]["p99"] for answer, *_ in rounds),
        client_cpu_percent=_mean([answer["cpu_percent"] for answer, *_ in rounds]),
    )


def _round(server: Server, load: WorkerProcess, count: int, seconds: float, max_rate: float | None = None) -> Round:
    """Connect clients, measure for `seconds`, and disconnect them."""
    anchor = server.process.request("usage")["anchor"]
    load.request("connect", url=server.url, clients=count, max_rate=max_rate, anchor=anchor)
    load.request("measure", seconds=seconds)
    before = server.process.request("usage")
    answer = load.recv(seconds + ANSWER_TIMEOUT_S)
    after = server.process.request("usage")
    load.request("disconnect")
    return Round(answer, before, after)


def _stalled(server: Server, load: WorkerProcess, seconds: float, progress: Progress) -> Stalled:
    start = server.process.request("usage")
    load.request("connect", url=server.url, clients=HEALTHY, anchor=start["anchor"])
    load.request("stall", url=server.url)
    load.request("measure", seconds=seconds)
    begun, full, gone = time.perf_counter(), None, None
    before = now = server.process.request("usage")
    while (passed := time.perf_counter() - begun) < seconds:
        progress("one client never reads", passed / seconds)
        now = server.process.request("usage")
        full = full if full is not None or now["dropped"] == start["dropped"] else passed
        gone = gone if gone is not None or now["clients"] > HEALTHY else passed
        time.sleep(min(0.25, max(0.0, seconds - passed)))
    answer = load.recv()
    load.request("disconnect")
    slowest = answer["poses"][0] / answer["seconds"]
    return Stalled(HEALTHY, slowest, full, gone, (now["rss"] - before["rss"]) / 2**20)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
