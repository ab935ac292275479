"""Labels without a camera while a model is made personal: the wearer follows a ghost hand until the schedule ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from drivers.source import SupportsPrompts
from service.arm.label_feed import LabelFeed
from service.arm.live_labels import FOLLOWED, LiveLabels
from service.arm.personal import CannotLearn, LivePersonal
from service.devices.device import Device
from service.labels.prompts.schedule import Schedule, default_schedule
from service.labels.prompts.source import PromptLabels


class LivePrompts:
    """The prompts of one armband's wearer.

    Args:
        is_aligning: whether an alignment runs, which asks for movements of its own.
        schedule: makes what the ghost hand does.
    """

    def __init__(
        self,
        device: Device,
        labels: LiveLabels,
        personal: LivePersonal,
        is_aligning: Callable[[], bool],
        schedule: Callable[[], Schedule] = default_schedule,
    ) -> None:
        self._device, self._labels, self._personal = device, labels, personal
        self._is_aligning, self.schedule = is_aligning, schedule
        self._running: asyncio.Task[None] | None = None

    async def learn(self) -> None:
        """Start learning, and prompts to learn from; with the last prompt it stops learning.

        Raises:
            CannotLearn: as `LivePersonal.start` does; labels come from elsewhere; an alignment runs.
            ModelError: the model has no room for what is learned.
        """
        if self._is_aligning():
            raise CannotLearn("an alignment runs, which asks for movements of its own; start when it is done")
        if self._labels.expected:
            raise CannotLearn(f"labels come from {self._labels.expected} already; start without prompts")
        await self._personal.start()
        learning = self._personal.learning
        if learning is None:
            return  # it was stopped meanwhile
        tracker = PromptLabels(self.schedule())
        source = self._device.source
        tracker.wearer = source if isinstance(source, SupportsPrompts) else None
        self._labels.expect(FOLLOWED, tracker)
        self._running = asyncio.get_running_loop().create_task(self._follow(tracker))
        learning.add_done_callback(lambda _: self.close())

    def close(self) -> None:
        """End the prompts, if there are some."""
        running, self._running = self._running, None
        if running is not None:
            running.cancel()
            self._labels.release()

    async def _follow(self, tracker: PromptLabels) -> None:
        await LabelFeed(tracker, self._device, self._labels).run()
        self._running = None
        self._labels.release()
        try:
            await self._personal.stop()
        except CannotLearn:
            return
