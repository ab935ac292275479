"""`myocast compare`: all networks on the same data and splits, in one table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from models.errors import MyocastError

if TYPE_CHECKING:
    from models.architectures.base import Network, NetworkConfig
    from models.data.segments import Segment
    from models.data.splits import Split
    from models.training.trainer import TrainingConfig

COLUMNS: Final = (
    ("name", "network"), ("seeds", "seeds"), ("parameters", "parameters"), ("kib", "KiB"), ("int8_kib", "KiB int8"),
    ("donning_mm", "held-out donning, MPJPE mm"), ("user_mm", "unseen users, MPJPE mm"), ("user_rmse_mm", "unseen users, RMSE mm"),
    ("jerk_ratio", "jerk / truth"), ("lag_ms", "lag ms"), ("parity_mm", "ONNX against Keras, mm"), ("int8_mm", "int8 against fp32, mm"),
    ("fp32_pose_ms", "fp32 ms a pose"), ("int8_pose_ms", "int8 ms a pose"), ("fp32_ms", "fp32 ms a window or sample"),
    ("int8_ms", "int8 ms a window or sample"), ("fp32_times", "fp32 cheaper"), ("int8_times", "int8 cheaper"), ("real_time", "times real time"),
)  # fmt: skip
YARDSTICK: Final = "lstm_fc_large"
"""What the columns "cheaper" compare with: one window of it in fp32 against a window or a sample of the others."""
NOTE: Final = f"""\
MPJPE is the mean distance over 20 points, RMSE is per coordinate; both over whole sessions, streamed causally, synthetic
data, mean over users and then over seeds. A pose is made every 20 ms: from a whole window, or by a stream from the
samples that are new; "a sample" is the latter divided by their number. "cheaper" compares that with one window of
`{YARDSTICK}` in fp32. All times are medians on one thread, all networks in turn.
"""


class CompareError(MyocastError):
    """Data that a comparison cannot be made on."""


def command(
    out: Annotated[Path, typer.Option(metavar="DIR", help="Networks, figures and the table go here; run again to go on.")],
    data: Annotated[list[str] | None, typer.Option(metavar="PATH...", help="Sessions: at least three per user, or two. The last of each user is the held-out donning, the one before chooses when to stop.")] = None,
    more: Annotated[list[str] | None, typer.Argument(metavar="[PATH]...", help="More data.")] = None,
    test: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Sessions of users who are not in --data. May be given several times.")] = None,
    networks: Annotated[str, typer.Option(metavar="NAME,NAME", help="Which networks, in that order, each perhaps with its own number of seeds (stream_tcn:3); all without it.")] = "",
    mode: Annotated[str, typer.Option(metavar="raw|filtered|envelope")] = "raw",
    epochs: Annotated[int | None, typer.Option(min=1)] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches per epoch.")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per network, with seeds 0, 1, …; figures are their means.")] = 1,
    people: Annotated[list[str] | None, typer.Option(metavar="PATH", help="Instead: folders of myo-readings-dataset (may be given several times); closure on real people in five folds by person, with --data synthetic:… to learn from as well.")] = None,
    jhu: Annotated[Path | None, typer.Option(metavar="DIR", help="Instead: the folder of JHU-NTX-2023; finger angles of a real person on ten blocks.")] = None,
    threads: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:  # fmt: skip
    """Train, judge, export and time all networks on the same data, and write the table."""
    if jhu is not None:
        _compare_jhu(jhu, out, threads)
        return
    from models.architectures import NETWORKS
    from models.architectures.base import NetworkConfig
    from service.experiments.datasets import items
    from service.experiments.keras_setup import prepare_keras

    chosen = [_asked(text, seeds) for text in (networks.split(",") if networks else NETWORKS)]
    config = NetworkConfig(50.0 if mode == "envelope" else 200.0, mode)
    found, judged = items([*(data or []), *(more or [])]), items(test) if test else []
    recorded = items(people) if people else []
    prepare_keras(threads)
    from models.training.run import default_training
    from service.experiments.training_data import load_segments

    given: dict[str, Any] = {
        key: value for key, value in (("epochs", epochs), ("steps_per_epoch", steps)) if value is not None
    }
    if recorded:
        from service.experiments.cross_validation import compare_people, training_for_people

        training = replace(training_for_people(), **given)
        compare_people(
            recorded, found, mode, training, out, _command(people, data, more, (), "", mode, epochs, steps, 1)
        )
        return
    out.mkdir(parents=True, exist_ok=True)
    segments = load_segments(found, config, "", lambda name, total: None)
    users = load_segments(judged, config, "", lambda name, total: None)
    parts, donning = divide(segments, users)
    recipe = {"data": [item.describe() for item in found], "test": [item.describe() for item in judged], "mode": mode}
    rows = []
    baseline = _baseline(parts, donning, users, config)
    command_line = _command((), data, more, test, networks, mode, epochs, steps, seeds)
    for one, times in chosen:
        results = [
            _one(one, config, parts, donning, users, replace(default_training(one), seed=seed, **given), recipe, out)
            for seed in range(times)
        ]
        rows.append(_mean(results))
        write_table(timed(rows, out), baseline, out, command_line)
        typer.echo(
            f"{one.name}: held-out donning {rows[-1]['donning_mm']:.2f} mm, unseen users {rows[-1]['user_mm']:.2f} mm",
            err=True,
        )
    typer.echo((out / "table.md").read_text())


def _asked(text: str, seeds: int) -> tuple[Network, int]:
    from models.architectures import network

    name, _, times = text.partition(":")
    if times and not times.isdecimal():
        raise typer.BadParameter(
            f"{text!r}: expected NAME or NAME:SEEDS, such as stream_tcn:3", param_hint="--networks"
        )
    return network(name), int(times or seeds)


def _compare_jhu(folder: Path, out: Path, threads: int | None) -> None:
    from service.experiments.keras_setup import prepare_keras

    files = [sorted(folder.glob(pattern)) for pattern in ("EMG_data_*.csv*", "mediapipe_*.csv*")]
    if not all(files):
        raise CompareError(f"{folder}: expected EMG_data_….csv and mediapipe_….csv of JHU-NTX-2023 there")
    prepare_keras(threads)
    from drivers.sessions.datasets.jhu import read_jhu
    from models.evaluation.jhu import LEARNERS, judge, markdown, table

    session = read_jhu(files[0][0], files[1][0])
    data = table(session.emg_t, session.emg, session.angle_t, session.angles)
    results = []
    for name, fit in LEARNERS.items():
        results.append(judge(data, name, fit))
        typer.echo(f"{name}: {results[-1].mean_deg:.2f} deg", err=True)
    out.mkdir(parents=True, exist_ok=True)
    asked = f"--jhu {folder.name} --out {out.name}" + (f" --threads {threads}" if threads else "")
    (out / "jhu.md").write_text(f"`myocast compare {asked}`\n\n{markdown(results)}")
    (out / "jhu.json").write_text(json.dumps([asdict(result) for result in results], indent=1))
    typer.echo(markdown(results))


def divide(segments: Sequence[Segment], users: Sequence[Segment]) -> tuple[Split, list[Segment]]:
    """Training, validation donning and held-out donning, from users with at least two sessions.

    Raises:
        CompareError: too few sessions, or test users who are also trained on.
    """
    from models.data.splits import split

    shared = {t.user for t in segments} & {t.user for t in users}
    if shared:
        raise CompareError(f"users {', '.join(sorted(shared)[:3])} are in --data and in --test; keep people apart")
    if not users:
        raise CompareError("no unseen users; give sessions of other people with --test")
    outer = split(segments, "session")
    sessions = {t.user: len({s.session for s in outer.train if s.user == t.user}) for t in outer.train}
    if min(sessions.values()) < 2:
        raise CompareError("every user in --data needs three sessions: training, validation and held-out donning")
    return split(outer.train, "session"), list(outer.held_out)


def _one(
    network: Network, config: NetworkConfig, parts: Split, donning: Sequence[Segment], users: Sequence[Segment], training: TrainingConfig,
    recipe: Mapping[str, Any], out: Path,
) -> dict[str, Any]:  # fmt: skip
    """One training, or what an earlier run found with the same data and configuration."""
    from models.training.run import Run
    from models.training.trainer import Progress
    from service.experiments.datasets import recipe_key

    stem = out / f"{network.name}-{training.seed}"
    key = recipe_key([recipe, asdict(training), network.name, network.parameters])
    saved = stem.with_suffix(".json")
    if saved.exists():
        known: dict[str, Any] = json.loads(saved.read_text())
        if known.get("key") == key:
            return known
    folder = stem.with_suffix(".run")
    folder.mkdir(exist_ok=True)
    run = Run(network, config, parts, training, stem.with_suffix(".keras"), folder)
    resumable = (folder / "key").exists() and (folder / "key").read_text() == key
    (folder / "key").write_text(key)
    run.prepare(resume=resumable)
    outcome = run.train(
        Progress(
            on_epoch=lambda epoch: typer.echo(f"{stem.name} epoch {epoch.epoch}: {epoch.mpjpe_mm:.2f} mm", err=True)
        )
    )
    run.finish(donning, "held-out donning")
    row = {
        "key": key,
        "name": network.name,
        "kind": network.kind,
        "parameters": network.parameters,
        "seed": training.seed,
    }
    row |= {"epochs": len(outcome.epochs), "train_s": sum(epoch.seconds for epoch in outcome.epochs)}
    row |= judge_files(stem, run, donning, users)
    saved.write_text(json.dumps(row, indent=1))
    return row


def judge_files(stem: Path, run: Any, donning: Sequence[Segment], users: Sequence[Segment]) -> dict[str, Any]:
    """Export, quantise, and judge the files themselves."""
    from exporters.export import export
    from exporters.quantize import quantize
    from service.cli.judging import judged_by_file

    plain, small = stem.with_suffix(".onnx"), stem.with_suffix(".int8.onnx")
    exported = export(run.built, run.card({"mean_pose": list(run.config.scaling.pose_mean)}), plain)
    quantized = quantize(plain, small)
    known, unseen = (judged_by_file(plain.read_bytes(), exported.spec, run.config, part) for part in (donning, users))
    return {
        "kib": exported.bytes / 1024, "int8_kib": quantized.bytes / 1024, "parity_mm": exported.parity_mm,
        "donning_mm": known["mpjpe_mm"], "user_mm": unseen["mpjpe_mm"], "user_rmse_mm": unseen["rmse_mm"],
        "jerk_ratio": unseen["jerk_m_s3"] / unseen["true_jerk_m_s3"], "lag_ms": unseen["lag_ms"],
        "int8_mm": quantized.mean_mm,
    }  # fmt: skip


def timed(rows: Sequence[Mapping[str, Any]], out: Path) -> list[dict[str, Any]]:
    """The rows with what their networks (seed 0) cost, measured in turn in this call."""
    from models.evaluation.latency import median_ms
    from models.onnx_file import read_spec
    from models.onnx_runner import open_session

    sessions, parts = {}, {}
    for row in rows:
        data = (out / f"{row['name']}-0.onnx").read_bytes()
        spec = read_spec(data, row["name"])
        parts[row["name"]] = 1 if spec.kind == "window" else spec.hop
        sessions[row["name"], "fp32"] = (open_session(data), spec.window or spec.hop)
        small = (out / f"{row['name']}-0.int8.onnx").read_bytes()
        sessions[row["name"], "int8"] = (open_session(small), spec.window or spec.hop)
    took = median_ms(sessions)
    of_all = took.get((YARDSTICK, "fp32"))
    return [{**row, **_costs(row["name"], took, parts[row["name"]], of_all)} for row in rows]


def _costs(name: str, took: Mapping[tuple[str, str], float], parts: int, yardstick: float | None) -> dict[str, Any]:
    costs: dict[str, Any] = {"real_time": 20.0 / took[name, "fp32"]}
    for kind in ("fp32", "int8"):
        pose = took[name, kind]
        costs |= {f"{kind}_pose_ms": pose, f"{kind}_ms": pose / parts}
        costs[f"{kind}_times"] = None if yardstick is None else yardstick * parts / pose
    return costs


def _mean(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    numbers = {key for key, value in results[0].items() if isinstance(value, int | float)}
    row = {key: sum(result[key] for result in results) / len(results) for key in numbers}
    return {**results[0], **row, "seeds": len(results), "parameters": results[0]["parameters"]}


def _baseline(
    parts: Split, donning: Sequence[Segment], users: Sequence[Segment], config: NetworkConfig
) -> dict[str, Any]:
    from models.metrics.baselines import still
    from models.metrics.pose_error import by_user, over_users
    from models.metrics.predict import judge

    figures = [over_users(by_user(list(judge(still(parts.train, config), part, 50)))) for part in (donning, users)]
    return {
        "name": "mean pose",
        "parameters": 0,
        "donning_mm": figures[0]["mpjpe_mm"],
        "user_mm": figures[1]["mpjpe_mm"],
        "user_rmse_mm": figures[1]["rmse_mm"],
    }


def write_table(rows: Sequence[Mapping[str, Any]], baseline: Mapping[str, Any], out: Path, command_line: str) -> None:
    """`table.md` for people and `table.json` for programs."""
    columns = [(key, title) for key, title in COLUMNS if any(row.get(key) is not None for row in rows)]
    lines = [
        f"`{command_line}`",
        "",
        "| " + " | ".join(title for _, title in columns) + " |",
        "|---" * len(columns) + "|",
    ]
    lines += ["| " + " | ".join(_cell(row.get(key), key) for key, _ in columns) + " |" for row in (*rows, baseline)]
    (out / "table.md").write_text("\n".join(lines) + f"\n\n{NOTE}")
    (out / "table.json").write_text(
        json.dumps({"command": command_line, "rows": [*rows, baseline]}, indent=1, default=str)
    )


def _cell(value: Any, key: str) -> str:
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    return (
        f"{value:,.0f}"
        if key in ("parameters", "kib", "int8_kib", "real_time", "seeds")
        else f"{value:.3g}"
        if key.endswith("_ms") or key == "parity_mm"
        else f"{value:.2f}"
    )


def _command(
    people: Sequence[str] | None,
    data: Sequence[str] | None,
    more: Sequence[str] | None,
    test: Sequence[str] | None,
    networks: str,
    mode: str,
    epochs: int | None,
    steps: int | None,
    seeds: int,
) -> str:
    words = [
        "myocast compare",
        *(f"--people {p}" for p in people or ()),
        *(f"--data {d}" for d in (*(data or ()), *(more or ()))),
        *(f"--test {t}" for t in test or ()),
    ]
    words += [f"--networks {networks}"] if networks else []
    words += [f"--mode {mode}"] if mode != "raw" else []
    words += [f"--epochs {epochs}"] if epochs else []
    words += [f"--steps {steps}"] if steps else []
    words += [f"--seeds {seeds}"] if seeds > 1 else []
    return " ".join(words)
