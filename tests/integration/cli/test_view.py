"""`myocast view`: its line, and the verb against a real server."""

from __future__ import annotations

import signal
from pathlib import Path

import numpy as np
import pytest

import myocast_client as mc
from service.cli.view import BARS, StatusLine, finger_bars
from tests.fakes.simple_hand import make_hand
from tests.fakes.small_session import write_session
from tests.fakes.stream import pose_message, to_binary
from tests.support.console import Console

REPOSITORY = Path(__file__).resolve().parents[3]
WITH_CLIENT = f"import sys; sys.path.insert(0, {str(REPOSITORY / 'clients' / 'python')!r})"
"""The wheel brings the client; a checkout has it in its folder."""


def pose(seq: int, received: float, bend: float = 0.0, *, truth: bool = False) -> mc.Pose:
    joints = make_hand(bend)
    message = pose_message(seq) | {"joints": joints.tolist(), "t": 100.0 + seq / 50}
    if truth:
        message["truth"] = (joints + np.float32(3.0)).tolist()
    decoded = mc.decode(to_binary(message), received)
    assert isinstance(decoded, mc.Pose)
    return decoded


def status(state: str, error: dict[str, str] | None = None) -> mc.Status:
    return mc.Status(0, 0.0, state, 200.0, 0, None, 1, 0, None, None, error, 0.0)


def test_bars_follow_the_fingers() -> None:
    assert finger_bars(pose(0, 0.0, 0.0).joints)[1:] == [BARS[-1]] * 4
    assert finger_bars(pose(0, 0.0, 1.6).joints)[1:] == [BARS[0]] * 4
    heights = [BARS.index(finger_bars(pose(0, 0.0, bend).joints)[1]) for bend in np.linspace(0, 1.6, 20)]
    assert heights == sorted(heights, reverse=True)
    assert finger_bars(np.zeros((21, 3), np.float32)) == [BARS[0]] * 5


def test_the_line() -> None:
    latency: list[float | None] = [None]
    line = StatusLine(lambda _: latency[0])
    assert line.text() == "connecting: no poses yet"
    for k in range(8):
        line.add(pose(5 * k, received=50.0 + k / 10, truth=True))
    assert not line.poses_flow
    line.status = status("replay")
    text = line.text()
    assert text.startswith("replay · right · #35 · 50.0 poses/s · infer 0.5 ms · skipped 0 · error 5.2 mm · thumb ")
    latency[0] = 0.0034
    assert " · latency 3.4 ms · " in line.text()
    line.status = status("failed", {"code": "x", "message": "no disk"})
    assert line.text().startswith("failed (no disk) · ")


def test_a_jump_back_in_time_starts_the_rate_anew() -> None:
    line = StatusLine(lambda _: None)
    for seq, received in ((0, 1.0), (10, 1.2), (3, 1.3), (4, 1.32)):
        line.add(pose(seq, received))
    assert line.rate_hz == pytest.approx(50.0)


def test_it_prints_lines_until_it_is_stopped(console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 60)
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--token", "sesame")
    for number in (signal.SIGINT, signal.SIGTERM):
        viewer = console.start("view", f"{server.url}#token=sesame", "--text", before=WITH_CLIENT)
        assert viewer.stdout is not None
        lines: list[str] = []
        while not any("poses/s" in line for line in lines):
            lines.append(viewer.stdout.readline())
            assert lines[-1], viewer.communicate()
        assert lines[-1].startswith("replay · right · #")
        viewer.send_signal(number)
        viewer.communicate()
        assert viewer.returncode == 0


def test_on_a_terminal_it_is_one_line_that_changes(console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 60)
    server = console.serve(f"replay:{session}", "--model", tiny_window)
    terminal = f"{WITH_CLIENT}; sys.stdout.isatty = lambda: True"
    viewer = console.start("view", server.url, "--text", before=terminal)
    assert viewer.stdout is not None
    shown = ""
    while shown.count("poses/s") < 3:
        shown += viewer.stdout.read(20)
    assert shown.count("\x1b[2K") >= 2  # each line erases the one before
    viewer.send_signal(signal.SIGINT)
    viewer.communicate()
    assert viewer.returncode == 0


def test_what_a_user_can_do_wrong_is_one_line(console: Console, tiny_window: Path) -> None:
    session = write_session(console.folder / "session.csv", 5)
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--token", "sesame")
    refused = console.run("view", server.url, "--text", before=WITH_CLIENT)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("myocast: the server does not let us in: ")
    server.stop()
    nobody = console.run("view", server.url, "--text", before=WITH_CLIENT)
    assert nobody.returncode == 1
    assert "myocast serve" in nobody.stderr
    nonsense = console.run("view", "ftp://x", "--text", before=WITH_CLIENT)
    assert nonsense.returncode == 2
    for result in (refused, nobody, nonsense):
        assert result.stderr.count("\n") == 1
        assert "Traceback" not in result.stderr
