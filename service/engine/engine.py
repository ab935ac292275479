"""Ring buffer, windows and model of one armband: frames in, the newest pose out.

Frames come on the event loop's thread; inference runs on a worker thread, one run at a time. While it runs, windows
that fall due are not queued: when it ends, the newest one runs next and the others count as skipped. A streaming model
sees every sample once and in order all the same: the samples that came meanwhile all go into its next run.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from math import isfinite
from typing import Final

import numpy as np

from drivers.clock import Clock, now
from drivers.events import Frame
from models.arrays import Float32Array
from models.confidence import after_gap
from models.hand import Side
from service.engine.output_stage import OFF, OutputStage, Smoothing
from service.engine.pose import Hidden, Pose
from service.engine.predictor import INFERENCE_ERRORS, Predictor, first_line
from service.engine.ring import Ring
from service.engine.successor import CATCH_UP_ROWS, Successor
from service.engine.windower import Window, Windower
from service.engine.workers import Finish, Workers

log = logging.getLogger("myocast")

RUN_S: Final = 5.0
"""Seconds for one run of a model; beyond, it is broken off."""
LAST_RUN_S: Final = 2.0
"""Seconds that a run gets to end when the engine closes; beyond, its thread is left behind."""
REST_S: Final = 1.0
"""Seconds without a run after one that was broken off; they double with each that follows, up to `LONGEST_REST_S`."""
LONGEST_REST_S: Final = 60.0
BACKLOG_S: Final = 20.0
"""Seconds of signal that a stalled streaming model may fall behind; beyond that its state is reset."""
HISTORY_S: Final = 90.0
"""Seconds of signal that are kept for a model that takes over to run over: the longest running averages take 25 s."""


@dataclass(slots=True)
class _Job:
    """One run of the model, from the loop's thread to the worker and back."""

    window: Window
    skipped: int
    gap: bool
    due: float
    hand: Side
    joints: Float32Array | None = None
    passed: Float32Array | None = None
    """(k, 63) poses of the windows that were skipped, for the filter, which needs every one of them."""
    failure: str = ""
    started: float = 0.0
    finished: float = 0.0
    hidden: Hidden | None = None
    confidence: float | None = None


class Engine:
    """The inference of one device. Everything but the worker runs on the event loop's thread.

    Args:
        rate_hz: samples per second of real time.
        on_pose: takes each pose.
        on_failure: takes the reason, in one line, why a window gave no pose.
        device: index of the device, which poses carry.
        hop: samples between poses; None takes the model's own.
        smoothing: what stands behind the model.
        run_s: seconds for one run of the model.
        state: returns the device's state, which the next pose carries; called once for each pose.
        workers: the threads that run the model; None makes one of its own.
    """

    def __init__(
        self,
        predictor: Predictor,
        rate_hz: float,
        on_pose: Callable[[Pose], None],
        on_failure: Callable[[str], None],
        *,
        device: int = 0,
        hop: int | None = None,
        smoothing: Smoothing = OFF,
        state: Callable[[], str] = str,
        run_s: float = RUN_S,
        clock: Clock = now,
        workers: Workers | None = None,
    ) -> None:
        spec = predictor.spec
        self.predictor = predictor
        self._hop = hop
        self.hop = hop or spec.hop
        self.windower = Windower(spec.window, self.hop, rate_hz)
        self.stage = OutputStage(smoothing, spec)
        self.poses = 0
        """Poses made so far."""
        self.repeated = 0
        """Poses that were repeated while no samples came; they are counted in `seq`, too."""
        self.skipped = 0
        """Windows passed over because a newer one was due."""
        self.invalid = 0
        """Windows that gave no pose: the model answered NaN, or the runtime failed."""
        self.signal_quality = 1.0
        """Factor of the confidence, from what is known of the channels."""
        self._ring = Ring(_capacity(spec.window, self.hop, rate_hz))
        self._backlog = int(BACKLOG_S * rate_hz) + self.hop
        self._device, self._on_pose, self._on_failure = device, on_pose, on_failure
        self._state, self._clock = state, clock
        self._hand: Side = spec.hand
        self._busy = False
        self._stopped = False
        self._pending: Window | None = None
        self._pending_due = 0.0
        self._windows_waiting = 0
        self._unreported_skips = 0
        self._gap = False
        self._stretch_start = -1
        self._consumed = 0
        self._successor: Successor | None = None
        self._loop = asyncio.get_running_loop()
        self._run_s = run_s
        self._job: _Job | None = None
        self._watch: asyncio.TimerHandle | None = None
        self._interrupted = False
        self._broken_off = 0
        self._rests_until = 0.0
        self._idle = asyncio.Event()
        self._idle.set()
        self._workers = workers or Workers(1)
        self._workers.join()

    @property
    def due(self) -> int:
        """Windows that fell due: poses + skipped + invalid + those not finished yet."""
        return self.windower.due

    def set_hand(self, hand: Side) -> None:
        """Set the arm that wears the band. A change starts a new stretch: the channels change places."""
        if hand == self._hand:
            return
        self._hand = hand
        self.windower.reset()

    def push(self, frame: Frame) -> None:
        """Take a frame: samples (n, 8) in the source's unit. Called on the event loop's thread."""
        self._ring.push(frame.samples)
        count, window = self.windower.push(frame)
        if window is None:
            return
        self._gap = self._gap or window.gap
        self._windows_waiting += count
        self._pending, self._pending_due = window, self._clock()
        if not self._busy:
            self._start()

    def swap(self, predictor: Predictor) -> asyncio.Future[None]:
        """Let another model take over between two poses.

        Where it would remember just what this one does, it takes over at once. Else it first runs over what the ring
        holds of this stretch, on a thread of its own, while poses of this one go on.

        Returns:
            A future that is done when it has taken over. It fails with `Superseded` where a later swap comes first, and
            with ModelError where the new model gives no pose from the samples that there are.
        """
        if self._successor is not None:
            self._successor.supersede()
        window, hop = predictor.spec.window, self._hop or predictor.spec.hop
        capacity = _capacity(window, hop, self.windower.rate_hz)
        if capacity > self._ring.capacity:
            self._ring = self._ring.grown(capacity)
        done = self._loop.create_future()
        self._successor = Successor(predictor, done)
        if not self._busy:
            self._advance_swap()
        return done

    def repeat(self) -> int:
        """Count a pose that is repeated while no samples come; return its number."""
        self.repeated += 1
        return self.poses + self.repeated - 1

    def stop(self) -> None:
        """Publish nothing any more, and let the workers go."""
        if self._stopped:
            return
        self._stopped = True
        if self._successor is not None:
            self._successor.supersede()
            self._successor = None
        if self._watch is not None:
            self._watch.cancel()
        if self._busy:
            self.predictor.terminate()
        self._workers.leave()

    async def close(self) -> bool:
        """Stop, and wait for the run that is going on, which is broken off; return whether it ended.

        One that cannot be broken off leaves its thread behind, which ends with the process.
        """
        self.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LAST_RUN_S):
                await self._idle.wait()
                await self._workers.ended()
        return self._idle.is_set()

    def _advance_swap(self) -> None:
        """Take the successor's next step; called while no run is going on."""
        successor = self._successor
        if successor is None or successor.catching_up:
            return
        if successor.done.done():
            self._successor = None
            return
        successor.predictor.mirrored = self._hand != successor.predictor.spec.hand
        stretch = self.windower.stretch_start
        known = successor.stretch_start == stretch
        if not known and successor.predictor.go_on_from(self.predictor):
            self._take_over(successor)
            return
        if not known:
            successor.predictor.reset()
            successor.stretch_start = stretch
            successor.consumed = max(stretch, self._ring.rows - self._ring.capacity)
        if self._consumed - successor.consumed > CATCH_UP_ROWS or (not known and self._consumed > successor.consumed):
            samples = self._ring.view(self._consumed, self._consumed - successor.consumed).copy()
            successor.catch_up(samples, self._consumed, self._caught_up)
            return
        self._stretch_start, self._consumed = stretch, successor.consumed
        self._take_over(successor)

    def _caught_up(self) -> None:
        if not self._busy and not self._stopped:
            self._advance_swap()

    def _take_over(self, successor: Successor) -> None:
        self.predictor, self._successor = successor.predictor, None
        spec = self.predictor.spec
        self.stage.change(spec)
        self.hop = self._hop or spec.hop
        self.windower.change(spec.window, self.hop)
        pending = self._pending
        if pending is not None and (pending.count < spec.window or pending.end <= self._consumed):
            # Too few samples for the new model, or it has seen them already.
            self.skipped += self._windows_waiting
            self._unreported_skips += self._windows_waiting
            self._pending, self._windows_waiting = None, 0
        successor.done.set_result(None)

    def _start(self) -> None:
        if self._loop.time() < self._rests_until:
            return
        window, self._pending = self._pending, None
        if window is None:
            return
        skipped, self._windows_waiting = self._windows_waiting - 1, 0
        gap, self._gap = self._gap, False
        self.skipped += skipped
        self._load(window)
        self._busy = True
        self._idle.clear()
        self._job = _Job(window, skipped, gap, self._pending_due, self._hand)
        if self._watch is None:
            self._watch = self._loop.call_later(self._run_s, self._check_run)
        self._workers.submit(partial(self._work, self._job))

    def _check_run(self) -> None:
        """Break a run off that takes too long; else look again when one could. One timer, and none for each run."""
        self._watch = None
        job = self._job
        if job is None or self._stopped:
            return
        left_s = job.started + self._run_s - self._clock() if job.started else self._run_s
        if left_s < -self._run_s and not self._interrupted:
            # The whole process stood still meanwhile.
            job.started, left_s = self._clock(), self._run_s
        if left_s <= 0.0:
            if self._interrupted:
                log.warning("device %d: the run of the model cannot be broken off", self._device)
                self._workers.replace_one()
                return
            self._interrupted = True
            self.predictor.terminate()
            self._on_failure(self._too_long())
            left_s = self._run_s
        self._watch = self._loop.call_later(left_s, self._check_run)

    def _too_long(self) -> str:
        return f"the model had not ended after {self._run_s:g} s"

    def _load(self, window: Window) -> None:
        self.predictor.mirrored = self._hand != self.predictor.spec.hand
        if self.predictor.spec.kind == "window":
            self._consumed = window.end
            self.predictor.load(self._ring.view(window.end, self.predictor.spec.window))
            return
        start = window.end - window.count
        begin = max(start, self._consumed, self._ring.rows - self._backlog)
        if start != self._stretch_start or begin > self._consumed:
            self.predictor.reset()
        self._stretch_start, self._consumed = start, window.end
        self.predictor.load(self._ring.view(window.end, window.end - begin))

    def _work(self, job: _Job) -> Finish:
        job.started = self._clock()
        try:
            job.joints = self.predictor.run()
            if job.skipped and self.stage.filter is not None:
                job.passed = self.predictor.between(self.hop, job.skipped)
            job.hidden, job.confidence = self.predictor.hidden, self.predictor.confidence
        except INFERENCE_ERRORS as error:
            job.failure = first_line(error)
        except Exception as error:
            # Whatever it is, the next window may do.
            log.exception("device %d: a fault in running the model", self._device)
            job.failure = f"{type(error).__name__}: {first_line(error)}"
        job.finished = self._clock()
        return partial(self._done, job)

    def _done(self, job: _Job) -> None:
        self._busy, self._job = False, None
        self._idle.set()
        if self._stopped:
            return
        joints = job.joints
        if self._was_broken_off():
            joints, job.failure = None, self._too_long()
        # A sum of squares is NaN or infinite where a coordinate is.
        if joints is None or not isfinite(np.dot(joints, joints)):
            self._fail(job.failure or "the model answered with NaN", job)
        else:
            self._publish(job, joints)
        self._advance_swap()
        self._start()

    def _was_broken_off(self) -> bool:
        """Whether the run that has just ended took too long; then the next one waits, for it may do so again."""
        if not self._interrupted:
            self._broken_off = 0
            return False
        self._interrupted = False
        self.predictor.allow()
        rest_s = min(REST_S * 2.0**self._broken_off, LONGEST_REST_S)
        self._broken_off += 1
        self._rests_until = self._loop.time() + rest_s
        return True

    def _publish(self, job: _Job, joints: Float32Array) -> None:
        window = job.window
        skipped, self._unreported_skips = self._unreported_skips + job.skipped, 0
        pose = Pose(
            device=self._device,
            seq=self.poses + self.repeated,
            sample=window.sample,
            t=window.t,
            joints=self._filtered(job, joints),
            hand=job.hand,
            state=self._state(),
            skipped=skipped,
            gap=job.gap,
            truth=window.truth,
            arrival=window.arrival,
            due=job.due,
            started=job.started,
            finished=job.finished,
            hidden=job.hidden,
            confidence=self._confidence(job),
            filter=self.stage.filter,
        )
        self.poses += 1
        self._on_pose(pose)

    def _filtered(self, job: _Job, joints: Float32Array) -> Float32Array:
        """What the output stage makes of the pose, after those that were skipped, so that skipping changes nothing."""
        sample, gap = job.window.sample, job.gap
        if job.passed is not None:
            for back, passed in zip(range(len(job.passed), 0, -1), job.passed, strict=True):
                self.stage.feed(passed, sample - back * self.hop, job.hand, gap=gap)
                gap = False
        return self.stage.feed(joints, sample, job.hand, gap=gap)

    def _confidence(self, job: _Job) -> float | None:
        """What the model says of its pose, less where it has seen little since a gap or channels are bad."""
        told = job.confidence
        if told is None:
            return None
        seen_s = job.window.count / self.predictor.spec.rate_hz
        return min(max(told, 0.0), 1.0) * after_gap(seen_s) * self.signal_quality if isfinite(told) else 0.0

    def _fail(self, reason: str, job: _Job) -> None:
        self.invalid += 1
        self._unreported_skips += job.skipped
        self._gap = self._gap or job.gap
        self._stretch_start = -1
        self._on_failure(reason)


def _capacity(window: int, hop: int, rate_hz: float) -> int:
    """Samples that the ring holds."""
    return max(4 * window, int(HISTORY_S * rate_hz)) + hop
