"""Many armbands in one process on one core: how many keep their full rate, and what each costs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from service.bench.errors import BenchError
from service.bench.processes import load_generator, server_process
from service.bench.processes.worker_process import Message, WorkerProcess, cpu_percent
from service.bench.progress import Progress
from service.bench.report.statistics import Limit
from service.bench.workloads.soak import make

BANDS: Final = (1, 8, 16, 32, 48, 64, 80, 96)
SECONDS: Final = 10.0
"""Of each round."""
FULL: Final = 0.99
"""Share of the windows due that become poses where armbands count as served at full rate."""
AT_LEAST: Final = 60
MOST_MB: Final = 3.0
_MINUTES: Final = 0.5
_RUN_UP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Round:
    """So many armbands at once."""

    bands: int
    share: float
    """Poses of all armbands, of the windows that fell due."""
    delivered: float
    """Poses that the client got, of those that were made."""
    cpu_percent: float
    """Of the server process, of a core."""
    rss_mb: float

    @property
    def full(self) -> bool:
        """Whether every armband is served at its full rate."""
        return min(self.share, self.delivered) >= FULL


@dataclass(frozen=True, slots=True)
class Bands:
    """Results of the run."""

    seconds: float
    pinned: bool
    """Whether the server was kept on one core."""
    rounds: tuple[Round, ...]

    @property
    def most(self) -> int:
        """Armbands of the largest round up to which every one was served at full rate."""
        most = 0
        for one in self.rounds:
            if not one.full:
                break
            most = one.bands
        return most

    @property
    def mb_per_band(self) -> float:
        """Memory that one more armband takes, MB."""
        first, last = self.rounds[0], self.rounds[-1]
        return (last.rss_mb - first.rss_mb) / (last.bands - first.bands)

    def limits(self) -> list[Limit]:
        return [
            Limit("armbands at full rate on one core", self.most, ">=", AT_LEAST),
            Limit("memory of one more armband", self.mb_per_band, "<=", MOST_MB, "MB"),
        ]


def run(
    folder: Path,
    model: Path | None,
    progress: Progress,
    seconds: float = SECONDS,
    bands: Sequence[int] = BANDS,
) -> Bands:
    """Replay one recording as so many armbands, each from another place, with a client that takes the poses of all.

    Args:
        folder: for the recording; the caller removes it.
        seconds: of each round.
        bands: how many armbands there are in each round; at least two rounds.
    """
    file = folder / "band.mcap"
    make(file, _MINUTES, progress)
    rounds, pinned = [], True
    for number, count in enumerate(bands):
        progress(f"{count} armbands", number / len(bands))
        one, alone = _round(file, model, count, seconds)
        rounds.append(one)
        pinned = pinned and alone
    return Bands(seconds, pinned, tuple(rounds))


def _round(file: Path, model: Path | None, count: int, seconds: float) -> tuple[Round, bool]:
    start_s = 60.0 * _MINUTES / count
    sources = [f"replay:{quote(str(file))}?loop=1&start={number * start_s:.3f}" for number in range(count)]
    with (
        WorkerProcess(server_process.serve, source=sources[0], sources=sources, model=model, core=0) as server,
        WorkerProcess(load_generator.generate_load) as client,
    ):
        ready = server.recv()
        anchor = client.request("usage")["anchor"] - server.request("usage")["anchor"]
        client.request("connect", url=ready["url"], clients=1, anchor=anchor)
        time.sleep(_RUN_UP_S)
        client.send("measure", seconds=seconds)
        client.recv()
        before = server.request("bands")
        counted = client.recv()
        after = server.request("bands")
        server.request("stop")
        server.recv()
    due, poses = _grown(before, after, "due"), _grown(before, after, "poses")
    if not due or not poses:
        raise BenchError(f"{count} armbands gave no pose in {seconds:g} s")
    took = (after["at"] - before["at"]) / counted["seconds"]
    delivered = min(1.0, sum(counted["poses"]) * took / poses)
    return Round(count, min(1.0, poses / due), delivered, cpu_percent(before, after), after["rss"] / 2**20), ready[
        "pinned"
    ]


def _grown(before: Message, after: Message, name: str) -> int:
    return int(after[name] - before[name])
