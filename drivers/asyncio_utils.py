"""Cancelling tasks and waiting for them: the one place that does it for drivers."""

from __future__ import annotations

import asyncio
from typing import Any


async def first_done(*tasks: asyncio.Future[Any], seconds: float | None = None) -> None:
    """Wait until one of the tasks is done, or for so many seconds; then cancel the rest and wait until they have ended.

    They are cancelled too when the waiting itself is. How each task ended is to be asked of the task.
    """
    try:
        await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
    finally:
        await cancel_and_wait(*tasks)


async def cancel_and_wait(*tasks: asyncio.Future[Any]) -> None:
    """Cancel the tasks that still run and wait until all have ended; what they raise is not raised here."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
