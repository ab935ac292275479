"""Try a model file of unknown origin in a process of its own, where it may take neither much memory nor much time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from typing import Final

import psutil

from models.file_limits import MAX_TRIAL_MEMORY, TRIAL_S
from models.spec import ModelError

LOOK_S: Final = 0.05
"""Seconds between two looks at the memory of the process, where the system sets it no limit."""
_COMMAND: Final = ("-P", "-m", "service.engine.model_trial_process")
"""`-P`: a folder `models` of the user's must not be imported."""


def prove(data: bytes, name: str, seconds: float = TRIAL_S, memory: int = MAX_TRIAL_MEMORY) -> None:
    """Load a model and run it once, in a process of its own.

    Args:
        data: the whole file.
        name: the file's name, for messages.
        seconds: that it may take.
        memory: bytes of data that the process may take.

    Raises:
        ModelError: it fails, or takes more.
    """
    child = subprocess.Popen(
        [sys.executable, *_COMMAND, name, str(memory)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    watch = _Watch(child.pid, memory)
    try:
        out, _ = child.communicate(data, seconds)
    except subprocess.TimeoutExpired:
        child.kill()
        child.communicate()
        raise ModelError(
            f"{name}: was not loaded and run once within {seconds:g} s; expected one that takes milliseconds"
        ) from None
    finally:
        watch.stop()
    answers = [json.loads(line)["error"] for line in out.splitlines()]
    if any(answers):
        raise ModelError(answers[-1])
    if answers and child.returncode in (0, _OUT_OF_TIME):
        return
    if watch.too_large or child.returncode == EXIT_MEMORY:
        raise ModelError(
            f"{name}: takes more than {memory >> 20} MB; expected a model that computes in a few megabytes"
        )
    raise ModelError(f"{name}: crashes onnxruntime in a trial run; export it again with `myocast export`")


_OUT_OF_TIME: Final = -getattr(signal, "SIGALRM", 0)
EXIT_MEMORY: Final = 3
"""Exit code of the process where its memory did not suffice."""


class _Watch:
    """Kills a process that takes too much memory, on systems that cannot limit it."""

    def __init__(self, pid: int, memory: int) -> None:
        self.too_large = False
        self._pid, self._memory = pid, memory
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch_memory, name="myocast-model-trial", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _watch_memory(self) -> None:
        try:
            process = psutil.Process(self._pid)
            while not self._over.wait(LOOK_S):
                if process.memory_info().rss > self._memory:
                    self.too_large = True
                    process.kill()
                    return
        except psutil.Error:
            return
