"""Kinds of label sources: `leap[:URL]`, `hts[:PORT]`, `prompts[:FILE.toml]`, and `webcam`, the viewer's page."""

from __future__ import annotations

from importlib import import_module
from typing import Final, cast

from drivers.errors import DriverError
from service.labels.source import LabelSource

WEBCAM: Final = "webcam"
MODULES: Final = {
    "leap": "service.labels.leap.source",
    "hts": "service.labels.hts.source",
    "prompts": "service.labels.prompts.source",
}
"""Module of each kind, imported when it is first used; it has `from_target(str) -> LabelSource`."""


def label_source(text: str) -> LabelSource | None:
    """Make the label source that a text names; None for `webcam`, whose labels come over the stream.

    Raises:
        MyocastError: there is no such kind, or its target is wrong.
    """
    kind, _, target = text.partition(":")
    if kind == WEBCAM and not target:
        return None
    if kind not in MODULES:
        raise DriverError(f"--labels {text}: expected {WEBCAM}, leap[:URL], hts[:PORT] or prompts[:FILE.toml]")
    return cast(LabelSource, import_module(MODULES[kind]).from_target(target))
