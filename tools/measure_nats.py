"""Measure armbands on several machines, all of them on this one: gateway, workers, relays and viewers around a broker.

    python tools/measure_nats.py [--bands 8] [--workers 2] [--relays 3] [--viewers 600] [--seconds 20]

The page of results is written anew. One process is the gateway of all armbands (simulated, 200 Hz), each worker could
serve all of them, each relay passes on the poses of its share of them, and its viewers get all it has, at most 30 a
second of each. After the run one worker is killed. `nats-server` (Debian's package of that name) must be installed.
"""

from __future__ import annotations

import argparse
import re
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import psutil
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from drivers.clock import now
from drivers.sessions import read_session
from models.tables import markdown
from service.bench.processes import load_generator
from service.bench.processes.worker_process import WorkerProcess, usage
from service.bench.report.machine import machine

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs" / "results" / "machines.md"
RATE_HZ: Final = 30.0
POSE_HZ: Final = 50.0
START_S: Final = 60.0
SETTLE_S: Final = 5.0
AFTER_KILL_S: Final = 6.0
_READY: Final = re.compile(r"Myocast is ready: (http://\S+?)/?\s")


@dataclass
class Process:
    """One process and what it used between two looks."""

    name: str
    popen: subprocess.Popen[str]
    url: str = ""
    cpu: list[float] = field(default_factory=list)

    def note_cpu(self) -> None:
        self.cpu.append(sum(psutil.Process(self.popen.pid).cpu_times()[:2]))


class Probe(threading.Thread):
    """A viewer that keeps when each pose of each armband came, and how old it was."""

    def __init__(self, url: str) -> None:
        super().__init__(daemon=True)
        self.came: list[tuple[int, float, float]] = []
        """(device, time of arrival, seconds since its newest sample)."""
        self._url = url.replace("http", "ws") + "/v1/stream"
        self._over = threading.Event()

    def run(self) -> None:
        with connect(self._url, subprotocols=[Subprotocol("myocast.v1.binary")], max_size=None) as client:
            while not self._over.is_set():
                message = client.recv()
                if isinstance(message, bytes) and message[0] == 1:
                    at = now()
                    self.came.append((message[36], at, at - struct.unpack_from("<d", message, 16)[0]))

    def stop(self) -> None:
        self._over.set()
        self.join(START_S)

    def ages_ms(self, since: float, until: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        return 1e3 * np.array([age for _, at, age in self.came if since <= at < until])

    def longest_s(self, since: float) -> float:
        """The longest time without a pose of any armband."""
        times: dict[int, list[float]] = {}
        for device, at, _ in self.came:
            if at >= since:
                times.setdefault(device, []).append(at)
        return max(float(np.diff(found).max()) for found in times.values() if len(found) > 1)


def start(stack: ExitStack, name: str, *arguments: str) -> Process:
    """A `myocast serve` that is ready."""
    command = [sys.executable, "-c", "from service.cli import main; main()", "serve", *arguments, "--port", "0"]
    process = Process(name, subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True))
    stack.callback(process.popen.wait)
    stack.callback(process.popen.terminate)
    assert process.popen.stdout is not None
    found = _READY.match(process.popen.stdout.readline())
    assert found is not None, f"{name} is not ready"
    process.url = found[1]
    return process


@contextmanager
def broker(folder: Path) -> Iterator[tuple[Process, str]]:
    server = shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")
    if server is None:
        raise SystemExit("nats-server is not installed; on Debian: apt-get install nats-server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [server, "-a", "127.0.0.1", "-p", str(port), "-js", "-sd", str(folder), "--log", str(folder / "log")], text=True
    )
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        time.sleep(0.05)
    try:
        yield Process("nats-server", process), f"nats://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def direct_ages(seconds: float, model: Sequence[str]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Ages of poses in ms where one process does it all."""
    with ExitStack() as stack:
        probe = Probe(start(stack, "one process", "synthetic:?seed=1", *model).url)
        probe.start()
        time.sleep(2.0 + seconds)
        probe.stop()
    return probe.ages_ms(probe.came[-1][1] - seconds, np.inf)


def measure(arguments: argparse.Namespace) -> str:
    """Run it; return the page."""
    alone = direct_ages(min(arguments.seconds, 10.0), ())
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server, address = stack.enter_context(broker(folder))
        bands = [str(band) for band in range(arguments.bands)]
        gateway = start(
            stack, "gateway", *(f"synthetic:?seed={band}" for band in bands), "--model", "none", "--publish", address
        )
        slots = [f"{address}/*"] * len(bands)
        workers = [
            start(stack, f"worker {number + 1}", *slots, "--publish", address) for number in range(arguments.workers)
        ]
        shares = [bands[number :: arguments.relays] for number in range(arguments.relays)]
        relays = [
            start(stack, f"relay {number + 1}", *(f"{address}/{band}?of=pose" for band in share))
            for number, share in enumerate(shares)
        ]
        recording = folder / "band.mcap"
        recorder = subprocess.Popen(
            [sys.executable, "-c", "from service.cli import main; main()", "record", f"{address}/0", str(recording)],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        time.sleep(SETTLE_S)
        each = arguments.viewers // arguments.relays
        crowds = [stack.enter_context(WorkerProcess(load_generator.generate_load)) for _ in relays]
        for crowd, relay in zip(crowds, relays, strict=True):
            anchor = crowd.request("usage")["anchor"] - usage()["anchor"]
            crowd.request("connect", url=relay.url, clients=each, anchor=anchor, max_rate=RATE_HZ)
        probes = [Probe(relay.url) for relay in relays]
        for probe in probes:
            probe.start()
        everything = [server, gateway, *workers, *relays]
        for crowd in crowds:
            crowd.send("measure", seconds=arguments.seconds)
        for crowd in crowds:
            crowd.recv()
        begun = now()
        for process in everything:
            process.note_cpu()
        counted = [crowd.recv() for crowd in crowds]
        for process in everything:
            process.note_cpu()
        ended = now()
        for crowd in crowds:
            crowd.request("disconnect")
        killed_at = now()
        serving = max(workers, key=lambda worker: worker.cpu[-1] - worker.cpu[0])
        serving.popen.kill()
        time.sleep(AFTER_KILL_S)
        for probe in probes:
            probe.stop()
        recorder.terminate()
        recorder.wait()
        kept = read_session(recording)
        lost = int(kept.sample[-1] - kept.sample[0] + 1 - len(kept))
    ages = np.concatenate([probe.ages_ms(begun, ended) for probe in probes])
    got = sum(sum(one["poses"]) for one in counted)
    due = sum(each * len(share) * RATE_HZ * one["seconds"] for share, one in zip(shares, counted, strict=True))
    made = len(ages) / (len(bands) * POSE_HZ * (ended - begun))
    added = np.percentile(ages, (50, 99)) - np.percentile(alone, (50, 99))
    rows = [
        ("poses that came through a relay, of those due", f"{made:.1%}", ">= 99 %"),
        (f"poses in {each * len(relays)} viewers, of {RATE_HZ:g} a second and armband", f"{got / due:.1%}", ">= 99 %"),
        ("latency added to one process that does it all, p50", f"{added[0]:.1f} ms", "<= 2 ms"),
        ("the same, p99", f"{added[1]:.1f} ms", "<= 25 ms"),
        ("longest time without a pose after a worker was killed",
         f"{max(probe.longest_s(killed_at - 1.0) for probe in probes):.2f} s", "<= 0.5 s"),
        ("samples missing in a recording over the broker", str(lost), "0"),
    ]  # fmt: skip
    used = [(one.name, f"{100 * (one.cpu[1] - one.cpu[0]) / (ended - begun):.0f} %") for one in everything]
    about = machine()
    where = f"{about['processor']}, {about['cores']} cores, load {about['load_1min']:g} before"
    command = (
        f"python tools/measure_nats.py --bands {arguments.bands} --workers {arguments.workers} "
        f"--relays {arguments.relays} --viewers {arguments.viewers} --seconds {arguments.seconds:g}"
    )
    return HEAD.format(
        command=command,
        where=where,
        measures="\n".join(markdown(("measure", "figure", "limit"), rows)),
        used="\n".join(markdown(("process", "CPU, of a core"), used)),
    )


HEAD: Final = """# More than one machine

What [a gateway, workers, relays and a broker](../guides/machines.md) do together, all of them on one machine, so that
each takes the processor from the others: several machines do better.

```text
{command}
```

On {where}:

{measures}

{used}

The viewers' own processes ran on the same cores. Latency is from the time of a pose's newest sample until a viewer has
it.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bands", type=int, default=8)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--relays", type=int, default=3)
    parser.add_argument("--viewers", type=int, default=600)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--show", action="store_true", help="print the page instead of writing it")
    arguments = parser.parse_args()
    page = measure(arguments)
    if arguments.show:
        print(page)
    else:
        PAGE.write_text(page)


if __name__ == "__main__":
    main()
