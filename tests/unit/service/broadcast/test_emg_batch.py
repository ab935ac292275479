"""EMG messages: frames joined to 20 ms of signal, never across a gap."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.events import Frame
from service.broadcast.emg_batch import EmgBatch
from tests.fakes.sources import frame, ramp


@pytest.mark.parametrize(
    ("steps", "rate_hz", "expected"),
    [
        ([2] * 6, 200.0, [4, 4, 4]),
        ([1] * 8, 200.0, [4, 4]),
        ([10, 10], 200.0, [10, 10]),
        ([1] * 3, 50.0, [1, 1, 1]),
        ([1] * 3, 10.0, [1, 1, 1]),
        ([3] * 4, 200.0, [6, 6]),
    ],
)
def test_emg_messages_hold_20_ms_or_a_frame(steps: list[int], rate_hz: float, expected: list[int]) -> None:
    sent: list[Frame] = []
    batch = EmgBatch(lambda made, _: sent.append(made))
    batch.nominal_hz = rate_hz
    sample = 0
    for size in steps:
        batch.push(frame(sample, size))
        sample += size
    assert [len(f.samples) for f in sent] == expected
    np.testing.assert_array_equal(np.concatenate([f.samples for f in sent]), ramp(0, sum(expected)))
    assert [f.first_sample for f in sent] == np.cumsum([0, *expected])[:-1].tolist()


@pytest.mark.parametrize("later", [frame(50), frame(2, gap=True)], ids=["jump", "gap"])
def test_a_message_never_spans_a_gap(later: Frame) -> None:
    sent: list[Frame] = []
    batch = EmgBatch(lambda made, _: sent.append(made))
    batch.nominal_hz = 200.0
    batch.push(frame(0))
    batch.push(later)
    assert [(f.first_sample, len(f.samples)) for f in sent] == [(0, 2)]
    batch.flush()
    assert [(f.first_sample, f.gap) for f in sent] == [(0, False), (later.first_sample, later.gap)]
    batch.flush()
    assert len(sent) == 2


def test_a_faster_replay_fills_messages_of_more_samples() -> None:
    sent: list[tuple[int, float]] = []
    batch = EmgBatch(lambda made, rate_hz: sent.append((len(made.samples), rate_hz)))
    batch.nominal_hz, batch.speed = 200.0, 2.0
    for sample in range(8):
        batch.push(frame(sample, 1))
    assert sent == [(8, 400.0)]
