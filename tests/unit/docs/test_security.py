"""SECURITY.md: every threat names tests, and they exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
THREATS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.partition("## Threats")[2].partition("\n`--udp`")[0].splitlines()
    if line.startswith("|")
][2:]


@pytest.mark.parametrize("threat", THREATS, ids=[threat[0][:40] for threat in THREATS])
def test_a_threat_has_what_holds_it_and_tests(threat: list[str]) -> None:
    _, holds, tests = threat
    assert holds
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", tests)
    assert named
    for path, function in named:
        text = (ROOT / path).read_text(encoding="utf-8")
        assert f"def {function or 'test_'}" in text, (path, function)


def test_the_commands_for_dependencies_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("audit:", "sbom:"):
        assert re.search(rf"^{command}", makefile, re.MULTILINE)
    assert "pip-audit" in makefile
    assert "npm audit" in makefile
    assert "cyclonedx" in makefile
