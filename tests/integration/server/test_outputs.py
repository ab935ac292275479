"""Two armbands through one server: every output shows both hands, each as what it is."""

from __future__ import annotations

import asyncio
import json
from contextlib import ExitStack

import pytest
from websockets.asyncio.client import connect

from models.hand import VALUES
from tests.support.console import Console
from tests.support.udp import neighbours, receive

TIMEOUT_S = 30.0


@pytest.mark.peer
async def test_two_armbands_on_leap_and_udp(console: Console) -> None:
    with ExitStack() as stack:
        listeners = neighbours(stack, 4)
        server = console.serve(
            "synthetic:?user=1000", "synthetic:?user=1001&hand=left",
            "--udp", f"127.0.0.1:{listeners[0].getsockname()[1]}", "--leap", "0",
        )  # fmt: skip
        assert server.process.stdout is not None
        leap = next(line for line in server.process.stdout if line.startswith("Leap is ready: "))
        async with asyncio.timeout(TIMEOUT_S), connect(leap.split()[-1]) as client:
            hands: dict[str, float] = {}
            while len(hands) < 2:
                frame = json.loads(await client.recv())
                hands = {hand["type"]: hand["palmPosition"][0] for hand in frame.get("hands", [])}
            assert hands["left"] < 0 < hands["right"]
            messages = [await receive(listener) for listener in listeners]
    right, right_truth, left, left_truth = [
        [message[key][0] for key in message if key != "exit"] for message in messages
    ]
    assert {len(values) for values in (right, right_truth, left, left_truth)} == {VALUES // 3}
    # The truths of two people differ, and neither is what the model said.
    assert right_truth != left_truth
    assert right != right_truth
    assert left != left_truth
