"""`myocast compare --people`: does the hand close for people whom the network has never seen?

Every person is held out once, in five folds; the network of each fold learns from everybody else and from
synthetic people. All sessions are judged as they come (cold) and with their band aligned on a few cues.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import typer

from models.errors import MyocastError
from service.experiments.training_data import ALIGN, ALIGN_GESTURES

if TYPE_CHECKING:
    from models.architectures.base import NetworkConfig
    from models.data.segments import Segment
    from models.data.splits import Split
    from models.metrics.hand_closure import SessionClosure
    from models.training.trainer import TrainingConfig
    from service.experiments.datasets import Item

FOLDS: Final = 5
EPOCHS: Final = 8
GESTURES: Final = "7=fist,-1=rest"
VALIDATION: Final = 0.04
"""Share of each fold's people, synthetic ones included, who are not trained on: on them the log's errors are."""
REAL: Final = 0.5
"""Share of training on recorded people."""
SEED: Final = 1
"""Of the folds; another division of the same people chose the settings."""
ALIGN_S: Final = 15.0
WAYS: Final = ("cold", "aligned", "amplitude")
COLUMNS: Final = (
    ("sessions", "sessions"), ("auc_median", "AUC fist against wrist gestures, median"), ("auc_p10", "P10"),
    ("fist_closed_median", "closed in fist, median"), ("wrist_closed_mean", "in wrist gestures"),
    ("rest_closed_mean", "at rest"), ("works", "sessions that work"),
)  # fmt: skip
NOTE: Final = f"""\
Real people who were asked for gestures; each was judged by a network that never saw them ({FOLDS} folds by person),
streamed causally, without the first second after each cue. A sample is closed when the hand is more than half way from
rest to fist; a session works if fists are closed at least 80 %, wrist gestures at most 15 % and rest at most 5 % of the
time. Cold: the band as it was worn. Aligned: fitted on {ALIGN_S:g} s of rest, fist and wrist extension, which are not
judged. Amplitude alone: the mean of the band's channels over 0.25 s, without a network.
"""


class PeopleError(MyocastError):
    """Recordings that closure cannot be judged on."""


@dataclass(frozen=True, slots=True)
class Material:
    """What all folds share."""

    config: NetworkConfig
    recorded: Sequence[Segment]
    """With canonical poses, to learn from."""
    judged: Sequence[Segment]
    """The same sessions without."""
    made: Sequence[Segment]
    """Synthetic people."""
    asked: Sequence[Segment]
    """Their cues."""


def compare_people(
    folders: Sequence[Item], made: Sequence[Item], mode: str, training: TrainingConfig, out: Path, command_line: str
) -> None:
    """Train and judge all folds, and write `people.md` and `people.json` into `out`; folds that are there are kept."""
    from models.architectures import DEFAULT, network
    from models.architectures.base import NetworkConfig
    from service.experiments.datasets import recipe_key
    from service.experiments.training_data import TEMPLATE_CUES_S, calibrations, load_segments

    config = NetworkConfig(50.0 if mode == "envelope" else 200.0, mode)

    def quiet(name: str, total: int) -> None:
        """Nobody watches."""

    material = Material(
        config,
        load_segments(folders, config, GESTURES, quiet),
        load_segments(folders, config, "", quiet),
        load_segments(made, config, "", quiet),
        calibrations(made, TEMPLATE_CUES_S, config),
    )
    out.mkdir(parents=True, exist_ok=True)
    recipe = {
        "data": [item.describe() for item in (*folders, *made)], "mode": mode, "plan": asdict(training),
        "network": [DEFAULT, network(DEFAULT).parameters],
    }  # fmt: skip
    key = recipe_key(recipe)
    found: dict[str, list[dict[str, Any]]] = {way: [] for way in WAYS}
    for fold, people in enumerate(folds([segment.user for segment in material.judged], training.seed)):
        for way, sessions in _fold(material, people, training, out / f"fold-{fold}", f"{key}-{fold}").items():
            found[way] += [{**session, "fold": fold} for session in sessions]
        typer.echo(f"fold {fold}: {len(people)} people judged", err=True)
    if not all(found.values()):
        raise PeopleError(
            "no session has fists, wrist gestures and rest beyond the cues of its alignment; give longer ones"
        )
    text = f"`{command_line}`\n\n{markdown(found)}"
    (out / "people.json").write_text(json.dumps(found, indent=1))
    (out / "people.md").write_text(text)
    typer.echo(text)


def training_for_people() -> TrainingConfig:
    """The default network's training, half of it on recorded people."""
    from models.architectures import DEFAULT, network
    from models.training.run import default_training

    training = default_training(network(DEFAULT))
    augmentation = replace(training.augmentation, align=ALIGN, align_asked=ALIGN_GESTURES)
    return replace(training, epochs=EPOCHS, seed=SEED, canonical_share=REAL, augmentation=augmentation)


def folds(users: Sequence[str], seed: int) -> list[set[str]]:
    """People, each in one of five groups."""
    order = np.random.default_rng(seed).permutation(sorted(set(users)))
    return [{str(user) for user in order[fold::FOLDS]} for fold in range(FOLDS)]


def divide(material: Material, people: set[str], seed: int) -> Split:
    """Everybody but `people`: those who are learned from, and those who choose when to stop."""
    from models.data.splits import split

    known = [segment for segment in (*material.made, *material.recorded) if segment.user not in people]
    return split(known, "user", VALIDATION, seed)


def markdown(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """The table over all sessions, and one line for each of them."""
    from models.metrics.hand_closure import over_sessions

    words = {"cold": "cold", "aligned": f"aligned on {ALIGN_S:g} s", "amplitude": "amplitude alone"}
    lines = ["| | " + " | ".join(title for _, title in COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    for way in WAYS:
        figures = over_sessions([_closure(session) for session in found[way]])
        # An amplitude has no scale on which a hand would be closed.
        shown = [
            key if way != "amplitude" or key in ("sessions", "auc_median", "auc_p10") else "" for key, _ in COLUMNS
        ]
        lines.append(f"| {words[way]} | " + " | ".join(_cell(figures, key) for key in shown) + " |")
    lines += [
        "",
        NOTE,
        "",
        "| person, session | fold | AUC cold | aligned | fist cold | aligned | wrist cold | aligned |",
    ]
    lines += ["|---" * 8 + "|"]
    aligned = {(one["user"], one["session"]): one for one in found["aligned"]}
    for one in found["cold"]:
        other = aligned.get((one["user"], one["session"]), {})
        cells = [_cell(each, key) for key in ("auc", "fist", "wrist") for each in (one, other)]
        lines.append(f"| {one['user']}, {one['session']} | {one['fold']} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _cell(figures: Mapping[str, Any], key: str) -> str:
    if key not in figures:
        return "–"
    if key == "sessions":
        return f"{figures[key]:.0f}"
    return f"{figures[key]:.3f}" if key.startswith("auc") else f"{100 * figures[key]:.0f} %"


def _closure(session: Mapping[str, Any]) -> SessionClosure:
    from models.metrics.hand_closure import SessionClosure

    return SessionClosure(**{key: value for key, value in session.items() if key != "fold"})


def _fold(
    material: Material, people: set[str], training: TrainingConfig, stem: Path, key: str
) -> dict[str, list[dict[str, Any]]]:
    """Sessions of the held-out people, or what an earlier run with the same data and configuration found."""
    saved = stem.with_suffix(".json")
    if saved.exists():
        known: dict[str, Any] = json.loads(saved.read_text())
        if known.pop("key", None) == key:
            return known
    from models.onnx_file import read_spec
    from service.cli.judging import session_closures

    content = _train(material, people, training, stem)
    spec = read_spec(content, stem.name)
    judged = [segment for segment in material.judged if segment.user in people]
    cold, aligned = (session_closures(content, spec, judged, align) for align in (0.0, ALIGN_S))
    found = {
        "cold": [asdict(one) for one, _ in cold],
        "aligned": [asdict(one) for one, _ in aligned],
        "amplitude": [asdict(one) for _, one in cold],
    }
    saved.write_text(json.dumps({"key": key, **found}, indent=1))
    return found


def _train(material: Material, people: set[str], training: TrainingConfig, stem: Path) -> bytes:
    """A model file of the default architecture, from everybody else."""
    from exporters.export import export
    from models.architectures import DEFAULT, network
    from models.training.run import Run
    from models.training.trainer import Progress
    from service.experiments.training_data import aligned

    parts, target = aligned(divide(material, people, training.seed), material.asked)
    run = Run(network(DEFAULT), material.config, parts, training, stem.with_suffix(".keras"))
    run.template = target
    run.prepare()
    run.train(
        Progress(
            on_epoch=lambda epoch: typer.echo(f"{stem.name} epoch {epoch.epoch}: {epoch.mpjpe_mm:.2f} mm", err=True)
        )
    )
    path = stem.with_suffix(".onnx")
    export(run.built, run.card(run.constants()), path)
    return path.read_bytes()
