"""The benchmark's report: tables for a terminal, one JSON document for programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.table import Table

from service.bench.errors import BenchError
from service.bench.report import tables
from service.bench.report.statistics import Limit
from service.bench.workloads.bands import Bands
from service.bench.workloads.fanout import FanOut
from service.bench.workloads.frameworks import Comparison
from service.bench.workloads.latency import Latency
from service.bench.workloads.soak import Soak
from service.bench.workloads.startup import Startup
from service.bench.workloads.swap import SwapRun

Result = Latency | Comparison | Startup | FanOut | Soak | SwapRun | Bands


@dataclass
class Report:
    """The figures so far. `document` is what `--json` writes."""

    document: dict[str, Any] = field(default_factory=dict)
    results: list[Table] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    def add(self, name: str, result: Result, shown: Sequence[Table]) -> None:
        """Add what one run gave."""
        self.document[name] = asdict(result)
        self.results += shown
        self.limits += result.limits()

    @property
    def met(self) -> bool:
        """Whether every limit is met."""
        return all(limit.ok for limit in self.limits)

    def tables(self) -> list[Table]:
        """The tables of all runs, and one of every limit; none where nothing was measured."""
        return [*self.results, tables.limits(self.limits)] if self.results else []

    def machine(self) -> str:
        """One line on the computer."""
        machine = self.document["machine"]
        load = machine["load_1min"]
        return f"{machine['processor']}, {machine['cores']} cores, load {load} before; {machine['system']}"

    def save(self, file: Path) -> None:
        """Write every figure as JSON.

        Raises:
            BenchError: the file cannot be written.
        """
        document = {**self.document, "limits": [limit.as_dict() for limit in self.limits]}
        text = json.dumps(document, indent=1)
        write_file(file, lambda: file.write_text(text + "\n", encoding="utf-8"))


def write_file(file: Path, write: Callable[[], object]) -> None:
    """Call what writes a file, and say in one line why it cannot be written.

    Raises:
        BenchError: the file cannot be written.
    """
    try:
        write()
    except OSError as error:
        raise BenchError(f"{file}: cannot be written ({error.strerror}); choose another file", 2) from None
