"""The swap run: matrices, models and heads change while poses flow, and a client counts; then what learning costs."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import numpy as np

from drivers.events import Frame, Label, SourceInfo
from drivers.sessions import SessionWriter
from models.alignment import roll
from models.arrays import Float32Array, Int64Array
from models.forward.generator import FIRST_UNSEEN_USER, session
from models.hand import POINTS
from models.kinematics import angles
from models.onnx_edit import read_initializers, rewrite
from models.onnx_file import ANGLES, FEATURE_MEAN, FEATURE_SCALE, FEATURES, PERSONAL
from models.onnx_runner import OnnxRunner, open_session
from models.personal import PersonalStatistics, standardise
from models.recording import Recording
from service.bench.errors import BenchError
from service.bench.processes import server_process, teaching_client
from service.bench.processes.worker_process import Message, WorkerProcess, cpu_percent
from service.bench.progress import Progress
from service.bench.report.statistics import Limit
from service.engine.model_selection import shipped
from service.engine.predictor import Fitted, ModelFile

RATE_HZ: Final = 200.0
RUN_UP_S: Final = 100.0
"""Seconds before the first swap: more than the engine keeps, so that a new model has seen less than the old one."""
SWAPS: Final = 10
"""Of each kind."""
PAUSE_S: Final = 0.7
"""Seconds between two swaps."""
LEARN_S: Final = 180.0
LABEL_HZ: Final = 50.0
"""Labels a second of the one large fit."""
MOST_HOPS: Final = 2.0
APART_MM: Final = 1.0
HEAD_PERCENT: Final = 5.0
FIT_S: Final = 2.0
EPOCH: Final = 1_700_000_000.0
OTHER: Final = "other"
KEPT: Final = "kept"
CHANGED: Final = 0.05
"""Relative change of the other network's largest weights (SD)."""
_FIRST_POSE_S: Final = 30.0
_ROWS: Final = 2
_CHUNK: Final = 2000


@dataclass(frozen=True, slots=True)
class Swaps:
    """What a client saw of the swaps of one kind."""

    kind: str
    swaps: int
    most_hops: float
    """Between two consecutive poses, in samples / hop."""
    missed: int
    """Poses whose number the client did not get."""
    first_mm: float | None
    """Furthest point of any first pose of a new model from where a model that ran all along has it; None: not known."""


@dataclass(frozen=True, slots=True)
class SwapRun:
    """Results of the swap run."""

    hop: int
    kinds: tuple[Swaps, ...]
    labels: int
    learned_s: float
    serving_percent: float
    """CPU of the server without learning, percent of a core."""
    learning_percent: float
    """The same while it learns, labels and heads included."""
    last_minute_percent: float
    """The same in the last minute of learning, when there is most to learn from."""
    fit_s: float
    """Seconds of one fit to `learned_s` seconds of labels, 50 a second."""

    @property
    def head_percent(self) -> float:
        """What learning costs, percent of a core, in its dearest minute."""
        return max(self.learning_percent, self.last_minute_percent) - self.serving_percent

    def limits(self) -> list[Limit]:
        hops = [
            Limit(f"hops between poses, {one.kind}", one.most_hops, "<=", MOST_HOPS) for one in self.kinds if one.swaps
        ]
        apart = [
            Limit(f"first pose against a model that ran all along, {one.kind}", one.first_mm, "<=", APART_MM, "mm")
            for one in self.kinds
            if one.first_mm is not None
        ]
        return [
            *hops,
            *apart,
            Limit("CPU of learning, of a core", self.head_percent, "<=", HEAD_PERCENT, "%"),
            Limit(f"fit to {self.learned_s:.0f} s of labels", self.fit_s, "<=", FIT_S, "s"),
        ]


@dataclass(frozen=True, slots=True)
class SwapConfig:
    """How long it runs."""

    run_up_s: float = RUN_UP_S
    learn_s: float = LEARN_S
    swaps: int = SWAPS

    @property
    def seconds(self) -> float:
        """Of signal that is needed at most."""
        return self.run_up_s + self.learn_s + (3 * self.swaps + 20) * PAUSE_S + 60.0


@dataclass(frozen=True, slots=True)
class Step:
    """One swap, and what makes the poses after it."""

    kind: str
    model: str
    matrix: Float32Array | None


def run(folder: Path, model: Path | None, progress: Progress, config: SwapConfig | None = None) -> SwapRun:
    """Replay a synthetic session in real time, swap, learn, and compare with models that ran all along.

    Args:
        folder: for files; the caller removes it.
        model: a streaming model; None, or one that cannot learn, for the shipped one.
        config: how long.

    Raises:
        BenchError: a process failed, or a request was refused.
    """
    config = config or SwapConfig()
    base = _base(model)
    models = folder / "models"
    models.mkdir()
    (models / f"{OTHER}.onnx").write_bytes(another(base))
    recording = make(folder / "session.mcap", config.seconds, progress)
    source, file = f"replay:{quote(str(folder / 'session.mcap'))}", folder / "client.npz"
    # Without the filter, which would carry the old model's poses on into those of the new one.
    with WorkerProcess(
        server_process.serve_replay, source=source, model=base.path, models=models, smooth="off"
    ) as server:
        url = server.recv()["url"]
        hop = server.request("model")["hop"]
        with WorkerProcess(teaching_client.teach, url=url, file=file) as client:
            client.recv()
            server.send("play")
            if not client.request("first", within_s=_FIRST_POSE_S)["came"]:
                raise BenchError(f"no pose came within {_FIRST_POSE_S:g} s")
            before, learning, after, used = _Run(url, server, client, progress, config, base.path.stem).all()
            client.request("stop")
        server.request("stop")
        server.recv()
    with np.load(file) as arrays:
        seq, joints = arrays["seq"], arrays["joints"]
    files = {base.path.stem: base, **{name: ModelFile(models / f"{name}.onnx") for name in (OTHER, KEPT)}}
    parts = [(slice(0, learning.start), before), (slice(learning.stop, len(seq)), after)]
    alone = slice(0, round(config.run_up_s * RATE_HZ / hop) - 1)
    kinds = list(sections(seq, joints, parts, files, recording.emg, hop))
    nothing = Swaps("none, for comparison", 0, *continuity(seq[alone], hop), None)
    heads = Swaps("a new head every second", round(config.learn_s), *continuity(seq[learning], hop), None)
    return SwapRun(
        hop,
        (nothing, *kinds, heads),
        labels=used["labels"],
        learned_s=config.learn_s,
        serving_percent=used["serving"],
        learning_percent=used["learning"],
        last_minute_percent=used["last_minute"],
        fit_s=fit_seconds(base, recording, config.learn_s),
    )


def _base(model: Path | None) -> ModelFile:
    """The model that serves: the given one or, where there is none or it cannot learn, the shipped one."""
    given = None if model is None else ModelFile(model)
    if given is not None and PERSONAL in read_initializers(given.data):
        return given
    return ModelFile(next(path for path in shipped() if path.stem == "raw200"))


def another(model: ModelFile) -> bytes:
    """The same architecture with other weights: what it remembers is not what the first one does."""
    values = read_initializers(model.data)
    name = max((name for name in values if values[name].ndim == 2), key=lambda name: values[name].size)
    noise = np.random.default_rng(1).normal(1.0, CHANGED, values[name].shape)
    return rewrite(model.data, {name: values[name] * noise}, replace(model.spec, name=OTHER))


def make(path: Path, seconds: float, progress: Progress) -> Recording:
    """Write a session of somebody whom no shipped model knows, with the true hand."""
    progress("making the session", 0.0)
    made = session(FIRST_UNSEEN_USER, 0, seconds, seed=1, losses=False)
    assert made.label_t is not None
    assert made.joints is not None
    with SessionWriter(path) as writer:
        writer.write(SourceInfo("synthetic:", "Swaps", RATE_HZ, nature="synthetic", hand="right"))
        label = 0
        for start in range(0, len(made.emg) - _ROWS + 1, _ROWS):
            t = EPOCH + start / RATE_HZ
            while label < len(made.label_t) and made.label_t[label] <= start / RATE_HZ:
                writer.write(Label(EPOCH + float(made.label_t[label]), made.joints[label].reshape(-1)))
                label += 1
            writer.write(Frame(start, t, made.emg[start : start + _ROWS], arrival=t + (_ROWS - 1) / RATE_HZ))
    return made


class _Run:
    """What happens between the first pose and the last."""

    def __init__(
        self, url: str, server: WorkerProcess, client: WorkerProcess, progress: Progress, config: SwapConfig, base: str
    ) -> None:
        self._url, self._server, self._client = url.partition("#")[0].rstrip("/"), server, client
        self._progress, self._config, self._base = progress, config, base

    def all(self) -> tuple[list[Step], slice, list[Step], Message]:
        """Swaps before it learned, the poses that came meanwhile, swaps after that, and what was used."""
        start = self._usage()
        self._wait("serving", self._config.run_up_s)
        serving = cpu_percent(start, self._usage())
        before = [Step("", self._base, None), *self._matrices(), *self._models()]
        learning, used = self._learn()
        return before, learning, self._heads(), used | {"serving": serving}

    def _matrices(self) -> list[Step]:
        steps = []
        for number in range(self._config.swaps):
            matrix = roll(1.0 + 2.0 * (number % 4))
            self._post("alignment", action="use", matrix=matrix.reshape(-1).tolist())
            steps.append(Step("matrix", self._base, matrix))
            self._wait("swapping matrices", PAUSE_S)
        self._post("alignment", action="reset")
        self._wait("swapping matrices", PAUSE_S)
        return [*steps, Step("matrix", self._base, None)]

    def _models(self) -> list[Step]:
        steps = []
        for number in range(self._config.swaps):
            name = OTHER if number % 2 == 0 else self._base
            self._post("model", action="use", name=name)
            steps.append(Step("model", name, None))
            self._wait("swapping models", PAUSE_S)
        if self._config.swaps % 2:
            self._post("model", action="use", name=self._base)
            steps.append(Step("model", self._base, None))
            self._wait("swapping models", PAUSE_S)
        return steps

    def _learn(self) -> tuple[slice, Message]:
        start = self._poses()
        self._post("personal", action="start")
        self._client.request("teach", on=True)
        before, last = self._usage(), min(60.0, self._config.learn_s / 2)
        self._wait("learning", self._config.learn_s - last)
        middle = self._usage()
        self._wait("learning", last)
        after = self._usage()
        labels = self._client.request("teach", on=False)["labels"]
        self._post("personal", action="stop")
        used = {
            "labels": labels,
            "learning": cpu_percent(before, after),
            "last_minute": cpu_percent(middle, after),
        }
        return slice(start, self._poses()), used

    def _heads(self) -> list[Step]:
        """Keep what was learned, and go between the two heads."""
        self._post("personal", action="keep", name=KEPT)
        self._wait("swapping heads", PAUSE_S)
        steps = [Step("", KEPT, None)]
        for number in range(self._config.swaps):
            name = self._base if number % 2 == 0 else KEPT
            self._post("model", action="use", name=name)
            steps.append(Step("head", name, None))
            self._wait("swapping heads", PAUSE_S)
        return steps

    def _post(self, what: str, **body: Any) -> None:
        request = urllib.request.Request(
            f"{self._url}/api/v1/{what}", json.dumps(body).encode(), {"content-type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=30.0) as response:
                response.read()
        except urllib.error.HTTPError as error:
            raise BenchError(f"{what} {body['action']} was refused: {error.read().decode()[:300]}") from None

    def _usage(self) -> Message:
        return self._server.request("usage")

    def _poses(self) -> int:
        return int(self._client.request("poses")["poses"])

    def _wait(self, text: str, seconds: float) -> None:
        start = time.perf_counter()
        while (passed := time.perf_counter() - start) < seconds:
            self._progress(text, passed / seconds)
            time.sleep(min(0.2, max(0.0, seconds - passed)))


def sections(
    seq: Int64Array, joints: Float32Array, parts: Sequence[tuple[slice, Sequence[Step]]],
    files: Mapping[str, ModelFile], emg: Float32Array, hop: int,
) -> Iterator[Swaps]:  # fmt: skip
    """Figures of each kind of swap.

    Args:
        seq: (n, 2) number and newest sample of each pose that the client got.
        joints: (n, 63) mm.
        parts: which poses, and the swaps among them in their order; the first is what served before.
        files: models by name.
        emg: (m, 8) the whole session.
        hop: samples between two poses.
    """
    known: dict[tuple[str, bytes], Float32Array] = {}
    for rows, steps in parts:
        at, changes = rows.start, []
        for before, step in pairwise(steps):
            old, new = (all_along(files, one, emg, known)[seq[:, 1]] for one in (before, step))
            apart = [furthest(joints[at : rows.stop], one[at : rows.stop]) for one in (old, new)]
            changed = np.flatnonzero(apart[1] < apart[0])
            if not len(changed):
                raise BenchError(f"no pose of {step.model} came after it was swapped in")
            at += int(changed[0])
            changes.append((step.kind, at, float(apart[1][changed[0]])))
        for kind in dict.fromkeys(kind for kind, _, _ in changes):
            mine = [(row, apart_mm) for one, row, apart_mm in changes if one == kind]
            part = slice(max(mine[0][0] - 1, rows.start), mine[-1][0] + 1)
            yield Swaps(kind, len(mine), *continuity(seq[part], hop), max(apart_mm for _, apart_mm in mine))


def continuity(seq: Int64Array, hop: int) -> tuple[float, int]:
    """The most hops between two consecutive poses (n, 2), and how many poses are missing."""
    number, sample = np.diff(seq, axis=0).T
    return float(sample.max()) / hop, int((number - 1).sum())


def furthest(one: Float32Array, other: Float32Array) -> Float32Array:
    """(n,) largest distance of a point, mm, of poses (n, 63)."""
    return np.asarray(np.linalg.norm((one - other).reshape(len(one), POINTS, 3), axis=2).max(axis=1), np.float32)


def all_along(
    files: Mapping[str, ModelFile], step: Step, emg: Float32Array, known: dict[tuple[str, bytes], Float32Array]
) -> Float32Array:
    """Poses (m, 63) of a model that runs over the whole session; `known` remembers them."""
    key = step.model, b"" if step.matrix is None else step.matrix.tobytes()
    if key not in known:
        runner = OnnxRunner(open_session(files[step.model].data, Fitted(alignment=step.matrix).initializers()))
        parts = [runner.step(emg[None, start : start + _CHUNK])[0] for start in range(0, len(emg), _CHUNK)]
        known[key] = np.concatenate(parts)
    return known[key]


def fit_seconds(model: ModelFile, recording: Recording, seconds: float) -> float:
    """Seconds that one fit takes to a session with 50 labels a second, all at once."""
    values = read_initializers(model.data)
    rows = round(seconds * RATE_HZ)
    every = round(RATE_HZ / LABEL_HZ)
    runner = OnnxRunner(open_session(model.data, {}))
    chunks = range(0, rows, _CHUNK)
    outputs = [
        runner.step_outputs(recording.emg[None, at : min(at + _CHUNK, rows)], (FEATURES, ANGLES)) for at in chunks
    ]
    features, shipped = (
        np.concatenate([out[0] for out in part])[every - 1 :: every] for part in zip(*outputs, strict=True)
    )
    joints = recording.joints_at(recording.t[every - 1 : rows : every])
    assert joints is not None
    truth = angles(joints.reshape(-1, POINTS, 3)).astype(np.float64)
    start = time.perf_counter()
    fit = PersonalStatistics(features.shape[1])
    x = standardise(features, values[FEATURE_MEAN], values[FEATURE_SCALE])
    fit.add(x, truth - shipped, rate_hz=LABEL_HZ)
    fit.solve()
    return time.perf_counter() - start
