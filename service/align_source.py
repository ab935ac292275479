"""Align a band without serving: ask for cues, and fit what they give."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from drivers.events import Event, Frame, SourceInfo
from drivers.signal_options import signal_options_of
from drivers.source import Source, SupportsPrompts
from models.alignment import AlignmentError, Template, template_of_model
from models.errors import MyocastError
from models.hand import MIRRORED_CHANNELS
from service.arm.alignment import AlignmentResult, fit_cues, found
from service.arm.alignment_session import AlignmentSession, Continuity
from service.devices.status import DeviceStatus
from service.devices.supervisor import run_until
from service.engine.model_selection import ModelSelector, no_fit
from service.engine.predictor import ModelFile
from service.engine.signal_adapter import SignalAdapter

Show = Callable[[AlignmentSession], None]
"""Shows the cue that runs; called whenever it, or its phase, changes."""


PLAYED_BACK: Final = (
    "a recording does not do what it is asked to: give the classes of its cues, as in --cues "
    "rest=0,fist=7,extension=2, or try the prompts with `myocast align synthetic:`"
)


class AlignmentFailed(MyocastError):
    """A cue was never done."""

    exit_code = 1


async def align_source(
    source: Source, selector: ModelSelector, cues: Sequence[str], seconds: float, show: Show
) -> AlignmentResult | None:
    """Ask for cues; return how the band sits, None where SIGINT or SIGTERM came first.

    Args:
        source: an opened source.
        selector: chooses the model whose template counts.
        cues: rest and at least one movement.
        seconds: that each is held.
        show: shows the prompts.

    Raises:
        MyocastError: the source or the model cannot be used, or a cue was never done.
    """
    stop = asyncio.Event()
    asking = _Asking(source, selector, cues, seconds, show, stop)
    status = DeviceStatus(0, lambda: None, log_level=logging.WARNING)
    await run_until(stop, source, asking.on_event, status)
    return asking.result()


class _Asking:
    """Hands samples to a session of cues, and passes its prompts on."""

    def __init__(
        self,
        source: Source,
        selector: ModelSelector,
        cues: Sequence[str],
        seconds: float,
        show: Show,
        stop: asyncio.Event,
    ) -> None:
        self._source, self._selector, self._show, self._stop = source, selector, show, stop
        self._cues, self._seconds = cues, seconds
        self._session: AlignmentSession | None = None
        self._continuity: Continuity | None = None
        self._template: Template | None = None
        self._mirrored = False
        self._options = signal_options_of(source.info.uri)
        self._adapter: SignalAdapter | None = None
        self._gain: float | None = None
        self._error: AlignmentError | None = None

    def on_event(self, event: Event) -> None:
        match event:
            case SourceInfo() if self._session is None and event.rate_hz > 0:
                self._begin(event)
            case Frame() if self._session is not None and self._continuity is not None and not self._stop.is_set():
                self._push(self._session, event, gap=self._continuity.broken(event))
            case _:
                pass

    def result(self) -> AlignmentResult | None:
        if self._error is not None:
            raise self._error
        session, template = self._session, self._template
        if session is None or template is None:
            return None
        why = f"; {PLAYED_BACK}" if self._source.info.nature == "replay" else ""
        if not session.is_over():
            if not self._stop.is_set():
                raise AlignmentFailed(f"the source ended during {session.cue}{why}")
            return None
        if session.failure is not None:
            raise AlignmentFailed(f"the alignment failed: {session.failure.message}{why}")
        fixed = self._adapter is None or self._adapter.fixed
        _, more, fit = fit_cues(session.measured, template, level=not fixed)
        return found(fit, None if fixed else (self._gain or 1.0) * more)

    def _begin(self, info: SourceInfo) -> None:
        model = self._selector.fit(info, self._options.gain)
        self._template = None if model is None else template_of_model(model.spec)
        if self._template is None:
            self._error = AlignmentError(_why_not(model, info))
            self._stop.set()
            return
        self._adapter = None if model is None else SignalAdapter(info, model, self._options)
        self._mirrored = model is not None and model.spec.hand != (info.hand or "right")
        self._session = AlignmentSession(self._cues, self._seconds, info.rate_hz)
        self._continuity = Continuity(info.rate_hz)
        self._prompt(self._session)

    def _push(self, session: AlignmentSession, frame: Frame, *, gap: bool) -> None:
        before = session.cue, session.phase, session.again
        taken = None if self._adapter is None else self._adapter.take(frame)
        if taken is None or self._adapter is None:
            return
        if self._gain is None:
            self._gain = self._adapter.gain
        samples = taken.samples if self._gain == 1.0 else taken.samples * np.float32(self._gain)
        if self._mirrored:
            samples = samples[:, MIRRORED_CHANNELS]
        session.push(samples, gap=gap)
        if session.is_over():
            self._stop.set()
        if before != (session.cue, session.phase, session.again):
            self._prompt(session)

    def _prompt(self, session: AlignmentSession) -> None:
        if isinstance(self._source, SupportsPrompts) and session.phase == "prepare":
            self._source.follow(session.cue)
        self._show(session)


def _why_not(model: ModelFile | None, info: SourceInfo) -> str:
    if model is None:
        return no_fit(info).partition(":")[0] + "; give a model that fits with --model"
    return f"{model.path.name} has no template to align to; give another --model, or leave it out to use a shipped one"
