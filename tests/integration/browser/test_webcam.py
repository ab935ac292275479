"""Labels from the webcam in Chromium: the real hand tracker looks at a rendered hand; a few frames."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from tools.measure_webcam import HAND_MM, measure

pytestmark = [pytest.mark.browser, pytest.mark.alone, pytest.mark.timeout(600)]


@pytest.mark.usefixtures("page_is_built")
def test_a_hand_is_labelled_as_it_is_and_when_it_was(tmp_path: Path) -> None:
    """Both reference poses, two labels of a hand that opens and closes, and one of another pose."""
    found = measure(tmp_path, ("turned",), ("point",), count=1, closings=2)
    (label,) = found.poses
    assert label.hand_mm == pytest.approx(HAND_MM, abs=0.1)
    assert np.abs(label.error).mean() < 10.0
    assert [closed for *_, closed in found.closings] == [frame >= 10 for _, frame, _ in found.closings]
    # Half a frame of the film: a label is of the frame that it is taken for. `measure_webcam` tells how exact it is.
    late_s = [label.film_s, *(late for late, *_ in found.closings)]
    assert np.median(np.abs(late_s)) < 0.1
