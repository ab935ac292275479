"""The Python client in plain `for` and `with`, against a server that misbehaves and the real one."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

import myocast_client as mc
from myocast_client.sync import Client, connect
from tests.fakes.small_session import write_session
from tests.fakes.stream import FakeStream, pose_message
from tests.support.console import Console

CLIENT = Path(__file__).resolve().parents[3] / "clients" / "python"
TIMEOUT_S = 30.0
QUICK: dict[str, Any] = {"ping_interval": 0.01, "open_timeout": 30.0}


class ThreadedServer:
    """A FakeStream with an event loop of its own."""

    def __init__(self, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.stream = FakeStream(**options)
        self.run(self.stream.start())

    @property
    def url(self) -> str:
        return self.stream.url

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_S)

    def send(self, *messages: dict[str, Any]) -> None:
        self.run(self.stream.send(*messages))

    def send_later(self, *messages: dict[str, Any]) -> None:
        """Send once somebody is connected."""
        self.stream.on_client = lambda _: self._sending.append(self._loop.create_task(self.stream.send(*messages)))
        self._sending: list[asyncio.Task[None]] = []

    def until(self, condition: Callable[[], bool]) -> None:
        async def wait() -> None:
            async with asyncio.timeout(TIMEOUT_S):
                while not condition():  # noqa: ASYNC110
                    await asyncio.sleep(0.001)

        self.run(wait())

    def close(self) -> None:
        self.run(self.stream.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@pytest.fixture
def server() -> Iterator[ThreadedServer]:
    running = ThreadedServer(token="T")
    yield running
    running.close()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "myocast-client"]


def test_a_for_loop_connects_and_leaving_it_closes(server: ThreadedServer) -> None:
    server.send_later(*(pose_message(seq) for seq in range(20)))
    seen = []
    for pose in connect(f"{server.url}#token=T"):
        seen.append(pose.seq)
        if len(seen) == 20:
            break
    assert seen == list(range(20))
    assert pose.joints.shape == (21, 3)
    server.until(lambda: not server.stream.clients)
    assert threads() == []


def test_everything_has_the_name_it_has_in_the_asynchronous_client() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in vars(kind) if not name.startswith("_")}

    attributes = {name for name in vars(mc.connect("http://h/")) if not name.startswith("_")}
    deprecated = {"offset", "latency_s"}
    assert public(Client) == (public(mc.Client) | attributes) - deprecated


def test_properties_of_the_client(server: ThreadedServer) -> None:
    with connect(server.url, token="T", **QUICK) as client:
        assert client.connected
        assert client.hello is not None
        assert client.hello.encoding == "binary"
        server.until(lambda: client.clock_offset is not None)
        assert client.clock_offset == pytest.approx(100.0, abs=client.round_trip)
        before = client.server_now()
        server.send(pose_message(3), {"type": "nonsense"})
        pose = next(iter(client))
        latency, after = client.latency(pose), client.server_now()
        assert before is not None
        assert latency is not None
        assert after is not None
        assert before - pose.t - 1.0 <= latency <= after - pose.t + 1.0
        assert client.latest is pose
        assert (client.connections, client.dropped, client.malformed) == (1, 0, 0)
        assert client.connection_error is None


def test_labels_and_markers(server: ThreadedServer) -> None:
    with connect(server.url, token="T", **QUICK) as client:
        client.send_label(angles={"index_mcp_fe": 42.0}, t=5.0)
        client.send_marker("here", 6.0)
        server.until(lambda: len(server.stream.told) == 2)
    assert server.stream.told[0]["angles"] == {"index_mcp_fe": 42.0}
    assert server.stream.told[1] == {"type": "marker", "label": "here", "t": 6.0}
    with pytest.raises(mc.Unreachable, match="not connected"):
        client.send_marker("too late")


def test_messages_and_callbacks(server: ThreadedServer) -> None:
    heard: list[int] = []
    with connect(server.url, token="T", streams=("pose", "imu")) as client:
        client.on(mc.Pose, lambda pose: heard.append(pose.seq))
        server.send(pose_message(1), {"type": "bye", "reason": "soon"})
        kinds = []
        for message in client.messages():
            kinds.append(type(message))
            if isinstance(message, mc.Bye):
                break
    assert kinds == [mc.Hello, mc.Pose, mc.Bye]
    assert heard == [1]


def test_a_busy_program_gets_the_newest(server: ThreadedServer) -> None:
    with connect(server.url, token="T", queue=1) as client:
        server.send(*(pose_message(seq) for seq in range(100)))
        server.until(lambda: client.latest is not None and client.latest.seq == 99)
        assert next(iter(client)).seq == 99
        assert client.dropped >= 98


def test_it_comes_back_with_its_subscription(server: ThreadedServer) -> None:
    with connect(server.url, token="T", **QUICK) as client:
        client.subscribe(("pose", "emg"), max_rate=25)
        with pytest.raises(mc.BadSubscription, match="unknown stream"):
            client.subscribe(cast(Any, ("pots",)))
        server.run(server.stream.stop(rude=True))
        server.until(lambda: client.connection_error is not None and client.connection_error.code == "unreachable")
        with pytest.raises(mc.Unreachable, match="not connected now"):
            client.subscribe()
        server.run(server.stream.start())
        server.until(lambda: client.connections == 2 and bool(server.stream.clients))
        server.send(pose_message(5))
        assert next(iter(client)).seq == 5
        assert client.hello is not None
        assert client.hello.streams == ("pose", "emg")


def test_refusals_are_raised_where_the_loop_stands(server: ThreadedServer) -> None:
    with pytest.raises(mc.Unauthorized, match="token"):
        next(iter(connect(server.url)))
    with pytest.raises(mc.BadRequest), connect(server.url, token="T", streams=cast(Any, ("pots",))):
        pass
    assert threads() == []


def test_the_end_of_the_stream_ends_the_loop(server: ThreadedServer) -> None:
    with connect(server.url, token="T", reconnect=False) as client:
        server.send(pose_message(0))
        server.run(server.stream.stop())
        assert [pose.seq for pose in client] == [0]
        client.wait_closed()


def test_another_thread_may_close_it(server: ThreadedServer) -> None:
    client = connect(server.url, token="T")
    client.open()
    client.open()
    closer = threading.Thread(target=client.close)
    server.send(pose_message(0))
    for _ in client:
        closer.start()
    closer.join()
    client.close()
    with pytest.raises(mc.Unreachable, match="not connected now"):
        client.subscribe()
    assert threads() == []


def test_a_callback_that_calls_the_client_raises(server: ThreadedServer) -> None:
    with connect(server.url, token="T") as client:
        client.on(mc.Pose, lambda pose: client.subscribe())
        server.send(pose_message(0))
        with pytest.raises(RuntimeError, match="another thread"):
            client.wait_closed()


def test_the_loop_of_the_readme_against_the_server_itself(console: Console, tiny_window: Path, tmp_path: Path) -> None:
    session = write_session(tmp_path / "session.csv", 60)
    server = console.serve(f"replay:{session}", "--model", tiny_window, "--hop", 2)
    readme = (CLIENT / "README.md").read_text(encoding="utf-8")
    program = next(block for block in readme.split("```python\n") if "myocast_client.sync" in block).partition("```")[0]
    assert "http://127.0.0.1:8765/" in program
    process = subprocess.Popen(
        [sys.executable, "-u", "-c", program.replace("http://127.0.0.1:8765/", server.url)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": str(CLIENT)},
    )  # fmt: skip
    assert process.stdout is not None
    lines = [process.stdout.readline().split() for _ in range(20)]
    process.terminate()
    process.communicate()
    assert [line[1] for line in lines] == ["right"] * 20
    numbers = [int(line[0]) for line in lines]
    assert numbers == sorted(set(numbers))
