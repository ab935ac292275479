"""Does the hand close when a real person makes a fist, and only then?

Sessions of real people say what was asked for, not where the fingers were. Closure is how far a pose lies on
the way from the rest pose (0) to the fist (1); a sample is closed above 0.5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import roc_auc_score

from models.architectures.base import STEP_HZ
from models.arrays import BoolArray, Float32Array, Int64Array
from models.data.features import bank
from models.data.segments import unsettled

CLOSED: Final = 0.5
REST: Final = 0
FIST: Final = 7
AMPLITUDE_S: Final = 0.25
WORKS: Final = (0.80, 0.15, 0.05)
"""A session works if fists are closed at least, wrist gestures at most, and rest at most this often."""


@dataclass(frozen=True, slots=True)
class SessionClosure:
    """One donning of one person."""

    user: str
    session: str
    auc: float
    """Probability that a fist sample has more closure than a wrist sample."""
    fist: float
    wrist: float
    rest: float
    """Shares of closed samples."""

    @property
    def works(self) -> bool:
        fist, wrist, rest = WORKS
        return self.fist >= fist and self.wrist <= wrist and self.rest <= rest


def closed_share(pose: Float32Array, rest: Float32Array, fist: Float32Array) -> Float32Array:
    """(n,) of poses (n, 63): the projection on the way from `rest` to `fist`, each (63,)."""
    way = (fist - rest).astype(np.float64)
    return np.asarray((pose - rest) @ way / (way @ way), np.float32)


def settled(classes: Int64Array) -> BoolArray:
    """(n,) samples after the first second of each cue."""
    return ~unsettled(classes)


def session_closure(
    user: str, session: str, values: Sequence[Float32Array], classes: Sequence[Int64Array]
) -> SessionClosure | None:
    """Figures of one session; None without fists, wrist gestures or rest.

    Args:
        user: who wore the band.
        session: the donning.
        values: (n,) closure of each file, or anything else that grows when the hand closes.
        classes: (n,) class labels of each file.
    """
    value, label = np.concatenate(list(values)), np.concatenate(list(classes))
    fist, rest = value[label == FIST], value[label == REST]
    wrist = value[(label != FIST) & (label != REST)]
    if not (len(fist) and len(rest) and len(wrist)):
        return None
    return SessionClosure(user, session, auc(fist, wrist), _closed(fist), _closed(wrist), _closed(rest))


def auc(positive: npt.ArrayLike, negative: npt.ArrayLike) -> float:
    """Area under the ROC curve: how often a positive score (n,) is above a negative one (m,); ties count half."""
    high, low = np.ravel(positive), np.ravel(negative)
    return float(roc_auc_score(np.repeat([1, 0], [len(high), len(low)]), np.concatenate([high, low])))


def over_sessions(found: Sequence[SessionClosure]) -> dict[str, float]:
    """What is reported over all sessions."""
    scores = np.array([one.auc for one in found])
    return {
        "sessions": float(len(found)),
        "auc_median": float(np.median(scores)),
        "auc_p10": float(np.percentile(scores, 10)),
        "fist_closed_median": float(np.median([one.fist for one in found])),
        "wrist_closed_mean": float(np.mean([one.wrist for one in found])),
        "rest_closed_mean": float(np.mean([one.rest for one in found])),
        "works": float(np.mean([one.works for one in found])),
    }


def amplitude(emg: Float32Array, steps: int) -> Float32Array:
    """(steps,) mean EMG amplitude of the band over about 0.25 s: what closure has to beat.

    Args:
        emg: (n, 8) without gaps, n a multiple of `steps`.
        steps: of 20 ms.
    """
    every = len(emg) // steps
    return np.asarray(bank(emg, every * STEP_HZ, (AMPLITUDE_S,))[every - 1 :: every, 0].mean(axis=1), np.float32)


def _closed(values: Float32Array) -> float:
    return float(np.mean(values > CLOSED))
