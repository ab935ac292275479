"""`myocast bench`: measure latency, fan-out, startup and endurance on this machine."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from service.bench.benchmark import run_benchmark
from service.bench.config import BenchConfig, check_folder
from service.bench.report.report import Report
from service.cli.progress import share_bar

PAGE_WIDTH: Final = 140
"""Columns of the tables where stdout is no terminal."""


def command(
    model: Annotated[Path | None, typer.Option(metavar="FILE", help="A model file; without it the shipped default that fits.")] = None,
    source: Annotated[str, typer.Option(metavar="SOURCE", help="Where EMG comes from, as for `serve`.")] = "demo:",
    clients: Annotated[int, typer.Option(metavar="N", min=1, max=4000, help="Clients of the latency run.")] = 1,
    seconds: Annotated[float | None, typer.Option(metavar="N", min=0.5, help="Seconds of each run: of latency (20), comparison (20), each round of the fan-out (5, and six times as long with one client), 1,000 clients (30).", show_default=False)] = None,
    compare: Annotated[bool, typer.Option("--compare", help="Also Keras and TensorFlow on the same windows (needs the extra `train`).")] = False,
    json_file: Annotated[Path | None, typer.Option("--json", metavar="FILE", help="Write every figure as one JSON document.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw where the time goes (needs the extra `plot`).")] = None,
    hop: Annotated[int | None, typer.Option(metavar="N", min=1, help="Samples between two poses; without it as the model suggests.")] = None,
    architecture: Annotated[str | None, typer.Option(metavar="NAME", help="Latency and comparison: this architecture, untrained, in the model's place (needs the extra `train`).")] = None,
    fan_out: Annotated[bool, typer.Option("--fan-out", help="Instead of latency: 1 to 500 clients against a reference server, a client that never reads, 1,000 clients.")] = False,
    startup: Annotated[bool, typer.Option("--startup", help="Instead of latency: from starting `serve` to the first pose; memory; imports.")] = False,
    swap: Annotated[bool, typer.Option("--swap", help="Instead of latency: matrices, models and heads swapped while poses flow, and what learning costs (5 minutes).")] = False,
    bands: Annotated[bool, typer.Option("--bands", help="Instead of latency: how many armbands one core serves at full rate, and what each costs.")] = False,
    soak: Annotated[bool, typer.Option("--soak", help="Instead of latency: an hour's recording replayed fast and recorded again.")] = False,
    soak_minutes: Annotated[float, typer.Option(metavar="N", min=0.1, help="Minutes of that recording.")] = 60.0,
    soak_speed: Annotated[float, typer.Option(metavar="N", min=0.1, max=100.0, help="Recorded seconds per second.")] = 20.0,
    faults: Annotated[int | None, typer.Option(metavar="SEED", min=0, help="With --soak: clients that come, go, flood or never read, swaps and garbage strike meanwhile.")] = None,
    everything: Annotated[bool, typer.Option("--all", help="All of it, one after the other.")] = False,
    check: Annotated[bool, typer.Option("--check", help="Leave with exit code 1 if a limit is missed.")] = False,
) -> None:  # fmt: skip
    """Measure latency stage by stage, with the real server in one process and real clients in another."""
    if json_file is not None:
        check_folder(json_file)
    config = BenchConfig(
        model,
        source,
        clients,
        seconds,
        hop,
        architecture,
        latency=everything or not (fan_out or startup or swap or bands or soak),
        compare=everything or compare,
        plot=plot,
        startup=everything or startup,
        fan_out=everything or fan_out,
        swap=everything or swap,
        bands=everything or bands,
        soak=everything or soak,
        soak_minutes=soak_minutes,
        soak_speed=soak_speed,
        faults=faults,
    )
    report = Report()
    # An interrupted run still reports what it has measured.
    with suppress(KeyboardInterrupt), share_bar() as progress:
        run_benchmark(config, report, progress)
    _print(report)
    if report.results and json_file is not None:
        report.save(json_file)
    if check and not report.met:
        raise typer.Exit(1)


def _print(report: Report) -> None:
    if tables := report.tables():
        console = Console() if sys.stdout.isatty() else Console(width=PAGE_WIDTH)
        console.print(*tables, sep="\n")
        console.print(report.machine(), highlight=False)
