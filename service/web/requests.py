"""Bodies of requests. What is of another type, or has another `action`, is refused with 400."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import Body
from pydantic import BaseModel, ConfigDict, Field

from service.recording.paths import NAME

DeviceIndex = Annotated[int, Field(ge=0, description="Index of the armband")]


class RequestBody(BaseModel):
    """A JSON object; fields that are not known are ignored."""

    model_config = ConfigDict(strict=True, frozen=True, allow_inf_nan=False)


class StartRecording(RequestBody):
    """Start a recording."""

    action: Literal["start"]
    name: str | None = Field(
        None,
        description="Name of the file without `.mcap`; absent: date and time",
        json_schema_extra={"pattern": f"^{NAME.pattern}$"},
    )


class StopRecording(RequestBody):
    """Stop the recording that is running."""

    action: Literal["stop"]


class PauseReplay(RequestBody):
    """Stop playing."""

    action: Literal["pause"]
    device: DeviceIndex = 0


class ResumeReplay(RequestBody):
    """Go on playing; at the end, play again from the start."""

    action: Literal["resume"]
    device: DeviceIndex = 0


class SeekReplay(RequestBody):
    """Go to a position of the recording."""

    action: Literal["seek"]
    value: float = Field(description="Seconds from the start", json_schema_extra={"minimum": 0})
    device: DeviceIndex = 0


class SetReplaySpeed(RequestBody):
    """Play faster or slower."""

    action: Literal["speed"]
    value: float = Field(
        description="Recorded seconds per second", json_schema_extra={"exclusiveMinimum": 0, "maximum": 100}
    )
    device: DeviceIndex = 0


class Vibrate(RequestBody):
    """Let the armband vibrate."""

    action: Literal["vibrate"]
    value: Literal["short", "medium", "long"]
    device: DeviceIndex = 0


class UseModel(RequestBody):
    """Use a model from now on."""

    action: Literal["use"]
    name: str = Field(description="As `GET /api/v1/models` names it")
    device: DeviceIndex = 0


RecordingRequest = Annotated[StartRecording | StopRecording, Body(discriminator="action")]
ReplayRequest = Annotated[PauseReplay | ResumeReplay | SeekReplay | SetReplaySpeed, Body(discriminator="action")]
