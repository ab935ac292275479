"""What `scan` prints: a source that can be copied, at any width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from drivers.discovery import Findings, FoundArmband
from service.cli.scan import _armbands, _print

ADDRESS = "6F2B3C4D-0000-1111-2222-333344445555"


@pytest.mark.case("B10")
@pytest.mark.parametrize(("width", "terminal"), [(60, True), (80, True), (200, True), (80, False)])
def test_the_source_is_never_cut(capsys: pytest.CaptureFixture[str], width: int, terminal: bool) -> None:
    armbands = [
        FoundArmband(f"myo:{ADDRESS}", "Left [arm]", ADDRESS, -56, "Bluetooth", 55),
        FoundArmband("myo:B", "b", "B", None, "x"),
    ]
    stream = io.StringIO()
    _print(_armbands(Findings(armbands)), Console(file=stream, width=width, force_terminal=terminal))
    printed = stream.getvalue() + capsys.readouterr().out
    assert f"myo:{ADDRESS}" in printed
    assert "Left [arm]" in printed
    if not terminal:
        assert printed.splitlines()[0] == f"myo:{ADDRESS}  Left [arm]  {ADDRESS}  -56 dBm  55 %  Bluetooth"
