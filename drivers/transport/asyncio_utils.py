"""Cancel tasks and wait until they have ended."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_done(*tasks: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait until one of the tasks is done, or for so many seconds; then cancel the rest and wait until they have ended.

    They are also cancelled when this call is. What a task returned or raised is left in the task. (A
    `asyncio.TaskGroup` would wrap what the first one raised in an exception group, and waits for all.)
    """
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*tasks)


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel the tasks that still run and wait until all have ended; what they raise stays in them."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
