"""The server over TLS, with tokens of three scopes."""

from __future__ import annotations

import asyncio
import json
import ssl
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from service.web import tls
from service.web.access import AccessPolicy
from tests.fakes.sources import Puppet, frames
from tests.support.attack import PATIENCE_S
from tests.support.live_server import serving


async def test_https_wss_and_scopes(tiny_window: Path, tmp_path: Path) -> None:
    certificate = tls.self_signed("127.0.0.1", tmp_path / "state")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "state" / tls.FILE))
    puppet, policy = Puppet(), AccessPolicy(token="control", label_token="labels", watch_token="watch")
    async with serving([puppet], policy, model=tiny_window, tls=certificate, recordings=tmp_path) as live:
        assert live.line.startswith("Myocast is ready: https://127.0.0.1:")
        await puppet.running.wait()
        address = f"127.0.0.1:{live.port}"
        async with httpx.AsyncClient(base_url=f"https://{address}", verify=trusted, timeout=PATIENCE_S) as http:
            for token, status in (("control", 200), ("watch", 403), ("labels", 403)):
                body = {"action": "start", "name": token}
                answer = await http.post("/api/v1/recording", json=body, headers={"Authorization": f"Bearer {token}"})
                assert answer.status_code == status, token
                assert (await http.get(f"/api/v1/status?token={token}")).status_code == 200
        for token, code in (("watch", "forbidden"), ("labels", "bad_label")):
            async with connect(f"wss://{address}/v1/stream?streams=pose&token={token}", ssl=trusted) as client:
                assert json.loads(await client.recv())["type"] == "hello"
                await client.send('{"type":"marker","label":"x"}' if token == "watch" else '{"type":"label","t":1}')
                error = json.loads(await client.recv())
                assert (error["type"], error["code"]) == ("error", code)
                puppet.emit(*frames(0, 20) if token == "watch" else frames(20, 40))
                assert json.loads(await client.recv())["type"] == "pose"


@pytest.mark.case("F12")
async def test_a_tls_handshake_that_never_ends(tiny_window: Path, tmp_path: Path) -> None:
    from service.limits import Limits

    certificate, puppet = tls.self_signed("127.0.0.1", tmp_path), Puppet()
    async with serving([puppet], model=tiny_window, tls=certificate, limits=Limits(handshake_s=0.3)) as live:
        reader, writer = await asyncio.open_connection("127.0.0.1", live.port)
        writer.write(b"\x16\x03\x01")
        async with asyncio.timeout(PATIENCE_S):
            await reader.read()
        writer.close()
