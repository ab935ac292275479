"""`myocast compare`: all networks on the same data and splits, in one table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from models.architectures import NETWORKS, Network, network
from models.architectures.base import NetworkConfig
from models.training.config import override
from service.experiments.datasets import items
from service.experiments.keras_setup import prepare_keras


def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Networks, figures and the table go here; run again to go on.")],
    data: Annotated[list[str] | None, typer.Option(metavar="PATH...", help="Sessions: at least three per user, or two. The last of each user is the held-out donning, the one before chooses when to stop.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More data.")] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Sessions of users who are not in --data. May be given several times.")] = None,
    networks: Annotated[str, typer.Option(metavar="NAME,NAME", help="Which networks, in that order, each perhaps with its own number of seeds (stream_tcn:3); all without it.")] = "",
    mode: Annotated[str, typer.Option(metavar="raw|filtered|envelope", help="What the networks read: raw or filtered at 200 Hz, envelope at 50 Hz.")] = "raw",
    epochs: Annotated[int | None, typer.Option(min=1, help="Epochs at most; without it as many as each network usually takes.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches per epoch.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per network, with seeds 0, 1, ...; figures are their means.")] = 1,
    people: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Instead: folders of myo-readings-dataset (may be given several times); closure on real people in five folds by person, with --data synthetic:... to learn from as well.")] = None,
    shared: Annotated[int | None, typer.Option(metavar="STEPS", min=1, help="With --people: train so many batches on the synthetic people alone first; all folds begin with that network, and need fewer epochs.")] = None,
    jhu: Annotated[Path | None, typer.Option(metavar="DIR", help="Instead: the folder of JHU-NTX-2023; finger angles of a real person on ten blocks.")] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="Processor threads; default all.")] = None,
) -> None:  # fmt: skip
    """Train, evaluate, export and time all networks on the same data, and write the table."""
    pairs = [_network(text, seeds) for text in (networks.split(",") if networks else NETWORKS)]
    config = NetworkConfig.for_mode(mode)
    sessions, tests, recorded = (
        items(paths) if paths else [] for paths in ([*(data or []), *(more or [])], test, people)
    )
    if jhu is None and not sessions:
        items([])
    prepare_keras(threads)
    from service.experiments import compare, cross_validation, finger_angles

    words = _words(data, more, mode, epochs, steps)
    if jhu is not None:
        line = _command_line(["--jhu", jhu.name, "--out", out.name, *(["--threads", str(threads)] if threads else [])])
        text = finger_angles.compare_learners(jhu, out, line, _note)
    elif recorded:
        training = override(cross_validation.training_for_people(), epochs=epochs, steps_per_epoch=steps)
        words += [f"--shared {shared}"] if shared else []
        line = _command_line([*(f"--people {path}" for path in people or ()), *words])
        first = cross_validation.shared_training(shared) if shared else None
        text = cross_validation.compare_people(recorded, sessions, config, training, out, line, _note, first)
    else:
        line = _command_line(_words(data, more, mode, epochs, steps, test, networks, seeds))
        text = compare.compare_networks(
            compare.CompareConfig(pairs, config, sessions, tests, out, line, epochs, steps), _note
        )
    typer.echo(text)


def _note(text: str) -> None:
    typer.echo(text, err=True)


def _network(text: str, seeds: int) -> tuple[Network, int]:
    """`NAME` or `NAME:SEEDS`."""
    name, _, times = text.partition(":")
    if times and not times.isdecimal():
        raise typer.BadParameter(
            f"{text!r}: expected NAME or NAME:SEEDS, such as stream_tcn:3", param_hint="--networks"
        )
    return network(name), int(times or seeds)


def _command_line(words: Iterable[str]) -> str:
    """The command that gives the same table."""
    return " ".join(["myocast compare", *words])


def _words(
    data: Sequence[str] | None,
    more: Sequence[str] | None,
    mode: str,
    epochs: int | None,
    steps: int | None,
    test: Sequence[str] | None = (),
    networks: str = "",
    seeds: int = 1,
) -> list[str]:
    """The options that differ from their defaults."""
    words = [f"--data {path}" for path in (*(data or ()), *(more or ()))]
    words += [f"--test {path}" for path in test or ()]
    words += [f"--networks {networks}"] if networks else []
    words += [f"--mode {mode}"] if mode != "raw" else []
    words += [f"--epochs {epochs}"] if epochs else []
    words += [f"--steps {steps}"] if steps else []
    return words + ([f"--seeds {seeds}"] if seeds > 1 else [])
