"""Write a CSV of a gigabyte and measure how long `myocast info` takes for it, and how much memory.

python tools/measure_large_text.py [--mb 1000] [--out FILE]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import orjson

ROWS = 100_000


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure `myocast info` of a large CSV.")
    parser.add_argument("--mb", type=int, default=1000)
    parser.add_argument("--out", type=Path, help="a Markdown file for what is printed")
    given = parser.parse_args()
    size = given.mb * 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.csv"
        _write(path, size)
        begun = time.perf_counter()
        child = subprocess.Popen([sys.executable, "-c", "from service.cli import main; main()", "info", str(path)])
        _, status, usage = os.wait4(child.pid, 0)
        seconds, mb = time.perf_counter() - begun, usage.ru_maxrss / 1024
        cpu = usage.ru_utime + usage.ru_stime
        said = (
            f"{path.stat().st_size / 1e6:.0f} MB: {seconds:.1f} s ({cpu:.1f} s of a processor), {mb:.0f} MB of memory\n"
        )
    print(said, end="")
    if given.out is not None:
        given.out.write_text(f"`python tools/measure_large_text.py --mb {given.mb}`\n\n{said}")
    return os.waitstatus_to_exitcode(status)


def _write(path: Path, size: int) -> None:
    random = np.random.default_rng(1)
    rows = orjson.dumps(random.integers(-128, 128, (ROWS, 8)), option=orjson.OPT_SERIALIZE_NUMPY)[2:-2].split(b"],[")
    with path.open("wb") as file:
        file.write(b"t,ch1,ch2,ch3,ch4,ch5,ch6,ch7,ch8\n")
        first = 0
        while file.tell() < size:
            t = np.round((first + np.arange(ROWS)) / 200, 3)
            times = orjson.dumps(t, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1].split(b",")
            file.write(b"\n".join(map(b",".join, zip(times, rows, strict=True))) + b"\n")
            first += ROWS


if __name__ == "__main__":
    sys.exit(main())
