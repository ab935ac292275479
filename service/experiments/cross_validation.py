"""What `myocast compare --people` runs: hand closure for people that the network was not trained on.

Every person is held out once, in five folds; the network of each fold learns from everybody else and from
synthetic people. All sessions are evaluated as they come (cold) and with their band aligned on a few cues.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from exporters.export import export
from models.architectures import DEFAULT, network
from models.architectures.base import NetworkConfig
from models.data.segments import Segment
from models.data.splits import Split, split
from models.errors import MyocastError
from models.evaluation.passes import evaluation_pass
from models.metrics.hand_closure import SessionClosure, over_sessions
from models.onnx_file import read_spec
from models.tables import Column, Row, cells, markdown
from models.training.config import Progress, TrainingConfig, default_training
from models.training.network_file import load
from models.training.run import Run, Start
from service.experiments.datasets import Item, recipe_key
from service.experiments.training_data import (
    ALIGN,
    ALIGN_GESTURES,
    TEMPLATE_CUES_S,
    aligned,
    calibrations,
    load_segments,
)

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
SHARED: Final = "shared"
"""Name, in `out`, of the network that all folds begin with."""
FOLD_RATE: Final = 0.5
"""Share of the usual learning rate in folds that begin with it."""
WAYS: Final = {"cold": "cold", "aligned": f"aligned on {ALIGN_S:g} s", "amplitude": "amplitude alone"}


def _percent(value: object) -> str:
    return f"{100 * float(str(value)):.0f} %"


_AUC: Final = "{:.3f}".format
COLUMNS: Final = (
    Column("way", ""),
    Column("sessions", "sessions", "{:.0f}".format),
    Column("auc_median", "AUC fist against wrist gestures, median", _AUC),
    Column("auc_p10", "P10", _AUC),
    Column("fist_closed_median", "closed in fist, median", _percent),
    Column("wrist_closed_mean", "in wrist gestures", _percent),
    Column("rest_closed_mean", "at rest", _percent),
    Column("works", "sessions that work", _percent),
)
SESSION_COLUMNS: Final = (Column("auc", "", _AUC), Column("fist", "", _percent), Column("wrist", "", _percent))
SESSION_TITLES: Final = (
    "person, session",
    "fold",
    "AUC cold",
    "aligned",
    "fist cold",
    "aligned",
    "wrist cold",
    "aligned",
)
NOTE: Final = f"""\
Real people who were asked for gestures; each was evaluated by a network that never saw them ({FOLDS} folds by person),
streamed causally, without the first second after each cue. A sample is closed when the hand is more than half way from
rest to fist; a session works if fists are closed at least 80 %, wrist gestures at most 15 % and rest at most 5 % of the
time. Cold: the band as it was worn. Aligned: fitted on {ALIGN_S:g} s of rest, fist and wrist extension, which are not
evaluated. Amplitude alone: the mean of the band's channels over 0.25 s, without a network.
"""


class PeopleError(MyocastError):
    """Recordings that closure cannot be evaluated on."""


@dataclass(frozen=True, slots=True)
class FoldData:
    """What all folds share."""

    config: NetworkConfig
    recorded: Sequence[Segment]
    """With canonical poses, to learn from."""
    evaluated: Sequence[Segment]
    """The same sessions without."""
    synthetic: Sequence[Segment]
    """Synthetic people."""
    cues: Sequence[Segment]
    """Rest, fist and wrist extension of the synthetic people."""
    start: Start | None = None
    """What the network of each fold begins with; None = random weights."""


@dataclass(frozen=True, slots=True)
class FoldSession:
    """Closure of one session, and the fold that held it out."""

    closure: SessionClosure
    fold: int

    def row(self) -> dict[str, object]:
        return {**asdict(self.closure), "fold": self.fold}


Found = Mapping[str, Sequence[FoldSession]]
"""Sessions by the way in which they were evaluated."""


def compare_people(
    people: Sequence[Item],
    synthetic: Sequence[Item],
    config: NetworkConfig,
    training: TrainingConfig,
    out: Path,
    command_line: str,
    note: Callable[[str], None],
    shared: TrainingConfig | None = None,
) -> str:
    """Train and evaluate all folds, and write `people.md` and `people.json` into `out`; folds that are there are kept.

    Args:
        people: sessions with class labels.
        synthetic: more people to learn from.
        config: rate and mode of the network.
        training: how each fold is trained.
        out: made if missing.
        command_line: written above the table.
        note: called with one line after each epoch and each fold.
        shared: how a network is trained first, on the synthetic people alone, that all folds begin with; no fold's
            people are in it.

    Returns:
        `people.md`.

    Raises:
        PeopleError: no session has what closure is measured by, or there is nobody to share.
    """
    data = FoldData(
        config,
        load_segments(people, config, GESTURES),
        load_segments(people, config),
        load_segments(synthetic, config),
        calibrations(synthetic, TEMPLATE_CUES_S, config),
    )
    out.mkdir(parents=True, exist_ok=True)
    recipe = {
        "data": [item.describe() for item in (*people, *synthetic)],
        "mode": config.emg_mode,
        "plan": asdict(training),
        "network": [DEFAULT, network(DEFAULT).parameters],
    }
    if shared is not None:
        first = {**recipe, "data": [item.describe() for item in synthetic], "plan": asdict(shared)}
        recipe["shared"] = recipe_key(first)
        data = replace(data, start=_shared_start(data, shared, out / f"{SHARED}.keras", recipe_key(first), note))
    key = recipe_key(recipe)
    found: dict[str, list[FoldSession]] = {way: [] for way in WAYS}
    for number, held in enumerate(folds([one.user for one in data.evaluated], training.seed)):
        fold = _fold(data, held, training, out / f"fold-{number}", f"{key}-{number}", note)
        for way, sessions in fold.items():
            found[way] += [FoldSession(session, number) for session in sessions]
        note(f"fold {number}: {len(held)} people evaluated")
    if not all(found.values()):
        raise PeopleError(
            "no session has fists, wrist gestures and rest beyond the cues of its alignment; give longer ones"
        )
    text = f"`{command_line}`\n\n{report(found)}"
    rows = {way: [session.row() for session in sessions] for way, sessions in found.items()}
    (out / "people.json").write_text(json.dumps(rows, indent=1))
    (out / "people.md").write_text(text)
    return text


def training_for_people() -> TrainingConfig:
    """The default network's training, half of it on recorded people."""
    training = default_training(network(DEFAULT))
    augmentation = replace(training.augmentation, align=ALIGN, align_asked=ALIGN_GESTURES)
    return replace(training, epochs=EPOCHS, seed=SEED, canonical_share=REAL, augmentation=augmentation, keep_last=True)


def shared_training(steps: int) -> TrainingConfig:
    """So many steps on synthetic people, before the folds: the same training, without recorded people."""
    return replace(training_for_people(), epochs=1, steps_per_epoch=steps, least_steps=0, canonical_share=None)


def _shared_start(data: FoldData, training: TrainingConfig, path: Path, key: str, note: Callable[[str], None]) -> Start:
    """The network that all folds begin with; the one of an earlier run with the same data and configuration is kept."""
    if not data.synthetic:
        raise PeopleError("--shared trains on synthetic people; give some, like --data synthetic:users=120,seconds=60")
    saved = path.with_suffix(".json")
    if not saved.exists() or json.loads(saved.read_text()) != {"key": key}:
        parts, _ = aligned(split(data.synthetic, "user", VALIDATION, training.seed), data.cues)
        run = Run(network(DEFAULT), data.config, parts, training, path)
        run.prepare()
        run.train(Progress(on_epoch=lambda epoch: note(f"{path.stem} epoch {epoch.epoch}: {epoch.mpjpe_mm:.2f} mm")))
        saved.write_text(json.dumps({"key": key}))
    built, card = load(path)
    return Start(path.stem, card.config.scaling, built.core.get_weights())


def folds(users: Sequence[str], seed: int) -> list[set[str]]:
    """People, each in one of five groups.

    Ours rather than scikit-learn's `GroupKFold`, so that a seed keeps giving the folds of the published figures.
    """
    order = np.random.default_rng(seed).permutation(sorted(set(users)))
    return [{str(user) for user in order[fold::FOLDS]} for fold in range(FOLDS)]


def divide(data: FoldData, people: set[str], seed: int) -> Split:
    """Everybody but `people`: those who are learned from, and those who choose when to stop."""
    known = [segment for segment in (*data.synthetic, *data.recorded) if segment.user not in people]
    return split(known, "user", VALIDATION, seed)


def report(found: Found) -> str:
    """The table over all sessions, and one line for each of them."""
    lines = markdown([column.title for column in COLUMNS], [_summary(way, found[way]) for way in WAYS])
    aligned = {(one.closure.user, one.closure.session): one.row() for one in found["aligned"]}
    rows = []
    for one in found["cold"]:
        user, session = one.closure.user, one.closure.session
        cold, other = (cells(row, SESSION_COLUMNS, "–") for row in (one.row(), aligned.get((user, session), {})))
        beside = [text for pair in zip(cold, other, strict=True) for text in pair]
        rows.append([f"{user}, {session}", str(one.fold), *beside])
    return "\n".join([*lines, "", NOTE, "", *markdown(SESSION_TITLES, rows)]) + "\n"


def _summary(way: str, sessions: Sequence[FoldSession]) -> list[str]:
    figures: Row = over_sessions([session.closure for session in sessions])
    if way == "amplitude":
        # An amplitude has no scale on which a hand would be closed.
        figures = {key: figures[key] for key in ("sessions", "auc_median", "auc_p10")}
    return cells({"way": WAYS[way], **figures}, COLUMNS, "–")


def _fold(
    data: FoldData, people: set[str], training: TrainingConfig, stem: Path, key: str, note: Callable[[str], None]
) -> dict[str, list[SessionClosure]]:
    """Sessions of the held-out people, or what an earlier run with the same data and configuration found."""
    saved = stem.with_suffix(".json")
    if saved.exists():
        known = json.loads(saved.read_text())
        if known.pop("key", None) == key:
            return {way: [SessionClosure(**one) for one in sessions] for way, sessions in known.items()}
    content = _train(data, people, training, stem, note)
    spec = read_spec(content, stem.name)
    held = [segment for segment in data.evaluated if segment.user in people]
    cold, warm = (evaluation_pass(content, spec, held, align_s=align_s).closures for align_s in (0.0, ALIGN_S))
    found = {
        "cold": [each.model for each in cold],
        "aligned": [each.model for each in warm],
        "amplitude": [each.amplitude for each in cold],
    }
    rows = {way: [asdict(one) for one in sessions] for way, sessions in found.items()}
    saved.write_text(json.dumps({"key": key, **rows}, indent=1))
    return found


def _train(
    data: FoldData, people: set[str], training: TrainingConfig, stem: Path, note: Callable[[str], None]
) -> bytes:
    """A model file of the default architecture, from everybody else."""
    parts, template = aligned(divide(data, people, training.seed), data.cues)
    if data.start is not None:
        training = replace(training, learning_rate=FOLD_RATE * training.learning_rate)
    run = Run(network(DEFAULT), data.config, parts, training, stem.with_suffix(".keras"), start=data.start)
    run.template = template
    run.prepare()
    run.train(Progress(on_epoch=lambda epoch: note(f"{stem.name} epoch {epoch.epoch}: {epoch.mpjpe_mm:.2f} mm")))
    path = stem.with_suffix(".onnx")
    export(run.built, run.card(run.constants()), path)
    return path.read_bytes()
