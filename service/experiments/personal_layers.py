"""Layers for one person beside the closed form: trained on the same labels, and kept as far as they are better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np

from exporters.personal_layers import add_layers
from models.arrays import Float32Array
from models.personal_pairs import PersonalSession, part_of, weighted_statistics_of
from models.training.personal_layers import LabelledRun, error_of, predict, run_layers, train

if TYPE_CHECKING:
    import keras

HELD_BACK: Final = 0.2
"""Share of what is learned from, the end of each session, that says when to stop and how much the layers count."""
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""What the layers can count for; the rest is left to the closed form."""
BREAK: Final = 1.5
"""Rows further apart than so many times the usual are not of one run."""

Note = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class Deepened:
    """What was trained."""

    layers: keras.Model
    share: float
    """What the layers count for; the rest is the closed form's."""
    epochs: int

    def run(self, session: PersonalSession, rate_hz: float) -> PersonalSession:
        """A session with what the layers add to its angles, as the new file computes it.

        Args:
            session: with every row of its EMG.
            rate_hz: rows a second.
        """
        added = [run_layers(self.layers, session.x[part]) for part in runs_of(session, rate_hz)]
        return replace(session, shipped=session.shipped + np.float32(self.share) * np.concatenate(added))

    def content(self, content: bytes) -> tuple[bytes, float]:
        """A model file with the layers in it, and the largest difference to Keras, mm."""
        return add_layers(content, self.layers, self.share)


def deepen(
    learned: Sequence[PersonalSession], head: Float32Array, rate_hz: float, note: Note = lambda epoch, error: None
) -> Deepened | None:
    """Train layers on a person's labels; None where they are not better than the closed form on labels held back.

    Args:
        learned: sessions with every row of their EMG; labels on the EMG's time.
        head: (f + 1, 20) of the model that is fitted further.
        rate_hz: rows a second.
        note: called after each epoch of the first training with its number and its error, radians.
    """
    runs = [run for session in learned for run in labelled_runs(session, head, 1.0 - HELD_BACK, rate_hz)]
    closed = weighted_statistics_of([part_of(session, 0.0, 1.0 - HELD_BACK) for session in learned], head).solve()
    first = train(runs, rate_hz, note=note)
    linear = [run.x[run.learned :] @ closed[:-1] + closed[-1] for run in runs]
    looking_back = [predict(first.model, run, rate_hz) for run in runs]
    errors = {
        share: error_of(runs, [(1.0 - share) * a + share * b for a, b in zip(linear, looking_back, strict=True)])
        for share in SHARES
    }
    share = min(errors, key=errors.__getitem__)
    if share == 0.0:
        return None
    everything = [run for session in learned for run in labelled_runs(session, head, 1.0, rate_hz)]
    second = train(everything, rate_hz, epochs=first.epochs)
    return Deepened(second.model, share, first.epochs)


def labelled_runs(session: PersonalSession, head: Float32Array, share: float, rate_hz: float) -> list[LabelledRun]:
    """A session's runs without gaps, with what its labels leave of the angles of the model that is fitted further.

    Args:
        session: with every row of its EMG.
        head: (f + 1, 20) of that model.
        share: of the time between the first label and the last that is learned from.
        rate_hz: rows a second.
    """
    labels = session.labels
    row = session.rows(labels.t - session.ahead_s)
    prior = np.asarray(session.shipped + session.x @ head[:-1] + head[-1], np.float32)
    residual = np.full(prior.shape, np.nan, np.float32)
    residual[row[row >= 0]] = labels.angles[row >= 0] - prior[row[row >= 0]]
    until = labels.t[0] - session.ahead_s + share * (labels.t[-1] - labels.t[0]) if share < 1.0 else np.inf
    return [
        LabelledRun(session.x[part], residual[part], prior[part], int(np.searchsorted(session.t[part], until)))
        for part in runs_of(session, rate_hz)
    ]


def runs_of(session: PersonalSession, rate_hz: float) -> list[slice]:
    """Where a session's rows follow each other without a gap."""
    ends = [*(np.flatnonzero(np.diff(session.t) > BREAK / rate_hz) + 1).tolist(), len(session.t)]
    return [slice(start, stop) for start, stop in pairwise([0, *ends])]
