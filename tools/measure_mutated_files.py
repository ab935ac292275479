"""Read files that were damaged at random: how many are read, how many refused in one line, how much memory and time.

    python tools/measure_mutated_files.py [--files 10000] [--seed 1] [--out FILE]

One small file for every reader (`tests/support/mutated_files.py`), one to six random things done to its bytes. Any
traceback, any growth of memory beyond a gigabyte and any file that takes longer than ten seconds ends the run with 1;
the file is left in `build/mutated/`.
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

from models.tables import markdown
from tests.support.mutated_files import check_one, samples, try_damaged

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
    parser.add_argument("--out", type=Path, help="a Markdown file for what is printed")
    given = parser.parse_args()
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
    signal.signal(signal.SIGALRM, _too_long)
    KEPT.mkdir(parents=True, exist_ok=True)
    results: Counter[tuple[str, str]] = Counter()
    longest_s = 0.0
    with tempfile.TemporaryDirectory() as folder:
        files = samples(Path(folder))
    for name, content in files.items():
        # What the libraries take when they are first used is not the file's.
        check_one(KEPT / name, content)
    before = begun = time.perf_counter()
    memory = _peak_mb()
    for number, (name, content) in enumerate(sorted(files.items())):
        count = given.files // len(files) + (number < given.files % len(files))

        def then(outcome: str, size: int, name: str = name) -> None:
            nonlocal before, longest_s
            results[name, outcome] += 1
            longest_s, before = max(longest_s, time.perf_counter() - before), time.perf_counter()
            signal.alarm(LONGEST_S)
            if (grown := _peak_mb() - memory) > MOST_MB:
                raise AssertionError(f"{name}: {grown:.0f} MB for a file of {size} bytes")

        try_damaged(name, content, KEPT, count, given.seed, then)
        signal.alarm(0)
        (KEPT / name).unlink(missing_ok=True)
    rows = [[name, str(results[name, "read"]), str(results[name, "refused"])] for name in sorted(files)]
    said = "\n".join(markdown(["file", "read", "refused"], rows))
    said += (
        f"\n\n{sum(results.values())} files in {time.perf_counter() - begun:.0f} s; "
        f"{_peak_mb() - memory:.0f} MB more than for the files as they were, {longest_s:.2f} s for the slowest\n"
    )
    print(said, end="")
    if given.out is not None:
        given.out.write_text(
            f"`python tools/measure_mutated_files.py --files {given.files} --seed {given.seed}`\n\n{said}"
        )
    return 0


def _too_long(number: int, frame: FrameType | None) -> None:
    raise AssertionError(f"longer than {LONGEST_S} s")


def _peak_mb() -> float:
    """Largest resident memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20 if sys.platform == "darwin" else 1 << 10)


if __name__ == "__main__":
    sys.exit(main())
