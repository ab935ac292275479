"""The recipes of docs/architecture.md, carried out in a copy of the packages with nothing but what the page says."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from websockets.asyncio.client import connect

from tests.support.console import Console
from tests.support.pages import REPOSITORY, blocks

PAGE: Final = REPOSITORY / "docs" / "architecture.md"
PACKAGES: Final = ("drivers", "models", "exporters", "service")
REGISTRIES: Final = {"drivers/uri.py": "SCHEMES: Final = {\n"}
"""Files that a recipe adds one line to, and the line that it comes after."""
_PATH: Final = re.compile(r"# (\S+\.py)\n")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages, with the code of every recipe in its place."""
    for package in PACKAGES:
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for path, code in recipes():
        if path in REGISTRIES:
            before = (tmp_path / path).read_text()
            after = before.replace(REGISTRIES[path], REGISTRIES[path] + code, 1)
            assert after != before, path
            (tmp_path / path).write_text(after)
        else:
            (tmp_path / path).parent.mkdir(exist_ok=True)
            (tmp_path / path).parent.joinpath("__init__.py").touch()
            (tmp_path / path).write_text(code)
    return tmp_path


def recipes() -> list[tuple[str, str]]:
    """Path and code of each block that says where it belongs."""
    found = [(_PATH.match(block.text), block.text) for block in blocks(PAGE, "python")]
    return [(match[1], text if match[1] not in REGISTRIES else text[match.end() :]) for match, text in found if match]


def test_a_source_takes_at_most_forty_lines_and_one_registration() -> None:
    code = dict(recipes())
    assert len(code["drivers/sine/source.py"].splitlines()) <= 40
    assert len(code["drivers/uri.py"].splitlines()) == 1


def test_the_code_of_the_recipes_is_in_the_house_style(copy: Path) -> None:
    written = [str(copy / path) for path, _ in recipes()]
    for command in (["check", "--ignore", "D104"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", *written], cwd=copy, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


async def test_the_source_of_the_recipe_is_served(copy: Path) -> None:
    console = Console(copy, copy)
    try:
        server = await asyncio.to_thread(console.serve, "sine:?frequency=5")
        hello, rows, poses = await read(server.stream, rows=400)
    finally:
        console.close()
    assert hello["device"]["name"] == "sine"
    assert poses > 0
    emg = np.array(rows)
    at = np.arange(len(emg)) / 200.0
    wave = 50.0 * np.sin(2.0 * np.pi * 5.0 * at)
    np.testing.assert_allclose(emg, np.repeat(wave[:, None], 8, axis=1), atol=0.01)


async def read(url: str, rows: int) -> tuple[dict[str, Any], list[list[float]], int]:
    """The first hello that knows its device, EMG from sample 0 on, and the number of poses meanwhile."""
    hello: dict[str, Any] = {}
    emg: list[list[float]] = []
    poses = 0
    async with connect(f"{url}?streams=pose,emg", subprotocols=["myocast.v1.json"]) as stream:  # type: ignore[list-item]
        while len(emg) < rows:
            message = json.loads(await stream.recv())
            match message["type"]:
                case "hello":
                    hello = message
                case "pose":
                    poses += 1
                case "emg":
                    # The wave repeats every 40 samples: begin where it begins.
                    skip = -message["sample"] % 40 if not emg else 0
                    emg += message["samples"][skip:]
    return hello, emg, poses
