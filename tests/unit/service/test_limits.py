"""Limits as options: what may be set, and what is said otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.limits import DEFAULT_LIMITS, LimitError, described, fitting, with_options


def test_options_replace_defaults() -> None:
    limits = with_options(["clients=100", "body_s=2.5", "clients=50"])
    assert (limits.clients, limits.body_s, limits.header_s) == (50, 2.5, DEFAULT_LIMITS.header_s)


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ("client=3", "NAME=VALUE"),
        ("clients", "NAME=VALUE"),
        ("clients=0", "a whole number from 1"),
        ("clients=2.5", "a whole number"),
        ("body_s=nan", "from 0.1"),
        ("body_s=", "a number"),
        ("body_s=1e9", "to 600"),
    ],
)
def test_what_is_no_limit_is_told(option: str, said: str) -> None:
    with pytest.raises(LimitError, match=said):
        with_options([option])


def test_every_limit_is_described_and_its_default_is_allowed() -> None:
    for name, default, text in described():
        assert text, name
        with_options([f"{name}={default:.10g}"])


def test_clients_leave_connections_to_requests() -> None:
    assert fitting(DEFAULT_LIMITS, 200).clients == 136
    assert fitting(DEFAULT_LIMITS, 10_000).clients == DEFAULT_LIMITS.clients


def test_the_page_lists_every_limit_with_its_default() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "limits.md").read_text(encoding="utf-8")
    for name, default, text in described():
        assert f"| `{name}` | {default:.10g} | {text} |\n" in page
