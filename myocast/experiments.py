"""Train, export and evaluate models. All three need the packages of the extra `[train]`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from models.recording import Recording
from myocast.inference import Model, load_model
from service.experiments.keras_setup import prepare_keras

if TYPE_CHECKING:
    from models.evaluation.evaluation import Evaluation
    from models.training.config import Epoch, TrainingConfig
    from service.experiments.datasets import Item
    from service.experiments.training import TrainingResult

    Sessions = Iterable[Recording | str | Path]


def train(
    architecture: str,
    sessions: Sessions,
    out: str | Path,
    *,
    test: Sessions = (),
    mode: Literal["raw", "filtered", "envelope"] = "raw",
    split: Literal["user", "session", "block"] = "user",
    held_out: float = 0.2,
    epochs: int | None = None,
    steps_per_epoch: int | None = None,
    batch: int | None = None,
    learning_rate: float | None = None,
    patience: int | None = None,
    from_scratch: bool = False,
    seed: int = 0,
    threads: int | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
) -> TrainingResult:
    """Train a network; the best one so far is always in `out`.

    Args:
        architecture: name of a network; `myocast models` lists them.
        sessions: recordings, session files, folders of them, or texts such as
            `synthetic:users=24,sessions=2,seconds=120,seed=1`.
        out: the `.keras` file to write; its log and manifest go into a folder `.run` beside it.
        test: sessions that choose nothing, for the final figures; without them the figures are those of the part that
            chose when to stop.
        mode: what the network reads: raw or filtered EMG at 200 Hz, or envelopes at 50 Hz.
        split: what is held out of `sessions` to choose when to stop: whole people, the last session of each, or the
            end of each session.
        held_out: share of people, or of each session, that is held out.
        epochs: at most so many; None here and below: what suits the architecture.
        steps_per_epoch: batches per epoch; None: one pass over the data, at most as many as suit the architecture.
        batch: windows or runs per batch.
        learning_rate: at its highest.
        patience: epochs without improvement before training stops.
        from_scratch: begin with random weights also with less than ten minutes of labels; otherwise training begins
            there with the shipped network, if there is one of this architecture and mode.
        seed: of weights, batches and the split.
        threads: of the processor; None: all.
        on_epoch: called after each epoch with its errors.

    Raises:
        MyocastError: data that cannot be used, a name that is not known, or packages that are missing.
        ValueError: no sessions, or `out` does not end in `.keras`.
    """
    from models.architectures import network
    from models.architectures.base import NetworkConfig
    from models.training.config import default_training, fine_tuning, override

    target = Path(out)
    if target.suffix != ".keras":
        raise ValueError(f"out must end in .keras, got {target.name}")
    chosen = network(architecture)
    config, fine = (
        _with_alignment(
            override(
                usual, epochs=epochs, steps_per_epoch=steps_per_epoch, batch=batch, learning_rate=learning_rate,
                patience=patience, seed=seed,
            )
        )
        for usual in (default_training(chosen), fine_tuning(chosen))
    )  # fmt: skip
    prepare_keras(threads)
    from service.experiments.training import TrainingRunConfig, train_network

    run = TrainingRunConfig(
        chosen, NetworkConfig.for_mode(mode), config, _some(sessions), _items(test), target, split, held_out,
        fine_tuning=fine, from_scratch=from_scratch,
    )  # fmt: skip
    result = train_network(run, _Display(on_epoch), stop=lambda: False)
    assert result is not None, "nothing asked it to stop before its first epoch was over"
    return result


def export(keras: str | Path, onnx: str | Path, *, name: str = "", int8: bool = False) -> Model:
    """Convert a trained network to a model file that serves, and check that both give the same poses.

    Args:
        keras: the `.keras` file that `train` wrote.
        onnx: the `.onnx` file to write.
        name: the model's name; without it the architecture's.
        int8: store weights as 8-bit integers: a quarter of the size, and a small error.

    Raises:
        MyocastError: a file that cannot be read or written, or a network that does not convert exactly enough.
        ValueError: `onnx` does not end in `.onnx`.
    """
    target = Path(onnx)
    if target.suffix != ".onnx":
        raise ValueError(f"onnx must end in .onnx, got {target.name}")
    prepare_keras()
    from exporters.network_export import export_file

    export_file(Path(keras), target, name=name, int8=int8)
    return load_model(target)


def evaluate(
    model: Model | str | Path,
    sessions: Sessions,
    *,
    training: Sessions = (),
    split: Literal["", "user", "session", "block", "gesture"] = "",
    held_out: float = 0.2,
    seed: int = 0,
    align_s: float = 0.0,
    rotations_deg: Iterable[float] = (),
) -> Evaluation:
    """Measure the errors of a model beside those of baselines.

    Args:
        model: what is evaluated; a path is loaded first.
        sessions: with the true pose, as for `train`.
        training: what the model was trained on, to fit the baselines on; without it only constant poses are baselines.
        split: evaluate only what such a split of `sessions` holds out and fit the baselines on the rest, or report
            errors by gesture; empty: evaluate all of `sessions`.
        held_out: share that the split holds out.
        seed: which people the split holds out.
        align_s: seconds of rest, fist and wrist extension that each band is aligned on first.
        rotations_deg: angles by which the band is turned as well, both ways.

    Returns:
        `figures` (means over people), `users`, `baselines` and more, errors in mm.

    Raises:
        MyocastError: sessions that cannot be used, or packages that are missing.
        ValueError: no sessions.
    """
    from models.evaluation.passes import SKIP
    from service.experiments.evaluation import FileEvaluationConfig, evaluate_file

    prepare_keras(keras=False)
    loaded = model if isinstance(model, Model) else load_model(model)
    config = FileEvaluationConfig(
        loaded.path, _some(sessions), _items(training), split, held_out, seed, align_s, SKIP, tuple(rotations_deg)
    )
    return evaluate_file(config, note=lambda text: None)


def _items(sessions: Sessions) -> list[Item]:
    from service.experiments.datasets import in_memory, items

    found: list[Item] = []
    for one in sessions:
        found += in_memory([one]) if isinstance(one, Recording) else items([str(one)])
    return found


def _some(sessions: Sessions) -> list[Item]:
    found = _items(sessions)
    if not found:
        raise ValueError("no sessions; give recordings, session files, folders, or synthetic:users=24,sessions=2")
    return found


def _with_alignment(config: TrainingConfig) -> TrainingConfig:
    """The shares of aligned training that `myocast train` has by default."""
    from models.training.config import override
    from service.experiments.training_data import ALIGN, ALIGN_GESTURES

    return replace(config, augmentation=override(config.augmentation, align=ALIGN, align_asked=ALIGN_GESTURES))


class _Display:
    """Passes on how each epoch went and nothing else."""

    def __init__(self, on_epoch: Callable[[Epoch], None] | None) -> None:
        self._on_epoch = on_epoch

    def reading(self, name: str, total: int) -> None:
        pass

    def note(self, text: str) -> None:
        pass

    def start(self, training: TrainingConfig, done: int) -> None:
        pass

    def on_step(self, step: int, total: int, loss: float) -> None:
        pass

    def on_epoch(self, epoch: Epoch) -> None:
        if self._on_epoch is not None:
            self._on_epoch(epoch)

    def stop(self) -> None:
        pass
