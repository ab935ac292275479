"""Starting up: `myocast serve` as a user types it, until the first pose is in a client."""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Final

import psutil

from myocast_client import ClientError, Pose, connect
from service.bench.errors import BenchError
from service.bench.progress import Progress
from service.bench.report.statistics import Limit
from service.run import READY

FIRST_POSE_S: Final = 2.0
MEMORY_MB: Final = 200.0
FIRST_POSE_TIMEOUT_S: Final = 60.0
END_TIMEOUT_S: Final = 15.0
SERVE_S: Final = 5.0
TRAINING: Final = ("tensorflow", "keras", "tf2onnx")
CODE: Final = "from service.cli import main; main()"


@dataclass(frozen=True, slots=True)
class Startup:
    """Results of several starts. The first start, which fills the disk cache, is left out."""

    ready_s: tuple[float, ...]
    """Seconds from the start of the process to its ready line."""
    first_pose_s: tuple[float, ...]
    """From the start of the process to the first pose in a client."""
    rss_mb: float
    """Resident memory after some seconds of serving a client."""
    modules: int
    training_modules: tuple[str, ...]
    """Of those imported while serving: TensorFlow, Keras and the like."""

    def limits(self) -> list[Limit]:
        return [
            Limit(
                "serve → first pose in a client, median", statistics.median(self.first_pose_s), "<", FIRST_POSE_S, "s"
            ),
            Limit("memory of the serving process", self.rss_mb, "<", MEMORY_MB, "MB"),
            Limit("training libraries imported to serve", len(self.training_modules), "==", 0),
        ]


def run(source: str, model: Path | None, repeats: int, progress: Progress) -> Startup:
    """Start, wait for a pose, stop; several times.

    Raises:
        BenchError: the server did not start, or no pose came.
    """
    ready, first = [], []
    rss = 0.0
    for number in range(repeats + 1):
        progress("starting", number / (repeats + 2))
        last = number == repeats
        to_ready, to_pose, rss = _start(source, model, SERVE_S if last else 0.0)
        if number:
            ready.append(to_ready)
            first.append(to_pose)
    progress("looking at imports", (repeats + 1) / (repeats + 2))
    modules = _imports(source, model)
    progress("starting", 1.0)
    training = tuple(sorted(name for name in modules if name.partition(".")[0] in TRAINING))
    return Startup(tuple(ready), tuple(first), rss, len(modules), training)


def _start(source: str, model: Path | None, serve_s: float, log: IO[bytes] | None = None) -> tuple[float, float, float]:
    """Seconds to the line and to the first pose, and resident MB after `serve_s` more."""
    arguments = ["serve", source, "--port", "0", *(["--model", str(model)] if model else [])]
    with tempfile.TemporaryFile() as own:
        errors = log or own
        env = _environment() | ({"PYTHONPROFILEIMPORTTIME": "1"} if log else {})
        begun = time.perf_counter()
        process = _spawn(arguments, env, errors)
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode().strip()
            to_ready = time.perf_counter() - begun
            if not line.startswith(READY):
                errors.seek(0)
                raise BenchError(f"`serve` did not start: {errors.read().decode(errors='replace').strip()[-300:]}")
            to_pose = asyncio.run(_first_pose(line.removeprefix(READY), serve_s)) - begun
            return to_ready, to_pose, _rss_mb(process.pid)
        finally:
            _end(process)


async def _first_pose(url: str, stay_s: float) -> float:
    came: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def note(_: Pose) -> None:
        if not came.done():
            came.set_result(time.perf_counter())

    client = connect(url, reconnect=False, queue=1)
    client.on(Pose, note)
    try:
        async with client:
            at = await asyncio.wait_for(came, FIRST_POSE_TIMEOUT_S)
            await asyncio.sleep(stay_s)
    except (ClientError, TimeoutError) as error:
        raise BenchError(f"no pose came from {url}: {error or f'none within {FIRST_POSE_TIMEOUT_S:g} s'}") from None
    return at


def _spawn(arguments: Sequence[str], env: Mapping[str, str], errors: IO[bytes]) -> subprocess.Popen[bytes]:
    """Start `myocast` outside the terminal's process group: Ctrl-C reaches the benchmark, which ends it."""
    command = [sys.executable, "-P", "-c", CODE, *arguments]
    if sys.platform == "win32":
        flags = subprocess.CREATE_NEW_PROCESS_GROUP
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, creationflags=flags)
    return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, start_new_session=True)


def _environment() -> dict[str, str]:
    """Give the environment in which a process finds the packages that this one has imported."""
    found = [find_spec(name) for name in ("service", "myocast_client")]
    folders = [str(Path(spec.origin).parents[1]) for spec in found if spec is not None and spec.origin]
    paths = dict.fromkeys([*folders, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


def _imports(source: str, model: Path | None) -> set[str]:
    """Every module that a serving process imports until it has served a pose, as Python itself reports them."""
    with tempfile.TemporaryFile() as log:
        _start(source, model, 0.5, log)
        log.seek(0)
        lines = log.read().decode(errors="replace").splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")} - {"imported package"}


def _rss_mb(pid: int) -> float:
    """Of the process and, where a launcher stands before it, its child."""
    process = psutil.Process(pid)
    return sum(p.memory_info().rss for p in (process, *process.children(recursive=True))) / float(2**20)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(END_TIMEOUT_S)
    if process.poll() is None:
        process.kill()
        process.wait()
    if process.stdout is not None:
        process.stdout.close()
