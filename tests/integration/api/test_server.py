"""`myocast.serve`: a server in a process of its own."""

from __future__ import annotations

import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest

import myocast
from tests.fakes.small_session import write_session

REPOSITORY = Path(__file__).resolve().parents[3]
TIMEOUT_S = 60.0


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return write_session(tmp_path / "session.csv", 5.0)


@pytest.mark.parametrize("kind", [0, 1])
def test_a_stream_gives_the_poses_of_a_server(session: Path, tiny_models: tuple[Path, Path], kind: int) -> None:
    model, emg = myocast.load_model(tiny_models[kind]), myocast.read_session(session).emg
    expected, first = model.stream().push(emg), (model.spec.window or model.spec.hop) - 1
    with (
        myocast.serve(f"replay:{session}?loop=0", model=model, logs=False) as server,
        myocast.connect(server.url) as client,
    ):
        for count, pose in enumerate(client):
            row, rest = divmod(pose.sample - first, model.spec.hop)
            assert rest == 0
            np.testing.assert_allclose(pose.joints.reshape(-1), expected[row], atol=1e-4)
            if count == 50:
                break
    assert not server.running


def test_it_stops_when_its_block_is_left_by_an_error(session: Path) -> None:
    server = myocast.serve(session, logs=False)
    with pytest.raises(ZeroDivisionError), server:
        assert 1 / (not server.running)
    assert not server.running
    assert repr(server).endswith(", stopped>")
    server.close()


def test_it_records(session: Path, tmp_path: Path, tiny_stream: Path) -> None:
    file = tmp_path / "recorded.mcap"
    with myocast.serve(session, model=tiny_stream, record=file, logs=False) as server:
        next(iter(myocast.connect(server.url)))
    assert len(myocast.read_session(file)) > 0


def test_the_address_carries_the_token(session: Path) -> None:
    with myocast.serve(session, token="a secret", logs=False) as server:
        assert server.url.endswith("/#token=a%20secret")
        with myocast.connect(server.url) as client:
            assert client.connected


@pytest.mark.parametrize(
    ("source", "message"),
    [("nonsense:", "is not a source"), ("replay:none.csv", "none.csv"), ("serial:/dev/none?rate=x", "rate")],
)
def test_it_says_why_it_does_not_start(source: str, message: str) -> None:
    with pytest.raises(myocast.MyocastError, match=message):
        myocast.serve(source, logs=False)


def test_a_port_in_use_is_named(session: Path) -> None:
    with myocast.serve(session, logs=False) as server:
        port = int(server.url.rpartition(":")[2].strip("/"))
        with pytest.raises(myocast.MyocastError, match=str(port)):
            myocast.serve(session, port=port, logs=False)


def test_it_does_not_outlive_its_program(session: Path) -> None:
    program = f"import os, myocast; print(myocast.serve({str(session)!r}).url, flush=True); os._exit(0)"
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, text=True, capture_output=True, check=True, timeout=TIMEOUT_S
    )
    # The server writes its log to the same pipe, and `run` returns when the last process that holds it is gone.
    with pytest.raises(OSError):
        urllib.request.urlopen(done.stdout.strip(), timeout=TIMEOUT_S)


def test_a_folder_of_the_users_does_not_shadow_the_packages(session: Path, tmp_path: Path) -> None:
    for name in ("models", "service", "myocast"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('shadowed')")
    program = (
        f"import sys; sys.path.append({str(REPOSITORY)!r}); sys.path.append({str(REPOSITORY / 'clients/python')!r})\n"
        f"import myocast\nwith myocast.serve({str(session)!r}) as server: print(server.url)"
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, text=True, capture_output=True, check=False,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("http://127.0.0.1:")


def test_the_command_line_is_there_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "myocast", "--version"], cwd=REPOSITORY, text=True, capture_output=True, check=True,
        timeout=TIMEOUT_S,
    )  # fmt: skip
    assert "myocast" in done.stdout.lower()
