"""The images, as far as they can be proved without a container engine.

The rules that a linter would ask for are checked on the text, and the serving image's steps are carried
out in order with its paths moved below a temporary folder: build the wheel, install it into an empty
environment, start the entry point with its default command, and ask the health check.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from drivers.nats.address import parse_address

ROOT = Path(__file__).parents[3]
DOCKERFILES = [ROOT / "docker" / "Dockerfile", ROOT / "docker" / "train.Dockerfile"]
SKIPPED = shutil.ignore_patterns(".git", ".venv", "__pycache__", "node_modules", "dist", "tests", "docs", ".*_cache")

PACKAGES = {"drivers", "exporters", "models", "myocast", "myocast_client", "service"}
CONTENTS = {
    "drivers/demo/demo.mcap",
    "myocast/py.typed",
    "myocast_client/py.typed",
    "service/schemas/pose.json",
    "service/viewer/dist/client.js",
    "service/viewer/dist/examples/index.html",
    "service/viewer/dist/index.html",
    "service/weights/envelope50.onnx",
    "service/weights/raw200.onnx",
}
"""Files of the wheel that are no Python modules, without which something is not served or not typed."""


def steps(path: Path) -> list[tuple[str, str]]:
    """(instruction, arguments) of a Dockerfile, continuation lines joined."""
    text = re.sub(r"^#.*\n", "", path.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return [(line.partition(" ")[0], re.sub(r"\s+", " ", line.partition(" ")[2])) for line in lines]


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda p: p.name)
def test_image_follows_the_rules(path: Path) -> None:
    found = steps(path)
    last_stage = found[max(i for i, (name, _) in enumerate(found) if name == "FROM") :]
    names = [name for name, _ in last_stage]
    assert all(re.search(r":[\w.-]+", args) and ":latest" not in args for name, args in found if name == "FROM")
    assert "USER" in names
    assert dict(last_stage)["USER"] not in ("root", "0")
    assert names.count("HEALTHCHECK") == names.count("ENTRYPOINT") == names.count("CMD") == 1
    assert json.loads(dict(last_stage)["ENTRYPOINT"])
    assert json.loads(dict(last_stage)["CMD"])
    assert not any(name == "ADD" for name, _ in found)
    assert not any(name == "RUN" and "pip" in args and "--no-cache-dir" not in args for name, args in found)
    assert not any("apt-get" in args or "sudo" in args or "curl" in args for name, args in found if name == "RUN")
    assert all(args.startswith("/") for name, args in found if name == "WORKDIR")


def test_compose_file_runs_the_image_without_rights() -> None:
    compose = yaml.safe_load((ROOT / "docker" / "compose.yaml").read_text())
    service = compose["services"]["myocast"]
    assert (ROOT / "docker" / service["build"]["context"] / service["build"]["dockerfile"]).resolve() == DOCKERFILES[0]
    assert service["ports"] == ["127.0.0.1:8765:8765"]
    assert service["cap_drop"] == ["ALL"]
    assert service["read_only"]
    assert "--token-file" in service["command"]


def test_compose_file_of_several_machines_names_what_serve_takes() -> None:
    services = yaml.safe_load((ROOT / "docker" / "compose.scale.yaml").read_text())["services"]
    assert set(services) == {"broker", "gateway", "worker", "relay"}
    known = {"--model", "--publish", "--host", "--token-file"}
    for name in ("gateway", "worker", "relay"):
        verb, *words = services[name]["command"]
        assert verb == "serve"
        assert {word for word in words if word.startswith("--")} <= known
        assert services[name]["cap_drop"] == ["ALL"]
        for address in (word for word in words if word.startswith("nats://")):
            parse_address(address)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_the_unit_of_systemd_is_one_and_exposes_little(tmp_path: Path) -> None:
    unit = tmp_path / "myocast.service"
    text = (ROOT / "packaging" / "myocast.service").read_text()
    unit.write_text(text.replace("/opt/myocast/bin/myocast", sys.executable))
    done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    judged = ["systemd-analyze", "security", "--offline=true", "--threshold=25", str(unit)]
    assert subprocess.run(judged, capture_output=True, check=False).returncode == 0


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build stage, carried out below a temporary folder; gives that folder."""
    base = tmp_path_factory.mktemp("image")
    shutil.copytree(ROOT, base / "src", ignore=SKIPPED)
    build = steps(DOCKERFILES[0])
    until = [i for i, (name, _) in enumerate(build) if name == "FROM"][1]
    # Modules that are used are compiled when they are imported; the rest, most of what is installed, need not be here.
    environment = {**os.environ, "PIP_COMPILE": "0"}
    for name, arguments in build[:until]:
        if name == "ARG":
            variable, _, default = arguments.partition("=")
            environment[variable] = default
        elif name == "RUN":
            command = ["sh", "-euc", moved(arguments, base)]
            subprocess.run(command, cwd=base / "src", env=environment, check=True, timeout=600)
    return base


def moved(command: str, base: Path) -> str:
    """A step with its absolute paths below `base` and this Python as its python."""
    command = re.sub(r"(?<![\w.])/(src|wheels|opt)\b", rf"{base}/\1", command)
    return re.sub(r"(?<![\w/])python (?=-m)", f"{shlex.quote(sys.executable)} ", command)


@pytest.fixture(scope="module")
def ready_line(image: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The entry point with the default command, on a free port; gives the address."""
    last = dict(steps(DOCKERFILES[0]))
    work = tmp_path_factory.mktemp("recordings")
    command = [*json.loads(last["ENTRYPOINT"]), *json.loads(last["CMD"]), "--port", "0"]
    command = [str(work) if word == "/recordings" else moved(word, image) for word in command]
    environment = {"PATH": os.environ["PATH"], "PYTHONSAFEPATH": "1", "HOME": str(work)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=work, env=environment) as process:
        assert process.stdout is not None
        yield process.stdout.readline()
        process.terminate()
        assert process.wait(30) == 0


@pytest.mark.timeout(900)
def test_installed_image_serves_the_demo_and_is_healthy(image: Path, ready_line: str) -> None:
    ready = re.fullmatch(r"Myocast is ready: http://127\.0\.0\.1:(\d+)/#token=\S+\n", ready_line)
    assert ready, ready_line
    check = dict(steps(DOCKERFILES[0]))["HEALTHCHECK"]
    command: list[str] = json.loads(check[check.index("[") :])
    command = [moved(word, image).replace(":8765/", f":{ready[1]}/") for word in command]
    subprocess.run(command, check=True, timeout=30)


@pytest.mark.timeout(900)
def test_wheel_holds_what_is_served_and_nothing_else(image: Path) -> None:
    (wheel,) = (image / "wheels").glob("*.whl")
    listing = subprocess.run(
        [sys.executable, "-m", "zipfile", "-l", str(wheel)], capture_output=True, text=True, check=True
    ).stdout
    names = [line.split()[0] for line in listing.splitlines()[1:]]
    assert not CONTENTS - set(names)
    assert {name.split("/")[0] for name in names if ".dist-info/" not in name} == PACKAGES
    assert not [name for name in names if "node_modules" in name or name.endswith((".ts", ".map"))]
