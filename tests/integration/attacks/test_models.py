"""Model files of unknown origin: what they cannot make the server do."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from websockets.asyncio.client import connect

from tests.fakes.attack_models import GREEDY, UNSPEAKABLE, endless, with_metadata
from tests.support.attack import healthy, http
from tests.support.console import Console
from tests.support.training import run_cli

Refused = Callable[..., str]


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Refused:
    """What `serve` says of a model, in its one line."""

    def run(model: object) -> str:
        code, out, said = run_cli(capsys, "serve", "synthetic:", "--model", model, "--port", 0)
        assert (code, out, said.count("\n")) == (2, "", 1), said
        return said

    return run


def write(path: Path, *lines: str) -> None:
    path.write_text("\n".join(lines))


@pytest.mark.case("F5")
@pytest.mark.parametrize("kind", GREEDY)
def test_a_model_that_asks_for_too_much_is_refused(
    refused: Refused, kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.engine.model_trial.prove.__defaults__", (3.0, 768 << 20))
    # A child counts as at least as large as the process that it was started from, which may have trained networks.
    most = max(resource.getrusage(whose).ru_maxrss for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    said = refused(GREEDY[kind](tmp_path / "greedy.onnx"))
    assert "greedy.onnx" in said
    assert len(said) < 500
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < max(900 << 10, most + (8 << 10))


@pytest.mark.case("F5")
def test_what_is_no_file_is_refused(refused: Refused, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.onnx")
    for path in ("/dev/zero", "/dev/urandom", tmp_path, tmp_path / "pipe.onnx"):
        assert "not a file" in refused(path)
    with (tmp_path / "hole.onnx").open("wb") as file:
        file.truncate(1 << 34)
    assert "larger than 128 MB" in refused(tmp_path / "hole.onnx")


@pytest.mark.case("F6")
@pytest.mark.parametrize("kind", UNSPEAKABLE)
def test_metadata_that_cannot_be_sent_is_refused(refused: Refused, kind: str, tmp_path: Path) -> None:
    said = refused(with_metadata(tmp_path / "tiny.onnx", **UNSPEAKABLE[kind]))
    assert "metadata" in said
    assert len(said) < 500
    assert said.removesuffix("\n").isprintable()


@pytest.mark.case("F4")
@pytest.mark.alone
async def test_a_loop_that_never_ends_is_broken_off(console: Console, tmp_path: Path) -> None:
    """It begins with the first sample that is not zero; a trial on zeros does not show it."""
    model = endless(tmp_path / "endless.onnx", above=10.0)
    write(tmp_path / "session.txt", *["1,2,3,4,5,6,7,8"] * 400, *["1,2,3,4,5,6,7,2000"] * 2000)
    source = f"replay:{tmp_path / 'session.txt'}?rate=200"
    server = console.serve(source, "--model", model, "--limit", "pose_s=0.5")
    async with connect(server.stream + "?streams=status") as client, asyncio.timeout(30):
        async for message in client:
            if '"state":"failed"' in str(message):
                break
    assert '"inference_failed"' in str(message)
    assert "0.5 s" in str(message)
    async with http(server) as client_:
        assert (await client_.get("/healthz")).status_code == 200
        assert (await client_.get("/readyz")).status_code == 503
    assert server.stop() == 0


@pytest.mark.case("F4")
@pytest.mark.alone
async def test_the_server_ends_while_a_model_runs_on(console: Console, tmp_path: Path) -> None:
    model = endless(tmp_path / "endless.onnx", above=1000.0)
    write(tmp_path / "session.txt", *["1,2,3,4,5,6,7,2000"] * 2000)
    source = f"replay:{tmp_path / 'session.txt'}?rate=200"
    server = console.serve(source, "--model", model, "--limit", "pose_s=600")
    async with connect(server.stream + "?streams=emg"):
        await asyncio.sleep(0.5)
    async with asyncio.timeout(15):
        assert await asyncio.to_thread(server.stop, signal.SIGTERM) == 0
    assert "Traceback" not in server.stderr()


@pytest.mark.case("F5")
@pytest.mark.alone
async def test_a_model_that_is_chosen_while_serving_is_tried_elsewhere(console: Console, tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for kind in ("ConstantOfShape", "Expand"):
        GREEDY[kind](tmp_path / "models" / f"{kind}.onnx")
    server = console.serve("synthetic:", "--models", tmp_path / "models")
    async with healthy(server) as other, http(server) as client:
        for kind in ("ConstantOfShape", "Expand"):
            answer = await client.post("/api/v1/model", json={"action": "use", "name": kind})
            assert (answer.status_code, answer.json()["error"]["code"]) == (409, "conflict")
        assert other.share >= 0.98
    assert server.stop() == 0


@pytest.mark.case("F13")
@pytest.mark.alone
async def test_names_that_are_no_text_are_shown_with_replacements(console: Console, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    folder.mkdir()
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt"))
    write(path, *["1,2,3,4,5,6,7,8"] * 2000)
    with_metadata(Path(os.fsdecode(os.fsencode(folder) + b"/m\xff.onnx")))
    server = console.serve(f"replay:{path}?rate=200", "--models", folder)
    async with connect(server.stream) as client:
        assert "caf\N{REPLACEMENT CHARACTER}" in str(await client.recv())
    async with http(server) as client_:
        assert "caf\N{REPLACEMENT CHARACTER}" in (await client_.get("/api/v1/status")).text
        names = [one["name"] for one in (await client_.get("/api/v1/models")).json()["models"]]
        assert "m\N{REPLACEMENT CHARACTER}" in names
    assert server.stop() == 0
