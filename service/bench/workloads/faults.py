"""What strikes a server during the long run: clients that come, go, flood or never read, swaps, alignments, garbage."""

from __future__ import annotations

import contextlib
import json
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

from service.bench.processes.load_generator import handshake

PAUSE_S: Final = (0.0, 0.15)
"""Seconds between two faults, at least and at most."""
MOST_CLIENTS: Final = 12
_TIMEOUT_S: Final = 5.0
_TEXT, _MASKED = 0x81, 0x80


class Faults:
    """Faults at random moments, the same for the same seed (their moments depend on how long the server takes).

    Args:
        url: of the server.
        models: names of two models that fit and have the same hop.
        seed: of the random numbers.
    """

    def __init__(self, url: str, models: tuple[str, str], seed: int) -> None:
        self.struck: Counter[str] = Counter()
        self.failures: list[str] = []
        """Answers that a server should not give."""
        self._url, self._models, self._random = url.rstrip("/"), models, random.Random(seed)
        self._address = (urlsplit(url).hostname or "", urlsplit(url).port or 0)
        self._over = threading.Event()
        self._thread: threading.Thread | None = None
        self._kinds: dict[str, Callable[[], None]] = {
            "clients come and go": self._come_and_go,
            "a client never reads": self._never_read,
            "messages that are none": self._nonsense,
            "bytes that are no HTTP": self._garbage,
            "a header that never ends": self._half_a_header,
            "requests that are refused": self._refused,
            "another model": self._swap,
            "an alignment that is cancelled": self._align,
            "a fit that is discarded": self._fit,
        }

    def start(self) -> None:
        """Begin to strike."""
        self._over.clear()
        self._thread = threading.Thread(target=self._strike, name="faults", daemon=True)
        self._thread.start()

    def pause(self) -> None:
        """Stop; every connection is closed by then."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()

    def _strike(self) -> None:
        while not self._over.wait(self._random.uniform(*PAUSE_S)):
            kind = self._random.choice(list(self._kinds))
            self.struck[kind] += 1
            try:
                self._kinds[kind]()
            except TimeoutError:
                self.failures.append(f"{kind}: no answer within {_TIMEOUT_S:g} s")
            except OSError:
                # The server may close on whoever misbehaves.
                continue

    def _client(self, streams: str = "pose") -> socket.socket:
        opened = socket.create_connection(self._address, _TIMEOUT_S)
        encoding = self._random.choice(("myocast.v1.binary", "myocast.v1.json"))
        request = handshake(self._url, encoding, self._random.choice((None, 30.0, 7.5)))
        opened.sendall(
            request.replace(b"/v1/stream", f"/v1/stream?streams={streams}".encode(), 1).replace(b"?max", b"&max", 1)
        )
        return opened

    def _come_and_go(self) -> None:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(self._client()) for _ in range(self._random.randint(1, MOST_CLIENTS))]
            for client in clients:
                client.recv(4096)

    def _never_read(self) -> None:
        with self._client("pose,emg,status"):
            time.sleep(self._random.uniform(0.1, 1.0))

    def _nonsense(self) -> None:
        with self._client() as client:
            client.recv(4096)
            for _ in range(self._random.randint(1, 20)):
                payload = self._random.choice((b"{}", b"[1]", b'{"type":"label"}', b'{"type":"subscribe","streams":7}'))
                client.sendall(bytes((_TEXT, _MASKED | len(payload), 0, 0, 0, 0)) + payload)
            client.sendall(self._random.randbytes(self._random.randint(1, 200)))
            client.recv(4096)

    def _garbage(self) -> None:
        with socket.create_connection(self._address, _TIMEOUT_S) as opened:
            opened.sendall(self._random.randbytes(self._random.randint(1, 2000)) + b"\r\n\r\n")
            opened.recv(4096)

    def _half_a_header(self) -> None:
        with socket.create_connection(self._address, _TIMEOUT_S) as opened:
            opened.sendall(b"GET /v1/stream HTTP/1.1\r\nHost: ")

    def _refused(self) -> None:
        path = self._random.choice(("model", "alignment", "personal", "record", "device", "nothing"))
        body = self._random.choice((b"{", b"[]", b'{"action":"x"}', b'{"action":"use","name":"../x"}', b"\xff" * 100))
        code = self._post(path, body)
        if code < 400 or code >= 500:
            self.failures.append(f"POST {path} {body[:40]!r}: {code}; expected a refusal")

    def _swap(self) -> None:
        self._action("model", {"action": "use", "name": self._random.choice(self._models)}, 200)

    def _align(self) -> None:
        self._action("alignment", {"action": "start", "cues": ["rest", "fist"], "seconds": 1}, 200, 409)
        time.sleep(self._random.uniform(0.0, 0.5))
        self._action("alignment", {"action": "cancel"}, 200, 409)
        self._action("alignment", {"action": "reset"}, 200, 409)

    def _fit(self) -> None:
        self._action("personal", {"action": "start"}, 200, 409)
        time.sleep(self._random.uniform(0.0, 0.5))
        self._action("personal", {"action": "discard"}, 200, 409)

    def _action(self, path: str, body: dict[str, object], *expected: int) -> None:
        code = self._post(path, json.dumps(body).encode())
        if code not in expected:
            self.failures.append(f"POST {path} {body}: {code}")

    def _post(self, path: str, body: bytes) -> int:
        request = urllib.request.Request(
            f"{self._url}/api/v1/{path}", body, {"Content-Type": "application/json"}, method="POST"
        )
        try:
            with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code
