"""Units that a user may say of a live source's samples; volts become microvolts on the way in."""

from __future__ import annotations

from typing import Final

from drivers.events import Unit
from drivers.uri import SourceUri

VOLTS: Final = {"uV": 1.0, "mV": 1e3, "V": 1e6}
"""Microvolts in each."""
SPOKEN: Final = ("adc", *VOLTS)
_NAMES: Final = {
    **dict.fromkeys(("microvolts", "microvolt", "uv", "µv", "μv"), "uV"),
    **dict.fromkeys(("millivolts", "millivolt", "mv"), "mV"),
    **dict.fromkeys(("volts", "volt", "v"), "V"),
}


def unit_option(uri: SourceUri) -> tuple[Unit, float]:
    """Read `?unit=`: the unit that frames have, and the factor of what comes to it. Raises DriverError."""
    return unit_of(uri.choice("unit", "adc", SPOKEN))


def unit_of(name: str) -> tuple[Unit, float]:
    """The same of a unit's name, in any of its spellings; anything unknown is a converter's counts."""
    spoken = _NAMES.get(name.lower(), "adc")
    return ("adc", 1.0) if spoken == "adc" else ("uV", VOLTS[spoken])
