"""A picture of where a pose's time goes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import numpy as np

from models.arrays import Float64Array
from service.bench.workloads.latency import STAGE_DESCRIPTIONS, LatencyRun

_LEAST_MS: Final = 1e-3
_COLOUR, _TOTAL, _ALONE = "#4c78a8", "#e45756", "#54a24b"


def draw(run: LatencyRun, path: Path) -> None:
    """Write the distributions of a run's stages, and of its total beside the model's alone, as a PNG.

    Raises:
        OSError: the file cannot be written.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 5), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _stages(left, run)
    _total(right, run)
    result = run.result
    figure.suptitle(
        f"{result.model['name']} ({result.model['parameters']:,} parameters), {result.pose_hz:g} poses/s, "
        f"{result.clients} client(s), {result.delivered} poses"
    )
    figure.savefig(path, dpi=120, format="png")


def _stages(axes: Any, run: LatencyRun) -> None:
    """One box per stage: quartiles, p1 to p99 as whiskers, the worst beyond."""
    names = list(run.stages)[::-1]
    values = [np.maximum(run.stages[name] * 1e3, _LEAST_MS) for name in names]
    boxes = axes.boxplot(values, orientation="horizontal", whis=(1, 99), widths=0.6, patch_artist=True, sym=".")
    for name, box, median in zip(names, boxes["boxes"], boxes["medians"], strict=True):
        box.set_facecolor(_TOTAL if name == "total" else _COLOUR)
        median.set_color("black")
    axes.set_yticks(range(1, len(names) + 1), [f"{name}\n{STAGE_DESCRIPTIONS[name]}" for name in names], fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel("milliseconds (box: quartiles, whiskers: p1 to p99)")
    axes.grid(axis="x", alpha=0.3)


def _total(axes: Any, run: LatencyRun) -> None:
    for values, colour, label in (
        (run.onnxruntime, _ALONE, "onnxruntime alone"),
        (run.stages["total"], _TOTAL, "arrival → client"),
    ):
        ordered: Float64Array = np.sort(values) * 1e3
        axes.plot(ordered, 1.0 - np.arange(len(ordered)) / len(ordered), color=colour, label=label)
    axes.set_xlim(left=0)
    axes.set_yscale("log")
    axes.set_xlabel("milliseconds")
    axes.set_ylabel("share of poses that took longer")
    axes.grid(which="both", alpha=0.3)
    axes.legend()
