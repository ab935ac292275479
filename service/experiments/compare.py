"""What `myocast compare` runs: networks on the same data and splits, in one table."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from exporters.export import export
from exporters.quantize import quantize
from models.architectures import Network
from models.architectures.base import NetworkConfig
from models.data.segments import Segment
from models.data.splits import Split, split
from models.errors import MyocastError
from models.evaluation.latency import median_ms
from models.evaluation.passes import SKIP, figures_of_file
from models.metrics.baselines import mean_pose_baseline
from models.metrics.pose_error import by_user, over_users
from models.metrics.predict import predict_segments
from models.onnx_file import read_spec
from models.onnx_runner import OnnxRunner
from models.tables import Column, Row, cells, markdown, used
from models.training.config import Progress, TrainingConfig, default_training, override
from models.training.run import Run
from service.experiments.datasets import Item, recipe_key
from service.experiments.training_data import load_segments

_COUNT: Final = "{:,.0f}".format
_SMALL: Final = "{:.3g}".format
_LENGTH: Final = "{:.2f}".format
COLUMNS: Final = (
    Column("name", "network"),
    Column("seeds", "seeds", _COUNT),
    Column("parameters", "parameters", _COUNT),
    Column("kib", "KiB", _COUNT),
    Column("int8_kib", "KiB int8", _COUNT),
    Column("donning_mm", "held-out donning, MPJPE mm", _LENGTH),
    Column("user_mm", "unseen users, MPJPE mm", _LENGTH),
    Column("user_rmse_mm", "unseen users, RMSE mm", _LENGTH),
    Column("jerk_ratio", "jerk / truth", _LENGTH),
    Column("lag_ms", "lag ms", _SMALL),
    Column("parity_mm", "ONNX against Keras, mm", _SMALL),
    Column("int8_mm", "int8 against fp32, mm", _LENGTH),
    Column("fp32_pose_ms", "fp32 ms a pose", _SMALL),
    Column("int8_pose_ms", "int8 ms a pose", _SMALL),
    Column("fp32_ms", "fp32 ms a window or sample", _SMALL),
    Column("int8_ms", "int8 ms a window or sample", _SMALL),
    Column("fp32_times", "fp32 cheaper", _LENGTH),
    Column("int8_times", "int8 cheaper", _LENGTH),
    Column("real_time", "times real time", _COUNT),
)
REFERENCE: Final = "lstm_fc_large"
"""What the columns "cheaper" compare with: one window of it in fp32 against a window or a sample of the others."""
NOTE: Final = f"""\
MPJPE is the mean distance over 20 points, RMSE is per coordinate; both over whole sessions, streamed causally, synthetic
data, mean over users and then over seeds. A pose is made every 20 ms: from a whole window, or by a stream from the
samples that are new; "a sample" is the latter divided by their number. "cheaper" compares that with one window of
`{REFERENCE}` in fp32. All times are medians on one thread, all networks in turn.
"""


Figures = dict[str, "str | float | None"]
"""Figures of one network."""


class CompareError(MyocastError):
    """Data that a comparison cannot be made on."""


@dataclass(frozen=True, slots=True)
class CompareConfig:
    """Networks, how often each is trained, and the data."""

    networks: Sequence[tuple[Network, int]]
    """In the table's order; each with its number of seeds."""
    config: NetworkConfig
    data: Sequence[Item]
    """At least three sessions of each user; the last is the held-out donning, the one before chooses when to stop."""
    test: Sequence[Item]
    """Sessions of other users."""
    out: Path
    """A folder for networks, figures and the table; what an earlier run left there is kept."""
    command_line: str
    """Written above the table."""
    epochs: int | None = None
    steps: int | None = None
    """Batches per epoch."""


def compare_networks(config: CompareConfig, note: Callable[[str], None]) -> str:
    """Train, evaluate, export and time all networks on the same data.

    Args:
        config: which, and on what.
        note: called with one line after each epoch and each network.

    Returns:
        The table as Markdown, which is also written.

    Raises:
        CompareError: too few sessions, or test users who are also trained on.
    """
    config.out.mkdir(parents=True, exist_ok=True)
    segments, users = (load_segments(part, config.config) for part in (config.data, config.test))
    parts, donning = divide(segments, users)
    recipe = {
        "data": [item.describe() for item in config.data],
        "test": [item.describe() for item in config.test],
        "mode": config.config.emg_mode,
    }
    rows: list[Figures] = []
    baseline = _baseline(parts, donning, users, config.config)
    for network, times in config.networks:
        results = []
        for seed in range(times):
            usual = replace(default_training(network), seed=seed)
            training = override(usual, epochs=config.epochs, steps_per_epoch=config.steps)
            one = _OneTraining(network, config.config, training, config.out, recipe)
            results.append(one.result(parts, donning, users, note))
        rows.append(_mean(results))
        _write_table(timed(rows, config.out), baseline, config)
        known, unseen = rows[-1]["donning_mm"], rows[-1]["user_mm"]
        note(f"{network.name}: held-out donning {known:.2f} mm, unseen users {unseen:.2f} mm")
    return (config.out / "table.md").read_text()


def divide(segments: Sequence[Segment], users: Sequence[Segment]) -> tuple[Split, list[Segment]]:
    """Training, validation donning and held-out donning, from users with at least two sessions.

    Raises:
        CompareError: too few sessions, or test users who are also trained on.
    """
    shared = {one.user for one in segments} & {one.user for one in users}
    if shared:
        raise CompareError(f"users {', '.join(sorted(shared)[:3])} are in --data and in --test; keep people apart")
    if not users:
        raise CompareError("no unseen users; give sessions of other people with --test")
    outer = split(segments, "session")
    sessions = {t.user: len({s.session for s in outer.train if s.user == t.user}) for t in outer.train}
    if min(sessions.values()) < 2:
        raise CompareError("every user in --data needs three sessions: training, validation and held-out donning")
    return split(outer.train, "session"), list(outer.held_out)


@dataclass(frozen=True, slots=True)
class _OneTraining:
    """One network with one seed, in files of its own."""

    network: Network
    config: NetworkConfig
    training: TrainingConfig
    out: Path
    recipe: Mapping[str, object]
    """Of the data."""

    def result(
        self, parts: Split, donning: Sequence[Segment], users: Sequence[Segment], note: Callable[[str], None]
    ) -> Figures:
        """Figures of one training, or what an earlier run found with the same data and configuration."""
        saved, key = self._stem.with_suffix(".json"), self._key
        if saved.exists():
            known: Figures = json.loads(saved.read_text())
            if known.get("key") == key:
                return known
        run, trained = self._train(parts, note)
        run.finish(donning, "held-out donning")
        row: Figures = {
            "key": key,
            "name": self.network.name,
            "kind": self.network.kind,
            "parameters": self.network.parameters,
            "seed": self.training.seed,
            **trained,
            **evaluate_files(self._stem, run, donning, users),
        }
        saved.write_text(json.dumps(row, indent=1))
        return row

    def _train(self, parts: Split, note: Callable[[str], None]) -> tuple[Run, dict[str, float]]:
        folder = self._stem.with_suffix(".run")
        folder.mkdir(exist_ok=True)
        run = Run(self.network, self.config, parts, self.training, self._stem.with_suffix(".keras"), folder)
        resumable = (folder / "key").exists() and (folder / "key").read_text() == self._key
        (folder / "key").write_text(self._key)
        run.prepare(resume=resumable)
        name = self._stem.name
        outcome = run.train(
            Progress(on_epoch=lambda epoch: note(f"{name} epoch {epoch.epoch}: {epoch.mpjpe_mm:.2f} mm"))
        )
        return run, {"epochs": len(outcome.epochs), "train_s": sum(epoch.seconds for epoch in outcome.epochs)}

    @property
    def _stem(self) -> Path:
        return self.out / f"{self.network.name}-{self.training.seed}"

    @property
    def _key(self) -> str:
        return recipe_key([self.recipe, asdict(self.training), self.network.name, self.network.parameters])


def evaluate_files(stem: Path, run: Run, donning: Sequence[Segment], users: Sequence[Segment]) -> dict[str, float]:
    """Export, quantise, and evaluate the files themselves."""
    plain, small = stem.with_suffix(".onnx"), stem.with_suffix(".int8.onnx")
    exported = export(run.built, run.card({"mean_pose": list(run.config.scaling.pose_mean)}), plain)
    quantized = quantize(plain, small)
    known, unseen = (figures_of_file(plain.read_bytes(), exported.spec, part) for part in (donning, users))
    return {
        "kib": exported.bytes / 1024,
        "int8_kib": quantized.bytes / 1024,
        "parity_mm": exported.parity_mm,
        "donning_mm": known["mpjpe_mm"],
        "user_mm": unseen["mpjpe_mm"],
        "user_rmse_mm": unseen["rmse_mm"],
        "jerk_ratio": unseen["jerk_m_s3"] / unseen["true_jerk_m_s3"],
        "lag_ms": unseen["lag_ms"],
        "int8_mm": quantized.mean_mm,
    }


def timed(rows: Sequence[Row], out: Path) -> list[Row]:
    """The rows with what their networks (seed 0) cost, measured in turn in this call."""
    runners, parts = {}, {}
    for name in (str(row["name"]) for row in rows):
        data = (out / f"{name}-0.onnx").read_bytes()
        spec = read_spec(data, name)
        parts[name] = 1 if spec.kind == "window" else spec.hop
        runners[name, "fp32"] = (OnnxRunner.open(data), spec.window or spec.hop)
        small = (out / f"{name}-0.int8.onnx").read_bytes()
        runners[name, "int8"] = (OnnxRunner.open(small), spec.window or spec.hop)
    took = median_ms(runners)
    of_all = took.get((REFERENCE, "fp32"))
    return [{**row, **_costs(str(row["name"]), took, parts[str(row["name"])], of_all)} for row in rows]


def _costs(name: str, took: Mapping[tuple[str, str], float], parts: int, reference: float | None) -> Row:
    costs: dict[str, float | None] = {"real_time": 20.0 / took[name, "fp32"]}
    for kind in ("fp32", "int8"):
        pose = took[name, kind]
        costs |= {f"{kind}_pose_ms": pose, f"{kind}_ms": pose / parts}
        costs[f"{kind}_times"] = None if reference is None else reference * parts / pose
    return costs


def _mean(results: Sequence[Figures]) -> Figures:
    """The figures of several seeds as one row."""
    row: Figures = dict(results[0])
    for key in row:
        values = [value for result in results if isinstance(value := result[key], int | float)]
        if values:
            row[key] = sum(values) / len(values)
    return {**row, "seeds": len(results), "parameters": results[0]["parameters"]}


def _baseline(parts: Split, donning: Sequence[Segment], users: Sequence[Segment], config: NetworkConfig) -> Row:
    predictor = mean_pose_baseline(parts.train, config)
    known, unseen = (over_users(by_user(list(predict_segments(predictor, part, SKIP)))) for part in (donning, users))
    return {
        "name": "mean pose",
        "parameters": 0,
        "donning_mm": known["mpjpe_mm"],
        "user_mm": unseen["mpjpe_mm"],
        "user_rmse_mm": unseen["rmse_mm"],
    }


def _write_table(rows: Sequence[Row], baseline: Row, config: CompareConfig) -> None:
    """`table.md` for people and `table.json` for programs."""
    columns = used(COLUMNS, rows)
    texts = [cells(row, columns, missing="–") for row in (*rows, baseline)]
    lines = [f"`{config.command_line}`", "", *markdown([column.title for column in columns], texts)]
    (config.out / "table.md").write_text("\n".join(lines) + f"\n\n{NOTE}")
    content = {"command": config.command_line, "rows": [*rows, baseline]}
    (config.out / "table.json").write_text(json.dumps(content, indent=1, default=str))
