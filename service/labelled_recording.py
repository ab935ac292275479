"""Record a source together with labels of the hand: a server of this process whose page shows what is going on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.events import Frame, Label
from drivers.source import Source, SupportsPrompts
from models.errors import MyocastError
from service.arm.label_feed import LabelFeed
from service.engine.output_stage import AUTO, Smoothing
from service.events import DeviceEvent
from service.labels.prompts.source import PromptLabels
from service.labels.source import LabelSource
from service.run import run
from service.settings import ServiceConfig
from service.wiring import Service


class NoLabels(MyocastError):
    """A recording without a single label."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class LabelledRecording:
    """What was recorded."""

    samples: int
    lost: int
    labels: int
    labels_hz: float
    """Labels a second, from the first to the last."""
    lag_s: float | None
    """Seconds by which labels are late (negative: early); None where that could not be told."""


async def record_with_labels(
    source: Source,
    file: Path,
    labels: tuple[str, LabelSource | None],
    seconds: float | None,
    about: Mapping[str, str],
    announce: Callable[[str], None],
    watch: Callable[[Service], Any],
    smoothing: Smoothing = AUTO,
) -> LabelledRecording:
    """Record until enough seconds are labelled, the prompts or the source end, or SIGINT or SIGTERM comes.

    Args:
        source: an opened source of EMG.
        file: the session file to write; it must not exist.
        labels: kind of the labels, and what they come from; None where they come over the stream.
        seconds: of signal from the first label on; where no label comes within that time, it ends, too.
        about: further metadata of the session.
        announce: takes the lines that say where the page is, and where labels are taken.
        watch: makes a coroutine that runs meanwhile and may show how the recording goes.
        smoothing: what stands behind the model.

    Raises:
        NoLabels: none came.
        MyocastError: the source, the label source or the file cannot be used.
    """
    kind, tracker = labels
    config = ServiceConfig(
        sources=(source.info.uri,), port=0, record=file, about=about, labelled=True, smoothing=smoothing
    )
    session = _LabelledSession(kind, tracker, seconds, watch)
    async with AsyncExitStack() as stack:
        if tracker is None:
            session.lines.append("labels come from its page: in the step Teach, start the camera")
        else:
            await stack.enter_async_context(tracker)
            if tracker.address:
                session.lines.append(f"{kind} is {'ready' if kind == 'hts' else 'expected'}: {tracker.address}")
        if seconds is not None:
            session.lines.append(f"the {seconds:g} s count from the first label; without one in that time, it ends")
        await run(config, session.announcing(announce), sources=[source], prepare=session.prepare)
    return session.result(file)


class _LabelledSession:
    """Counts samples and labels, and ends the recording."""

    def __init__(
        self, kind: str, tracker: LabelSource | None, seconds: float | None, watch: Callable[[Service], Any]
    ) -> None:
        self.lines: list[str] = []
        self._kind, self._tracker, self._seconds, self._watch = kind, tracker, seconds, watch
        self._service: Service | None = None
        self._feed: LabelFeed | None = None
        self._samples = 0
        self._since: float | None = None
        self._labelled = False
        self._waited = False
        """Whether it ended because no label came in time."""
        self._signal = asyncio.Event()

    def announcing(self, announce: Callable[[str], None]) -> Callable[[str], None]:
        """Announce the server's lines, and then where labels are taken."""

        def lines(line: str) -> None:
            announce(line)
            for more in self.lines:
                announce(more)

        return lines

    def prepare(self, service: Service) -> None:
        """Connect with a service before it starts."""
        self._service = service
        device, arm = service.devices[0], service.arms[0]
        arm.labels.expect(self._kind, self._tracker)
        service.add_output(self)
        service.finishers.append(arm.labels.finish)
        service.jobs.append(lambda: self._watch(service))
        if self._tracker is not None:
            self._feed = LabelFeed(self._tracker, device, arm.labels)
            service.jobs.append(self._follow)

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Count, and end after so many seconds."""
        match event:
            case Frame():
                self._on_frame(event)
            case Label() if not self._labelled:
                self._labelled, self._since = True, None
            case _:
                pass

    def result(self, file: Path) -> LabelledRecording:
        """What was recorded.

        Raises:
            NoLabels: none came.
        """
        assert self._service is not None
        labels, status = self._service.arms[0].labels, self._service.devices[0].status
        if not labels.count:
            raise NoLabels(self._why_none(file))
        return LabelledRecording(self._samples, status.lost, labels.count, labels.rate_hz, labels.lag_s)

    def _on_frame(self, frame: Frame) -> None:
        self._signal.set()
        self._samples += len(frame.samples)
        self._since = frame.t if self._since is None else self._since
        if self._service is not None and self._seconds is not None and frame.t - self._since >= self._seconds:
            self._waited = not self._labelled
            self._service.stop.set()

    async def _follow(self) -> None:
        """Take labels until there are no more."""
        assert self._service is not None
        assert self._feed is not None
        await self._signal.wait()
        source = self._service.devices[0].source
        if isinstance(self._tracker, PromptLabels) and isinstance(source, SupportsPrompts):
            self._tracker.wearer = source
        await self._feed.run()
        self._service.stop.set()

    def _why_none(self, file: Path) -> str:
        kept = f"{file} holds EMG alone" if self._samples else f"{file} was not made, since no sample came"
        time = f" in {self._seconds:g} s" if self._waited else ""
        others = self._feed.others if self._feed is not None else None
        if others:
            seen, count = others.most_common(1)[0]
            if seen == "implausible":
                return f"no labels came from {self._kind}{time}: what it saw {count} times is no hand; {kept}"
            return (
                f"no labels came from {self._kind}{time}: it saw the {seen} hand alone, and the other one wears the "
                f"band (`SOURCE?hand={seen}` says otherwise); {kept}"
            )
        message = self._service.arms[0].labels.message if self._service is not None else ""
        what = "open the page and start the camera" if self._kind == "webcam" else "start it, and show it the hand"
        return f"no labels came from {self._kind}{f' ({message})' if message else ''}{time}; {what}; {kept}"
