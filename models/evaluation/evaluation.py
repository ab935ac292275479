"""What `myocast evaluate` found: all figures of one model on one set of segments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from models.arrays import Float32Array
from models.data.alignment_cues import BandRow
from models.metrics.gestures import GestureRow
from models.metrics.hand_closure import SessionClosure
from models.metrics.pose_error import EvaluatedSegment

AMPLITUDE: Final = ("sessions", "auc_median", "auc_p10")


@dataclass(slots=True)
class Evaluation:
    """Everything that a report shows."""

    title: str
    split: str
    figures: Mapping[str, float]
    users: Mapping[str, Mapping[str, float]]
    baselines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calibration: Sequence[Mapping[str, float]] = ()
    """Rows of `calibration.curve`."""
    rotations: Sequence[Mapping[str, float]] = ()
    """Rows of `degrees` and figures."""
    smoothing: Sequence[Mapping[str, float]] = ()
    """Rows of `smoothness.smoothed`, the first without a filter."""
    served: Mapping[str, float] = field(default_factory=dict)
    """The one of these rows with the filter that the model file recommends: what `serve` sends."""
    gestures: Sequence[GestureRow] = ()
    gestures_note: str = ""
    """Which of them the network was trained on, in words."""
    bands: Sequence[BandRow] = ()
    """How each aligned band sits."""
    matrices: Sequence[Float32Array] = ()
    """(8, 8) that aligns each of `bands`; not part of `to_json`."""
    closure: Mapping[str, float] = field(default_factory=dict)
    closure_baseline: Mapping[str, float] = field(default_factory=dict)
    """The same figures for the mean EMG amplitude; its shares of closed samples mean nothing."""
    sessions: Sequence[SessionClosure] = ()
    false_alarms: Sequence[Mapping[str, str | float]] = ()
    """Closures and pinches that nobody made, by what the time was: `FalseAlarms.row` and `time`."""
    protocol: Sequence[Mapping[str, str | float]] = ()
    """Rows of `emg2pose.rows`, where asked for."""
    runs: Sequence[EvaluatedSegment] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.title,
            "split": self.split,
            "figures": dict(self.figures),
            "users": {user: dict(values) for user, values in self.users.items()},
            "baselines": {name: dict(values) for name, values in self.baselines.items()},
            "calibration": [dict(row) for row in self.calibration],
            "rotations": [dict(row) for row in self.rotations],
            "smoothing": [dict(row) for row in self.smoothing],
            "served": dict(self.served),
            "gestures": [dict(row) for row in self.gestures],
            "bands": [dict(row) for row in self.bands],
            "closure": dict(self.closure),
            "closure_baseline": {key: self.closure_baseline[key] for key in AMPLITUDE if key in self.closure_baseline},
            "sessions": [asdict(one) | {"works": one.works} for one in self.sessions],
            "false_alarms": [dict(row) for row in self.false_alarms],
            "protocol": [dict(row) for row in self.protocol],
        }
