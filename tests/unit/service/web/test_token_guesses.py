"""Wrong tokens: how long an address has to wait, and who need not."""

from __future__ import annotations

from service.web.token_guesses import ADDRESSES, FORGET_S, KNOWN, TokenGuesses, network_of

HERE = ("192.0.2.1", 1000)


class Time:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_waits_double_up_to_the_longest_and_are_forgotten() -> None:
    time = Time()
    guesses = TokenGuesses(3, 4.0, time)
    waits = []
    for _ in range(8):
        guesses.wrong(HERE)
        waits.append(guesses.wait_s(HERE))
        time.now += waits[-1]
    assert waits == [0.0, 0.0, 0.5, 1.0, 2.0, 4.0, 4.0, 4.0]
    assert guesses.wait_s(HERE) == 0.0
    time.now += FORGET_S + 1.0
    guesses.wrong(HERE)
    assert guesses.wait_s(HERE) == 0.0


def test_others_need_not_wait_and_who_has_shown_the_token_neither() -> None:
    guesses = TokenGuesses(1, 5.0, Time())
    known = ("192.0.2.1", 2000)
    guesses.right(known)
    guesses.wrong(HERE)
    assert guesses.wait_s(HERE) > 0.0
    assert guesses.wait_s(("192.0.2.2", 1000)) == 0.0
    assert guesses.wait_s(known) == 0.0
    guesses.wrong(known)
    assert guesses.wait_s(known) > 0.0
    assert guesses.refused == 2


def test_an_ipv6_address_counts_with_its_network() -> None:
    assert network_of(("2001:db8::1", 1)) == network_of(("2001:db8::ffff:1", 2)) != network_of(("2001:db8:0:1::1", 1))
    assert network_of(("::ffff:192.0.2.1", 1)) == "192.0.2.1"
    assert network_of(("fe80::1%eth0", 1)) == "fe80::"
    assert network_of(("", 0)) == ""


def test_what_is_remembered_is_bounded() -> None:
    guesses = TokenGuesses(1, 5.0, Time())
    for number in range(max(ADDRESSES, KNOWN) + 10):
        guesses.wrong((f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", 1))
        guesses.right(("192.0.2.9", number))
    assert len(guesses._wrong) == ADDRESSES
    assert len(guesses._known) == KNOWN
