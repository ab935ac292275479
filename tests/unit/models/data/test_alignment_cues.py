from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.data.alignment_cues import split_cues, template_of
from models.data.segments import Segment
from models.hand import CHANNELS, VALUES

LABELS = np.repeat([0, 7, 0, 2], 500)
LEVELS = {0: np.full(CHANNELS, 1.0), 7: np.arange(2.0, 10.0), 2: np.arange(10.0, 2.0, -1.0)}


def cued(user: str, factor: float, *, synthetic: bool) -> Segment:
    rows = np.stack([LEVELS[int(label)] for label in LABELS]).astype(np.float32) * factor
    pose = np.zeros((len(LABELS), VALUES), np.float32)
    return Segment(rows, pose, pose[:, 0], user, "1", user, classes=LABELS, synthetic=synthetic)


def test_a_template_is_made_of_recorded_people_where_there_are_any() -> None:
    real, made = cued("real", 1.0, synthetic=False), cued("made", 9.0, synthetic=True)
    for segments, factor in (([real, made], 1.0), ([made], 9.0)):
        found = template_of(segments)
        assert found is not None
        np.testing.assert_allclose(found.levels["fist"], factor * LEVELS[7], rtol=1e-3)
    assert template_of([replace(real, classes=np.zeros_like(LABELS))]) is None


def test_seconds_of_the_cues_are_not_evaluated() -> None:
    cues, rest = split_cues([cued("real", 1.0, synthetic=False)], 15.0)
    assert {cue: len(emg) for cue, emg in cues.items()} == {"rest": 250, "fist": 250, "extension": 250}
    assert rest[0].classes is not None
    assert (rest[0].classes == -1).sum() == 750
    assert (rest[0].classes[500:550] == 7).all(), "the reaction time is left to the judge, who leaves it out"
