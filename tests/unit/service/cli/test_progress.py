"""Bars that know the time left before the first of their parts is over."""

from __future__ import annotations

import pytest
from rich.progress import Progress

from models.training.config import Epoch, TrainingConfig
from service.cli.train import TrainingBars


class Clock:
    """Time that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock, begin = Clock(), Progress.__init__
    monkeypatch.setattr(
        Progress, "__init__", lambda self, *columns, **how: begin(self, *columns, **how, get_time=clock)
    )
    return clock


def test_the_time_left_counts_all_epochs(clock: Clock) -> None:
    bars = TrainingBars()
    with bars:
        bars.start(TrainingConfig(epochs=10, steps_per_epoch=4), 0)
        for step in range(1, 4):
            clock.now += 30.0
            bars.on_step(step, 4, 1.0)
        (epochs, _) = bars._bars._bars.tasks
        # 4 batches of 30 s an epoch, ten epochs, three batches of them done.
        assert epochs.time_remaining == pytest.approx(37 * 30, rel=0.05)
        clock.now += 30.0
        bars.on_epoch(Epoch(1, 1.0, 20.0, 20.0, 1e-3, 120.0, kept=True))
        assert epochs.completed == 1
        assert epochs.time_remaining == pytest.approx(36 * 30, rel=0.05)


def test_a_file_that_was_written_has_a_star(capsys: pytest.CaptureFixture[str]) -> None:
    with TrainingBars() as bars:
        bars.start(TrainingConfig(epochs=2, steps_per_epoch=1), 0)
        for number, kept in ((1, True), (2, False)):
            bars.on_epoch(Epoch(number, 1.0, 20.0 + number, 20.0, 1e-3, 1.0, kept=kept))
    said = capsys.readouterr().err.splitlines()
    assert [line.endswith(" *") for line in said] == [True, False]
