"""What `myocast train` runs: sessions in, a network file with its log and manifest out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from models.architectures import Network
from models.architectures.base import NetworkConfig
from models.data.segments import Segment
from models.data.splits import split
from models.training.config import Epoch, Progress, TrainingConfig
from models.training.run import Run, Start
from service.experiments.datasets import Item
from service.experiments.little_data import (
    LITTLE_S,
    better_way,
    check_poses,
    command_line,
    labelled_seconds,
    note_on_start,
    shipped_start,
)
from service.experiments.training_data import (
    TEMPLATE_CUES_S,
    aligned,
    calibrations,
    kind_of,
    load_items,
    load_segments,
    trained_on,
)


@dataclass(frozen=True, slots=True)
class TrainingRunConfig:
    """A network, the sessions to train it on, and where it goes."""

    network: Network
    config: NetworkConfig
    training: TrainingConfig
    data: Sequence[Item]
    test: Sequence[Item]
    """Sessions for the final figures, which choose nothing."""
    out: Path
    """The .keras file; log, checkpoint and manifest go into a `.run` folder beside it."""
    split: str = "user"
    """What validation holds out."""
    held_out: float = 0.2
    """Share of it."""
    without: frozenset[str] = frozenset()
    """People who are left out of `data`."""
    gestures: str = ""
    """Poses for class labels, such as `7=fist,-1=rest`."""
    resume: bool = False
    """Go on from the checkpoint in the `.run` folder."""
    fine_tuning: TrainingConfig | None = None
    """In place of `training` where it begins with a shipped network; None = the same."""
    from_scratch: bool = False
    """Begin with random weights also where there is little data and a network of this kind ships."""

    @property
    def run_folder(self) -> Path:
        """Of the log, the checkpoint and the manifest."""
        return self.out.with_suffix(".run")


class TrainingDisplay(Protocol):
    """Shows how far a training is."""

    def reading(self, name: str, total: int) -> None:
        """One of `total` sessions was read."""
        ...

    def note(self, text: str) -> None:
        """A line that the user should read."""
        ...

    def start(self, training: TrainingConfig, done: int) -> None:
        """Training begins; `done` epochs are behind it."""
        ...

    def on_step(self, step: int, total: int, loss: float) -> None:
        """One batch of an epoch is done."""
        ...

    def on_epoch(self, epoch: Epoch) -> None:
        """An epoch is done."""
        ...

    def stop(self) -> None:
        """Training is over."""
        ...


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """What a training came to. The best network is in `out`."""

    out: Path
    """The .keras file."""
    figures: Mapping[str, float]
    """Pose errors, mean over users: `mpjpe_mm`, `mean_pose_mpjpe_mm`, `rmse_mm`, `r2` and others."""
    split: str
    """What the figures were measured on, in words."""
    epochs: tuple[Epoch, ...]

    @property
    def worse_than_still_hand(self) -> bool:
        """Whether a hand that never moves, the mean pose, is nearer to the truth."""
        return self.figures["mpjpe_mm"] >= self.figures["mean_pose_mpjpe_mm"]

    def __str__(self) -> str:
        figures = self.figures
        return (
            f"{self.out}: MPJPE {figures['mpjpe_mm']:.2f} mm (mean pose {figures['mean_pose_mpjpe_mm']:.2f}), "
            f"RMSE {figures['rmse_mm']:.2f} mm per coordinate, R² {figures['r2']:.2f}; {self.split}"
        )


def train_network(
    config: TrainingRunConfig, display: TrainingDisplay, stop: Callable[[], bool]
) -> TrainingResult | None:
    """Train, evaluate and save a network.

    Args:
        config: what to train, on what.
        display: shows how far it is.
        stop: whether to stop; asked after every batch.

    Returns:
        How good the best network is; None if it was stopped before its first batch.

    Raises:
        MyocastError: data or a checkpoint that cannot be used.
    """
    folder = config.run_folder
    folder.mkdir(exist_ok=True)
    found = [item for item in config.data if item.wearer not in config.without]
    loaded = load_items(found, config.config, config.gestures, display.reading)
    known = [segment for _, segments in loaded for segment in segments if segment.user not in config.without]
    check_poses(known, config.gestures)
    divided = split(known, config.split, config.held_out, config.training.seed)
    parts, template = aligned(divided, calibrations(found, TEMPLATE_CUES_S, config.config))
    run = Run(config.network, config.config, parts, config.training, config.out, folder, trained_on(found))
    run.template = template
    if not config.test:
        run.check_held_out()
    if labelled_seconds(known) < LITTLE_S:
        run.start = _start_on_little_data(config, loaded, display)
        if run.start is not None:
            run.training = config.fine_tuning or config.training
    _write_manifest(folder, config, found, parts.describe())
    done = run.prepare(resume=config.resume)
    if config.resume and not done:
        display.note(f"{folder}: no checkpoint to go on from; begins anew")
    display.start(run.training, done)
    outcome = run.train(Progress(stop=stop, on_step=display.on_step, on_epoch=display.on_epoch))
    display.stop()
    if not outcome.epochs:
        return None
    test = load_segments(config.test, config.config, config.gestures, display.reading)
    return _finish(run, config, test, outcome.epochs)


def _start_on_little_data(
    config: TrainingRunConfig, loaded: Sequence[tuple[Item, Sequence[Segment]]], display: TrainingDisplay
) -> Start | None:
    """Say what is better where there is little data; what training begins with."""
    better = better_way(loaded, config.config, config.out)
    if better is not None:
        text, words = better
        display.note(f"{text} `{command_line(words)}`")
    if config.from_scratch:
        return None
    start = shipped_start(config.network, config.config)
    display.note(note_on_start(start))
    return start


def _finish(run: Run, config: TrainingRunConfig, test: Sequence[Segment], epochs: tuple[Epoch, ...]) -> TrainingResult:
    """Evaluate and save the best network."""
    if config.test:
        label = f"{_who(test)} who were not trained on"
    else:
        label = f"held out by {config.split}, which chose when to stop ({kind_of(run.split.held_out)})"
    return TrainingResult(config.out, run.finish(test, label), label, epochs)


def _who(test: Sequence[Segment]) -> str:
    """People where the data name them, else sessions."""
    kind = kind_of(test)
    if all(segment.named for segment in test):
        return f"{len({segment.user for segment in test})} {kind} users"
    return f"{len({(segment.user, segment.session) for segment in test})} {kind} sessions of unnamed users"


def _write_manifest(folder: Path, config: TrainingRunConfig, found: Sequence[Item], parts: dict[str, object]) -> None:
    content = {
        "architecture": config.network.name,
        "mode": config.config.emg_mode,
        "plan": asdict(config.training),
        "split": parts,
        "data": [{"name": item.name, **item.describe()} for item in found],
        "test": [{"name": item.name, **item.describe()} for item in config.test],
    }
    (folder / "manifest.json").write_text(json.dumps(content, indent=1))
