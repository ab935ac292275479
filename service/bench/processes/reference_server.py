"""The yardstick of the fan-out: the least that a FastAPI server with one slot per client can be.

It checks nothing, listens to nobody, knows one message and one rate. Ours may cost a fifth more a message.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Any, Final

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from service.bench.processes.synthetic_poses import metronome
from service.bench.processes.worker_process import Line, usage
from service.broadcast import messages
from service.engine.pose import Pose
from service.event_loop import loop_factory
from service.web.listener import raise_descriptor_limit

SUBPROTOCOL: Final = "myocast.v1.binary"


class Slot:
    """The newest message for one client."""

    def __init__(self) -> None:
        self.message = b""
        self.filled = asyncio.Event()


def create_app(slots: set[Slot]) -> FastAPI:
    app = FastAPI()

    @app.websocket("/v1/stream")
    async def stream(websocket: WebSocket) -> None:
        await websocket.accept(subprotocol=SUBPROTOCOL)
        slot = Slot()
        slots.add(slot)
        try:
            while True:
                await slot.filled.wait()
                slot.filled.clear()
                await websocket.send_bytes(slot.message)
        except WebSocketDisconnect:
            pass
        finally:
            slots.discard(slot)

    return app


def serve(line: Line, request: dict[str, Any]) -> None:
    """Serve ready-made poses at `rate` a second; orders: usage."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(line, request["rate"]))
    line.send(stopped=True)


async def _serve(line: Line, rate_hz: float) -> None:
    slots: set[Slot] = set()

    def publish(pose: Pose) -> None:
        if not slots:
            return
        message = messages.pose_binary(pose, 0.0)
        for slot in slots:
            slot.message = message
            slot.filled.set()

    raise_descriptor_limit()
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as sock:
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(slots), ws="websockets-sansio", ws_per_message_deflate=False, log_level="error",
                access_log=False, lifespan="off", timeout_graceful_shutdown=1,
            )
        )  # fmt: skip
        threading.Thread(target=_obey, args=(line, server), daemon=True).start()
        beat = asyncio.ensure_future(metronome(rate_hz, publish))
        line.send(url=f"http://127.0.0.1:{sock.getsockname()[1]}/")
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve([sock])
        beat.cancel()


def _obey(line: Line, server: uvicorn.Server) -> None:
    line.obey({"usage": lambda _: usage()})
    server.should_exit = True
