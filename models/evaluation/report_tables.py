"""Tables beside the main one: by gesture, turned bands, smoothing, calibration, real people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from models.evaluation.evaluation import Evaluation

Columns = tuple[tuple[str, str], ...]

GESTURES: Final[Columns] = (
    ("gesture", "gesture"), ("seconds", "seconds"), ("mpjpe_mm", "MPJPE mm"), ("fingertip_mm", "fingertips mm"),
    ("mean_pose_mpjpe_mm", "mean pose mm"), ("user_mean_mpjpe_mm", "user's mean pose mm"), ("skill", "skill"),
    ("trained", "trained on"),
)  # fmt: skip
ROTATIONS: Final[Columns] = (
    ("degrees", "band turned by ±deg"), ("mpjpe_mm", "MPJPE mm"), ("mean_pose_mpjpe_mm", "mean pose mm"),
    ("user_mean_mpjpe_mm", "user's mean pose mm"), ("skill", "skill"), ("r2", "R²"),
    ("auc_median", "closure: AUC median"), ("auc_p10", "closure: AUC P10"),
)  # fmt: skip
SMOOTHING: Final[Columns] = (
    ("min_cutoff_hz", "min cutoff Hz"), ("beta", "beta"), ("stages", "stages"), ("mpjpe_mm", "MPJPE mm"),
    ("fingertip_mm", "fingertips mm"), ("jerk_m_s3", "jerk m/s³"), ("jerk_ratio", "jerk / truth"),
    ("added_lag_ms", "added lag ms"), ("lag_ms", "lag ms"),
)  # fmt: skip
CALIBRATION: Final[Columns] = (
    ("seconds", "labelled seconds"), ("users", "users"), ("mpjpe_mm", "same donning mm"),
    ("mean_pose_mpjpe_mm", "mean pose mm"), ("user_mean_mpjpe_mm", "user's mean pose mm"),
    ("other_mpjpe_mm", "other donning mm"), ("other_mean_pose_mpjpe_mm", "other: mean pose mm"),
    ("other_user_mean_mpjpe_mm", "other: user's mean pose mm"),
)  # fmt: skip
BANDS: Final[Columns] = (
    ("user", "person"), ("session", "session"), ("turn_channels", "turned by channels"), ("turn_deg", "deg"),
    ("side", "ring runs"), ("score", "correlation with the template"),
)  # fmt: skip
SESSIONS: Final[Columns] = (
    ("user", "person"), ("session", "session"), ("auc", "AUC fist / wrist"), ("fist", "fist closed"),
    ("wrist", "wrist closed"), ("rest", "rest closed"), ("works", "works"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Part:
    """One table, as texts; a column in which nothing stands is left out."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def lines(self) -> list[str]:
        """As Markdown."""
        out = ["", f"## {self.title}", "", *([self.note, ""] if self.note else [])]
        out += ["| " + " | ".join(self.columns) + " |", "|---" * len(self.columns) + "|"]
        return out + ["| " + " | ".join(row) + " |" for row in self.rows]


def tables(evaluation: Evaluation) -> Iterator[Part]:
    """All that have rows."""
    if evaluation.gestures:
        rows = [dict(row) | {"trained": _known(row["trained"])} for row in evaluation.gestures]
        note = (
            f"Mean over users. From one marker to the next, the way to the pose included; {evaluation.gestures_note}."
        )
        yield _part("Error by gesture", GESTURES, [*rows, *_groups(evaluation.gestures)], note)
    if evaluation.rotations:
        note = "The model on the same EMG with the band turned both ways, mean over users and both."
        yield _part("Turned band", ROTATIONS, evaluation.rotations, note)
    if evaluation.smoothing:
        note = (
            "One Euro filter after the model (Casiez, Roussel, Vogel, CHI 2012; speed = each point's own, mm/s; "
            "its low-pass as many times over as there are stages). "
            "Jerk is the fingertips' at 50 poses a second; the added lag is that of the smoothed joint angles "
            "behind the raw ones."
        )
        yield _part("Smoothing", SMOOTHING, evaluation.smoothing, note)
    if evaluation.calibration:
        note = (
            "The last two layers tuned on the first seconds of each user's first session; judged on the rest of it, "
            "and on his other donnings. Beside it still hands: the training data's mean pose, and the mean of the "
            "labelled seconds."
        )
        yield _part("Calibration", CALIBRATION, evaluation.calibration, note)
    if evaluation.bands:
        rows = [{**row, "side": "the other way" if row["mirrored"] else "as usual"} for row in evaluation.bands]
        note = "Found from the cues alone; gains and mixing follow. A low correlation means that the fit is a guess."
        yield _part("How the bands sit", BANDS, rows, note)
    if evaluation.sessions:
        rows = [
            {key: getattr(one, key) for key, _ in SESSIONS} | {"works": "yes" if one.works else "no"}
            for one in evaluation.sessions
        ]
        yield _part("Real people, session by session", SESSIONS, rows)


def number(value: Any) -> str:
    """As a reader wants it; empty for nothing."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int):
        return str(value)
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.2f}"


def _part(title: str, columns: Columns, rows: Sequence[Mapping[str, Any]], note: str = "") -> Part:
    used = [(key, name) for key, name in columns if any(row.get(key) not in (None, "") for row in rows)]
    return Part(title, [name for _, name in used], [[number(row.get(key)) for key, _ in used] for row in rows], note)


def _known(trained: bool | None) -> str:
    return "" if trained is None else "yes" if trained else "no"


def _groups(rows: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Means over gestures, those that were trained on and those that were not."""
    for trained in (True, False):
        some = [row for row in rows if row["trained"] is trained]
        if some and len(some) < len(rows):
            keys = [key for key, _ in GESTURES if all(isinstance(row.get(key), float) for row in some)]
            means = {key: sum(row[key] for row in some) / len(some) for key in keys}
            total = sum(row["seconds"] for row in some)
            yield {"gesture": f"mean of {len(some)}", **means, "seconds": total, "trained": _known(trained)}
