"""Configuration of the benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from models.installation import install_command
from service.bench.errors import BenchError


@dataclass(frozen=True, slots=True)
class BenchConfig:
    """What to measure, and of what."""

    model: Path | None = None
    """None for the shipped model that fits the source."""
    source: str = "demo:"
    clients: int = 1
    """Of the latency run."""
    seconds: float | None = None
    """Of each run; None for each run's own."""
    hop: int | None = None
    """Samples between two poses; None for the model's."""
    architecture: str | None = None
    """A network to build untrained and to use in the model's place."""
    latency: bool = True
    compare: bool = False
    """Keras and TensorFlow too, on the windows of the latency run."""
    plot: Path | None = None
    startup: bool = False
    fan_out: bool = False
    swap: bool = False
    bands: bool = False
    soak: bool = False
    soak_minutes: float = 60.0
    soak_speed: float = 20.0
    faults: int | None = None
    """Seed of the faults that strike during the endurance run; None: none do."""

    def check(self) -> None:
        """Refuse what would fail only after minutes.

        Raises:
            BenchError: options that exclude each other, or that need a package or a folder that is not there.
        """
        if not self.latency and (self.plot is not None or self.compare):
            raise BenchError(
                "--plot and --compare belong to the latency run, which --fan-out, --startup, --swap, --bands and "
                "--soak replace; leave one out",
                2,
            )
        if self.model is not None and self.architecture is not None:
            raise BenchError("--model and --architecture were both given; give one of them", 2)
        if self.compare or self.architecture:
            check_package("tensorflow", "this comparison needs TensorFlow", "train")
        if self.plot is not None:
            check_package("matplotlib", "--plot needs matplotlib", "plot")
            check_folder(self.plot)

    def arguments(self) -> dict[str, Any]:
        """The arguments as a report keeps them."""
        return {
            "model": self.model.name if self.model else None,
            "source": self.source,
            "clients": self.clients,
            "seconds": self.seconds,
            "hop": self.hop,
            "compare": self.compare,
            "soak_minutes": self.soak_minutes,
            "soak_speed": self.soak_speed,
            "faults": self.faults,
            "architecture": self.architecture,
        }


def check_package(name: str, need: str, extra: str) -> None:
    """Refuse to go on without a package that one of our extras installs.

    Raises:
        BenchError: the package is not installed.
    """
    if find_spec(name) is None:
        raise BenchError(f"{need}, which is not installed; run: {install_command(extra)}", 2)


def check_folder(file: Path) -> None:
    """Refuse a file to write whose folder does not exist.

    Raises:
        BenchError: there is no such folder.
    """
    if not file.absolute().parent.is_dir():
        raise BenchError(f"{file.parent}: no such folder; make it first", 2)
