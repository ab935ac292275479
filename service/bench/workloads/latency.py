"""The latency run: how long each pose took from its newest sample's arrival to the client, stage by stage."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from models.arrays import Float64Array
from service.bench.errors import BenchError
from service.bench.processes import onnxruntime_baseline, server_process, subscribers
from service.bench.processes.trace import POSE_COLUMNS
from service.bench.processes.worker_process import Message, WorkerProcess, cpu_percent
from service.bench.progress import Progress
from service.bench.report.machine import find_model_file
from service.bench.report.statistics import Limit, Times
from service.bench.workloads import windows
from service.engine.predictor import ModelFile

FIRST_POSE_S: Final = 30.0
WARM_UP_S: Final = 1.0
STAGES: Final = {
    "window": ("arrival", "due"),
    "hand-over": ("due", "started"),
    "inference": ("started", "finished"),
    "loop": ("finished", "handed"),
    "encode": ("handed", "encoded"),
    "socket": ("encoded", "sent"),
    "client": ("sent", "received"),
    "total": ("arrival", "received"),
}
STAGE_DESCRIPTIONS: Final = {
    "window": "sample's arrival → its window is due",
    "hand-over": "→ the worker thread begins",
    "inference": "→ the pose is there",
    "loop": "→ back on the event loop",
    "encode": "→ encoded",
    "socket": "→ handed to the client's transport",
    "client": "→ received and decoded by the client",
    "total": "arrival → received and decoded by the client",
}


@dataclass(frozen=True, slots=True)
class LatencyConfig:
    """Configuration of the latency run."""

    source: str
    model: Path | None
    hop: int | None
    clients: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Latency:
    """Results of one run. Durations in ms."""

    model: dict[str, Any]
    pose_hz: float
    seconds: float
    clients: int
    stages: dict[str, Times]
    onnxruntime: Times
    """onnxruntime alone, one run after the other."""
    onnxruntime_paced: Times
    """onnxruntime alone, one run per pose period."""
    sustained_hz: float
    """Poses per second that one engine thread makes without a pause."""
    counts: dict[str, int]
    delivered: int
    client_gaps: int
    """Poses that a client did not get."""
    unaccounted: int
    """Hops between a client's poses that are neither poses nor counted as skipped."""
    server_cpu_percent: float
    server_rss_mb: float
    client_cpu_percent: float

    @property
    def overhead_ms(self) -> float:
        """Median latency minus the model's alone, ms, run back to back, with the model's weights in the caches."""
        return self.stages["total"].p50 - self.onnxruntime.p50

    @property
    def overhead_paced_ms(self) -> float:
        """Median latency minus the model's alone at the same rate, ms."""
        return self.stages["total"].p50 - self.onnxruntime_paced.p50

    def limits(self) -> list[Limit]:
        total, missing = (
            self.stages["total"],
            self.counts["due"] - sum(self.counts[key] for key in ("poses", "skipped", "invalid", "unfinished")),
        )
        alone = "beyond onnxruntime alone"
        p99_limit = 4 * self.onnxruntime.p50 + 5
        return [
            Limit(f"median arrival → client, {alone} at its rate", self.overhead_paced_ms, "<=", 1.0, "ms"),
            Limit(f"median arrival → client, {alone} back to back", self.overhead_ms, "<=", 1.0, "ms"),
            Limit("p99 arrival → client, against 4 x onnxruntime's median + 5 ms", total.p99, "<=", p99_limit, "ms"),
            Limit("windows due - poses - skipped", missing + self.unaccounted, "==", 0),
            Limit("poses that a client missed", self.client_gaps, "==", 0),
        ]  # fmt: skip


@dataclass(frozen=True, slots=True)
class LatencyRun:
    """A run's result and what it was made from."""

    result: Latency
    stages: dict[str, Float64Array]
    onnxruntime: Float64Array
    model: Path
    windows: Path
    """An .npy of the windows that were served, (k, rows, 8)."""


def run(config: LatencyConfig, folder: Path, progress: Progress) -> LatencyRun:
    """Serve, subscribe, wait, and join what both processes have written.

    Args:
        folder: for files between the processes; the caller removes it.
        progress: called with a text for the present step and a share from 0 to 1.

    Raises:
        BenchError: a process failed; the source or the model cannot be used.
    """
    progress("starting the server", 0.0)
    trace, received = folder / "server.npz", folder / "clients.npz"
    with WorkerProcess(
        server_process.serve, source=config.source, model=config.model, hop=config.hop, trace=trace
    ) as server:
        url = server.recv()["url"]
        about = server.request("model")
        with WorkerProcess(subscribers.subscribe, url=url, clients=config.clients, file=received) as clients:
            clients.recv()
            used = _stream(server, clients, config, progress)
            clients.request("stop")
        counts = server.request("stop")
        server.recv()
    model = find_model_file(config.model, about["sha256"])
    return _join(folder, model, about, used, counts, config, progress)


def _stream(
    server: WorkerProcess, clients: WorkerProcess, config: LatencyConfig, progress: Progress
) -> dict[str, float]:
    """Warm up, then let it run; give the CPU that both processes used meanwhile."""
    if not clients.request("first", within_s=FIRST_POSE_S)["came"]:
        raise BenchError(
            f"{config.source}: no pose came within {FIRST_POSE_S:g} s; try `myocast serve {config.source}`"
        )
    time.sleep(WARM_UP_S)
    before = server.request("usage"), clients.request("usage")
    start = time.perf_counter()
    while (passed := time.perf_counter() - start) < config.seconds:
        progress("streaming", passed / config.seconds)
        time.sleep(min(0.2, max(0.0, config.seconds - passed)))
    after = server.request("usage"), clients.request("usage")
    return {
        "start": start,
        "stop": start + config.seconds,
        "server": cpu_percent(before[0], after[0]),
        "client": cpu_percent(before[1], after[1]),
        "rss_mb": after[0]["rss"] / 2**20,
    }


def _join(
    folder: Path, model: Path, about: Message, used: dict[str, float], counts: dict[str, int],
    config: LatencyConfig, progress: Progress,
) -> LatencyRun:  # fmt: skip
    with np.load(folder / "server.npz") as server, np.load(folder / "clients.npz") as clients:
        poses, sent, received = server["poses"], server["sent"], clients["poses"]
        received = received[(received[:, 5] >= used["start"]) & (received[:, 5] < used["stop"])]
        stages = stage_times(poses, sent, received)
        spec = ModelFile(model).spec
        rows = spec.window or about["hop"]
        model_windows = windows.cut(server["emg"], server["sample"], poses[:, 1].astype(np.int64), rows)
    if not len(model_windows):
        raise BenchError(f"{config.source}: too few poses came to measure anything; give --seconds more time")
    kept = folder / "windows.npy"
    np.save(kept, model_windows)
    period = about["hop"] / about["rate_hz"]
    times = _baseline(model, kept, period, min(5.0, config.seconds), progress)
    gaps, unaccounted = continuity(received, about["hop"])
    return LatencyRun(
        Latency(
            model={"name": spec.name, "parameters": spec.parameters, "kind": spec.kind, "file": model.name, **about},
            pose_hz=1.0 / period, seconds=config.seconds, clients=config.clients,
            stages={name: Times.of(values) for name, values in stages.items()},
            onnxruntime=Times.of(times["onnxruntime"]), onnxruntime_paced=Times.of(times["paced"]),
            sustained_hz=1.0 / float(np.mean(times["engine"])),
            counts={key: counts[key] for key in ("due", "poses", "skipped", "invalid", "unfinished")},
            delivered=len(received), client_gaps=gaps, unaccounted=unaccounted,
            server_cpu_percent=used["server"], server_rss_mb=used["rss_mb"], client_cpu_percent=used["client"],
        ),
        stages, times["onnxruntime"], model, kept,
    )  # fmt: skip


def _baseline(model: Path, kept: Path, period: float, seconds: float, progress: Progress) -> dict[str, Float64Array]:
    progress("onnxruntime alone on the same windows", 0.0)
    with WorkerProcess(
        onnxruntime_baseline.measure, model=model, windows=kept, seconds=seconds, period_s=period
    ) as worker:
        answer = worker.recv()
    progress("onnxruntime alone on the same windows", 1.0)
    return {name: np.array(values) for name, values in answer.items()}


def stage_times(poses: Float64Array, sent: Float64Array, received: Float64Array) -> dict[str, Float64Array]:
    """Each stage's durations in seconds, one per pose and client.

    Args:
        poses: (k, 10), `trace.POSE_COLUMNS`.
        sent: (m, 3) client, seq, time.
        received: (n, 6) client, seq, sample, skipped, gap, time.
    """
    _, at_sent, at_received = np.intersect1d(_key(sent), _key(received), return_indices=True)
    seq = received[at_received, 1]
    row = np.searchsorted(poses[:, 0], seq)
    known = (row < len(poses)) & (poses[np.minimum(row, len(poses) - 1), 0] == seq)
    times = {name: poses[row[known], column] for column, name in enumerate(POSE_COLUMNS)}
    times["sent"], times["received"] = sent[at_sent[known], 2], received[at_received[known], 5]
    return {name: times[stop] - times[start] for name, (start, stop) in STAGES.items()}


def continuity(received: Float64Array, hop: int) -> tuple[int, int]:
    """Count, from what clients received, the poses that they missed and the hops that are unaccounted for.

    Between two poses in a row of one stretch lie hop x (1 + skipped) samples, else something was lost
    without being counted.
    """
    gaps = unaccounted = 0
    for number in np.unique(received[:, 0]):
        mine = received[received[:, 0] == number]
        step = np.diff(mine, axis=0)
        gaps += int((step[:, 1] - 1).sum())
        in_a_row = (step[:, 1] == 1) & (mine[1:, 4] == 0)
        unaccounted += int((step[in_a_row, 2] != hop * (1 + mine[1:][in_a_row, 3])).sum())
    return gaps, unaccounted


def _key(rows: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    return rows[:, 0].astype(np.int64) << 32 | rows[:, 1].astype(np.int64)
