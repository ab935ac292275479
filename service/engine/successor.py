"""A model on its way to take another's place: it catches up with the signal on a thread of its own."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable
from math import isfinite
from typing import Final

from models.arrays import Float32Array
from models.spec import ModelError
from service.engine.predictor import INFERENCE_ERRORS, Predictor, first_line

log = logging.getLogger("myocast")

WARM_ROWS: Final = 64
"""Samples of one run while catching up: short, so that the model that serves is never kept from its processor."""
CATCH_UP_S: Final = 30.0
"""Seconds that catching up may take; beyond, the model does not take over."""
CATCH_UP_ROWS: Final = 32
"""Samples that a successor may lack when it takes over; they go into its first run."""


class Superseded(ModelError):
    """Another model was chosen before this one took over."""


class Successor:
    """The next model of an engine. Everything but the catching up runs on the event loop's thread.

    Args:
        predictor: belongs to the thread that catches up until `ready`.
        done: is set when it has taken over, or cannot.
    """

    def __init__(self, predictor: Predictor, done: asyncio.Future[None]) -> None:
        self.predictor, self.done = predictor, done
        self.stretch_start = -1
        """First row of the stretch that it has processed; -1 before it has begun to catch up."""
        self.consumed = 0
        """Row up to which it has seen the stretch."""
        self.catching_up = False

    def catch_up(self, samples: Float32Array, end: int, then: Callable[[], None]) -> None:
        """Run over samples (n, 8) that end before row `end`, and call `then` on the loop's thread."""
        self.catching_up = True
        loop = asyncio.get_running_loop()

        too_long = loop.call_later(CATCH_UP_S, self._give_up)

        def finished(failure: str) -> None:
            too_long.cancel()
            self.catching_up, self.consumed = False, end
            if failure:
                self._fail(ModelError(f"{self.predictor.spec.name} gives no pose: {failure}"))
            then()

        def work() -> None:
            failure = run_over(self.predictor, samples)
            with contextlib.suppress(RuntimeError):  # the loop has ended before
                loop.call_soon_threadsafe(finished, failure)

        threading.Thread(target=work, name="myocast-catch-up", daemon=True).start()

    def _give_up(self) -> None:
        self.predictor.terminate()
        self._fail(ModelError(f"{self.predictor.spec.name} gives no pose within {CATCH_UP_S:g} s"))

    def supersede(self) -> None:
        """Cancel: this model never takes over."""
        if self.catching_up:
            self.predictor.terminate()
        self._fail(Superseded("another model was chosen meanwhile"))

    def _fail(self, error: ModelError) -> None:
        if not self.done.done():
            self.done.set_exception(error)
            # Mark the exception as retrieved: the request for the swap may have ended.
            self.done.exception()


def run_over(predictor: Predictor, samples: Float32Array) -> str:
    """Run a streaming model over samples (n, 8); return why it fails, or nothing."""
    try:
        for start in range(0, len(samples), WARM_ROWS):
            predictor.load(samples[start : start + WARM_ROWS])
            pose = predictor.run()
    except INFERENCE_ERRORS as error:
        return first_line(error)
    except Exception as error:
        log.exception("a fault in running the model %s", predictor.spec.name)
        return f"{type(error).__name__}: {first_line(error)}"
    return "" if not len(samples) or isfinite(sum(pose.tolist())) else "it answers with NaN"
