"""The recipes of docs/architecture.md, carried out in a copy of the packages with nothing but what the page says."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
from websockets.asyncio.client import connect

from models.onnx_file import read_spec
from tests.support.console import Console
from tests.support.pages import REPOSITORY, blocks

PAGE: Final = REPOSITORY / "docs" / "architecture.md"
PACKAGES: Final = ("drivers", "models", "exporters", "service")
_PLACE: Final = re.compile(r"# (\S+\.py)(?:, below: ([^\n]+))?\n")


@dataclass(frozen=True, slots=True)
class Step:
    """A block of code that says where it belongs: a new file, or below a line of an existing one."""

    path: str
    below: str
    code: str

    def carry_out(self, folder: Path) -> None:
        target = folder / self.path
        if not self.below:
            target.parent.mkdir(exist_ok=True)
            target.parent.joinpath("__init__.py").touch()
            target.write_text(self.code)
            return
        before = target.read_text()
        assert before.count(f"\n{self.below}\n") == 1, f"{self.path}: {self.below}"
        target.write_text(before.replace(f"\n{self.below}\n", f"\n{self.below}\n{self.code}", 1))


def steps() -> list[Step]:
    """What the page says to do, in order."""
    found = [(_PLACE.match(block.text), block.text) for block in blocks(PAGE, "python")]
    return [Step(m[1], m[2] or "", text[m.end() :] if m[2] else text) for m, text in found if m]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The packages, with every recipe carried out."""
    for package in PACKAGES:
        shutil.copytree(
            REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("node_modules", "__pycache__")
        )
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    for step in steps():
        step.carry_out(tmp_path)
    return tmp_path


@pytest.fixture
def patched(copy: Path, tmp_path: Path) -> Iterator[Console]:
    """`myocast` of that copy."""
    (tmp_path / "work").mkdir()
    console = Console(copy, tmp_path / "work")
    yield console
    console.close()


def test_a_source_takes_at_most_forty_lines_and_one_registration() -> None:
    source, registration = (step.code for step in steps() if step.path.startswith("drivers/"))
    assert len(source.splitlines()) <= 40
    assert len(registration.splitlines()) == 1


def test_the_code_of_the_recipes_is_in_the_house_style(copy: Path) -> None:
    written = sorted({step.path for step in steps()})
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", *written], cwd=copy, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout


async def test_the_source_of_the_recipe_is_served(patched: Console) -> None:
    server = await asyncio.to_thread(patched.serve, "sine:?frequency=5")
    hello, rows, poses = await read(server.stream, rows=400)
    assert hello["device"]["name"] == "sine"
    assert poses > 0
    emg = np.array(rows)
    at = np.arange(len(emg)) / 200.0
    wave = 50.0 * np.sin(2.0 * np.pi * 5.0 * at)
    np.testing.assert_allclose(emg, np.repeat(wave[:, None], 8, axis=1), atol=0.01)


async def test_the_output_of_the_recipe_writes_poses(patched: Console) -> None:
    server = await asyncio.to_thread(patched.serve, "demo:", "--csv", "hand.csv")
    await read(server.stream, rows=200)
    assert await asyncio.to_thread(server.stop) == 0
    lines = (patched.folder / "hand.csv").read_text().splitlines()
    assert len(lines) > 10
    assert all(len(line.split(",")) == 64 for line in lines)
    refused = await asyncio.to_thread(patched.run, "serve", "--csv", "hand.csv", "--port", 0)
    assert (refused.returncode, len(refused.stderr.splitlines())) == (2, 1)


@pytest.mark.train
@pytest.mark.timeout(600)
def test_the_network_of_the_recipe_is_trained_exported_and_served(patched: Console) -> None:
    data = "synthetic:users=4,sessions=1,seconds=20,seed=1"
    listed = json.loads(patched.run("models", "--json").stdout)
    (card,) = [network for network in listed if network["name"] == "conv"]
    trained = patched.run(
        "train", "--architecture", "conv", "--data", data, "--epochs", 1, "--steps", 2, "--out", "conv.keras"
    )
    assert trained.returncode == 0, trained.stderr
    exported = patched.run("export", "conv.keras", "conv.onnx")
    assert exported.returncode == 0, exported.stderr
    assert read_spec((patched.folder / "conv.onnx").read_bytes(), "conv.onnx").parameters == card["parameters"]
    server = patched.serve("demo:", "--model", "conv.onnx")
    assert server.stop() == 0


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
