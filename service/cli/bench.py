"""`myocast bench`: measure what was promised, on this machine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from models.errors import MyocastError
from models.installation import install_command

if TYPE_CHECKING:
    from rich.table import Table

    from service.bench.report.statistics import Limit

LATENCY_S: Final = 20.0
COMPARE_S: Final = 20.0
ROUND_S: Final = 5.0
CROWD_S: Final = 30.0
STARTS: Final = 5
PAGE_WIDTH: Final = 140
Progress = Callable[[str, float], None]


class UsageError(MyocastError):
    """Options that do not go together, or that need what is not there."""


@dataclass(frozen=True)
class Options:
    """What was asked for."""

    model: Path | None
    source: str
    clients: int
    seconds: float | None
    hop: int | None
    compare: bool
    soak_minutes: float
    soak_speed: float


@dataclass
class Report:
    """Everything that was measured, for people and for programs."""

    document: dict[str, Any] = field(default_factory=dict)
    tables: list[Table] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)

    def add(self, name: str, result: Any, tables: list[Table]) -> None:
        self.document[name] = asdict(result)
        self.tables += tables
        self.limits += result.limits()


def command(
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="A model file; without it the shipped default that fits.")] = None,
    source: Annotated[str, typer.Option(metavar="SOURCE", help="Where EMG comes from, as for `serve`.")] = "demo:",
    clients: Annotated[int, typer.Option(metavar="N", min=1, max=4000, help="Clients of the latency run.")] = 1,
    seconds: Annotated[float | None, typer.Option(metavar="N", min=0.5, help="Seconds of each run: of latency (20), comparison (20), each round of the fan-out (5), the crowd (30).", show_default=False)] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also Keras and TensorFlow on the same windows (needs the extra `train`).")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every figure as one JSON document.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw where the time goes (needs the extra `plot`).")] = None,
    hop: Annotated[int | None, typer.Option(metavar="N", min=1, help="Samples between two poses; without it as the model suggests.")] = None,
    architecture: Annotated[str | None, typer.Option(metavar="NAME", help="Latency and comparison: this architecture, untrained, in the model's place (needs the extra `train`).")] = None,
    fan_out: Annotated[bool, typer.Option("--fan-out", help="Instead of latency: 1 to 500 clients against a minimal server, a client that never reads, a crowd of 1,000.")] = False,
    startup: Annotated[bool, typer.Option("--startup", help="Instead of latency: from starting `serve` to the first pose; memory; imports.")] = False,
    soak: Annotated[bool, typer.Option("--soak", help="Instead of latency: an hour's recording replayed fast and recorded again.")] = False,
    soak_minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Minutes of that recording.")] = 60.0,
    soak_speed: Annotated[float, typer.Option(metavar="N", min=0.1, max=100.0, help="Recorded seconds per second.")] = 20.0,
    everything: Annotated[bool, typer.Option("--all", help="All of it, one after the other.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Leave with exit code 1 if a limit is missed.")] = False,
) -> None:  # fmt: skip
    """Measure latency stage by stage, with the real server in one process and real clients in another."""
    import tempfile

    _look_ahead(model, architecture, json_file, plot, compare or everything)
    special = fan_out or startup or soak
    if (plot is not None or compare) and special and not everything:
        raise UsageError(
            "--plot and --compare belong to the latency run, which --fan-out, --startup and --soak replace; leave one out"
        )
    report = Report()
    # Interrupted, it still tells what it has measured.
    with (
        suppress(KeyboardInterrupt),
        tempfile.TemporaryDirectory(prefix="myocast-bench-") as folder,
        _progress() as progress,
    ):
        place = Path(folder)
        options = Options(
            model, source, clients, seconds, hop, compare or everything, soak_minutes, soak_speed,
        )  # fmt: skip
        _describe(report, options, architecture)
        if everything or not special:
            timed = replace(options, model=_untrained(architecture, place, progress)) if architecture else options
            _latency(report, timed, place, plot, progress)
        if everything or startup:
            _startup(report, options, progress)
        if everything or fan_out:
            _fan_out(report, options, progress)
        if everything or soak:
            _soak(report, options, place, progress)
    if report.tables:
        _tell(report, json_file)
    if check and not all(limit.ok for limit in report.limits):
        raise typer.Exit(1)


def _look_ahead(
    model: Path | None, architecture: str | None, json_file: Path | None, plot: Path | None, compare: bool
) -> None:
    """What would fail at the end fails before minutes have passed."""
    if model is not None and architecture is not None:
        raise UsageError("--model and --architecture were both given; give one of them")
    if (compare or architecture) and find_spec("tensorflow") is None:
        raise UsageError(f"this comparison needs TensorFlow, which is not installed; run: {install_command('train')}")
    if plot is not None and find_spec("matplotlib") is None:
        raise UsageError(f"--plot needs matplotlib, which is not installed; run: {install_command('plot')}")
    for path in (json_file, plot):
        if path is not None and not path.absolute().parent.is_dir():
            raise UsageError(f"{path.parent}: no such folder; make it first")


def _untrained(architecture: str, folder: Path, progress: Progress) -> Path:
    from service.bench.workloads.frameworks import untrained

    progress(f"building {architecture}", 0.0)
    return untrained(architecture, folder)


def _describe(report: Report, options: Options, architecture: str | None) -> None:
    from service.bench.report.machine import machine, versions

    arguments = asdict(options) | {"model": options.model.name if options.model else None, "architecture": architecture}
    report.document |= {"machine": machine(), "versions": versions(), "arguments": arguments}


def _latency(report: Report, options: Options, folder: Path, plot: Path | None, progress: Progress) -> None:
    from service.bench.report import tables
    from service.bench.workloads.latency import Request, run

    seconds = options.seconds or LATENCY_S
    measured = run(Request(options.source, options.model, options.hop, options.clients, seconds), folder, progress)
    report.add("latency", measured.result, tables.latency(measured.result))
    if plot is not None:
        from service.bench.report.plot import draw

        _writing(plot, lambda: draw(measured, plot))
    if options.compare:
        from service.bench.workloads.frameworks import compare

        progress("Keras, TensorFlow and onnxruntime in turn", 0.0)
        result = compare(measured.model, measured.windows, options.seconds or COMPARE_S)
        report.add("compare", result, tables.comparison(result))


def _startup(report: Report, options: Options, progress: Progress) -> None:
    from service.bench.report import tables
    from service.bench.workloads import startup

    result = startup.run(options.source, options.model, STARTS, progress)
    report.add("startup", result, tables.startup(result))


def _fan_out(report: Report, options: Options, progress: Progress) -> None:
    from service.bench.report import tables
    from service.bench.workloads import fanout

    result = fanout.run(options.seconds or ROUND_S, progress)
    crowd = fanout.crowded(options.source, options.model, options.hop, options.seconds or CROWD_S, progress)
    result = replace(result, crowd=crowd)
    report.add("fan_out", result, tables.fan_out(result))


def _soak(report: Report, options: Options, folder: Path, progress: Progress) -> None:
    from service.bench.report import tables
    from service.bench.workloads import soak

    result = soak.run(folder, options.model, progress, options.soak_minutes, options.soak_speed)
    report.add("soak", result, tables.soak(result))


def _tell(report: Report, json_file: Path | None) -> None:
    from rich.console import Console

    from service.bench.report import tables

    console = Console() if sys.stdout.isatty() else Console(width=PAGE_WIDTH)
    for table in (*report.tables, tables.limits(report.limits)):
        console.print(table)
    machine = report.document["machine"]
    console.print(
        f"{machine['processor']}, {machine['cores']} cores, load {machine['load_1min']} before; {machine['system']}",
        highlight=False,
    )
    if json_file is not None:
        report.document["limits"] = [limit.as_dict() for limit in report.limits]
        text = json.dumps(report.document, indent=1)
        _writing(json_file, lambda: json_file.write_text(text + "\n", encoding="utf-8"))


def _writing(path: Path, write: Callable[[], object]) -> None:
    try:
        write()
    except OSError as error:
        raise UsageError(f"{path}: cannot be written ({error.strerror}); choose another file") from None


@contextmanager
def _progress() -> Iterator[Progress]:
    """A bar on stderr, where that is a terminal."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task("", total=1.0)
        yield lambda text, share: bar.update(task, description=text, completed=share)
