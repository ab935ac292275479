"""`myocast train`: a network from sessions."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from models.architectures import network
from models.architectures.base import STEP_HZ, NetworkConfig
from models.spec import MAX_AHEAD_MS
from models.training.config import Epoch, TrainingConfig, default_training, fine_tuning, override
from service.cli.progress import Bar, Bars
from service.cli.typed import as_typed
from service.experiments.datasets import items
from service.experiments.keras_setup import prepare_keras
from service.experiments.training_data import ALIGN, ALIGN_GESTURES

STEP_MS: Final = 1000.0 / STEP_HZ


def command(
    architecture: Annotated[str, typer.Option(help="The network; `myocast models` lists them.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .keras file to write; its log and manifest go into a folder beside it: mine.keras, mine.run.")],
    data: Annotated[list[str] | None, typer.Option(metavar="PATH...", help="Session files, folders, or synthetic:users=24,sessions=2,seconds=120,seed=1.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More data.")] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Data for the final figures, which chooses nothing. May be given several times.")] = None,
    mode: Annotated[str, typer.Option(metavar="raw|filtered|envelope", help="What the network reads: raw or filtered at 200 Hz, envelope at 50 Hz.")] = "raw",
    split: Annotated[str, typer.Option(metavar="user|session|block", help="What validation holds out.")] = "user",
    held_out: Annotated[float, typer.Option(min=0.01, max=0.9, help="Share of users, or of each session, that it holds out.")] = 0.2,
    without: Annotated[str, typer.Option(metavar="USER,USER", help="People to leave out of --data, so that they can be evaluated on.")] = "",
    gestures: Annotated[str, typer.Option(metavar="7=fist,-1=rest", help="Poses for class labels in sessions without ground truth; -1 = all others.")] = "",
    canonical_share: Annotated[float | None, typer.Option(min=0.0, max=1.0, help="Share of training from sessions with --gestures; without it as many as there are.")] = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most; without it as many as the network usually takes.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches per epoch; without it one pass over the data, at most as many as the network usually takes.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Examples in a batch; without it as the network usually takes.")] = None,
    learning_rate: Annotated[float | None, typer.Option(min=0.0, help="Highest learning rate; without it the network's own.")] = None,
    loss: Annotated[str, typer.Option(metavar="mpjpe|mse", help="Mean distance of the joints, or mean squared error of the coordinates.")] = "mpjpe",
    ahead: Annotated[float | None, typer.Option(metavar="MS", min=0.0, max=MAX_AHEAD_MS, help="Learn the pose so many ms after the newest sample, in steps of 20: it makes up for the lag of a filter.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Epochs without improvement before it stops.")] = None,
    roll: Annotated[float | None, typer.Option(min=0.0, max=4.0, help="Augmentation: turns of the band by up to so many channels.")] = None,
    gain: Annotated[float | None, typer.Option(min=0.0, max=2.0, help="Augmentation: SD of the logarithm of the gain.")] = None,
    align: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of training on measured poses whose band is aligned to the template first.")] = ALIGN,
    align_gestures: Annotated[float, typer.Option(min=0.0, max=1.0, help="The same for the sessions of --gestures; the more, the better an aligned band works.")] = ALIGN_GESTURES,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the weights, the batches and the split.")] = 0,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads; default all.")] = None,
    from_scratch: Annotated[bool, typer.Option("--from-scratch", help="Begin with random weights also with less than 10 minutes of labels; without it with the shipped network, where there is one of this architecture and mode.")] = False,
    resume: Annotated[bool, typer.Option(help="Go on from the checkpoint in that folder.")] = False,
) -> None:  # fmt: skip
    """Train a network. The best one so far is always in FILE (* behind its epoch); Ctrl-C stops and keeps it."""
    chosen, config = network(architecture), NetworkConfig.for_mode(mode)
    if out.suffix != ".keras":
        raise typer.BadParameter(f"{out}: a network file ends in .keras", param_hint="--out")
    if loss not in ("mpjpe", "mse"):
        raise typer.BadParameter(f"expected mpjpe or mse, got {loss!r}", param_hint="--loss")
    asked = {
        "epochs": epochs,
        "steps_per_epoch": steps,
        "batch": batch,
        "learning_rate": learning_rate,
        "patience": patience,
        "loss": loss,
        "ahead_ms": None if ahead is None else STEP_MS * round(ahead / STEP_MS),
        "seed": seed,
        "canonical_share": canonical_share,
    }
    augmented = {"align": align, "align_asked": align_gestures, "roll": roll, "gain": gain}
    training, fine = (
        override(replace(usual, augmentation=override(usual.augmentation, **augmented)), **asked)
        for usual in (default_training(chosen), fine_tuning(chosen))
    )
    sessions, tests = items([*(data or []), *(more or [])]), items(test) if test else []
    with _run_folder(out.with_suffix(".run")):
        prepare_keras(threads)
        from service.experiments.training import TrainingRunConfig, train_network

        left_out = frozenset(filter(None, without.split(",")))
        run = TrainingRunConfig(
            chosen,
            config,
            training,
            sessions,
            tests,
            out,
            split,
            held_out,
            left_out,
            gestures,
            resume,
            fine,
            from_scratch,
        )
        with _stop_requests() as stop, TrainingBars() as display:
            result = train_network(run, display, stop)
    if result is None:
        return
    typer.echo(result)
    if result.worse_than_still_hand:
        typer.echo(f"myocast: {WORSE}", err=True)


WORSE: Final = (
    "worse than a still hand: the mean pose is nearer to the truth than this network, so do not serve it; "
    "train on more labels, or fit a shipped model to your own with `myocast calibrate`"
)


@contextmanager
def _run_folder(folder: Path) -> Iterator[None]:
    """Make the folder before anything else is done; afterwards it is left only if there is something in it."""
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise typer.BadParameter(f"{folder}: cannot be made ({error.strerror})", param_hint="--out") from None
    try:
        yield
    finally:
        with suppress(OSError):
            folder.rmdir()


@contextmanager
def _stop_requests() -> Iterator[Callable[[], bool]]:
    """Return True from the yielded function after SIGINT or SIGTERM; a second signal raises KeyboardInterrupt."""
    requested = False

    def handle(number: int, frame: object) -> None:
        nonlocal requested
        if requested:
            raise KeyboardInterrupt
        requested = True

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield lambda: requested
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class TrainingBars:
    """Progress on stderr: bars on a terminal, one line per epoch elsewhere."""

    def __init__(self) -> None:
        self._bars = Bars(estimate_over_s=600.0)
        self._shown: dict[str, Bar] = {}
        self._done = 0

    def __enter__(self) -> TrainingBars:
        self._bars.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()

    def reading(self, name: str, total: int) -> None:
        if "reading" not in self._shown:
            self._shown["reading"] = self._bars.add("reading", total)
        self._shown["reading"].advance(Path(name).name[-40:])

    def note(self, text: str) -> None:
        self._bars.echo(f"myocast: {as_typed(text)}")

    def start(self, training: TrainingConfig, done: int) -> None:
        self._shown["epochs"] = self._bars.add("epochs", training.epochs, done)
        self._shown["batches"] = self._bars.add("batches", training.steps_per_epoch or 0)
        self._done = done

    def on_step(self, step: int, total: int, loss: float) -> None:
        # Parts of an epoch count: the time left is known before the first one is over.
        self._shown["epochs"].set(self._done + step / total)
        self._shown["batches"].set(step, f"loss {loss:.2f}")

    def on_epoch(self, epoch: Epoch) -> None:
        line = f"epoch {epoch.epoch}: loss {epoch.loss:.2f}, MPJPE {epoch.mpjpe_mm:.2f} mm, {epoch.seconds:.0f} s{' *' if epoch.kept else ''}"
        self._done = epoch.epoch
        self._shown["epochs"].set(epoch.epoch, line)
        if not self._bars.on_terminal:
            typer.echo(line, err=True)

    def stop(self) -> None:
        self._bars.stop()
