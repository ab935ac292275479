"""The report in Markdown, with its pictures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.architectures.base import STEP_HZ
from models.evaluation.evaluation import Evaluation
from models.evaluation.report_tables import main_tables, tables
from models.hand import FINGERS, JOINTS, PARENTS, POINTS
from models.metrics.gestures import GestureRow
from models.metrics.pose_error import EvaluatedSegment, distances

TRACE_S: Final = 20.0


def write(evaluation: Evaluation, folder: Path) -> Path:
    """Write `report.md` and its figures into `folder` (made if missing). Returns the report."""
    folder.mkdir(parents=True, exist_ok=True)
    pictures = []
    if evaluation.runs:
        hand_picture(evaluation.runs, folder / "error_by_joint.png")
        trace_picture(evaluation.runs, folder / "truth_and_prediction.png")
        pictures += [("Error by joint", "error_by_joint.png"), ("Truth and prediction", "truth_and_prediction.png")]
    if evaluation.calibration:
        calibration_picture(evaluation.calibration, folder / "calibration.png")
        pictures.append(("Calibration, drawn", "calibration.png"))
    if any("mpjpe_mm" in row for row in evaluation.rotations):
        rotation_picture(evaluation.rotations, folder / "rotation.png")
        pictures.append(("Turned band, drawn", "rotation.png"))
    if evaluation.gestures:
        gesture_picture(evaluation.gestures, folder / "gestures.png")
        pictures.append(("Error by gesture, drawn", "gestures.png"))
    report = folder / "report.md"
    report.write_text("\n".join(_lines(evaluation, pictures)) + "\n")
    return report


def _lines(evaluation: Evaluation, pictures: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"# {evaluation.title}", "", f"Split: {evaluation.split}."]
    for table in main_tables(evaluation):
        lines += ["", *table]
    for part in tables(evaluation):
        lines += part.lines()
    for title, file in pictures:
        lines += ["", f"## {title}", "", f"![{title}]({file})"]
    return lines


def hand_picture(runs: Sequence[EvaluatedSegment], path: Path) -> None:
    """The mean hand, seen from above and from the side, each point as large as its error."""
    truth = np.concatenate([run.rows()[0] for run in runs])
    pose = np.concatenate([run.rows()[1] for run in runs])
    error = np.concatenate([[0.0], distances(truth, pose).mean(axis=0)])
    mean = truth.mean(axis=0)
    figure, axes = _figure(1, 2, (9.0, 5.0))
    for axis, (a, b), title in zip(axes, ((0, 2), (2, 1)), ("from above", "from the side"), strict=True):
        for child, parent in enumerate(PARENTS):
            if parent >= 0:
                axis.plot(mean[[child, parent], a], mean[[child, parent], b], color="0.6", zorder=1)
        shown = axis.scatter(mean[:, a], mean[:, b], s=20.0 + 8.0 * error, c=error, cmap="viridis", zorder=2)
        axis.set(
            title=f"mean error by joint, {title}", xlabel="xyz"[a] + " mm", ylabel="xyz"[b] + " mm", aspect="equal"
        )
        for i in range(1, POINTS):
            axis.annotate(
                f"{error[i]:.0f}", (mean[i, a], mean[i, b]), fontsize=6, xytext=(4, 4), textcoords="offset points"
            )
    axes[0].invert_yaxis()
    figure.colorbar(shown, ax=list(axes), label="mm")
    _save(figure, path)


def trace_picture(runs: Sequence[EvaluatedSegment], path: Path) -> None:
    """Height of the fingertips over the first 20 evaluated seconds."""
    run = max(runs, key=lambda r: int(r.valid.sum()))
    truth, pose = run.rows()
    shown = slice(0, round(TRACE_S * STEP_HZ))
    t = np.arange(len(truth[shown])) / STEP_HZ
    figure, axes = _figure(5, 1, (9.0, 8.0))
    for axis, finger, tip in zip(axes, FINGERS, (4, 8, 12, 16, 20), strict=True):
        axis.plot(t, truth[shown, tip, 1], color="0.3", label="truth")
        axis.plot(t, pose[shown, tip, 1], color="tab:orange", label="prediction")
        axis.set_ylabel(f"{finger}\n{JOINTS[tip][-3:]} y, mm")
    axes[0].legend(loc="upper right")
    axes[-1].set_xlabel(f"s (user {run.user}, session {run.session})")
    _save(figure, path)


def calibration_picture(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Error against seconds of labelled data of a new user, beside constant hands."""
    _curves(
        rows,
        "seconds",
        "labelled seconds",
        path,
        {
            "mpjpe_mm": ("network, same donning", "o-"),
            "other_mpjpe_mm": ("network, other donning", "s-"),
            "user_mean_mpjpe_mm": ("user's mean pose", "^--"),
            "mean_pose_mpjpe_mm": ("mean pose", "k:"),
        },
    )


def rotation_picture(rows: Sequence[Mapping[str, float]], path: Path) -> None:
    """Error against the turn of the band, beside constant hands."""
    _curves(
        rows,
        "degrees",
        "band turned by, degrees",
        path,
        {
            "mpjpe_mm": ("network", "o-"),
            "user_mean_mpjpe_mm": ("user's mean pose", "^--"),
            "mean_pose_mpjpe_mm": ("mean pose", "k:"),
        },
    )


def gesture_picture(rows: Sequence[GestureRow], path: Path) -> None:
    """Error of each gesture, beside constant hands."""
    figure, axes = _figure(1, 1, (7.0, 1.5 + 0.22 * len(rows)))
    y = np.arange(len(rows))[::-1]
    left_out = ["tab:orange" if row["trained"] is False else "tab:blue" for row in rows]
    axes[0].barh(y, [row["mpjpe_mm"] for row in rows], color=left_out, label="network")
    for key, label, mark in (
        ("mean_pose_mpjpe_mm", "mean pose", "k|"),
        ("user_mean_mpjpe_mm", "user's mean pose", "r|"),
    ):
        axes[0].plot([row.get(key, np.nan) for row in rows], y, mark, markersize=8, label=label)
    axes[0].margins(y=0.01)
    axes[0].set_yticks(y, [row["gesture"] for row in rows])
    axes[0].set_xlabel("MPJPE, mm (orange: not trained on)")
    axes[0].legend(loc="lower right")
    _save(figure, path)


def _curves(
    rows: Sequence[Mapping[str, float]], x: str, label: str, path: Path, lines: Mapping[str, tuple[str, str]]
) -> None:
    figure, axes = _figure(1, 1, (6.0, 4.0))
    for key, (name, mark) in lines.items():
        shown = [row for row in rows if key in row]
        if shown:
            axes[0].plot([row[x] for row in shown], [row[key] for row in shown], mark, label=name)
    top = max(row[key] for row in rows for key in lines if key in row)
    axes[0].set(xlabel=label, ylabel="MPJPE, mm", ylim=(0, 1.1 * top))
    axes[0].legend(loc="lower right")
    _save(figure, path)


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, np.atleast_1d(figure.subplots(rows, columns))


def _save(figure: Any, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110)
