from __future__ import annotations

import pytest

from drivers.errors import DriverError
from drivers.units import unit_of, unit_option
from drivers.uri import parse


@pytest.mark.case("B07")
@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ("adc", 1.0)), ("?unit=uV", ("uV", 1.0)), ("?unit=mV", ("uV", 1e3)), ("?unit=V", ("uV", 1e6))],
)
def test_volts_become_microvolts(text: str, expected: tuple[str, float]) -> None:
    assert unit_option(parse(f"serial:/dev/ttyACM0{text}")) == expected


def test_spellings_of_streams() -> None:
    assert unit_of("microvolts") == ("uV", 1.0)
    assert unit_of("mV") == ("uV", 1e3)
    assert unit_of("Volts") == ("uV", 1e6)
    assert unit_of("") == unit_of("none") == ("adc", 1.0)


def test_another_unit_is_refused() -> None:
    with pytest.raises(DriverError, match="expected one of adc, uV, mV, V"):
        unit_option(parse("serial:/dev/ttyACM0?unit=kg"))
