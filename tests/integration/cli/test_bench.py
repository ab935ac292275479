"""`myocast bench` as its users run it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psutil
import pytest

from service.bench import config
from tests.support.console import TIMEOUT_S, Console
from tests.support.training import run_cli

CLIENT = Path(__file__).resolve().parents[3] / "clients" / "python"
BEFORE = f"import sys; sys.path.append({str(CLIENT)!r})"


def bench(console: Console, *arguments: object, before: str = "") -> subprocess.CompletedProcess[str]:
    return console.run("bench", *arguments, before=f"{BEFORE}\n{before}")


def test_figures_for_people_for_programs_and_as_a_picture(console: Console, tiny_window: Path) -> None:
    done = bench(
        console, "--model", tiny_window, "--source", "synthetic:", "--clients", 2, "--seconds", 1,
        "--json", "figures.json", "--plot", "figure.png",
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    for stage in (
        "window",
        "inference",
        "encode",
        "socket",
        "client",
        "total",
        "onnxruntime",
        "could sustain",
        "windows due",
    ):
        assert stage in done.stdout
    assert (console.folder / "figure.png").read_bytes().startswith(b"\x89PNG")
    figures: dict[str, Any] = json.loads((console.folder / "figures.json").read_text())
    assert figures["arguments"]["clients"] == figures["latency"]["clients"] == 2
    assert figures["latency"]["stages"]["total"]["n"] == figures["latency"]["delivered"] > 0
    assert figures["machine"]["cores"] > 0
    assert figures["versions"]["onnxruntime"]
    assert len(figures["limits"]) == 5


def test_startup_and_a_limit_that_is_missed(console: Console, tiny_window: Path) -> None:
    quick = (
        "import service.bench.benchmark as b, service.bench.workloads.startup as s; "
        "b.STARTS = 1; s.SERVE_S = s.FIRST_POSE_S = 0.0"
    )
    arguments = ("--startup", "--check", "--model", tiny_window, "--source", "synthetic:", "--json", "figures.json")
    done = bench(console, *arguments, before=quick)
    assert (done.returncode, done.stderr) == (1, "")
    assert "missed" in done.stdout
    figures = json.loads((console.folder / "figures.json").read_text())["startup"]
    assert figures["training_modules"] == []
    assert figures["modules"] > 100
    assert 0.0 < figures["ready_s"][0] < figures["first_pose_s"][0]


@pytest.mark.skipif(sys.platform == "win32", reason="signals to other processes are POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_and_its_children(console: Console, tiny_window: Path, number: int) -> None:
    process = console.start("bench", "--model", tiny_window, "--source", "synthetic:", "--seconds", 600, before=BEFORE)
    deadline = time.monotonic() + TIMEOUT_S
    while len(workers(process.pid)) < 2 and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    children = psutil.Process(process.pid).children()
    process.send_signal(number)
    assert process.wait(TIMEOUT_S) == 0
    assert len(children) >= 2
    assert psutil.wait_procs(children, timeout=TIMEOUT_S)[1] == []


def workers(pid: int) -> list[psutil.Process]:
    """The processes of the benchmark beside the resource tracker of `multiprocessing`."""
    return [child for child in psutil.Process(pid).children() if any("spawn_main" in word for word in child.cmdline())]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--model", "none.onnx"), "no such file"),
        (("--source", "nothing:"), "is not a source"),
        (("--source", "synthetic:?rate=100", "--model", "MODEL"), "expected 200 Hz, found 100 Hz"),
        (("--source", "synthetic:?rate=60",), "no shipped model fits"),
        (("--json", "nowhere/figures.json"), "no such folder"),
        (("--startup", "--plot", "figure.png"), "leave one out"),
        (("--soak", "--compare"), "leave one out"),
        (("--model", "MODEL", "--architecture", "dense"), "give one of them"),
        (("--architecture", "none"), "no architecture"),
        (("--clients", "0"), "--clients"),
        (("--faster",), "--faster"),
        (("file.onnx",), "file.onnx"),
    ],
)  # fmt: skip
def test_wrong_use_is_one_line(
    tiny_window: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, ...],
    words: str,
) -> None:
    given = [str(tiny_window) if word == "MODEL" else word for word in arguments]
    monkeypatch.chdir(tmp_path)
    code, out, err = run_cli(capsys, "bench", *(["--source", "synthetic:"] if "--source" not in given else []), *given)
    assert (code, out) == (2, "")
    assert words in err.splitlines()[-1]


@pytest.mark.parametrize(
    ("package", "arguments", "extra"),
    [("tensorflow", ("--compare",), "[train]"), ("matplotlib", ("--plot", "figure.png"), "[plot]")],
)
def test_missing_extras_are_named_before_anything_runs(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    package: str,
    arguments: tuple[str, ...],
    extra: str,
) -> None:
    monkeypatch.setattr(config, "find_spec", lambda name: None if name == package else find_spec(name))
    monkeypatch.chdir(tmp_path)
    code, out, err = run_cli(capsys, "bench", *arguments)
    assert (code, out) == (2, "")
    assert extra in err
