"""The alignment of one armband's band while it is served: cues, the fit, and the matrix that is swapped in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple, TypedDict

import numpy as np

from drivers.events import Frame
from drivers.source import SupportsPrompts
from models.alignment import AlignmentError, Fit, Template, fit, levels, template_of_model
from models.arrays import Float32Array, Float64Array
from models.errors import MyocastError
from models.hand import CHANNELS, MIRRORED_CHANNELS
from models.level import overall_gain
from models.spec import ModelError
from service.arm.alignment_session import AlignmentSession, Continuity
from service.arm.cues import FailedCue
from service.devices.device import Device
from service.engine.predictor import ModelFile

DEGREES_PER_CHANNEL: Final = 360.0 / CHANNELS
REPORT_S: Final = 0.1
"""Seconds of signal between two reports while it runs."""


class CannotAlign(MyocastError):
    """There is nothing to align to, or nothing that runs."""


class AlignmentResult(TypedDict):
    """`alignment.result`; what a matrix from elsewhere does not tell is None."""

    turn_channels: float | None
    turn_deg: float | None
    """Negative where the band is turned towards the thumb of the arm that wears it."""
    mirrored: bool | None
    score: float | None
    gains: list[float] | None
    matrix: list[float]
    gain: float | None
    """Factor before the matrix that brings the signal to the model's level; None where it has the model's unit."""


class CueFit(NamedTuple):
    """What cues give."""

    levels: dict[str, Float64Array]
    """Cue -> (8,), after the gain."""
    gain: float
    """Factor that brings the cues to the template's level as a whole; 1 where that was not looked for."""
    fit: Fit


class LiveAlignment:
    """How the band of one armband sits, as far as it is known.

    Args:
        changed: is called after every change, and ten times per second of signal while cues run.
        result: what it starts with, already applied.
    """

    def __init__(self, device: Device, changed: Callable[[], None], result: AlignmentResult | None = None) -> None:
        self._device, self._changed = device, changed
        self._session: AlignmentSession | None = None
        self._continuity: Continuity | None = None
        self._result, self._applied = result, result is not None
        self._levels: dict[str, Float64Array] | None = None
        self._error: dict[str, str] | None = None
        self._fitting: asyncio.Task[None] | None = None
        self._before_fit = self._known()
        self._rows_to_report = 0
        self._gain = 1.0
        """What samples of the cues that run are multiplied with."""

    @property
    def levels(self) -> Mapping[str, Float64Array] | None:
        """Cue -> (8,) level as the model's channels get it, before the matrix; None where no cues were measured."""
        return self._levels

    def describe(self) -> dict[str, Any]:
        """Return the alignment object of the contract."""
        session, again = self._session, self._again()
        return {
            "device": self._device.index,
            "state": self._state(),
            "cue": None if session is None else session.cue,
            "phase": None if session is None or session.is_over() else session.phase,
            "left_s": 0.0 if session is None else round(session.left_s, 2),
            "cues": [] if session is None else list(session.cues),
            "again": None if again is None else {"cue": again.cue, "code": again.code, "message": again.message},
            "result": self._result,
            "applied": self._applied,
            "error": self._error,
        }

    def start(self, cues: Sequence[str], seconds: float) -> None:
        """Begin to ask for cues. What was found before stays in use until these are done.

        Raises:
            CannotAlign: there is no model, or it has no template.
        """
        self._template(self._device.model)
        info = self._device.info
        if info is None or self._running():
            raise CannotAlign("an alignment is running; cancel it first")
        self._session, self._error = AlignmentSession(cues, seconds, info.rate_hz), None
        self._gain = 1.0 if self._device.adapter is None else self._device.adapter.gain
        self._continuity = Continuity(info.rate_hz)
        self._prompt(self._session.cue)
        self._changed()

    def cancel(self) -> None:
        """Stop asking; what was found before stays.

        Raises:
            CannotAlign: nothing runs.
        """
        if not self._running():
            raise CannotAlign("no alignment is running")
        self.close()
        self._session, self._error = None, None
        self._changed()

    async def reset(self) -> None:
        """Go back to the matrix of the model file.

        Raises:
            ModelError: the model cannot be swapped in.
        """
        self.close()
        await self._device.refit(alignment=None, gain=None)
        self._forget()
        self._changed()

    async def use(self, matrix: Float32Array, gain: float | None = None) -> None:
        """Use this (8, 8) matrix and, where it was found with one, this gain.

        Raises:
            ModelError: the model cannot be swapped in.
        """
        self.close()
        await self._device.refit(alignment=matrix, gain=gain)
        self._forget()
        self._result, self._applied = given(matrix, gain), True
        self._changed()

    def on_frame(self, frame: Frame) -> None:
        """Take samples while cues run."""
        session, continuity = self._session, self._continuity
        taken = self._device.taken
        if session is None or continuity is None or session.is_over() or taken is None:
            return
        before = session.cue, session.phase
        session.push(self._channels(taken.samples), gap=continuity.broken(frame))
        self._rows_to_report -= len(frame.samples)
        if before[0] != session.cue or session.is_over():
            self._prompt(session.cue)
        if session.is_over():
            self._finish(session)
        if session.is_over() or self._rows_to_report <= 0 or before != (session.cue, session.phase):
            self._rows_to_report = self._rows_to_report % round(REPORT_S * session.rate_hz) or round(
                REPORT_S * session.rate_hz
            )
            self._changed()

    def matrix_for(self, model: ModelFile) -> Float32Array | None:
        """The (8, 8) matrix that the measured cues give for another model; None without cues or a template."""
        if self._levels is None:
            return None
        try:
            return fit(self._levels, self._template(model)).matrix()
        except (AlignmentError, CannotAlign):
            return None

    def on_other_model(self, matrix: Float32Array | None) -> None:
        """Take note of another model, and of the matrix that it was opened with."""
        self.close()
        levels, model = self._levels, self._device.model
        self._forget()
        if matrix is not None and levels is not None:
            self._levels = levels
            self._result, self._applied = found(fit(levels, self._template(model)), self._device.fitted.gain), True
        self._changed()

    def close(self) -> None:
        """Stop asking and fitting."""
        if self._session is not None and not self._session.is_over():
            self._prompt(None)
        if self._fitting is not None:
            self._fitting.cancel()
            self._result, self._levels, self._applied = self._before_fit
        self._session, self._fitting = None, None

    def _prompt(self, cue: str | None) -> None:
        source = self._device.source
        if isinstance(source, SupportsPrompts):
            source.follow(cue)

    def _again(self) -> FailedCue | None:
        """Why the cue must be done again or, while no samples come, waits."""
        session = self._session
        if session is None or session.cue is None or not self._device.status.silent:
            return None if session is None else session.again
        state = self._device.status.state
        message = f"no samples come from the armband ({state}); {session.cue} begins anew when they do"
        return FailedCue(session.cue, "no_signal", message)

    @property
    def is_running(self) -> bool:
        """Whether the wearer is asked for cues, or the matrix is being found."""
        return self._running()

    def _running(self) -> bool:
        return (self._session is not None and not self._session.is_over()) or self._fitting is not None

    def _state(self) -> str:
        if self._running():
            return "running"
        if self._error is not None:
            return "failed"
        return "none" if self._result is None else "done"

    def _known(self) -> tuple[AlignmentResult | None, dict[str, Float64Array] | None, bool]:
        return self._result, self._levels, self._applied

    def _forget(self) -> None:
        self._session, self._result, self._levels, self._error = None, None, None, None
        self._applied = False

    def _channels(self, samples: Float32Array) -> Float32Array:
        """The channels in the order in which the model gets them, at about its level."""
        model = self._device.model
        if self._gain != 1.0:
            samples = samples * np.float32(self._gain)
        if model is None or model.spec.hand == self._device.hand:
            return samples
        return samples[:, MIRRORED_CHANNELS]

    def _template(self, model: ModelFile | None) -> Template:
        if model is None:
            raise CannotAlign("no model fits this armband, so that there is nothing to align it to")
        template = template_of_model(model.spec)
        if template is None:
            raise CannotAlign(
                f"{model.path.name} does not say how a band sat that it learned from; "
                "use a shipped model, or export it again"
            )
        return template

    def _finish(self, session: AlignmentSession) -> None:
        if session.failure is not None:
            self._error = {"code": session.failure.code, "message": session.failure.message}
            return
        self._before_fit = self._known()
        self._fitting = asyncio.get_running_loop().create_task(self._fit(session))

    async def _fit(self, session: AlignmentSession) -> None:
        try:
            template, adapter = self._template(self._device.model), self._device.adapter
            fixed = adapter is None or adapter.fixed
            measured, more, result = await asyncio.to_thread(fit_cues, session.measured, template, level=not fixed)
            gain = None if fixed else self._gain * more
            self._result, self._levels, self._applied = found(result, gain), measured, False
            self._changed()
            await self._device.refit(alignment=result.matrix(), gain=gain)
            self._applied = True
        except (AlignmentError, CannotAlign, ModelError) as error:
            self._error = {"code": "no_fit", "message": str(error)}
        self._fitting = None
        self._changed()


def fit_cues(measured: Mapping[str, Float32Array], template: Template, *, level: bool = False) -> CueFit:
    """The level of each cue, and how the band sits.

    Args:
        measured: cue -> (n, 8) EMG.
        template: of the model.
        level: find the gain of the whole band first: the signal has another unit than the model's.

    Raises:
        AlignmentError: the cues are not those of the template, or hold no signal.
    """
    names = [cue for cue, emg in measured.items() for _ in range(len(emg))]
    found_levels = levels(np.concatenate(list(measured.values())), names)
    gain = overall_gain(found_levels, template) if level else 1.0
    found_levels = {cue: channels * gain for cue, channels in found_levels.items()}
    return CueFit(found_levels, gain, fit(found_levels, template))


def found(result: Fit, gain: float | None = None) -> AlignmentResult:
    """`alignment.result` of a fit, and of the gain before it."""
    return {
        "turn_channels": round(result.turn, 3),
        "turn_deg": round(result.turn * DEGREES_PER_CHANNEL, 1),
        "mirrored": result.mirrored,
        "score": round(result.score, 4),
        "gains": [round(gain, 4) for gain in result.gains],
        "matrix": _flat(result.matrix()),
        "gain": None if gain is None else float(f"{gain:.6g}"),
    }


def given(matrix: Float32Array, gain: float | None = None) -> AlignmentResult:
    """`alignment.result` of a matrix that was not found here."""
    return {
        "turn_channels": None,
        "turn_deg": None,
        "mirrored": None,
        "score": None,
        "gains": None,
        "matrix": _flat(matrix),
        "gain": gain,
    }


def _flat(matrix: Float32Array) -> list[float]:
    """Row by row; rounded to what tells nothing more."""
    return [round(float(value), 6) for value in matrix.reshape(-1)]
