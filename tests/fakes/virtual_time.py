"""An event loop whose clock jumps to the next timer: an hour passes in moments, and exactly.

    with VirtualLoop() as loop:
        loop.run(main())          # loop.now() is the clock to inject

`asyncio.sleep`, timeouts and `call_later` take no real time. Work in other threads is waited for only
where nothing is scheduled, so keep threads out of what is timed.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

T = TypeVar("T")

EPOCH: Final = 1_700_000_000.0


class _JumpingSelector(selectors.BaseSelector):
    """Asks for what is ready now; where the loop would wait, moves the time instead."""

    def __init__(self) -> None:
        self.elapsed = 0.0
        self._real = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = self._real.select(0 if timeout is not None else None)
        if not ready and timeout is not None and timeout > 0:
            self.elapsed += timeout
        return ready

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._real.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._real.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._real.get_map()

    def close(self) -> None:
        self._real.close()


class VirtualLoop(asyncio.SelectorEventLoop):
    """A loop in virtual time, to be used as a context manager."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.elapsed

    def now(self) -> float:
        """Unix seconds in virtual time: the clock for what is tested."""
        return EPOCH + self._jumping.elapsed

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run to the end."""
        return self.run_until_complete(main)

    def __enter__(self) -> VirtualLoop:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in asyncio.all_tasks(self):
            task.cancel()
        self.run_until_complete(asyncio.sleep(0))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()
