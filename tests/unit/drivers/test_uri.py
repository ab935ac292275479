"""Source URIs: what is understood, and how what is not is refused in one line."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers import uri
from drivers.errors import DriverError
from drivers.uri import SCHEMES, SourceUri, channels_option, parse, source_from_uri
from tests.fakes.sources import Puppet


def error_message(call: object, *arguments: object) -> str:
    with pytest.raises(DriverError) as refused:
        call(*arguments)  # type: ignore[operator]
    message = str(refused.value)
    assert "\n" not in message
    assert refused.value.exit_code == 2
    return message


@pytest.mark.parametrize(
    ("text", "scheme", "target", "options"),
    [
        ("demo:", "demo", "", {}),
        ("replay:a.mcap", "replay", "a.mcap", {}),
        ("replay:/x/my file.csv?speed=2&loop=1", "replay", "/x/my file.csv", {"speed": "2", "loop": "1"}),
        ("replay:C:\\data\\a.csv", "replay", "C:\\data\\a.csv", {}),
        ("replay:a%3Fb.csv?rate=50", "replay", "a?b.csv", {"rate": "50"}),
        ("synthetic:?seed=1&rate=200", "synthetic", "", {"seed": "1", "rate": "200"}),
        ("myo:AA:BB:CC:DD:EE:FF?mode=raw", "myo", "AA:BB:CC:DD:EE:FF", {"mode": "raw"}),
        ("myo:", "myo", "", {}),
        ("dongle:COM3", "dongle", "COM3", {}),
        ("cyton:/dev/ttyUSB0", "cyton", "/dev/ttyUSB0", {}),
        ("serial:/dev/ttyUSB0?baud=115200", "serial", "/dev/ttyUSB0", {"baud": "115200"}),
        ("lsl:My stream", "lsl", "My stream", {}),
    ],
)
def test_a_uri_is_taken_apart(text: str, scheme: str, target: str, options: dict[str, str]) -> None:
    assert parse(text) == SourceUri(text, scheme, target, options)


@pytest.mark.parametrize("text", ["", "a.mcap", "file:a.mcap", "mqtt://host/device", "Demo:", ":", "http://x"])
def test_an_error_for_no_source_lists_the_schemes(text: str) -> None:
    message = error_message(parse, text)
    assert all(f"{scheme}:" in message for scheme in SCHEMES)
    assert "replay:FILE" in message


def test_an_option_given_twice() -> None:
    assert "`speed` is given twice" in error_message(parse, "demo:?speed=1&speed=2")


def test_an_error_for_an_unknown_option_lists_the_known_ones() -> None:
    message = error_message(parse("demo:?pace=2").allow, ["speed", "loop"])
    assert "`pace`" in message
    assert "gain, loop, mains, speed" in message
    assert "gain, mains" in error_message(parse("demo:?pace=2").allow, [])
    parse("demo:?speed=2").allow(["speed", "loop"])


@pytest.mark.parametrize("text", ["x", "", "nan", "-1", "101", "inf", "1e9"])
def test_a_number_outside_its_range(text: str) -> None:
    message = error_message(parse(f"demo:?speed={text}").number, "speed", 1.0, 0.0, 100.0)
    assert f"`speed={text}`" in message
    assert "0 to 100" in message


def test_numbers_choices_and_flags() -> None:
    given_ = parse("replay:a?speed=0.5&mode=envelope&loop=yes&other=off")
    assert given_.number("speed", 1.0) == 0.5
    assert given_.number("start", 7.0) == 7.0
    assert given_.choice("mode", "raw", ["raw", "envelope"]) == "envelope"
    assert given_.choice("unit", "adc", ["adc", "uV"]) == "adc"
    assert given_.flag("loop", False)
    assert not given_.flag("other", True)
    assert given_.flag("absent", True)


def test_a_wrong_choice_and_a_wrong_flag() -> None:
    given_ = parse("replay:a?mode=loud&loop=maybe")
    assert "raw, envelope" in error_message(given_.choice, "mode", "raw", ["raw", "envelope"])
    assert "expected 1 or 0" in error_message(given_.flag, "loop", False)


def test_a_target_that_is_needed_and_one_that_is_not_allowed() -> None:
    assert parse("replay:a").required_target("file", "`replay:FILE`") == "a"
    assert "names no file; expected `replay:FILE`" in error_message(
        parse("replay:").required_target, "file", "`replay:FILE`"
    )
    parse("demo:").no_target("`demo:`")
    assert "takes no file, found 'a'" in error_message(lambda: parse("demo:a").no_target("`demo:`", kind="file"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1-8", list(range(8))), ("9-16", list(range(8, 16))), ("1,3,5-10", [0, 2, 4, 5, 6, 7, 8, 9])],
)
def test_channels_are_eight_different_ones(text: str, expected: list[int]) -> None:
    assert channels_option(parse(f"lsl:x?channels={text}")) == expected


@pytest.mark.parametrize("text", ["", "1-7", "1-9", "0-7", "1,1,2-7", "a-h", "8-1", "1-8,", "-1-7", "1-99999999999"])
def test_other_channels_are_refused(text: str) -> None:
    with pytest.raises(DriverError, match="expected 8 different ones"):
        channels_option(parse(f"lsl:x?channels={text}"))


def test_a_choice_that_is_not_given() -> None:
    assert parse("replay:a").given_choice("mode", ["raw", "envelope"]) is None
    assert parse("replay:a?mode=envelope").given_choice("mode", ["raw", "envelope"]) == "envelope"
    assert "raw, envelope" in error_message(parse("replay:a?mode=loud").given_choice, "mode", ["raw", "envelope"])


@given(st.text(max_size=40))
def test_any_text_is_taken_or_refused(text: str) -> None:
    for whole in (text, f"replay:{text}"):
        try:
            parse(whole)
        except DriverError as error:
            assert "\n" not in str(error).replace(whole, "")  # noqa: PT017


def test_the_module_of_a_scheme_makes_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("drivers.of_this_test")
    module.from_uri = lambda asked: (asked.target, Puppet())  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "drivers.of_this_test", module)
    monkeypatch.setitem(uri.SCHEMES, "replay", "drivers.of_this_test")
    assert source_from_uri("replay:x")[0] == "x"  # type: ignore[index]


@pytest.mark.parametrize(
    ("scheme", "extra"), [("myo", "ble"), ("dongle", "serial"), ("cyton", "serial"), ("lsl", "lsl")]
)
def test_a_missing_package_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, scheme: str, extra: str) -> None:
    def absent(name: str) -> ModuleType:
        raise ModuleNotFoundError("No module named 'thing'", name="thing")

    monkeypatch.setattr(uri, "import_module", absent)
    message = error_message(source_from_uri, f"{scheme}:")
    assert "`thing`" in message
    assert f"[{extra}]" in message
