"""A model on its way to take another's place: it catches up with the signal on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from math import isfinite
from typing import Final

from models.arrays import Float32Array
from models.spec import ModelError
from service.engine.predictor import INFERENCE_ERRORS, Predictor

WARM_ROWS: Final = 64
"""Samples of one run while catching up: short, so that the model that serves is never kept from its processor."""
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

        def finished(failure: str) -> None:
            self.catching_up, self.consumed = False, end
            if failure:
                self._fail(ModelError(f"{self.predictor.spec.name} gives no pose: {failure}"))
            then()

        def work() -> None:
            failure = run_over(self.predictor, samples)
            loop.call_soon_threadsafe(finished, failure)

        threading.Thread(target=work, name="myocast-catch-up", daemon=True).start()

    def supersede(self) -> None:
        """Cancel: this model never takes over."""
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
        return str(error).splitlines()[0]
    return "" if not len(samples) or isfinite(sum(pose.tolist())) else "it answers with NaN"
