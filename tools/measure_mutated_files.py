"""Read files that were damaged at random: how many are read, how many refused in one line, how much memory and time.

    python tools/measure_mutated_files.py [--files 10000] [--seed 1]

One small file for every reader (`tests/support/mutated_files.py`), one to six random things done to its bytes. Any
traceback, any growth of memory beyond a gigabyte and any file that takes longer than ten seconds ends the run with 1;
the file is left in `build/mutated/`. Memory is measured on Linux only.
"""

from __future__ import annotations

import argparse
import faulthandler
import resource
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Final

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded

from models.tables import markdown
from tests.support.mutated_files import Damaged, check_one, mutated, samples

ROOT: Final = Path(__file__).parents[1]
KEPT: Final = ROOT / "build" / "mutated"
LONGEST_S: Final = 10
MOST_MB: Final = 1024
ADDRESSES: Final = 6 << 30
"""Bytes of address space of the process: what asks for more fails at once."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Read damaged files.")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    given_ = parser.parse_args()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    signal.signal(signal.SIGALRM, _too_long)
    KEPT.mkdir(parents=True, exist_ok=True)
    results: Counter[tuple[str, str]] = Counter()
    most_mb, longest_s = 0.0, 0.0
    with tempfile.TemporaryDirectory() as folder:
        files = samples(Path(folder))

        @seeded(given_.seed)
        @settings(
            max_examples=given_.files,
            deadline=None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(mutated(files))
        def run(damaged: Damaged) -> None:
            nonlocal most_mb, longest_s
            path = KEPT / damaged.name
            before = _peak_mb(reset=True)
            begun = time.perf_counter()
            signal.alarm(LONGEST_S)
            outcome = check_one(path, damaged.data)
            signal.alarm(0)
            longest_s = max(longest_s, time.perf_counter() - begun)
            grown = _peak_mb() - before
            most_mb = max(most_mb, grown)
            if grown > MOST_MB:
                raise AssertionError(f"{damaged.name}: {grown:.0f} MB for a file of {len(damaged.data)} bytes")
            results[damaged.name, outcome] += 1
            path.unlink()

        run()
    rows = [[name, str(results[name, "read"]), str(results[name, "refused"])] for name in sorted(files)]
    print("\n".join(markdown(["file", "read", "refused"], rows)))
    print(f"\n{sum(results.values())} files; most memory for one {most_mb:.0f} MB, longest {longest_s:.2f} s")
    return 0


def _too_long(number: int, frame: FrameType | None) -> None:
    raise AssertionError(f"longer than {LONGEST_S} s")


def _peak_mb(*, reset: bool = False) -> float:
    """Largest resident memory since the last reset; 0 where the system does not tell it."""
    try:
        if reset:
            Path("/proc/self/clear_refs").write_text("5")
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0.0
    return float(status.partition("VmHWM:")[2].split()[0]) / 1024


if __name__ == "__main__":
    sys.exit(main())
