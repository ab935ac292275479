"""What is wrong with an option, in plain words."""

from __future__ import annotations

import pytest

from service.cli.usage import plain


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("Invalid value for '--epochs': 0 is not in the range x>=1.", "--epochs: expected at least 1, got 0"),
        ("Invalid value for '--roll': 9.0 is not in the range 0.0<=x<=4.0.", "--roll: expected 0.0 to 4.0, got 9.0"),
        ("Invalid value for '--port': 'x' is not a valid integer range.", "--port: expected a whole number, got 'x'"),
        ("Invalid value for '--skip' / '-s': 'x' is not a valid float.", "--skip: expected a number, got 'x'"),
        ("Invalid value for '--log': 'a' is not one of 'text', 'json'.", "--log: expected text or json, got 'a'"),
        ("Invalid value for --out: a.h5: a file ends in .keras", "--out: a.h5: a file ends in .keras"),
        ("No such option: --moon", "No such option: --moon"),
    ],
)  # fmt: skip
def test_clicks_words_become_ours(said: str, words: str) -> None:
    assert plain(said) == words
