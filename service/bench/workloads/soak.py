"""The long run: an hour's recording replayed fast, recorded again, and everything counted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import quote

import numpy as np

from drivers.events import Frame, SourceInfo
from drivers.sessions import SessionWriter, read_session
from models.arrays import Float32Array
from models.forward.generator import Stream
from service.bench.errors import BenchError
from service.bench.processes import server_process, subscribers
from service.bench.processes.worker_process import Message, WorkerProcess
from service.bench.progress import Progress
from service.bench.report.machine import find_model_file
from service.bench.report.statistics import Limit
from service.bench.workloads.faults import Faults
from service.engine.model_selection import shipped
from service.engine.predictor import ModelFile

RATE_HZ: Final = 200.0
MINUTES: Final = 60.0
SPEED: Final = 20.0
LATE_S: Final = 0.1
GROWTH: Final = 5.0
SETTLED_S: Final = 60.0
"""Memory is compared with what it was then."""
EPOCH: Final = 1_700_000_000.0
NAMES: Final = ("one", "two")
"""Of the models that are swapped."""
SHIPPED: Final = "raw200"
FIRST: Final = 0.3
"""Share of the run after which what a leak makes more of is counted for the first time."""
REST_S: Final = 15.0
"""Seconds that a server has to close what faults have opened; an unfinished header has ten."""
HELD: Final = ("tasks", "threads", "files")
_PIECE: Final = 12_000
_ROWS: Final = 4
_CHECK_S: Final = 0.5


@dataclass(frozen=True, slots=True)
class Soak:
    """Results of the endurance run."""

    minutes: float
    speed: float
    in_file: int
    """Samples."""
    played: int
    recorded: int
    late_s: float
    """How long after its due time the last sample was played."""
    due_expected: int
    """Windows that the file's samples make, by arithmetic."""
    due: int
    poses: int
    skipped: int
    delivered: int
    """Poses that the one client got."""
    rss_mb: tuple[float, ...]
    """Resident memory of the server, every half second."""
    struck: dict[str, int] = field(default_factory=dict)
    """How often each fault struck."""
    wrong: tuple[str, ...] = ()
    """Answers to faults that a server should not give."""
    leaked: dict[str, int] = field(default_factory=dict)
    """Tasks, threads and open files that there were more of at the end than after a third of the faults."""

    @property
    def growth_percent(self) -> float:
        """From the end of the first minute (of a third of the run, where it is shorter) to the highest after it."""
        start = min(int(SETTLED_S / _CHECK_S), len(self.rss_mb) // 3)
        settled = self.rss_mb[start:]
        return 100.0 * (max(settled) / settled[0] - 1.0) if settled else 0.0

    def limits(self) -> list[Limit]:
        return [
            Limit("last sample after its due time", self.late_s, "<=", LATE_S, "s"),
            Limit("growth of memory after the first minute", self.growth_percent, "<", GROWTH, "%"),
            Limit("samples played, of those in the file", self.played, "==", self.in_file),
            Limit("samples recorded again", self.recorded, "==", self.in_file),
            Limit("windows due, of those the file makes", self.due, "==", self.due_expected),
            Limit("poses + skipped, of the windows due", self.poses + self.skipped, "==", self.due),
            *(Limit(f"{name} that were left behind", more, "<=", 0) for name, more in self.leaked.items()),
            *((Limit("wrong answers to faults", len(self.wrong), "==", 0),) if self.struck else ()),
        ]


def run(
    folder: Path,
    model: Path | None,
    progress: Progress,
    minutes: float = MINUTES,
    speed: float = SPEED,
    faults: int | None = None,
) -> Soak:
    """Make the recording, replay it into the server, with one client, and read what was recorded.

    Args:
        folder: for the files; the caller removes it.
        minutes: of recording.
        speed: recorded seconds per real second.
        faults: seed of the faults that strike meanwhile; None: none do.
    """
    file, again = folder / "long.mcap", folder / "again.mcap"
    samples = make(file, minutes, progress)
    source = f"replay:{quote(str(file))}?speed={speed:g}"
    models = _two_models(folder, model)
    with WorkerProcess(server_process.serve_replay, source=source, model=model, record=again, models=models) as server:
        url = server.recv()["url"]
        about = server.request("model")
        with WorkerProcess(subscribers.subscribe, url=url, clients=1, file=folder / "clients.npz") as client:
            client.recv()
            server.send("play")
            striking = None if faults is None else Faults(url, NAMES, faults)
            rss, end, leaked = _watch(server, samples / RATE_HZ / speed, progress, striking)
            delivered = client.request("poses")["poses"]
            client.request("stop")
        counts = server.request("stop")
        server.recv()
    spec = ModelFile(find_model_file(model, about["sha256"])).spec
    first = spec.window or about["hop"]
    return Soak(
        minutes, speed, samples, end["played"], len(read_session(again)),
        late_s=end["passed_s"] - (samples - 1) / RATE_HZ / speed,
        due_expected=1 + (samples - first) // about["hop"], due=counts["due"], poses=counts["poses"],
        skipped=counts["skipped"], delivered=delivered, rss_mb=tuple(rss),
        struck={} if striking is None else dict(striking.struck),
        wrong=() if striking is None else tuple(striking.failures), leaked=leaked,
    )  # fmt: skip


def make(path: Path, minutes: float, progress: Progress) -> int:
    """Write a session of so many minutes: one synthetic minute over and over, frames of four samples."""
    emg = Stream(0, 0, seed=1, losses=False).take(_PIECE).emg
    total = int(minutes * 60 * RATE_HZ)
    with SessionWriter(path) as writer:
        writer.write(SourceInfo("synthetic:", "An hour", RATE_HZ, nature="synthetic", hand="right"))
        for start in range(0, total, _ROWS):
            if start % _PIECE == 0:
                progress("making the recording", start / total)
            writer.write(_frame(emg, start, min(_ROWS, total - start)))
    return total


def _frame(emg: Float32Array, start: int, rows: int) -> Frame:
    t = EPOCH + start / RATE_HZ
    taken = np.take(emg, np.arange(start, start + rows) % len(emg), axis=0)
    return Frame(start, t, taken, arrival=t + (rows - 1) / RATE_HZ)


def _two_models(folder: Path, model: Path | None) -> Path:
    """A folder with two copies of the model, to swap between."""
    models = folder / "models"
    models.mkdir()
    content = (model or next(path for path in shipped() if path.stem == SHIPPED)).read_bytes()
    for name in NAMES:
        (models / f"{name}.onnx").write_bytes(content)
    return models


def _watch(
    server: WorkerProcess, seconds: float, progress: Progress, faults: Faults | None
) -> tuple[list[float], Message, dict[str, int]]:
    """Wait for the end of the replay; give the memory on the way in MB, the usage at the end, and what was leaked.

    Faults strike for a first and a second time with a rest after each, in which what they opened is closed.
    """
    begun, rss = time.perf_counter(), []
    before: Message = {}
    used: Message = {}
    if faults is not None:
        faults.start()
    while True:
        used = server.request("usage")
        rss.append(used["rss"] / 2**20)
        passed = time.perf_counter() - begun
        progress("replaying", min(1.0, passed / seconds))
        if faults is not None and not before and passed > seconds * FIRST:
            faults.pause()
            before = _at_rest(server)
            faults.start()
        if used["state"] == "ended":
            break
        if passed > 2 * seconds + 60.0:
            raise BenchError(f"the replay had not ended after {passed:.0f} s; expected {seconds:.0f} s")
        time.sleep(_CHECK_S)
    if faults is None:
        return rss, used, {}
    faults.pause()
    after = _at_rest(server)
    return rss, used, {name: int(after[name] - before[name]) for name in HELD}


def _at_rest(server: WorkerProcess) -> Message:
    """Usage once only the one client is left, or when it has had time enough."""
    for _ in range(int(REST_S / _CHECK_S)):
        time.sleep(_CHECK_S)
        used = server.request("usage")
        if used["clients"] == 1:
            break
    time.sleep(_CHECK_S)
    return server.request("usage")
