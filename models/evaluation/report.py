"""A report that people read: Markdown with figures beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np

from models.architectures.base import STEP_HZ
from models.evaluation.metrics import Judged, distances
from models.hand import FINGERS, JOINTS, PARENTS, POINTS

MAIN: Final = (
    ("mpjpe_mm", "MPJPE over 20 points", "mm"),
    ("mean_pose_mpjpe_mm", "the same for a constant mean pose", "mm"),
    ("skill", "skill against the mean pose", ""),
    ("rmse_mm", "RMSE per coordinate", "mm"),
    ("r2", "R² against per-column means", ""),
    ("fingertip_mm", "fingertips", "mm"),
    ("fingertip_p90_mm", "fingertips, P90", "mm"),
    ("angle_mae_deg", "joint angles, MAE", "deg"),
    ("jerk_m_s3", "fingertip jerk", "m/s³"),
    ("true_jerk_m_s3", "fingertip jerk of the truth", "m/s³"),
    ("lag_ms", "lag", "ms"),
    ("bone_cv", "bone length variation", ""),
)
TRACE_S: Final = 20.0


@dataclass(slots=True)
class Evaluation:
    """Everything that a report shows."""

    title: str
    split: str
    figures: Mapping[str, float]
    users: Mapping[str, Mapping[str, float]]
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calibration: Sequence[Mapping[str, float]] = ()
    """Rows of `seconds` and `mpjpe_mm`."""
    closure: Mapping[str, float] = field(default_factory=dict)
    runs: Sequence[Judged] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.title,
            "split": self.split,
            "figures": dict(self.figures),
            "users": {user: dict(values) for user, values in self.users.items()},
            "baselines": {name: dict(values) for name, values in self.baselines.items()},
            "calibration": [dict(row) for row in self.calibration],
            "closure": dict(self.closure),
        }


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
        pictures.append(("Calibration", "calibration.png"))
    report = folder / "report.md"
    report.write_text("\n".join(_lines(evaluation, pictures)) + "\n")
    return report


def _lines(evaluation: Evaluation, pictures: Sequence[tuple[str, str]]) -> list[str]:
    lines = [f"# {evaluation.title}", "", f"Split: {evaluation.split}.", ""]
    if evaluation.figures:
        lines += ["| figure | mean over users | SD |", "|---|---|---|"]
        lines += [
            f"| {label} | {_number(evaluation.figures[key])} {unit} | {_number(evaluation.figures.get(f'{key}_sd'))} |"
            for key, label, unit in MAIN
            if key in evaluation.figures
        ]
        lines += ["", "| finger | " + " | ".join(FINGERS) + " |", "|---" * 6 + "|"]
        lines += ["| mm | " + " | ".join(_number(evaluation.figures.get(f"{finger}_mm")) for finger in FINGERS) + " |"]
    if evaluation.baselines:
        lines += ["", "| baseline | MPJPE mm | RMSE mm | R² |", "|---|---|---|---|"]
        lines += [
            f"| {name} | {_number(v['mpjpe_mm'])} | {_number(v['rmse_mm'])} | {_number(v['r2'])} |"
            for name, v in evaluation.baselines.items()
        ]
    if evaluation.closure:
        lines += ["", "| closure on real people | |", "|---|---|"]
        lines += [f"| {key} | {_number(value)} |" for key, value in evaluation.closure.items()]
    if evaluation.users:
        lines += ["", "| user | MPJPE mm | mean pose mm | R² | seconds |", "|---|---|---|---|---|"]
        lines += [
            f"| {user} | "
            + " | ".join(_number(v.get(key)) for key in ("mpjpe_mm", "mean_pose_mpjpe_mm", "r2", "seconds"))
            + " |"
            for user, v in evaluation.users.items()
        ]
    for title, file in pictures:
        lines += ["", f"## {title}", "", f"![{title}]({file})"]
    return lines


def hand_picture(runs: Sequence[Judged], path: Path) -> None:
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


def trace_picture(runs: Sequence[Judged], path: Path) -> None:
    """Height of the fingertips over the first 20 judged seconds."""
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
    """Error against seconds of labelled data of a new user."""
    figure, axes = _figure(1, 1, (6.0, 4.0))
    axes[0].plot([row["seconds"] for row in rows], [row["mpjpe_mm"] for row in rows], marker="o")
    axes[0].set(xlabel="labelled seconds", ylabel="MPJPE, mm", ylim=(0, None))
    _save(figure, path)


def _figure(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    return figure, np.atleast_1d(figure.subplots(rows, columns))


def _save(figure: Any, path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    figure.savefig(path, dpi=110)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"
