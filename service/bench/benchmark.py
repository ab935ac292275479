"""The benchmark: runs the workloads that the configuration selects, and adds their results to the report."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Final

from service.bench.config import BenchConfig
from service.bench.progress import Progress
from service.bench.report import tables
from service.bench.report.machine import machine, versions
from service.bench.report.plot import draw
from service.bench.report.report import Report, write_file
from service.bench.workloads import bands, fanout, frameworks, latency, soak, startup, swap

LATENCY_S: Final = 20.0
COMPARE_S: Final = 20.0
ROUND_S: Final = 5.0
"""Seconds of a round of the fan-out."""
MANY_CLIENTS_S: Final = 30.0
STARTS: Final = 5


def run_benchmark(config: BenchConfig, report: Report, progress: Progress) -> None:
    """Measure what is asked for; an interrupted run leaves in the report what has been measured before.

    Raises:
        BenchError: the benchmark cannot run as asked, or one of its processes failed.
    """
    config.check()
    report.document |= {"machine": machine(), "versions": versions(), "arguments": config.arguments()}
    with tempfile.TemporaryDirectory(prefix="myocast-bench-") as name:
        folder = Path(name)
        if config.latency:
            _latency(_with_untrained(config, folder, progress), report, folder, progress)
        if config.startup:
            started = startup.run(config.source, config.model, STARTS, progress)
            report.add("startup", started, tables.startup(started))
        if config.fan_out:
            _fan_out(config, report, progress)
        if config.swap:
            swapped = swap.run(folder, config.model, progress)
            report.add("swap", swapped, tables.swap(swapped))
        if config.bands:
            many = bands.run(folder, config.model, progress, config.seconds or bands.SECONDS)
            report.add("bands", many, tables.bands(many))
        if config.soak:
            replayed = soak.run(folder, config.model, progress, config.soak_minutes, config.soak_speed, config.faults)
            report.add("soak", replayed, tables.soak(replayed))


def _with_untrained(config: BenchConfig, folder: Path, progress: Progress) -> BenchConfig:
    """Put the untrained network in the model's place."""
    if config.architecture is None:
        return config
    progress(f"building {config.architecture}", 0.0)
    return replace(config, model=frameworks.untrained(config.architecture, folder))


def _latency(config: BenchConfig, report: Report, folder: Path, progress: Progress) -> None:
    seconds = config.seconds or LATENCY_S
    latency_config = latency.LatencyConfig(config.source, config.model, config.hop, config.clients, seconds)
    measured = latency.run(latency_config, folder, progress)
    report.add("latency", measured.result, tables.latency(measured.result))
    if (picture := config.plot) is not None:
        write_file(picture, lambda: draw(measured, picture))
    if config.compare:
        progress("Keras, TensorFlow and onnxruntime alternately", 0.0)
        compared = frameworks.compare(measured.model, measured.windows, config.seconds or COMPARE_S)
        report.add("compare", compared, tables.comparison(compared))


def _fan_out(config: BenchConfig, report: Report, progress: Progress) -> None:
    few = fanout.run(config.seconds or ROUND_S, progress)
    seconds = config.seconds or MANY_CLIENTS_S
    many = fanout.run_many_clients(config.source, config.model, config.hop, seconds, progress)
    result = replace(few, many_clients=many)
    report.add("fan_out", result, tables.fan_out(result))
