"""Measure the alignment of recorded people as a client of the server gets it, beside `evaluate --align`.

    myocast compare --people LEFT --people RIGHT --data synthetic:users=250,sessions=1,seconds=60,seed=1 --out FOLDS
    python tools/measure_alignment.py --people LEFT --people RIGHT --folds FOLDS > docs/results/data/people_live.md

For every session a real server is started with the model of the fold that has never seen the person. A client starts an
alignment over HTTP; the recording's own seconds of rest, fist and wrist extension follow the prompts; then the whole
session is played, and the client's poses are judged as `evaluate` judges its own. What is played is the recording, but
not at its own pace: the next samples come when the client has the pose of those before.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import numpy as np

from drivers.events import Emit, Frame, SourceInfo
from models.alignment import template_of_model
from models.architectures.base import STEP_HZ, NetworkConfig
from models.arrays import BoolArray, Float32Array
from models.data.alignment_cues import CLASS_CUES, band_fit, split_cues
from models.data.gesture_labels import poses_by_label
from models.data.segments import Segment, segments_of, unsettled
from models.evaluation.aligned_model import with_alignment
from models.evaluation.passes import SKIP
from models.hand import CHANNELS, MIRRORED_CHANNELS, VALUES, Side, mirror
from models.metrics.hand_closure import FIST, REST, SessionClosure, closed_share, over_sessions, session_closure
from models.metrics.predict import from_onnx
from models.onnx_file import read_spec
from models.onnx_runner import OnnxRunner
from models.spec import ModelSpec
from models.tables import markdown
from myocast_client import Pose, Status, connect
from service.arm.alignment_session import PREPARE_S
from service.engine.output_stage import OFF
from service.experiments.cross_validation import ALIGN_S, SEED, folds
from service.experiments.datasets import items, recipe_key
from service.run import READY, run
from service.settings import ServiceConfig
from service.wiring import Service

HELD_S: Final = ALIGN_S / len(CLASS_CUES)
TIMEOUT_S: Final = 60.0
HOP: Final = 20
"""Samples between two poses: 0.1 s at 200 Hz. Closure is sampled so often for both ways."""
POSES: Final = poses_by_label(f"{REST}=rest,{FIST}=fist")


@dataclass(frozen=True, slots=True)
class Session:
    """One donning of one person."""

    user: str
    number: str
    segments: tuple[Segment, ...]
    """As a right arm's."""
    hand: Side
    """The arm that wore the band."""

    def worn(self, emg: Float32Array) -> Float32Array:
        """EMG (n, 8) as the device gave it."""
        return emg if self.hand == "right" else np.ascontiguousarray(emg[:, MIRRORED_CHANNELS])


@dataclass(slots=True)
class Wearer:
    """A source that does what its wearer is asked to do, with the session's own seconds; then it plays the session."""

    session: Session
    rate_hz: float
    hop: int
    seen: asyncio.Condition = field(default_factory=asyncio.Condition)
    newest: int = -1
    """Sample of the newest pose that the client has."""
    starts: list[int] = field(default_factory=list)
    """Sample at which each file begins."""
    over: asyncio.Event = field(default_factory=asyncio.Event)
    offered: dict[str, int] = field(default_factory=dict)
    """Cue -> times that it was done."""
    _cue: str | None = None
    _play: bool = False
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _sample: int = 0

    @property
    def info(self) -> SourceInfo:
        return SourceInfo("recorded:", self.session.user, self.rate_hz, hand=self.session.hand, nature="replay")

    def follow(self, cue: str | None) -> None:
        """Do this from the next sample on."""
        self._cue = cue
        self._wake.set()

    def play(self) -> None:
        """Play the session from the next sample on."""
        self._play = True
        self._wake.set()

    async def run(self, emit: Emit) -> None:
        emit(self.info)
        while not self._play:
            if self._cue is None:
                self._wake.clear()
                await self._wake.wait()
            else:
                await self._hold(emit, self._cue)
        for segment in self.session.segments:
            await self._file(emit, segment)
        self.over.set()
        await asyncio.Event().wait()

    async def _hold(self, emit: Emit, cue: str) -> None:
        """Get there and hold it, with the next seconds of this cue that the session has."""
        emg = self.session.worn(cue_seconds(self.session, cue, self.offered.get(cue, 0)))
        self.offered[cue] = self.offered.get(cue, 0) + 1
        ready = np.tile(emg[:1], (round(PREPARE_S * self.rate_hz), 1))
        for start, part in chunks_of(np.concatenate([ready, emg]), self.hop):
            self._emit(emit, part, gap=False)
            if start % (10 * self.hop) == 0:
                await asyncio.sleep(0)

    async def _file(self, emit: Emit, segment: Segment) -> None:
        self.starts.append(self._sample)
        for start, part in chunks_of(self.session.worn(segment.emg), self.hop):
            self._emit(emit, part, gap=start == 0)
            newest = self._sample - 1
            async with self.seen, asyncio.timeout(TIMEOUT_S):
                while self.newest < newest:
                    await self.seen.wait()

    def _emit(self, emit: Emit, samples: Float32Array, *, gap: bool) -> None:
        t = 1000.0 + self._sample / self.rate_hz
        emit(Frame(self._sample, t, samples, t, gap=gap))
        self._sample += len(samples)


def chunks_of(emg: Float32Array, rows: int) -> Iterator[tuple[int, Float32Array]]:
    """Whole pieces of so many rows, and where each begins."""
    for start in range(0, len(emg) - rows + 1, rows):
        yield start, emg[start : start + rows]


def steps_of(session: Session, cue: str) -> list[tuple[int, int]]:
    """Segment and step of every settled step of a cue, in the order in which they were recorded."""
    (label,) = (number for number, name in CLASS_CUES.items() if name == cue)
    found = []
    for number, segment in enumerate(session.segments):
        if segment.classes is not None:
            usable = ~unsettled(segment.classes) & (segment.classes == label)
            found += [(number, int(step)) for step in np.flatnonzero(usable)]
    return found


def cue_seconds(session: Session, cue: str, time: int) -> Float32Array:
    """(n, 8) EMG of the cue when it is asked for the first (0), second … time; from the start again at the end."""
    wanted, steps = round(HELD_S * STEP_HZ), steps_of(session, cue)
    first = time * wanted if (time + 1) * wanted <= len(steps) else 0
    every = len(session.segments[0].emg) // session.segments[0].steps
    blocks = [session.segments[n].emg[step * every : (step + 1) * every] for n, step in steps[first : first + wanted]]
    return np.concatenate(blocks)


def cue_masks(session: Session, asked: Mapping[str, int]) -> list[BoolArray]:
    """Of each segment, (steps,) whether a step counts: settled, known, not among the seconds that were asked for."""
    kept = []
    for segment in session.segments:
        assert segment.classes is not None
        mask = ~unsettled(segment.classes) & (segment.classes >= 0)
        mask[:SKIP] = False
        kept.append(mask)
    for cue, times in asked.items():
        for number, step in steps_of(session, cue)[: times * round(HELD_S * STEP_HZ)]:
            kept[number][step] = False
    return kept


@dataclass(slots=True)
class Live:
    """What a client got from the server."""

    poses: list[Float32Array]
    """Of each segment (k, 63), as of a right hand."""
    matrix: Float32Array | None
    """(8, 8); None where a cue failed each time."""
    asked: Mapping[str, int]
    again: list[tuple[str, str]]
    """Cues that were asked for again, and why."""


@asynccontextmanager
async def serving(wearer: Wearer, model: Path, folder: Path) -> Any:
    """A server of this process, with its address."""
    services: list[Service] = []
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    # Raw poses, as they are judged offline.
    config = ServiceConfig(
        ("recorded:",), port=0, model=model, hop=wearer.hop, smoothing=OFF, models=folder, recordings=folder
    )
    running = asyncio.ensure_future(run(config, ready.set_result, sources=[wearer], prepare=services.append))
    await asyncio.wait((ready, running), return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        running.result()
    try:
        yield ready.result().removeprefix(READY)
    finally:
        services[0].stop.set()
        await running


async def live(session: Session, model: Path, rate_hz: float, hop: int) -> Live:
    """Align over HTTP and play the session to a client."""
    wearer = Wearer(session, rate_hz, hop)
    poses: dict[int, Float32Array] = {}
    again: list[tuple[str, str]] = []
    ended: asyncio.Future[Mapping[str, Any]] = asyncio.get_running_loop().create_future()

    def on_pose(pose: Pose) -> None:
        poses[pose.sample] = pose.joints.reshape(VALUES)
        asyncio.get_running_loop().create_task(announce(pose.sample))

    async def announce(sample: int) -> None:
        async with wearer.seen:
            wearer.newest = max(wearer.newest, sample)
            wearer.seen.notify_all()

    def on_status(status: Status) -> None:
        found = status.alignment or {}
        why = found["again"]
        failed = why is not None and why["code"] != "no_signal"
        if failed and (why["cue"], why["code"]) not in again:
            again.append((why["cue"], why["code"]))
        if not ended.done() and (found["applied"] or found["state"] == "failed"):
            ended.set_result(found)

    with tempfile.TemporaryDirectory() as name:
        async with serving(wearer, model, Path(name)) as url, httpx.AsyncClient(base_url=url) as http:
            client = connect(url, streams=("pose", "status"), reconnect=False, queue=1)
            client.on(Pose, on_pose)
            client.on(Status, on_status)
            async with client:
                body = {"action": "start", "cues": list(CLASS_CUES.values()), "seconds": HELD_S}
                (await http.post("/api/v1/alignment", json=body)).raise_for_status()
                found = await asyncio.wait_for(ended, TIMEOUT_S)
                wearer.play()
                await wearer.over.wait()
    result = found["result"]
    matrix = None if result is None else np.array(result["matrix"], np.float32).reshape(CHANNELS, CHANNELS)
    given = [
        np.stack([poses[start + at + hop - 1] for at in range(0, len(segment.emg) - hop + 1, hop)])
        for start, segment in zip(wearer.starts, session.segments, strict=True)
    ]
    right = [pose if session.hand == "right" else mirror(pose) for pose in given]
    return Live(right, matrix, wearer.offered, again)


@dataclass(slots=True)
class Row:
    """One session, both ways."""

    user: str
    session: str
    fold: int
    offline: SessionClosure
    live: SessionClosure
    matrix_apart: float | None
    """Largest difference of an entry of the two matrices; None where they are of other seconds."""
    pose_apart_mm: float | None
    again: list[tuple[str, str]]
    aligned: bool

    @classmethod
    def of(cls, known: Mapping[str, Any]) -> Row:
        """What an earlier run found."""
        ways = {way: SessionClosure(**known[way]) for way in ("offline", "live")}
        return cls(**{**known, **ways})


def compare(session: Session, content: bytes, spec: ModelSpec, model: Path, fold: int, hop: int) -> Row | None:
    """Both ways; None where the session has no fists, wrist gestures or rest."""
    template = template_of_model(spec)
    assert template is not None
    cues, _ = split_cues(session.segments, ALIGN_S)
    matrix = band_fit(cues, template).matrix()
    predictor = from_onnx(OnnxRunner.open(with_alignment(content, matrix)), spec)
    every = round(spec.rate_hz / STEP_HZ)
    # The steps at whose end a pose falls due.
    picked = slice(hop // every - 1, None, hop // every)
    offline = [predictor(segment)[picked] for segment in session.segments]
    served = asyncio.run(live(session, model, spec.rate_hz, hop))
    once = max(served.asked.values()) == 1 and served.matrix is not None
    both = []
    for poses, asked in ((offline, dict.fromkeys(CLASS_CUES.values(), 1)), (served.poses, served.asked)):
        kept = [mask[picked] for mask in cue_masks(session, asked)]
        values = [
            closed_share(pose, POSES[REST], POSES[FIST])[: len(mask)][mask[: len(pose)]]
            for pose, mask in zip(poses, kept, strict=True)
        ]
        classes = [
            segment.classes[picked][: len(pose)][mask[: len(pose)]]
            for segment, pose, mask in zip(session.segments, poses, kept, strict=True)
            if segment.classes is not None
        ]
        both.append(session_closure(session.user, session.number, values, classes))
    if both[0] is None or both[1] is None:
        return None
    apart = None if not once or served.matrix is None else float(np.abs(served.matrix - matrix).max())
    pairs = zip(offline, served.poses, strict=True)
    poses_apart = max(float(np.abs(one[: len(other)] - other).max()) for one, other in pairs) if once else None
    return Row(
        session.user, session.number, fold, both[0], both[1], apart, poses_apart, served.again,
        served.matrix is not None,
    )  # fmt: skip


def read(people: Sequence[str], config: NetworkConfig) -> list[Session]:
    """All sessions, in order."""
    found: dict[tuple[str, str], list[Segment]] = {}
    hands: dict[tuple[str, str], Side] = {}
    for item in items(people):
        recording = item.read(config.emg_mode, config.rate_hz)
        for segment in segments_of([recording], config):
            key = segment.user, segment.session
            found.setdefault(key, []).append(segment)
            hands[key] = recording.hand or "right"
    return [Session(*key, tuple(segments), hands[key]) for key, segments in found.items()]


def summary(rows: Sequence[Row]) -> str:
    """Both ways over all sessions, and how far apart they are."""
    lines = []
    for way, closures in (("offline", [row.offline for row in rows]), ("live", [row.live for row in rows])):
        over = over_sessions(closures)
        lines.append(
            [
                way, f"{over['sessions']:.0f}", f"{over['auc_median']:.3f}", f"{over['auc_p10']:.3f}",
                f"{100 * over['fist_closed_median']:.0f} %", f"{100 * over['wrist_closed_mean']:.0f} %",
                f"{100 * over['rest_closed_mean']:.0f} %", f"{100 * over['works']:.0f} %",
            ]
        )  # fmt: skip
    titles = (
        "", "sessions", "AUC fist against wrist gestures, median", "P10", "closed in fist, median",
        "in wrist gestures", "at rest", "sessions that work",
    )  # fmt: skip
    same = [row for row in rows if row.matrix_apart is not None]
    apart = [
        ["sessions aligned on the same seconds both ways", str(len(same))],
        ["largest difference of an entry of the matrix", f"{max(row.matrix_apart or 0.0 for row in same):.1e}"],
        ["largest difference of a coordinate, mm", f"{max(row.pose_apart_mm or 0.0 for row in same):.1e}"],
        ["sessions in which a cue was asked for again", str(sum(bool(row.again) for row in rows))],
        ["sessions in which a cue failed each time (left as worn)", str(sum(not row.aligned for row in rows))],
    ]
    return "\n".join([*markdown(titles, lines), "", *markdown(("", "figure"), apart)])


def each(rows: Sequence[Row]) -> str:
    """One line for each session."""
    lines = [
        [
            f"{row.user}, {row.session}", str(row.fold), f"{row.offline.auc:.3f}", f"{row.live.auc:.3f}",
            "yes" if row.offline.works else "no", "yes" if row.live.works else "no",
            "; ".join(f"{cue}: {code.replace('_', ' ')}" for cue, code in row.again) or "–",
        ]
        for row in rows
    ]  # fmt: skip
    titles = ("person, session", "fold", "AUC offline", "live", "works offline", "live", "asked for again")
    return "\n".join(markdown(titles, lines))


def measure(people: Sequence[str], models: Path, hop: int, some: int | None) -> list[Row]:
    """All sessions of the people, or of the first `some`; those that an earlier run has served are kept."""
    config = NetworkConfig.for_mode("raw")
    sessions = read(people, config)
    rows: list[Row] = []
    for number, held in enumerate(folds([session.user for session in sessions], SEED)):
        if some is not None and len(rows) >= some:
            break  # so many are of the first folds
        model = models / f"fold-{number}.onnx"
        content = model.read_bytes()
        spec = read_spec(content, model.name)
        saved = models / f"live-{number}-{recipe_key([hop, hashlib.sha256(content).hexdigest()])[:12]}.json"
        known = json.loads(saved.read_text()) if saved.exists() else {}
        for session in sessions:
            if session.user not in held or (some is not None and len(rows) >= some):
                continue
            key = f"{session.user}-{session.number}"
            if key not in known:
                row = compare(session, content, spec, model, number, hop)
                known[key] = None if row is None else asdict(row)
                saved.write_text(json.dumps(known))
                print(known[key], file=sys.stderr, flush=True)
            if known[key] is not None:
                rows.append(Row.of(known[key]))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", action="append", required=True, help="folder of myo-readings-dataset")
    parser.add_argument("--folds", type=Path, required=True, help="what `compare --people … --out` wrote")
    parser.add_argument("--hop", type=int, default=HOP, help="samples between two poses")
    parser.add_argument("--sessions", type=int, help="only so many")
    options = parser.parse_args()
    rows = measure(options.people, options.folds, options.hop, options.sessions)
    training = (options.folds / "people.md").read_text().splitlines()[0].strip("`")
    folders = " ".join(f"--people {path}" for path in options.people)
    print(f"`{training} --out {options.folds.name}`\n")
    print(f"`python tools/measure_alignment.py {folders} --folds {options.folds.name}`\n")
    print(f"{summary(rows)}\n\n{each(rows)}")


if __name__ == "__main__":
    main()
