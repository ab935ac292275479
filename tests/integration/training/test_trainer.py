from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from models.architectures import network
from models.architectures.base import NetworkConfig
from tests.support.training import needs_training, prepare, small_segments

if TYPE_CHECKING:
    from models.training.config import TrainingConfig
    from models.training.run import Run

pytestmark = needs_training

CONFIG = NetworkConfig(50.0, "envelope")


def training(**changes: Any) -> TrainingConfig:
    from models.training.config import TrainingConfig

    return replace(TrainingConfig(epochs=2, steps_per_epoch=3, batch=16, validation_batches=2, seed=5), **changes)


def make_run(out: Path, some: TrainingConfig, folder: Path | None = None, name: str = "lstm_ae_small") -> Run:
    prepare()
    from models.data.splits import split
    from models.training.run import Run

    parts = split(small_segments(CONFIG, users=3), "user", 0.34)
    return Run(network(name), CONFIG, parts, some, out, folder)


def test_the_same_seed_gives_the_same_network(tmp_path: Path) -> None:
    from models.training.config import Progress

    weights = []
    for number in range(2):
        run = make_run(tmp_path / f"{number}.keras", training())
        run.prepare()
        run.train(Progress())
        weights.append(run.built.body.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def test_training_makes_the_error_smaller(tmp_path: Path) -> None:
    from models.training.config import Progress

    run = make_run(tmp_path / "net.keras", training(epochs=3, steps_per_epoch=40, learning_rate=3e-3), name="dense")
    run.prepare()
    outcome = run.train(Progress())
    assert outcome.epochs[-1].loss < 0.9 * outcome.epochs[0].loss


def test_a_stop_keeps_the_best_network_and_ends_at_once(tmp_path: Path) -> None:
    from models.training.config import Progress
    from models.training.network_file import load

    run = make_run(tmp_path / "net.keras", training(epochs=50))
    run.prepare()
    steps = 0

    def stop() -> bool:
        nonlocal steps
        steps += 1
        return steps > 5

    outcome = run.train(Progress(stop=stop))
    assert outcome.stopped
    assert len(outcome.epochs) == 2
    built, card = load(tmp_path / "net.keras")
    assert card.architecture == "lstm_ae_small"
    for kept, saved in zip(run.built.body.get_weights(), built.body.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, saved)


@pytest.mark.parametrize(
    ("name", "optimizer", "xla"), [("lstm_ae_small", "adamw", False), ("stream_tcn", "muon", True)]
)
def test_training_goes_on_from_its_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, optimizer: str, xla: bool
) -> None:
    """The second as in a long training: compiled by XLA."""
    prepare()
    from models.training import trainer
    from models.training.config import Progress

    if xla:
        monkeypatch.setattr(trainer, "XLA_STEPS", 1)
    folder = tmp_path / "net.run"
    folder.mkdir()
    first = make_run(tmp_path / "net.keras", training(epochs=1, optimizer=optimizer), folder, name)
    first.prepare()
    assert first.trainer._model.jit_compile is xla
    before = first.train(Progress())
    second = make_run(tmp_path / "net.keras", training(epochs=3, optimizer=optimizer), folder, name)
    assert second.prepare(resume=True) == 1
    for left, found in zip(first.built.body.get_weights(), second.built.body.get_weights(), strict=True):
        np.testing.assert_array_equal(left, found)
    outcome = second.train(Progress())
    assert [epoch.epoch for epoch in outcome.epochs] == [1, 2, 3]
    assert outcome.epochs[0] == before.epochs[0]
    log = (folder / "log.csv").read_text().splitlines()
    assert log[0] == "epoch,loss,mpjpe_mm,rmse_mm,learning_rate,seconds,kept"
    assert len(log) == 4


@pytest.mark.parametrize("change", ["network", "optimizer", "cut short"])
def test_a_checkpoint_of_something_else_is_refused_in_one_line(tmp_path: Path, change: str) -> None:
    from models.training.config import Progress
    from models.training.trainer import CheckpointError

    folder = tmp_path / "net.run"
    folder.mkdir()
    first = make_run(tmp_path / "net.keras", training(epochs=1), folder, "lstm_ae_small")
    first.prepare()
    first.train(Progress())
    checkpoint = folder / "checkpoint.weights.h5"
    if change == "cut short":
        checkpoint.write_bytes(checkpoint.read_bytes()[:2000])
    name = "stream_lstm" if change == "network" else "lstm_ae_small"
    again = make_run(
        tmp_path / "net.keras", training(epochs=2, optimizer="muon" if change == "optimizer" else "adamw"), folder, name
    )
    with pytest.raises(CheckpointError, match=r"checkpoint\.weights\.h5: not a checkpoint .*; train without --resume"):
        again.prepare(resume=True)


def test_a_checkpoint_of_an_earlier_version_is_not_passed_over(tmp_path: Path) -> None:
    from models.training.trainer import CheckpointError

    folder = tmp_path / "net.run"
    folder.mkdir()
    (folder / "checkpoint.npz").write_bytes(b"")
    with pytest.raises(CheckpointError, match=r"checkpoint\.npz: a checkpoint of an earlier version.*without --resume"):
        make_run(tmp_path / "net.keras", training(), folder).prepare(resume=True)


def test_what_it_began_with_is_kept_unless_an_epoch_is_better(tmp_path: Path) -> None:
    from models.training.config import Progress
    from models.training.network_file import load
    from models.training.run import Start

    folder = tmp_path / "net.run"
    folder.mkdir()
    first = make_run(tmp_path / "first.keras", training(epochs=1))
    first.prepare()
    start = Start("first", first.config.scaling, tuple(first.built.core.get_weights()))
    run = make_run(tmp_path / "net.keras", training(epochs=2, learning_rate=1000.0), folder)
    run.start = start
    run.prepare()
    written: list[int] = []
    outcome = run.train(Progress(on_epoch=lambda epoch: written.append(epoch.epoch) if epoch.kept else None))
    assert [epoch.epoch for epoch in outcome.epochs] == [0, 1, 2]
    assert written == [0]
    assert outcome.best_mpjpe_mm == outcome.epochs[0].mpjpe_mm < outcome.epochs[2].mpjpe_mm
    for kept, begun in zip(load(tmp_path / "net.keras")[0].core.get_weights(), start.weights, strict=True):
        np.testing.assert_array_equal(kept, begun)
    rows = (folder / "log.csv").read_text().splitlines()
    assert [row.split(",")[0] for row in rows] == ["epoch", "0", "1", "2"]
    again = make_run(tmp_path / "net.keras", training(epochs=2), folder)
    assert again.prepare(resume=True) == 2


def test_it_stops_when_nothing_improves(tmp_path: Path) -> None:
    from models.training.config import Progress

    run = make_run(tmp_path / "net.keras", training(epochs=30, patience=2, learning_rate=0))
    run.prepare()
    assert len(run.train(Progress()).epochs) == 3


def test_constants_of_the_graph_come_from_training_tracks_alone() -> None:
    from models.training.run import constants_of

    segments = small_segments(CONFIG, users=2)
    alone = constants_of(segments[:1], CONFIG)
    both = constants_of(segments, CONFIG)
    assert alone != both
    np.testing.assert_allclose(alone.pose_mean, segments[0].pose.mean(axis=0), atol=1e-3)


def test_the_decoder_of_the_autoencoder_stays_as_it_was_trained(tmp_path: Path) -> None:
    from models.training.config import Progress

    run = make_run(tmp_path / "net.keras", training())
    run.prepare()
    decoders = [layer for layer in run.built.core.layers if layer.name.startswith("decoder_")]
    before = [layer.get_weights()[0] for layer in decoders]
    assert run.pretrained["autoencoder_rmse"] < 0.9
    run.train(Progress())
    for layer, kernel in zip(decoders, before, strict=True):
        np.testing.assert_array_equal(layer.get_weights()[0], kernel)


def test_losses_equal_the_metrics() -> None:
    prepare()
    from models.metrics import pose_error
    from models.training.losses import distance_loss, square_loss

    rng = np.random.default_rng(0)
    truth, pose = (rng.normal(0, 20, (7, 63)).astype(np.float32) for _ in range(2))
    truth[:, :3] = pose[:, :3] = 0
    weight = np.array([1, 1, 0, 1, 0, 0, 1], np.float32)
    counted = weight > 0
    measured = np.zeros(7, np.float32)
    wanted = pose_error.mpjpe(truth[counted], pose[counted])
    assert float(distance_loss(truth, pose, weight, measured)) == pytest.approx(wanted, rel=1e-4)
    assert float(square_loss(truth, pose, weight, measured)) * 63 / 60 == pytest.approx(
        pose_error.rmse(truth[counted], pose[counted]) ** 2, rel=1e-4
    )


def test_a_commanded_pose_counts_squared_and_a_wrong_fist_as_much_as_a_distance() -> None:
    prepare()
    from models.data.gesture_labels import poses_by_label
    from models.training.losses import distance_loss

    poses = poses_by_label("7=fist,-1=rest")
    truth, pose = (np.tile(poses[label], (2, 3, 1)) for label in (7, -1))
    weight = np.ones((2, 3), np.float32)
    by_distance, by_square = (
        float(distance_loss(truth, pose, weight, np.full(2, commanded, np.float32))) for commanded in (0.0, 1.0)
    )
    assert by_square == pytest.approx(by_distance, rel=0.02)
    halfway = float(distance_loss(truth, (truth + pose) / 2, weight, np.ones(2, np.float32)))
    assert halfway == pytest.approx(by_square / 4, rel=1e-3)
    mixed = float(distance_loss(truth, (truth + pose) / 2, weight, np.array([0.0, 1.0], np.float32)))
    assert mixed == pytest.approx((by_distance / 2 + by_square / 4) / 2, rel=0.02)


def test_the_last_network_is_kept_where_that_is_the_plan(tmp_path: Path) -> None:
    from models.training.config import Progress

    kept = make_run(tmp_path / "net.keras", training(epochs=4, patience=1, keep_last=True))
    kept.prepare()
    outcome = kept.train(Progress())
    assert [epoch.kept for epoch in outcome.epochs] == [True] * 4
    assert outcome.best_mpjpe_mm == outcome.epochs[-1].mpjpe_mm
    assert outcome.best_rmse_mm == outcome.epochs[-1].rmse_mm


def test_running_averages_forget_with_their_time_constant() -> None:
    from models.data.features import bank

    emg = np.full((400, 8), -3.0, np.float32)
    np.testing.assert_allclose(bank(emg, 200.0, (0.05, 5.0)), 3.0, rtol=1e-5)
    emg[200:] = 0.0
    after = bank(emg, 200.0, (0.5,))[299, 0, 0]
    assert after == pytest.approx(3.0 * np.exp(-0.5 / 0.5) * (1 - np.exp(-2.0)) / (1 - np.exp(-3.0)), rel=0.02)


def test_movement_is_compared_from_step_to_step() -> None:
    prepare()
    from models.training.losses import movement

    truth = np.zeros((1, 5, 63), np.float32)
    shifted, jumping = truth + 7.0, truth.copy()
    jumping[:, 2, 3:] = np.tile([3.0, 4.0, 0.0], 20)
    weight = np.ones((1, 5), np.float32)
    assert float(movement(truth, shifted, weight)) == pytest.approx(0.0, abs=2e-3)
    assert float(movement(truth, jumping, weight)) == pytest.approx(10.0 / 4, rel=1e-3)
