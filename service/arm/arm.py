"""What is known and done about the arm that wears one armband."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from drivers.events import Frame, Label, SourceInfo
from service.arm.alignment import AlignmentResult, LiveAlignment
from service.arm.live_labels import LiveLabels
from service.arm.live_prompts import LivePrompts
from service.arm.personal import LivePersonal
from service.arm.signal import LiveSignal
from service.devices.device import Device
from service.engine.model_library import ModelLibrary
from service.engine.pose import Pose
from service.engine.predictor import AS_IN_FILE, Fitted, ModelFile
from service.events import DeviceEvent


class Arm:
    """Alignment, personal model and signal of one armband's wearer; an output of its device.

    Args:
        changed: is called when something in `describe` is different.
        aligned: the alignment that the device starts with.
    """

    def __init__(
        self,
        device: Device,
        library: ModelLibrary,
        changed: Callable[[], None],
        aligned: AlignmentResult | None = None,
    ) -> None:
        self.device = device
        self.alignment = LiveAlignment(device, changed, aligned)
        self.labels = LiveLabels(device, changed)
        self.personal = LivePersonal(
            device, library, changed, lambda: self.alignment.levels, self._use_kept, lambda: self.labels.lag_s
        )
        self.prompts = LivePrompts(device, self.labels, self.personal, lambda: self.alignment.is_running)
        self.signal = LiveSignal(device, changed)
        self._model: ModelFile | None = None

    def describe(self) -> dict[str, Any]:
        """Return what `status` says of the arm."""
        return {
            "alignment": self.alignment.describe(),
            "personal": self.personal.describe(),
            "signal": self.signal.describe(),
            "labels": self.labels.describe(),
        }

    def on_event(self, device: int, event: DeviceEvent) -> None:
        """Take an event of the armband."""
        match event:
            case Frame():
                self.signal.on_frame(event)
                self.alignment.on_frame(event)
                self.labels.on_frame(event)
            case Pose() if not event.held:
                self.personal.on_pose(event)
            case Label():
                self.labels.on_label(event)
                self.personal.on_label(event)
            case SourceInfo():
                self.labels.on_info(event)
                self._on_info()

    async def use_model(self, model: ModelFile) -> None:
        """Swap another model in, aligned as far as the cues that were measured fit its template.

        Raises:
            ModelError: as `Device.use_model` does.
        """
        async with self.personal.acting:
            matrix = self.alignment.matrix_for(model)
            gain = self.device.fitted.gain
            await self.device.use_model(model, AS_IN_FILE if matrix is None else Fitted(alignment=matrix, gain=gain))
            self._model = self.device.model
            self.personal.forget()
            self.alignment.on_other_model(matrix)

    async def _use_kept(self, model: ModelFile) -> None:
        """Swap in what was learned: the wearer, the band and all that is known of them stay the same."""
        gain = self.device.fitted.gain
        await self.device.use_model(model, AS_IN_FILE if gain is None else Fitted(gain=gain))
        self._model = self.device.model

    def close(self) -> None:
        """Stop what runs."""
        self.alignment.close()
        self.prompts.close()
        self.personal.close()
        self.signal.close()
        self.labels.close()

    def _on_info(self) -> None:
        """The device may have chosen another model, because its signal is another."""
        self.signal.on_info()
        before, self._model = self._model, self.device.model
        if before is not None and self._model is not before:
            self.personal.forget()
            self.alignment.on_other_model(None)
