"""Configuration of one server."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from service.devices.hold import DEFAULT_HOLD_S
from service.engine.output_stage import AUTO, Smoothing
from service.limits import DEFAULT_LIMITS, Limits
from service.web.access import AccessPolicy
from service.web.tls import Certificate

DEFAULT_PORT: Final = 8765
DEFAULT_RECORDINGS: Final = Path("recordings")
DEFAULT_MODELS: Final = Path("my-models")


@dataclass(frozen=True)
class ServiceConfig:
    """The options of `serve`."""

    sources: tuple[str, ...]
    """Source addresses, one per armband."""
    policy: AccessPolicy = field(default_factory=AccessPolicy)
    port: int = DEFAULT_PORT
    """Port to listen on; 0 takes a free one."""
    model: Path | None = None
    """Model file; None chooses the shipped model that fits each source."""
    hop: int | None = None
    """Samples between poses; None takes the model's own."""
    smoothing: Smoothing = AUTO
    """What stands behind the models."""
    hold_s: float | None = DEFAULT_HOLD_S
    """Seconds for which the last pose is repeated when no samples come any more; None repeats nothing."""
    record: Path | None = None
    """Session file that everything is recorded into."""
    recordings: Path = DEFAULT_RECORDINGS
    """Folder of the recordings that clients start."""
    leap: int | None = None
    """Port of the Leap endpoint; 0 takes a free one."""
    udp: str | None = None
    """HOST:PORT that poses are sent to."""
    align: Path | None = None
    """File with the alignment that armband 0 starts with."""
    models: Path = DEFAULT_MODELS
    """Folder of the models that clients choose from and keep."""
    about: Mapping[str, str] = field(default_factory=dict)
    """Further metadata of recordings: user, session."""
    labelled: bool = False
    """Whether it serves one recording with labels: it ends with its source and fails with its file.

    What a synthetic source itself knows of the hand is not recorded beside the labels."""
    publish: str | None = None
    """Address of a NATS broker that everything is published to."""
    lsl: bool = False
    """Whether to open outlets of the Lab Streaming Layer."""
    tls: Certificate | None = None
    """The certificate to show; None: plain HTTP."""
    limits: Limits = DEFAULT_LIMITS
    """What one client, one address and all of them may cost."""
