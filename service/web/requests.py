"""Bodies of requests. What is of another type, or has another `action`, is refused with 400."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import Body
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from service.arm.cues import NINE_CUES, Cue
from service.recording.paths import NAME, is_reserved

LARGEST_GAIN: Final = 1000.0
LARGEST_LEVEL_GAIN: Final = 1e9
"""Gain of an alignment's matrix beyond which float32 overflows in a model, so that it gives no poses."""

DeviceIndex = Annotated[int, Field(ge=0, description="Index of the armband")]


def _not_reserved(name: str) -> str:
    if is_reserved(name):
        raise ValueError("Windows keeps this name for a device; choose another")
    return name


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


def _cues(cues: list[Cue]) -> list[Cue]:
    if "rest" not in cues or len(cues) < 2 or len(set(cues)) < len(cues):
        raise ValueError("expected rest and at least one movement, each once")
    return cues


class StartAlignment(RequestBody):
    """Ask the wearer for cues; what they give is swapped in."""

    action: Literal["start"]
    cues: Annotated[list[Cue], AfterValidator(_cues)] = Field(
        list(NINE_CUES),
        description="At least rest and one movement, in the order in which they are asked for",
        json_schema_extra={"minItems": 2, "uniqueItems": True, "contains": {"const": "rest"}},
    )
    seconds: float = Field(2.0, description="Seconds that each cue is held", ge=0.5, le=60.0)
    device: DeviceIndex = 0


class CancelAlignment(RequestBody):
    """Stop asking for cues; what was found before stays."""

    action: Literal["cancel"]
    device: DeviceIndex = 0


class ResetAlignment(RequestBody):
    """Go back to the matrix of the model file."""

    action: Literal["reset"]
    device: DeviceIndex = 0


class UseAlignment(RequestBody):
    """Use a matrix that was found before."""

    action: Literal["use"]
    matrix: list[Annotated[float, Field(ge=-LARGEST_GAIN, le=LARGEST_GAIN)]] = Field(
        description="8 x 8, row by row", min_length=64, max_length=64
    )
    gain: float | None = Field(None, gt=0, le=LARGEST_LEVEL_GAIN, description="That was found with it, if one was")
    device: DeviceIndex = 0


AlignmentRequest = Annotated[
    StartAlignment | CancelAlignment | ResetAlignment | UseAlignment, Body(discriminator="action")
]


class StartPersonal(RequestBody):
    """Learn from the labels that come."""

    action: Literal["start"]
    labels: Literal["prompts"] | None = Field(
        None, description="`prompts`: the wearer follows a ghost hand (`status.labels.prompt`) that gives the labels"
    )
    device: DeviceIndex = 0


class StopPersonal(RequestBody):
    """Stop learning; poses come from what was learned."""

    action: Literal["stop"]
    device: DeviceIndex = 0


class KeepPersonal(RequestBody):
    """Write what was learned into a model file, and use that."""

    action: Literal["keep"]
    name: Annotated[str, AfterValidator(_not_reserved)] = Field(
        description="Name of the file without `.onnx`", pattern=f"^{NAME.pattern}$"
    )
    device: DeviceIndex = 0


class DiscardPersonal(RequestBody):
    """Forget what was learned."""

    action: Literal["discard"]
    device: DeviceIndex = 0


PersonalRequest = Annotated[StartPersonal | StopPersonal | KeepPersonal | DiscardPersonal, Body(discriminator="action")]
RecordingRequest = Annotated[StartRecording | StopRecording, Body(discriminator="action")]
ReplayRequest = Annotated[PauseReplay | ResumeReplay | SeekReplay | SetReplaySpeed, Body(discriminator="action")]
