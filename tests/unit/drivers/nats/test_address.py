"""Addresses of a broker."""

from __future__ import annotations

import pytest

from drivers.errors import DriverError
from drivers.nats.address import is_name, parse_address, subject, without_user


def test_an_address_has_a_host_a_port_and_a_device() -> None:
    address = parse_address("nats://broker:4333/anna")
    assert (address.host, address.port, address.device) == ("broker", 4333, "anna")
    assert (address.user, address.password) == (None, None)
    assert address.shown == "nats://broker:4333/anna"
    assert subject(address.device, "emg") == "myocast.anna.emg"


def test_the_port_has_a_default_and_the_device_may_be_missing() -> None:
    address = parse_address("nats://[::1]")
    assert (address.host, address.port, address.device) == ("::1", 4222, "")
    assert address.shown == "nats://[::1]:4222"


def test_user_and_password_are_never_shown() -> None:
    address = parse_address("nats://lab:p%40ss@broker/*")
    assert (address.user, address.password, address.device) == ("lab", "p@ss", "*")
    assert "lab" not in address.shown
    assert without_user("nats://lab:secret@broker/anna?since=3") == "nats://broker/anna?since=3"


@pytest.mark.parametrize(
    "text",
    [
        "nats:", "nats://", "nats:///anna", "nats://broker/a b", "nats://broker/a.b", "nats://broker/a/b",
     "nats://user:secret@broker:99999/anna", "http://broker/anna", "nats://user:secret@broker/>"],
)  # fmt: skip
def test_what_is_none_is_refused_without_a_secret(text: str) -> None:
    with pytest.raises(DriverError, match="expected nats://HOST") as refused:
        parse_address(text)
    assert "secret" not in str(refused.value)


def test_names_are_one_word() -> None:
    assert is_name("anna-2_b")
    assert not any(map(is_name, ("", "a.b", "a b", "*", "x" * 65, "é")))
