"""A personal model that is learned while it is served: from labels, a new head every second."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from drivers.events import Label
from models.arrays import Float32Array, Float64Array
from models.errors import MyocastError
from models.onnx_edit import read_initializers, rewrite
from models.onnx_file import ALIGNMENT, BONES, CONFIDENCE_PERSONAL, PERSONAL
from models.spec import ModelError, ModelSpec
from service.arm.personal_fit import PersonalFit, Row, Target, target, unknown
from service.devices.device import Device
from service.engine.model_library import ModelLibrary, name_of
from service.engine.pose import Pose
from service.engine.predictor import ModelFile
from service.engine.successor import Superseded

log = logging.getLogger("myocast")

HEAD_S: Final = 1.0
"""Seconds between two heads."""
NO_LABELS_S: Final = 3.0
"""Seconds without a label after which `error` says that none come."""
CLOCK_S: Final = 3.0
"""Seconds between a label and the newest pose beyond which its time is of another clock."""
MAX_WAITING: Final = 1200
"""Labels, and rows of the network, that wait for the next head at most; what is more is not learned from."""


class CannotLearn(MyocastError):
    """There is nothing to learn with, to stop, or to keep."""


class LivePersonal:
    """The personal model of one armband's wearer.

    Args:
        changed: is called after every change in `describe`.
        use: swaps a kept model in.
        lag_s: returns by how many seconds labels are late; None while that is not known.
        levels: returns the cues that were measured in this donning, for the template of a kept model.
    """

    def __init__(
        self,
        device: Device,
        library: ModelLibrary,
        changed: Callable[[], None],
        levels: Callable[[], Mapping[str, Float64Array] | None],
        use: Callable[[ModelFile], Awaitable[None]],
        lag_s: Callable[[], float | None] = lambda: None,
    ) -> None:
        self._device, self._library, self._changed = device, library, changed
        self._levels, self._use, self._lag_s = levels, use, lag_s
        self.acting = asyncio.Lock()
        """Is held while what was learned begins, ends, is kept or discarded, and while another model is chosen."""
        self._model: ModelFile | None = None
        self._fit: PersonalFit | None = None
        self._learning: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._error: dict[str, str] | None = None
        self._rows: list[Row] = []
        self._targets: list[Target] = []
        self._newest_pose_t = 0.0
        self._labelled_at: float | None = None
        """Time of the newest pose when the newest label came; before the first label, of the first pose."""
        self._off_s = 0.0
        """Seconds by which that label was ahead of it."""

    @property
    def learning(self) -> asyncio.Task[None] | None:
        """What runs while it learns."""
        return self._learning

    def describe(self) -> dict[str, Any]:
        """Return the personal object of the contract."""
        fit, lag_s = self._fit, self._lag_s()
        return {
            "device": self._device.index,
            "state": self._state(),
            "seconds": 0.0 if fit is None else round(fit.seconds, 1),
            "labels": 0 if fit is None else fit.labels,
            "lag_ms": None if fit is None or lag_s is None else round(lag_s * 1000),
            "before": unknown() if fit is None else fit.before,
            "after": unknown() if fit is None else fit.after,
            "error": self._error or self._missing(),
        }

    async def start(self) -> None:
        """Learn from the labels that come; after `stop`, go on with what was learned.

        Raises:
            CannotLearn: it is learning already, or there is no model.
            ModelError: the model has no room for what is learned.
        """
        async with self.acting:
            if self._learning is not None:
                raise CannotLearn("it is learning already; stop it first")
            model = self._device.model
            if model is None:
                raise CannotLearn("no model fits this armband, so that there is none to make personal")
            if model.spec.kind == "window":
                raise CannotLearn(f"{name_of(model)} looks at windows, and cannot learn; use a streaming model")
            fit = self._fit
            if fit is None or self._model is not model:
                fit = PersonalFit(await asyncio.to_thread(read_initializers, model.data), model.spec.ahead_s)
            await self._device.refit(hidden=True)
            if self._device.model is not model:
                raise CannotLearn("the armband sends another signal now, which another model fits; start again")
            self._fit, self._model, self._error = fit, model, None
            self._rows, self._targets = [], []
            self._labelled_at, self._off_s = None, 0.0
            self._stopping.clear()
            self._learning = asyncio.get_running_loop().create_task(self._learn())
            self._changed()

    async def stop(self) -> None:
        """Stop learning; poses come from what was learned.

        Raises:
            CannotLearn: it is not learning.
            ModelError: the model cannot be swapped in.
        """
        async with self.acting:
            if self._learning is None:
                raise CannotLearn("it is not learning; start it first")
            await self._stop_task()
            await self._device.refit(hidden=False)
            self._changed()

    async def discard(self) -> None:
        """Forget what was learned: poses come from the model file again.

        Raises:
            ModelError: the model cannot be swapped in.
        """
        async with self.acting:
            await self._stop_task()
            if self._model is not None and self._model is self._device.model:
                await self._device.refit(personal=None, bones=None, confidence=None, hidden=False)
            self.forget()
            self._changed()

    async def keep(self, name: str) -> None:
        """Write what was learned into a model file, and use that.

        Raises:
            CannotLearn: nothing was learned, or it is worse than before on the seconds held back.
            ModelExists: there is a model of that name.
            ModelError: the file cannot be made.
            OSError: it cannot be written.
        """
        async with self.acting:
            fit, model = self._fit, self._model
            if fit is None or model is None or fit.head is None or model is not self._device.model:
                raise CannotLearn("nothing was learned yet; start, and send labels")
            _check_better(fit)
            await self._stop_task()
            kept = await asyncio.to_thread(self._write, name, model, fit)
            await self._use(kept)
            self._model = kept
            self._changed()

    def forget(self) -> None:
        """Take note that another model is in use, or that nothing shall be left of what was learned."""
        self.close()
        self._fit, self._model, self._error = None, None, None

    def on_pose(self, pose: Pose) -> None:
        """Take what the network computed on the way to a pose."""
        self._newest_pose_t = pose.t
        if self._labelled_at is None:
            self._labelled_at = pose.t
        if self._learning is not None and pose.hidden is not None and len(self._rows) < MAX_WAITING:
            self._rows.append(Row(pose.t, pose.hidden))

    def on_label(self, label: Label) -> None:
        """Take a label; it may be newer than the newest pose."""
        if self._learning is None:
            return
        if self._newest_pose_t:
            self._labelled_at, self._off_s = self._newest_pose_t, label.t - self._newest_pose_t
        if len(self._targets) < MAX_WAITING and self._off_s <= CLOCK_S:
            self._targets.append(target(label, self._device.hand))

    def close(self) -> None:
        """Stop learning."""
        if self._learning is not None:
            self._learning.cancel()
        self._learning = None
        self._rows, self._targets = [], []

    def _state(self) -> str:
        if self._error is not None:
            return "failed"
        if self._learning is not None:
            return "learning"
        return "none" if self._fit is None or self._fit.head is None else "ready"

    def _missing(self) -> dict[str, str] | None:
        """What learning waits for, while it goes on: the armband, or whatever sends the labels."""
        if self._learning is None:
            return None
        status = self._device.status
        if status.silent:
            return {
                "code": "no_signal",
                "message": f"no samples come from the armband ({status.state}); learning goes on when they do",
            }
        if self._labelled_at is not None and self._newest_pose_t - self._labelled_at > NO_LABELS_S:
            return {
                "code": "no_labels",
                "message": "no labels come; is the hand in view? Learning goes on when they do",
            }
        if abs(self._off_s) > CLOCK_S:
            where = "in the future" if self._off_s > 0 else "ago"
            return {
                "code": "wrong_clock",
                "message": f"labels come with times {abs(self._off_s):.0f} s {where}; they must be on the server's "
                "clock, which ping and pong tell",
            }
        return None

    async def _learn(self) -> None:
        """Make a new head of the labels that came, every second, until it is to stop."""
        try:
            while not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), HEAD_S)
                if not self._stopping.is_set():
                    await self._learn_once()
                    self._changed()
            await self._learn_once(last=True)
        except Exception as error:
            if not isinstance(error, ModelError):
                log.exception("device %d: learning failed", self._device.index)
            self._error, self._learning = _failure(error), None
            self._changed()

    async def _learn_once(self, *, last: bool = False) -> None:
        fit, rows, targets = self._fit, self._rows, self._targets
        if fit is None:
            return
        self._rows, self._targets = [], []
        before = fit.head
        await asyncio.to_thread(fit.learn, rows, targets, late_s=self._lag_s() or 0.0, last=last)
        if fit.head is before:
            return
        found: dict[str, Any] = {"personal": fit.head, "bones": fit.bones, "confidence": fit.confidence}
        try:
            await self._device.refit(**{name: value for name, value in found.items() if value is not None})
        except Superseded:
            return

    async def _stop_task(self) -> None:
        task = self._learning
        if task is None:
            return
        self._stopping.set()
        await asyncio.wait([task])
        self._learning = None

    def _write(self, name: str, model: ModelFile, fit: PersonalFit) -> ModelFile:
        fitted = self._device.fitted
        values: dict[str, Float32Array] = {} if fit.head is None else {PERSONAL: fit.head}
        if fit.bones is not None:
            values[BONES] = fit.bones
        if fit.confidence is not None:
            values[CONFIDENCE_PERSONAL] = fit.confidence
        if fitted.alignment is not None:
            values[ALIGNMENT] = fitted.alignment
        return self._library.keep(name, rewrite(model.data, values, self._spec(name, model, fit)))

    def _spec(self, name: str, model: ModelFile, fit: PersonalFit) -> ModelSpec:
        bones = read_initializers(model.data)[BONES] if fit.bones is None else fit.bones
        personal: dict[str, Any] = {
            "seconds": round(fit.seconds, 1),
            "labels": fit.labels,
            "base": name_of(model),
            "base_sha256": model.sha256,
            "bones_mm": [round(float(length), 2) for length in bones],
        }
        levels, matrix, info = self._levels(), self._device.fitted.alignment, self._device.info
        gain = self._device.fitted.gain
        if gain is not None and info is not None:
            personal["signal"] = {"rate_hz": info.rate_hz, "unit": info.unit, "gain": gain}
        if levels is None or matrix is None:
            return replace(model.spec, name=name, personal=personal)
        cues = {
            cue: [round(float(value), 3) for value in np.maximum(level @ matrix, 0.0)] for cue, level in levels.items()
        }
        return replace(model.spec, name=name, personal=personal, alignment={"cues": cues})


def _check_better(fit: PersonalFit) -> None:
    """Refuse a fit that is worse than before on the seconds held back.

    Raises:
        CannotLearn: it is.
    """
    before, after = fit.before["angle_mae_deg"], fit.after["angle_mae_deg"]
    if before is not None and after is not None and after > before:
        raise CannotLearn(
            f"on the seconds held back it is worse than before ({after:g} degrees, before {before:g}); "
            "go on with more labels, or discard it"
        )


def _failure(error: Exception) -> dict[str, str]:
    """Why learning ended, as the contract has it."""
    if isinstance(error, ModelError):
        return {"code": "model_error", "message": str(error)}
    message = f"learning ended with a fault ({type(error).__name__}: {error}); start it again"
    return {"code": "learning_failed", "message": message}
