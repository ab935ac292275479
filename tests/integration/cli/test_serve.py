"""`myocast serve` as its users start it: a process of its own, its ready line, its signals, its refusals."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from drivers.sessions import read_session
from service.cli import main
from tests.fakes.models_onnx import WINDOW, offline, spec_of, stream_model, window_model, with_external_data
from tests.support.console import TIMEOUT_S, Console

Refused = Callable[..., str]


def numbers(count: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    rng = np.random.default_rng(3)
    return rng.integers(-128, 128, (count, 8)).astype(np.float32)


@pytest.fixture
def session(tmp_path: Path) -> Path:
    """Two minutes of 200 Hz raw adc as headerless text."""
    path = tmp_path / "session.csv"
    np.savetxt(path, numbers(24_000), fmt="%d", delimiter=",")
    return path


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Refused:
    """Runs `myocast serve …` that must end with one line on stderr; gives the line."""

    def run(*arguments: object, code: int = 2) -> str:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["myocast", "serve", *map(str, arguments), "--port", "0"])
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (code, "")
        assert len(err.splitlines()) == 1, err
        assert err.startswith("myocast: ")
        return err

    return run


def receive(client: ClientConnection) -> Any:
    message = client.recv(timeout=TIMEOUT_S)
    return json.loads(message) if isinstance(message, str) else message


def get(url: str) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_S) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_from_a_recording_to_poses(console: Console, session: Path, tiny_window: Path, tmp_path: Path) -> None:
    """The whole of it, through the console script: ready line, hello, poses that are the model's, a clean stop.

    The user's own folders of the same names do not matter.
    """
    for name in ("models", "drivers", "service"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit('shadowed')")
    server = console.serve(f"replay:{session}", "--model", tiny_window)
    assert server.line == f"Myocast is ready: http://127.0.0.1:{server.port}/\n"
    with connect(server.stream + "?streams=pose,status", compression=None, open_timeout=TIMEOUT_S) as client:
        hello = receive(client)
        assert (hello["type"], hello["device"]["uri"], hello["model"]["name"]) == ("hello", f"replay:{session}", "tiny")
        poses: list[dict[str, Any]] = []
        while len(poses) < 10:
            message = receive(client)
            if message["type"] == "pose":
                poses.append(message)
        emg = numbers(24_000)
        for pose in poses:
            window = emg[pose["sample"] + 1 - WINDOW : pose["sample"] + 1]
            assert pose["joints"] == pytest.approx(
                np.round(offline(tiny_window, window[None])[0], 2).tolist(), abs=2e-2
            )
            assert pose["state"] == "replay"
        assert get(f"{server.url}readyz")[0] == 200
        assert get(f"{server.url}api/v1/status")[1]["session"] == hello["session"]
        assert server.stop(signal.SIGTERM) == 0
        with pytest.raises(ConnectionClosed) as closed:  # noqa: PT012
            while True:
                last = receive(client)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1001
    assert last == {"type": "bye", "reason": "the server is stopping"}
    played, documented = server.stderr().splitlines()
    pace = f"model tiny, a pose every {hello['model']['hop']} samples"
    assert played.endswith(f" INFO device 0: replay:{session} (session.csv), 200 Hz raw adc; {pace}")
    assert documented.endswith(f"INFO messages and HTTP API are described at {server.url}docs")


def test_ctrl_c_ends_it_with_0_and_the_recording_is_whole(
    console: Console, session: Path, tiny_stream: Path, tmp_path: Path
) -> None:
    server = console.serve(f"replay:{session}?speed=10", "--model", tiny_stream, "--record", "out/all.mcap")
    with connect(server.stream, compression=None, open_timeout=TIMEOUT_S) as client:
        while receive(client).get("sample", 0) < 400:
            pass
        assert server.stop(signal.SIGINT) == 0
    recorded = read_session(tmp_path / "out" / "all.mcap")
    assert len(recorded) > 400
    np.testing.assert_array_equal(recorded.emg, numbers(24_000)[: len(recorded)])
    assert "WARNING" not in server.stderr()


def test_a_token_is_made_beyond_loopback_and_is_never_logged(
    console: Console, session: Path, tiny_window: Path
) -> None:
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--host", "0.0.0.0")
    assert server.token is not None
    assert len(server.token) >= 16
    assert server.line.startswith("Myocast is ready: http://127.0.0.1:")
    with pytest.raises(InvalidStatus) as refusal, connect(server.stream, open_timeout=TIMEOUT_S):
        pass
    assert refusal.value.response.status_code == 401
    url = f"http://127.0.0.1:{server.port}/api/v1/status"
    assert get(url)[0] == 401
    assert get(f"{url}?token={server.token}")[0] == 200
    assert get(f"{url}/nothing?token={server.token}")[0] == 404
    with connect(f"{server.stream}?token={server.token}", open_timeout=TIMEOUT_S) as client:
        assert receive(client)["type"] == "hello"
    assert server.stop() == 0
    assert server.token not in server.stderr()


def test_without_a_fitting_model_it_serves_emg_and_says_why(console: Console, session: Path) -> None:
    server = console.serve(f"replay:{session}?rate=80&unit=uV", "--log-format", "json")
    with connect(server.stream + "?streams=emg", open_timeout=TIMEOUT_S) as client:
        hello = receive(client)
        assert (hello["model"], hello["pose"]) == (None, None)
        assert receive(client)["type"] == "emg"
    assert server.stop() == 0
    lines = [json.loads(line) for line in server.stderr().splitlines()]
    assert [line["level"] for line in lines] == ["warning", "info", "info"]
    assert "without poses" in lines[0]["message"]


def test_missing_empty_and_wrong_files(refused: Refused, tmp_path: Path, tiny_window: Path) -> None:
    contents = {
        "empty.csv": b"", "columns.csv": b"1,2,3\n4,5,6\n", "text.csv": b"1,2,3,4,five,6,7,8\n" * 50,
        "nan.csv": b"nan,nan,nan,nan,nan,nan,nan,nan\n" * 50, "binary.mcap": b"\0\1\2\3" * 100,
        "header.csv": b"t,ch1,ch2\n0,1,2\n", "cut.mcap": b"\x89MCAP0\r\n\x01",
    }  # fmt: skip
    for name, data in contents.items():
        (tmp_path / name).write_bytes(data)
        assert name in refused(f"replay:{name}", "--model", tiny_window)
    assert "nothing.csv" in refused("replay:nothing.csv")
    assert "replay:FILE" in refused("replay:")
    refused("replay:.")


def test_models_that_do_not_fit(refused: Refused, session: Path, tmp_path: Path) -> None:
    source = f"replay:{session}"
    cases: dict[str, tuple[Path, str]] = {
        "rate": (window_model(tmp_path / "rate.onnx", spec_of(rate_hz=250.0)), "expected 250 Hz, found 200 Hz"),
        "unit": (window_model(tmp_path / "unit.onnx", spec_of(unit="uV")), "expected EMG in unit `uV`, found `adc`"),
        "mode": (window_model(tmp_path / "mode.onnx", spec_of(emg_mode="envelope")), "expected emg_mode `envelope`"),
        "bare": (window_model(tmp_path / "bare.onnx", metadata=None), "no `myocast` metadata"),
        "shape": (window_model(tmp_path / "shape.onnx", rows=WINDOW + 1), "expected `emg`"),
        "stream": (stream_model(tmp_path / "stream.onnx", state_out="x"), "state_in_h"),
        "external": (with_external_data(window_model(tmp_path / "external.onnx")), "another file"),
        "garbage": (tmp_path / "garbage.onnx", "not an ONNX file"),
        "missing": (tmp_path / "missing.onnx", "no such file"),
    }
    (tmp_path / "garbage.onnx").write_bytes(b"garbage")
    for path, expected in cases.values():
        message = refused(source, "--model", path)
        assert expected in message
        assert path.name in message


def test_sources_that_are_refused(refused: Refused, session: Path, tiny_window: Path) -> None:
    model = ("--model", tiny_window)
    assert "`pace`" in refused(f"replay:{session}?pace=2", *model)
    assert "`speed=0`" in refused(f"replay:{session}?speed=0", *model)
    assert "`speed=101`" in refused(f"replay:{session}?speed=101", *model)
    assert "`start=" in refused(f"replay:{session}?start=1000", *model)
    assert "`hand=both`" in refused(f"replay:{session}?hand=both", *model)
    assert "not a source" in refused("nothing", *model)
    assert "not a source" in refused("demo:", "mqtt://h/d", *model)


def test_a_missing_radio_or_port_is_reported_before_the_ready_line(
    refused: Refused, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nothing")
    for source in ("myo:", "dongle:/dev/nothing", f"serial:{tmp_path}/nothing?rate=200"):
        assert len(refused(source)) > 20


def test_options_that_are_refused(refused: Refused, session: Path, tmp_path: Path, tiny_window: Path) -> None:
    source = (f"replay:{session}", "--model", tiny_window)
    (tmp_path / "token").write_text("\n")
    (tmp_path / "latin1").write_bytes(b"\xff\xfe\xe9")
    (tmp_path / "there.mcap").write_text("mine")
    assert "both given" in refused(*source, "--token", "a", "--token-file", "token")
    assert "empty" in refused(*source, "--token-file", "token")
    assert "empty" in refused(*source, "--token", "")
    assert "--token-file" in refused(*source, "--token-file", "none")
    assert "--token-file" in refused(*source, "--token-file", "latin1")
    assert "text or json" in refused(*source, "--log-format", "xml")
    for smooth in ("on", "7", "0,1", "7,0.01,9"):
        assert "expected auto, off, or MINCUTOFF,BETA[,STAGES]" in refused(*source, "--smooth", smooth)
    assert "--hold" in refused(*source, "--hold", "-1")
    assert "there.mcap" in refused(*source, "--record", "there.mcap")
    assert (tmp_path / "there.mcap").read_text() == "mine"
    refused(*source, "--record", "there.mcap/x.mcap")
    for origin in ("", "example.org", "https://example.org/page", "https://"):
        assert "--origin" in refused(*source, "--origin", origin)
    refused(*source, "--host", "192.0.2.1")
    refused(*source, "--host", "no such host")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_session(console: Console, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    process = console.start("serve", f"replay:{tmp_path / 'pipe.csv'}", "--port", 0)
    with (tmp_path / "pipe.csv").open("w") as file:
        file.write("1,2,3,4,5,6,7,8\n" * 100)
    out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, len(err.splitlines())) == (2, "", 1)
    assert "is a pipe" in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_session_is_still_read_ends_it_with_0(
    console: Console, tmp_path: Path, number: signal.Signals
) -> None:
    os.mkfifo(tmp_path / "endless.csv")
    process = console.start("serve", f"replay:{tmp_path / 'endless.csv'}", "--port", 0)
    with (tmp_path / "endless.csv").open("w"):
        process.send_signal(number)
        out, err = process.communicate(timeout=TIMEOUT_S)
    assert (process.returncode, out, err) == (0, "", "")


def test_a_token_that_an_address_cannot_hold_as_it_is(console: Console, session: Path, tiny_window: Path) -> None:
    token = "tök+a/b=&c #%41"
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--token", token)
    assert server.token is not None
    assert urllib.parse.parse_qs("token=" + server.token) == {"token": [token]}
    assert server.stop() == 0


def test_a_port_in_use(console: Console, session: Path, tiny_window: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = console.run("serve", f"replay:{session}", "--model", tiny_window, "--port", port)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert str(port) in done.stderr
    assert "--port 0" in done.stderr


def test_two_recordings_as_two_bands_behind_a_token_from_a_file(
    console: Console, session: Path, tiny_window: Path, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("from-a-file\n")
    source = f"replay:{session}"
    server = console.serve(source, f"{source}?hand=left", "--model", tiny_window, "--hop", 8, "--token-file", "token")
    assert server.token == "from-a-file"
    with connect(server.stream + "?token=from-a-file", compression=None, open_timeout=TIMEOUT_S) as client:
        hello = receive(client)
        assert [d["device"]["hand"] for d in hello["devices"]] == ["right", "left"]
        assert {d["model"]["hop"] for d in hello["devices"]} == {8}
        hands: dict[int, str] = {}
        while len(hands) < 2:
            pose = receive(client)
            hands[pose["device"]] = pose["hand"]
    assert hands == {0: "right", 1: "left"}
    assert server.stop() == 0


def test_a_files_name_stands_for_its_replay(console: Console, session: Path, tiny_window: Path) -> None:
    server = console.serve(f"{session}?speed=2", "--model", tiny_window)
    with connect(server.stream, compression=None, open_timeout=TIMEOUT_S) as client:
        assert receive(client)["device"]["uri"] == f"replay:{session}?speed=2"
    assert server.stop() == 0


def test_options_may_come_from_the_environment(console: Console, session: Path, tiny_window: Path) -> None:
    for name, value in {"MODEL": str(tiny_window), "TOKEN": "sixteen characters", "RECORDINGS": "elsewhere"}.items():
        console.environment[f"MYOCAST_{name}"] = value
    server = console.serve(session)
    assert server.token == "sixteen%20characters"
    assert get(f"{server.url}api/v1/model?token=sixteen%20characters")[1]["name"] == "tiny"
    assert server.stop() == 0


def test_open_shows_the_viewer_once_it_is_ready(
    console: Console, session: Path, tiny_window: Path, tmp_path: Path
) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/opened\n')
    browser.chmod(0o755)
    console.environment["BROWSER"] = str(browser)
    server = console.serve(session, "--model", tiny_window, "--token", "sesame", "--open")
    opened = tmp_path / "opened"
    with connect(f"{server.stream}?token=sesame", compression=None, open_timeout=TIMEOUT_S) as client:
        while not opened.exists():
            receive(client)
    assert opened.read_text() == f"{server.url}#token=sesame\n"
    assert server.stop() == 0
