"""`myocast train`: a network from sessions."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from service.experiments.training_data import ALIGN, ALIGN_GESTURES

if TYPE_CHECKING:
    from models.data.segments import Segment
    from models.training.run import Run
    from models.training.trainer import Epoch, TrainingConfig
    from service.experiments.datasets import Item


def command(
    architecture: Annotated[str, typer.Option(help="The network; `myocast models` lists them.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .keras file to write; its log and manifest go into FILE.run/.")],
    data: Annotated[list[str] | None, typer.Option(metavar="PATH...", help="Session files, folders, or synthetic:users=24,sessions=2,seconds=120,seed=1.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More data.")] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Data for the final figures, which chooses nothing. May be given several times.")] = None,
    mode: Annotated[str, typer.Option(metavar="raw|filtered|envelope", help="What the network reads: raw or filtered at 200 Hz, envelope at 50 Hz.")] = "raw",
    split: Annotated[str, typer.Option(metavar="user|session|block", help="What validation holds out.")] = "user",
    held_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of users, or of each session, that it holds out.")] = 0.2,
    without: Annotated[str, typer.Option(metavar="USER,USER", help="People to leave out of --data, so that they can be judged on.")] = "",
    gestures: Annotated[str, typer.Option(metavar="7=fist,-1=rest", help="Poses for class labels in sessions without ground truth; -1 = all others.")] = "",
    canonical_share: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Share of training from sessions with --gestures; without it as many as there are.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches per epoch.")] = None,
    batch: Annotated[int | None, typer.Option(min=1)] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0)] = None,
    loss: Annotated[str, typer.Option(metavar="mpjpe|mse")] = "mpjpe",
    patience: Annotated[int | None, typer.Option(min=1, help="Epochs without improvement before it stops.")] = None,
    roll: Annotated[float | None, typer.Option(min=0.0, max=4.0, help="Augmentation: turns of the band by up to so many channels.")] = None,
    gain: Annotated[float | None, typer.Option(min=0.0, max=2.0, help="Augmentation: SD of the logarithm of the gain.")] = None,
    align: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of training on measured poses whose band is aligned to the template first.")] = ALIGN,
    align_gestures: Annotated[float, typer.Option(min=0.0, max=1.0, help="The same for the sessions of --gestures; the more, the better an aligned band works.")] = ALIGN_GESTURES,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads; default all.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in FILE.run/.")] = False,
) -> None:  # fmt: skip
    """Train a network. The best one so far is always in FILE; Ctrl-C stops and keeps it."""
    from models.architectures import network
    from models.architectures.base import NetworkConfig
    from service.experiments.datasets import items
    from service.experiments.keras_setup import prepare_keras
    from service.experiments.training_data import TEMPLATE_CUES_S, aligned, calibrations, load_segments, trained_on

    chosen = network(architecture)
    config = NetworkConfig(50.0 if mode == "envelope" else 200.0, mode)
    if out.suffix != ".keras":
        raise typer.BadParameter(f"{out}: a network file ends in .keras", param_hint="--out")
    if loss not in ("mpjpe", "mse"):
        raise typer.BadParameter(f"expected mpjpe or mse, got {loss!r}", param_hint="--loss")
    found, judged = items([*(data or []), *(more or [])]), items(test) if test else []
    prepare_keras(threads)
    from models.data.splits import split as divide
    from models.training.run import Run, default_training

    given: dict[str, Any] = {
        "epochs": epochs,
        "steps_per_epoch": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "patience": patience,
    }
    usual = default_training(chosen)
    changed = {key: value for key, value in (("roll", roll), ("gain", gain)) if value is not None}
    training = replace(
        usual,
        loss=loss,
        seed=seed,
        canonical_share=canonical_share,
        augmentation=replace(usual.augmentation, align=align, align_asked=align_gestures, **changed),
        **{key: value for key, value in given.items() if value is not None},
    )
    folder = out.with_suffix(".run")
    _make_folder(folder)
    with _stop_requests() as stop, Display() as display:
        left_out = set(filter(None, without.split(",")))
        found = [item for item in found if item.wearer not in left_out]
        known = [
            segment
            for segment in load_segments(found, config, gestures, display.reading)
            if segment.user not in left_out
        ]
        parts, target = aligned(divide(known, split, held_out, seed), calibrations(found, TEMPLATE_CUES_S, config))
        run = Run(chosen, config, parts, training, out, folder, trained_on(found))
        _manifest(folder, found, judged, parts.describe(), training, chosen.name, mode)
        done = run.prepare(resume=resume)
        display.start(training, done)
        run.template = target
        outcome = run.train(display.progress(stop))
        display.stop()
        if not outcome.epochs:
            raise typer.Exit(0)
        finish(run, load_segments(judged, config, gestures, display.reading), split, judged, out)


def finish(run: Run, test: Sequence[Segment], split: str, judged: Sequence[Item], out: Path) -> None:
    """Judge, save, and say how it went in one line."""
    from service.experiments.training_data import kind_of

    if judged:
        label = f"{len({segment.user for segment in test})} {kind_of(test)} users who were not trained on"
    else:
        label = f"held out by {split}, which chose when to stop ({kind_of(run.split.held_out)})"
    figures = run.finish(test, label)
    typer.echo(
        f"{out}: MPJPE {figures['mpjpe_mm']:.2f} mm (mean pose {figures['mean_pose_mpjpe_mm']:.2f}), "
        f"RMSE {figures['rmse_mm']:.2f} mm per coordinate, R² {figures['r2']:.2f}; {label}"
    )


def _manifest(
    folder: Path,
    found: Sequence[Item],
    judged: Sequence[Item],
    split: dict[str, object],
    training: TrainingConfig,
    name: str,
    mode: str,
) -> None:
    content = {
        "architecture": name,
        "mode": mode,
        "plan": asdict(training),
        "split": split,
        "data": [{"name": item.name, **item.describe()} for item in found],
        "test": [{"name": item.name, **item.describe()} for item in judged],
    }
    (folder / "manifest.json").write_text(json.dumps(content, indent=1))


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{folder}: cannot be made ({error.strerror})", param_hint="--out") from None


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """SIGINT and SIGTERM ask to stop; a second one ends at once."""
    asked = False

    def ask(number: int, frame: object) -> None:
        nonlocal asked
        if asked:
            raise KeyboardInterrupt
        asked = True

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class Display:
    """Progress on stderr: bars on a terminal, one line per epoch elsewhere."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(stderr=True)
        self._bars = Progress(
            TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn(),
            console=self._console, disable=not self._console.is_terminal,
        )  # fmt: skip
        self._reading: Any = None
        self._epochs: Any = None
        self._step: Any = None

    def __enter__(self) -> Display:
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def reading(self, name: str, total: int) -> None:
        if self._reading is None:
            self._reading = self._bars.add_task("reading", total=total, note="")
        self._bars.update(self._reading, advance=1, note=Path(name).name[-40:])

    def start(self, training: TrainingConfig, done: int) -> None:
        self._epochs = self._bars.add_task("epochs", total=training.epochs, completed=done, note="")
        self._step = self._bars.add_task("batches", total=training.steps_per_epoch, note="")

    def stop(self) -> None:
        self._bars.stop()

    def progress(self, stop: Callable[[], bool]) -> Any:
        from models.training.trainer import Progress

        return Progress(stop=stop, on_step=self._on_step, on_epoch=self._on_epoch)

    def _on_step(self, step: int, total: int, loss: float) -> None:
        self._bars.update(self._step, completed=step, note=f"loss {loss:.2f}")

    def _on_epoch(self, epoch: Epoch) -> None:
        line = f"epoch {epoch.epoch}: loss {epoch.loss:.2f}, MPJPE {epoch.mpjpe_mm:.2f} mm, {epoch.seconds:.0f} s{' *' if epoch.best else ''}"
        self._bars.update(self._epochs, completed=epoch.epoch, note=line)
        if not self._console.is_terminal:
            typer.echo(line, err=True)
