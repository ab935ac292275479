"""The Grafana dashboard asks Prometheus for what the server has: a real Prometheus scrapes a real server."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.console import TIMEOUT_S, Console

DASHBOARD = Path(__file__).parents[3] / "docker" / "grafana" / "myocast.json"
PROMETHEUS = shutil.which("prometheus")
SILENT_WHILE_ALL_IS_WELL = ("myocast_refused_total", "myocast_faults_total")
"""Families that have no sample before anything was refused or failed."""


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_panels_lie_side_by_side_and_have_titles() -> None:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len({panel["title"] for panel in panels}) == len(panels)
    cells = [
        (place["x"] + column, place["y"] + row)
        for place in (panel["gridPos"] for panel in panels)
        for column in range(place["w"])
        for row in range(place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(column for column, _ in cells) < 24


@pytest.fixture
def prometheus(console: Console, tiny_stream: Path, tmp_path: Path) -> Iterator[str]:
    server = console.serve("synthetic:", "--model", tiny_stream)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = tmp_path / "prometheus.yml"
    scrape = {
        "job_name": "myocast",
        "scrape_interval": "1s",
        "static_configs": [{"targets": [f"127.0.0.1:{server.port}"]}],
    }
    config.write_text(json.dumps({"global": {"evaluation_interval": "1s"}, "scrape_configs": [scrape]}))
    command = [
        str(PROMETHEUS), f"--config.file={config}", f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]  # fmt: skip
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        yield f"http://127.0.0.1:{port}/api/v1/query"
        process.terminate()


def answer_of(url: str, expression: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}?{urllib.parse.urlencode({'query': expression})}", timeout=TIMEOUT_S) as answer:
        found = json.load(answer)
    assert found["status"] == "success", expression
    result: list[dict[str, Any]] = found["data"]["result"]
    return result


@pytest.mark.skipif(PROMETHEUS is None, reason="prometheus is not installed")
def test_prometheus_has_an_answer_for_every_panel(prometheus: str) -> None:
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            if answer_of(prometheus, "rate(myocast_poses_total[1m]) > 0"):
                break
        except OSError:
            pass
        assert time.monotonic() < deadline, "Prometheus has not scraped the server"
        time.sleep(0.2)
    for expression in expressions():
        found = answer_of(prometheus, expression)
        names = re.findall(r"\b(?:myocast|process)_\w+", expression)
        assert found or set(names) <= set(SILENT_WHILE_ALL_IS_WELL), expression
