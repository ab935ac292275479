"""Tables beside the main one: by gesture, turned bands, smoothing, calibration, real people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from models.evaluation.evaluation import AMPLITUDE, Evaluation
from models.hand import FINGERS
from models.metrics.gestures import GestureRow
from models.tables import Column, Row, cells, columns, markdown, number, used

MAIN: Final = (
    ("mpjpe_mm", "MPJPE over 20 points", "mm"),
    ("mpjpe_own_bones_mm", "the same with the wearer's bone lengths", "mm"),
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
SERVED: Final = (
    ("mpjpe_mm", "MPJPE over 20 points", "mm"),
    ("jerk_ratio", "fingertip jerk", "times the truth's"),
    ("lag_ms", "lag", "ms"),
)
"""Figures of the filtered pose that stand beside those of the network's own output."""
BASELINES: Final = columns(
    name="baseline",
    mpjpe_mm="MPJPE mm",
    mpjpe_mm_sd="SD",
    mpjpe_own_bones_mm="own bones mm",
    skill="skill",
    r2="R²",
    fingertip_mm="fingertips mm",
    angle_mae_deg="angles deg",
)
USERS: Final = columns(
    name="user",
    mpjpe_mm="MPJPE mm",
    mpjpe_own_bones_mm="own bones mm",
    mean_pose_mpjpe_mm="mean pose mm",
    skill="skill",
    fingertip_p90_mm="fingertips, P90 mm",
    angle_mae_deg="angles deg",
    lag_ms="lag ms",
)
GESTURES: Final = columns(
    gesture="gesture",
    seconds="seconds",
    mpjpe_mm="MPJPE mm",
    fingertip_mm="fingertips mm",
    mean_pose_mpjpe_mm="mean pose mm",
    user_mean_mpjpe_mm="user's mean pose mm",
    skill="skill",
    trained="trained on",
)
ROTATIONS: Final = columns(
    degrees="band turned by ±deg",
    mpjpe_mm="MPJPE mm",
    mean_pose_mpjpe_mm="mean pose mm",
    user_mean_mpjpe_mm="user's mean pose mm",
    skill="skill",
    r2="R²",
    auc_median="closure: AUC median",
    auc_p10="closure: AUC P10",
)
SMOOTHING: Final = columns(
    min_cutoff_hz="min cutoff Hz",
    beta="beta",
    stages="stages",
    mpjpe_mm="MPJPE mm",
    jerk_m_s3="jerk m/s³",
    jerk_ratio="jerk / truth",
    added_lag_ms="added lag ms",
    lag_ms="lag ms",
)
CALIBRATION: Final = columns(
    seconds="labelled seconds",
    users="users",
    mpjpe_mm="same donning mm",
    mean_pose_mpjpe_mm="mean pose mm",
    user_mean_mpjpe_mm="user's mean pose mm",
    other_mpjpe_mm="other donning mm",
    other_mean_pose_mpjpe_mm="other: mean pose mm",
    other_user_mean_mpjpe_mm="other: user's mean pose mm",
)
BANDS: Final = columns(
    user="person",
    session="session",
    turn_channels="turned by channels",
    turn_deg="deg",
    side="ring runs",
    score="correlation with the template",
)
FINGER_ROWS: Final = (
    ("", "MPJPE, mm"),
    ("angle", "joint angles, deg"),
    ("jerk", "fingertip jerk / truth"),
    ("lag", "lag, ms"),
)
"""Figures of each finger: part of their key before the finger's name."""
PER_FINGER: Final = {"": "{}_mm", "angle": "angle_{}_deg", "jerk": "jerk_{}", "lag": "lag_{}_ms"}
FALSE_ALARMS: Final = columns(
    time="time without intent",
    hours="hours",
    closures_per_hour="closures an hour",
    pinches_per_hour="pinches an hour",
    closed="share of it closed",
)
PROTOCOL: Final = columns(
    name="hand",
    users="users",
    trajectories="trajectories of 5 s",
    angle_deg="joint angles deg",
    angle_deg_sd="SD",
    landmark_mm="landmarks mm",
    landmark_mm_sd="SD ",
)
SESSIONS: Final = columns(
    user="person",
    session="session",
    auc="AUC fist / wrist",
    fist="fist closed",
    wrist="wrist closed",
    rest="rest closed",
    works="works",
)


@dataclass(frozen=True, slots=True)
class Table:
    """One table, as texts."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str = ""

    def lines(self) -> list[str]:
        """As a section of a Markdown page."""
        return ["", f"## {self.title}", "", *([self.note, ""] if self.note else []), *markdown(self.columns, self.rows)]


def overview(evaluation: Evaluation) -> Table:
    """The figures over users, the baselines' error, and closure, in three columns for a terminal."""
    rows: list[tuple[str, str, str]] = []
    for key, label, unit in MAIN:
        if key in evaluation.figures:
            spread = evaluation.figures.get(f"{key}_sd")
            rows.append((label, f"{evaluation.figures[key]:.2f} {unit}", "" if spread is None else f"{spread:.2f}"))
    rows += [
        (f"as served: {label}", f"{evaluation.served[key]:.2f} {unit}", "")
        for key, label, unit in SERVED
        if key in evaluation.served
    ]
    for name, figures in evaluation.baselines.items():
        rows.append((f"baseline: {name}, MPJPE", f"{figures['mpjpe_mm']:.2f} mm", f"{figures['mpjpe_mm_sd']:.2f}"))
    rows += [(f"closure, real people: {key}", f"{value:.3f}", "") for key, value in evaluation.closure.items()]
    rows += [
        (f"baseline: EMG amplitude, {key}", f"{evaluation.closure_baseline[key]:.3f}", "")
        for key in ("auc_median", "auc_p10")
        if key in evaluation.closure_baseline
    ]
    return Table("", ("figure", "mean over users", "SD"), rows)


def main_tables(evaluation: Evaluation) -> Iterator[list[str]]:
    """The tables at the head of a report, as lines of Markdown."""
    figures = evaluation.figures
    if figures:
        rows = [
            (label, f"{number(figures[key])} {unit}", number(figures.get(f"{key}_sd")))
            for key, label, unit in MAIN
            if key in figures
        ]
        yield markdown(("figure", "mean over users", "SD"), rows)
        yield markdown(("finger", *FINGERS), _fingers(figures))
    if evaluation.baselines:
        yield _named(evaluation.baselines, BASELINES)
    if evaluation.closure:
        beside = {key: evaluation.closure_baseline.get(key) for key in AMPLITUDE}
        rows = [(key, number(value), number(beside.get(key))) for key, value in evaluation.closure.items()]
        yield markdown(("closure on real people", "model", "EMG amplitude alone"), rows)
    if evaluation.users:
        yield _named(evaluation.users, USERS)


def _fingers(figures: Mapping[str, float]) -> list[list[str]]:
    rows = [[title, *(number(figures.get(PER_FINGER[key].format(f))) for f in FINGERS)] for key, title in FINGER_ROWS]
    return [row for row in rows if any(row[1:])]


def _named(rows: Mapping[str, Mapping[str, float]], columns: Sequence[Column]) -> list[str]:
    titles = [column.title for column in columns]
    return markdown(titles, [cells({"name": name, **row}, columns) for name, row in rows.items()])


def tables(evaluation: Evaluation) -> Iterator[Table]:
    """All that have rows."""
    if evaluation.gestures:
        rows: list[Row] = [{**row, "trained": _known(row.get("trained"))} for row in evaluation.gestures]
        note = (
            f"Mean over users. From one marker to the next, the way to the pose included; {evaluation.gestures_note}."
        )
        yield _part("Error by gesture", GESTURES, [*rows, *_groups(evaluation.gestures)], note)
    if evaluation.rotations:
        note = "The model on the same EMG with the band turned both ways, mean over users and both."
        yield _part("Turned band", ROTATIONS, evaluation.rotations, note)
    if evaluation.smoothing:
        note = (
            f"{_what_is_served(evaluation.served)}"
            "One Euro filter on the joint angles (Casiez, Roussel, Vogel, CHI 2012; speed = each fingertip's, mm/s; "
            "its low-pass as many times over as there are stages); the first row is the network's own output. "
            "Jerk is the fingertips' at 50 poses a second; the added lag is that of the smoothed joint angles "
            "behind the raw ones."
        )
        yield _part("Smoothing", SMOOTHING, evaluation.smoothing, note)
        for row in evaluation.smoothing[1:]:
            title = f"Smoothed by {row['min_cutoff_hz']:g},{row['beta']:g},{row.get('stages', 1):g}, finger by finger"
            fingers = _fingers(row)
            if fingers:
                yield Table(title, ("finger", *FINGERS), fingers)
    if evaluation.false_alarms:
        note = (
            "Closures and pinches (thumb on index finger) of the hand on the screen that the wearer did not make, of "
            "0.1 s or more: at rest, in gestures of the wrist, or while the true hand is known to be open."
        )
        yield _part("False alarms", FALSE_ALARMS, evaluation.false_alarms, note)
    if evaluation.protocol:
        note = (
            "As the benchmark of emg2pose (arXiv 2412.02725) tells errors: trajectories of 5 s, mean over those of a "
            "user, then mean and SD over users; landmarks of a hand of default size for both, so that the wearer's "
            "does not count. Its figures are those of 16 channels at 2 kHz and cannot be compared with these."
        )
        yield _part("The protocol of emg2pose", PROTOCOL, evaluation.protocol, note)
    if evaluation.calibration:
        note = (
            "The last two layers tuned on the first seconds of each user's first session; evaluated on the rest of it, "
            "and on the user's other donnings. Beside it constant hands: the training data's mean pose, and the mean "
            "of the labelled seconds."
        )
        yield _part("Calibration", CALIBRATION, evaluation.calibration, note)
    if evaluation.bands:
        rows = [{**row, "side": "the other way" if row["mirrored"] else "as usual"} for row in evaluation.bands]
        note = "Found from the cues alone; gains and mixing follow. A low correlation means that the fit is a guess."
        yield _part("How the bands sit", BANDS, rows, note)
    if evaluation.sessions:
        rows = [asdict(one) | {"works": "yes" if one.works else "no"} for one in evaluation.sessions]
        yield _part("Real people, session by session", SESSIONS, rows)


def _what_is_served(served: Mapping[str, float]) -> str:
    if not served:
        return ""
    settings = ",".join(f"{served[key]:g}" for key in ("min_cutoff_hz", "beta", "stages"))
    return f"`serve` sends what {settings} gives, as the model file recommends. "


def _part(title: str, columns: Sequence[Column], rows: Sequence[Row], note: str = "") -> Table:
    """A table without the columns in which nothing stands."""
    shown = used(columns, rows)
    return Table(title, [column.title for column in shown], [cells(row, shown) for row in rows], note)


def _known(trained: bool | None) -> str:
    return "" if trained is None else "yes" if trained else "no"


def _groups(rows: Sequence[GestureRow]) -> Iterator[Row]:
    """Means over gestures, those that were trained on and those that were not."""
    for trained in (True, False):
        some: list[Row] = [{**row} for row in rows if row.get("trained") is trained]
        if some and len(some) < len(rows):
            means = {column.key: _mean(some, column.key) for column in GESTURES}
            total = sum(row["seconds"] for row in rows if row.get("trained") is trained)
            beside = {"gesture": f"mean of {len(some)}", "seconds": total, "trained": _known(trained)}
            yield {**means, **beside}


def _mean(rows: Sequence[Row], key: str) -> float | None:
    """Mean of a figure that every row has; None otherwise."""
    values = [value for row in rows if isinstance(value := row.get(key), float)]
    return sum(values) / len(values) if len(values) == len(rows) else None
