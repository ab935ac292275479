"""Who may import whom, and what serving never imports."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HEAVY = (
    "tensorflow",
    "keras",
    "tf2onnx",
    "onnx",
    "matplotlib",
    "scipy",
    "sklearn",
    "pylsl",
    "bleak",
    "serial",
    "playwright",
)
"""Packages that a serving process must do without; `onnx` is not `onnxruntime`."""

_SERVE = """
import sys, threading, time
from pathlib import Path
import service.cli.serve
from service.run import run
from service.settings import ServiceConfig

def stop_when_ready(line):
    found = [name for name in sys.argv[2].split(",") if name in sys.modules]
    ours = sorted(name for name in sys.modules if name.split(".")[0] in ("models", "exporters"))
    print("HEAVY", ",".join(found))
    print("OURS", ",".join(ours))
    service_.stop.set()

def keep(service):
    global service_
    service_ = service

import asyncio
config = ServiceConfig(("replay:" + sys.argv[3],), port=0, model=Path(sys.argv[1]))
asyncio.run(run(config, stop_when_ready, prepare=keep))
"""


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments], cwd=REPOSITORY, text=True, capture_output=True, check=False, timeout=100
    )


def test_the_import_table_holds() -> None:
    command = "from importlinter.cli import lint_imports_command as lint; lint(['--no-cache'])"
    done = python("-c", command)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.fixture(scope="module")
def serving_imports(tiny_window: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What a server that serves a replay with a model has imported."""
    session = tmp_path_factory.mktemp("session") / "s.csv"
    session.write_text("".join(f"{i % 50},1,2,3,4,5,6,7\n" for i in range(400)))
    done = python("-c", _SERVE, str(tiny_window), ",".join(HEAVY), str(session))
    assert done.returncode == 0, done.stderr
    return {key: names.split(",") for key, _, names in (line.partition(" ") for line in done.stdout.splitlines())}


def test_serving_imports_nothing_heavy(serving_imports: dict[str, list[str]]) -> None:
    assert serving_imports["HEAVY"] == [""]


def test_serving_imports_the_light_half_of_models_alone(serving_imports: dict[str, list[str]]) -> None:
    ours = set(serving_imports["OURS"])
    assert {"models.hand", "models.spec", "models.errors", "models.onnx_file"} <= ours
    heavy = ("architectures", "training", "evaluation")
    assert not [
        name for name in ours if name.split(".")[0] == "exporters" or name.split(".")[1:2] in [[h] for h in heavy]
    ]


@pytest.mark.parametrize("verb", ["serve", "record", "info", "convert"])
def test_the_command_line_imports_nothing_heavy(verb: str) -> None:
    code = (
        "import sys; from service.cli.app import build; build([sys.argv[1]]);"
        "print([name for name in sys.argv[2].split(',') if name in sys.modules])"
    )
    done = python("-c", code, verb, ",".join(HEAVY))
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_the_python_api_imports_nothing_heavy() -> None:
    code = "import sys, myocast; print([name for name in sys.argv[1].split(',') if name in sys.modules])"
    done = python("-c", code, ",".join((*HEAVY, "onnxruntime", "uvicorn", "fastapi")))
    assert (done.returncode, done.stdout.strip()) == (0, "[]"), done.stderr


def test_every_package_is_in_the_wheel() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
    packages = {path.parent.name for path in REPOSITORY.glob("*/__init__.py")}
    assert {*packages, "clients/python/myocast_client"} == set(
        project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    )
    assert packages == set(project["tool"]["importlinter"]["root_packages"])


def test_a_users_own_folder_of_models_does_not_shadow_ours(tmp_path: Path) -> None:
    """The console script runs with safe paths: the working directory is not searched."""
    for name in ("models", "drivers", "service", "exporters", "myocast"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('shadowed')")
    done = subprocess.run(
        [
            sys.executable,
            "-P",
            "-c",
            "import sys; sys.path.append(sys.argv[1]); import service.cli, models.hand, drivers.uri",
            str(REPOSITORY),
        ],
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
