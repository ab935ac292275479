"""How much an epoch is: it grows with the data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.architectures import networks
from models.training.config import TrainingConfig, default_training, fine_tuning, override

PLACES_A_MINUTE = 3000


@pytest.mark.parametrize("name", [network.name for network in networks()])
def test_an_epoch_of_ten_minutes_has_ten_times_the_batches_of_one(name: str) -> None:
    network = next(one for one in networks() if one.name == name)
    training = default_training(network)
    # A window begins at every step, a run at every quarter of its length.
    places = PLACES_A_MINUTE if network.kind == "window" else PLACES_A_MINUTE // max(1, network.run_steps // 4)
    one, ten = (training.for_data(minutes * places).steps_per_epoch or 0 for minutes in (1, 10))
    assert one >= 9
    assert ten == pytest.approx(10 * one, rel=0.1)
    assert training.for_data(10**9).steps_per_epoch == training.most_steps


def test_what_was_asked_for_counts_whatever_the_data() -> None:
    asked = replace(TrainingConfig(), steps_per_epoch=7)
    assert asked.for_data(1).steps_per_epoch == asked.for_data(10**6).steps_per_epoch == 7
    assert asked.total_steps == 7 * asked.epochs
    with pytest.raises(ValueError, match="not known"):
        _ = TrainingConfig().total_steps


def test_little_data_gets_more_epochs_unless_their_number_is_asked_for() -> None:
    for network in networks():
        usual, fine = default_training(network), fine_tuning(network)
        little = usual.for_data(8 * usual.batch)
        assert little.epochs > usual.epochs
        assert little.total_steps == usual.least_steps
        assert override(usual, epochs=3).for_data(8 * usual.batch).epochs == 3
        assert usual.for_data(10**9).epochs == usual.epochs
        assert fine.learning_rate < usual.learning_rate
        assert not usual.keep_last
