"""The reference server of the fan-out: a FastAPI server of a few lines that keeps one message for each client.

It checks nothing, reads nothing from clients, and sends one kind of message at one rate.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from typing import Final

import uvicorn
from fastapi import FastAPI, WebSocket, WebSocketDisconnect

from service.bench.processes.synthetic_poses import publish_poses
from service.bench.processes.worker_process import Channel, Message, usage
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


def serve(channel: Channel, request: Message) -> None:
    """Serve synthetic poses at `rate_hz`; command: usage."""
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve(channel, request["rate_hz"]))
    channel.send(stopped=True)


async def _serve(channel: Channel, rate_hz: float) -> None:
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
                create_app(slots),
                ws="websockets-sansio",
                ws_per_message_deflate=False,
                log_level="error",
                access_log=False,
                lifespan="off",
                timeout_graceful_shutdown=1,
            )
        )
        threading.Thread(target=_serve_commands, args=(channel, server), daemon=True).start()
        publishing = asyncio.ensure_future(publish_poses(rate_hz, publish))
        channel.send(url=f"http://127.0.0.1:{sock.getsockname()[1]}/")
        with contextlib.suppress(asyncio.CancelledError):
            await server.serve([sock])
        publishing.cancel()


def _serve_commands(channel: Channel, server: uvicorn.Server) -> None:
    channel.serve({"usage": lambda _: usage()})
    server.should_exit = True
