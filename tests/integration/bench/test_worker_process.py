"""The benchmark's worker processes: they answer, they fail in one line, they never outlive it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from service.bench.errors import BenchError
from service.bench.processes import load_generator, reference_server, server_process
from service.bench.processes.worker_process import Channel, Message, WorkerProcess, cpu_percent

ROOT = Path(__file__).resolve().parents[3]


def breaks(channel: Channel, request: Message) -> None:
    """A worker with a mistake in it."""
    raise ZeroDivisionError(request["words"])


def prints(channel: Channel, request: Message) -> None:
    """A worker that prints, as libraries do."""
    os.write(1, b"printed")
    channel.send(done=True)


def test_a_worker_answers_and_ends_with_its_pipe() -> None:
    with WorkerProcess(reference_server.serve, rate_hz=50.0) as worker:
        assert worker.recv()["url"].startswith("http://127.0.0.1:")
        before, after = worker.request("usage"), worker.request("usage")
        assert after["cpu_s"] >= before["cpu_s"]
        assert cpu_percent(before, after) >= 0.0
        pid = worker.pid
    assert not psutil.pid_exists(pid)


def test_an_error_of_ours_comes_with_its_words_and_code(tmp_path: Path) -> None:
    with (
        WorkerProcess(server_process.serve, source="synthetic:", model=tmp_path / "none.onnx") as worker,
        pytest.raises(BenchError, match="no such file") as caught,
    ):
        worker.recv()
    assert caught.value.exit_code == 2


def test_a_worker_that_breaks_is_reported(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        WorkerProcess(breaks, words="a mistake") as worker,
        pytest.raises(BenchError, match="exit code 1"),
    ):
        worker.recv()
    assert "ZeroDivisionError: a mistake" in capfd.readouterr().err


def test_what_a_worker_prints_goes_to_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    with WorkerProcess(prints) as worker:
        assert worker.recv() == {"done": True}
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "printed")


def test_no_answer_in_time_is_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    with (
        WorkerProcess(load_generator.generate_load) as worker,
        pytest.raises(BenchError, match="did not answer"),
    ):
        worker.recv(timeout=0.0)
    assert capfd.readouterr().err == ""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
def test_workers_end_when_their_parent_is_killed() -> None:
    code = (
        "import sys\nfrom service.bench.processes import reference_server\n"
        "from service.bench.processes.worker_process import WorkerProcess\n"
        "worker = WorkerProcess(reference_server.serve, rate_hz=50.0)\nworker.recv()\n"
        "print(worker.pid, flush=True)\nsys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdin is not None
    assert parent.stdout is not None
    with parent.stdin, parent.stdout:
        worker = psutil.Process(int(parent.stdout.readline()))
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
        assert psutil.wait_procs([worker], timeout=60)[1] == []
