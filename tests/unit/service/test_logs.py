"""Logs on stderr, for people or for programs."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest

from service.logs import LogFormatError, configure


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root, ours = logging.getLogger(), logging.getLogger("myocast")
    before = root.handlers[:], root.level, ours.level
    yield
    root.handlers[:], root.level = before[0], before[1]
    ours.setLevel(before[2])


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    configure("text")
    logging.getLogger("myocast").info("a band is %s", "gone")
    logging.getLogger("other").info("not ours")
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("INFO a band is gone\n")
    assert "not ours" not in err


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure("json")
    logging.getLogger("myocast").warning('quotes " and\nlines')
    try:
        1 / 0  # noqa: B018
    except ZeroDivisionError:
        logging.getLogger("myocast").exception("it broke")
    first, second = map(json.loads, capsys.readouterr().err.splitlines())
    assert (first["level"], first["logger"], first["message"]) == ("warning", "myocast", 'quotes " and\nlines')
    assert isinstance(first["t"], float)
    assert "ZeroDivisionError" in second["exception"]


def test_another_format_is_refused() -> None:
    with pytest.raises(LogFormatError, match="expected text or json") as refused:
        configure("xml")
    assert refused.value.exit_code == 2
