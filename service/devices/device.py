"""One armband in the service: its source's events go to its engine and to the outputs, and so do its poses."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, Final, Protocol

from drivers.clock import Clock, now
from drivers.events import (
    Battery,
    Event,
    Frame,
    Label,
    LabelLag,
    Marker,
    Notice,
    Playback,
    ReceivedModel,
    ReceivedPose,
    SourceInfo,
)
from drivers.signal_options import signal_options_of
from drivers.source import Source, SupportsReplay
from models.hand import Side
from models.spec import ModelError
from service.broadcast import messages
from service.broadcast.hub import Hub
from service.broadcast.messages import JsonObject
from service.devices.hold import DEFAULT_HOLD_S, Hold
from service.devices.status import STALLED_AFTER_S, DeviceStatus
from service.engine.engine import RUN_S, Engine
from service.engine.model_library import name_of
from service.engine.model_selection import ModelSelector, no_fit
from service.engine.output_stage import AUTO, Smoothing
from service.engine.pose import Pose
from service.engine.predictor import AS_IN_FILE, Fitted, ModelFile, Predictor
from service.engine.signal_adapter import SignalAdapter
from service.engine.stage_times import StageTimes
from service.engine.workers import Workers
from service.events import DeviceEvent, Output
from service.guard import Guard

log = logging.getLogger("myocast")

SAME_RATE: Final = 0.01
"""Share by which a measured rate may change without a model being chosen anew."""


class Listener(Protocol):
    """The receiver of a device's changes."""

    def hello_changed(self) -> None:
        """A field of `hello` has changed."""
        ...

    def status_changed(self, device: Device) -> None:
        """A field of the device's status has changed."""
        ...

    def failed(self, device: Device, error: ModelError) -> None:
        """The model that the user gave does not fit the device."""
        ...

    def warn(self, message: str) -> None:
        """Log a line that the user should read."""
        ...


class Device:
    """One source with its engine and its state. `on_event` is what the source emits into."""

    def __init__(
        self,
        index: int,
        source: Source,
        model_selector: ModelSelector,
        hub: Hub,
        listener: Listener,
        *,
        hop: int | None = None,
        fitted: Fitted = AS_IN_FILE,
        run_s: float = RUN_S,
        guard: Guard | None = None,
        smoothing: Smoothing = AUTO,
        hold_s: float | None = DEFAULT_HOLD_S,
        clock: Clock = now,
        workers: Workers | None = None,
    ) -> None:
        """Make a device whose source does not run yet.

        Args:
            hop: samples between poses; None takes the model's own.
            fitted: what stands in place of the initializers of the model that it starts with.
            smoothing: what stands behind its models.
            hold_s: seconds for which the last pose is repeated when no samples come any more; None repeats nothing.
            workers: the threads that run models; None makes one of its own.
            run_s: seconds for one run of a model.
            guard: tells which output failed.
        """
        self._run_s = run_s
        self._guard = guard or Guard()
        self._failing: set[Output] = set()
        self.index = index
        self.source = source
        self.info: SourceInfo | None = None
        self.engine: Engine | None = None
        self.model: ModelFile | None = None
        """The file whose poses come now."""
        self.fitted = fitted
        """What stands in place of its initializers."""
        self.attempted = asyncio.Event()
        """Set once the source has emitted something, or its first run has ended: its radio, port or file is known."""
        self.status = DeviceStatus(index, self._on_status, clock)
        self.outputs: list[Output] = [hub]
        """What takes every event and pose, in this order."""
        self.newest_pose_at = 0.0
        """When the newest pose was finished."""
        self.stage_times = StageTimes()
        """How long the stages of poses took."""
        self.frames = 0
        """Frames that have come since the start."""
        self._model_selector, self._hub, self._listener = model_selector, hub, listener
        self._clock, self._hop, self._smoothing = clock, hop, smoothing
        self._workers = workers
        self._received_model: ReceivedModel | None = None
        self._hold = Hold(hold_s, self._on_held)
        self._stall_timer: asyncio.TimerHandle | None = None
        self._steered = asyncio.Event()
        self._first_fitted = fitted
        self.describe_arm: Callable[[], JsonObject] = dict
        """Returns what `status` says of the arm that wears the band."""
        self._swapping = asyncio.Lock()
        self._tells_hidden = False
        self._model_rate_hz = 0.0
        """Samples per second of the source when its model was chosen."""
        self._options = signal_options_of(source.info.uri)
        self.adapter: SignalAdapter | None = None
        """Between the source's frames and the model; None while there is no model."""
        self.taken: Frame | None = None
        """The newest frame as the model's channels get it, before the gain; None where there is none yet."""
        self._logged = ""
        self._signal_quality = 1.0

    @property
    def speed(self) -> float:
        """How many times faster than recorded a replay runs; 1 for other sources."""
        playback = self.status.playback
        return playback.speed if playback else 1.0

    @property
    def real_rate_hz(self) -> float:
        """Samples per second of real time (a replay may run faster or slower than it was recorded)."""
        return (self.info.rate_hz if self.info else 0.0) * self.speed

    @property
    def pose_rate_hz(self) -> float:
        """Poses per second of real time that fall due; 0 without a model."""
        return 0.0 if self.engine is None else round(self.real_rate_hz / self.engine.hop, 6)

    @property
    def playback(self) -> Playback | None:
        """Where a replay stands; None for other sources."""
        return self.source.playback if isinstance(self.source, SupportsReplay) else None

    @property
    def hand(self) -> Side:
        """The hand that wears the band."""
        return (self.info.hand if self.info else None) or "right"

    def on_client_event(self, event: Label | LabelLag | Marker | Notice) -> None:
        """Take what does not come from the source: a label or a marker that was sent, what is known of labels."""
        self._publish(event)

    def on_event(self, event: Event) -> None:
        """Take what the source emits; called on the event loop's thread."""
        self.attempted.set()
        match event:
            case Frame():
                self._on_frame(event)
            case SourceInfo():
                self._on_info(event)
                self._log_what_is_served(event)
            case Battery():
                self.status.on_battery(event)
            case Notice():
                self.status.on_notice(event)
            case Playback():
                self._on_playback(event)
            case ReceivedPose():
                self._on_received(event)
                return
            case ReceivedModel():
                self._received_model = event
                self._listener.hello_changed()
                return
        self._publish(event)

    def describe(self) -> JsonObject:
        """Return this device's part of `hello`."""
        engine = self.engine
        if engine is None:
            received = self._received_model
            model, pose = (None, None) if received is None else (received.model, received.pose)
            return {"device": messages.device_object(self.info), "model": model, "pose": pose}
        predictor = engine.predictor
        return {
            "device": messages.device_object(self.info),
            "model": messages.model_object(
                predictor.spec, predictor.sha256, engine.hop, None if self.adapter is None else self.adapter.describe()
            ),
            "pose": messages.pose_object(self.pose_rate_hz, engine.stage),
        }

    def preload(self) -> None:
        """Open the model before the source runs, if its rate is known by then, so that the first pose is not late."""
        info = self.source.info
        if info.rate_hz > 0:
            self._on_info(info)

    def model_mismatch(self, model: ModelFile) -> str | None:
        """Why a model does not fit this armband, or None if it does."""
        info = self.info
        if info is None or info.rate_hz <= 0:
            return "the armband has not said yet what it sends"
        return model.mismatch(info.rate_hz, info.unit, info.emg_mode, self._options.gain)

    async def use_model(self, model: ModelFile, fitted: Fitted = AS_IN_FILE) -> None:
        """Swap another model in, without a gap in the poses.

        Raises:
            ModelError: it does not fit this armband, cannot be opened, or another one was chosen meanwhile.
        """
        why = self.model_mismatch(model)
        if why is not None:
            raise ModelError(f"{model.path.name} does not fit {self.source.info.uri}: {why}")
        async with self._swapping:
            await self._swap(model, fitted, hidden=False)
        self._listener.hello_changed()

    async def refit(self, *, hidden: bool | None = None, **changes: Any) -> None:
        """Swap in the same model, fitted otherwise.

        Args:
            hidden: whether poses come with what the network computed on the way; None leaves it.
            changes: fields of `Fitted`.

        Raises:
            ModelError: there is no model, it cannot be opened so, or another one was chosen meanwhile.
        """
        async with self._swapping:
            if self.model is None:
                raise ModelError("no model fits this armband, so that there is nothing to fit to it")
            wanted = self._tells_hidden if hidden is None else hidden
            await self._swap(self.model, replace(self.fitted, **changes), hidden=wanted)

    async def _swap(self, model: ModelFile, fitted: Fitted, *, hidden: bool) -> None:
        adapter = self._adapter_for(model)
        predictor = await asyncio.to_thread(model.open, fitted, hidden=hidden, rate_hz=adapter.rate_hz)
        predictor.gain = self._gain_with(adapter, fitted)
        if self.engine is None:
            self.engine = self._new_engine(predictor)
            self.engine.set_hand(self.hand)
        else:
            await self.engine.swap(predictor)
        adapter.use(model, fitted)
        self.adapter = adapter
        before, self.model, self.fitted, self._tells_hidden = (self.model, self.fitted), model, fitted, hidden
        for kind, detail in _changes(*before, model, fitted):
            self._publish(Notice(self._clock(), kind, detail))

    def set_signal_quality(self, factor: float) -> None:
        """Set the factor of the confidence that the channels leave, 0..1."""
        self._signal_quality = factor
        if self.engine is not None:
            self.engine.signal_quality = factor

    def play_again(self) -> None:
        """Run a replay again that had ended: it was steered."""
        self._steered.set()

    async def wait_to_play_again(self) -> None:
        """Wait after a source has ended until it is steered to a place from which it can go on."""
        playback = self.playback
        if playback is not None and playback.position_s < playback.duration_s:
            return
        self._steered.clear()
        await self._steered.wait()

    async def close(self) -> None:
        """Stop the engine and wait for its thread."""
        self._hold.end()
        if self._stall_timer is not None:
            self._stall_timer.cancel()
        if self.engine is not None:
            await self.engine.close()

    def _on_status(self) -> None:
        if self.status.state != "connecting":
            self.attempted.set()
        if self.status.lost_signal:
            self._hold.begin(self.pose_rate_hz)
        else:
            self._hold.end()
        self._listener.status_changed(self)

    def _publish(self, event: DeviceEvent) -> None:
        for output in self.outputs:
            try:
                output.on_event(self.index, event)
            except Exception as error:
                self._on_output_fault(output, error)
            else:
                if self._failing:
                    self._failing.discard(output)
                    self._guard.output_works(self._part(output))

    def _on_output_fault(self, output: Output, error: Exception) -> None:
        """One output's fault must cost neither the others nor the source anything."""
        self._failing.add(output)
        if self._guard.output_failed(self._part(output), error):
            # A new list: the old one is being walked through.
            self.outputs = [one for one in self.outputs if one is not output]

    def _part(self, output: Output) -> str:
        return f"output {type(output).__name__} of device {self.index}"

    def _on_frame(self, frame: Frame) -> None:
        # The engine comes first: its worker thread wakes while the rest is done here.
        if self.engine is not None:
            self._adapt(self.engine, frame)
        self.frames += 1
        self.status.on_frame(frame)
        if self._stall_timer is None:
            self._watch_for_stall(STALLED_AFTER_S)

    def _adapt(self, engine: Engine, frame: Frame) -> None:
        """Give the engine a frame as its model expects it."""
        adapter = self.adapter
        if adapter is None:
            return
        self.taken = adapter.take(frame)
        if self.taken is None:
            return
        engine.predictor.gain = adapter.gain
        engine.push(self.taken)
        if adapter.adapting or adapter.mains:
            self._tell_of(adapter, frame.t)

    def _tell_of(self, adapter: SignalAdapter, t: float) -> None:
        """Tell clients, and a recording, how the signal is adapted, where that has changed."""
        mains_hz, adapted = adapter.mains_news(), adapter.news()
        if mains_hz is not None:
            log.info("device %d: %g Hz of the mains is taken out of what the model gets", self.index, mains_hz)
            self._publish(Notice(t, "mains", f"{mains_hz:g} Hz is taken out of what the model gets"))
        if adapted is not None:
            self._publish(Notice(t, "gain", f"{adapted['gain']:.4g} from {adapted['from']}"))
            self._listener.hello_changed()

    def _on_received(self, received: ReceivedPose) -> None:
        """Publish a pose that another server has made, with the time that it took there and on the way."""
        began, ended = received.arrival - received.age_ms * 1e-3, received.arrival
        self.status.on_received_pose(received.sample, received.arrival)
        self._on_pose(
            Pose(
                device=self.index,
                seq=received.seq,
                sample=received.sample,
                t=received.t,
                joints=received.joints,
                hand=received.hand,
                state=self.status.state,
                skipped=received.skipped,
                gap=received.gap,
                truth=received.truth,
                arrival=began,
                due=began,
                started=ended - received.infer_ms * 1e-3,
                finished=ended,
                confidence=received.confidence,
                held=received.held,
            )
        )
        if self._stall_timer is None:
            self._watch_for_stall(STALLED_AFTER_S)

    def _on_info(self, info: SourceInfo) -> None:
        before, self.info = self.info, info
        self.status.on_info(info)
        if info == before:
            return
        if before is None or (info.unit, info.emg_mode) != (before.unit, before.emg_mode) or self._other_rate(info):
            self._model_rate_hz = info.rate_hz
            self._choose_model(info)
        elif self.engine is not None:
            self.engine.windower.rate_hz = self.real_rate_hz
        if self.engine is not None:
            self.engine.set_hand(self.hand)
        self._listener.hello_changed()

    def _other_rate(self, info: SourceInfo) -> bool:
        """Whether the rate is another than the one that the model was opened for, beyond what is measured anew."""
        return abs(info.rate_hz - self._model_rate_hz) > SAME_RATE * self._model_rate_hz

    def _log_what_is_served(self, info: SourceInfo) -> None:
        """Log the source, its signal and the model whenever one of them changes while the source runs."""
        summary = self._summary(info)
        if summary != self._logged:
            self._logged = summary
            log.info("%s", summary)
            worse = None if self.engine is None else self.engine.predictor.spec.worse_than_still_hand
            if worse is not None:
                self._listener.warn(worse)

    def _summary(self, info: SourceInfo) -> str:
        name = f"{info.uri} ({info.name})" if info.name not in ("", info.uri) else info.uri
        signal = f"{info.rate_hz:g} Hz {info.emg_mode} {info.unit}" if info.rate_hz > 0 else "rate not known yet"
        if self.engine is None:
            return f"device {self.index}: {name}, {signal}"
        spec = self.engine.predictor.spec
        adapted = ", adapted to this signal" if self.adapter is not None and self.adapter.adapting else ""
        pace = f"a pose every {self.engine.hop} samples"
        return f"device {self.index}: {name}, {signal}; model {spec.name}{adapted}, {pace}"

    def _on_playback(self, playback: Playback) -> None:
        changed = playback.speed != self.speed
        self.status.on_playback(playback)
        if self.engine is not None:
            self.engine.windower.rate_hz = self.real_rate_hz
        if changed:
            self._listener.hello_changed()

    def _choose_model(self, info: SourceInfo) -> None:
        if info.rate_hz <= 0 or info.emits == "poses":
            return
        try:
            model = self._model_selector.fit(info, self._options.gain)
            fitted, self._first_fitted = self._first_fitted, AS_IN_FILE
            adapter = None if model is None else SignalAdapter(info, model, self._options)
            predictor = None if model is None or adapter is None else model.open(fitted, rate_hz=adapter.rate_hz)
        except ModelError as error:
            self._listener.failed(self, error)
            return
        old, self.engine = self.engine, None
        if old is not None:
            old.stop()
        self.model, self.fitted, self._tells_hidden = model, fitted, False
        self.adapter, self.taken = adapter, None
        if predictor is None or model is None or adapter is None:
            if not self._model_selector.without_model:
                self._listener.warn(no_fit(info))
            return
        adapter.use(model, fitted)
        predictor.gain = adapter.gain
        self.engine = self._new_engine(predictor)

    def _adapter_for(self, model: ModelFile) -> SignalAdapter:
        """What adapts the signal to a model: as it is now, where it goes on adapting to the same."""
        assert self.info is not None
        new = SignalAdapter(self.info, model, self._options)
        return self.adapter if self.adapter is not None and self.adapter.rate_hz == new.rate_hz else new

    def _gain_with(self, adapter: SignalAdapter, fitted: Fitted) -> float:
        """The gain that a model begins with."""
        return adapter.gain if adapter.fixed or fitted.gain is None else fitted.gain

    def _new_engine(self, predictor: Predictor) -> Engine:
        engine = Engine(
            predictor,
            self.real_rate_hz,
            self._on_pose,
            self._on_failure,
            device=self.index,
            hop=self._hop,
            smoothing=self._smoothing,
            state=self.status.on_pose,
            run_s=self._run_s,
            clock=self._clock,
            workers=self._workers,
        )
        engine.signal_quality = self._signal_quality
        return engine

    def _on_pose(self, pose: Pose) -> None:
        self.newest_pose_at = pose.finished
        self._hold.on_pose(pose)
        self._publish(pose)
        self.stage_times.on_pose(pose, self._clock())
        if self.status.lost_signal:
            # The model took so long that it counts as lost already.
            self._hold.begin(self.pose_rate_hz)

    def _on_held(self, pose: Pose) -> None:
        """Pass on a pose that is repeated, with a number and the state of its own."""
        if self.engine is not None:
            self._publish(replace(pose, seq=self.engine.repeat(), state=self.status.state))

    def _on_failure(self, reason: str) -> None:
        self.status.set("failed", ("inference_failed", f"no pose from the newest samples: {reason}"))

    def _watch_for_stall(self, delay_s: float) -> None:
        self._stall_timer = asyncio.get_running_loop().call_later(delay_s, self._check_for_stall)

    def _check_for_stall(self) -> None:
        """Report a stall, or look again when one would be due: one timer, and no work per frame."""
        self._stall_timer = None
        if self.status.state != "live":
            return
        left_s = self.status.newest_arrival + STALLED_AFTER_S - self._clock()
        if left_s > 0.001:
            self._watch_for_stall(left_s)
        else:
            self._hub.flush_emg(self.index)
            self.status.set("stalled")


def _changes(old_model: ModelFile | None, old: Fitted, model: ModelFile, new: Fitted) -> Iterator[tuple[str, str]]:
    """What a swap changed, as a recording tells it: kind and detail."""
    if model is not old_model:
        yield "model", f"{name_of(model)} {model.sha256}"
    if new.alignment is not old.alignment:
        if new.alignment is None:
            yield "alignment", "as in the model file"
        else:
            yield "alignment", " ".join(f"{value:.6g}" for value in new.alignment.ravel())
    if new.personal is not old.personal and model is old_model:
        yield "personal", "as in the model file" if new.personal is None else "a new head"
