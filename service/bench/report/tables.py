"""The report's tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence

from rich.table import Table

from service.bench.report.statistics import Limit, Times
from service.bench.workloads.bands import Bands
from service.bench.workloads.fanout import MANY_LEAST_HZ, MANY_RATE_HZ, RATE_HZ, Cost, FanOut, LeapCost, ManyClients
from service.bench.workloads.frameworks import Comparison
from service.bench.workloads.latency import STAGE_DESCRIPTIONS, Latency
from service.bench.workloads.soak import Soak
from service.bench.workloads.startup import Startup
from service.bench.workloads.swap import SwapRun


def latency(result: Latency) -> list[Table]:
    stages = _table("Latency per pose, ms", "stage", "", "p50", "p95", "p99", "max", text=2)
    for name, times in result.stages.items():
        stages.add_row(name, STAGE_DESCRIPTIONS[name], *_times(times), end_section=name in ("client", "total"))
    stages.add_row("onnxruntime", "alone, one thread, same windows", *_times(result.onnxruntime))
    stages.add_row("onnxruntime, paced", "the same, one run per pose period", *_times(result.onnxruntime_paced))
    return [stages, _facts("What ran", _about(result))]


def _about(result: Latency) -> Iterable[tuple[str, str]]:
    model, counts = result.model, result.counts
    due = " + ".join(f"{counts[name]} {name}" for name in ("poses", "skipped", "invalid", "unfinished"))
    missed = f"{result.client_gaps} missed, {result.unaccounted} hops unaccounted for"
    return (
        ("model", f"{model['name']}, {model['parameters']:,} parameters, {model['kind']} ({model['file']})"),
        ("poses", f"{result.pose_hz:g} a second to {result.clients} client(s) for {result.seconds:g} s"),
        ("engine could sustain", f"{result.sustained_hz:,.0f} poses a second on one thread"),
        ("windows due", f"{counts['due']} = {due}"),
        ("delivered", f"{result.delivered} poses; {missed}"),
        ("server", f"{result.server_cpu_percent:.1f} % of a core, {result.server_rss_mb:.0f} MB"),
        ("client process", f"{result.client_cpu_percent:.1f} % of a core"),
    )


def comparison(result: Comparison) -> list[Table]:
    weights = "the same weights" if result.trained else "untrained weights: no .keras file beside the model"
    differ = "" if result.differ_mm is None else f", at most {result.differ_mm:.2g} mm apart"
    table = _table(f"One window, one thread, ms ({weights}{differ})", "", "p50", "p95", "p99", "max", "onnxruntime is")
    rows = (
        ("Keras predict", result.keras_predict, f"{result.predict_ratio:.1f} x faster"),
        ("tf.function, no XLA", result.tf_function, f"{result.function_ratio:.1f} x faster"),
        ("onnxruntime", result.onnxruntime, ""),
    )
    for name, times, ratio in rows:
        table.add_row(name, *_times(times), ratio)
    return [table]


def fan_out(result: FanOut) -> list[Table]:
    tables = [_costs(result)] if result.rows else []
    if result.stalled is not None:
        tables.append(_facts("One client never reads", _stalled(result)))
    if result.many_clients is not None:
        title = "{} clients at {:g} Hz for {:.0f} s, source and model included"
        many = result.many_clients
        tables.append(_facts(title.format(many.clients, MANY_RATE_HZ, many.seconds), _many_clients(many)))
    if result.leap is not None:
        tables.append(_facts("Leap endpoint", _leap(result.leap)))
    return tables


def startup(result: Startup) -> list[Table]:
    training = ", ".join(result.training_modules) or "none"
    rows = (
        ("process → ready", _seconds(result.ready_s)),
        ("process → first pose in a client", _seconds(result.first_pose_s)),
        ("memory while serving", f"{result.rss_mb:.0f} MB"),
        (
            "modules imported",
            f"{result.modules}, of training libraries: {training}",
        ),
    )
    return [_facts("Starting `myocast serve`", rows)]


def swap(result: SwapRun) -> list[Table]:
    table = _table(
        "Swaps while poses flow", "", "swaps", "hops between poses, at most", "poses missed", "first pose off, mm"
    )
    for kind in result.kinds:
        apart = "–" if kind.first_mm is None else f"{kind.first_mm:.3f}"
        table.add_row(kind.kind, str(kind.swaps), f"{kind.most_hops:g}", str(kind.missed), apart)
    rows = (
        ("labels", f"{result.labels} in {result.learned_s:g} s, and a new head every second"),
        ("server without learning", f"{result.serving_percent:.1f} % of a core"),
        ("while it learns", f"{result.learning_percent:.1f} %; {result.last_minute_percent:.1f} % in the last minute"),
        ("one fit to all labels", f"{result.fit_s:.2f} s"),
    )
    return [table, _facts("What learning costs", rows)]


def bands(result: Bands) -> list[Table]:
    where = "on one core" if result.pinned else "in one process"
    table = _table(
        f"Many armbands {where}, {result.seconds:g} s each",
        "armbands",
        "poses, of those due",
        "delivered",
        "CPU",
        "memory",
    )
    for one in result.rounds:
        table.add_row(
            str(one.bands),
            f"{one.share:.1%}",
            f"{one.delivered:.1%}",
            f"{one.cpu_percent:.1f} %",
            f"{one.rss_mb:.0f} MB",
        )
    return [table]


def soak(result: Soak) -> list[Table]:
    rows = (
        ("samples in the file / played / recorded", f"{result.in_file:,} / {result.played:,} / {result.recorded:,}"),
        ("windows due", f"{result.due:,} = {result.poses:,} poses + {result.skipped:,} skipped"),
        ("poses in the client", f"{result.delivered:,}"),
        ("last sample", f"{1e3 * result.late_s:.1f} ms after its due time"),
        ("memory", f"{result.rss_mb[-1]:.0f} MB at the end, {result.growth_percent:+.1f} % after the first minute"),
        *((f"fault: {name}", f"{times} times") for name, times in sorted(result.struck.items())),
        *((f"left behind: {name}", str(more)) for name, more in result.leaked.items()),
        *(("wrong answer", text) for text in result.wrong),
    )
    return [_facts(f"{result.minutes:g} minutes replayed at {result.speed:g}x", rows)]


def limits(all_limits: Iterable[Limit]) -> Table:
    """Every measure and its limit."""
    table = _table("Measures", "", "measured", "limit", "")
    for limit in all_limits:
        unit = f" {limit.unit}" if limit.unit else ""
        mark = "[green]met[/]" if limit.ok else "[red]missed[/]"
        table.add_row(
            limit.name, f"{_number(limit.value)}{unit}", f"{limit.relation} {_number(limit.limit)}{unit}", mark
        )
    return table


def _costs(result: FanOut) -> Table:
    table = _table(
        f"Fan-out at {result.rate_hz:g} poses a second: Myocast | FastAPI reference server",
        "clients", "CPU µs/message", "ratio", "server CPU %", "poses/s each", "p50 ms", "p99 ms", "client CPU %",
    )  # fmt: skip
    shown = (("cpu_percent", 1), ("rate_hz", 1), ("p50_ms", 2), ("p99_ms", 2), ("client_cpu_percent", 1))
    for row in result.rows:
        rest = [_pair(row.ours, row.reference, name, digits) for name, digits in shown]
        table.add_row(str(row.clients), _pair(row.ours, row.reference, "us_per_message", 1), f"{row.ratio:.2f}", *rest)
    return table


def _pair(ours: Cost, reference: Cost, name: str, digits: int) -> str:
    return f"{getattr(ours, name):.{digits}f} | {getattr(reference, name):.{digits}f}"


def _stalled(result: FanOut) -> tuple[tuple[str, str], ...]:
    stalled = result.stalled
    assert stalled is not None
    full = "never" if stalled.full_after_s is None else f"{stalled.full_after_s:.1f} s"
    gone = "not yet" if stalled.gone_after_s is None else f"{stalled.gone_after_s:.1f} s"
    return (
        (
            f"slowest of {stalled.healthy} other clients",
            f"{stalled.slowest_hz:.2f} of {result.rate_hz:g} poses a second",
        ),
        ("its buffers full after", full),
        ("gone from the server after", gone),
        ("memory of the server meanwhile", f"{stalled.rss_growth_mb:+.1f} MB"),
    )


def _many_clients(many: ManyClients) -> tuple[tuple[str, str], ...]:
    return (
        (f"clients with {MANY_LEAST_HZ:g} a second", f"{many.share:.1%}; the slowest had {many.slowest_hz:.1f}"),
        ("latency p50 / p99", f"{many.p50_ms:.1f} / {many.p99_ms:.1f} ms, from the newest sample's time"),
        ("windows skipped", f"{many.skipped}"),
        ("server", f"{many.server_cpu_percent:.0f} % of a core, {many.server_rss_mb:.0f} MB"),
        ("client process", f"{many.client_cpu_percent:.0f} % of a core"),
    )


def _leap(leap: LeapCost) -> tuple[tuple[str, str], ...]:
    return (
        ("CPU of a frame", f"{leap.us_per_frame:.0f} µs for {leap.bytes:,} bytes"),
        (f"at {RATE_HZ:g} a second", f"{leap.core_percent:.2f} % of a core"),
    )


def _facts(title: str, rows: Iterable[tuple[str, str]]) -> Table:
    table = _table(title, "", "", text=2)
    for row in rows:
        table.add_row(*row)
    return table


def _table(title: str, *columns: str, text: int = 1) -> Table:
    """The first `text` columns are words, the others numbers."""
    table = Table(title=title, title_justify="left", title_style="bold", show_header=any(columns))
    for at, name in enumerate(columns):
        table.add_column(name, justify="left" if at < text else "right")
    return table


def _times(times: Times) -> list[str]:
    return [f"{value:.3f}" for value in (times.p50, times.p95, times.p99, times.max)]


def _seconds(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.2f} s median, {max(values):.2f} s at most, of {len(values)}"


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
