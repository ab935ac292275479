"""The benchmark's child processes: they answer, they fail in one line, they never outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.bench.processes.worker_process import BenchError, Child, percent, spawn


def test_a_child_answers_and_ends_with_its_input() -> None:
    with Child("service.bench.processes.reference_server:serve", rate=50.0) as child:
        assert child.hear()["url"].startswith("http://127.0.0.1:")
        before, after = child.ask(do="usage"), child.ask(do="usage")
        assert after["cpu_s"] >= before["cpu_s"]
        assert percent(before, after) >= 0.0
        pid = child.pid
    assert not psutil.pid_exists(pid)


def test_an_error_of_ours_comes_with_its_words_and_code(tmp_path: Path) -> None:
    with (
        Child(
            "service.bench.processes.server_process:serve", source="synthetic:", model=str(tmp_path / "none.onnx")
        ) as child,
        pytest.raises(BenchError, match="no such file") as caught,
    ):
        child.hear()
    assert caught.value.exit_code == 2


def test_a_child_that_breaks_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        Child("service.bench.processes.worker_process:no_such_function") as child,
        pytest.raises(BenchError, match="exit code 1"),
    ):
        child.hear()
    assert "no_such_function" in capfd.readouterr().err


def test_no_answer_in_time_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        Child("service.bench.processes.load_generator:crowd") as child,
        pytest.raises(BenchError, match="did not answer"),
    ):
        child.hear(timeout=0.0)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_children_end_when_their_parent_is_killed() -> None:
    code = (
        "import sys\nfrom service.bench.processes.worker_process import Child\n"
        "child = Child('service.bench.processes.reference_server:serve', rate=50.0)\nchild.hear()\n"
        "print(child.pid, flush=True)\nsys.stdin.read()"
    )
    parent = spawn(code, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        child = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert psutil.wait_procs([child], timeout=60)[1] == []
